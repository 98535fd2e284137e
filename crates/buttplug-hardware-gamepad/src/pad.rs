//! What a system has to offer: which pads there are, and one that is open.

use crate::limits::MAX_NAME_BYTES;
use crate::motors::{Motors, Rumble};
use buttplug_server::hardware::HardwareError;
use std::time::Duration;
use thiserror::Error;

/// What went wrong with a pad.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PadError {
    /// The system can't list its pads.
    #[error("gamepads can't be looked for: {0}")]
    List(String),
    /// It is there and can't be opened.
    #[error("the gamepad at {place} can't be opened: {reason}{hint}")]
    Open {
        /// Where.
        place: String,
        /// What the system says.
        reason: String,
        /// What to do, if that is known.
        hint: &'static str,
    },
    /// It is not there any more.
    #[error("the gamepad is gone: {0}")]
    Lost(String),
    /// It has no such motors.
    #[error("this gamepad has no {0}")]
    NoMotor(&'static str),
    /// It is on a cable, or does not say how full its battery is.
    #[error("this gamepad does not say how full its battery is")]
    NoBattery,
}

impl From<PadError> for HardwareError {
    fn from(error: PadError) -> Self {
        match error {
            PadError::Lost(_) => Self::Gone,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// A pad that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PadInfo {
    /// Where it is. The same pad has the same address again, as far as the system can tell.
    pub address: String,
    /// What it calls itself.
    pub name: String,
}

impl PadInfo {
    /// A pad with a name that may be anything, or nothing.
    pub(crate) fn new(address: String, name: &str) -> Self {
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        let mut end = MAX_NAME_BYTES.min(name.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
        let name = name.trim();
        let name = if name.is_empty() { format!("Gamepad {address}") } else { name.to_owned() };
        Self { address, name }
    }
}

/// The pads of a system. Calls may come from several threads.
pub trait Pads: Send + Sync {
    /// All pads that can rumble.
    ///
    /// # Errors
    /// The system does not tell.
    fn list(&self) -> Result<Vec<PadInfo>, PadError>;

    /// Opens a pad.
    ///
    /// # Errors
    /// It is gone, in use, or the system forbids it.
    fn open(&self, address: &str) -> Result<Box<dyn Pad>, PadError>;
}

/// A pad that is open. Dropping it closes it, and it need not rest before.
pub trait Pad {
    /// Which motors it has.
    fn motors(&self) -> Motors;

    /// Sets all motors, for so long unless they are set again, where the system knows an end.
    ///
    /// # Errors
    /// It is gone.
    fn rumble(&mut self, rumble: Rumble, time: Duration) -> Result<(), PadError>;

    /// How full the battery is, in percent. `None`: it has not said so yet, and may be asked again. Takes some tens of
    /// milliseconds at most: meanwhile the pad can't be set to rest.
    ///
    /// # Errors
    /// There is none, or it does not say.
    fn battery(&mut self) -> Result<Option<u8>, PadError>;

    /// Whether it is still there.
    fn is_connected(&mut self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pad_has_a_name_whatever_it_calls_itself() {
        let named = |name: &str| PadInfo::new(String::from("a1"), name).name;
        assert_eq!(named("Pad"), "Pad");
        assert_eq!(named(" P\u{0}ad\n"), "Pad");
        for nothing in ["", "  ", "\u{0}\u{7}"] {
            assert_eq!(named(nothing), "Gamepad a1");
        }
        let long = "ä".repeat(MAX_NAME_BYTES);
        assert_eq!(named(&long), "ä".repeat(MAX_NAME_BYTES / 2));
    }
}
