//! Statements C71 to C87: what a client of version 3 sees and drives.

use crate::frames::{drive, input};
use crate::transport::in_json;
use crate::world::World;
use buttplug::core::OutputKind::{Constrict, HwPositionWithDuration, Led, Position, Rotate, Vibrate};
use serde_json::{Value, json};

fn actuator(descriptor: &str, kind: &str, steps: u32) -> Value {
    json!({"FeatureDescriptor": descriptor, "StepCount": steps, "ActuatorType": kind})
}

fn battery(descriptor: &str) -> Value {
    json!([{"FeatureDescriptor": descriptor, "SensorType": "Battery", "SensorRange": [[0, 100]]}])
}

fn pump(index: u32) -> Value {
    json!({
        "DeviceIndex": index, "DeviceName": "Pump", "DeviceDisplayName": "Blue", "DeviceMessageTimingGap": 0,
        "DeviceMessages": {
            "ScalarCmd": [
                actuator("Multi", "Constrict", 3), actuator("Multi", "Oscillate", 7), actuator("Multi", "Vibrate", 10),
            ],
            "StopDeviceCmd": {},
        },
    })
}

fn scalars(device: u32, scalars: Value) -> Value {
    json!({"DeviceIndex": device, "Scalars": scalars})
}

fn scalar(device: u32, index: u32, value: f64, kind: &str) -> Value {
    scalars(device, json!([{"Index": index, "Scalar": value, "ActuatorType": kind}]))
}

fn linear(device: u32, index: u32, position: f64) -> Value {
    json!({"DeviceIndex": device, "Vectors": [{"Index": index, "Duration": 100, "Position": position}]})
}

fn rotation(device: u32, index: u32, clockwise: bool) -> Value {
    json!({"DeviceIndex": device, "Rotations": [{"Index": index, "Speed": 0.5, "Clockwise": clockwise}]})
}

fn sensor(device: u32, kind: &str) -> Value {
    json!({"DeviceIndex": device, "SensorIndex": 0, "SensorType": kind})
}

#[test]
fn c71_c72_the_list_has_what_version_3_knows_and_no_key_too_many() {
    in_json(async |way| {
        let mut s3 = World::new(way).await.session(3).await;
        let expected = [
            json!({"DeviceIndex": 0, "DeviceName": "Twin", "DeviceMessageTimingGap": 0, "DeviceMessages": {
                "ScalarCmd": [actuator("Front", "Vibrate", 20), actuator("Rear", "Vibrate", 20)],
                "SensorReadCmd": battery("Cell"),
                "StopDeviceCmd": {},
            }}),
            json!({"DeviceIndex": 1, "DeviceName": "Spinner", "DeviceMessageTimingGap": 0, "DeviceMessages": {
                "ScalarCmd": [actuator("", "Vibrate", 20), actuator("", "Rotate", 20)],
                "RotateCmd": [actuator("", "Rotate", 20)],
                "SensorReadCmd": battery(""),
                "StopDeviceCmd": {},
            }}),
            json!({"DeviceIndex": 2, "DeviceName": "Stroker", "DeviceMessageTimingGap": 0, "DeviceMessages": {
                "ScalarCmd": [actuator("Shaft", "Position", 999)],
                "LinearCmd": [actuator("Shaft", "Position", 999)],
                "StopDeviceCmd": {},
            }}),
            pump(3),
        ];
        assert_eq!(s3.lists_in_order().await, expected);
    });
}

#[test]
fn c73_a_scalar_command_sets_each_output_to_its_own_value_rounded_up() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let both = json!([
            {"Index": 0, "Scalar": 0.51, "ActuatorType": "Vibrate"},
            {"Index": 1, "Scalar": 0.05, "ActuatorType": "Vibrate"},
        ]);
        s3.gets_ok("ScalarCmd", scalars(0, both)).await;
        world.reaches_hw(0, 0, Vibrate, 11).await;
        world.reaches_hw(0, 1, Vibrate, 1).await;
    });
}

#[test]
fn c74_whatever_is_more_than_next_to_nothing_moves() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        for (value, steps) in [(0.001, 1), (0.000_000_1, 0), (0.0501, 2), (1.0, 20)] {
            s3.gets_ok("ScalarCmd", scalar(0, 0, value, "Vibrate")).await;
            world.reaches_hw(0, 0, Vibrate, steps).await;
        }
        s3.gets_ok("ScalarCmd", scalars(0, json!([{"Index": 0, "Scalar": 0, "ActuatorType": "Vibrate"}])))
            .await;
        world.reaches_hw(0, 0, Vibrate, 0).await;
    });
}

#[test]
fn c75_a_scalar_command_that_does_not_fit_the_list_is_refused() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let cases = [
            (scalar(0, 0, 1.5, "Vibrate"), 4),
            (scalar(0, 0, -0.1, "Vibrate"), 4),
            (scalar(0, 9, 0.5, "Vibrate"), 4),
            (scalar(0, 0, 0.5, "Rotate"), 4),
            (scalar(0, 0, 0.5, "Inflate"), 4),
            (scalar(9, 0, 0.5, "Vibrate"), 4),
            (scalars(0, json!([{"Index": 0, "ActuatorType": "Vibrate"}])), 3),
            (scalars(0, json!([])), 3),
        ];
        for (fields, code) in cases {
            s3.gets_error("ScalarCmd", fields, code).await;
        }
        assert_eq!(world.told(0), [""; 0]);
    });
}

#[test]
fn c76_one_bad_value_spoils_the_whole_command() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let good_and_bad = json!([
            {"Index": 0, "Scalar": 0.25, "ActuatorType": "Vibrate"},
            {"Index": 9, "Scalar": 0.5, "ActuatorType": "Vibrate"},
        ]);
        s3.gets_error("ScalarCmd", scalars(0, good_and_bad), 4).await;
        s3.gets_ok("ScalarCmd", scalar(0, 1, 0.05, "Vibrate")).await;
        world.reaches_hw(0, 1, Vibrate, 1).await;
        assert_eq!(world.told(0), ["1 Vibrate 1"]);
    });
}

#[test]
fn c77_the_outputs_of_one_feature_have_their_own_indexes_by_kind() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        s3.gets_ok("ScalarCmd", scalar(3, 0, 0.34, "Constrict")).await;
        world.reaches_hw(3, 0, Constrict, 2).await;
        s3.gets_ok("ScalarCmd", scalar(3, 2, 0.35, "Vibrate")).await;
        world.reaches_hw(3, 0, Vibrate, 4).await;
    });
}

#[test]
fn c78_a_scalar_command_moves_to_a_position() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        s3.gets_ok("ScalarCmd", scalar(2, 0, 0.5, "Position")).await;
        world.reaches_hw(2, 0, Position, 500).await;
    });
}

#[test]
fn c79_a_linear_command_rounds_down_and_refuses_what_is_out_of_range() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        for (position, steps) in [(0.5, 499), (0.001, 0), (0.0011, 1), (1.0, 999)] {
            s3.gets_ok("LinearCmd", linear(2, 0, position)).await;
            world.reaches_hw_timed(2, 0, HwPositionWithDuration, steps, 100).await;
        }
        s3.gets_error("LinearCmd", linear(2, 0, 1.1), 3).await;
        s3.gets_error("LinearCmd", linear(2, 1, 0.5), 4).await;
        s3.gets_error("LinearCmd", linear(0, 0, 0.5), 4).await;
        s3.gets_ok("LinearCmd", json!({"DeviceIndex": 2, "Vectors": []})).await;
        assert_eq!(world.told(2).len(), 4);
    });
}

#[test]
fn c80_a_rotation_has_a_direction() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        for (clockwise, steps) in [(true, 10), (false, -10)] {
            s3.gets_ok("RotateCmd", rotation(1, 0, clockwise)).await;
            world.reaches_hw(1, 1, Rotate, steps).await;
        }
        s3.gets_error("RotateCmd", rotation(1, 1, true), 4).await;
        s3.gets_error("RotateCmd", rotation(3, 0, true), 4).await;
    });
}

#[test]
fn c81_a_battery_can_be_read_where_there_is_one() {
    in_json(async |way| {
        let mut s3 = World::new(way).await.session(3).await;
        let id = s3.says_message("SensorReadCmd", sensor(0, "Battery")).await;
        assert_eq!(
            s3.hears().await,
            json!({"SensorReading": {
                "Id": id, "DeviceIndex": 0, "SensorIndex": 0, "SensorType": "Battery", "Data": [85],
            }})
        );
        s3.gets_error("SensorReadCmd", sensor(0, "RSSI"), 4).await;
        s3.gets_error("SensorReadCmd", sensor(2, "Battery"), 4).await;
    });
}

#[test]
fn c82_no_sensor_can_be_subscribed() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        for (name, fields) in [
            ("SensorSubscribeCmd", sensor(3, "Pressure")),
            ("SensorSubscribeCmd", sensor(0, "Battery")),
            ("SensorUnsubscribeCmd", sensor(3, "Pressure")),
            ("SensorUnsubscribeCmd", sensor(0, "Battery")),
        ] {
            s3.gets_error(name, fields, 4).await;
        }
        world.pressure_is_wanted(false).await;
    });
}

#[test]
fn c83_version_3_may_vibrate_in_the_words_of_version_2() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let fields = json!({"DeviceIndex": 1, "Speeds": [{"Index": 0, "Speed": 0.35}]});
        s3.gets_ok("VibrateCmd", fields).await;
        world.reaches_hw(1, 0, Vibrate, 7).await;
    });
}

#[test]
fn c84_messages_of_other_versions_are_refused() {
    in_json(async |way| {
        let mut s3 = World::new(way).await.session(3).await;
        s3.gets_error("OutputCmd", drive(0, 0, "Vibrate", 5), 3).await;
        s3.gets_error("BatteryLevelCmd", json!({"DeviceIndex": 0}), 3).await;
        let raw = json!({"DeviceIndex": 0, "Endpoint": "tx", "Data": [1, 255], "WriteWithResponse": false});
        s3.gets_error("RawWriteCmd", raw, 3).await;
    });
}

#[test]
fn c85_stop_reaches_one_device_or_all_and_what_the_client_does_not_see() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        for output in [(1, 0, Vibrate, 5), (1, 1, Rotate, -6), (0, 0, Vibrate, 10), (3, 5, Led, 1)] {
            world.sets(&mut s4, output).await;
        }
        let mut s3 = world.session(3).await;
        s3.gets_ok("StopDeviceCmd", json!({"DeviceIndex": 1})).await;
        assert_eq!([world.hw(1, 0, Vibrate), world.hw(1, 1, Rotate), world.hw(0, 0, Vibrate)], [0, 0, 10]);
        s3.gets_error("StopDeviceCmd", json!({"DeviceIndex": 66}), 4).await;
        s3.gets_ok("StopAllDevices", json!({})).await;
        assert!(world.is_at_rest());
    });
}

#[test]
fn c86_a_device_that_comes_or_goes_is_an_event_of_its_own() {
    in_json(async |way| {
        let mut world = World::empty(way).await;
        world.add("twin").await;
        let mut s3 = world.session(3).await;
        s3.hears_nothing().await;
        world.add("pump").await;
        let mut added = pump(1);
        added["Id"] = 0.into();
        assert_eq!(s3.hears().await, json!({"DeviceAdded": added}));
        world.devices[1].vanish();
        assert_eq!(s3.hears().await, json!({"DeviceRemoved": {"Id": 0, "DeviceIndex": 1}}));
        s3.hears_nothing().await;
    });
}

#[test]
fn c87_a_reading_that_others_subscribed_is_nothing_to_version_3() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s3 = world.session(3).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("InputCmd", input(3, 6, "Pressure", "Subscribe")).await;
        world.devices[3].set_pressure(212);
        assert_eq!(s4.hears().await["InputReading"]["Reading"], json!({"Pressure": {"Value": 212}}));
        s3.hears_nothing().await;
    });
}
