//! Statements C61 to C65: what an `InputCmd` of version 4 does.

use crate::frames::input;
use crate::transport::{in_json, on_every_way};
use crate::world::World;
use serde_json::{Value, json};

fn charge(id: u32) -> Value {
    json!({"InputReading": {"Id": id, "DeviceIndex": 0, "FeatureIndex": 2, "Reading": {"Battery": {"Value": 85}}}})
}

fn pressure(value: u32) -> Value {
    json!({"InputReading": {
        "Id": 0, "DeviceIndex": 3, "FeatureIndex": 6, "Reading": {"Pressure": {"Value": value}},
    }})
}

#[test]
fn c61_a_read_is_answered_by_the_reading() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        let mut fields = input(0, 2, "Battery", "Read");
        fields["Id"] = 33.into();
        s4.says(&json!([{"InputCmd": fields}]).to_string()).await;
        assert_eq!(s4.hears().await, charge(33));
    });
}

#[test]
fn c62_a_command_may_be_in_lower_case_a_type_may_not() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        let id = s4.says_message("InputCmd", input(0, 2, "Battery", "read")).await;
        assert_eq!(s4.hears().await, charge(id));
        s4.gets_error("InputCmd", input(0, 2, "battery", "Read"), 4).await;
    });
}

#[test]
fn c63_c65_only_what_is_listed_can_be_asked() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        for fields in [
            input(0, 2, "Battery", "Subscribe"),
            input(0, 0, "Battery", "Read"),
            input(3, 6, "Pressure", "Read"),
        ] {
            s4.gets_error("InputCmd", fields, 4).await;
        }
    });
}

#[test]
fn c64_each_report_is_one_reading_from_subscribe_to_unsubscribe() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        for value in [212, 213] {
            s4.gets_ok("InputCmd", input(3, 6, "Pressure", "Subscribe")).await;
            world.devices[3].set_pressure(value);
            assert_eq!(s4.hears().await, pressure(value.into()));
            s4.hears_nothing().await;
        }
        s4.gets_ok("InputCmd", input(3, 6, "Pressure", "Unsubscribe")).await;
        world.devices[3].set_pressure(214);
        s4.hears_nothing().await;
    });
}
