//! What can go wrong between a client and a server: five classes, each with the facts that a person needs.

use crate::input::{InputAction, InputKind};
use crate::message::{DeviceIndex, FeatureIndex};
use crate::output::{OutputKind, StepRange};
use thiserror::Error;

/// The class of an error, as its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Nothing more precise is known. Code 0.
    Unknown,
    /// The handshake: missing, repeated, or of a version that is not spoken. Code 1.
    Handshake,
    /// The client did not ping in time. Code 2.
    Ping,
    /// The message can't be read, or is not allowed. Code 3.
    Message,
    /// The device or feature is missing, can't do what was asked, or failed. Code 4.
    Device,
}

impl ErrorClass {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Handshake => 1,
            Self::Ping => 2,
            Self::Message => 3,
            Self::Device => 4,
        }
    }

    /// The class of a number on the wire; numbers of later versions count as unknown.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Handshake,
            2 => Self::Ping,
            3 => Self::Message,
            4 => Self::Device,
            _ => Self::Unknown,
        }
    }
}

/// Any error that a server reports to a client.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ButtplugError {
    /// See [`UnknownError`].
    #[error(transparent)]
    Unknown(#[from] UnknownError),
    /// See [`HandshakeError`].
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// See [`PingError`].
    #[error(transparent)]
    Ping(#[from] PingError),
    /// See [`MessageError`].
    #[error(transparent)]
    Message(#[from] MessageError),
    /// See [`DeviceError`].
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl ButtplugError {
    /// The class on the wire.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unknown(_) => ErrorClass::Unknown,
            Self::Handshake(_) => ErrorClass::Handshake,
            Self::Ping(_) => ErrorClass::Ping,
            Self::Message(_) => ErrorClass::Message,
            Self::Device(_) => ErrorClass::Device,
        }
    }
}

/// Errors without a better class.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownError {
    /// The server is ending and takes no more commands.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The server's machine is about to sleep, and devices must not run on meanwhile.
    #[error("this machine is about to sleep; its devices rest until it is awake again")]
    Resting,
    /// The server takes one client, and has it.
    #[error("another client is connected, and this server takes one at a time; close that one first")]
    Taken,
    /// As many clients as the server takes are connected.
    #[error("{limit} clients are connected, no more are taken; close one first")]
    Full {
        /// The limit.
        limit: usize,
    },
}

/// Errors of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// A message came before `RequestServerInfo`.
    #[error("the handshake is missing: send RequestServerInfo first")]
    Missing,
    /// `RequestServerInfo` came again.
    #[error("the handshake is already done on this connection")]
    Repeated,
    /// The client wants a newer protocol than the server speaks.
    #[error(
        "version {requested} of the protocol is not spoken here, the newest is {newest}; update the server"
    )]
    TooNew {
        /// The major version the client asked for.
        requested: u32,
        /// The newest major version this server speaks.
        newest: u32,
    },
    /// The client wants an older protocol than the server speaks.
    #[error(
        "version {requested} of the protocol is not spoken here, the oldest is {oldest}; update the client"
    )]
    TooOld {
        /// The major version the client asked for.
        requested: u32,
        /// The oldest major version this server speaks.
        oldest: u32,
    },
    /// `MessageVersion` is 4 or more, which only exists as `ProtocolVersionMajor`.
    #[error(
        "MessageVersion {0} does not exist; from version 4 on, send ProtocolVersionMajor and ProtocolVersionMinor"
    )]
    NoSuchMessageVersion(u32),
    /// The client has already said `Disconnect`.
    #[error("the client has disconnected; open a new connection")]
    Disconnected,
}

/// Errors of the ping watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PingError {
    /// No `Ping` came in time; the devices have been stopped.
    #[error("no ping came within {max_ping_ms} ms, all devices of this client were stopped")]
    TimedOut {
        /// The announced longest time between pings, in milliseconds.
        max_ping_ms: u32,
    },
}

/// Errors of a single message or frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not JSON.
    #[error("not a frame of messages: {reason}")]
    NotJson {
        /// What the parser found, with line and column.
        reason: String,
    },
    /// JSON, but not an array of messages.
    #[error("a frame is a JSON array of messages, this is not")]
    NotAnArray,
    /// An empty array.
    #[error("the frame holds no message")]
    Empty,
    /// An element of the array is not an object with exactly one key.
    #[error("a message is an object with exactly one key, its name")]
    NotAMessage,
    /// More than [`MAX_MESSAGES_PER_FRAME`](crate::limits::MAX_MESSAGES_PER_FRAME) messages.
    #[error("the frame holds more than {limit} messages")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Deeper than [`MAX_NESTING`](crate::limits::MAX_NESTING).
    #[error("the frame is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Longer than [`MAX_FRAME_BYTES`](crate::limits::MAX_FRAME_BYTES).
    #[error("the frame is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A message with a name that does not exist in the client's version.
    #[error("no message is called {name:?} in version {version} of the protocol")]
    UnknownName {
        /// The name, shortened.
        name: String,
        /// The version spoken in this session.
        version: u32,
    },
    /// `Id` is missing, 0, or not a whole number up to 4294967295.
    #[error("{name} needs an Id, a whole number from 1 to 4294967295")]
    BadId {
        /// The message's name, shortened.
        name: String,
    },
    /// A field is missing or has the wrong type.
    #[error("{name} can't be read: {reason}")]
    BadField {
        /// The message's name.
        name: String,
        /// What the parser found.
        reason: String,
    },
    /// `StopCmd` names a feature but no device.
    #[error("StopCmd with FeatureIndex {feature} needs a DeviceIndex, too")]
    FeatureWithoutDevice {
        /// The feature.
        feature: FeatureIndex,
    },
    /// A message that carries bytes for one make of device, past its protocol.
    #[error(
        "{name} is not served, it carries bytes for one make of device; send the commands that the device lists"
    )]
    NotServed {
        /// The message's name.
        name: String,
    },
    /// The client's test of its connection asked for an error.
    #[error("this is the error that the test message asked for")]
    AskedFor,
    /// A timed position below zero.
    #[error("a timed position can't be negative, this is {value}")]
    NegativePosition {
        /// The value that was sent.
        value: i32,
    },
}

/// Errors of devices and features.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// No device has this index now.
    #[error("there is no device {device}")]
    NoSuchDevice {
        /// The index that was asked for.
        device: DeviceIndex,
    },
    /// The device has no feature with this index.
    #[error("device {device} ({name}) has no feature {feature}")]
    NoSuchFeature {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The index that was asked for.
        feature: FeatureIndex,
    },
    /// The feature lacks this output.
    #[error("feature {feature} of device {device} ({name}) has no output {kind}")]
    NoSuchOutput {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The feature.
        feature: FeatureIndex,
        /// What was asked for.
        kind: OutputKind,
    },
    /// No output has this name in any version known here.
    #[error("no output is called {0:?}")]
    UnknownOutput(String),
    /// The feature lacks this input.
    #[error("feature {feature} of device {device} ({name}) has no input {kind}")]
    NoSuchInput {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The feature.
        feature: FeatureIndex,
        /// What was asked for.
        kind: InputKind,
    },
    /// No input has this name in any version known here.
    #[error("no input is called {0:?}")]
    UnknownInput(String),
    /// The input exists but does not support the action.
    #[error("input {kind} of device {device} ({name}), feature {feature}, does not support {}", .action.name())]
    ActionNotSupported {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The feature.
        feature: FeatureIndex,
        /// The input.
        kind: InputKind,
        /// What was asked of it.
        action: InputAction,
    },
    /// Nothing the device has can follow this command of an older version.
    #[error("device {device} ({name}) has nothing that follows {command}")]
    CannotFollow {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The command.
        command: &'static str,
    },
    /// A command of an older version counts further than the device has outputs for it.
    #[error("{command} counts {count} outputs of device {device} ({name}) from 0, there is no {index}")]
    NoSuchIndex {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The command.
        command: &'static str,
        /// The index that was asked for.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// A strength that is no fraction, in a command of an older version.
    #[error("{kind} of device {device} ({name}) takes a fraction from 0 to 1, not {value}")]
    NoFraction {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The output.
        kind: OutputKind,
        /// What was asked for.
        value: String,
    },
    /// The value is outside the announced range.
    #[error(
        "{kind} {value} of device {device} ({name}), feature {feature}, is out of range, it takes {range}"
    )]
    OutOfRange {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The feature.
        feature: FeatureIndex,
        /// The output.
        kind: OutputKind,
        /// What was asked for.
        value: i32,
        /// What is announced.
        range: StepRange,
    },
    /// The device was lost while the command ran.
    #[error("device {device} ({name}) is gone")]
    Gone {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
    },
    /// The hardware refused or failed.
    #[error("device {device} ({name}) failed: {reason}")]
    Failed {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// What the hardware or its protocol reported.
        reason: String,
    },
    /// The device did not answer in time.
    #[error("device {device} ({name}) did not answer in time")]
    NoAnswer {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
    },
    /// So many requests to the device wait for answers that no more is taken.
    #[error("device {device} ({name}) has {limit} unanswered requests, no more is taken until one ends")]
    Busy {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// The client subscribes to so many inputs that no more is taken.
    #[error(
        "device {device} ({name}) is not subscribed: {limit} inputs are, no more may be until one is unsubscribed"
    )]
    TooManySubscriptions {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The limit.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_classes_agree_and_foreign_codes_are_unknown() {
        for code in 0..=4 {
            assert_eq!(ErrorClass::from_code(code).code(), code);
        }
        assert_eq!(ErrorClass::from_code(77), ErrorClass::Unknown);
    }

    #[test]
    fn every_sentence_begins_lower_case_ends_without_full_stop_and_is_no_dump() {
        let (device, feature, name) = (DeviceIndex(3), FeatureIndex(1), String::from("Twin"));
        let all: Vec<ButtplugError> = vec![
            UnknownError::ShuttingDown.into(),
            UnknownError::Resting.into(),
            UnknownError::Taken.into(),
            UnknownError::Full { limit: 256 }.into(),
            HandshakeError::Missing.into(),
            HandshakeError::Repeated.into(),
            HandshakeError::TooNew { requested: 5, newest: 4 }.into(),
            HandshakeError::TooOld { requested: 0, oldest: 4 }.into(),
            HandshakeError::Disconnected.into(),
            PingError::TimedOut { max_ping_ms: 500 }.into(),
            MessageError::NotJson { reason: String::from("expected value at line 1 column 1") }.into(),
            MessageError::NotAnArray.into(),
            MessageError::Empty.into(),
            MessageError::NotAMessage.into(),
            MessageError::TooMany { limit: 1 }.into(),
            MessageError::TooDeep { limit: 1 }.into(),
            MessageError::TooLong { limit: 1 }.into(),
            MessageError::NotServed { name: String::from("LovenseCmd") }.into(),
            MessageError::AskedFor.into(),
            DeviceError::NoSuchDevice { device }.into(),
            DeviceError::NoSuchFeature { device, name: name.clone(), feature }.into(),
            DeviceError::NoSuchOutput { device, name: name.clone(), feature, kind: OutputKind::Led }.into(),
            DeviceError::NoSuchInput { device, name: name.clone(), feature, kind: InputKind::Rssi }.into(),
            DeviceError::ActionNotSupported {
                device,
                name: name.clone(),
                feature,
                kind: InputKind::Battery,
                action: InputAction::Subscribe,
            }
            .into(),
            DeviceError::CannotFollow { device, name: name.clone(), command: "LinearCmd" }.into(),
            DeviceError::NoSuchIndex { device, name: name.clone(), command: "LinearCmd", index: 3, count: 2 }
                .into(),
            DeviceError::NoFraction {
                device,
                name: name.clone(),
                kind: OutputKind::Vibrate,
                value: 1.5.to_string(),
            }
            .into(),
            DeviceError::OutOfRange {
                device,
                name: name.clone(),
                feature,
                kind: OutputKind::Vibrate,
                value: 21,
                range: StepRange::new(0, 20),
            }
            .into(),
            DeviceError::Gone { device, name: name.clone() }.into(),
            DeviceError::Failed { device, name: name.clone(), reason: String::from("write failed") }.into(),
            DeviceError::NoAnswer { device, name: name.clone() }.into(),
            DeviceError::Busy { device, name: name.clone(), limit: 16 }.into(),
            DeviceError::TooManySubscriptions { device, name, limit: 16 }.into(),
        ];
        for error in all {
            let text = error.to_string();
            assert!(
                text.starts_with(|c: char| c.is_lowercase() || c.is_numeric())
                    || text.contains("device 3")
                    || text.starts_with("LovenseCmd"),
                "{text}"
            );
            assert!(!text.ends_with('.'), "{text}");
            for dump in ["DeviceIndex", "FeatureIndex(", "Some(", "{"] {
                assert!(!text.contains(dump), "{text}");
            }
            if error.class() == ErrorClass::Device {
                assert!(text.contains("device 3"), "{text}");
            }
        }
    }
}
