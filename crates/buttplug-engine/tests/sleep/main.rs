//! The real program and the machine's sleep, as a stand-in for logind on a private bus tells of it.

#![cfg(all(target_os = "linux", feature = "bluetooth"))]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod logind;
#[path = "../bluetooth/private_bus.rs"]
mod private_bus;
#[path = "../program/mod.rs"]
mod program;

use logind::{Logind, Mood};
use private_bus::PrivateBus;
use program::{Engine, File, Socket, make_vibrate, user_file, vibrate};
use std::time::{Duration, Instant};

/// An engine that finds this bus where the system's is, with a device that vibrates because this client wants it.
async fn vibrating(bus: &str, name: &str) -> (Engine, Socket, Socket) {
    let file: File = user_file(name);
    let arguments = [
        "--websocket-port=0",
        "--use-device-websocket-server",
        "--device-websocket-server-port=0",
        "--user-device-config-file",
        file.name(),
        "--log=debug",
    ];
    let mut engine = Engine::start_in(&arguments, &[("DBUS_SYSTEM_BUS_ADDRESS", bus)]).await;
    engine.files.push(file);
    let (client, device) = make_vibrate(&mut engine).await;
    (engine, client, device)
}

#[tokio::test]
async fn before_the_machine_sleeps_devices_are_stopped_and_rest_until_it_is_awake() {
    let Some(bus) = PrivateBus::start() else { return };
    let logind = Logind::start(&bus.address, Mood::Willing);
    let (mut engine, mut client, mut device) = vibrating(&bus.address, "sleep.json").await;
    logind.is_delayed_within(program::SOON);
    for round in 0..2 {
        let start = Instant::now();
        logind.prepare_for_sleep(true);
        logind.is_released_within(Duration::from_secs(2));
        println!("the sleep was delayed for {:?}", start.elapsed());
        // The device had its zero before the machine was let sleep.
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
        let (reply, error) = vibrate(&mut client, 7).await;
        assert_eq!(reply, "Error", "{error}");
        assert!(
            error["ErrorMessage"].as_str().is_some_and(|text| text.contains("about to sleep")),
            "{error}"
        );
        logind.prepare_for_sleep(false);
        engine.new_line_with("this machine is awake").await;
        logind.is_delayed_within(program::SOON);
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"], "once more, whatever happened");
        let value = 8 + round;
        assert_eq!(vibrate(&mut client, value).await.0, "Ok");
        device.frames_until(&format!("Vibrate:{value};")).await;
    }
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    logind.is_released_within(program::SOON);
}

#[tokio::test]
async fn the_sleep_is_delayed_until_the_devices_are_stopped() {
    let Some(bus) = PrivateBus::start() else { return };
    let logind = Logind::start(&bus.address, Mood::Willing);
    let (engine, _client, mut device) = vibrating(&bus.address, "sleep-late.json").await;
    logind.is_delayed_within(program::SOON);
    // It is busy with something else for a moment.
    engine.signal("STOP");
    logind.prepare_for_sleep(true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(logind.is_delayed(), "nothing was stopped yet");
    engine.signal("CONT");
    logind.is_released_within(Duration::from_secs(2));
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn where_logind_does_not_let_the_sleep_be_delayed_devices_are_stopped_as_well() {
    let Some(bus) = PrivateBus::start() else { return };
    let logind = Logind::start(&bus.address, Mood::Unwilling);
    let (mut engine, _client, mut device) = vibrating(&bus.address, "sleep-unwilling.json").await;
    engine.line_with("logind does not wait for devices to be stopped").await;
    logind.prepare_for_sleep(true);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn without_logind_or_d_bus_there_is_a_line_at_debug_and_nothing_else() {
    let Some(bus) = PrivateBus::start() else { return };
    for address in [&*bus.address, "unix:path=/nowhere"] {
        let (mut engine, mut client, mut device) = vibrating(address, "sleep-nobody.json").await;
        let line = engine.line_with("nobody tells when this machine is about to sleep").await;
        assert!(line.contains("DEBUG"), "{line}");
        assert_eq!(vibrate(&mut client, 3).await.0, "Ok");
        device.frames_until("Vibrate:3;").await;
    }
}

#[tokio::test]
async fn what_somebody_else_says_of_a_sleep_is_not_believed() {
    let Some(bus) = PrivateBus::start() else { return };
    let logind = Logind::start(&bus.address, Mood::Willing);
    let (mut engine, mut client, mut device) = vibrating(&bus.address, "sleep-liar.json").await;
    logind.is_delayed_within(program::SOON);
    logind::lie(&bus.address, &logind.listener());
    assert_eq!(vibrate(&mut client, 3).await.0, "Ok");
    device.frames_until("Vibrate:3;").await;
    // The truth behind it has been heard, so the lie was, too.
    logind.prepare_for_sleep(true);
    engine.line_with("about to sleep; devices").await;
    let told = engine.lines.iter().filter(|line| line.contains("about to sleep; devices"));
    assert_eq!(told.count(), 1, "{:#?}", engine.lines);
    logind.is_released_within(Duration::from_secs(2));
}
