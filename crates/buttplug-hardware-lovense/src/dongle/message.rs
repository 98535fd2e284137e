//! The dongle's language: compact JSON with a few fields. What is unknown in it is passed over.

use super::limits::MAX_ID_BYTES;
use serde::{Deserialize, Serialize};

/// What is said to the dongle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Which toy it has.
    Status,
    /// To look for toys.
    Search,
    /// To look no longer.
    StopSearch,
    /// Something for its toy.
    Command {
        /// Which one.
        toy: String,
        /// What.
        text: String,
    },
}

#[derive(Serialize)]
struct Spoken<'a> {
    r#type: &'static str,
    func: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<&'a str>,
}

impl Order {
    /// As the dongle wants to hear it, with the end of the line.
    pub(crate) fn line(&self) -> Vec<u8> {
        let plain = |r#type, func| Spoken { r#type, func, id: None, cmd: None };
        let spoken = match self {
            // Spelled with two s, unlike its answer.
            Self::Status => plain("toy", "statuss"),
            Self::Search => plain("toy", "search"),
            // About the stick and not the toy, unlike the search.
            Self::StopSearch => plain("usb", "stopSearch"),
            Self::Command { toy, text } => {
                Spoken { id: Some(toy), cmd: Some(text), ..plain("toy", "command") }
            }
        };
        // Text of strings can always be made.
        let mut line = serde_json::to_vec(&spoken).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// What the dongle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saying {
    /// A toy is connected, or no longer.
    Status(ToyStatus),
    /// A search goes on.
    Searching,
    /// A search has ended.
    SearchEnded,
    /// A search does not end although it was told to.
    SearchGoesOn,
    /// Word from a toy.
    ToyData {
        /// Which one, if it says so.
        toy: Option<String>,
        /// What.
        data: Option<String>,
        /// Whether there is a code beside it.
        coded: bool,
    },
    /// A command has not arrived.
    NotDelivered,
    /// Something of no consequence.
    Other,
}

/// How a toy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToyStatus {
    Connected(String),
    Disconnected,
    Other,
}

#[derive(Deserialize)]
struct Heard {
    r#type: String,
    func: String,
    result: Option<u16>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    id: Option<String>,
    data: Option<String>,
    status: Option<u16>,
}

/// The codes that matter here, and all that there are.
const TOY_CONNECTED: u16 = 202;
const SEARCH_STARTED: u16 = 205;
const SEARCH_STOPPED: u16 = 206;
const NOT_DELIVERED: u16 = 402;
const TOY_DISCONNECTED: u16 = 403;
const SEARCH_INTERRUPTED: u16 = 501;
const CODES: [u16; 11] = [
    100,
    200,
    201,
    TOY_CONNECTED,
    SEARCH_STARTED,
    SEARCH_STOPPED,
    400,
    NOT_DELIVERED,
    TOY_DISCONNECTED,
    404,
    SEARCH_INTERRUPTED,
];

/// What a line says: one or several objects, without those that make no sense.
pub(crate) fn heard(line: &str) -> Vec<Saying> {
    let objects = serde_json::Deserializer::from_str(line).into_iter::<serde_json::Value>();
    objects.map_while(Result::ok).filter_map(|object| saying(serde_json::from_value(object).ok()?)).collect()
}

fn saying(heard: Heard) -> Option<Saying> {
    let Heard { r#type, func, result, data } = heard;
    let status = data.as_ref().and_then(|data| data.status);
    let known = |code: Option<u16>| code.is_none_or(|code| CODES.contains(&code));
    if !["usb", "toy"].contains(&r#type.as_str()) || !known(result) || !known(status) {
        return None;
    }
    let id = data.as_ref().and_then(|data| data.id.clone()).filter(|id| is_id(id));
    Some(match func.as_str() {
        "status" => Saying::Status(match (status, id) {
            (Some(TOY_CONNECTED), Some(id)) => ToyStatus::Connected(id),
            (Some(TOY_DISCONNECTED), _) => ToyStatus::Disconnected,
            _ => ToyStatus::Other,
        }),
        "search" | "stopSearch" => match result {
            Some(SEARCH_STARTED) => Saying::Searching,
            Some(SEARCH_STOPPED) => Saying::SearchEnded,
            Some(SEARCH_INTERRUPTED) => Saying::SearchGoesOn,
            _ => Saying::Other,
        },
        "toyData" => {
            Saying::ToyData { toy: id, data: data.and_then(|data| data.data), coded: result.is_some() }
        }
        "command" => match result {
            Some(NOT_DELIVERED) => Saying::NotDelivered,
            _ => Saying::Other,
        },
        "reset" | "init" | "statuss" | "connect" | "error" => Saying::Other,
        _ => return None,
    })
}

/// Ids come back in every command, so that only harmless ones are taken.
fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_compact_lines() {
        let command = Order::Command { toy: "0082059AD3BD".into(), text: "DeviceType;".into() };
        for (order, line) in [
            (Order::Status, r#"{"type":"toy","func":"statuss"}"#),
            (Order::Search, r#"{"type":"toy","func":"search"}"#),
            (Order::StopSearch, r#"{"type":"usb","func":"stopSearch"}"#),
            (command, r#"{"type":"toy","func":"command","id":"0082059AD3BD","cmd":"DeviceType;"}"#),
        ] {
            assert_eq!(String::from_utf8(order.line()).unwrap(), format!("{line}\r\n"));
        }
    }

    #[test]
    fn sayings_are_understood() {
        let connected = Saying::Status(ToyStatus::Connected("DC0D300516D5".into()));
        let data = |toy: Option<&str>, data: Option<&str>, coded| Saying::ToyData {
            toy: toy.map(String::from),
            data: data.map(String::from),
            coded,
        };
        for (line, saying) in [
            (
                r#"{"type":"toy","func":"status","result":200,"data":{"id":"DC0D300516D5","status":202}}"#,
                connected,
            ),
            (
                r#"{"type":"toy","func":"status","data":{"status":403}}"#,
                Saying::Status(ToyStatus::Disconnected),
            ),
            (
                r#"{"type":"toy","func":"status","data":{"id":"A","status":201}}"#,
                Saying::Status(ToyStatus::Other),
            ),
            (r#"{"type":"toy","func":"status","data":{"status":202}}"#, Saying::Status(ToyStatus::Other)),
            (r#"{"type":"toy","func":"search","result":205}"#, Saying::Searching),
            (r#"{"type":"toy","func":"search","result":206}"#, Saying::SearchEnded),
            (r#"{"type":"usb","func":"stopSearch","result":200}"#, Saying::Other),
            (r#"{"type":"usb","func":"stopSearch","result":501}"#, Saying::SearchGoesOn),
            (
                r#"{"type":"toy","func":"toyData","data":{"id":"A1","data":"P:02:A1;"}}"#,
                data(Some("A1"), Some("P:02:A1;"), false),
            ),
            (r#"{"type":"toy","func":"toyData","result":404}"#, data(None, None, true)),
            (r#"{"type":"toy","func":"command","result":200}"#, Saying::Other),
            (r#"{"type":"toy","func":"command","result":402}"#, Saying::NotDelivered),
            (r#"{"type":"toy","func":"error","result":400,"message":"x"}"#, Saying::Other),
        ] {
            assert_eq!(heard(line), [saying], "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_passed_over_and_what_stands_beside_it_counts() {
        for line in [
            "",
            "D:02:0082059AD3BD",
            "{",
            "[]",
            r#"{"type":"toy"}"#,
            r#"{"type":"cat","func":"search","result":205}"#,
            r#"{"type":"toy","func":"sing","result":205}"#,
            r#"{"type":"toy","func":"search","result":999}"#,
            r#"{"type":"toy","func":"search","result":"205"}"#,
            r#"{"type":"toy","func":"status","data":{"id":7,"status":202}}"#,
        ] {
            assert_eq!(heard(line), [], "{line}");
        }
        let search = r#"{"type":"toy","func":"search","result":205}"#;
        assert_eq!(
            heard(&format!("{search}{{\"func\":1}} {search}{{")),
            [Saying::Searching, Saying::Searching]
        );
    }

    #[test]
    fn an_id_that_is_none_is_not_taken() {
        let long = "A".repeat(MAX_ID_BYTES + 1);
        for id in ["", "a b", r#"a\"b"#, "ä", &long] {
            let line = format!(r#"{{"type":"toy","func":"status","data":{{"id":"{id}","status":202}}}}"#);
            assert_eq!(heard(&line), [Saying::Status(ToyStatus::Other)], "{id}");
        }
    }
}
