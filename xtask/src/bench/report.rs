//! Figures with their targets beside them, as a table. Says whether a target is met; what follows from that is for
//! people.

/// What a figure should come to.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met(self, figure: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtMost(most) => Some(figure <= most),
            Self::AtLeast(least) => Some(figure >= least),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("<= {}", shown(most)),
            Self::AtLeast(least) => format!(">= {}", shown(least)),
        }
    }
}

/// The table, printed line by line as figures come in.
pub(crate) struct Report {
    met: usize,
    missed: usize,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { met: 0, missed: 0 }
    }

    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}");
    }

    pub(crate) fn line(&mut self, what: &str, figure: f64, unit: &str, target: Target) {
        let word = match target.is_met(figure) {
            Some(true) => {
                self.met += 1;
                "met"
            }
            Some(false) => {
                self.missed += 1;
                "MISSED"
            }
            None => "",
        };
        let line = format!("  {what:44} {:>9} {unit:4} {:>9}  {word}", shown(figure), target.shown());
        println!("{}", line.trim_end());
    }

    /// The last line of the table.
    pub(crate) fn close(&self) {
        println!("\n{} targets met, {} missed", self.met, self.missed);
    }
}

/// Three digits that matter, more for large figures, none after the point for whole ones.
fn shown(figure: f64) -> String {
    let digits = match figure.abs() {
        whole if whole.fract() == 0.0 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        one if one >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_very_value() {
        assert_eq!(Target::AtMost(1.2).is_met(1.2), Some(true));
        assert_eq!(Target::AtMost(1.2).is_met(1.21), Some(false));
        assert_eq!(Target::AtLeast(0.6).is_met(0.6), Some(true));
        assert_eq!(Target::AtLeast(0.6).is_met(0.59), Some(false));
        assert_eq!(Target::None.is_met(7.0), None);
    }

    #[test]
    fn figures_show_the_digits_that_matter() {
        let figures = [0.0, 0.01234, 1.2, 12.34, 123.4, 61234.7].map(shown);
        assert_eq!(figures, ["0", "0.012", "1.20", "12.3", "123", "61235"]);
    }

    #[test]
    fn met_and_missed_targets_are_counted() {
        let mut report = Report::new();
        report.line("a", 1.0, "ms", Target::AtMost(2.0));
        report.line("b", 3.0, "ms", Target::AtMost(2.0));
        report.line("c", 3.0, "ms", Target::None);
        assert_eq!((report.met, report.missed), (1, 1));
    }
}
