//! Both ends against each other, and each against peers that misbehave, on real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use buttplug_connector_websocket::{
    ListenerLimits, SocketLimits, WebSocketClientConnector, WebSocketDialer, WebSocketLimits,
    WebSocketListener,
};
use buttplug_core::MessageId;
use buttplug_core::connector::{
    AcceptConnection, ClientConnection, ClientConnector, ClientFrame, CloseReason, ConnectorError,
    FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_core::limits::MAX_FRAME_BYTES;
use buttplug_core::message::{ClientMessage, ClientRequest, ServerContent, ServerMessage};
use buttplug_websocket::{CloseCode, Listener, Received, Socket, SocketError, dial};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes, unless it hangs.
const AGES: Duration = Duration::from_secs(20);

/// A server that hands its connections to the test, or refuses them.
struct Door {
    connections: mpsc::UnboundedSender<Box<dyn ServerConnection>>,
    refusal: Option<String>,
}

impl AcceptConnection for Door {
    fn accept(&self, connection: Box<dyn ServerConnection>) -> Result<(), String> {
        match &self.refusal {
            Some(reason) => Err(reason.clone()),
            None => self.connections.send(connection).map_err(|_| String::from("the test is over")),
        }
    }
}

struct Rig {
    address: SocketAddr,
    connections: mpsc::UnboundedReceiver<Box<dyn ServerConnection>>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Rig {
    async fn new(limits: WebSocketLimits, refusal: Option<&str>) -> Self {
        let listener = WebSocketListener::bind(&["127.0.0.1:0".parse().unwrap()], limits).await.unwrap();
        let address = listener.local_addresses()[0];
        let (sender, connections) = mpsc::unbounded_channel();
        let door = Arc::new(Door { connections: sender, refusal: refusal.map(String::from) });
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(listener.run(door, async {
            let _ = stopped.await;
        }));
        Self { address, connections, stop: Some(stop), running }
    }

    fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The server's end of the newest connection.
    async fn accepted(&mut self) -> Box<dyn ServerConnection> {
        timeout(AGES, self.connections.recv()).await.unwrap().unwrap()
    }

    /// A client that has said something, which has been read, and the server's end.
    async fn pair(&mut self) -> (Box<dyn ClientConnection>, Box<dyn ServerConnection>) {
        let mut client = WebSocketClientConnector::new(self.url()).connect().await.unwrap();
        client.send(ping(99)).unwrap();
        let mut nothing = Vec::new();
        let mut server = tokio::select! {
            server = self.accepted() => server,
            end = client.receive(&mut nothing) => panic!("{end:?}"),
        };
        texts(&mut *server, 1).await;
        (client, server)
    }

    /// The same with a bare client.
    async fn bare_pair(&mut self) -> (Socket<TcpStream>, Box<dyn ServerConnection>) {
        let mut client = self.silent().await;
        says(&mut client, "hello");
        let mut server = self.accepted().await;
        assert_eq!(texts(&mut *server, 1).await, ["hello"]);
        (client, server)
    }

    /// A bare client that says nothing.
    async fn silent(&self) -> Socket<TcpStream> {
        dial(&self.url(), SocketLimits::default()).await.unwrap()
    }
}

fn says(client: &mut Socket<TcpStream>, text: &str) {
    client.send_text(String::from(text)).unwrap();
    assert!(client.try_flush().unwrap());
}

fn ping(id: u32) -> ClientMessage {
    ClientMessage { id: MessageId(id), request: ClientRequest::Ping }
}

fn ok(id: u32) -> ServerMessage {
    ServerMessage { id: MessageId(id), content: ServerContent::Ok }
}

/// The texts that arrive until there are `count`.
async fn texts(server: &mut dyn ServerConnection, count: usize) -> Vec<String> {
    let mut batch = Vec::new();
    while batch.len() < count {
        timeout(AGES, server.receive(&mut batch)).await.unwrap().unwrap();
    }
    let text = |frame| match frame {
        ClientFrame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        ClientFrame::Message(message) => panic!("{message:?}"),
    };
    batch.into_iter().map(text).collect()
}

/// Why the server's end ends.
async fn server_end(server: &mut dyn ServerConnection) -> ConnectorError {
    let mut batch = Vec::new();
    loop {
        if let Err(error) =
            timeout(AGES, server.receive(&mut batch)).await.expect("the connection stays open")
        {
            return error;
        }
    }
}

/// Why a bare client's end ends.
async fn client_end(client: &mut Socket<TcpStream>) -> SocketError {
    loop {
        if let Err(error) = timeout(AGES, client.receive(|_| {})).await.expect("the connection stays open") {
            return error;
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let (mut client, mut server) = rig.pair().await;
    assert_eq!(server.format(), FrameFormat::Json);
    assert!(server.peer().starts_with("127.0.0.1:"), "{}", server.peer());
    client.send(ping(1)).unwrap();
    client.send(ping(2)).unwrap();
    server.send(ServerFrame::Message(ok(7))).unwrap();
    server.send(ServerFrame::Text(String::from(r#"[{"Ok":{"Id":8}},{"Ok":{"Id":9}}]"#))).unwrap();
    let mut batch = Vec::new();
    let client_side = async {
        while batch.len() < 3 {
            timeout(AGES, client.receive(&mut batch)).await.unwrap().unwrap();
        }
    };
    let (requests, ()) = tokio::join!(texts(&mut *server, 2), client_side);
    assert_eq!(requests, [r#"[{"Ping":{"Id":1}}]"#, r#"[{"Ping":{"Id":2}}]"#]);
    assert_eq!(batch, [ok(7), ok(8), ok(9)]);
}

#[tokio::test]
async fn what_a_client_cannot_read_is_skipped() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let (mut client, mut server) = rig.pair().await;
    for text in
        ["", "garbage", "{}", r#"[{"FromTheFuture":{"Id":1}},{"Ok":{"Id":2}}]"#, r#"[{"Ok":{"Id":3}}]"#]
    {
        server.send(ServerFrame::Text(String::from(text))).unwrap();
    }
    let mut batch = Vec::new();
    let client_side = async {
        while batch.len() < 2 {
            timeout(AGES, client.receive(&mut batch)).await.unwrap().unwrap();
        }
    };
    tokio::select! {
        error = server_end(&mut *server) => panic!("{error}"),
        () = client_side => {}
    }
    assert_eq!(batch, [ok(2), ok(3)]);
}

#[tokio::test]
async fn binary_messages_of_a_client_are_ignored() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let (mut client, mut server) = rig.bare_pair().await;
    client.send_binary(vec![1, 2, 3].into()).unwrap();
    client.send_text(String::from("text")).unwrap();
    client.try_flush().unwrap();
    assert_eq!(texts(&mut *server, 1).await, ["text"]);
}

#[tokio::test]
async fn reasons_for_closing_have_their_codes() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    for (reason, code) in
        [(CloseReason::Done, 1000), (CloseReason::GoingAway, 1001), (CloseReason::Violation, 1008)]
    {
        let (mut client, mut server) = rig.bare_pair().await;
        server.send(ServerFrame::Text(String::from("last words"))).unwrap();
        let mut heard = Vec::new();
        let listens = async {
            loop {
                if let Err(error) =
                    timeout(AGES, client.receive(|message| heard.push(message))).await.unwrap()
                {
                    drop(client);
                    return error;
                }
            }
        };
        let (end, ()) = tokio::join!(listens, server.close(reason));
        assert!(matches!(end, SocketError::Closed { code: Some(found), .. } if found == code), "{end:?}");
        assert_eq!(heard, [Received::Text("last words".into())]);
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_a_violation_with_code_1009() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let limits = SocketLimits { max_queued: 2 * MAX_FRAME_BYTES, ..SocketLimits::default() };
    let mut client = dial(&rig.url(), limits).await.unwrap();
    client.send_text("x".repeat(MAX_FRAME_BYTES)).unwrap();
    let (mut server, ()) = tokio::join!(rig.accepted(), async {
        while !client.is_flushed() {
            client.try_flush().unwrap();
            tokio::task::yield_now().await;
        }
    });
    let frames = texts(&mut *server, 1).await;
    assert_eq!(frames[0].len(), MAX_FRAME_BYTES, "this much is allowed");
    client.send_text("x".repeat(MAX_FRAME_BYTES + 1)).unwrap();
    let server_side = async {
        let end = server_end(&mut *server).await;
        assert!(matches!(end, ConnectorError::Violation { .. }), "{end:?}");
        server.close(CloseReason::Violation).await;
    };
    let (end, ()) = tokio::join!(client_end(&mut client), server_side);
    assert!(matches!(end, SocketError::Closed { code: Some(1009), .. }), "{end:?}");
}

#[tokio::test]
async fn a_refused_client_is_told_why() {
    let rig = Rig::new(WebSocketLimits::default(), Some("another client is connected")).await;
    let mut client = rig.silent().await;
    says(&mut client, "hello");
    let reason = String::from("another client is connected");
    assert_eq!(
        client_end(&mut client).await,
        SocketError::Closed { code: Some(1013), reason: reason.clone() }
    );
    let mut client = WebSocketClientConnector::new(rig.url()).connect().await.unwrap();
    client.send(ping(1)).unwrap();
    let result = timeout(AGES, client.receive(&mut Vec::new())).await.unwrap();
    assert_eq!(result, Err(ConnectorError::Closed { reason }));
}

#[tokio::test]
async fn connections_are_limited_and_places_are_given_back() {
    let limits = WebSocketLimits { max_connections: 2, ..WebSocketLimits::default() };
    let mut rig = Rig::new(limits, None).await;
    let (_first, _first_server) = rig.bare_pair().await;
    let (_second, second_server) = rig.bare_pair().await;
    let mut third = rig.silent().await;
    let end = client_end(&mut third).await;
    assert!(
        matches!(&end, SocketError::Closed { code: Some(1013), reason } if reason.contains('2')),
        "{end:?}"
    );
    drop(second_server);
    let (_fourth, _fourth_server) = rig.bare_pair().await;
}

/// Limits of a port with two places for whoever has said something, and two for whoever has not.
fn two_places() -> WebSocketLimits {
    let listener = ListenerLimits {
        max_unfinished_per_source: 2,
        settling_time: Duration::ZERO,
        ..ListenerLimits::default()
    };
    WebSocketLimits { max_connections_per_address: 2, listener, ..WebSocketLimits::default() }
}

#[tokio::test]
async fn who_says_nothing_takes_no_clients_place_and_the_oldest_of_them_makes_room() {
    let mut rig = Rig::new(two_places(), None).await;
    let mut oldest = rig.silent().await;
    let mut silent = vec![rig.silent().await, rig.silent().await];
    let end = client_end(&mut oldest).await;
    assert!(matches!(end, SocketError::Lost { .. }), "{end:?}");
    for _ in 0..5 {
        silent.push(rig.silent().await);
    }
    let (_client, _server) = rig.bare_pair().await;
    let mut newest = silent.pop().unwrap();
    says(&mut newest, "at last");
    assert_eq!(texts(&mut *rig.accepted().await, 1).await, ["at last"]);
    assert!(rig.connections.is_empty(), "the server hears of nobody else");
}

#[tokio::test]
async fn places_that_are_gone_by_the_first_message_are_refused_then() {
    let mut rig = Rig::new(two_places(), None).await;
    let mut late = rig.silent().await;
    let _clients = [rig.bare_pair().await, rig.bare_pair().await];
    says(&mut late, "hello");
    let end = client_end(&mut late).await;
    assert!(matches!(end, SocketError::Closed { code: Some(1013), .. }), "{end:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go_in_time() {
    let first_message_time = Duration::from_millis(100);
    let mut rig = Rig::new(WebSocketLimits { first_message_time, ..WebSocketLimits::default() }, None).await;
    let (mut client, mut server) = rig.bare_pair().await;
    let mut silent = rig.silent().await;
    let end = client_end(&mut silent).await;
    assert_eq!(end, SocketError::Closed { code: Some(1000), reason: String::new() });
    says(&mut client, "again");
    assert_eq!(texts(&mut *server, 1).await, ["again"], "once is enough");
}

#[tokio::test]
async fn what_comes_together_with_the_first_message_is_handed_on_in_order() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let mut client = rig.silent().await;
    client.send_text("one".into()).unwrap();
    client.send_binary(vec![1, 2, 3].into()).unwrap();
    client.send_text("two".into()).unwrap();
    says(&mut client, "three");
    let mut server = rig.accepted().await;
    says(&mut client, "four");
    assert_eq!(texts(&mut *server, 4).await, ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn the_end_of_one_side_is_seen_by_the_other() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;

    let (client, mut server) = rig.pair().await;
    drop(client);
    assert!(matches!(server_end(&mut *server).await, ConnectorError::Lost { .. }));

    let (mut client, server) = rig.pair().await;
    drop(server);
    let end = timeout(AGES, client.receive(&mut Vec::new())).await.unwrap();
    assert!(matches!(end, Err(ConnectorError::Lost { .. })), "{end:?}");

    let (mut client, mut server) = rig.pair().await;
    client.send(ping(1)).unwrap();
    let server_side = async {
        assert_eq!(texts(&mut *server, 1).await.len(), 1, "what was queued is delivered");
        let end = server_end(&mut *server).await;
        drop(server);
        end
    };
    let (end, ()) = tokio::join!(server_side, client.close());
    assert_eq!(end, ConnectorError::Closed { reason: String::new() });
    assert!(client.send(ping(2)).is_err());
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let socket = SocketLimits {
        ping_after: Duration::from_millis(50),
        lost_after: Duration::from_millis(100),
        ..SocketLimits::default()
    };
    let limits = WebSocketLimits {
        listener: ListenerLimits { socket, ..ListenerLimits::default() },
        ..WebSocketLimits::default()
    };
    let mut rig = Rig::new(limits, None).await;
    // Nobody receives at the other end, so nobody answers pings.
    let (_client, mut server) = rig.bare_pair().await;
    assert!(matches!(server_end(&mut *server).await, ConnectorError::Unresponsive { .. }));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let (_client, mut server) = rig.bare_pair().await;
    let flood = async {
        loop {
            if let Err(error) = server.send(ServerFrame::Text("x".repeat(100_000))) {
                return error;
            }
            let mut batch = Vec::new();
            let _ = timeout(Duration::from_millis(1), server.receive(&mut batch)).await;
        }
    };
    let error = timeout(AGES, flood).await.expect("the queue has no end");
    assert!(matches!(error, ConnectorError::Unresponsive { .. }), "{error:?}");
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_errors() {
    let free = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let refused = WebSocketClientConnector::new(format!("ws://{free}")).connect().await.err().unwrap();
    assert!(
        matches!(&refused, ConnectorError::Refused { address, .. } if address.contains(&free.to_string()))
    );
    let without_tls = if cfg!(feature = "tls") { "" } else { "wss://127.0.0.1:1" };
    for url in ["", "nonsense", without_tls, "http://127.0.0.1:1", "ws://"] {
        let mut connector = WebSocketClientConnector::new(url);
        assert_eq!(connector.address(), url);
        let error = connector.connect().await.err().unwrap();
        assert!(matches!(&error, ConnectorError::BadAddress { address, .. } if address == url), "{error:?}");
    }
}

#[tokio::test]
async fn a_connector_connects_again() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let mut connector = WebSocketClientConnector::new(format!("ws://localhost:{}/", rig.address.port()));
    for _ in 0..2 {
        let mut client = connector.connect().await.unwrap();
        client.send(ping(1)).unwrap();
        let mut nothing = Vec::new();
        let mut server = tokio::select! {
            server = rig.accepted() => server,
            end = client.receive(&mut nothing) => panic!("{end:?}"),
        };
        drop(client);
        server_end(&mut *server).await;
    }
}

#[tokio::test]
async fn stopping_closes_the_port_and_leaves_the_sessions() {
    let mut rig = Rig::new(WebSocketLimits::default(), None).await;
    let (mut client, mut server) = rig.pair().await;
    rig.stop.take().unwrap().send(()).unwrap();
    timeout(AGES, &mut rig.running).await.unwrap().unwrap();
    assert!(WebSocketClientConnector::new(rig.url()).connect().await.is_err());
    client.send(ping(1)).unwrap();
    let sends = async {
        let mut batch = Vec::new();
        let _ = client.receive(&mut batch).await;
    };
    tokio::select! {
        texts = texts(&mut *server, 1) => assert_eq!(texts.len(), 1),
        () = sends => panic!("nothing was said"),
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let rig = Rig::new(WebSocketLimits::default(), None).await;
    let error =
        WebSocketListener::bind(&[rig.address], WebSocketLimits::default()).await.unwrap_err().to_string();
    assert!(
        error.contains(&rig.address.port().to_string()) && error.contains("choose another port"),
        "{error}"
    );
}

/// A connection that a server drops in `accept` without refusing it just ends.
#[tokio::test]
async fn a_connection_that_is_dropped_ends() {
    struct Careless;
    impl AcceptConnection for Careless {
        fn accept(&self, _connection: Box<dyn ServerConnection>) -> Result<(), String> {
            Ok(())
        }
    }
    let addresses = ["127.0.0.1:0".parse().unwrap()];
    let listener = WebSocketListener::bind(&addresses, WebSocketLimits::default()).await.unwrap();
    let url = format!("ws://{}", listener.local_addresses()[0]);
    let client = async {
        let mut client = dial(&url, SocketLimits::default()).await.unwrap();
        says(&mut client, "hello");
        assert!(matches!(client_end(&mut client).await, SocketError::Lost { .. }));
    };
    tokio::select! {
        () = listener.run(Arc::new(Careless), std::future::pending()) => {}
        () = client => {}
    }
}

/// A client that listens, and a dialler of it.
async fn listening_client() -> (mpsc::UnboundedReceiver<Socket>, WebSocketDialer, JoinHandle<()>) {
    let listener =
        Listener::bind(&["127.0.0.1:0".parse().unwrap()], ListenerLimits::default()).await.unwrap();
    let dialer = WebSocketDialer::new(format!("ws://{}", listener.local_addresses()[0])).unwrap();
    let (sockets, dialled) = mpsc::unbounded_channel();
    let take = move |socket, _| {
        let sent = sockets.send(socket);
        async move { drop(sent) }
    };
    (dialled, dialer, tokio::spawn(listener.run(std::future::pending(), take)))
}

#[tokio::test]
async fn a_client_that_listens_is_dialled_and_served_until_it_is_over() {
    let (mut dialled, dialer, listening) = listening_client().await;
    let (sender, mut connections) = mpsc::unbounded_channel();
    let door = Door { connections: sender, refusal: None };
    let serving = tokio::spawn(async move { dialer.serve_once(&door).await });
    let mut client = timeout(AGES, dialled.recv()).await.unwrap().unwrap();
    let mut server = timeout(AGES, connections.recv()).await.unwrap().unwrap();
    assert!(server.peer().starts_with("ws://"), "{}", server.peer());
    client.send_text("hello".into()).unwrap();
    assert!(client.try_flush().unwrap());
    assert_eq!(texts(&mut *server, 1).await, ["hello"]);
    drop(client);
    assert!(matches!(server_end(&mut *server).await, ConnectorError::Lost { .. }));
    assert!(!serving.is_finished(), "the session has not let go yet");
    drop(server);
    assert_eq!(timeout(AGES, serving).await.unwrap().unwrap(), Ok(()));
    listening.abort();
}

#[tokio::test]
async fn a_client_that_is_dialled_and_then_refused_learns_why() {
    let (mut dialled, dialer, listening) = listening_client().await;
    let (sender, _connections) = mpsc::unbounded_channel();
    let door = Door { connections: sender, refusal: Some("enough".into()) };
    let read = async {
        let mut client = dialled.recv().await.unwrap();
        client.receive(|_| ()).await.unwrap_err()
    };
    let (served, end) = timeout(AGES, async { tokio::join!(dialer.serve_once(&door), read) }).await.unwrap();
    assert_eq!(served, Ok(()));
    assert_eq!(end, SocketError::Closed { code: Some(CloseCode::Again.into()), reason: "enough".into() });
    listening.abort();
}

#[tokio::test]
async fn a_client_that_does_not_listen_is_named() {
    assert!(matches!(WebSocketDialer::new("127.0.0.1:1"), Err(ConnectorError::BadAddress { .. })));
    let (sender, _connections) = mpsc::unbounded_channel();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dialer = WebSocketDialer::new(format!("ws://{free}")).unwrap();
    let error = dialer.serve_once(&Door { connections: sender, refusal: None }).await.unwrap_err();
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}
