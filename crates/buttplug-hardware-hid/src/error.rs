//! Why a device could not be opened, and what to do about it.

use buttplug_server::hardware::HardwareError;
use std::time::Duration;
use thiserror::Error;

/// Why a device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HidError {
    /// It is not there any more.
    #[error("the device {0} is not there")]
    NotThere(String),
    /// The system does not let this user have it.
    #[error(
        "this user may not open the device {0}; on Linux, a udev rule allows it: `buttplug devices udev-rules` prints it, and says where it goes"
    )]
    NotAllowed(String),
    /// The system refuses.
    #[error("the device {device} can't be opened: {reason}")]
    Refused {
        /// The device.
        device: String,
        /// What the system says.
        reason: String,
    },
    /// The system did not come to an end with it.
    #[error("the device {device} did not open within {} s", after.as_secs())]
    TookTooLong {
        /// The device.
        device: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// As many are open as may be.
    #[error("the device {device} is left alone: {max} devices are open, no more may be")]
    TooMany {
        /// The device.
        device: String,
        /// How many may be open.
        max: usize,
    },
}

impl From<HidError> for HardwareError {
    fn from(error: HidError) -> Self {
        match error {
            HidError::NotThere(_) => Self::Gone,
            HidError::NotAllowed(_)
            | HidError::Refused { .. }
            | HidError::TookTooLong { .. }
            | HidError::TooMany { .. } => Self::Failed(error.to_string()),
        }
    }
}
