//! Why a socket has ended, or takes nothing more.

use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why a socket has ended, or takes nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocketError {
    /// The peer closed it in order.
    #[error("closed by the other side{}", if .reason.is_empty() { String::new() } else { format!(": {}", .reason) })]
    Closed {
        /// The peer's code, if it gave one.
        code: Option<u16>,
        /// What the peer said; may be empty.
        reason: String,
    },
    /// The connection broke: it ended without a word, or was reset.
    #[error("{reason}")]
    Lost {
        /// What the system said.
        reason: String,
    },
    /// Nothing came from the peer, not even an answer to a ping.
    #[error("nothing was heard for {} s", .after.as_secs_f32())]
    Silent {
        /// For how long.
        after: Duration,
    },
    /// The peer does not read.
    #[error("nothing could be written for {} s", .after.as_secs_f32())]
    Stalled {
        /// For how long.
        after: Duration,
    },
    /// More would be queued than may be. The message was not queued; the socket is still open.
    #[error("more than {limit} bytes are waiting to be read by the other side")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
    /// The peer sent a message that is too long.
    #[error("a message of {size} bytes, more than the {limit} allowed")]
    TooLong {
        /// Its length, or the length up to the fragment that was one too many.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The peer sent a text message that is no text.
    #[error("a text message that is not UTF-8")]
    NotUtf8,
    /// The peer broke a rule of WebSocket.
    #[error("{reason}")]
    Violation {
        /// Which.
        reason: String,
    },
}

impl SocketError {
    pub(crate) fn from_library(error: WebSocketError) -> Self {
        match error {
            WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => {
                Self::Closed { code: None, reason: String::new() }
            }
            WebSocketError::Io(error) => Self::from_io(&error),
            WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Lost { reason: String::from("the connection ended without a word") }
            }
            WebSocketError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooLong { size, limit: max_size }
            }
            WebSocketError::Utf8(_) => Self::NotUtf8,
            other => Self::Violation { reason: other.to_string() },
        }
    }

    fn from_io(error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionReset => String::from("the connection was reset"),
            io::ErrorKind::BrokenPipe => String::from("the connection is closed"),
            _ => error.to_string(),
        };
        Self::Lost { reason }
    }

    /// The code that tells the peer, if it is its fault and it may still read that.
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        match self {
            // It may only be too busy to answer.
            Self::Silent { .. } => Some(CloseCode::Away),
            Self::TooLong { .. } => Some(CloseCode::Size),
            Self::NotUtf8 => Some(CloseCode::Invalid),
            Self::Violation { .. } => Some(CloseCode::Protocol),
            Self::Closed { .. } | Self::Lost { .. } | Self::Stalled { .. } | Self::QueueFull { .. } => None,
        }
    }
}
