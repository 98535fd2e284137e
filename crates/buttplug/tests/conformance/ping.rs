//! Statements C33 to C38: the watchdog, which wants to hear from a client.

use crate::client::Client;
use crate::frames::error_code;
use crate::transport::{Transport, in_json, on_every_way};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const MAX_PING: Duration = Duration::from_millis(500);

/// A handshake and what sets devices in motion, in one frame, so that a busy machine can't come between.
const HANDSHAKE_AND_MOTION: &str = r#"[
    {"RequestServerInfo":{"Id":1,"ClientName":"Statement","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}},
    {"OutputCmd":{"Id":2,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":10}}}},
    {"OutputCmd":{"Id":3,"DeviceIndex":1,"FeatureIndex":1,"Command":{"Rotate":{"Value":-6}}}},
    {"InputCmd":{"Id":4,"DeviceIndex":3,"FeatureIndex":6,"Type":"Pressure","Command":"Subscribe"}}
]"#;

async fn world(way: Transport) -> World {
    World::with_max_ping(way, 500).await
}

/// Opens a session that drives D0 and D1 and has subscribed D3.
async fn session_in_motion(world: &World) -> Client {
    let mut client = world.stranger().await;
    client.says(HANDSHAKE_AND_MOTION).await;
    assert_eq!(client.hears().await["ServerInfo"]["MaxPingTime"], 500);
    for id in 2..=4 {
        client.hears_ok(id).await;
    }
    client
}

/// Checks that this came of silence since `start`, and that it is the end.
async fn is_the_timeout(way: Transport, message: &Value, start: Instant, client: &mut Client) {
    assert_eq!(error_code(message, 0), 2, "{message}");
    let (earliest, latest) = (MAX_PING, if way == Transport::Socket { 2 * MAX_PING } else { MAX_PING });
    let time = start.elapsed();
    assert!(time >= earliest && time <= latest + way.slack(), "after {time:?}");
    assert_eq!(client.hears_the_end().await, 1000);
}

/// The devices have moved and stand still again.
fn has_stopped(world: &World) {
    for (device, told) in [(0, "0 Vibrate 10"), (1, "1 Rotate -6")] {
        let writes = world.told(device);
        assert!(writes.iter().any(|write| write == told), "D{device}: {writes:?}");
    }
    assert!(world.is_at_rest());
}

#[test]
fn c33_a_ping_without_watchdog_is_ok() {
    on_every_way(async |way| {
        let mut s4 = World::empty(way).await.session(4).await;
        s4.says(r#"[{"Ping":{"Id":3}}]"#).await;
        s4.hears_ok(3).await;
    });
}

#[test]
fn c34_a_silent_client_is_cut_off_and_its_devices_stand_still_before_it_knows() {
    on_every_way(async |way| {
        let world = world(way).await;
        let start = Instant::now();
        let mut s4 = session_in_motion(&world).await;
        let last_words = s4.hears().await;
        has_stopped(&world);
        is_the_timeout(way, &last_words, start, &mut s4).await;
        world.pressure_is_wanted(false).await;
    });
}

#[test]
fn c35_pings_at_half_the_time_keep_a_session_alive() {
    on_every_way(async |way| {
        let world = world(way).await;
        // A machine so busy that the test itself pings too late proves nothing: then the test starts over.
        for _ in 0..20 {
            if pings_for_three_seconds(&mut world.session(4).await).await {
                return;
            }
        }
        panic!("this machine is too busy to ping in time");
    });
}

/// False: a ping was too late to expect anything of it. An answer other than `Ok` fails.
async fn pings_for_three_seconds(client: &mut Client) -> bool {
    let start = Instant::now();
    let mut last = start;
    for round in 1..=12 {
        sleep_until(start + round * MAX_PING / 2).await;
        if last.elapsed() >= MAX_PING * 9 / 10 {
            return false;
        }
        last = Instant::now();
        client.gets_ok("Ping", json!({})).await;
    }
    true
}

#[test]
fn c36_only_pings_count_as_pings() {
    on_every_way(async |way| {
        let world = world(way).await;
        let start = Instant::now();
        let mut s4 = session_in_motion(&world).await;
        let last_words = loop {
            assert!(start.elapsed() < 2 * MAX_PING + way.slack(), "other messages keep the session alive");
            let id = s4.says_message("StopScanning", json!({})).await;
            let answer = s4.hears().await;
            if answer != json!({"Ok": {"Id": id}}) {
                break answer;
            }
            if let Some(message) = s4.hears_within(Duration::from_millis(100)).await {
                break message;
            }
        };
        has_stopped(&world);
        is_the_timeout(way, &last_words, start, &mut s4).await;
    });
}

#[test]
fn c37_an_old_client_gets_the_same_error() {
    in_json(async |way| {
        let world = world(way).await;
        for version in 0..=3 {
            let start = Instant::now();
            let mut old = world.session(version).await;
            let last_words = old.hears().await;
            is_the_timeout(way, &last_words, start, &mut old).await;
        }
    });
}

#[test]
fn c38_the_watchdog_waits_for_the_handshake() {
    on_every_way(async |way| {
        let world = world(way).await;
        let mut s0 = world.stranger().await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(s0.introduces_itself(4).await["ServerInfo"]["MaxPingTime"], 500);
    });
}
