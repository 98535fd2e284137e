//! Connect, handshake, first list, connect again.

use crate::rig::{
    MIXER, Peer, Peers, REQUEST_LIST, STOP_ALL, TWIN, error, list, one_frame, server_info, session, told,
};
use async_trait::async_trait;
use buttplug_client::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_client::core::{DeviceIndex, ErrorClass, MessageId};
use buttplug_client::{
    CLOSE_WAIT, Client, DEFAULT_CONNECT_TIMEOUT, Error, Event, HandshakeFailure, STOP_WAIT, ServerReport,
};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

struct Deaf;

#[async_trait]
impl ClientConnector for Deaf {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        std::future::pending().await
    }

    fn address(&self) -> String {
        String::from("nowhere")
    }
}

struct Refusing;

#[async_trait]
impl ClientConnector for Refusing {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        Err(ConnectorError::Refused { address: self.address(), reason: String::from("connection refused") })
    }

    fn address(&self) -> String {
        String::from("ws://127.0.0.1:1")
    }
}

#[tokio::test(start_paused = true)]
async fn k1_r2_a_refused_connection_is_a_connector_error_and_the_client_can_try_again() {
    let client = Client::new("Test");
    let error = client.connect(Refusing).await.unwrap_err();
    assert!(matches!(error, Error::Connector(ConnectorError::Refused { .. })), "{error}");
    assert_eq!(error.class(), None);
    Peers::new().welcome(&client, 0, &[]).await;
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_opens_ends_at_the_deadline() {
    let begun = Instant::now();
    let error = Client::new("Test").connect(Deaf).await.unwrap_err();
    assert!(matches!(error, Error::Connector(ConnectorError::Refused { .. })), "{error}");
    assert_eq!(begun.elapsed().as_secs(), DEFAULT_CONNECT_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn k3_r3_a_silent_server_is_a_handshake_error_after_the_deadline_and_the_connection_closes() {
    let client = Client::builder("Test").connect_timeout(Some(Duration::from_secs(3))).build();
    let begun = Instant::now();
    let (result, mut peer) = Peers::new().connect(&client, async |_: &mut Peer| ()).await;
    let error = result.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert!(matches!(error, Error::Handshake(HandshakeFailure::NoAnswer { .. })), "{error}");
    assert!(error.to_string().contains("version"), "{error}");
    peer.next().await.expect("the handshake");
    peer.sees_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn r3_a_server_without_device_list_is_a_handshake_error_and_nothing_is_announced() {
    let client = Client::new("Test");
    let (result, mut peer) = Peers::new()
        .connect(&client, async |peer: &mut Peer| {
            let (_, id) = peer.next().await.unwrap();
            peer.says(&server_info(id, 4, 0, 0));
        })
        .await;
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::Handshake(HandshakeFailure::NoAnswer { request: "RequestDeviceList", .. })),
        "{error}"
    );
    peer.hears(REQUEST_LIST).await;
    peer.sees_the_end().await;
    assert_eq!(told(&mut client.events()).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn k4_to_k6_r4_c108_the_reply_to_the_handshake_decides() {
    let refused = |text: &str| Some(HandshakeFailure::Refused { message: text.to_owned() }.into());
    let version = |server| Some(HandshakeFailure::Version { server, client: 4 }.into());
    let full = ServerReport { id: MessageId(1), message: String::from("full") };
    let cases = [
        (error(1, 1, "go away"), refused("go away")),
        (error(1, 3, "what?"), refused("what?")),
        (error(1, 0, "full"), Some(Error::Unknown(full))),
        (server_info(1, 3, 0, 0), version(3)),
        (server_info(1, 5, 0, 0), version(5)),
        (r#"[{"Ok":{"Id":1}}]"#.to_owned(), Some(HandshakeFailure::UnexpectedReply.into())),
        (server_info(1, 4, 7, 0), None),
    ];
    for (reply, failure) in cases {
        let client = Client::new("Test");
        let script = async |peer: &mut Peer| {
            peer.next().await.unwrap();
            peer.says(&reply);
            if let Some((_, id)) = peer.next().await {
                peer.says(&list(id, &[]));
            }
        };
        let (result, mut peer) = Peers::new().connect(&client, script).await;
        assert_eq!(client.is_connected(), failure.is_none(), "{reply}");
        if failure.is_some() {
            peer.sees_the_end().await;
        }
        assert_eq!(result.err(), failure, "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn k5_r4_a_version_that_is_not_spoken_is_named_beside_ours() {
    let failure = Error::from(HandshakeFailure::Version { server: 3, client: 4 });
    assert!(failure.to_string().contains('3') && failure.to_string().contains('4'));
    assert_eq!(failure.class(), Some(ErrorClass::Handshake));
}

#[tokio::test(start_paused = true)]
async fn k7_r27_c100_what_comes_before_the_handshakes_reply_is_ignored() {
    let client = Client::new("Test");
    let mut events = client.events();
    let script = async |peer: &mut Peer| {
        peer.says(&error(0, 1, "a device came too early"));
        peer.says(&list(0, &[MIXER]));
        peer.welcomes(0, &[TWIN]).await;
    };
    let (result, _peer) = Peers::new().connect(&client, script).await;
    assert!(result.is_ok());
    assert_eq!(told(&mut events).await, ["connected to Rig", "added 0"]);
}

#[tokio::test(start_paused = true)]
async fn k8_r5_after_connecting_the_table_is_full_and_the_events_are_queued() {
    let client = Client::new("Test");
    let _peer = Peers::new().welcome(&client, 0, &[TWIN, MIXER]).await;
    let indexes: Vec<_> = client.devices().iter().map(|device| device.index().0).collect();
    assert_eq!(indexes, [0, 5]);
    assert_eq!(client.device(DeviceIndex(5)).unwrap().name(), "Mixer");
    assert!(client.device(DeviceIndex(1)).is_none());
    // The stream is opened only now and misses nothing; a second one begins now.
    assert_eq!(told(&mut client.events()).await, ["connected to Rig", "added 0", "added 5"]);
    assert_eq!(told(&mut client.events()).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn k13_what_comes_in_one_frame_with_the_handshakes_reply_is_handled() {
    let client = Client::new("Test");
    let mut events = client.events();
    let script = async |peer: &mut Peer| {
        peer.next().await.unwrap();
        let info = server_info(1, 4, 0, 0);
        let pushed = list(0, &[TWIN]);
        // The reply to a request that is still on its way: ids count on from the handshake.
        let reply = list(2, &[MIXER]);
        peer.says(&one_frame(&[info, pushed]));
        peer.hears(REQUEST_LIST).await;
        peer.says(&reply);
    };
    let (result, _peer) = Peers::new().connect(&client, script).await;
    assert!(result.is_ok());
    assert_eq!(told(&mut events).await, ["connected to Rig", "added 0", "removed 0", "added 5"]);
}

#[tokio::test(start_paused = true)]
async fn r6_server_info_is_readable_while_connected() {
    let client = Client::new("Test");
    assert_eq!((client.name(), client.server()), ("Test", None));
    let _peer = Peers::new().welcome(&client, 1500, &[]).await;
    let server = client.server().unwrap();
    assert_eq!((server.name.as_str(), server.max_ping_ms, server.major), ("Rig", 1500, 4));
    client.disconnect().await;
    assert_eq!(client.server(), None);
}

#[tokio::test(start_paused = true)]
async fn k44_r1_the_same_client_connects_again_and_devices_are_announced_anew() {
    let client = Client::new("Test");
    let mut events = client.events();
    let mut peers = Peers::new();
    let first = peers.welcome(&client, 1000, &[TWIN]).await;
    let old = client.devices().remove(0);
    drop(first);
    assert_eq!(
        told(&mut events).await,
        [
            "connected to Rig",
            "added 0",
            "removed 0",
            "disconnected: the connection was lost: the peer was dropped"
        ]
    );
    let mut second = peers.welcome(&client, 0, &[TWIN]).await;
    assert_eq!(told(&mut events).await, ["connected to Rig", "added 0"]);
    assert!(!old.is_present());
    assert_ne!(client.devices()[0], old);
    tokio::time::sleep(Duration::from_secs(5)).await;
    second.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn k45_r1_connecting_while_connected_is_an_error_and_harms_nothing() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    assert_eq!(client.connect(Refusing).await, Err(Error::AlreadyConnected));
    let (scan, ()) = tokio::join!(client.start_scanning(), peer.grants(r#"{"StartScanning":{}}"#));
    assert_eq!(scan, Ok(()));
    assert_eq!(told(&mut events).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn r1_connecting_twice_at_the_same_time_is_an_error_for_the_second() {
    let client = Client::new("Test");
    let other = client.clone();
    let first = tokio::spawn(async move { other.connect(Deaf).await });
    tokio::task::yield_now().await;
    assert_eq!(client.connect(Refusing).await, Err(Error::AlreadyConnected));
    first.abort();
    let _ = first.await;
    // Given up, so the place is free again.
    assert!(matches!(client.connect(Refusing).await, Err(Error::Connector(_))));
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_given_up_closes_what_it_opened() {
    let client = Client::new("Test");
    let mut peers = Peers::new();
    let connector = peers.connector();
    let connecting = tokio::time::timeout(Duration::from_secs(1), client.connect(connector));
    let (given_up, mut peer) = tokio::join!(connecting, async {
        let mut peer = peers.next().await;
        let (_, id) = peer.next().await.unwrap();
        peer.says(&server_info(id, 4, 0, 0));
        peer
    });
    assert!(given_up.is_err());
    peer.hears(REQUEST_LIST).await;
    peer.sees_the_end().await;
    assert!(!client.is_connected());
    peers.welcome(&client, 0, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn r5_t15_whoever_hears_of_the_connection_before_connect_returns_can_call_anything() {
    let (client, mut peers) = (Client::new("Test"), Peers::new());
    let mut events = client.events();
    let mut connecting = pin!(client.connect(peers.connector()));
    let mut peer = tokio::select! {
        _ = &mut connecting => panic!("connected before the list was sent"),
        peer = async {
            let mut peer = peers.next().await;
            peer.welcomes(0, &[TWIN]).await;
            peer
        } => peer,
    };
    // From here on nobody polls `connecting`, as if the handler were quicker.
    let Some(Event::Connected(server)) = events.next().await else {
        panic!("a device before the connection")
    };
    assert_eq!(client.server(), Some(server));
    assert_eq!(client.devices().len(), 1);
    assert!(client.is_connected());
    let (stopped, ()) = tokio::join!(client.stop_all(), peer.grants(STOP_ALL));
    assert_eq!(stopped, Ok(()));
    assert!(connecting.await.is_ok());
}

/// How far an attempt to connect has come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    Opened,
    Introduced,
    Listed,
}

/// Plays a server that goes so far and no further.
async fn goes(peer: &mut Peer, progress: Progress) {
    let (_, handshake) = peer.next().await.unwrap();
    if let Progress::Opened = progress {
        return;
    }
    peer.says(&server_info(handshake, 4, 0, 0));
    let (_, request) = peer.next().await.unwrap();
    if let Progress::Listed = progress {
        peer.says(&list(request, &[TWIN]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_gives_up_an_attempt_that_is_not_even_open() {
    let client = Client::new("Test");
    let begun = Instant::now();
    let (connected, ()) = tokio::join!(client.connect(Deaf), client.disconnect());
    assert_eq!(connected.err(), Some(Error::NotConnected));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    Peers::new().welcome(&client, 0, &[]).await;
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_gives_up_connecting_wherever_it_is_and_the_connection_closes() {
    let whole = ["connected to Rig", "added 0", "removed 0", "disconnected: the client disconnected"];
    for (progress, expected) in
        [(Progress::Opened, &whole[..0]), (Progress::Introduced, &[]), (Progress::Listed, &whole)]
    {
        let (client, mut peers) = (Client::new("Test"), Peers::new());
        let script = async |peer: &mut Peer| {
            goes(peer, progress).await;
            client.disconnect().await;
        };
        let begun = Instant::now();
        let (connected, mut peer) = peers.connect(&client, script).await;
        assert_eq!(connected.err(), Some(Error::NotConnected), "{progress:?}");
        assert!(begun.elapsed() <= STOP_WAIT + CLOSE_WAIT, "{progress:?}");
        assert!(!client.is_connected(), "{progress:?}");
        while peer.next().await.is_some() {}
        assert_eq!(told(&mut client.events()).await, expected, "{progress:?}");
        peers.welcome(&client, 0, &[]).await;
        assert!(client.is_connected(), "{progress:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r23_a_connection_that_breaks_before_its_first_list_is_an_error_and_neither_begins_nor_ends() {
    let (client, mut peers) = (Client::new("Test"), Peers::new());
    let connector = peers.connector();
    let (connected, ()) = tokio::join!(client.connect(connector), async {
        goes(&mut peers.next().await, Progress::Introduced).await;
    });
    assert!(matches!(connected, Err(Error::Connector(ConnectorError::Lost { .. }))), "{connected:?}");
    assert_eq!(told(&mut client.events()).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_given_up_leaves_the_next_one_alone() {
    let (client, mut peers) = (Client::new("Test"), Peers::new());
    let mut given_up = Box::pin(client.connect(peers.connector()));
    tokio::select! {
        _ = &mut given_up => panic!("connected without a server"),
        _ = peers.next() => {}
    }
    // Returns although nobody polls the attempt.
    client.disconnect().await;
    let _peer = peers.welcome(&client, 0, &[TWIN]).await;
    assert_eq!(given_up.await.err(), Some(Error::NotConnected));
    assert_eq!(client.devices().len(), 1);
    let dropped = Box::pin(client.connect(Deaf));
    drop(dropped);
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_made_in_vain_leaves_the_reason_of_the_last_one() {
    let (client, mut events, peer) = session(&[]).await;
    drop(peer);
    told(&mut events).await;
    let before = client.stop_all().await;
    assert!(matches!(before, Err(Error::Connector(ConnectorError::Lost { .. }))), "{before:?}");
    assert!(client.connect(Refusing).await.is_err());
    assert_eq!(client.stop_all().await, before);
}
