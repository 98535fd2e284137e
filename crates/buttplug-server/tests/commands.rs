//! The walk of a command from a client's frame to the device, and what goes wrong on the way.

mod rig;

use buttplug_core::connector::CloseReason;
use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, Rotator, Stroker, TwoMotorVibrator};
use buttplug_protocols::frame::{Endpoint, Frame};
use rig::{HANDSHAKE, Rig, error_code, output, settle, sleep_ms, within};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_device_at_rest_is_written_at_once_and_a_busy_one_gets_the_newest_value_per_gap() {
    let rig = Rig::with(&[OneMotorVibrator], Duration::from_millis(75), |builder| builder).await;
    let mut client = rig.client().await;
    for value in 1..=10 {
        client.sets(0, 0, "Vibrate", value).await;
        sleep_ms(10).await;
    }
    sleep_ms(500).await;
    client.sets(0, 0, "Vibrate", 20).await;
    settle().await;
    assert_eq!(
        rig.told(0),
        ["0 ms: 0 Vibrate 1", "75 ms: 0 Vibrate 8", "150 ms: 0 Vibrate 10", "600 ms: 0 Vibrate 20"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_arrives_together_goes_out_together() {
    let rig = Rig::with(&[TwoMotorVibrator], Duration::from_millis(75), |builder| builder).await;
    let mut client = rig.client().await;
    let vibrate = |value: i32| format!(r#"{{"Vibrate":{{"Value":{value}}}}}"#);
    let one_frame =
        [output(1, 0, 0, &vibrate(3)), output(2, 0, 1, &vibrate(4)), output(3, 0, 0, &vibrate(9))];
    client.says(one_frame.join("").replace("][", ","));
    for id in 1..=3 {
        assert_eq!(client.hears().await, format!(r#"[{{"Ok":{{"Id":{id}}}}}]"#));
    }
    settle().await;
    assert_eq!(rig.told(0), ["0 ms: 0 Vibrate 9", "0 ms: 1 Vibrate 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_value_is_ok_and_not_written_again() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    assert_eq!(rig.told(0), ["0 ms: 0 Vibrate 5"]);
}

#[tokio::test(start_paused = true)]
async fn bad_commands_are_device_errors_and_nothing_moves() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    let cases = [
        (0, 0, "Vibrate", i32::MAX),
        (0, 0, "Vibrate", -1),
        (0, 0, "Rotate", 5),
        (0, 9, "Vibrate", 5),
        (9, 0, "Vibrate", 5),
        (1, 0, "Rotate", i32::MIN),
        (0, 0, "Inflate", 1),
        (0, 0, "vibrate", 1),
    ];
    for (device, feature, kind, value) in cases {
        let reply = client.tries(device, feature, kind, value).await;
        assert!(reply.contains("\"ErrorCode\":4"), "{kind} {value}: {reply}");
    }
    settle().await;
    assert_eq!(rig.devices[0].write_count() + rig.devices[1].write_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_timed_position_reaches_the_device_with_its_duration_inside_the_range() {
    let rig = Rig::new(&[Stroker]).await;
    let mut client = rig.client().await;
    client.asks(output(1, 0, 0, r#"{"HwPositionWithDuration":{"Value":50,"Duration":300}}"#)).await;
    settle().await;
    assert_eq!(rig.told(0), ["0 ms: 0 HwPositionWithDuration 50 in 300 ms"]);
    let reply = client
        .asks(output(2, 0, 0, r#"{"HwPositionWithDuration":{"Value":51,"Duration":4294967295}}"#))
        .await;
    assert_eq!(reply, r#"[{"Ok":{"Id":2}}]"#);
    for (command, code) in [
        (r#"{"HwPositionWithDuration":{"Value":50}}"#, 3),
        (r#"{"HwPositionWithDuration":{"Value":-1,"Duration":3}}"#, 3),
        (r#"{"HwPositionWithDuration":{"Value":2000000,"Duration":3}}"#, 4),
    ] {
        let reply = client.asks(output(3, 0, 0, command)).await;
        assert_eq!(error_code(&reply, 3), Some(code), "{command}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_tried_again_with_the_newest_value() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    rig.devices[0].fail_writes(true);
    client.sets(0, 0, "Vibrate", 5).await;
    client.sets(0, 1, "Vibrate", 6).await;
    sleep_ms(60).await;
    client.sets(0, 0, "Vibrate", 7).await;
    rig.devices[0].fail_writes(false);
    sleep_ms(1000).await;
    assert_eq!(rig.told(0), ["150 ms: 0 Vibrate 7", "150 ms: 1 Vibrate 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_no_writes_leaves_the_list() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    rig.devices[0].fail_writes(true);
    client.sets(0, 0, "Vibrate", 5).await;
    assert_eq!(client.hears().await, r#"[{"DeviceList":{"Id":0,"Devices":{}}}]"#);
    let reply = client.tries(0, 0, "Vibrate", 6).await;
    assert!(reply.contains("\"ErrorCode\":4"), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_device_holds_up_nobody() {
    let rig = Rig::new(&[OneMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    rig.devices[0].slow_writes(Duration::from_secs(3));
    for value in 1..=20 {
        client.sets(0, 0, "Vibrate", value).await;
    }
    client.sets(1, 0, "Rotate", 4).await;
    settle().await;
    assert_eq!(rig.told(1), ["0 ms: 0 Rotate 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_device_leaves_the_list_and_comes_back_at_rest_under_its_index() {
    let mut rig = Rig::new(&[OneMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    rig.devices[0].vanish();
    let list = client.hears().await;
    assert!(
        list.starts_with(r#"[{"DeviceList":{"Id":0,"Devices":{"1":"#)
            && !list.contains(r#""0":{"DeviceIndex""#),
        "{list}"
    );
    rig.devices[0].forget_writes();
    rig.devices[0].reappear();
    rig.find().await;
    let list = client.hears().await;
    assert!(list.contains(r#""0":{"DeviceIndex":0"#) && list.contains(r#""1":{"DeviceIndex":1"#), "{list}");
    sleep_ms(1000).await;
    // It may have gone on with what it was told last, so it is told to rest, and nothing else.
    let writes: Vec<_> = rig.devices[0].writes().into_iter().map(|write| write.frame).collect();
    assert_eq!(writes, [Frame::new(Endpoint::Tx, b"0 Vibrate 0")]);
    let third = rig.add(OneMotorVibrator).await;
    assert!(third.is_connected());
    assert!(client.hears().await.contains(r#""2":{"DeviceIndex":2"#));
}

#[tokio::test(start_paused = true)]
async fn lists_are_events_only_after_the_handshake_and_only_when_something_changed() {
    let mut rig = Rig::new(&[]).await;
    let mut stranger = rig.stranger();
    rig.add(OneMotorVibrator).await;
    assert_eq!(stranger.heard().await, Vec::<String>::new());
    stranger.asks(HANDSHAKE).await;
    assert_eq!(stranger.heard().await, Vec::<String>::new());
    let list = stranger.asks(r#"[{"RequestDeviceList":{"Id":2}}]"#).await;
    assert!(list.contains(r#""Id":2,"Devices":{"0":"#), "{list}");
    rig.add(Rotator).await;
    assert!(stranger.hears().await.contains(r#""Id":0,"Devices":{"0":"#));
    assert_eq!(stranger.heard().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn bad_frames_are_answered_and_the_session_goes_on() {
    let rig = Rig::new(&[]).await;
    let mut client = rig.client().await;
    for frame in ["hello", "[]", r#"{"Ping":{"Id":5}}"#, r#"[{"Ping":{"Id":0}}]"#, r#"[{"A":{},"B":{}}]"#] {
        assert_eq!(error_code(&client.asks(frame).await, 0), Some(3), "{frame}");
    }
    assert_eq!(error_code(&client.asks(r#"[{"Nonsense":{"Id":7}}]"#).await, 7), Some(3));
    client.says("");
    assert_eq!(client.asks(r#"[{"Ping":{"Id":9}}]"#).await, r#"[{"Ok":{"Id":9}}]"#);
    client.says(r#"[{"Ping":{"Id":5}},{"Nonsense":{"Id":6}},{"Ping":{"Id":7}}]"#);
    assert_eq!(client.hears().await, r#"[{"Ok":{"Id":5}}]"#);
    assert_eq!(error_code(&client.hears().await, 6), Some(3));
    assert_eq!(client.hears().await, r#"[{"Ok":{"Id":7}}]"#);
}

#[tokio::test(start_paused = true)]
async fn before_the_handshake_everything_is_a_handshake_error() {
    let rig = Rig::new(&[]).await;
    let mut stranger = rig.stranger();
    assert_eq!(error_code(&stranger.asks(r#"[{"Ping":{"Id":3}}]"#).await, 3), Some(1));
    assert_eq!(error_code(&stranger.asks("garbage").await, 0), Some(1));
    assert_eq!(error_code(&stranger.asks(r#"[{"VibrateCmd":{"Id":4}}]"#).await, 4), Some(1));
    let bad = r#"[{"RequestServerInfo":{"Id":5,"ClientName":null}}]"#;
    assert_eq!(error_code(&stranger.asks(bad).await, 5), Some(3));
    assert!(stranger.asks(HANDSHAKE).await.contains("ServerInfo"));
}

#[tokio::test(start_paused = true)]
async fn a_newer_client_is_told_and_sent_away_and_a_silent_one_too() {
    let rig = Rig::new(&[]).await;
    let mut stranger = rig.stranger();
    let reply = stranger.asks(HANDSHAKE.replace(r#"Major":4"#, r#"Major":5"#)).await;
    assert_eq!(error_code(&reply, 1), Some(1));
    stranger.hears_the_end().await;
    let mut silent = rig.stranger();
    let since = tokio::time::Instant::now();
    silent.hears_nothing_but_the_end().await;
    assert_eq!(since.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn clients_beyond_the_limit_are_turned_away_until_one_leaves() {
    for (limit, reason) in [(2, "2 clients are connected"), (1, "one at a time")] {
        let rig = Rig::with(&[OneMotorVibrator], Duration::ZERO, |builder| builder.max_clients(limit)).await;
        let mut clients = Vec::new();
        for _ in 0..limit {
            clients.push(rig.client().await);
        }
        let mut late = rig.stranger();
        let reply = late.asks(HANDSHAKE).await;
        assert!(error_code(&reply, 1) == Some(0) && reply.contains(reason), "{reply}");
        assert_eq!(late.hears_nothing_but_the_end().await, CloseReason::Full);
        let mut first = clients.remove(0);
        assert_eq!(first.asks(r#"[{"Disconnect":{"Id":2}}]"#).await, r#"[{"Ok":{"Id":2}}]"#);
        // Not even its connection is closed yet.
        rig.client().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_introduce_itself_takes_nobodys_place() {
    let rig = Rig::with(&[], Duration::ZERO, |builder| builder.max_clients(1)).await;
    let _silent = rig.stranger();
    let mut newer = rig.stranger();
    let reply = newer.asks(HANDSHAKE.replace(r#"Major":4"#, r#"Major":5"#)).await;
    assert_eq!(error_code(&reply, 1), Some(1));
    let mut odd = rig.stranger();
    odd.asks(HANDSHAKE.replace(r#""ProtocolVersionMajor":4"#, r#""MessageVersion":9"#)).await;
    rig.client().await;
    // There is an end to their number, too.
    let strangers: Vec<_> = std::iter::from_fn(|| rig.try_stranger().ok()).take(1000).collect();
    assert!(strangers.len() < 100, "{}", strangers.len());
}

#[tokio::test(start_paused = true)]
async fn scanning_ends_with_one_event_for_each_client_that_wanted_it() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let (mut alice, mut bob) = (rig.client().await, rig.client().await);
    alice.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    assert_eq!(alice.hears().await, r#"[{"ScanningFinished":{"Id":0}}]"#);
    assert_eq!(bob.heard().await, Vec::<String>::new());
    alice.asks(r#"[{"StopScanning":{"Id":3}}]"#).await;
    assert_eq!(alice.heard().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn without_buses_a_search_lasts_until_it_is_stopped() {
    let server = buttplug_server::Server::builder().start();
    let rig = Rig {
        server,
        bus: std::sync::Arc::new(buttplug_hardware_simulated::SimulatedBus::new([])),
        devices: vec![],
        start: tokio::time::Instant::now(),
    };
    let mut client = rig.client().await;
    assert_eq!(client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await, r#"[{"Ok":{"Id":2}}]"#);
    sleep_ms(10_000).await;
    assert_eq!(client.heard().await, Vec::<String>::new());
    client.says(r#"[{"StopScanning":{"Id":3}}]"#);
    assert_eq!(client.hears().await, r#"[{"Ok":{"Id":3}}]"#);
    assert_eq!(client.hears().await, r#"[{"ScanningFinished":{"Id":0}}]"#);
    within(rig.server.shut_down()).await;
}
