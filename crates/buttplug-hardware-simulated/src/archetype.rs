//! The kinds of devices that the catalogue's protocol `simulated` knows.

use std::fmt;

/// A kind of simulated device. Its features and ranges stand in the catalogue, under the protocol `simulated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archetype {
    /// One motor.
    OneMotorVibrator,
    /// Two motors.
    TwoMotorVibrator,
    /// Turns both ways.
    Rotator,
    /// Moves back and forth by itself.
    Oscillator,
    /// Goes to a position, at once or over a time.
    Stroker,
    /// Squeezes with a cuff and sprays from a nozzle.
    Pump,
    /// Heats and cools, and shines.
    Warmer,
    /// Tells how hard it is pressed.
    PressureSensor,
}

impl Archetype {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::OneMotorVibrator,
        Self::TwoMotorVibrator,
        Self::Rotator,
        Self::Oscillator,
        Self::Stroker,
        Self::Pump,
        Self::Warmer,
        Self::PressureSensor,
    ];

    /// The identifier in the catalogue and in user files.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneMotorVibrator => "simulated-1vibe",
            Self::TwoMotorVibrator => "simulated-2vibe",
            Self::Rotator => "simulated-rotator",
            Self::Oscillator => "simulated-oscillator",
            Self::Stroker => "simulated-stroker",
            Self::Pump => "simulated-pump",
            Self::Warmer => "simulated-warmer",
            Self::PressureSensor => "simulated-pressure",
        }
    }

    /// The kind with this identifier.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|archetype| archetype.name() == name)
    }
}

impl fmt::Display for Archetype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_archetype_is_found_by_its_name() {
        for archetype in Archetype::ALL {
            assert_eq!(Archetype::from_name(archetype.name()), Some(archetype));
        }
        assert_eq!(Archetype::from_name("simulated"), None);
    }
}
