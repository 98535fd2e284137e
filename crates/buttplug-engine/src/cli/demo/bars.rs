//! Bars of block characters, as text. Knows no terminal.

/// Cells of a bar between its ends.
pub(super) const WIDTH: usize = 28;

/// Blocks that fill an eighth of a cell more each, from the left.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar that grows from the left: 0 is empty, 1 is full.
pub(super) fn level(fraction: f64) -> String {
    let eighths = (fraction.clamp(0.0, 1.0) * (WIDTH * 8) as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        bar.extend(EIGHTHS.get(eighths % 8));
    }
    framed(&bar)
}

/// A bar that grows from the middle: -1 is full to the left, 1 to the right.
pub(super) fn balance(fraction: f64) -> String {
    let side = WIDTH / 2;
    let halves = (fraction.abs().min(1.0) * (side * 2) as f64).round() as usize;
    let full = "█".repeat(halves / 2);
    let half = halves % 2 == 1;
    if fraction < 0.0 {
        let left = if half { format!("▐{full}") } else { full };
        framed(&format!("{left:>side$}"))
    } else {
        let right = if half { format!("{full}▌") } else { full };
        framed(&format!("{:side$}{right}", ""))
    }
}

/// A mark on a line: 0 is at the left end, 1 at the right.
pub(super) fn slider(fraction: f64) -> String {
    let at = (fraction.clamp(0.0, 1.0) * (WIDTH - 1) as f64).round() as usize;
    framed(&format!("{}●{}", "─".repeat(at), "─".repeat(WIDTH - 1 - at)))
}

fn framed(bar: &str) -> String {
    format!("▕{bar:WIDTH$}▏")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_the_same_width_whatever_it_shows() {
        for draw in [level, balance, slider] {
            for step in -20..=20 {
                let fraction = f64::from(step) / 10.0;
                assert_eq!(draw(fraction).chars().count(), WIDTH + 2, "{fraction}");
            }
            assert_eq!(draw(f64::NAN).chars().count(), WIDTH + 2);
        }
    }

    #[test]
    fn bars_show_how_much() {
        assert_eq!(level(0.0).trim_matches(['▕', '▏']).trim(), "");
        assert_eq!(level(1.0).matches('█').count(), WIDTH);
        assert_eq!(level(0.5).matches('█').count(), WIDTH / 2);
        assert!(level(0.25 / WIDTH as f64).contains('▎'));
        assert_eq!(balance(-1.0), format!("▕{}{}▏", "█".repeat(14), " ".repeat(14)));
        assert_eq!(balance(0.5), format!("▕{}{}{}▏", " ".repeat(14), "█".repeat(7), " ".repeat(7)));
        assert!(slider(0.0).starts_with("▕●─") && slider(1.0).ends_with("─●▏"));
    }
}
