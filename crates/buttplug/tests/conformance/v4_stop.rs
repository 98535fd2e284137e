//! Statements C66 to C70: what a `StopCmd` of version 4 reaches.

use crate::frames::input;
use crate::transport::{in_json, on_every_way};
use crate::world::World;
use buttplug::core::OutputKind::{Led, Oscillate, Position, Rotate, Vibrate};
use serde_json::json;

#[test]
fn c66_stop_is_ok_when_everything_stands_still_and_moves_no_position() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        for output in [
            (0, 0, Vibrate, 10),
            (0, 1, Vibrate, 12),
            (1, 0, Vibrate, 5),
            (1, 1, Rotate, -6),
            (2, 0, Position, 500),
            (3, 0, Oscillate, 7),
            (3, 5, Led, 1),
        ] {
            world.sets(&mut s4, output).await;
        }
        s4.says(r#"[{"StopCmd":{"Id":1}}]"#).await;
        s4.hears_ok(1).await;
        assert!(world.is_at_rest());
        assert_eq!(world.told(2), ["0 Position 500"]);
    });
}

#[test]
fn c67_stop_of_a_feature_leaves_the_others_running() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (1, 0, Vibrate, 5)).await;
        world.sets(&mut s4, (1, 1, Rotate, -6)).await;
        s4.gets_ok("StopCmd", json!({"DeviceIndex": 1, "FeatureIndex": 1})).await;
        assert_eq!(world.told(1), ["0 Vibrate 5", "1 Rotate -6", "1 Rotate 0"]);
    });
}

#[test]
fn c68_stop_of_what_is_not_there_is_an_error() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.gets_error("StopCmd", json!({"DeviceIndex": 9}), 4).await;
        s4.gets_error("StopCmd", json!({"DeviceIndex": 0, "FeatureIndex": 9}), 4).await;
        s4.gets_error("StopCmd", json!({"FeatureIndex": 0}), 3).await;
    });
}

#[test]
fn c69_stop_of_inputs_only_leaves_outputs_running() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("InputCmd", input(3, 6, "Pressure", "Subscribe")).await;
        world.sets(&mut s4, (3, 0, Vibrate, 4)).await;
        s4.gets_ok("StopCmd", json!({"DeviceIndex": 3, "Outputs": false})).await;
        world.pressure_is_wanted(false).await;
        world.devices[3].set_pressure(212);
        s4.hears_nothing().await;
        assert_eq!(world.told(3), ["0 Vibrate 4"]);
    });
}

#[test]
fn c70_null_is_as_good_as_nothing() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        world.sets(&mut s4, (1, 1, Rotate, -6)).await;
        s4.gets_ok("StopCmd", json!({"DeviceIndex": null})).await;
        assert!(world.is_at_rest());
    });
}
