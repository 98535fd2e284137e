//! The server's half where the client waits for servers: dials it, and hands the connection to a server.

use crate::error::dial_error;
use crate::server::WebSocketServerConnection;
use crate::shown::shown_url;
use buttplug_core::connector::{AcceptConnection, ConnectorError};
use buttplug_core::limits::MAX_FRAME_BYTES;
use buttplug_websocket::{CloseCode, DialError, Socket, SocketLimits, check_url, dial};
#[cfg(feature = "tls")]
use buttplug_websocket::{Trust, dial_tls, is_encrypted};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// How long a connection may take to open. Whoever needs longer is asked again.
pub const DIAL_TIME: Duration = Duration::from_secs(10);

/// Dials a client at a URL such as `ws://127.0.0.1:12345`, for applications that are WebSocket servers themselves. Only
/// the direction of the connection is another; the client speaks first, as always. With the feature `tls`, also at a URL
/// that begins with `wss://`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketDialer {
    url: String,
    limits: SocketLimits,
    #[cfg(feature = "tls")]
    trust: Trust,
}

/// Without what may be secret in the URL.
impl std::fmt::Debug for WebSocketDialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("WebSocketDialer");
        shown.field("url", &shown_url(&self.url)).field("limits", &self.limits);
        #[cfg(feature = "tls")]
        shown.field("trust", &self.trust);
        shown.finish()
    }
}

impl WebSocketDialer {
    /// A dialler of this URL.
    ///
    /// # Errors
    /// The URL can't be used.
    pub fn new(url: impl Into<String>) -> Result<Self, ConnectorError> {
        let url = url.into();
        check_url(&url).map_err(|error| dial_error(&url, error))?;
        Ok(Self {
            url,
            limits: SocketLimits { max_message: MAX_FRAME_BYTES, ..SocketLimits::default() },
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        })
    }

    /// The same with other bounds of its connections.
    #[must_use]
    pub fn with_limits(mut self, limits: SocketLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where it leads, with whatever is secret in it; [`shown_url`] leaves that out.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens one connection, hands it to `server` and returns when it is over. If the call is dropped before, a session
    /// that has begun goes on; it is the server's.
    ///
    /// # Errors
    /// There is no connection, after [`DIAL_TIME`] at the latest.
    pub async fn serve_once(&self, server: &dyn AcceptConnection) -> Result<(), ConnectorError> {
        #[cfg(feature = "tls")]
        if is_encrypted(&self.url) {
            let socket = self.in_time(dial_tls(&self.url, self.limits, &self.trust)).await?;
            self.serve(socket, server).await;
            return Ok(());
        }
        let socket = self.in_time(dial(&self.url, self.limits)).await?;
        self.serve(socket, server).await;
        Ok(())
    }

    async fn in_time<S>(
        &self,
        dialling: impl Future<Output = Result<Socket<S>, DialError>>,
    ) -> Result<Socket<S>, ConnectorError> {
        let dialled = timeout(DIAL_TIME, dialling).await.unwrap_or_else(|_| {
            Err(DialError::Refused { reason: format!("no answer within {} s", DIAL_TIME.as_secs()) })
        });
        dialled.map_err(|error| dial_error(&self.url, error))
    }

    async fn serve<S>(&self, socket: Socket<S>, server: &dyn AcceptConnection)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let url = shown_url(&self.url);
        tracing::info!(url, "connected to a client");
        let (connection, over) = WebSocketServerConnection::new(socket, url, None, Vec::new());
        let refused = server.accept(Box::new(connection)).err();
        // The socket comes back when the session has dropped it.
        if let (Ok(mut socket), Some(reason)) = (over.await, refused) {
            socket.close(CloseCode::Again, &reason).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_in_a_url_is_shown_to_nobody() {
        let dialer = WebSocketDialer::new("ws://127.0.0.1:5/a?token=0123456789abcdef").unwrap();
        let shown = format!("{dialer:?}");
        assert!(shown.contains("ws://127.0.0.1:5/a") && !shown.contains("0123456789abcdef"), "{shown}");
    }
}
