//! Connects Buttplug clients and servers over WebSocket: JSON in text frames, one session per connection.
//!
//! [`WebSocketClientConnector`] is the client's half, [`WebSocketListener`] the server's, and [`WebSocketDialer`] the
//! server's where it is the client that listens. Knows no devices, and of
//! messages only how to read and write them; sockets and their limits are buttplug-websocket's.
//!
//! ```no_run
//! use buttplug_connector_websocket::WebSocketClientConnector;
//! use buttplug_core::connector::ClientConnector;
//!
//! # async fn connect() -> Result<(), buttplug_core::connector::ConnectorError> {
//! let mut connector = WebSocketClientConnector::new("ws://127.0.0.1:12345");
//! let connection = connector.connect().await?;
//! # drop(connection);
//! # Ok(())
//! # }
//! ```

mod client;
mod dialer;
mod error;
mod listener;
mod places;
mod server;
mod shown;

pub use buttplug_websocket::{
    Admission, BindError, Gate, ListenerLimits, Objection, Origin, OriginError, OriginPattern, Presented,
    Refusal, Rules, SocketLimits, Token, TokenError, UPGRADE_TIME, Visit, source,
};
#[cfg(feature = "tls-server")]
pub use buttplug_websocket::{Identity, IdentityError};
pub use client::{MAX_SERVER_FRAME_BYTES, WebSocketClientConnector};
pub use dialer::{DIAL_TIME, WebSocketDialer};
pub use listener::{
    FIRST_MESSAGE_TIME, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, WebSocketLimits, WebSocketListener,
};
pub use shown::shown_url;
