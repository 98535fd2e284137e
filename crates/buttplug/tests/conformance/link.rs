//! The client's end of a connection: frames of JSON as text go in and come out, whatever the way between.

use async_trait::async_trait;
use buttplug::core::connector::{
    AcceptConnection, ClientConnection, ClientConnector, ClientFrame, CloseReason, ConnectorError,
    FrameFormat, ServerConnection, ServerFrame,
};
use buttplug::core::message::ServerMessage;
use buttplug::core::message::json::{parse_client_frame, write_server_message};
use buttplug::embedded::{self, Server};
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// What comes from the server.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text frame.
    Frame(String),
    /// It closed the connection in order, with this code.
    End(u16),
}

/// One connection. Dropping it is what a crash of the client looks like.
pub(crate) enum Link {
    Memory { to_server: mpsc::UnboundedSender<String>, from_server: mpsc::UnboundedReceiver<Heard> },
    Socket(Box<WebSocketStream<TcpStream>>),
    InProcess { connection: Box<dyn ClientConnection>, arrived: VecDeque<ServerMessage> },
}

impl Link {
    pub(crate) fn memory(server: &Server) -> Self {
        let (to_server, from_client) = mpsc::unbounded_channel();
        let (to_client, from_server) = mpsc::unbounded_channel();
        server.accept(Box::new(MemoryConnection { from_client, to_client })).unwrap();
        Self::Memory { to_server, from_server }
    }

    pub(crate) async fn socket(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, _) = client_async(format!("ws://{address}/"), stream).await.unwrap();
        Self::Socket(Box::new(socket))
    }

    pub(crate) async fn in_process(server: &Server) -> Self {
        let connection = embedded::connector(server).connect().await.unwrap();
        Self::InProcess { connection, arrived: VecDeque::new() }
    }

    pub(crate) async fn send(&mut self, frame: &str) {
        match self {
            Self::Memory { to_server, .. } => to_server.send(frame.to_owned()).unwrap(),
            Self::Socket(socket) => socket.send(Message::text(frame)).await.unwrap(),
            Self::InProcess { connection, .. } => {
                let mut messages = Vec::new();
                parse_client_frame(frame.as_bytes(), &mut messages);
                for message in messages {
                    let message =
                        message.unwrap_or_else(|bad| panic!("no value says {frame}: {}", bad.error));
                    connection.send(message).unwrap();
                }
            }
        }
    }

    pub(crate) async fn send_binary(&mut self, data: &[u8]) {
        let Self::Socket(socket) = self else { panic!("only sockets have binary frames") };
        socket.send(Message::binary(data.to_vec())).await.unwrap();
    }

    /// Waits for the server. May be cancelled: nothing is lost.
    pub(crate) async fn receive(&mut self) -> Heard {
        match self {
            Self::Memory { from_server, .. } => {
                from_server.recv().await.expect("the connection was dropped instead of closed")
            }
            Self::Socket(socket) => loop {
                let message = socket.next().await.expect("the connection was dropped instead of closed");
                match message.expect("the connection was dropped instead of closed") {
                    Message::Text(text) => return Heard::Frame(text.to_string()),
                    Message::Close(frame) => {
                        return Heard::End(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("a server sends text, not {other:?}"),
                }
            },
            Self::InProcess { connection, arrived } => loop {
                if let Some(message) = arrived.pop_front() {
                    let mut frame = Vec::new();
                    write_server_message(&message, &mut frame);
                    return Heard::Frame(String::from_utf8(frame).unwrap());
                }
                let mut batch = Vec::new();
                match connection.receive(&mut batch).await {
                    Ok(()) => arrived.extend(batch),
                    Err(ConnectorError::Closed { reason }) if reason.is_empty() => return Heard::End(1000),
                    Err(error) => panic!("the connection was not closed in order: {error}"),
                }
            },
        }
    }
}

/// The server's end of a connection in memory.
struct MemoryConnection {
    from_client: mpsc::UnboundedReceiver<String>,
    to_client: mpsc::UnboundedSender<Heard>,
}

fn lost() -> ConnectorError {
    ConnectorError::Lost { reason: String::from("the client was dropped") }
}

#[async_trait]
impl ServerConnection for MemoryConnection {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        String::from("a client in memory")
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        let ServerFrame::Text(text) = frame else { panic!("a value on a connection of JSON") };
        self.to_client.send(Heard::Frame(text)).map_err(|_| lost())
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        let frame = self.from_client.recv().await.ok_or_else(lost)?;
        batch.push(ClientFrame::Text(frame.into()));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        let code = match reason {
            CloseReason::Full => 1013,
            CloseReason::Done => 1000,
            CloseReason::GoingAway => 1001,
            CloseReason::Violation => 1008,
        };
        let _ = self.to_client.send(Heard::End(code));
    }
}
