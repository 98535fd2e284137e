//! Statements C1 to C17: what a frame is, and what answers one that is none.

use crate::frames::{drive, input, message};
use crate::transport::{in_json, on_a_socket, on_every_way};
use crate::world::World;
use serde_json::json;

#[test]
fn c1_the_greatest_id_comes_back() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"RequestDeviceList":{"Id":4294967295}}]"#).await;
        assert_eq!(s4.hears().await["DeviceList"]["Id"], 4_294_967_295_u32);
    });
}

#[test]
fn c2_two_messages_in_a_frame_get_a_frame_each() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":5}},{"StopScanning":{"Id":6}}]"#).await;
        s4.hears_ok(5).await;
        s4.hears_ok(6).await;
    });
}

#[test]
fn c3_several_arrays_in_a_frame_are_one() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":5}}][{"Ping":{"Id":6}}]"#).await;
        s4.hears_ok(5).await;
        s4.hears_ok(6).await;
    });
}

#[test]
fn c4_c5_c6_c8_c9_c10_what_is_no_message_with_an_id_gets_an_error_without_one() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        for frame in [
            "[]",
            "hello",
            r#"{"Ping":{"Id":5}}"#,
            r#"[{"Ping":{"Id":5},"StopScanning":{"Id":6}}]"#,
            r#"[{"Ping":{"Id":0}}]"#,
            r#"[{"Ping":{"Id":-1}}]"#,
            r#"[{"Ping":{"Id":"4"}}]"#,
            r#"[{"Ping":{"Id":4294967296}}]"#,
            r#"[{"Ping":{}}]"#,
        ] {
            s4.says(frame).await;
            s4.hears_error(0, 3).await;
            s4.says(r#"[{"Ping":{"Id":9}}]"#).await;
            s4.hears_ok(9).await;
        }
    });
}

#[test]
fn c7_a_binary_frame_does_nothing() {
    on_a_socket(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says_in_binary(r#"[{"Ping":{"Id":5}}]"#).await;
        s4.says(r#"[{"Ping":{"Id":6}}]"#).await;
        s4.hears_ok(6).await;
        s4.hears_nothing().await;
    });
}

#[test]
fn an_empty_frame_does_nothing() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says("").await;
        s4.hears_nothing().await;
    });
}

#[test]
fn c11_c12_a_name_that_no_client_says_gets_an_error_with_its_id() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        for frame in [r#"[{"Nonsense":{"Id":7}}]"#, r#"[{"Ok":{"Id":7}}]"#] {
            s4.says(frame).await;
            s4.hears_error(7, 3).await;
        }
        s4.hears_nothing().await;
    });
}

#[test]
fn c13_a_bad_message_does_not_spoil_its_neighbours() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":5}},{"Nonsense":{"Id":6}},{"Ping":{"Id":7}}]"#).await;
        s4.hears_ok(5).await;
        s4.hears_error(6, 3).await;
        s4.hears_ok(7).await;
    });
}

#[test]
fn c14_an_unknown_field_is_ignored() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":5,"Extra":1}}]"#).await;
        s4.hears_ok(5).await;
    });
}

#[test]
fn c15_the_order_of_keys_and_space_between_them_mean_nothing() {
    in_json(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        let mut fields = [
            r#""Id" : 5"#,
            r#""DeviceIndex": 0"#,
            r#""FeatureIndex" :1"#,
            "\"Command\"\n:\t{ \"Vibrate\" : { \"Value\" : 3 } }",
        ];
        for _ in 0..fields.len() {
            s4.says(&format!(" [\r\n{{ \"OutputCmd\" :\n {{ {} }} }}\t]\n", fields.join(" ,\n"))).await;
            s4.hears_ok(5).await;
            fields.rotate_left(1);
        }
    });
}

#[test]
fn c16_an_id_may_be_used_again() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":1}}]"#).await;
        s4.says(r#"[{"StopScanning":{"Id":1}}]"#).await;
        s4.hears_ok(1).await;
        s4.hears_ok(1).await;
    });
}

/// The client checks every frame that it hears in any test; here one of each kind is provoked in each version.
#[test]
fn c17_every_frame_of_the_server_is_one_message_in_an_array_without_null() {
    in_json(async |way| {
        for version in 0..=4 {
            let world = World::new(way).await;
            let mut client = world.session(version).await;
            client.lists().await;
            client.gets_error("Nonsense", json!({}), 3).await;
            client.gets_ok("StartScanning", json!({})).await;
            client.gets_ok("StopScanning", json!({})).await;
            assert_eq!(client.hears().await, json!({"ScanningFinished": {"Id": 0}}));
            match version {
                0 | 1 => drop(client.asks("Test", json!({"TestString": "abc"})).await),
                2 => drop(client.asks("BatteryLevelCmd", json!({"DeviceIndex": 0})).await),
                3 => {
                    let fields = json!({"DeviceIndex": 0, "SensorIndex": 0, "SensorType": "Battery"});
                    client.asks("SensorReadCmd", fields).await;
                }
                _ => {
                    client.asks("InputCmd", input(0, 2, "Battery", "Read")).await;
                    client.gets_error("OutputCmd", drive(9, 0, "Vibrate", 1), 4).await;
                }
            }
            world.devices[3].vanish();
            client.hears().await;
            world.devices[3].reappear();
            world.find().await;
            client.hears().await;
        }
    });
}

#[test]
fn c17_the_check_of_frames_finds_what_is_wrong() {
    assert_eq!(message(r#"[{"Ok":{"Id":5}}]"#), Ok(json!({"Ok": {"Id": 5}})));
    for bad in [
        "",
        "Ok",
        r#"{"Ok":{"Id":5}}"#,
        "[]",
        r#"[{"Ok":{"Id":5}},{"Ok":{"Id":6}}]"#,
        r#"[{"Ok":{"Id":5},"Error":{"Id":6}}]"#,
        r#"[{}]"#,
        r#"["Ok"]"#,
        r#"[{"Ok":5}]"#,
        r#"[{"Ok":{}}]"#,
        r#"[{"Ok":{"Id":"5"}}]"#,
        r#"[{"Ok":{"Id":null}}]"#,
        r#"[{"Log":{"Id":0,"Lines":[{"Text":null}]}}]"#,
        r#"[{"Ok": {"Id":5}}]"#,
    ] {
        assert!(message(bad).is_err(), "{bad}");
    }
}
