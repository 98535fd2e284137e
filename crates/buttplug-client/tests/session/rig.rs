//! A client and, at the other end of a test connection, a server that says what the test tells it to.

use async_trait::async_trait;
use buttplug_client::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_client::core::message::{ClientMessage, ServerInfo, ServerMessage, json};
use buttplug_client::{Client, Error, Events};
use std::time::Duration;
use tokio::sync::mpsc;

pub(crate) use crate::frames::*;
use crate::words::words;

/// The server's end. Dropping it breaks the connection.
pub(crate) struct Peer {
    to_client: mpsc::UnboundedSender<Vec<ServerMessage>>,
    from_client: mpsc::UnboundedReceiver<ClientMessage>,
}

impl Peer {
    /// A peer without a client.
    pub(crate) fn nowhere() -> Self {
        let ((to_client, _), (_, from_client)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        Self { to_client, from_client }
    }

    /// Sends a frame.
    pub(crate) fn says(&self, frame: &str) {
        let mut batch = Vec::new();
        // A frame that is no JSON at all brings nothing, as at a real connector.
        let _ = json::parse_server_frame(frame.as_bytes(), &mut batch);
        let _ = self.to_client.send(batch);
    }

    /// The next message of the client as JSON without its id, and the id; `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<(String, u32)> {
        let message = self.from_client.recv().await?;
        let mut text = Vec::new();
        json::write_client_message(&message, &mut text);
        let text = String::from_utf8(text).unwrap();
        let id = format!(r#""Id":{}"#, message.id);
        let text = text.replacen(&format!("{id},"), "", 1).replacen(&id, "", 1);
        Some((text.trim_matches(['[', ']']).to_owned(), message.id.0))
    }

    /// Checks the next message and returns its id.
    pub(crate) async fn hears(&mut self, expected: &str) -> u32 {
        // By a paused clock, so that a test fails instead of hanging.
        let next = tokio::time::timeout(Duration::from_secs(7200), self.next()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing came instead of {expected}"));
        let (text, id) = next.expect("the connection is open");
        assert_eq!(text, expected);
        assert!(id > 0);
        id
    }

    /// Checks the next message and answers `Ok`.
    pub(crate) async fn grants(&mut self, expected: &str) {
        let id = self.hears(expected).await;
        self.says(&ok(id));
    }

    /// Checks that the client says nothing.
    pub(crate) async fn hears_nothing(&mut self) {
        if let Ok(message) = tokio::time::timeout(Duration::from_millis(1), self.next()).await {
            panic!("expected silence, heard {message:?}");
        }
    }

    pub(crate) async fn sees_the_end(&mut self) {
        let next =
            tokio::time::timeout(Duration::from_secs(60), self.next()).await.expect("a closed connection");
        assert_eq!(next, None);
    }

    /// Plays the handshake and the first list.
    pub(crate) async fn welcomes(&mut self, max_ping_ms: u32, devices: &[&str]) {
        let (hello, id) = self.next().await.expect("a handshake");
        assert_eq!(hello, HANDSHAKE);
        self.says(&server_info(id, 4, 0, max_ping_ms));
        let mut next = self.next().await.expect("a request");
        if next.0 == PING {
            self.says(&ok(next.1));
            next = self.next().await.expect("a request");
        }
        assert_eq!(next.0, REQUEST_LIST);
        self.says(&list(next.1, devices));
    }
}

/// Leads to peers that the test plays.
pub(crate) struct TestConnector {
    peers: mpsc::UnboundedSender<Peer>,
    close_hangs: bool,
}

/// Where the peers come out.
pub(crate) struct Peers {
    peers: mpsc::UnboundedReceiver<Peer>,
    sender: mpsc::UnboundedSender<Peer>,
    /// Closing takes for ever.
    pub(crate) close_hangs: bool,
}

impl Peers {
    pub(crate) fn new() -> Self {
        let (sender, peers) = mpsc::unbounded_channel();
        Self { peers, sender, close_hangs: false }
    }

    pub(crate) fn connector(&self) -> TestConnector {
        TestConnector { peers: self.sender.clone(), close_hangs: self.close_hangs }
    }

    pub(crate) async fn next(&mut self) -> Peer {
        self.peers.recv().await.expect("a connection")
    }

    /// Connects `client` while `script` plays the server.
    pub(crate) async fn connect(
        &mut self,
        client: &Client,
        script: impl AsyncFnOnce(&mut Peer),
    ) -> (Result<ServerInfo, Error>, Peer) {
        let connector = self.connector();
        tokio::join!(client.connect(connector), async {
            let mut peer = self.next().await;
            script(&mut peer).await;
            peer
        })
    }

    /// Connects `client` to a server with these devices.
    pub(crate) async fn welcome(&mut self, client: &Client, max_ping_ms: u32, devices: &[&str]) -> Peer {
        let (connected, peer) =
            self.connect(client, async |peer: &mut Peer| peer.welcomes(max_ping_ms, devices).await).await;
        connected.expect("a connection");
        peer
    }
}

#[async_trait]
impl ClientConnector for TestConnector {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        let (to_client, from_peer) = mpsc::unbounded_channel();
        let (to_peer, from_client) = mpsc::unbounded_channel();
        self.peers
            .send(Peer { to_client, from_client })
            .map_err(|_| ConnectorError::Refused { address: self.address(), reason: "closed".into() })?;
        Ok(Box::new(TestConnection { queued: Vec::new(), to_peer, from_peer, close_hangs: self.close_hangs }))
    }

    fn address(&self) -> String {
        String::from("the rig")
    }
}

fn peer_dropped() -> ConnectorError {
    ConnectorError::Lost { reason: String::from("the peer was dropped") }
}

struct TestConnection {
    queued: Vec<ClientMessage>,
    to_peer: mpsc::UnboundedSender<ClientMessage>,
    from_peer: mpsc::UnboundedReceiver<Vec<ServerMessage>>,
    close_hangs: bool,
}

impl TestConnection {
    fn flush(&mut self) {
        for message in self.queued.drain(..) {
            let _ = self.to_peer.send(message);
        }
    }
}

#[async_trait]
impl ClientConnection for TestConnection {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        if self.to_peer.is_closed() {
            return Err(peer_dropped());
        }
        self.queued.push(message);
        Ok(())
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.flush();
        let frame = self.from_peer.recv().await;
        batch.extend(frame.ok_or_else(peer_dropped)?);
        Ok(())
    }

    async fn close(&mut self) {
        self.flush();
        if self.close_hangs {
            std::future::pending::<()>().await;
        }
    }
}

/// A client with its first event stream, connected to a peer with these devices. The events so far are read.
pub(crate) async fn session(devices: &[&str]) -> (Client, Events, Peer) {
    let client = Client::new("Test");
    let mut events = client.events();
    let peer = Peers::new().welcome(&client, 0, devices).await;
    told(&mut events).await;
    (client, events, peer)
}

/// All events until nothing happens any more.
pub(crate) async fn told(events: &mut Events) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        told.push(words(&event));
    }
    told
}
