//! What a frame for a pad means, and which motors a pad has.

use crate::pad::PadError;

/// Bytes of a frame: the strengths of four motors.
const FRAME_BYTES: usize = 8;

/// How strongly the motors run, from 0 to 65535.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rumble {
    /// The motor of low frequency, on the left in most pads.
    pub low: u16,
    /// The motor of high frequency, on the right in most pads.
    pub high: u16,
    /// The motor in the left trigger.
    pub left: u16,
    /// The motor in the right trigger.
    pub right: u16,
}

/// Which motors a pad has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motors {
    /// Low and high frequency.
    Main,
    /// Low and high frequency, and one in each trigger.
    MainAndTriggers,
    /// One in each trigger.
    Triggers,
}

impl Rumble {
    /// Nothing runs.
    pub const REST: Self = Self { low: 0, high: 0, left: 0, right: 0 };

    /// The rumble of a frame, if it has the right length.
    pub(crate) fn of_frame(frame: &[u8]) -> Option<Self> {
        let frame: [u8; FRAME_BYTES] = frame.try_into().ok()?;
        let strength = |place: usize| u16::from_le_bytes([frame[place], frame[place + 1]]);
        Some(Self { low: strength(0), high: strength(2), left: strength(4), right: strength(6) })
    }
}

impl Motors {
    /// What the catalogue calls models with these motors.
    pub(crate) fn identifier(self) -> &'static str {
        match self {
            Self::Main => "__sdl-rumble",
            Self::MainAndTriggers => "__sdl-rumble-and-triggers",
            Self::Triggers => "__sdl-triggers-only",
        }
    }

    /// Checks that nothing runs that is not there.
    pub(crate) fn check(self, rumble: Rumble) -> Result<(), PadError> {
        let Rumble { low, high, left, right } = rumble;
        match self {
            Self::Main if left != 0 || right != 0 => Err(PadError::NoMotor("motors in its triggers")),
            Self::Triggers if low != 0 || high != 0 => Err(PadError::NoMotor("main motors")),
            Self::Main | Self::Triggers | Self::MainAndTriggers => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_four_strengths() {
        let frame = [0x00, 0x80, 0xff, 0x7f, 0x01, 0x00, 0x40, 0x9c];
        let rumble = Rumble { low: 32768, high: 32767, left: 1, right: 40000 };
        assert_eq!(Rumble::of_frame(&frame), Some(rumble));
        for length in [0, 4, 7, 9] {
            assert_eq!(Rumble::of_frame(&[0; 16][..length]), None, "{length}");
        }
    }

    #[test]
    fn a_motor_that_is_not_there_can_rest_but_not_run() {
        let (main, trigger) = (Rumble { high: 1, ..Rumble::REST }, Rumble { left: 1, ..Rumble::REST });
        for (motors, can_main, can_trigger) in [
            (Motors::Main, true, false),
            (Motors::Triggers, false, true),
            (Motors::MainAndTriggers, true, true),
        ] {
            assert!(motors.check(Rumble::REST).is_ok());
            assert_eq!(motors.check(main).is_ok(), can_main, "{motors:?}");
            assert_eq!(motors.check(trigger).is_ok(), can_trigger, "{motors:?}");
        }
    }
}
