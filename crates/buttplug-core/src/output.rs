//! What a feature can do: kinds of outputs, ranges in steps, and the way from fractions to steps.

use std::fmt;
use thiserror::Error;

/// A kind of output, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKind {
    /// Vibration strength.
    Vibrate,
    /// Rotation speed; negative turns counter-clockwise where the range allows it.
    Rotate,
    /// Speed of a machine that moves back and forth by itself.
    Oscillate,
    /// Pressure of a pump or a cuff.
    Constrict,
    /// A dose of liquid.
    Spray,
    /// Heating, or cooling where the range allows negative values.
    Temperature,
    /// Brightness of a light.
    Led,
    /// A position to go to at the device's own speed.
    Position,
    /// A position to reach after a given time.
    HwPositionWithDuration,
}

impl OutputKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Vibrate,
        Self::Rotate,
        Self::Oscillate,
        Self::Constrict,
        Self::Spray,
        Self::Temperature,
        Self::Led,
        Self::Position,
        Self::HwPositionWithDuration,
    ];

    /// The name on the wire, case included.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vibrate => "Vibrate",
            Self::Rotate => "Rotate",
            Self::Oscillate => "Oscillate",
            Self::Constrict => "Constrict",
            Self::Spray => "Spray",
            Self::Temperature => "Temperature",
            Self::Led => "Led",
            Self::Position => "Position",
            Self::HwPositionWithDuration => "HwPositionWithDuration",
        }
    }

    /// The kind with this name on the wire; the case matters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a stop sets it to zero. A position has no zero that means rest: a stop leaves it where it is.
    pub fn is_stoppable(self) -> bool {
        !matches!(self, Self::Position | Self::HwPositionWithDuration)
    }
}

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one output shall do, in steps of the announced range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputCommand {
    kind: OutputKind,
    value: i32,
    duration_ms: u32,
}

impl OutputCommand {
    /// Sets `kind` to `value` steps. For [`OutputKind::HwPositionWithDuration`] this means at once; see
    /// [`timed_position`](Self::timed_position).
    pub fn new(kind: OutputKind, value: i32) -> Self {
        Self { kind, value, duration_ms: 0 }
    }

    /// Moves to `value` steps so that it arrives after `duration_ms` milliseconds.
    pub fn timed_position(value: i32, duration_ms: u32) -> Self {
        Self { kind: OutputKind::HwPositionWithDuration, value, duration_ms }
    }

    /// The kind of output.
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// The value in steps.
    pub fn value(&self) -> i32 {
        self.value
    }

    /// Milliseconds until the position is reached; 0 for every kind but [`OutputKind::HwPositionWithDuration`].
    pub fn duration_ms(&self) -> u32 {
        self.duration_ms
    }
}

/// The steps an output accepts, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepRange {
    min: i32,
    max: i32,
}

/// Why a fraction could not be turned into a step.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum FractionError {
    /// Not a number from -1 to 1.
    #[error("{0} is not a fraction from -1 to 1")]
    OutOfRange(f64),
    /// Negative, on an output with one direction only.
    #[error("{fraction} is negative, and {range} has no negative side")]
    Negative {
        /// What was asked for.
        fraction: f64,
        /// The output's range.
        range: StepRange,
    },
}

impl StepRange {
    /// From `min` to `max`. The ends are swapped if they come in the wrong order.
    pub fn new(min: i32, max: i32) -> Self {
        if min <= max { Self { min, max } } else { Self { min: max, max: min } }
    }

    /// The smallest step.
    pub fn min(self) -> i32 {
        self.min
    }

    /// The largest step.
    pub fn max(self) -> i32 {
        self.max
    }

    /// Whether `step` is one of these.
    pub fn contains(self, step: i32) -> bool {
        (self.min..=self.max).contains(&step)
    }

    /// The step nearest to `step` that is in the range.
    pub fn clamp(self, step: i32) -> i32 {
        step.clamp(self.min, self.max)
    }

    /// The step for a fraction of full power. Anything above zero is rounded away from zero, so that a device asked
    /// to move never stays at rest; a negative fraction is the other direction of a range that has one.
    ///
    /// # Errors
    /// The fraction is not a number from -1 to 1, or negative where the range has no negative side.
    ///
    /// ```
    /// use buttplug_core::StepRange;
    /// assert_eq!(StepRange::new(0, 20).step(0.51), Ok(11));
    /// assert_eq!(StepRange::new(-20, 20).step(-0.51), Ok(-11));
    /// assert!(StepRange::new(0, 20).step(-0.5).is_err());
    /// ```
    pub fn step(self, fraction: f64) -> Result<i32, FractionError> {
        if !(-1.0..=1.0).contains(&fraction) {
            return Err(FractionError::OutOfRange(fraction));
        }
        // Below this a fraction counts as zero in every client library; rounded up, it would be a step.
        let step = if fraction.abs() < 0.000_001 {
            0.0
        } else if fraction > 0.0 {
            (f64::from(self.max) * fraction).ceil()
        } else if self.min >= 0 {
            return Err(FractionError::Negative { fraction, range: self });
        } else {
            (f64::from(self.min).abs() * fraction).floor()
        };
        Ok(self.clamp(step as i32))
    }
}

impl fmt::Display for StepRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_only_by_its_name() {
        for kind in OutputKind::ALL {
            assert_eq!(OutputKind::from_name(kind.name()), Some(kind));
            assert_eq!(OutputKind::from_name(&kind.name().to_lowercase()), None);
        }
    }

    #[test]
    fn fractions_become_steps_as_in_every_client_library() {
        let cases: &[(i32, i32, f64, i32)] = &[
            (0, 20, 0.0, 0),
            (0, 20, 0.000_000_1, 0),
            (0, 20, -0.000_000_1, 0),
            (0, 20, 0.01, 1),
            (0, 20, 0.5, 10),
            (0, 20, 0.51, 11),
            (0, 20, 1.0, 20),
            (0, 100, 0.07, 8),
            (-20, 20, 0.0, 0),
            (-20, 20, 0.5, 10),
            (-20, 20, -0.51, -11),
            (-20, 20, -1.0, -20),
            (10, 20, 0.1, 10),
            (i32::MIN, i32::MAX, -1.0, i32::MIN),
            (i32::MIN, i32::MAX, 1.0, i32::MAX),
        ];
        for &(min, max, fraction, step) in cases {
            assert_eq!(StepRange::new(min, max).step(fraction), Ok(step), "{fraction} of {min}..={max}");
        }
    }

    #[test]
    fn fractions_that_are_none_are_refused() {
        for fraction in [1.01, -1.01, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(
                matches!(StepRange::new(-5, 5).step(fraction), Err(FractionError::OutOfRange(_))),
                "{fraction}"
            );
        }
        assert!(matches!(StepRange::new(0, 5).step(-0.5), Err(FractionError::Negative { .. })));
    }
}
