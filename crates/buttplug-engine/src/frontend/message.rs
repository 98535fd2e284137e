//! What is said between the engine and its parent: JSON, one object with one key in each message. Wire types.

use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the parent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Which version this is. It says which one it expects, and nobody minds.
    EngineVersion,
    /// The orderly end.
    Stop,
}

impl Request {
    /// Reads a message. What is no request is logged and left out.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let message: BTreeMap<String, IgnoredAny> = match serde_json::from_slice(text) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "the parent process said what is no message");
                return None;
            }
        };
        match message.keys().next().map(String::as_str) {
            Some("RequestEngineVersion") => Some(Self::EngineVersion),
            Some("Stop") => Some(Self::Stop),
            _ => {
                tracing::warn!("the parent process asks for what is not known");
                None
            }
        }
    }
}

/// What the engine tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum News {
    /// The first message.
    EngineStarted {},
    /// The answer to the question for it.
    EngineVersion {
        /// Of this program.
        version: &'static str,
    },
    /// The server is there.
    EngineServerCreated(Created),
    /// A client has introduced itself.
    ClientConnected {
        /// What it calls itself.
        client_name: String,
    },
    /// A client is gone.
    ClientDisconnected {},
    /// A device is there.
    DeviceConnected(Device),
    /// A device is gone.
    DeviceDisconnected {
        /// Its index.
        index: u32,
    },
    /// The engine can't start, or can't go on.
    EngineError(Failure),
    /// The last message.
    EngineStopped {},
}

impl News {
    pub(super) fn version() -> Self {
        Self::EngineVersion { version: env!("CARGO_PKG_VERSION") }
    }

    /// The message as it is sent.
    ///
    /// # Errors
    /// There is none that these types can cause.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The server, and where it is announced, if it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Created {
    #[serde(flatten)]
    pub(super) advertised: Option<Advertised>,
}

/// What the network is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Advertised {
    /// What kind of service it is.
    pub(crate) service_type: String,
    /// Its name.
    pub(crate) instance_name: String,
    /// Its port.
    pub(crate) port: u16,
    /// What else is said of it.
    pub(crate) txt_records: Vec<String>,
}

/// A device as the parent sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) identifier: Identifier,
    /// The same as in the identifier: parents of the time of this port look for it here.
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    pub(super) needs_keepalive: bool,
}

/// What makes a device the same again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Identifier {
    pub(super) address: String,
    pub(super) protocol: String,
    pub(super) identifier: Option<String>,
}

/// Why the engine can't start, or can't go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// For a person.
    error: String,
    /// For a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Detail {
    code: &'static str,
    address: String,
    port: u16,
}

impl Failure {
    /// A failure for this reason; `taken` if it is that another program has this port.
    pub(crate) fn new(reason: impl ToString, taken: Option<SocketAddr>) -> Self {
        let detail = taken.map(|address| Detail {
            code: "port_in_use",
            address: address.ip().to_string(),
            port: address.port(),
        });
        Self { error: reason.to_string(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_whatever_they_carry() {
        for (text, request) in [
            (r#"{"RequestEngineVersion":{"expected_version":1}}"#, Some(Request::EngineVersion)),
            (r#"{"Stop":{}}"#, Some(Request::Stop)),
            (r#"{"Stop":null}"#, Some(Request::Stop)),
            (r#"{"Dance":{}}"#, None),
            (r#"{}"#, None),
            (r#"[{"Stop":{}}]"#, None),
            ("Stop", None),
            ("", None),
        ] {
            assert_eq!(Request::parse(text.as_bytes()), request, "{text}");
        }
    }

    #[test]
    fn news_is_written_as_parents_read_it() {
        let advertised = Advertised {
            service_type: "_x._tcp.local.".into(),
            instance_name: "Intiface abc".into(),
            port: 12345,
            txt_records: vec!["path=/".into()],
        };
        let device = Device {
            name: "Lovense Edge".into(),
            index: 7,
            identifier: Identifier { address: "A1".into(), protocol: "lovense".into(), identifier: None },
            address: "A1".into(),
            display_name: None,
            needs_keepalive: false,
        };
        let taken = Some("127.0.0.1:5".parse().unwrap());
        for (news, text) in [
            (News::EngineStarted {}, r#"{"EngineStarted":{}}"#),
            (News::EngineServerCreated(Created { advertised: None }), r#"{"EngineServerCreated":{}}"#),
            (
                News::EngineServerCreated(Created { advertised: Some(advertised) }),
                r#"{"EngineServerCreated":{"service_type":"_x._tcp.local.","instance_name":"Intiface abc","port":12345,"txt_records":["path=/"]}}"#,
            ),
            (
                News::DeviceConnected(device),
                r#"{"DeviceConnected":{"name":"Lovense Edge","index":7,"identifier":{"address":"A1","protocol":"lovense","identifier":null},"address":"A1","needs_keepalive":false}}"#,
            ),
            (
                News::EngineError(Failure::new("taken", taken)),
                r#"{"EngineError":{"error":"taken","detail":{"code":"port_in_use","address":"127.0.0.1","port":5}}}"#,
            ),
            (News::EngineError(Failure::new("odd", None)), r#"{"EngineError":{"error":"odd"}}"#),
            (News::EngineStopped {}, r#"{"EngineStopped":{}}"#),
        ] {
            assert_eq!(news.to_json().unwrap(), text);
        }
    }
}
