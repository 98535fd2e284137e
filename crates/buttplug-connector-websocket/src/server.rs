//! The server's end of one connection.

use crate::error::connector_error;
use crate::places::Place;
use async_trait::async_trait;
use buttplug_core::connector::{
    ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_core::message::json::write_server_message;
use buttplug_websocket::{CloseCode, Received, ServerStream, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

pub(crate) struct WebSocketServerConnection<S = ServerStream> {
    /// There until it is dropped.
    socket: Option<Socket<S>>,
    /// Who is at the other end.
    peer: String,
    /// The place it takes among the listener's connections, if it came by a listener.
    _place: Option<Place>,
    /// Where the socket goes when this is dropped: a connection that the server refuses is closed by whoever made it,
    /// with the reason. A listener does not wait for it once the server has taken it; whoever has dialled does.
    home: Option<oneshot::Sender<Socket<S>>>,
    /// What came before there was anybody to receive it.
    first: Vec<ClientFrame>,
}

/// The frame in a message of a client; only text means anything.
pub(crate) fn frame(message: Received) -> Option<ClientFrame> {
    match message {
        Received::Text(text) => Some(ClientFrame::Text(text)),
        Received::Binary(_) => {
            tracing::debug!("ignoring a binary message of a client");
            None
        }
    }
}

impl<S> WebSocketServerConnection<S> {
    pub(crate) fn new(
        socket: Socket<S>,
        peer: String,
        place: Option<Place>,
        first: Vec<ClientFrame>,
    ) -> (Self, oneshot::Receiver<Socket<S>>) {
        let (home, dropped) = oneshot::channel();
        (Self { socket: Some(socket), peer, _place: place, home: Some(home), first }, dropped)
    }

    fn socket(&mut self) -> Result<&mut Socket<S>, ConnectorError> {
        self.socket.as_mut().ok_or(ConnectorError::Closed { reason: String::new() })
    }
}

impl<S> Drop for WebSocketServerConnection<S> {
    fn drop(&mut self) {
        if let (Some(home), Some(socket)) = (self.home.take(), self.socket.take()) {
            let _ = home.send(socket);
        }
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ServerConnection for WebSocketServerConnection<S> {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        self.peer.clone()
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        let text = match frame {
            ServerFrame::Text(text) => text,
            ServerFrame::Message(message) => {
                let mut frame = Vec::with_capacity(128);
                write_server_message(&message, &mut frame);
                // What the writer writes is JSON, so UTF-8.
                String::from_utf8(frame)
                    .map_err(|error| ConnectorError::Violation { reason: error.to_string() })?
            }
        };
        self.socket()?.send_text(text).map_err(connector_error)
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        if !self.first.is_empty() {
            batch.append(&mut self.first);
            return Ok(());
        }
        self.socket()?.receive(|message| batch.extend(frame(message))).await.map_err(connector_error)
    }

    async fn close(&mut self, reason: CloseReason) {
        let (code, text) = match reason {
            CloseReason::Done => (CloseCode::Normal, ""),
            CloseReason::Full => (CloseCode::Again, "no more clients are taken"),
            CloseReason::GoingAway => (CloseCode::Away, "the server is ending"),
            CloseReason::Violation => (CloseCode::Policy, "a rule of the protocol was broken"),
        };
        if let Ok(socket) = self.socket() {
            socket.close(code, text).await;
        }
    }
}
