//! Statements C92 to C95, and C98 for version 1: what a client of version 1 sees and drives.

use crate::transport::in_json;
use crate::world::World;
use buttplug::core::OutputKind::{HwPositionWithDuration, Rotate, Vibrate};
use serde_json::{Value, json};

fn device(index: u32, name: &str, messages: Value) -> Value {
    json!({"DeviceIndex": index, "DeviceName": name, "DeviceMessages": messages})
}

/// With the commands of single brands that are carried out, see C95.
#[test]
fn c92_the_list_has_counts_without_steps_and_no_key_too_many() {
    in_json(async |way| {
        let mut s1 = World::new(way).await.session(1).await;
        let one = json!({"FeatureCount": 1});
        let expected = [
            device(
                0,
                "Twin",
                json!({"VibrateCmd": {"FeatureCount": 2}, "SingleMotorVibrateCmd": {}, "StopDeviceCmd": {}}),
            ),
            device(
                1,
                "Spinner",
                json!({
                    "VibrateCmd": one, "SingleMotorVibrateCmd": {}, "RotateCmd": one, "VorzeA10CycloneCmd": {},
                    "StopDeviceCmd": {},
                }),
            ),
            device(
                2,
                "Stroker",
                json!({"LinearCmd": one, "FleshlightLaunchFW12Cmd": {}, "StopDeviceCmd": {}}),
            ),
            device(3, "Pump", json!({"VibrateCmd": one, "SingleMotorVibrateCmd": {}, "StopDeviceCmd": {}})),
        ];
        assert_eq!(s1.lists_in_order().await, expected);
    });
}

#[test]
fn c93_one_speed_is_for_all_motors() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s1 = world.session(1).await;
        s1.gets_ok("SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": 0.52})).await;
        world.reaches_hw(0, 0, Vibrate, 11).await;
        world.reaches_hw(0, 1, Vibrate, 11).await;
        s1.gets_error("SingleMotorVibrateCmd", json!({"DeviceIndex": 2, "Speed": 0.52}), 4).await;
    });
}

#[test]
fn c94_rotations_round_up_and_positions_down() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s1 = world.session(1).await;
        let rotations = json!([{"Index": 0, "Speed": 0.25, "Clockwise": false}]);
        s1.gets_ok("RotateCmd", json!({"DeviceIndex": 1, "Rotations": rotations})).await;
        world.reaches_hw(1, 1, Rotate, -5).await;
        let vectors = json!([{"Index": 0, "Duration": 400, "Position": 0.52}]);
        s1.gets_ok("LinearCmd", json!({"DeviceIndex": 2, "Vectors": vectors})).await;
        world.reaches_hw_timed(2, 0, HwPositionWithDuration, 519, 400).await;
    });
}

/// Of the commands of single brands, two have a clear meaning and are carried out where they can be; the others are
/// bytes for hardware that the server may not have, and stay refused.
#[test]
fn c95_commands_of_single_brands_are_carried_out_where_they_have_a_meaning_else_refused() {
    in_json(async |way| {
        let world = World::new(way).await;
        for version in [0, 1] {
            let mut old = world.session(version).await;
            old.gets_error("KiirooCmd", json!({"DeviceIndex": 0, "Command": "2"}), 3).await;
            old.gets_error("LovenseCmd", json!({"DeviceIndex": 0, "Command": "Battery;"}), 3).await;
            for (speed, clockwise, steps) in [(100, true, 20), (50, false, -10), (0, true, 0)] {
                let fields = json!({"DeviceIndex": 1, "Speed": speed, "Clockwise": clockwise});
                old.gets_ok("VorzeA10CycloneCmd", fields).await;
                world.reaches_hw(1, 1, Rotate, steps).await;
            }
            for (position, steps) in [(99, 999), (0, 0)] {
                let fields = json!({"DeviceIndex": 2, "Position": position, "Speed": 50});
                old.gets_ok("FleshlightLaunchFW12Cmd", fields).await;
                world.reaches_hw_at_some_time(2, 0, HwPositionWithDuration, steps).await;
            }
            let fields = json!({"DeviceIndex": 0, "Speed": 40, "Clockwise": true});
            old.gets_error("VorzeA10CycloneCmd", fields, 4).await;
            let fields = json!({"DeviceIndex": 0, "Position": 80, "Speed": 35});
            old.gets_error("FleshlightLaunchFW12Cmd", fields, 4).await;
        }
    });
}

#[test]
fn c98_in_version_1_a_test_is_echoed_and_a_log_stays_empty() {
    in_json(async |way| crate::v0::tests_and_logs(way, 1).await);
}
