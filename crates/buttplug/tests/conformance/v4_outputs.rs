//! Statements C50 to C60: what an `OutputCmd` of version 4 does.

use crate::frames::{drive, output};
use crate::transport::{in_json, on_every_way};
use crate::world::World;
use buttplug::core::OutputKind::{HwPositionWithDuration, Position, Rotate, Vibrate};
use serde_json::{Value, json};

#[test]
fn c50_an_output_moves_one_motor_and_leaves_the_other() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        s4.gets_ok("OutputCmd", drive(0, 1, "Vibrate", 14)).await;
        world.reaches_hw(0, 1, Vibrate, 14).await;
        assert_eq!(world.told(0), ["0 Vibrate 10", "1 Vibrate 14"]);
    });
}

#[test]
fn c51_a_value_out_of_range_is_refused() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        for value in [21, -1] {
            s4.gets_error("OutputCmd", drive(0, 0, "Vibrate", value), 4).await;
        }
        s4.gets_ok("OutputCmd", drive(0, 0, "Vibrate", 0)).await;
        world.reaches_hw(0, 0, Vibrate, 0).await;
        assert_eq!(world.told(0), ["0 Vibrate 10", "0 Vibrate 0"]);
    });
}

#[test]
fn c52_a_whole_number_may_be_written_with_a_point() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("OutputCmd", drive(0, 0, "Vibrate", 10.0)).await;
        world.reaches_hw(0, 0, Vibrate, 10).await;
        s4.gets_error("OutputCmd", drive(0, 0, "Vibrate", 10.5), 3).await;
        s4.gets_error("OutputCmd", drive(0, 0, "Vibrate", "10"), 3).await;
    });
}

#[test]
fn c53_a_rotation_has_its_direction_in_its_sign() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("OutputCmd", drive(1, 1, "Rotate", -6)).await;
        world.reaches_hw(1, 1, Rotate, -6).await;
        s4.gets_error("OutputCmd", drive(1, 1, "Rotate", -21), 4).await;
    });
}

#[test]
fn c54_what_a_device_does_not_have_is_refused() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        for fields in [drive(0, 0, "Rotate", 5), drive(0, 9, "Vibrate", 5), drive(9, 0, "Vibrate", 5)] {
            s4.gets_error("OutputCmd", fields, 4).await;
        }
    });
}

#[test]
fn c55_a_command_is_one_output_that_exists() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        let cases = [
            (json!({}), 3),
            (json!({"Vibrate": {"Value": 1}, "Rotate": {"Value": 1}}), 3),
            (json!({"Inflate": {"Value": 1}}), 4),
            (json!({"vibrate": {"Value": 1}}), 4),
        ];
        for (command, code) in cases {
            s4.gets_error("OutputCmd", output(0, 0, command), code).await;
        }
    });
}

#[test]
fn c56_a_timed_position_has_a_value_and_a_duration_which_is_moved_into_its_range() {
    fn timed(value: impl Into<Value>, duration: u32) -> Value {
        output(2, 0, json!({"HwPositionWithDuration": {"Value": value.into(), "Duration": duration}}))
    }
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("OutputCmd", timed(750, 300)).await;
        world.reaches_hw_timed(2, 0, HwPositionWithDuration, 750, 300).await;
        s4.gets_error("OutputCmd", timed(1000, 300), 4).await;
        s4.gets_error("OutputCmd", drive(2, 0, "HwPositionWithDuration", 750), 3).await;
        s4.gets_error("OutputCmd", timed(-1, 300), 3).await;
        s4.gets_ok("OutputCmd", timed(10, 200_000)).await;
        world.reaches_hw_timed(2, 0, HwPositionWithDuration, 10, 99_999).await;
    });
}

#[test]
fn c57_a_position_has_no_negative_side() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("OutputCmd", drive(2, 0, "Position", 10)).await;
        world.reaches_hw(2, 0, Position, 10).await;
        s4.gets_error("OutputCmd", drive(2, 0, "Position", -10), 4).await;
    });
}

#[test]
fn c58_c59_a_value_in_an_array_and_a_surplus_duration_are_tolerated() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("OutputCmd", output(0, 0, json!({"Vibrate": {"Value": [7]}}))).await;
        world.reaches_hw(0, 0, Vibrate, 7).await;
        s4.gets_ok("OutputCmd", output(0, 0, json!({"Vibrate": {"Value": 5, "Duration": 3}}))).await;
        world.reaches_hw(0, 0, Vibrate, 5).await;
    });
}

#[test]
fn c60_a_value_is_written_once_however_often_it_is_said() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 7)).await;
        s4.gets_ok("OutputCmd", drive(0, 0, "Vibrate", 7)).await;
        world.sets(&mut s4, (0, 1, Vibrate, 1)).await;
        assert_eq!(world.told(0), ["0 Vibrate 7", "1 Vibrate 1"]);
    });
}
