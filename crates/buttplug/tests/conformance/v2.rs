//! Statements C88 to C91: what a client of version 2 sees and drives.

use crate::transport::in_json;
use crate::world::World;
use buttplug::core::OutputKind::Vibrate;
use buttplug::embedded::protocols::frame::Endpoint;
use serde_json::{Value, json};

fn device(index: u32, name: &str, messages: Value) -> Value {
    json!({"DeviceIndex": index, "DeviceName": name, "DeviceMessages": messages})
}

fn speeds(device: u32, speeds: Value) -> Value {
    json!({"DeviceIndex": device, "Speeds": speeds})
}

#[test]
fn c88_the_list_has_counts_and_steps_and_no_key_too_many() {
    in_json(async |way| {
        let mut s2 = World::new(way).await.session(2).await;
        let expected = [
            device(
                0,
                "Twin",
                json!({
                    "VibrateCmd": {"FeatureCount": 2, "StepCount": [20, 20]},
                    "BatteryLevelCmd": {},
                    "StopDeviceCmd": {},
                }),
            ),
            device(
                1,
                "Spinner",
                json!({
                    "VibrateCmd": {"FeatureCount": 1, "StepCount": [20]},
                    "RotateCmd": {"FeatureCount": 1, "StepCount": [20]},
                    "BatteryLevelCmd": {},
                    "StopDeviceCmd": {},
                }),
            ),
            device(
                2,
                "Stroker",
                json!({"LinearCmd": {"FeatureCount": 1, "StepCount": [999]}, "StopDeviceCmd": {}}),
            ),
            device(
                3,
                "Pump",
                json!({"VibrateCmd": {"FeatureCount": 1, "StepCount": [10]}, "StopDeviceCmd": {}}),
            ),
        ];
        assert_eq!(s2.lists_in_order().await, expected);
    });
}

#[test]
fn c89_a_vibrate_command_sets_each_motor_to_its_own_speed_rounded_up() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s2 = world.session(2).await;
        let both = json!([{"Index": 0, "Speed": 0.31}, {"Index": 1, "Speed": 1}]);
        s2.gets_ok("VibrateCmd", speeds(0, both)).await;
        world.reaches_hw(0, 0, Vibrate, 7).await;
        world.reaches_hw(0, 1, Vibrate, 20).await;
        s2.gets_error("VibrateCmd", speeds(0, json!([{"Index": 2, "Speed": 0.5}])), 4).await;
        s2.gets_error("VibrateCmd", speeds(0, json!([{"Index": 0, "Speed": 1.31}])), 3).await;
        s2.gets_error("VibrateCmd", speeds(2, json!([{"Index": 0, "Speed": 0.5}])), 4).await;
    });
}

#[test]
fn c90_a_charge_is_a_part_of_one_and_a_signal_strength_is_refused_where_there_is_none() {
    in_json(async |way| {
        let mut s2 = World::new(way).await.session(2).await;
        let id = s2.says_message("BatteryLevelCmd", json!({"DeviceIndex": 0})).await;
        let reading = json!({"BatteryLevelReading": {"Id": id, "DeviceIndex": 0, "BatteryLevel": 0.85}});
        assert_eq!(s2.hears().await, reading);
        s2.gets_error("BatteryLevelCmd", json!({"DeviceIndex": 2}), 4).await;
        s2.gets_error("RSSILevelCmd", json!({"DeviceIndex": 0}), 4).await;
    });
}

#[test]
fn c90_a_signal_strength_is_listed_and_read_where_it_can_be_measured() {
    in_json(async |way| {
        let mut world = World::empty(way).await;
        world.add("beacon").await.set_value(Endpoint::RxBleModel, [0xc3]);
        let mut s2 = world.session(2).await;
        let expected = [device(0, "Beacon", json!({"RSSILevelCmd": {}, "StopDeviceCmd": {}}))];
        assert_eq!(s2.lists_in_order().await, expected);
        let id = s2.says_message("RSSILevelCmd", json!({"DeviceIndex": 0})).await;
        let reading = json!({"RSSILevelReading": {"Id": id, "DeviceIndex": 0, "RSSILevel": -61}});
        assert_eq!(s2.hears().await, reading);
    });
}

#[test]
fn c91_messages_of_other_versions_are_refused() {
    in_json(async |way| {
        let mut s2 = World::new(way).await.session(2).await;
        s2.gets_error("SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": 0.5}), 3).await;
        let scalars = json!([{"Index": 0, "Scalar": 0.5, "ActuatorType": "Vibrate"}]);
        s2.gets_error("ScalarCmd", json!({"DeviceIndex": 0, "Scalars": scalars}), 3).await;
    });
}
