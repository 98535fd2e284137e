//! Statements C42 to C45: whatever way a client goes, its devices stand still.

use crate::frames::input;
use crate::transport::{in_json, on_every_way};
use crate::world::World;
use buttplug::core::OutputKind::{Rotate, Vibrate};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn c42_disconnect_is_ok_once_the_devices_stand_still_and_ends_the_connection() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        s4.says(r#"[{"Disconnect":{"Id":8}}]"#).await;
        s4.hears_ok(8).await;
        assert_eq!(world.hw(0, 0, Vibrate), 0);
        assert_eq!(s4.hears_the_end().await, 1000);
    });
}

#[test]
fn c43_the_devices_of_a_lost_client_stand_still_within_a_second_and_keep_their_indexes() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        let start = Instant::now();
        s4.vanishes();
        world.reaches_hw(0, 0, Vibrate, 0).await;
        assert!(start.elapsed() <= Duration::from_secs(1) + way.slack());
        let list = world.session(4).await.lists().await;
        assert_eq!((&list["0"]["DeviceName"], &list["0"]["DeviceIndex"]), (&"Twin".into(), &0.into()));
    });
}

#[test]
fn c44_a_lost_client_is_subscribed_to_nothing() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        s4.gets_ok("InputCmd", input(3, 6, "Pressure", "Subscribe")).await;
        world.pressure_is_wanted(true).await;
        s4.vanishes();
        world.pressure_is_wanted(false).await;
    });
}

#[test]
fn c45_version_4_may_stop_everything_in_the_words_of_version_3() {
    in_json(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        world.sets(&mut s4, (1, 1, Rotate, -6)).await;
        s4.says(r#"[{"StopAllDevices":{"Id":3}}]"#).await;
        s4.hears_ok(3).await;
        assert!(world.is_at_rest());
        world.sets(&mut s4, (0, 0, Vibrate, 10)).await;
        world.sets(&mut s4, (1, 1, Rotate, -6)).await;
        s4.gets_ok("StopDeviceCmd", json!({"DeviceIndex": 1})).await;
        assert_eq!((world.hw(0, 0, Vibrate), world.hw(1, 1, Rotate)), (10, 0));
    });
}
