//! What carries messages between a client and a server.
//!
//! A connector has two ends. Each end queues what it is given and never waits while queueing; `receive` is where it
//! waits: it writes out what is queued, answers the transport's own pings, and returns as soon as something has
//! arrived. Replies to one batch therefore leave in one flush.

use crate::message::{ClientMessage, ServerMessage};
use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// Why a connection could not be made or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectorError {
    /// The address can't be used.
    #[error("{address:?} is not an address to connect to: {reason}")]
    BadAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there, or nobody takes connections.
    #[error("can't connect to {address}: {reason}")]
    Refused {
        /// Where to.
        address: String,
        /// What the system or the other side said.
        reason: String,
    },
    /// Somebody answers, but takes no connection: another program, or a server that is busy.
    #[error("{address} answers, but takes no connection: {reason}")]
    Declined {
        /// Where to.
        address: String,
        /// What the other side said or did.
        reason: String,
    },
    /// The other side closed the connection in order.
    #[error("the other side closed the connection{}", if .reason.is_empty() { String::new() } else { format!(": {}", .reason) })]
    Closed {
        /// What it said; may be empty.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// What the system said.
        reason: String,
    },
    /// The other side no longer takes or sends anything.
    #[error("the other side is not responding: {reason}")]
    Unresponsive {
        /// What it failed to do, and for how long.
        reason: String,
    },
    /// The other side sent something that no peer may send, for example a frame that is too long.
    #[error("the other side broke the rules of the connection: {reason}")]
    Violation {
        /// Which rule.
        reason: String,
    },
}

/// A client's way to a server.
#[async_trait]
pub trait ClientConnector: Send {
    /// Opens a connection. May be called again after a connection has ended.
    ///
    /// # Errors
    /// The address is bad, or nobody answers there. The call itself has no time limit; the caller sets one.
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError>;

    /// Where it leads, for messages to people.
    fn address(&self) -> String;
}

/// The client's end of an open connection. Dropping it closes it without ceremony.
#[async_trait]
pub trait ClientConnection: Send {
    /// Queues a message; it leaves with the next [`receive`](Self::receive).
    ///
    /// # Errors
    /// The connection has ended, or more is queued than it may hold.
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError>;

    /// Writes out what is queued and waits until something arrives, then appends everything that is already there.
    /// May return without having appended anything. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// The connection has ended. What arrived before the end has been appended by earlier calls.
    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError>;

    /// Writes out what is queued and closes in order. The caller limits the time.
    async fn close(&mut self);
}

/// What a client sent: text that is still to be read, or a message that is one already.
#[derive(Clone, Debug)]
pub enum ClientFrame {
    /// A frame of JSON, of whatever version the client speaks.
    Text(Bytes),
    /// A message of the current version, from a client in the same process.
    Message(ClientMessage),
}

/// What goes to a client.
#[derive(Clone, Debug)]
pub enum ServerFrame {
    /// A frame of JSON. It is valid UTF-8.
    Text(String),
    /// A message of the current version, for a client in the same process.
    Message(ServerMessage),
}

/// How a connection carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFormat {
    /// As JSON text.
    Json,
    /// As values.
    Typed,
}

/// Why a server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session is over: the client left, or the watchdog or the handshake ended it.
    Done,
    /// The server has as many clients as it takes.
    Full,
    /// The server is ending.
    GoingAway,
    /// The client broke a rule, for example sent a frame that is too long.
    Violation,
}

/// The server's end of an open connection. Dropping it closes it without ceremony.
#[async_trait]
pub trait ServerConnection: Send {
    /// How this connection carries messages; the same for its whole life.
    fn format(&self) -> FrameFormat;

    /// Who is at the other end, for messages to people.
    fn peer(&self) -> String;

    /// Queues a frame of this connection's format; it leaves with the next [`receive`](Self::receive).
    ///
    /// # Errors
    /// The connection has ended, or the client reads so slowly that more is queued than may be.
    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError>;

    /// Writes out what is queued and waits until something arrives, then appends everything that is already there.
    /// May return without having appended anything. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// The connection has ended. What arrived before the end has been appended by earlier calls.
    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError>;

    /// Writes out what is queued and closes in order. The caller limits the time.
    async fn close(&mut self, reason: CloseReason);
}

/// Takes the server's end of new connections: a server, for the connectors that lead to it.
pub trait AcceptConnection: Send + Sync {
    /// Serves this connection until it ends. Returns at once.
    ///
    /// # Errors
    /// The connection is not taken, for example because the server is ending. The reason is for the client.
    fn accept(&self, connection: Box<dyn ServerConnection>) -> Result<(), String>;
}
