//! Which server a program uses, and what is left of it afterwards.

use crate::rig::{AGES, Peer, STOP_ALL, Server, TWIN, error, server_info};
use buttplug::choice::ServerChoice;
use buttplug::core::connector::ConnectorError;
use buttplug::embedded::{self, ServerBuilder};
use buttplug::{Client, Error, Event, HandshakeFailure};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// What an embedded server would be made of.
struct Own {
    toy: SimulatedDevice,
    bus: Arc<SimulatedBus>,
}

impl Own {
    fn new() -> Self {
        let toy = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:desk");
        Self { bus: Arc::new(SimulatedBus::new([toy.clone()])), toy }
    }

    fn builder(&self) -> ServerBuilder {
        embedded::Server::builder().name("Own").bus(Arc::clone(&self.bus) as _)
    }

    /// Whether no server uses the bus. There may still be a choice that would.
    fn is_idle(&self, choices: usize) -> bool {
        Arc::strong_count(&self.bus) == 1 + choices
    }

    /// Waits until no server and no choice has the bus.
    async fn becomes_idle(&self) {
        within_ages(async {
            while !self.is_idle(0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn comes_to_rest(&self) {
        within_ages(self.toy.wait_for(SimulatedDevice::is_at_rest)).await;
    }
}

/// Finds the device of an embedded server and sets it in motion.
async fn set_in_motion(client: &Client, own: &Own) {
    let mut events = client.events();
    client.start_scanning().await.unwrap();
    loop {
        if let Some(Event::DeviceAdded(device)) = events.next().await {
            device.vibrate(1.0).await.unwrap();
            break;
        }
    }
    own.toy.wait_for(|toy| !toy.is_at_rest()).await;
}

/// Fails instead of hanging.
async fn within_ages<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(AGES, work).await.expect("in time")
}

#[tokio::test]
async fn r1_an_external_server_is_reached_by_its_url_and_ended_in_order() {
    let server = Server::new().await;
    let client = Client::new("Test");
    let choice = ServerChoice::external(server.url());
    let (connected, mut peer) = tokio::join!(choice.connect(&client), async {
        let mut peer = server.accepts().await;
        peer.welcomes(0, &[TWIN]).await;
        peer
    });
    let connected = connected.unwrap();
    assert!(connected.embedded().is_none());
    assert_eq!((connected.server().name.as_str(), connected.client().devices().len()), ("Rig", 1));
    tokio::join!(connected.end(), peer.is_left());
    assert!(!client.is_connected());
}

#[tokio::test]
async fn an_embedded_server_is_started_and_ends_with_its_devices_at_rest() {
    let own = Own::new();
    let choice = ServerChoice::embedded(own.builder());
    // As often as one likes.
    for _ in 0..2 {
        let client = Client::new("Test");
        assert!(own.is_idle(1));
        let connected = choice.connect(&client).await.unwrap();
        assert_eq!(connected.server().name, "Own");
        set_in_motion(&client, &own).await;
        assert_eq!(connected.embedded().unwrap().devices().len(), 1);
        connected.end().await;
        assert!(own.toy.is_at_rest() && !client.is_connected());
    }
}

#[tokio::test]
async fn a_running_server_is_preferred_to_the_own_one() {
    let (server, own) = (Server::new().await, Own::new());
    let client = Client::new("Test");
    let choice = ServerChoice::external_or_embedded(server.url(), own.builder());
    let (connected, _peer) = tokio::join!(choice.connect(&client), async {
        let mut peer = server.accepts().await;
        peer.welcomes(0, &[]).await;
        peer
    });
    assert!(connected.unwrap().embedded().is_none());
    assert!(own.is_idle(1));
}

#[tokio::test]
async fn where_nobody_answers_the_own_server_is_started() {
    let closed = Server::new().await.url();
    // Takes connections, but nobody upgrades them.
    let silent = Server::new().await;
    for url in [closed, silent.url(), String::from("ws://no-such-host.invalid:12345")] {
        let own = Own::new();
        let client = Client::builder("Test").connect_timeout(Some(Duration::from_millis(500))).build();
        let connected =
            ServerChoice::external_or_embedded(url.as_str(), own.builder()).connect(&client).await;
        let connected = connected.expect(&url);
        assert!(connected.embedded().is_some(), "{url}");
        connected.end().await;
    }
}

#[tokio::test]
async fn whoever_answers_but_refuses_is_an_error_and_nothing_is_started() {
    let server = Server::new().await;
    let own = Own::new();
    let choice = ServerChoice::external_or_embedded(server.url(), own.builder());
    type Script = fn(u32) -> String;
    let refuses: [(Script, HandshakeFailure); 2] = [
        (|id| error(id, 1, "busy"), HandshakeFailure::Refused { message: String::from("busy") }),
        (|id| server_info(id, 3, 0, 0), HandshakeFailure::Version { server: 3, client: 4 }),
    ];
    for (reply, failure) in refuses {
        let client = Client::new("Test");
        let (refused, ()) = tokio::join!(choice.connect(&client), async {
            let mut peer = server.accepts().await;
            let (_, id) = peer.next().await.unwrap();
            peer.says(&reply(id)).await;
            peer.sees_the_end().await;
        });
        assert_eq!(refused.map(|_| ()), Err(Error::Handshake(failure)));
    }
    let client = Client::new("Test");
    let (declined, ()) = tokio::join!(choice.connect(&client), async {
        let page = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        server.answers().await.write_all(page).await.unwrap();
    });
    assert!(matches!(declined, Err(Error::Connector(ConnectorError::Declined { .. }))), "{declined:?}");

    let client = Client::builder("Test").connect_timeout(Some(Duration::from_millis(200))).build();
    let (silent, _peer) = tokio::join!(choice.connect(&client), server.accepts());
    assert!(matches!(silent, Err(Error::Handshake(HandshakeFailure::NoAnswer { .. }))), "{silent:?}");
    assert!(own.is_idle(1));
}

#[tokio::test]
async fn a_connected_client_keeps_its_session_and_no_second_server_stays() {
    let server = Server::new().await;
    let client = Client::new("Test");
    let mut peer: Peer = server.welcome(&client, 0, &[TWIN]).await;
    let own = Own::new();
    for choice in [
        ServerChoice::external(server.url()),
        ServerChoice::embedded(own.builder()),
        ServerChoice::external_or_embedded(server.url(), own.builder()),
    ] {
        let refused = choice.connect(&client).await;
        assert_eq!(refused.map(|_| ()), Err(Error::AlreadyConnected));
    }
    let (stopped, ()) = tokio::join!(client.stop_all(), peer.grants(STOP_ALL));
    assert_eq!(stopped, Ok(()));
    // The attempt that was started has ended, too.
    own.becomes_idle().await;
}

#[tokio::test(start_paused = true)]
async fn choosing_again_while_connected_takes_no_bus_away_from_the_running_server() {
    let own = Own::new();
    let client = Client::new("Test");
    let choice = ServerChoice::embedded(own.builder());
    let connected = choice.connect(&client).await.unwrap();
    let again = choice.connect(&client).await;
    assert_eq!(again.map(|_| ()), Err(Error::AlreadyConnected));
    within_ages(set_in_motion(&client, &own)).await;
    connected.end().await;
    assert!(own.toy.is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn dropping_what_is_connected_ends_the_own_server_and_leaves_no_device_running() {
    let own = Own::new();
    let client = Client::new("Test");
    let mut events = client.events();
    let connected = ServerChoice::embedded(own.builder()).connect(&client).await.unwrap();
    set_in_motion(&client, &own).await;
    drop(connected);
    own.comes_to_rest().await;
    within_ages(async { while !matches!(events.next().await, Some(Event::Disconnected(_))) {} }).await;
    own.becomes_idle().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_given_up_still_comes() {
    let own = Own::new();
    let client = Client::new("Test");
    let connected = ServerChoice::embedded(own.builder()).connect(&client).await.unwrap();
    set_in_motion(&client, &own).await;
    assert!(tokio::time::timeout(Duration::ZERO, connected.end()).await.is_err());
    own.comes_to_rest().await;
    own.becomes_idle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_leaves_no_server() {
    let own = Own::new();
    let client = Client::new("Test");
    let choice = ServerChoice::embedded(own.builder());
    assert!(tokio::time::timeout(Duration::ZERO, choice.connect(&client)).await.is_err());
    drop(choice);
    own.becomes_idle().await;
    assert!(!client.is_connected());
}
