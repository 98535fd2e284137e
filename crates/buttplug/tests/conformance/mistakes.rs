//! What a mistake in a command of an old version is answered with, and that it moves nothing: what C75, C79, C84, C89 and
//! C95 say in general, over all commands. Not numbered.

use crate::transport::in_json;
use crate::world::World;
use serde_json::{Value, json};

/// Version, message, its fields, the code of the error.
fn mistakes() -> Vec<(u32, &'static str, Value, u64)> {
    let speeds = |speeds: Value| json!({"DeviceIndex": 0, "Speeds": speeds});
    let vectors = |vectors: Value| json!({"DeviceIndex": 2, "Vectors": vectors});
    let rotations = |rotations: Value| json!({"DeviceIndex": 1, "Rotations": rotations});
    let scalars = |scalars: Value| json!({"DeviceIndex": 3, "Scalars": scalars});
    let sensor =
        |device: u32, kind: Value| json!({"DeviceIndex": device, "SensorIndex": 0, "SensorType": kind});
    let good_speed = json!({"Index": 0, "Speed": 0.5});
    let mut all = vec![
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 0}), 3),
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": 1.1}), 3),
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": -0.1}), 3),
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": "0.5"}), 3),
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 0, "Speed": null}), 3),
        (0, "SingleMotorVibrateCmd", json!({"DeviceIndex": 9, "Speed": 0.5}), 4),
        (0, "FleshlightLaunchFW12Cmd", json!({"DeviceIndex": 2, "Position": 100, "Speed": 50}), 3),
        (0, "FleshlightLaunchFW12Cmd", json!({"DeviceIndex": 2, "Position": 50, "Speed": -1}), 3),
        (0, "FleshlightLaunchFW12Cmd", json!({"DeviceIndex": 9, "Position": 50, "Speed": 50}), 4),
        (0, "VorzeA10CycloneCmd", json!({"DeviceIndex": 1, "Speed": 101, "Clockwise": true}), 3),
        (0, "VorzeA10CycloneCmd", json!({"DeviceIndex": 1, "Speed": 50}), 3),
        (0, "RawCmd", json!({"DeviceIndex": 0, "Command": [1, 2]}), 3),
        (0, "StopDeviceCmd", json!({"DeviceIndex": 9}), 4),
        (0, "StopDeviceCmd", json!({}), 3),
        (0, "RequestLog", json!({"LogLevel": "Everything"}), 3),
        (0, "Test", json!({}), 3),
        (1, "VibrateCmd", speeds(json!([])), 3),
        (1, "VibrateCmd", speeds(json!([good_speed, {"Index": 1}])), 3),
        (1, "VibrateCmd", speeds(json!([good_speed, {"Index": 1, "Speed": 2}])), 3),
        (1, "VibrateCmd", speeds(json!([good_speed, {"Index": -1, "Speed": 1}])), 3),
        (1, "VibrateCmd", speeds(json!({"Index": 0, "Speed": 1})), 3),
        (1, "VibrateCmd", json!({"DeviceIndex": 9, "Speeds": [good_speed]}), 4),
        (1, "RotateCmd", rotations(json!([])), 3),
        (1, "RotateCmd", rotations(json!([{"Index": 0, "Speed": 1.01, "Clockwise": true}])), 3),
        (1, "RotateCmd", rotations(json!([{"Index": 0, "Speed": 0.5, "Clockwise": 1}])), 3),
        (1, "LinearCmd", vectors(json!([{"Index": 0, "Duration": 100, "Position": -0.1}])), 3),
        (1, "LinearCmd", vectors(json!([{"Index": 0, "Duration": -1, "Position": 0.5}])), 3),
        (1, "LinearCmd", vectors(json!([{"Index": 0, "Position": 0.5}])), 3),
        (1, "LinearCmd", json!({"DeviceIndex": 9, "Vectors": []}), 4),
        (1, "BatteryLevelCmd", json!({"DeviceIndex": 0}), 3),
        (2, "BatteryLevelCmd", json!({"DeviceIndex": 9}), 4),
        (2, "RSSILevelCmd", json!({"DeviceIndex": 9}), 4),
        (2, "Test", json!({"TestString": "abc"}), 3),
        (2, "SensorReadCmd", sensor(0, "Battery".into()), 3),
        (3, "ScalarCmd", scalars(json!([{"Index": 0, "Scalar": "1", "ActuatorType": "Constrict"}])), 3),
        (3, "ScalarCmd", scalars(json!([{"Index": 0, "Scalar": 1}])), 3),
        (3, "ScalarCmd", scalars(json!([{"Index": 3, "Scalar": 1, "ActuatorType": "Led"}])), 4),
        (3, "ScalarCmd", scalars(json!([{"Index": 0, "Scalar": 1, "ActuatorType": "vibrate"}])), 4),
        (3, "SensorReadCmd", sensor(9, "Battery".into()), 4),
        (3, "SensorReadCmd", sensor(3, "Pressure".into()), 4),
        (3, "SensorReadCmd", sensor(0, 5.into()), 3),
        (3, "RequestLog", json!({"LogLevel": "Off"}), 3),
        (3, "StopCmd", json!({}), 3),
        (3, "Disconnect", json!({}), 3),
        (3, "InputCmd", crate::frames::input(0, 2, "Battery", "Read"), 3),
    ];
    for version in [2, 3] {
        let raw = [
            (
                "RawWriteCmd",
                json!({"DeviceIndex": 0, "Endpoint": "tx", "Data": [1], "WriteWithResponse": false}),
            ),
            ("RawReadCmd", json!({"DeviceIndex": 0, "Endpoint": "rx", "ExpectedLength": 0, "Timeout": 0})),
            ("RawSubscribeCmd", json!({"DeviceIndex": 0, "Endpoint": "rx"})),
            ("RawUnsubscribeCmd", json!({"DeviceIndex": 0, "Endpoint": "rx"})),
        ];
        all.extend(raw.map(|(name, fields)| (version, name, fields, 3)));
    }
    all
}

#[test]
fn every_mistake_of_an_old_client_is_answered_with_its_id_and_moves_nothing() {
    in_json(async |way| {
        let world = World::new(way).await;
        for version in 0..=3 {
            let mut client = world.session(version).await;
            for (_, name, fields, code) in mistakes().into_iter().filter(|mistake| mistake.0 == version) {
                client.gets_error(name, fields, code).await;
            }
            client.hears_nothing().await;
        }
        for device in 0..world.devices.len() {
            assert_eq!(world.told(device), [""; 0]);
        }
    });
}

#[test]
fn what_old_clients_get_slightly_wrong_is_understood() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let vectors = json!([{"Index": 0, "Duration": 99.9, "Position": 1, "Extra": {}}]);
        s3.gets_ok("LinearCmd", json!({"DeviceIndex": 2, "Vectors": vectors})).await;
        let same_twice = json!([
            {"Index": 1, "Scalar": 0.5, "ActuatorType": "Vibrate"},
            {"Index": 0, "Scalar": 1, "ActuatorType": "Vibrate"},
            {"Index": 1, "Scalar": 0.25, "ActuatorType": "Vibrate"},
        ]);
        s3.gets_ok("ScalarCmd", json!({"DeviceIndex": 0, "Scalars": same_twice, "Extra": 1})).await;
        let other_kind = json!([{"Index": 0, "Scalar": 0.35, "ActuatorType": "Vibrate"}]);
        s3.gets_ok("ScalarCmd", json!({"DeviceIndex": 3, "Scalars": other_kind})).await;
        s3.hears_nothing().await;
        assert_eq!(world.told(2), ["0 HwPositionWithDuration 999 in 99 ms"]);
        assert_eq!(world.told(0), ["0 Vibrate 20", "1 Vibrate 5"]);
        assert_eq!(world.told(3), ["0 Vibrate 4"]);
        let id = s3
            .says_message(
                "SensorReadCmd",
                json!({"DeviceIndex": 0, "SensorIndex": 7, "SensorType": "Battery"}),
            )
            .await;
        let reading =
            json!({"Id": id, "DeviceIndex": 0, "SensorIndex": 7, "SensorType": "Battery", "Data": [85]});
        assert_eq!(s3.hears().await, json!({"SensorReading": reading}));
    });
}
