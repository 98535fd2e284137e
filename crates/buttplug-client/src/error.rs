//! What can go wrong for an application: one type to catch everything, with the facts of each case and its class on
//! the wire where one applies.

use crate::event::DisconnectReason;
use buttplug_core::connector::ConnectorError;
use buttplug_core::error::ErrorClass;
use buttplug_core::input::{InputAction, InputKind};
use buttplug_core::message::{DeviceIndex, FeatureIndex, MessageId, ServerError};
use buttplug_core::output::{FractionError, OutputKind, StepRange};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Any error of a client.
///
/// ```
/// use buttplug_client::{Error, core::ErrorClass};
///
/// fn explain(error: &Error) -> &'static str {
///     match error {
///         Error::Connector(_) | Error::NotConnected => "connect again",
///         Error::Gone { .. } => "switch the device on",
///         error if error.class() == Some(ErrorClass::Device) => "ask for something the device can do",
///         _ => "look at the text",
///     }
/// }
/// # assert_eq!(explain(&Error::NotConnected), "connect again");
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection could be made, or it broke. Connect again.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// There is no connection: none was made yet, or this client ended it.
    #[error("not connected to a server")]
    NotConnected,
    /// The client is connected, or another task is connecting it. That session goes on unharmed.
    #[error("already connected, or just connecting; disconnect first")]
    AlreadyConnected,
    /// Server and client did not come together. The connection is closed.
    #[error(transparent)]
    Handshake(#[from] HandshakeFailure),
    /// The server did not see pings in time, stopped the devices and ended the session.
    #[error("the server ended the session for want of pings: {0}")]
    Ping(ServerReport),
    /// The server could not read or did not allow the message.
    #[error("the server refused the message: {0}")]
    Message(ServerReport),
    /// The device or feature is missing at the server, can't do what was asked, or failed.
    #[error("the server could not do it: {0}")]
    Device(ServerReport),
    /// The server reports an error without a better class.
    #[error("the server reports an error: {0}")]
    Unknown(ServerReport),
    /// The device left, and this handle with it. A device that comes back is announced with a new handle.
    #[error("device {device} ({name}) is gone")]
    Gone {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
    },
    /// The device can't do what was asked, by what the server has announced about it. Nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidCommand),
    /// The devices of a batch belong to several connections; make one batch for each. Nothing was sent.
    #[error("the devices of the batch belong to several connections; make one batch for each")]
    SeveralConnections,
    /// Several features of the device have this input; ask one of them. Nothing was sent.
    #[error("{count} features of device {device} ({name}) have an input {kind}; ask one of them")]
    AmbiguousInput {
        /// The device.
        device: DeviceIndex,
        /// Its name.
        name: String,
        /// The input that was asked for.
        kind: InputKind,
        /// How many features have it.
        count: usize,
    },
    /// The server did not answer in time. What was asked may have happened nevertheless.
    #[error("the server did not answer {request} within {after:?}")]
    Timeout {
        /// The message that was sent.
        request: &'static str,
        /// How long the client waited.
        after: Duration,
    },
    /// So many requests wait for their replies that no more is taken until one ends. Nothing was sent.
    #[error("{limit} requests wait for replies of the server, no more is taken until one ends")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The server answered with a message that is no reply to the request.
    #[error("the server answered {request} with a message that is no reply to it")]
    UnexpectedReply {
        /// The message that was sent.
        request: &'static str,
    },
}

impl Error {
    /// The class that this error has on the wire. Checks of the client have the class the server would use. None for
    /// what never reaches the wire: connections, timeouts, limits.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Handshake(_) => Some(ErrorClass::Handshake),
            Self::Ping(_) => Some(ErrorClass::Ping),
            Self::Message(_) => Some(ErrorClass::Message),
            Self::Device(_) | Self::Gone { .. } | Self::Invalid(_) | Self::AmbiguousInput { .. } => {
                Some(ErrorClass::Device)
            }
            Self::Unknown(_) => Some(ErrorClass::Unknown),
            Self::Connector(_)
            | Self::NotConnected
            | Self::AlreadyConnected
            | Self::SeveralConnections
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::UnexpectedReply { .. } => None,
        }
    }

    /// An error as the server reported it.
    pub(crate) fn reported(id: MessageId, error: ServerError) -> Self {
        let report = ServerReport { id, message: error.message };
        match error.class {
            ErrorClass::Unknown => Self::Unknown(report),
            ErrorClass::Handshake => Self::Handshake(HandshakeFailure::Refused { message: report.message }),
            ErrorClass::Ping => Self::Ping(report),
            ErrorClass::Message => Self::Message(report),
            ErrorClass::Device => Self::Device(report),
        }
    }

    /// What a request gets when the connection has ended for this reason.
    pub(crate) fn after(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Requested => Self::NotConnected,
            DisconnectReason::ServerClosed { reason } => {
                Self::Connector(ConnectorError::Closed { reason: reason.clone() })
            }
            DisconnectReason::Lost(error) => Self::Connector(error.clone()),
            DisconnectReason::PingTimeout { message } => {
                Self::Ping(ServerReport { id: MessageId::EVENT, message: message.clone() })
            }
        }
    }
}

/// What a server says about an error. The wording is the server's; it is for people and not stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// The request it answers, or 0 if the server spoke on its own initiative.
    pub id: MessageId,
    /// The server's text.
    pub message: String,
}

impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why server and client did not come together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HandshakeFailure {
    /// The server said no.
    #[error("the server refused the handshake: {message}")]
    Refused {
        /// The server's text.
        message: String,
    },
    /// The server speaks another version of the protocol.
    #[error("the server speaks version {server} of the protocol, this client speaks {client}")]
    Version {
        /// The server's major version.
        server: u32,
        /// The client's major version.
        client: u32,
    },
    /// Connected, but the server keeps silent.
    #[error(
        "the server did not answer {request} within {after:?}; it may speak another version of the protocol"
    )]
    NoAnswer {
        /// The message that was sent.
        request: &'static str,
        /// How long the client waited.
        after: Duration,
    },
    /// The reply to the handshake is none.
    #[error("the server answered the handshake with a message that is no reply to it")]
    UnexpectedReply,
}

/// What a command addresses, for messages to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The device.
    pub device: DeviceIndex,
    /// Its name.
    pub name: String,
    /// Its feature; `None` for the device as a whole.
    pub feature: Option<FeatureIndex>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(feature) = self.feature {
            write!(f, "feature {feature} of ")?;
        }
        write!(f, "device {} ({})", self.device, self.name)
    }
}

/// A command that the device can't follow, found before anything was sent. All are of class device.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InvalidCommand {
    /// The device has no such feature, or no longer.
    #[error("there is no {target}")]
    NoFeature {
        /// What was addressed.
        target: Target,
    },
    /// It lacks this output.
    #[error("{target} has no output {kind}")]
    NoOutput {
        /// What was addressed.
        target: Target,
        /// What was asked for.
        kind: OutputKind,
    },
    /// Its server lists no output of this name that only it knows.
    #[error("{target} has no output {name:?}")]
    NoNamedOutput {
        /// What was addressed.
        target: Target,
        /// What was asked for.
        name: String,
    },
    /// A duration for an output that takes none.
    #[error("{kind} of {target} takes no duration")]
    NoDuration {
        /// What was addressed.
        target: Target,
        /// The output.
        kind: OutputKind,
    },
    /// It lacks this input.
    #[error("{target} has no input {kind}")]
    NoInput {
        /// What was addressed.
        target: Target,
        /// What was asked for.
        kind: InputKind,
    },
    /// The input exists, but not for this.
    #[error("input {kind} of {target} does not support {}", .action.name())]
    ActionNotListed {
        /// What was addressed.
        target: Target,
        /// The input.
        kind: InputKind,
        /// What was asked of it.
        action: InputAction,
    },
    /// Steps outside the announced range.
    #[error("{kind} takes {range} steps at {target}, not {value}")]
    StepsOutOfRange {
        /// What was addressed.
        target: Target,
        /// The output.
        kind: OutputKind,
        /// What was asked for.
        value: i32,
        /// What is announced.
        range: StepRange,
    },
    /// A fraction that has no step.
    #[error("{kind} of {target}: {reason}")]
    BadFraction {
        /// What was addressed.
        target: Target,
        /// The output.
        kind: OutputKind,
        /// What is wrong with it.
        reason: FractionError,
    },
    /// A duration outside the announced range.
    #[error("{kind} takes durations of {range} ms at {target}, not {duration:?}")]
    DurationOutOfRange {
        /// What was addressed.
        target: Target,
        /// The output.
        kind: OutputKind,
        /// What was asked for.
        duration: Duration,
        /// What is announced, in milliseconds.
        range: StepRange,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(Error, Option<ErrorClass>)> {
        let report = || ServerReport { id: MessageId(3), message: String::from("it broke") };
        let target = |feature| Target { device: DeviceIndex(3), name: String::from("Twin"), feature };
        let one = || target(Some(FeatureIndex(1)));
        let (device, name) = (DeviceIndex(3), String::from("Twin"));
        let class = |class| Some(class);
        let range = StepRange::new(0, 20);
        let kind = OutputKind::Vibrate;
        let after = Duration::from_secs(10);
        let invalid = [
            InvalidCommand::NoFeature { target: one() },
            InvalidCommand::NoOutput { target: target(None), kind },
            InvalidCommand::NoNamedOutput { target: one(), name: String::from("Warp") },
            InvalidCommand::NoDuration { target: one(), kind },
            InvalidCommand::NoInput { target: one(), kind: InputKind::Button },
            InvalidCommand::ActionNotListed {
                target: one(),
                kind: InputKind::Battery,
                action: InputAction::Subscribe,
            },
            InvalidCommand::StepsOutOfRange { target: one(), kind, value: 21, range },
            InvalidCommand::BadFraction { target: one(), kind, reason: FractionError::OutOfRange(1.5) },
            InvalidCommand::DurationOutOfRange { target: one(), kind, duration: after, range },
        ];
        let handshake = [
            HandshakeFailure::Refused { message: String::from("no") },
            HandshakeFailure::Version { server: 3, client: 4 },
            HandshakeFailure::NoAnswer { request: "RequestServerInfo", after },
            HandshakeFailure::UnexpectedReply,
        ];
        let mut all = vec![
            (Error::Connector(ConnectorError::Closed { reason: String::new() }), None),
            (Error::NotConnected, None),
            (Error::AlreadyConnected, None),
            (Error::SeveralConnections, None),
            (Error::Ping(report()), class(ErrorClass::Ping)),
            (Error::Message(report()), class(ErrorClass::Message)),
            (Error::Device(report()), class(ErrorClass::Device)),
            (Error::Unknown(report()), class(ErrorClass::Unknown)),
            (Error::Gone { device, name: name.clone() }, class(ErrorClass::Device)),
            (
                Error::AmbiguousInput { device, name, kind: InputKind::Button, count: 2 },
                class(ErrorClass::Device),
            ),
            (Error::Timeout { request: "OutputCmd", after }, None),
            (Error::Busy { limit: 4 }, None),
            (Error::UnexpectedReply { request: "Ping" }, None),
        ];
        all.extend(invalid.into_iter().map(|error| (error.into(), class(ErrorClass::Device))));
        all.extend(handshake.into_iter().map(|error| (error.into(), class(ErrorClass::Handshake))));
        all
    }

    #[test]
    fn r22_every_error_has_its_class_and_a_sentence_without_dumps() {
        for (error, class) in all() {
            assert_eq!(error.class(), class, "{error}");
            let text = error.to_string();
            let first = text.chars().next().unwrap_or(' ');
            let names_an_output = text.starts_with("Vibrate");
            assert!(first.is_lowercase() || first.is_numeric() || names_an_output, "{text}");
            assert!(!text.ends_with('.'), "{text}");
            for dump in ["DeviceIndex", "Some(", "{", "Target"] {
                assert!(!text.contains(dump), "{text}");
            }
        }
    }
}
