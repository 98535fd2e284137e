//! The messages of version 1 as text: what the engine says is written, what a bridge says is read. Knows no sockets, and
//! nothing of what was said before.

use super::places::Place;
use crate::limits::MAX_BRIDGE_MESSAGE_BYTES;
use buttplug_core::limits::quoted;
use buttplug_protocols::catalogue::SerialSettings;
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::Uuid;
use buttplug_websocket::CloseCode;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use thiserror::Error;

/// What the engine asks for, without what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Subscribe,
    Unsubscribe,
    Read { length: u16 },
    Write { data: &'a [u8] },
}

impl Request<'_> {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
        }
    }

    /// The message. A write without an id is one without response.
    pub(crate) fn text(self, id: Option<u64>, place: Place) -> String {
        let mut text = String::from("{");
        if let Some(id) = id {
            let _ = write!(text, r#""id":{id},"#);
        }
        let _ = match place {
            Place::Characteristic(uuid) => write!(text, r#""{}":{{"characteristic":"{uuid}""#, self.name()),
            Place::Endpoint(endpoint) => write!(text, r#""{}":{{"endpoint":"{endpoint}""#, self.name()),
        };
        let _ = match self {
            Self::Subscribe | Self::Unsubscribe => Ok(()),
            Self::Read { length } => write!(text, r#","length":{length}"#),
            Self::Write { data } => {
                text.push_str(r#","data":""#);
                write_hex(&mut text, data);
                write!(text, r#"","response":{}"#, id.is_some())
            }
        };
        text.push_str("}}");
        text
    }
}

/// A configuration matches. Whoever opens a serial port has to know its settings.
pub(crate) fn accepted(protocol: &str, serial: Option<SerialSettings>) -> String {
    let protocol = Value::from(protocol);
    match serial {
        None => format!(r#"{{"accepted":{{"protocol":{protocol}}}}}"#),
        Some(SerialSettings { baud_rate, data_bits, parity, stop_bits }) => format!(
            r#"{{"accepted":{{"protocol":{protocol},"serial":{{"baud_rate":{baud_rate},"data_bits":{data_bits},"parity":"{parity}","stop_bits":{stop_bits}}}}}}}"#
        ),
    }
}

pub(crate) fn rejected(reason: &str) -> String {
    format!(r#"{{"rejected":{{"reason":{}}}}}"#, Value::from(reason))
}

pub(crate) fn disconnect() -> String {
    String::from(r#"{"disconnect":{}}"#)
}

/// What a bridge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Answer { id: u64, answer: Answer },
    Notify { place: Place, data: Vec<u8> },
    Rssi(i16),
    Gone,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ok,
    Data(Vec<u8>),
    Error(String),
}

/// What is wrong with a message. The text goes to the bridge, and the connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadMessage {
    #[error("a message of {0} bytes, more than the {MAX_BRIDGE_MESSAGE_BYTES} allowed")]
    TooLong(usize),
    #[error("every message has to be text")]
    NotText,
    #[error("a message that is no JSON object")]
    NotJson,
    #[error("a message that is none of ok, data, error, notify, rssi and gone")]
    Unknown,
    #[error("a message that is several of ok, data, error, notify, rssi and gone")]
    Several,
    #[error("{0:?} has to be {1}")]
    Field(&'static str, &'static str),
    #[error("no endpoint is called {0:?}")]
    NoSuchEndpoint(String),
    #[error("an answer to request {0}, which was not made")]
    NotAsked(u64),
}

impl BadMessage {
    pub(crate) fn close_code(&self) -> CloseCode {
        match self {
            Self::TooLong(_) => CloseCode::Size,
            Self::NotText => CloseCode::Unsupported,
            Self::NotJson
            | Self::Unknown
            | Self::Several
            | Self::Field(..)
            | Self::NoSuchEndpoint(_)
            | Self::NotAsked(_) => CloseCode::Protocol,
        }
    }
}

/// Unknown fields are ignored. Fields are values of any kind, so that each error can name its field.
#[derive(Deserialize)]
struct Wire {
    id: Option<Value>,
    ok: Option<Value>,
    data: Option<Value>,
    error: Option<Value>,
    notify: Option<Value>,
    rssi: Option<Value>,
    gone: Option<Value>,
}

impl Message {
    /// `characteristics`: whether the bridge's hardware has some; else it has endpoints.
    pub(crate) fn parse(text: &[u8], characteristics: bool) -> Result<Self, BadMessage> {
        if text.len() > MAX_BRIDGE_MESSAGE_BYTES {
            return Err(BadMessage::TooLong(text.len()));
        }
        // An array would do for a struct as well.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(BadMessage::NotJson);
        }
        let wire: Wire = serde_json::from_slice(text).map_err(|_| BadMessage::NotJson)?;
        let Wire { id, ok, data, error, notify, rssi, gone } = wire;
        let id = || {
            let id = id.as_ref().and_then(Value::as_u64);
            id.ok_or(BadMessage::Field("id", "the number of the request that is answered"))
        };
        match (ok, data, error, notify, rssi, gone) {
            (Some(_), None, None, None, None, None) => Ok(Self::Answer { id: id()?, answer: Answer::Ok }),
            (None, Some(data), None, None, None, None) => {
                Ok(Self::Answer { id: id()?, answer: Answer::Data(bytes(&data)?) })
            }
            (None, None, Some(error), None, None, None) => {
                let reason = error.as_str().ok_or(BadMessage::Field("error", "a text"))?;
                Ok(Self::Answer { id: id()?, answer: Answer::Error(quoted(reason)) })
            }
            (None, None, None, Some(notify), None, None) => {
                let place = place(&notify, characteristics)?;
                Ok(Self::Notify { place, data: bytes(notify.get("data").unwrap_or(&Value::Null))? })
            }
            (None, None, None, None, Some(rssi), None) => self::rssi(&rssi).map(Self::Rssi),
            (None, None, None, None, None, Some(_)) => Ok(Self::Gone),
            (None, None, None, None, None, None) => Err(BadMessage::Unknown),
            _ => Err(BadMessage::Several),
        }
    }
}

/// A signal strength, in dBm.
fn rssi(value: &Value) -> Result<i16, BadMessage> {
    let number = value.as_i64().and_then(|number| i16::try_from(number).ok());
    number.ok_or(BadMessage::Field("rssi", "a signal strength in dBm"))
}

fn place(notify: &Value, characteristics: bool) -> Result<Place, BadMessage> {
    if characteristics {
        let uuid = notify.get("characteristic").and_then(Value::as_str).and_then(uuid);
        let wanted = BadMessage::Field("characteristic", "a UUID of 36 characters in lower case");
        return uuid.map(Place::Characteristic).ok_or(wanted);
    }
    let name = notify.get("endpoint").and_then(Value::as_str);
    let name = name.ok_or(BadMessage::Field("endpoint", "the name of an endpoint"))?;
    let endpoint = Endpoint::from_name(name).ok_or_else(|| BadMessage::NoSuchEndpoint(quoted(name)))?;
    Ok(Place::Endpoint(endpoint))
}

fn bytes(value: &Value) -> Result<Vec<u8>, BadMessage> {
    let data = value.as_str().and_then(read_hex);
    data.ok_or(BadMessage::Field("data", "bytes in hex, in lower case"))
}

/// A UUID as the port spells it: 36 characters, lower case.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    text.parse().ok()
}

fn write_hex(text: &mut String, data: &[u8]) {
    for byte in data {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

/// Bytes as the port spells them: two digits each, lower case.
pub(crate) fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests;
