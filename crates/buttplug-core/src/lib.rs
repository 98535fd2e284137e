//! The language between a Buttplug client and a server: messages of the current protocol version and their JSON,
//! the five error classes, the kinds of outputs and inputs with their ranges, and the connector traits.
//!
//! Knows no runtime, no socket and no device. Older message versions are translated at the server's edge and never
//! appear here.
//!
//! ```
//! use buttplug_core::message::{ClientRequest, json};
//!
//! let mut messages = Vec::new();
//! json::parse_client_frame(br#"[{"Ping":{"Id":5}}]"#, &mut messages);
//! let ping = messages.remove(0).expect("a valid message");
//! assert_eq!(ping.id.0, 5);
//! assert!(matches!(ping.request, ClientRequest::Ping));
//! ```

pub mod connector;
pub mod error;
pub mod input;
pub mod limits;
pub mod message;
pub mod output;

pub use error::{
    ButtplugError, DeviceError, ErrorClass, HandshakeError, MessageError, PingError, UnknownError,
};
pub use input::{InputAction, InputCommands, InputKind, RssiSpelling};
pub use message::{DeviceIndex, FeatureIndex, MessageId};
pub use output::{OutputCommand, OutputKind, StepRange};

/// The message version spoken inside: what a client asks for as `ProtocolVersionMajor`.
pub const PROTOCOL_VERSION_MAJOR: u32 = 4;
/// The minor version announced in `ServerInfo`, whatever minor version the client asked for.
pub const PROTOCOL_VERSION_MINOR: u32 = 0;
