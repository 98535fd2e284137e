//! Reads a device's first message. Knows no socket.

use crate::bridge::Offer;
use crate::limits::{MAX_GREETING_BYTES, MAX_NAME_BYTES};
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_websocket::{CloseCode, Received};
use serde::Deserialize;
use thiserror::Error;

/// Who has dialled in, and how it speaks from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Version 0: the device is its own transport.
    Version0(Sighting),
    /// Version 1: a bridge offers hardware.
    Bridge(Offer),
}

/// What is wrong with a greeting. The text goes to the device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadGreeting {
    #[error("the first message has to be the greeting, as text")]
    NotText,
    #[error("the greeting has {0} bytes, more than the {MAX_GREETING_BYTES} allowed")]
    TooLong(usize),
    #[error("the greeting is no JSON object")]
    NotJson,
    #[error("the greeting has no version (a whole number)")]
    NoVersion,
    #[error("version {0} of the greeting is not known here")]
    UnknownVersion(u64),
    #[error("the greeting needs {0:?}, a text")]
    Missing(&'static str),
    #[error("{0:?} is empty")]
    Empty(&'static str),
    #[error("{0:?} is longer than {MAX_NAME_BYTES} bytes")]
    NameTooLong(&'static str),
    #[error("{0:?} has to be {1}")]
    Wrong(&'static str, &'static str),
    #[error("the transport {0:?} is not known here; there are bluetooth-le, serial, hid and usb")]
    UnknownTransport(String),
}

impl BadGreeting {
    /// What is not even a greeting breaks the port's protocol; one that is no good is refused.
    pub(crate) fn close_code(&self) -> CloseCode {
        match self {
            Self::NotText | Self::NotJson => CloseCode::Protocol,
            Self::TooLong(_)
            | Self::NoVersion
            | Self::UnknownVersion(_)
            | Self::Missing(_)
            | Self::Empty(_)
            | Self::NameTooLong(_)
            | Self::Wrong(..)
            | Self::UnknownTransport(_) => CloseCode::Policy,
        }
    }
}

/// Which of the greetings it is. Unknown fields are ignored.
#[derive(Deserialize)]
struct Version {
    version: Option<serde_json::Value>,
}

/// The greeting of version 0. Fields are values of any kind, so that each error can name its field.
#[derive(Deserialize)]
struct Wire {
    identifier: Option<serde_json::Value>,
    address: Option<serde_json::Value>,
}

impl Greeting {
    pub(crate) fn parse(message: &Received) -> Result<Self, BadGreeting> {
        let Received::Text(text) = message else { return Err(BadGreeting::NotText) };
        if text.len() > MAX_GREETING_BYTES {
            return Err(BadGreeting::TooLong(text.len()));
        }
        // An array would do for a struct as well.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(BadGreeting::NotJson);
        }
        let wire: Version = serde_json::from_slice(text).map_err(|_| BadGreeting::NotJson)?;
        match wire.version.as_ref().and_then(serde_json::Value::as_u64) {
            None => Err(BadGreeting::NoVersion),
            Some(0) => version0(text).map(Self::Version0),
            Some(1) => Offer::parse(text).map(Self::Bridge),
            Some(other) => Err(BadGreeting::UnknownVersion(other)),
        }
    }
}

fn version0(text: &[u8]) -> Result<Sighting, BadGreeting> {
    let wire: Wire = serde_json::from_slice(text).map_err(|_| BadGreeting::NotJson)?;
    let identifier = name("identifier", wire.identifier)?;
    let address = name("address", wire.address)?;
    Ok(Sighting::new(address, Advertisement::WebSocket { identifier }))
}

/// A text that is not empty and not too long to be kept.
pub(crate) fn name(field: &'static str, value: Option<serde_json::Value>) -> Result<String, BadGreeting> {
    match value {
        Some(serde_json::Value::String(name)) if name.is_empty() => Err(BadGreeting::Empty(field)),
        Some(serde_json::Value::String(name)) if is_long(&name) => Err(BadGreeting::NameTooLong(field)),
        Some(serde_json::Value::String(name)) => Ok(name),
        _ => Err(BadGreeting::Missing(field)),
    }
}

pub(crate) fn is_long(name: &str) -> bool {
    name.len() > MAX_NAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn parse(text: &str) -> Result<Greeting, BadGreeting> {
        Greeting::parse(&Received::Text(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[test]
    fn a_greeting_says_who_dials_in() {
        let expected = Greeting::Version0(Sighting::new(
            "a1",
            Advertisement::WebSocket { identifier: String::from("LVSDevice") },
        ));
        for text in [
            r#"{"identifier": "LVSDevice", "address": "a1", "version": 0}"#,
            r#" {"version":0,"address":"a1","more":[1,{"x":null}],"identifier":"LVSDevice"} "#,
        ] {
            assert_eq!(parse(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn bad_greetings_are_told_what_is_wrong() {
        let long = format!(r#"{{"identifier":"{}","address":"a","version":0}}"#, "x".repeat(257));
        let nested = "[".repeat(2000);
        let cases = [
            ("", BadGreeting::NotJson),
            ("hello", BadGreeting::NotJson),
            ("{", BadGreeting::NotJson),
            (r#"[0,"x","y"]"#, BadGreeting::NotJson),
            ("0", BadGreeting::NotJson),
            (r#"{"version":0,"version":0}"#, BadGreeting::NotJson),
            (&nested, BadGreeting::NotJson),
            ("{}", BadGreeting::NoVersion),
            (r#"{"identifier":"x","address":"y"}"#, BadGreeting::NoVersion),
            (r#"{"identifier":"x","address":"y","version":"0"}"#, BadGreeting::NoVersion),
            (r#"{"identifier":"x","address":"y","version":-1}"#, BadGreeting::NoVersion),
            (r#"{"identifier":"x","address":"y","version":7}"#, BadGreeting::UnknownVersion(7)),
            (r#"{"address":"y","version":0}"#, BadGreeting::Missing("identifier")),
            (r#"{"identifier":5,"address":"y","version":0}"#, BadGreeting::Missing("identifier")),
            (r#"{"identifier":"x","version":0}"#, BadGreeting::Missing("address")),
            (r#"{"identifier":"x","address":"","version":0}"#, BadGreeting::Empty("address")),
            (&long, BadGreeting::NameTooLong("identifier")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn only_a_short_text_can_be_a_greeting() {
        let binary = Received::Binary(Bytes::from_static(br#"{"identifier":"x","address":"y","version":0}"#));
        assert_eq!(Greeting::parse(&binary), Err(BadGreeting::NotText));
        let length = MAX_GREETING_BYTES + 1;
        assert_eq!(parse(&" ".repeat(length)), Err(BadGreeting::TooLong(length)));
    }

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        for error in [
            BadGreeting::NotText,
            BadGreeting::TooLong(usize::MAX),
            BadGreeting::NotJson,
            BadGreeting::NoVersion,
            BadGreeting::UnknownVersion(u64::MAX),
            BadGreeting::Missing("identifier"),
            BadGreeting::Empty("identifier"),
            BadGreeting::NameTooLong("identifier"),
        ] {
            assert!(error.to_string().len() <= 123, "{error}");
        }
    }
}
