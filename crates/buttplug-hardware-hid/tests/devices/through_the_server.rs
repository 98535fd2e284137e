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
