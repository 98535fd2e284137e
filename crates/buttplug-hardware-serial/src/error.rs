//! Why a serial port could not be opened, and what to do about it.

use buttplug_server::hardware::HardwareError;
use std::io::{Error, ErrorKind};
use std::time::Duration;
use thiserror::Error;

/// Why a serial port could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    /// It is not there any more.
    #[error("the port {0} is not there")]
    NotThere(String),
    /// The system does not let this user have it.
    #[error(
        "this user may not open the port {0}; on Linux, add the user to the group `dialout` (on some systems `uucp`) and log in anew"
    )]
    NotAllowed(String),
    /// Another program has it.
    #[error("the port {0} is in use by another program; close that one")]
    InUse(String),
    /// It is no serial port, or does not take these settings.
    #[error("the port {port} can't be opened with the settings {settings}: {reason}")]
    Refused {
        /// The port.
        port: String,
        /// The settings.
        settings: String,
        /// What the system says.
        reason: String,
    },
    /// The system did not come to an end with it.
    #[error("the port {port} did not open within {} s; a port of Bluetooth opens only while its device is in reach", after.as_secs())]
    TookTooLong {
        /// The port.
        port: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// As many are open as may be.
    #[error("the port {port} is left alone: {max} ports are open, no more may be")]
    TooMany {
        /// The port.
        port: String,
        /// How many may be open.
        max: usize,
    },
}

impl PortError {
    pub(crate) fn from_system(port: &str, settings: String, error: &Error) -> Self {
        let port = port.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::NotThere(port),
            ErrorKind::PermissionDenied if cfg!(windows) => Self::InUse(port),
            ErrorKind::PermissionDenied => Self::NotAllowed(port),
            ErrorKind::ResourceBusy | ErrorKind::WouldBlock => Self::InUse(port),
            _ => Self::Refused { port, settings, reason: error.to_string() },
        }
    }
}

impl From<PortError> for HardwareError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::NotThere(_) => Self::Gone,
            PortError::NotAllowed(_)
            | PortError::InUse(_)
            | PortError::Refused { .. }
            | PortError::TookTooLong { .. }
            | PortError::TooMany { .. } => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_the_port() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::ResourceBusy,
            ErrorKind::WouldBlock,
            ErrorKind::InvalidInput,
        ] {
            let error = PortError::from_system("/dev/ttyX7", "9600 8N1".into(), &kind.into());
            assert!(error.to_string().contains("/dev/ttyX7"), "{error}");
        }
    }
}
