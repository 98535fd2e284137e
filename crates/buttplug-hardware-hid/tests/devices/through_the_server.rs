//! Protocols of the catalogue, driven by a client through a whole server: their reports arrive at the device.

use crate::played::{Played, PlayedDevice, entry};
use buttplug_client::core::{FeatureIndex, OutputKind};
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_hardware_hid::HidBus;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

async fn connect(system: Played) -> (Server, Client) {
    let catalogue = Catalogue::builtin();
    let bus = HidBus::on(system, catalogue.hid_ids());
    let server = Server::builder().catalogue(catalogue).bus(Arc::new(bus)).start();
    let client = Client::new("test");
    client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
    (server, client)
}

async fn found(client: &Client) -> Device {
    let mut events = client.events();
    client.start_scanning().await.unwrap();
    let added = async {
        loop {
            if let Some(Event::DeviceAdded(device)) = events.next().await {
                return device;
            }
        }
    };
    timeout(SOON, added).await.unwrap()
}

async fn next(device: &mut PlayedDevice, expected: &[u8]) {
    assert_eq!(device.report().await, expected);
}

/// The connect steps of a RealTouch, up to where it takes commands.
async fn introduced(belts: &mut PlayedDevice) {
    next(belts, &[0, 1, 0x60]).await;
    belts.say(&[1]);
    next(belts, b"").await;
    belts.say(&[0, 2, 1]);
    next(belts, &[0, 0x0a]).await;
    belts.say(&[6]);
}

#[tokio::test]
async fn the_belts_of_a_realtouch_halt_at_a_stop_and_at_the_end() {
    let system = Played::default();
    let mut belts = system.device(entry((0x1f54, 1), None, "RealTouch", "/dev/hidraw0"));
    belts.plug();
    let (server, client) = connect(system).await;
    let (device, ()) = tokio::join!(found(&client), introduced(&mut belts));
    let go = |value| {
        let output = Output::timed_position(Value::Steps(value), Duration::from_millis(60_000));
        device.run_output(output)
    };
    go(99).await.unwrap();
    assert_eq!(belts.report().await[..3], [0, 2, 0x20]);
    client.stop_all().await.unwrap();
    next(&mut belts, &[0, 1, 0x60]).await;
    go(50).await.unwrap();
    assert_eq!(belts.report().await[..2], [0, 2]);
    server.shut_down().await;
    next(&mut belts, &[0, 1, 0x60]).await;
    assert!(!belts.is_open());
}

#[tokio::test]
async fn a_stop_that_the_device_refuses_is_written_again_also_at_the_end() {
    let system = Played::default();
    let mut belts = system.device(entry((0x1f54, 1), None, "RealTouch", "/dev/hidraw0"));
    belts.plug();
    let (server, client) = connect(system).await;
    let (device, ()) = tokio::join!(found(&client), introduced(&mut belts));
    let go = |value| device.run_output(Output::timed_position(Value::Steps(value), Duration::from_secs(60)));
    go(99).await.unwrap();
    assert_eq!(belts.report().await[..2], [0, 2]);
    belts.refuse_next(2);
    client.stop_all().await.unwrap();
    next(&mut belts, &[0, 1, 0x60]).await;
    go(50).await.unwrap();
    assert_eq!(belts.report().await[..2], [0, 2]);
    belts.refuse_next(2);
    server.shut_down().await;
    next(&mut belts, &[0, 1, 0x60]).await;
}

#[tokio::test]
async fn a_realtouch_with_firmware_of_the_first_edition_is_left_alone() {
    let system = Played::default();
    let mut old = system.device(entry((0x1f54, 1), None, "RealTouch v1.2", "/dev/hidraw0"));
    let cyclone = system.device(entry((0x0483, 0x5750), None, "Cyclone", "/dev/hidraw1"));
    old.plug();
    cyclone.plug();
    let (server, client) = connect(system).await;
    // The one that is driven comes after it in every look.
    assert_eq!(found(&client).await.name(), "Vorze Cyclone X10 Device");
    server.shut_down().await;
    let told = timeout(Duration::from_millis(100), old.arrived()).await;
    assert!(told.is_err(), "{told:?}");
}

#[tokio::test]
async fn the_cyclone_turns_and_stops_and_is_never_read() {
    let system = Played::default();
    let mut cyclone = system.device(entry((0x0483, 0x5750), None, "Cyclone", "/dev/hidraw0"));
    cyclone.plug();
    let (server, client) = connect(system).await;
    let device = found(&client).await;
    assert_eq!(device.name(), "Vorze Cyclone X10 Device");
    let rotate = Output::new(OutputKind::Rotate, Value::Steps(-10));
    device.feature(FeatureIndex(0)).unwrap().run_output(rotate).await.unwrap();
    next(&mut cyclone, b"\x00<015201:00\x01\x02\x03h>").await;
    client.stop_all().await.unwrap();
    next(&mut cyclone, b"\x00<015200000\x01\x02\x03h>").await;
    assert_eq!(cyclone.reads(), 0);
    server.shut_down().await;
    assert!(!cyclone.is_open());
}
