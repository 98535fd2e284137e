//! Protocols of the catalogue, driven by a client through a whole server: their bytes arrive at the port.

use crate::pty::Pty;
use buttplug_client::core::{FeatureIndex, OutputKind};
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_hardware_serial::SerialBus;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// A definition of the catalogue, with the port that a person names.
macro_rules! definition {
    ($protocol:literal) => {
        (
            concat!($protocol, ".toml"),
            include_str!(concat!("../../../buttplug-protocols/devices/", $protocol, ".toml")),
        )
    };
}

async fn connect(pty: &Pty, (file, text): (&str, &str)) -> (Server, Client) {
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition(file, &text.replace("\"default\"", &format!("{:?}", pty.name()))).unwrap();
    let bus = SerialBus::new(catalogue.serial_ports());
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

async fn set(device: &Device, feature: u32, kind: OutputKind, value: i32) {
    let output = Output::new(kind, Value::Steps(value));
    device.feature(FeatureIndex(feature)).unwrap().run_output(output).await.unwrap();
}

#[tokio::test]
async fn t_code_goes_to_its_positions() {
    let mut pty = Pty::plugged();
    let (server, client) = connect(&pty, definition!("tcode-v03")).await;
    let device = found(&client).await;
    let go =
        |value, ms| device.run_output(Output::timed_position(Value::Steps(value), Duration::from_millis(ms)));
    go(999, 500).await.unwrap();
    pty.hears(b"L0999I500\n").await;
    go(51, 200).await.unwrap();
    pty.hears(b"L0051I200\n").await;
    server.shut_down().await;
}

#[tokio::test]
async fn every_protocol_of_ports_is_driven_and_stopped() {
    for (definition, connected, kind, value, told, stopped) in [
        (definition!("nobra"), &b"p"[..], OutputKind::Vibrate, 9, &b"i"[..], &b"p"[..]),
        (definition!("kizuna"), b"", OutputKind::Rotate, 5, b"5\r\n", b"0\r\n"),
        (
            definition!("nextlevelracing"),
            b"",
            OutputKind::Vibrate,
            255,
            b"M0255\r",
            b"M00\rM10\rM20\rM30\rM40\rM50\rM60\rM70\r",
        ),
    ] {
        let mut pty = Pty::plugged();
        let (server, client) = connect(&pty, definition).await;
        let device = found(&client).await;
        pty.hears(connected).await;
        set(&device, 0, kind, value).await;
        pty.hears(told).await;
        client.stop_all().await.unwrap();
        pty.hears(stopped).await;
        set(&device, 0, kind, value).await;
        pty.hears(told).await;
        // The end of the server stops it, too.
        server.shut_down().await;
        pty.hears(stopped).await;
    }
}

#[tokio::test]
async fn a_port_that_is_pulled_out_leaves_and_keeps_its_index_when_it_is_back() {
    let mut pty = Pty::plugged();
    let (server, client) = connect(&pty, definition!("nobra")).await;
    let device = found(&client).await;
    let mut events = client.events();
    pty.unplug();
    let removed = async { while !matches!(events.next().await, Some(Event::DeviceRemoved(_))) {} };
    timeout(SOON, removed).await.unwrap();
    pty.plug();
    // The search still goes on.
    let added = async {
        loop {
            if let Some(Event::DeviceAdded(device)) = events.next().await {
                return device;
            }
        }
    };
    let again = timeout(SOON, added).await.unwrap();
    assert_eq!(again.index(), device.index());
    // Told to rest, whatever it did before.
    pty.hears(b"pp").await;
    server.shut_down().await;
}
