//! Every end of a connection leaves the devices at rest and tells why.

use crate::world::{World, come_to_rest, next};
use async_trait::async_trait;
use buttplug::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug::core::message::{ClientMessage, ClientRequest, ServerMessage};
use buttplug::core::{ErrorClass, OutputKind};
use buttplug::embedded::{self, InProcessConnector, Server};
use buttplug::{Client, Device, Error, Event, Reconnect, ReconnectEnd};
use buttplug_hardware_simulated::Archetype;
use std::time::Duration;

const BOTH: [Archetype; 2] = [Archetype::TwoMotorVibrator, Archetype::Rotator];

async fn set_in_motion(world: &World) {
    world.devices[0].vibrate(1.0).await.unwrap();
    world.devices[1].rotate(1.0).await.unwrap();
    world.is_told(0, 1, OutputKind::Vibrate, 100).await;
    world.is_told(1, 0, OutputKind::Rotate, 100).await;
}

fn pinged() -> embedded::ServerBuilder {
    Server::builder().max_ping_time(Duration::from_secs(1))
}

#[tokio::test(start_paused = true)]
async fn k37_r24_c105_a_client_that_does_nothing_keeps_a_session_with_pings() {
    let world = World::of(&BOTH, pinged(), embedded::connector).await;
    set_in_motion(&world).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.client.is_connected() && !world.toys[0].is_at_rest());
    assert_eq!(world.client.ping().await, Ok(()));
}

/// A way on which pings get lost.
struct WithoutPings(InProcessConnector);

struct ConnectionWithoutPings(Box<dyn ClientConnection>);

#[async_trait]
impl ClientConnector for WithoutPings {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        Ok(Box::new(ConnectionWithoutPings(self.0.connect().await?)))
    }

    fn address(&self) -> String {
        self.0.address()
    }
}

#[async_trait]
impl ClientConnection for ConnectionWithoutPings {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        if message.request == ClientRequest::Ping { Ok(()) } else { self.0.send(message) }
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.0.receive(batch).await
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn k39_r25_c106_a_ping_timeout_stops_the_devices_and_fails_every_later_command_with_its_class() {
    let connector = |server: &Server| WithoutPings(embedded::connector(server));
    let mut world = World::of(&BOTH, pinged(), connector).await;
    set_in_motion(&world).await;
    let told = world.end().await;
    assert!(told[0].starts_with("error: the server ended the session for want of pings"), "{told:?}");
    assert!(told[3].starts_with("disconnected: the server saw no pings in time"), "{told:?}");
    assert_eq!(&told[1..3], ["removed 0", "removed 1"]);
    world.come_to_rest().await;
    let device: &Device = &world.devices[0];
    for failed in [device.vibrate(0.5).await, device.stop().await, world.client.start_scanning().await] {
        assert_eq!(failed.unwrap_err().class(), Some(ErrorClass::Ping));
    }
    // Until it connects again.
    let fresh = world.client.connect(embedded::connector(&world.server)).await;
    assert!(fresh.is_ok(), "{fresh:?}");
    assert_eq!(world.client.stop_all().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k40_r23_c107_the_end_of_the_server_stops_the_devices_and_is_told_once() {
    let mut world = World::new(&BOTH).await;
    set_in_motion(&world).await;
    world.server.shut_down().await;
    assert!(world.is_at_rest());
    let told = world.end().await;
    assert_eq!(
        told,
        ["removed 0", "removed 1", "disconnected: the server closed the connection: the server is ending"]
    );
    assert!(world.devices.iter().all(|device| !device.is_present()));
    let refused = world.client.connect(embedded::connector(&world.server)).await;
    assert!(matches!(refused, Err(Error::Connector(ConnectorError::Refused { .. }))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_last_handle_is_dropped_ends_in_the_background_and_stops_its_devices() {
    let world = World::new(&BOTH).await;
    set_in_motion(&world).await;
    let World { server, toys, mut events, .. } = world;
    drop(server);
    come_to_rest(&toys).await;
    while !matches!(next(&mut events).await, Event::Disconnected(_)) {}
}

#[tokio::test(start_paused = true)]
async fn k41_r26_when_a_disconnect_returns_the_devices_are_at_rest() {
    let mut world = World::new(&BOTH).await;
    set_in_motion(&world).await;
    world.client.disconnect().await;
    assert!(world.is_at_rest());
    assert_eq!(world.end().await, ["removed 0", "removed 1", "disconnected: the client disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn k54_r26_a_client_that_is_dropped_leaves_no_device_running() {
    let World { client, toys, devices, .. } = {
        let world = World::new(&BOTH).await;
        set_in_motion(&world).await;
        world
    };
    drop(client);
    come_to_rest(&toys).await;
    assert_eq!(devices[0].vibrate(1.0).await, Err(Error::NotConnected));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_of_a_server_takes_the_motion_with_it() {
    let mut world = World::new(&BOTH).await;
    set_in_motion(&world).await;
    let toys = world.toys.clone();
    world.server = Server::builder().start();
    come_to_rest(&toys).await;
}

#[tokio::test(start_paused = true)]
async fn k44_r1_r30_a_client_that_is_kept_connected_finds_the_devices_anew_and_at_rest() {
    // Loses its pings, so every session ends after a second.
    let connector = |server: &Server| WithoutPings(embedded::connector(server));
    let mut world = World::of(&BOTH, pinged(), connector).await;
    let old = world.devices.clone();
    set_in_motion(&world).await;
    let keeping = Reconnect::new(&world.client).first_pause(Duration::from_millis(100));
    let mut good = embedded::connector(&world.server);
    let keeping = tokio::spawn(async move { keeping.run(&mut good).await });
    world.end().await;
    world.come_to_rest().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let new = world.client.devices();
    assert_eq!(new.len(), old.len());
    assert!(new.iter().all(|device| device.is_present() && !old.contains(device)));
    assert!(world.is_at_rest(), "nothing moves by itself");
    world.client.disconnect().await;
    assert_eq!(keeping.await.unwrap(), ReconnectEnd::Requested);
}

#[tokio::test(start_paused = true)]
async fn c99_calls_that_are_dropped_half_way_disturb_nothing() {
    let world = World::new(&BOTH).await;
    let client: &Client = &world.client;
    for _ in 0..50 {
        assert!(tokio::time::timeout(Duration::ZERO, world.devices[0].battery()).await.is_err());
        assert!(tokio::time::timeout(Duration::ZERO, client.stop_scanning()).await.is_err());
    }
    set_in_motion(&world).await;
    assert_eq!(world.devices[0].battery_percent().await, Ok(80));
    client.disconnect().await;
    assert!(world.is_at_rest());
}
