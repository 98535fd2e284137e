//! The real program, btleplug and D-Bus against a stand-in for bluetoothd on a private bus. What only the real one shows
//! is played by `cargo xtask bluetooth`.

#![cfg(all(target_os = "linux", feature = "bluetooth"))]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod private_bus;
#[path = "../program/mod.rs"]
mod program;
mod stand_in;

use private_bus::PrivateBus;
use program::{Engine, SOON, Socket};
use serde_json::{Value, json};
use stand_in::{StandIn, Toy};
use std::time::{Duration, Instant};

const HUSH: Toy = Toy { name: "LVS-Z001", address: "F0:82:05:9A:D3:BD", kind: "Z" };
const AMBI: Toy = Toy { name: "LVS-L002", address: "F0:82:05:9A:D3:BE", kind: "L" };

/// A program that finds devices on this bus, and its client.
struct Playing {
    engine: Engine,
    client: Socket,
}

impl Playing {
    async fn start(bus: &PrivateBus) -> Self {
        let arguments = ["--websocket-port", "0", "--use-bluetooth-le", "--log", "debug"];
        let environment = [("DBUS_SYSTEM_BUS_ADDRESS", &*bus.address)];
        let mut engine = Engine::start_in(&arguments, &environment).await;
        let mut client = engine.client().await;
        let hello = json!({ "ClientName": "test", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0 });
        client.ask("RequestServerInfo", hello).await;
        client.ask("StartScanning", json!({})).await;
        Self { engine, client }
    }

    /// Asks for the list until it is as wanted; answers it.
    async fn list(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + SOON;
        loop {
            let (_, list) = self.client.ask("RequestDeviceList", json!({})).await;
            if wanted(&list["Devices"]) {
                return list["Devices"].clone();
            }
            assert!(Instant::now() < until, "{list}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn count(&mut self, count: usize) -> Value {
        self.list(|devices| devices.as_object().is_some_and(|devices| devices.len() == count)).await
    }

    /// The index of the device with this name, once it is there.
    async fn index(&mut self, name: &str) -> u32 {
        let named = |devices: &Value| -> Option<u32> {
            let devices = devices.as_object()?;
            devices.iter().find(|(_, device)| device["DeviceName"] == name)?.0.parse().ok()
        };
        let devices = self.list(|devices| named(devices).is_some()).await;
        named(&devices).expect("it is there")
    }

    async fn vibrate(&mut self, device: u32, value: u32) {
        let command = json!({ "Vibrate": { "Value": value } });
        let content = json!({ "DeviceIndex": device, "FeatureIndex": 0, "Command": command });
        let (reply, content) = self.client.ask("OutputCmd", content).await;
        assert_eq!(reply, "Ok", "{content}");
    }

    async fn battery(&mut self, device: u32, feature: u32) -> i64 {
        let content =
            json!({ "DeviceIndex": device, "FeatureIndex": feature, "Type": "Battery", "Command": "Read" });
        let (reply, content) = self.client.ask("InputCmd", content).await;
        content["Reading"]["Battery"]["Value"].as_i64().unwrap_or_else(|| panic!("{reply} {content}"))
    }
}

#[tokio::test]
async fn a_device_is_found_driven_and_stopped_when_the_program_ends() {
    let Some(bus) = PrivateBus::start() else { return };
    let bluez = StandIn::start(&bus.address, &[HUSH]);
    let mut playing = Playing::start(&bus).await;
    let index = playing.index("Lovense Hush").await;
    playing.vibrate(index, 10).await;
    let from = bluez.wait_written(0, "LVS-Z001: Vibrate:10;");
    let began = Instant::now();
    playing.engine.signal("TERM");
    assert!(playing.engine.end().await.success());
    assert!(began.elapsed() < Duration::from_millis(2000), "{:?}: the link alone takes 2 s", began.elapsed());
    bluez.wait_written(from, "LVS-Z001: Vibrate:0;");
    let last = bluez.written().pop();
    assert_eq!(last.as_deref(), Some("LVS-Z001: Vibrate:0;"));
    let found = playing.engine.lines.iter().filter(|line| line.contains("Bluetooth LE adapter found"));
    assert_eq!(found.count(), 1, "launchers look for it: {:#?}", playing.engine.lines);
}

#[tokio::test]
async fn what_the_system_has_connected_already_is_found_and_stopped_first() {
    let Some(bus) = PrivateBus::start() else { return };
    let bluez = StandIn::start(&bus.address, &[HUSH]);
    bluez.connect(HUSH);
    let mut playing = Playing::start(&bus).await;
    playing.index("Lovense Hush").await;
    bluez.wait_written(0, "LVS-Z001: Vibrate:0;");
}

#[tokio::test]
async fn a_lost_device_comes_back_by_itself_with_its_index_and_at_rest() {
    let Some(bus) = PrivateBus::start() else { return };
    let bluez = StandIn::start(&bus.address, &[HUSH]);
    let mut playing = Playing::start(&bus).await;
    let index = playing.index("Lovense Hush").await;
    playing.client.ask("StopScanning", json!({})).await;
    playing.vibrate(index, 10).await;
    let from = bluez.wait_written(0, "LVS-Z001: Vibrate:10;") + 1;
    bluez.switch(HUSH, false);
    playing.count(0).await;
    bluez.switch(HUSH, true);
    assert_eq!(playing.index("Lovense Hush").await, index);
    bluez.wait_written(from, "LVS-Z001: Vibrate:0;");
    playing.vibrate(index, 3).await;
    bluez.wait_written(from, "LVS-Z001: Vibrate:3;");
    let moved = bluez.written().into_iter().skip(from).any(|line| line.contains("Vibrate:10"));
    assert!(!moved, "{:#?}", bluez.written());
}

/// dbus-daemon forgets the rule of one device when the program takes back that of another.
#[tokio::test]
async fn a_device_that_goes_does_not_silence_another() {
    let Some(bus) = PrivateBus::start() else { return };
    let bluez = StandIn::start(&bus.address, &[HUSH, AMBI]);
    let mut playing = Playing::start(&bus).await;
    let (hush, ambi) = (playing.index("Lovense Hush").await, playing.index("Lovense Ambi").await);
    let feature = |devices: &Value, index: u32| {
        let features = devices[index.to_string()]["DeviceFeatures"].as_object().cloned().unwrap_or_default();
        let with_battery = features.iter().find(|(_, feature)| feature["Input"]["Battery"].is_object());
        with_battery.and_then(|(feature, _)| feature.parse::<u32>().ok()).expect("a battery")
    };
    let devices = playing.count(2).await;
    for index in [hush, ambi] {
        assert_eq!(playing.battery(index, feature(&devices, index)).await, 85);
    }
    for (gone, left) in [(HUSH, ambi), (AMBI, hush)] {
        bluez.switch(gone, false);
        playing.count(1).await;
        for _ in 0..5 {
            assert_eq!(playing.battery(left, feature(&devices, left)).await, 85);
        }
        bluez.switch(gone, true);
        playing.count(2).await;
    }
}

#[tokio::test]
async fn an_adapter_that_is_switched_off_stays_off_and_the_search_resumes_when_it_is_on() {
    let Some(bus) = PrivateBus::start() else { return };
    let bluez = StandIn::start(&bus.address, &[HUSH]);
    let mut playing = Playing::start(&bus).await;
    let index = playing.index("Lovense Hush").await;
    bluez.power(false);
    playing.count(0).await;
    playing.engine.line_with("Bluetooth: switched off (hci0)").await;
    assert_eq!(
        doctor(&bus).await,
        (Some(1), "problem    Bluetooth: switched off (hci0); switch it on in the system".into())
    );
    bluez.power(true);
    assert_eq!(playing.index("Lovense Hush").await, index);
    assert_eq!(doctor(&bus).await, (Some(0), "ok         Bluetooth: ready (hci0)".into()));
    // Whoever switches it off must not find it on again, however soon a search begins.
    let asked = bluez.written().into_iter().find(|line| line.starts_with("adapter"));
    assert_eq!(asked, None, "only a person switches an adapter on");
}

#[tokio::test]
async fn a_missing_service_is_told_once_and_found_when_it_starts() {
    let Some(bus) = PrivateBus::start() else { return };
    let mut playing = Playing::start(&bus).await;
    playing.engine.line_with("does not run; start bluetoothd").await;
    let (code, words) = doctor(&bus).await;
    assert_eq!(code, Some(1));
    assert!(words.contains("start bluetoothd"), "{words}");
    tokio::time::sleep(Duration::from_millis(4500)).await;
    let _bluez = StandIn::start(&bus.address, &[HUSH]);
    playing.index("Lovense Hush").await;
    playing.engine.line_with("Bluetooth is ready (hci0)").await;
    let told = playing.engine.lines.iter().filter(|line| line.contains("start bluetoothd"));
    assert_eq!(told.count(), 1, "{:#?}", playing.engine.lines);
}

/// How the program says that Bluetooth stands: its exit code and its words.
async fn doctor(bus: &PrivateBus) -> (Option<i32>, String) {
    let mut command = program::command(&["doctor", "--use-bluetooth-le", "--websocket-port", "0"]);
    let output = command.env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).output().await.expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains("Bluetooth")).unwrap_or_default();
    (output.status.code(), line.to_owned())
}
