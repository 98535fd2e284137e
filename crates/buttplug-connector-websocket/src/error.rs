//! From a socket's errors to a connector's.

use buttplug_core::connector::ConnectorError;
use buttplug_core::limits::quoted;
use buttplug_websocket::SocketError;

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
