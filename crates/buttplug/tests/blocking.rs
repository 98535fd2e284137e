//! Calls that wait. Time is real here: the point is what happens in the background meanwhile.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use buttplug::blocking::{Client, Device};
use buttplug::choice::ServerChoice;
use buttplug::core::{InputKind, OutputKind};
use buttplug::embedded::{self, Server, ServerBuilder};
use buttplug::{Batch, Error, Event, Output, Value};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than anything here takes, unless it hangs.
const AGES: Duration = Duration::from_secs(20);

fn server() -> (ServerBuilder, SimulatedDevice) {
    let toy = SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:desk");
    (Server::builder().bus(Arc::new(SimulatedBus::new([toy.clone()]))), toy)
}

fn session(builder: ServerBuilder) -> (Client, Device) {
    let client = Client::new("Script").unwrap();
    client.connect(&ServerChoice::embedded(builder)).unwrap();
    client.start_scanning().unwrap();
    let device = client.next_device(AGES).expect("a device");
    (client, device)
}

#[test]
fn a_script_drives_a_device_with_plain_calls() {
    let (builder, toy) = server();
    let (client, device) = session(builder);
    assert_eq!(client.devices().len(), 1);
    assert_eq!(client.device(device.inner().index()).unwrap().inner(), device.inner());
    assert_eq!((device.battery(), device.read(InputKind::Battery)), (Ok(0.8), Ok(80)));
    device.vibrate(0.5).unwrap();
    assert!(matches!(device.vibrate(1.5), Err(Error::Invalid(_))));
    assert!(matches!(device.rotate(0.5), Err(Error::Invalid(_))));
    let motors = device.inner().features_with_output(OutputKind::Vibrate);
    let quiet = Output::new(OutputKind::Vibrate, Value::Steps(1));
    client.run(Batch::new().feature(&motors[0], quiet.clone()).feature(&motors[1], quiet).run()).unwrap();
    client.run(toy.wait_for(|toy| !toy.is_at_rest()));
    device.stop().unwrap();
    assert!(toy.is_at_rest());
    client.stop_scanning().unwrap();
    client.stop_all().unwrap();
    client.disconnect();
    assert_eq!(device.vibrate(0.5), Err(Error::NotConnected));
}

#[test]
fn r24_pings_go_on_while_the_script_sleeps() {
    let (builder, toy) = server();
    let (client, device) = session(builder.max_ping_time(Duration::from_secs(1)));
    device.vibrate(1.0).unwrap();
    std::thread::sleep(Duration::from_millis(1600));
    assert!(client.inner().is_connected() && !toy.is_at_rest());
    device.vibrate(0.5).unwrap();
}

#[test]
fn events_are_waited_for_no_longer_than_told() {
    let (builder, _toy) = server();
    let (client, _device) = session(builder);
    while client.next_event(Duration::from_millis(50)).is_some() {}
    let begun = Instant::now();
    assert!(client.next_device(Duration::from_millis(50)).is_none());
    assert!(begun.elapsed() >= Duration::from_millis(50));
    client.disconnect();
    assert!(matches!(client.next_event(AGES), Some(Event::DeviceRemoved(_))));
    assert!(matches!(client.next_event(Duration::MAX), Some(Event::Disconnected(_))));
}

#[test]
fn the_end_of_a_script_leaves_no_device_running_a_panic_included() {
    let (builder, toy) = server();
    let (client, device) = session(builder.clone());
    device.vibrate(1.0).unwrap();
    drop(client);
    assert!(toy.is_at_rest());
    // Handles may live on; they don't keep anything going.
    assert_eq!(device.vibrate(1.0), Err(Error::NotConnected));

    let script = std::thread::spawn(move || {
        let (_client, device) = session(builder);
        device.vibrate(1.0).unwrap();
        device.vibrate(f64::NAN).expect("a mistake in a script");
    });
    assert!(script.join().is_err() && toy.is_at_rest());
}

#[test]
fn a_client_connects_again() {
    let (builder, toy) = server();
    let (client, device) = session(builder.clone());
    assert_eq!(client.connect(&ServerChoice::embedded(builder.clone())).err(), Some(Error::AlreadyConnected));
    client.disconnect();
    client.connect(&ServerChoice::embedded(builder)).unwrap();
    client.start_scanning().unwrap();
    client.next_device(AGES).expect("a device").vibrate(1.0).unwrap();
    assert!(device.vibrate(1.0).is_err(), "an old handle");
    client.run(toy.wait_for(|toy| !toy.is_at_rest()));
    drop(client);
    assert!(toy.is_at_rest());
}

#[test]
fn a_disconnect_also_ends_what_the_script_connected_by_hand() {
    let (builder, toy) = server();
    let client = Client::new("Script").unwrap();
    let _server = client.run(async {
        let server = builder.start();
        client.inner().connect(embedded::connector(&server)).await.unwrap();
        server
    });
    client.start_scanning().unwrap();
    client.next_device(AGES).expect("a device").vibrate(1.0).unwrap();
    client.disconnect();
    assert!(toy.is_at_rest() && !client.inner().is_connected());
}

#[test]
fn in_async_code_there_is_an_error_instead_of_a_hang() {
    let (builder, toy) = server();
    let (client, device) = session(builder);
    device.vibrate(1.0).unwrap();
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        assert!(Client::new("Script").is_err());
        drop(client);
        tokio::time::timeout(AGES, toy.wait_for(SimulatedDevice::is_at_rest))
            .await
            .expect("a device at rest");
        drop(device);
    });
}
