//! From the errors of sockets and of dialling to a connector's.

use crate::shown::shown_url;
use buttplug_core::connector::ConnectorError;
use buttplug_core::limits::quoted;
use buttplug_websocket::{DialError, SocketError};

/// What a socket's end means to a client or a server.
pub(crate) fn connector_error(error: SocketError) -> ConnectorError {
    match error {
        SocketError::Closed { reason, .. } => ConnectorError::Closed { reason: quoted(&reason) },
        SocketError::Lost { reason } => ConnectorError::Lost { reason },
        SocketError::Silent { .. } | SocketError::Stalled { .. } | SocketError::QueueFull { .. } => {
            ConnectorError::Unresponsive { reason: error.to_string() }
        }
        SocketError::TooLong { .. } | SocketError::NotUtf8 | SocketError::Violation { .. } => {
            ConnectorError::Violation { reason: error.to_string() }
        }
    }
}

/// What it means that there is no connection to this URL, of which only what may be shown is told.
pub(crate) fn dial_error(url: &str, error: DialError) -> ConnectorError {
    let address = shown_url(url);
    match error {
        DialError::BadUrl { reason } => ConnectorError::BadAddress { address, reason },
        DialError::Refused { reason } => ConnectorError::Refused { address, reason },
        DialError::Declined { reason } => ConnectorError::Declined { address, reason },
    }
}
