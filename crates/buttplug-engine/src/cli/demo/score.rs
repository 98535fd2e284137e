//! The choreography: what each part plays at which moment. Pure; a moment is a fraction of the whole piece.

use std::f64::consts::TAU;

/// Beats of the whole piece: how often new values go out.
pub(super) const BEATS: u32 = 140;

/// Strokes of the stroker in the whole piece.
pub(super) const STROKES: u32 = 14;

/// How strong a motor vibrates, 0 to 1: two motors swell in turn, then both pulse, then they fade together.
pub(super) fn vibration(motor: usize, moment: f64) -> f64 {
    let phase = if motor % 2 == 0 { 0.0 } else { 0.5 };
    let swell = 0.5 - 0.5 * ((moment * 4.0 + phase) * TAU).cos();
    let pulse = if (moment * 24.0).fract() < 0.5 { 1.0 } else { 0.25 };
    if moment < 0.5 {
        swell
    } else if moment < 0.75 {
        pulse
    } else {
        swell * (1.0 - moment) * 4.0
    }
}

/// How fast the rotator turns, -1 to 1: slowly one way, faster the other, and so on.
pub(super) fn rotation(moment: f64) -> f64 {
    (moment * 3.0 * TAU).sin() * (0.3 + 0.7 * moment)
}

/// Where a stroke ends, 0 to 1: short strokes first, long ones later.
pub(super) fn stroke(number: u32) -> f64 {
    let reach = 0.2 + 0.3 * f64::from(number) / f64::from(STROKES - 1);
    if number % 2 == 0 { 0.5 + reach } else { 0.5 - reach }
}

/// How hard the sensor is pressed, 0 to 1: by a hand that tightens and lets go, and holds on in the end.
pub(super) fn pressure(moment: f64) -> f64 {
    (0.5 - 0.5 * (moment * 2.5 * TAU).cos()) * (0.85 + 0.15 * (moment * 31.0 * TAU).sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stays_in_its_range_and_uses_most_of_it() {
        let moments = (0..=BEATS).map(|beat| f64::from(beat) / f64::from(BEATS));
        let extent = |part: &dyn Fn(f64) -> f64| {
            moments
                .clone()
                .map(part)
                .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
        };
        for part in [&|moment| vibration(0, moment), &|moment| vibration(1, moment), &pressure]
            as [&dyn Fn(f64) -> f64; 3]
        {
            let (low, high) = extent(part);
            assert!((0.0..0.1).contains(&low) && high > 0.9 && high <= 1.0, "{low} to {high}");
        }
        let (low, high) = extent(&rotation);
        assert!((-1.0..-0.4).contains(&low) && high > 0.4 && high <= 1.0, "{low} to {high}");
        for number in 0..STROKES {
            assert!((0.0..=1.0).contains(&stroke(number)));
        }
        assert!((stroke(STROKES - 1) - 0.0).abs() < 1e-9, "the last stroke is the longest");
    }

    #[test]
    fn the_motors_swell_in_turn() {
        assert!(vibration(0, 0.0) < 0.01 && vibration(1, 0.0) > 0.99);
        assert!(vibration(0, 0.125) > 0.99 && vibration(1, 0.125) < 0.01);
    }
}
