//! Keeping a client connected.

use crate::rig::{MIXER, Peer, Peers, STOP_ALL, TWIN, TestConnector, error, server_info, told};
use async_trait::async_trait;
use buttplug_client::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_client::{Client, Error, HandshakeFailure, Reconnect, ReconnectEnd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Fails so many times, then leads to peers. Remembers when it was asked.
struct Shaky {
    inner: TestConnector,
    failures: usize,
    error: ConnectorError,
    asked: Arc<Mutex<Vec<Instant>>>,
}

#[async_trait]
impl ClientConnector for Shaky {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        self.asked.lock().unwrap().push(Instant::now());
        if self.failures == 0 {
            return self.inner.connect().await;
        }
        self.failures -= 1;
        Err(self.error.clone())
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

fn refused() -> ConnectorError {
    ConnectorError::Refused { address: String::from("here"), reason: String::from("nothing listens there") }
}

/// A client that is kept connected, and its peers.
struct Rig {
    client: Client,
    peers: Peers,
    asked: Arc<Mutex<Vec<Instant>>>,
    keeping: JoinHandle<ReconnectEnd>,
}

impl Rig {
    fn new(failures: usize, error: ConnectorError) -> Self {
        Self::of(Client::new("Test"), failures, error)
    }

    fn of(client: Client, failures: usize, error: ConnectorError) -> Self {
        let (peers, asked) = (Peers::new(), Arc::default());
        let mut connector = Shaky { inner: peers.connector(), failures, error, asked: Arc::clone(&asked) };
        let reconnect = Reconnect::new(&client).first_pause(ms(100)).longest_pause(ms(1000));
        let keeping = tokio::spawn(async move { reconnect.run(&mut connector).await });
        Self { client, peers, asked, keeping }
    }

    async fn welcomes(&mut self, devices: &[&str]) -> Peer {
        let mut peer = self.peers.next().await;
        peer.welcomes(0, devices).await;
        // Until the client has taken notice.
        tokio::time::sleep(ms(1)).await;
        assert!(self.client.is_connected());
        peer
    }

    /// When it tried to connect, in milliseconds after `begun`.
    fn asked_after(&self, begun: Instant) -> Vec<u128> {
        self.asked.lock().unwrap().iter().map(|at| (*at - begun).as_millis()).collect()
    }

    async fn end(self) -> ReconnectEnd {
        tokio::time::timeout(Duration::from_secs(5), self.keeping).await.expect("an end").unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn r30_attempts_come_after_growing_pauses_until_somebody_answers() {
    let begun = Instant::now();
    let mut rig = Rig::new(6, refused());
    let _peer = rig.welcomes(&[TWIN]).await;
    assert_eq!(rig.asked_after(begun), [0, 100, 300, 700, 1500, 2500, 3500]);
    assert_eq!(rig.client.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r30_after_a_loss_devices_are_announced_anew_and_nothing_is_set_in_motion() {
    let mut rig = Rig::new(0, refused());
    let mut events = rig.client.events();
    let mut peer = rig.welcomes(&[TWIN]).await;
    let device = rig.client.devices().remove(0);
    let motor = device.features().remove(0);
    let (moved, ()) = tokio::join!(motor.vibrate(1.0), async {
        let (_, id) = peer.next().await.unwrap();
        peer.says(&crate::rig::ok(id));
    });
    assert_eq!(moved, Ok(()));
    drop(peer);
    let mut peer = rig.welcomes(&[TWIN]).await;
    assert_eq!(
        told(&mut events).await,
        [
            "connected to Rig",
            "added 0",
            "removed 0",
            "disconnected: the connection was lost: the peer was dropped",
            "connected to Rig",
            "added 0"
        ]
    );
    assert!(!device.is_present());
    tokio::time::sleep(Duration::from_secs(60)).await;
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn r30_a_requested_disconnect_ends_it_wherever_it_is() {
    // Connected.
    let mut rig = Rig::new(0, refused());
    let mut peer = rig.welcomes(&[]).await;
    let ((), ()) = tokio::join!(rig.client.disconnect(), async {
        peer.grants(STOP_ALL).await;
    });
    assert_eq!(rig.end().await, ReconnectEnd::Requested);
    // In a pause.
    let rig = Rig::new(usize::MAX, refused());
    tokio::time::sleep(ms(50)).await;
    rig.client.disconnect().await;
    assert_eq!(rig.asked.lock().unwrap().len(), 1);
    assert_eq!(rig.end().await, ReconnectEnd::Requested);
    // In the middle of a handshake.
    let mut rig = Rig::new(0, refused());
    let mut peer = rig.peers.next().await;
    peer.next().await.unwrap();
    rig.client.disconnect().await;
    peer.sees_the_end().await;
    assert_eq!(rig.end().await, ReconnectEnd::Requested);
    // Before it has begun to run.
    let rig = Rig::new(0, refused());
    rig.client.disconnect().await;
    let asked = Arc::clone(&rig.asked);
    assert_eq!(rig.end().await, ReconnectEnd::Requested);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn r30_handshake_errors_and_addresses_that_are_none_end_it() {
    for (reply, failure) in [
        (error(1, 1, "go away"), HandshakeFailure::Refused { message: String::from("go away") }),
        (server_info(1, 3, 0, 0), HandshakeFailure::Version { server: 3, client: 4 }),
    ] {
        let mut rig = Rig::new(0, refused());
        let mut peer = rig.peers.next().await;
        peer.next().await.unwrap();
        peer.says(&reply);
        assert_eq!(rig.end().await, ReconnectEnd::Failed(failure.into()));
        peer.sees_the_end().await;
    }
    let bad = ConnectorError::BadAddress { address: String::new(), reason: String::from("empty") };
    assert_eq!(Rig::new(1, bad.clone()).end().await, ReconnectEnd::Failed(bad.into()));
}

#[tokio::test(start_paused = true)]
async fn r30_a_server_that_has_no_place_now_is_asked_again() {
    let mut rig = Rig::new(0, refused());
    let mut peer = rig.peers.next().await;
    peer.next().await.unwrap();
    peer.says(&error(1, 0, "another client is connected"));
    peer.sees_the_end().await;
    rig.welcomes(&[]).await;
    rig.client.disconnect().await;
    assert_eq!(rig.end().await, ReconnectEnd::Requested);
}

#[tokio::test(start_paused = true)]
async fn r30_a_server_that_is_busy_or_lets_nobody_stay_is_left_in_peace_for_longer_and_longer() {
    let begun = Instant::now();
    let busy = ConnectorError::Declined { address: String::from("here"), reason: String::from("busy") };
    let mut rig = Rig::new(1, busy);
    for _ in 0..3 {
        drop(rig.welcomes(&[]).await);
    }
    let mut peer = rig.welcomes(&[]).await;
    assert_eq!(rig.asked_after(begun), [0, 100, 301, 702, 1503]);
    // After a ping timeout, too; but this connection has lasted.
    tokio::time::sleep(ms(1000)).await;
    let lost = Instant::now();
    peer.says(&error(0, 2, "no ping"));
    while peer.next().await.is_some() {}
    rig.welcomes(&[]).await;
    let again = rig.asked_after(begun).last().copied().unwrap();
    assert_eq!(again - (lost - begun).as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn r30_a_client_that_is_connected_already_stays_so_and_is_connected_again_after_a_loss() {
    let client = Client::new("Test");
    let mut events = client.events();
    let first = Peers::new().welcome(&client, 0, &[MIXER]).await;
    let mut rig = Rig::of(client, 0, refused());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.asked.lock().unwrap().is_empty());
    drop(first);
    let _second = rig.welcomes(&[TWIN]).await;
    let told = told(&mut events).await;
    assert_eq!((told[1].as_str(), told.last().unwrap().as_str()), ("added 5", "added 0"));
}

#[tokio::test(start_paused = true)]
async fn r30_dropping_the_client_closes_the_connection_and_ends_it() {
    let mut rig = Rig::new(0, refused());
    let mut peer = rig.welcomes(&[TWIN]).await;
    let Rig { client, keeping, .. } = rig;
    drop(client);
    peer.sees_the_end().await;
    assert_eq!(keeping.await.unwrap(), ReconnectEnd::ClientDropped);

    let Rig { client, keeping, .. } = Rig::new(usize::MAX, refused());
    tokio::time::sleep(ms(50)).await;
    drop(client);
    assert_eq!(keeping.await.unwrap(), ReconnectEnd::ClientDropped);
}

#[tokio::test(start_paused = true)]
async fn r30_giving_it_up_leaves_the_connection_as_it_is() {
    let mut rig = Rig::new(0, refused());
    let peer = rig.welcomes(&[TWIN]).await;
    rig.keeping.abort();
    let _ = rig.keeping.await;
    assert!(rig.client.is_connected());
    drop(peer);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.asked.lock().unwrap().len(), 1);
    let lost = rig.client.start_scanning().await;
    assert!(matches!(lost, Err(Error::Connector(ConnectorError::Lost { .. }))), "{lost:?}");
}
