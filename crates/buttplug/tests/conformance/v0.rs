//! Statements C96 to C98: what a client of version 0 sees and drives.

use crate::transport::{Transport, in_json};
use crate::world::World;
use buttplug::core::OutputKind::Vibrate;
use serde_json::{Value, json};

fn device(index: u32, name: &str, messages: &[&str]) -> Value {
    json!({"DeviceIndex": index, "DeviceName": name, "DeviceMessages": messages})
}

/// With the commands of single brands that are carried out, see C95.
#[test]
fn c96_the_list_has_names_of_messages_in_their_order() {
    in_json(async |way| {
        let mut client = World::new(way).await.session(0).await;
        let expected = [
            device(0, "Twin", &["SingleMotorVibrateCmd", "StopDeviceCmd"]),
            device(1, "Spinner", &["SingleMotorVibrateCmd", "StopDeviceCmd", "VorzeA10CycloneCmd"]),
            device(2, "Stroker", &["FleshlightLaunchFW12Cmd", "StopDeviceCmd"]),
            device(3, "Pump", &["SingleMotorVibrateCmd", "StopDeviceCmd"]),
        ];
        assert_eq!(client.lists_in_order().await, expected);
    });
}

#[test]
fn c97_version_0_stops_hears_of_devices_and_does_not_know_later_commands() {
    in_json(async |way| {
        let mut world = World::empty(way).await;
        world.add("stroker").await;
        let mut client = world.session(0).await;
        let speeds = json!([{"Index": 0, "Speed": 0.5}]);
        client.gets_error("VibrateCmd", json!({"DeviceIndex": 0, "Speeds": speeds}), 3).await;
        world.add("twin").await;
        let mut added = device(1, "Twin", &["SingleMotorVibrateCmd", "StopDeviceCmd"]);
        added["Id"] = 0.into();
        assert_eq!(client.hears().await, json!({"DeviceAdded": added}));
        client.gets_ok("SingleMotorVibrateCmd", json!({"DeviceIndex": 1, "Speed": 0.5})).await;
        world.reaches_hw(1, 1, Vibrate, 10).await;
        client.gets_ok("StopAllDevices", json!({})).await;
        assert!(world.is_at_rest());
        world.devices[1].vanish();
        assert_eq!(client.hears().await, json!({"DeviceRemoved": {"Id": 0, "DeviceIndex": 1}}));
    });
}

#[test]
fn c98_in_version_0_a_test_is_echoed_and_a_log_stays_empty() {
    in_json(async |way| tests_and_logs(way, 0).await);
}

pub(crate) async fn tests_and_logs(way: Transport, version: u32) {
    let mut client = World::new(way).await.session(version).await;
    let id = client.says_message("Test", json!({"TestString": "abc"})).await;
    assert_eq!(client.hears().await, json!({"Test": {"Id": id, "TestString": "abc"}}));
    client.gets_error("Test", json!({"TestString": "Error"}), 3).await;
    for level in ["Off", "Trace"] {
        client.gets_ok("RequestLog", json!({"LogLevel": level})).await;
    }
    client.hears_nothing().await;
}
