//! A server on a real port that says what the test tells it to. Time is real here, so waits are for what has to come;
//! only silence has to be waited for.

pub(crate) use crate::frames::*;

use crate::words::words;
use buttplug::core::message::ServerInfo;
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error, Events};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Longer than anything here takes, unless it hangs.
pub(crate) const AGES: Duration = Duration::from_secs(20);

/// Long enough for what is on its way over loopback to arrive. Only what must not come is waited for so long.
const SILENCE: Duration = Duration::from_millis(50);

/// An open port.
pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.listener.local_addr().unwrap())
    }

    pub(crate) fn connector(&self) -> WebSocketClientConnector {
        WebSocketClientConnector::new(self.url())
    }

    /// The next connection, before its upgrade.
    pub(crate) async fn answers(&self) -> TcpStream {
        timeout(AGES, self.listener.accept()).await.expect("a connection").unwrap().0
    }

    pub(crate) async fn accepts(&self) -> Peer {
        Peer::upgrades(self.answers().await).await
    }

    /// Connects `client` while `script` plays the server.
    pub(crate) async fn connect(
        &self,
        client: &Client,
        script: impl AsyncFnOnce(&mut Peer),
    ) -> (Result<ServerInfo, Error>, Peer) {
        self.meets(client.connect(self.connector()), script).await
    }

    /// Takes the connection that `connecting` makes, and lets `script` play the server.
    pub(crate) async fn meets<T>(
        &self,
        connecting: impl Future<Output = T>,
        script: impl AsyncFnOnce(&mut Peer),
    ) -> (T, Peer) {
        tokio::join!(connecting, async {
            let mut peer = self.accepts().await;
            script(&mut peer).await;
            peer
        })
    }

    /// Connects `client` to a server with these devices.
    pub(crate) async fn welcome(&self, client: &Client, max_ping_ms: u32, devices: &[&str]) -> Peer {
        let script = async |peer: &mut Peer| peer.welcomes(max_ping_ms, devices).await;
        let (connected, peer) = self.connect(client, script).await;
        connected.expect("a connection");
        peer
    }
}

/// The server's end of a connection. Dropping it drops the TCP connection.
pub(crate) struct Peer<S = TcpStream> {
    socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Takes the client's upgrade.
    pub(crate) async fn upgrades(stream: S) -> Self {
        Self { socket: timeout(AGES, accept_async(stream)).await.expect("an upgrade").unwrap() }
    }

    /// Sends a frame.
    pub(crate) async fn says(&mut self, frame: &str) {
        self.sends(Message::text(frame)).await;
    }

    pub(crate) async fn sends(&mut self, message: Message) {
        timeout(AGES, self.socket.send(message)).await.expect("room").expect("an open connection");
    }

    /// Sends a frame in many small ones of the WebSocket's.
    pub(crate) async fn says_in_pieces(&mut self, frame: &str, bytes: usize) {
        let pieces: Vec<&[u8]> = frame.as_bytes().chunks(bytes).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let code = OpCode::Data(if number == 0 { Data::Text } else { Data::Continue });
            let last = number + 1 == pieces.len();
            self.sends(Message::Frame(Frame::message(piece.to_vec(), code, last))).await;
        }
    }

    /// The next message of the client without its id, and the id; `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<(String, u32)> {
        loop {
            match timeout(AGES, self.socket.next()).await.expect("a message or the end") {
                Some(Ok(Message::Text(text))) => return Some(without_id(&text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    // As servers do: the client need not wait.
                    let _ = self.socket.get_mut().shutdown().await;
                    return None;
                }
                Some(Ok(other)) => panic!("the client says {other:?}"),
            }
        }
    }

    /// Checks the next message and returns its id.
    pub(crate) async fn hears(&mut self, expected: &str) -> u32 {
        let (text, id) = self.next().await.expect("the connection is open");
        assert_eq!(text, expected);
        assert!(id > 0);
        id
    }

    /// Checks the next message and answers `Ok`.
    pub(crate) async fn grants(&mut self, expected: &str) {
        let id = self.hears(expected).await;
        self.says(&ok(id)).await;
    }

    /// Checks that the client says nothing.
    pub(crate) async fn hears_nothing(&mut self) {
        if let Ok(message) = timeout(SILENCE, self.next()).await {
            panic!("expected silence, heard {message:?}");
        }
    }

    pub(crate) async fn sees_the_end(&mut self) {
        assert_eq!(self.next().await, None);
    }

    /// Plays the server's part of a disconnect: everything stops, then the connection ends.
    pub(crate) async fn is_left(&mut self) {
        self.grants(STOP_ALL).await;
        self.sees_the_end().await;
    }

    /// Plays the handshake and the first list.
    pub(crate) async fn welcomes(&mut self, max_ping_ms: u32, devices: &[&str]) {
        let id = self.hears(HANDSHAKE).await;
        self.says(&server_info(id, 4, 0, max_ping_ms)).await;
        let mut next = self.next().await.expect("a request");
        if next.0 == PING {
            self.says(&ok(next.1)).await;
            next = self.next().await.expect("a request");
        }
        assert_eq!(next.0, REQUEST_LIST);
        self.says(&list(next.1, devices)).await;
    }
}

/// Takes the id out of a frame with one message, as every client has to send it.
fn without_id(frame: &str) -> (String, u32) {
    let message = frame.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect(frame);
    let (before, after) = message.split_once(r#""Id":"#).expect(frame);
    let digits = after.find(|c: char| !c.is_ascii_digit()).expect(frame);
    let (id, rest) = after.split_at(digits);
    let text = format!("{before}{}", rest.strip_prefix(',').unwrap_or(rest));
    (text, id.parse().expect(frame))
}

/// A client that gives up quickly, with its first event stream, connected to a peer with these devices. The events so
/// far are read.
pub(crate) async fn session(devices: &[&str]) -> (Client, Events, Peer) {
    let client = Client::builder("Test").request_timeout(Some(AGES)).build();
    let mut events = client.events();
    let peer = Server::new().await.welcome(&client, 0, devices).await;
    tells(&mut events, &["connected"]).await;
    for _ in devices {
        tells(&mut events, &["added"]).await;
    }
    (client, events, peer)
}

/// Checks that these are the next events, by their beginnings.
pub(crate) async fn tells(events: &mut Events, expected: &[&str]) {
    for expected in expected {
        let event = timeout(AGES, events.next()).await.expect(expected).expect(expected);
        let told = words(&event);
        assert!(told.starts_with(expected), "told {told:?}, expected {expected:?}");
    }
}

/// Checks that there is no further event.
pub(crate) async fn tells_nothing(events: &mut Events) {
    if let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
        panic!("expected no event, told {:?}", words(&event));
    }
}
