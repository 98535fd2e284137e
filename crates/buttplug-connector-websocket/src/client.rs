//! The client's half: opens a connection and carries messages as JSON.

use crate::error::{connector_error, dial_error};
use crate::shown::shown_url;
use async_trait::async_trait;
use buttplug_core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_core::message::json::{parse_server_frame, write_client_message};
use buttplug_core::message::{ClientMessage, ServerMessage};
use buttplug_websocket::{CloseCode, DialError, Received, Socket, SocketLimits, dial};
#[cfg(feature = "tls")]
use buttplug_websocket::{Trust, dial_tls, is_encrypted};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of a message from a server. More than this server ever sends: the list of a thousand devices with many
/// features is about a megabyte, and other servers write theirs less tightly.
pub const MAX_SERVER_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Connects a client to a server at a URL such as `ws://127.0.0.1:12345`. With the feature `tls`, also at one that begins
/// with `wss://`.
#[derive(Clone)]
pub struct WebSocketClientConnector {
    url: String,
    limits: SocketLimits,
    #[cfg(feature = "tls")]
    trust: Trust,
}

impl WebSocketClientConnector {
    /// A connector to this URL. Whether the URL can be used is found out by connecting.
    pub fn new(url: impl Into<String>) -> Self {
        let limits = SocketLimits { max_message: MAX_SERVER_FRAME_BYTES, ..SocketLimits::default() };
        Self {
            url: url.into(),
            limits,
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        }
    }

    /// The same, trusting this certificate, as PEM text, too: for a server that no authority has certified. What this
    /// machine trusts is trusted anyway.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_trusted(mut self, certificate: impl Into<String>) -> Self {
        self.trust.certificates.push(certificate.into());
        self
    }

    async fn open(&self) -> Result<Box<dyn ClientConnection>, DialError> {
        #[cfg(feature = "tls")]
        if is_encrypted(&self.url) {
            let socket = dial_tls(&self.url, self.limits, &self.trust).await?;
            return Ok(Box::new(WebSocketClientConnection { socket }));
        }
        let socket = dial(&self.url, self.limits).await?;
        Ok(Box::new(WebSocketClientConnection { socket }))
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: SocketLimits) -> Self {
        self.limits = limits;
        self
    }
}

#[async_trait]
impl ClientConnector for WebSocketClientConnector {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        self.open().await.map_err(|error| dial_error(&self.url, error))
    }

    fn address(&self) -> String {
        // It is logged, and stands in errors.
        shown_url(&self.url)
    }
}

/// Without what may be secret in the URL.
impl std::fmt::Debug for WebSocketClientConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("WebSocketClientConnector");
        shown.field("url", &shown_url(&self.url)).field("limits", &self.limits);
        #[cfg(feature = "tls")]
        shown.field("trust", &self.trust);
        shown.finish()
    }
}

struct WebSocketClientConnection<S> {
    socket: Socket<S>,
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ClientConnection for WebSocketClientConnection<S> {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        let mut frame = Vec::with_capacity(128);
        write_client_message(&message, &mut frame);
        // What the writer writes is JSON, so UTF-8.
        let text = String::from_utf8(frame)
            .map_err(|error| ConnectorError::Violation { reason: error.to_string() })?;
        tracing::trace!(frame = text, "to the server");
        self.socket.send_text(text).map_err(connector_error)
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.socket.receive(|message| read(&message, batch)).await.map_err(connector_error)
    }

    async fn close(&mut self) {
        self.socket.close(CloseCode::Normal, "").await;
    }
}

/// Appends what can be read. The rest is skipped: servers of later versions may say more than is known here.
fn read(message: &Received, batch: &mut Vec<ServerMessage>) {
    let Received::Text(text) = message else {
        tracing::debug!("skipping a binary message of the server");
        return;
    };
    tracing::trace!(frame = %String::from_utf8_lossy(text), "from the server");
    match parse_server_frame(text, batch) {
        Ok(report) => {
            for reason in report.skipped {
                tracing::debug!(%reason, "skipping a message of the server");
            }
        }
        Err(reason) => tracing::debug!(%reason, "skipping a frame of the server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_in_a_url_is_shown_to_nobody() {
        let connector = WebSocketClientConnector::new("ws://127.0.0.1:5/a?token=0123456789abcdef");
        assert_eq!(connector.address(), "ws://127.0.0.1:5/a");
        let shown = format!("{connector:?}");
        assert!(shown.contains("ws://127.0.0.1:5/a") && !shown.contains("0123456789abcdef"), "{shown}");
    }
}
