//! Statements C18 to C32: which version is spoken, and what is legal before that is clear.

use crate::frames::drive;
use crate::transport::{in_json, on_every_way};
use crate::world::World;
use serde_json::{Value, json};

/// Says a `RequestServerInfo` with id 1 and this version on a fresh connection and hears the answer.
async fn answer(world: &World, version: Value) -> Value {
    let mut s0 = world.stranger().await;
    s0.says(&request(1, version)).await;
    s0.hears().await
}

fn request(id: u32, mut fields: Value) -> String {
    fields["Id"] = id.into();
    fields["ClientName"] = "Statement".into();
    json!([{"RequestServerInfo": fields}]).to_string()
}

fn newest() -> Value {
    json!({"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0})
}

fn newest_info(id: u32) -> Value {
    json!({"ServerInfo": {
        "Id": id, "ServerName": "Bench", "MaxPingTime": 0, "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0,
    }})
}

#[test]
fn c18_c19_c20_versions_0_and_1_are_told_the_build_and_their_own_version() {
    in_json(async |way| {
        let world = World::empty(way).await;
        for (version, spoken) in
            [(json!({}), 0), (json!({"MessageVersion": 0}), 0), (json!({"MessageVersion": 1}), 1)]
        {
            let info = answer(&world, version).await;
            let number = |name: &str| {
                let number = info["ServerInfo"][name].as_u64();
                u32::try_from(number.unwrap_or_else(|| panic!("{name} of {info}"))).unwrap()
            };
            let expected = json!({"ServerInfo": {
                "Id": 1, "ServerName": "Bench", "MessageVersion": spoken, "MaxPingTime": 0,
                "MajorVersion": number("MajorVersion"), "MinorVersion": number("MinorVersion"),
                "BuildVersion": number("BuildVersion"),
            }});
            assert_eq!(info, expected);
        }
    });
}

#[test]
fn c21_c22_versions_2_and_3_are_told_their_own_version() {
    in_json(async |way| {
        let world = World::empty(way).await;
        for version in [2, 3] {
            assert_eq!(
                answer(&world, json!({"MessageVersion": version})).await,
                json!({"ServerInfo": {
                    "Id": 1, "ServerName": "Bench", "MessageVersion": version, "MaxPingTime": 0,
                }})
            );
        }
    });
}

#[test]
fn c23_c24_version_4_is_told_the_servers_own_minor_version() {
    on_every_way(async |way| {
        let world = World::empty(way).await;
        for minor in [0, 7] {
            let version = json!({"ProtocolVersionMajor": 4, "ProtocolVersionMinor": minor});
            assert_eq!(answer(&world, version).await, newest_info(1));
        }
    });
}

#[test]
fn c25_a_client_that_is_too_new_is_told_so_and_sent_away() {
    on_every_way(async |way| {
        let mut s0 = World::empty(way).await.stranger().await;
        s0.says(&request(1, json!({"ProtocolVersionMajor": 5, "ProtocolVersionMinor": 0}))).await;
        s0.hears_error(1, 1).await;
        assert_eq!(s0.hears_the_end().await, 1000);
    });
}

#[test]
fn c26_message_version_4_does_not_exist_and_the_client_may_try_again() {
    in_json(async |way| {
        let mut s0 = World::empty(way).await.stranger().await;
        s0.says(&request(1, json!({"MessageVersion": 4}))).await;
        s0.hears_error(1, 1).await;
        s0.says(&request(2, newest())).await;
        assert_eq!(s0.hears().await, newest_info(2));
    });
}

#[test]
fn c27_nothing_is_legal_before_the_handshake_which_may_still_come() {
    on_every_way(async |way| {
        let mut s0 = World::empty(way).await.stranger().await;
        s0.says(r#"[{"Ping":{"Id":3}}]"#).await;
        s0.hears_error(3, 1).await;
        s0.says(&request(1, newest())).await;
        assert_eq!(s0.hears().await, newest_info(1));
    });
}

#[test]
fn c28_a_second_handshake_is_refused_and_changes_nothing() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.says(&request(9, newest())).await;
        s4.hears_error(9, 1).await;
        s4.says(r#"[{"RequestDeviceList":{"Id":10}}]"#).await;
        assert_eq!(s4.hears().await["DeviceList"]["Id"], 10);
    });
}

#[test]
fn c29_a_client_name_may_be_empty_but_must_be_there() {
    in_json(async |way| {
        let mut s0 = World::empty(way).await.stranger().await;
        for without_name in [json!({"ClientName": null}), json!({})] {
            let mut fields = newest();
            fields.as_object_mut().unwrap().extend(without_name.as_object().unwrap().clone());
            fields["Id"] = 1.into();
            s0.says(&json!([{"RequestServerInfo": fields}]).to_string()).await;
            s0.hears_error(1, 3).await;
        }
        s0.says(r#"[{"Ping":{"Id":2}}]"#).await;
        s0.hears_error(2, 1).await;
        s0.says(
            r#"[{"RequestServerInfo":{"Id":3,"ClientName":"","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#,
        )
        .await;
        assert_eq!(s0.hears().await, newest_info(3));
    });
}

#[test]
fn c30_a_device_that_comes_before_the_handshake_is_no_event_but_in_the_list() {
    on_every_way(async |way| {
        let mut world = World::empty(way).await;
        let mut s0 = world.stranger().await;
        world.add("twin").await;
        s0.hears_nothing().await;
        s0.says(&request(1, newest())).await;
        assert_eq!(s0.hears().await, newest_info(1));
        s0.hears_nothing().await;
        assert_eq!(s0.lists().await["0"]["DeviceName"], "Twin");
    });
}

#[test]
fn c30_old_versions_do_not_hear_of_a_device_that_came_before_the_handshake_either() {
    in_json(async |way| {
        for version in 0..=3 {
            let mut world = World::empty(way).await;
            let mut s0 = world.stranger().await;
            world.add("twin").await;
            s0.hears_nothing().await;
            s0.introduces_itself(version).await;
            s0.hears_nothing().await;
            assert_eq!(s0.lists_in_order().await[0]["DeviceName"], "Twin");
        }
    });
}

#[test]
fn c31_after_the_handshake_the_server_waits_for_the_client() {
    in_json(async |way| {
        let world = World::new(way).await;
        for version in 0..=4 {
            world.session(version).await.hears_nothing().await;
        }
    });
    on_every_way(async |way| World::new(way).await.session(4).await.hears_nothing().await);
}

#[test]
fn c32_what_follows_the_handshake_in_its_frame_counts() {
    on_every_way(async |way| {
        let mut s0 = World::empty(way).await.stranger().await;
        let list = r#",{"RequestDeviceList":{"Id":2}}]"#;
        s0.says(&(request(1, newest()).trim_end_matches(']').to_owned() + list)).await;
        assert_eq!(s0.hears().await, newest_info(1));
        assert_eq!(s0.hears().await, json!({"DeviceList": {"Id": 2, "Devices": {}}}));
    });
}

#[test]
fn c32_what_follows_the_handshake_in_its_frame_is_read_in_the_version_just_agreed() {
    in_json(async |way| {
        let world = World::new(way).await;
        let vibrate =
            json!({"VibrateCmd": {"Id": 2, "DeviceIndex": 0, "Speeds": [{"Index": 0, "Speed": 0.5}]}});
        let output = json!({"OutputCmd": drive(0, 0, "Vibrate", 3)});
        for version in 0..=3 {
            let mut s0 = world.stranger().await;
            let hello = json!({"RequestServerInfo": {"Id": 1, "ClientName": "", "MessageVersion": version}});
            let mut output = output.clone();
            output["OutputCmd"]["Id"] = 3.into();
            s0.says(&json!([hello, vibrate, output]).to_string()).await;
            assert_eq!(s0.hears().await["ServerInfo"]["MessageVersion"], version);
            match version {
                0 => s0.hears_error(2, 3).await,
                _ => s0.hears_ok(2).await,
            }
            s0.hears_error(3, 3).await;
        }
    });
}

#[test]
fn a_version_can_be_asked_for_in_every_way_that_is_clear() {
    in_json(async |way| {
        let world = World::empty(way).await;
        for request in [
            json!({"ProtocolVersionMajor": 4}),
            json!({"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0, "MessageVersion": 3}),
        ] {
            assert_eq!(answer(&world, request).await, newest_info(1));
        }
        for version in 0..=3 {
            let by_major =
                answer(&world, json!({"ProtocolVersionMajor": version, "ProtocolVersionMinor": 0})).await;
            assert_eq!(by_major, answer(&world, json!({"MessageVersion": version})).await);
        }
    });
}
