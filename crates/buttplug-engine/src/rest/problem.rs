//! What can be wrong with a request, with the status and the code that it is answered with.

use super::admit::Refusal;
use super::events::MAX_EVENT_STREAMS;
use super::lease::{LONGEST_LEASE, SHORTEST_LEASE};
use super::port::MAX_BODY_BYTES;
use buttplug_client::{Error, InvalidCommand, ServerReport};
use buttplug_core::{DeviceIndex, FeatureIndex, InputKind, OutputKind, UnknownError};
use hyper::StatusCode;
use std::time::Duration;
use thiserror::Error;

/// Why a request is not answered with what it asks for.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("there is nothing at {0:?}; /openapi.json lists what there is")]
    NoSuchPath(String),
    #[error("this path takes {allow}")]
    WrongMethod { allow: String },
    #[error("{value:?} is no {what}; it is a whole number from 0")]
    BadIndex { what: &'static str, value: String },
    #[error("there is no output kind {0:?}; it is one of {kinds}", kinds = names(OutputKind::ALL.map(OutputKind::name)))]
    NoSuchOutputKind(String),
    #[error("there is no input kind {0:?}; it is one of {kinds}", kinds = names(InputKind::ALL.map(InputKind::name)))]
    NoSuchInputKind(String),
    #[error("{0:?} is no level; it is a number from 0 to 1, or from -1 where the output has two directions")]
    BadLevel(String),
    #[error("the body is of no use: {0}; it is an object such as {{\"value\": 10, \"duration\": 500}}")]
    BadBody(String),
    #[error("the body has no value, and there is no level in the path; give one of them")]
    NoValue,
    #[error("there is a value in the body and a level in the path; leave one of them out")]
    TwoValues,
    #[error("{0} takes no duration")]
    NoDurationTaken(OutputKind),
    #[error("{kind} needs a duration in milliseconds, in a body such as {{\"duration\": 500}}", kind = OutputKind::HwPositionWithDuration)]
    NoDuration,
    #[error("{0:?} is no parameter of outputs; there is only lease")]
    NoSuchParameter(String),
    #[error(
        "{0:?} is no lease; it is a number of milliseconds from {least} to {most}",
        least = SHORTEST_LEASE.as_millis(), most = LONGEST_LEASE.as_millis()
    )]
    BadLease(String),
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body did not come within {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error("the body broke off")]
    BrokenBody,
    #[error("device {0} is not connected")]
    NoSuchDevice(DeviceIndex),
    #[error("device {device} ({name}) has no feature {feature}")]
    NoSuchFeature { device: DeviceIndex, name: String, feature: FeatureIndex },
    #[error("{0} requests are under way, no more are taken until one is answered (max-rest-connections)")]
    TooManyConnections(usize),
    #[error("{MAX_EVENT_STREAMS} streams of events are open, no more is opened until one ends")]
    TooManyStreams,
    #[error(transparent)]
    Client(#[from] Error),
}

impl Problem {
    /// The status, and a name for programs.
    pub(crate) fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(Refusal::Gate { wants_token: true, .. }) => {
                (StatusCode::UNAUTHORIZED, "token-needed")
            }
            Self::Refused(_) => (StatusCode::FORBIDDEN, "refused"),
            Self::NoSuchPath(_) => (StatusCode::NOT_FOUND, "no-such-path"),
            Self::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong-method"),
            Self::BadIndex { .. } => (StatusCode::BAD_REQUEST, "bad-index"),
            Self::NoSuchOutputKind(_) | Self::NoSuchInputKind(_) => (StatusCode::BAD_REQUEST, "no-such-kind"),
            Self::BadLevel(_) | Self::NoValue | Self::TwoValues => (StatusCode::BAD_REQUEST, "bad-value"),
            Self::NoDurationTaken(_) | Self::NoDuration => (StatusCode::BAD_REQUEST, "bad-duration"),
            Self::BadBody(_) | Self::BrokenBody => (StatusCode::BAD_REQUEST, "bad-body"),
            Self::NoSuchParameter(_) | Self::BadLease(_) => (StatusCode::BAD_REQUEST, "bad-parameter"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
            Self::NoSuchDevice(_) => (StatusCode::NOT_FOUND, "no-such-device"),
            Self::NoSuchFeature { .. } => (StatusCode::NOT_FOUND, "no-such-feature"),
            Self::TooManyConnections(_) | Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Client(error) => of_client(error),
        }
    }
}

fn of_client(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Gone { .. } => (StatusCode::NOT_FOUND, "no-such-device"),
        Error::Invalid(invalid) => of_command(invalid),
        // It is there and could do it, but did not.
        Error::Device(_) => (StatusCode::CONFLICT, "device-failed"),
        Error::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Error::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Error::Unknown(report) if is_rest(report) => (StatusCode::SERVICE_UNAVAILABLE, "resting"),
        Error::NotConnected
        | Error::Connector(_)
        | Error::AlreadyConnected
        | Error::Handshake(_)
        | Error::Ping(_)
        | Error::Unknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "no-server"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Whether this server lets no device move because its machine is about to sleep. The client is in the same program, so that
/// both have the same words for it.
fn is_rest(report: &ServerReport) -> bool {
    report.message == UnknownError::Resting.to_string()
}

fn of_command(invalid: &InvalidCommand) -> (StatusCode, &'static str) {
    match invalid {
        InvalidCommand::NoFeature { .. } => (StatusCode::NOT_FOUND, "no-such-feature"),
        InvalidCommand::NoOutput { .. } | InvalidCommand::NoNamedOutput { .. } => {
            (StatusCode::NOT_FOUND, "no-such-output")
        }
        InvalidCommand::NoInput { .. } => (StatusCode::NOT_FOUND, "no-such-input"),
        InvalidCommand::ActionNotListed { .. } => (StatusCode::CONFLICT, "not-readable"),
        InvalidCommand::NoDuration { .. } | InvalidCommand::DurationOutOfRange { .. } => {
            (StatusCode::BAD_REQUEST, "bad-duration")
        }
        InvalidCommand::StepsOutOfRange { .. } | InvalidCommand::BadFraction { .. } => {
            (StatusCode::BAD_REQUEST, "bad-value")
        }
    }
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_sentence_that_quotes_little_and_an_error_of_http() {
        let kind = OutputKind::Vibrate;
        let text = || String::from("x");
        let device = DeviceIndex(3);
        for problem in [
            Problem::Refused(Refusal::Host(text())),
            Problem::Refused(Refusal::Gate { wants_token: false, text: text() }),
            Problem::Refused(Refusal::Gate { wants_token: true, text: text() }),
            Problem::NoSuchPath(text()),
            Problem::WrongMethod { allow: text() },
            Problem::BadIndex { what: "index of a device", value: text() },
            Problem::NoSuchOutputKind(text()),
            Problem::NoSuchInputKind(text()),
            Problem::BadLevel(text()),
            Problem::BadBody(text()),
            Problem::NoValue,
            Problem::TwoValues,
            Problem::NoDurationTaken(kind),
            Problem::NoDuration,
            Problem::NoSuchParameter(text()),
            Problem::BadLease(text()),
            Problem::TooLarge,
            Problem::TooSlow(Duration::from_secs(5)),
            Problem::BrokenBody,
            Problem::NoSuchDevice(device),
            Problem::NoSuchFeature { device, name: text(), feature: FeatureIndex(1) },
            Problem::TooManyConnections(48),
            Problem::TooManyStreams,
            Problem::Client(Error::NotConnected),
        ] {
            let ((status, code), text) = (problem.kind(), problem.to_string());
            assert!(status.is_client_error() || status.is_server_error(), "{text}");
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
            let first = text.chars().next().unwrap_or('.');
            let names_an_output = OutputKind::ALL.iter().any(|kind| text.starts_with(kind.name()));
            assert!(!first.is_uppercase() || names_an_output, "{text}");
            assert!(!text.ends_with('.') && !text.contains("DeviceIndex"), "{text}");
        }
    }
}
