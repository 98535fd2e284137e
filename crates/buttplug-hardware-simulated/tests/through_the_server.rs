//! Simulated devices, driven by a client through a whole server: the catalogue and the protocols are the real ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use buttplug_client::core::{FeatureIndex, InputKind, OutputKind};
use buttplug_client::{Client, Device, Error, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Nothing here takes long in simulated time.
const SOON: Duration = Duration::from_secs(30);

async fn connect(bus: SimulatedBus) -> (Server, Client) {
    let server = Server::builder().bus(Arc::new(bus)).start();
    let client = Client::new("test");
    client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
    (server, client)
}

/// Scans until a device is there.
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

async fn told(hardware: &SimulatedDevice, feature: u32, kind: OutputKind, value: i32) {
    let told = |device: &SimulatedDevice| {
        device.last(FeatureIndex(feature), kind).is_some_and(|told| told.value == value)
    };
    let last = timeout(SOON, hardware.wait_for(told)).await;
    assert!(last.is_ok(), "{kind} {feature} was not told {value}, but {:?}", hardware.all_last());
}

#[tokio::test(start_paused = true)]
async fn every_archetype_is_known_and_has_a_battery() {
    for archetype in Archetype::ALL {
        let hardware = SimulatedDevice::new(archetype, "simulated:1");
        hardware.set_battery(42);
        let (server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
        let device = found(&client).await;
        assert_ne!(device.name(), "Simulated Device", "{archetype} has a model of its own");
        assert_eq!(device.battery_percent().await.unwrap(), 42, "{archetype}");
        for feature in device.features() {
            for output in feature.outputs() {
                let value = output.range.max() - 3;
                feature.run_output(Output::new(output.kind, Value::Steps(value)).clamped()).await.unwrap();
                told(&hardware, feature.index().0, output.kind, value).await;
            }
        }
        client.stop_all().await.unwrap();
        assert!(hardware.is_at_rest(), "{archetype}");
        server.shut_down().await;
        assert!(!hardware.is_connected(), "{archetype}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timed_position_arrives_with_its_duration() {
    let hardware = SimulatedDevice::new(Archetype::Stroker, "simulated:1");
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
    let device = found(&client).await;
    let output = Output::timed_position(Value::Steps(750), Duration::from_millis(300));
    device.run_output(output).await.unwrap();
    told(&hardware, 0, OutputKind::HwPositionWithDuration, 750).await;
    let last = hardware.last(FeatureIndex(0), OutputKind::HwPositionWithDuration);
    assert_eq!(last.map(|told| told.duration_ms), Some(300));
}

#[tokio::test(start_paused = true)]
async fn whoever_subscribes_hears_how_hard_a_sensor_is_pressed() {
    let hardware = SimulatedDevice::new(Archetype::PressureSensor, "simulated:1");
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
    let device = found(&client).await;
    let mut readings = device.subscribe(InputKind::Pressure).await.unwrap();
    for pressure in [1, 300, u16::MAX] {
        hardware.set_pressure(pressure);
        assert_eq!(timeout(SOON, readings.next()).await.unwrap(), Some(pressure.into()));
    }
    device.unsubscribe(InputKind::Pressure).await.unwrap();
    assert!(!hardware.is_subscribed(Endpoint::RxPressure));
}

#[tokio::test(start_paused = true)]
async fn other_hardware_gets_the_bytes_of_its_own_protocol() {
    let hardware = SimulatedDevice::bluetooth("54:73:A0:45:FB:84", "Massage Demo");
    let bus = SimulatedBus::new([hardware.clone()]).playing(BusKind::Bluetooth);
    let (_server, client) = connect(bus).await;
    let device = found(&client).await;
    assert_eq!(device.name(), "Aneros Vivi");
    hardware.forget_writes();
    device
        .feature(FeatureIndex(1))
        .unwrap()
        .run_output(Output::new(OutputKind::Vibrate, Value::Steps(64)))
        .await
        .unwrap();
    timeout(SOON, hardware.wait_for(|hardware| !hardware.writes().is_empty())).await.unwrap();
    assert_eq!(hardware.writes()[0].frame.to_string(), "tx: f2 40");
    hardware.forget_writes();
    client.stop_all().await.unwrap();
    let frames: Vec<String> = hardware.writes().iter().map(|write| write.frame.to_string()).collect();
    assert_eq!(frames, ["tx: f1 00", "tx: f2 00"]);
}

#[tokio::test(start_paused = true)]
async fn hardware_that_is_asked_who_it_is_can_answer() {
    let hardware = SimulatedDevice::bluetooth("A1:B2:C3:D4:E5:F6", "LVS-Z001").with_responder(|frame| {
        let answer: &[u8] = match &frame.data[..] {
            b"DeviceType;" => b"Z:11:A1B2C3D4E5F6;",
            b"Battery;" => b"85;",
            _ => return Vec::new(),
        };
        vec![(Endpoint::Rx, answer.to_vec())]
    });
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()]).playing(BusKind::Bluetooth)).await;
    let device = found(&client).await;
    assert_eq!(device.name(), "Lovense Hush");
    assert_eq!(device.battery_percent().await.unwrap(), 85);
    device.vibrate_steps(7).await.unwrap();
    let heard = |hardware: &SimulatedDevice| {
        hardware.writes().iter().any(|write| &write.frame.data[..] == b"Vibrate:7;")
    };
    timeout(SOON, hardware.wait_for(heard)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_vanishes_leaves_and_keeps_its_index_when_it_comes_back() {
    let hardware = SimulatedDevice::new(Archetype::Rotator, "simulated:1");
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
    let device = found(&client).await;
    let mut events = client.events();
    hardware.vanish();
    let removed = async { while !matches!(events.next().await, Some(Event::DeviceRemoved(_))) {} };
    timeout(SOON, removed).await.unwrap();
    assert!(matches!(device.rotate(0.5).await, Err(Error::Gone { .. })));
    hardware.reappear();
    client.stop_scanning().await.unwrap();
    assert_eq!(found(&client).await.index(), device.index());
}

#[tokio::test(start_paused = true)]
async fn a_slow_device_gets_the_newest_value_and_nothing_in_between() {
    let hardware = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:1");
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
    let device = found(&client).await;
    hardware.forget_writes();
    hardware.slow_writes(Duration::from_millis(200));
    for steps in 1..=50 {
        device.vibrate_steps(steps).await.unwrap();
    }
    told(&hardware, 0, OutputKind::Vibrate, 50).await;
    assert!(hardware.writes().len() <= 3, "{:?}", hardware.writes());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_made_up_for() {
    let hardware = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:1");
    let (_server, client) = connect(SimulatedBus::new([hardware.clone()])).await;
    let device = found(&client).await;
    hardware.fail_writes(true);
    device.vibrate_steps(30).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(hardware.last(FeatureIndex(0), OutputKind::Vibrate).map(|told| told.value).unwrap_or(0), 0);
    hardware.fail_writes(false);
    told(&hardware, 0, OutputKind::Vibrate, 30).await;
}

/// In real time, with threads: a blocked one is what this is about.
#[test]
fn a_client_that_freezes_its_own_runtime_does_not_freeze_the_watchdog() {
    let servers = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let clients = Builder::new_current_thread().enable_time().build().unwrap();
    let hardware = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:1");
    let bus = Arc::new(SimulatedBus::new([hardware.clone()]));
    let builder = Server::builder().max_ping_time(Duration::from_millis(300)).bus(bus);
    let server = servers.block_on(async { builder.start() });
    clients.block_on(async {
        let client = Client::new("test");
        client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
        found(&client).await.vibrate(0.5).await.unwrap();
        told(&hardware, 0, OutputKind::Vibrate, 50).await;
        let (tell, at_rest) = std::sync::mpsc::channel();
        servers.spawn(async move {
            hardware.wait_for(SimulatedDevice::is_at_rest).await;
            tell.send(())
        });
        assert!(at_rest.recv_timeout(SOON).is_ok(), "nobody stopped the device while the client was frozen");
    });
    servers.block_on(server.shut_down());
}
