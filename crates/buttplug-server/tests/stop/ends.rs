//! The end of a client, of a part of the server, and of the server.

use crate::rig::{PANIC, Rig, error_code, settle, sleep_ms, within};
use crate::{OK, STOP};
use buttplug_core::connector::CloseReason;
use buttplug_hardware_simulated::Archetype::{Rotator, TwoMotorVibrator};
use buttplug_hardware_simulated::SimulatedDevice;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_client_stops_what_it_set_in_motion_and_nothing_else() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let (mut alice, mut bob) = (rig.client().await, rig.client().await);
    alice.sets(0, 0, "Vibrate", 9).await;
    bob.sets(0, 1, "Vibrate", 5).await;
    settle().await;
    alice.vanishes();
    settle().await;
    let values: Vec<_> = rig.devices[0].all_last().iter().map(|(.., told)| told.value).collect();
    assert_eq!(values, [0, 5]);
    drop(bob);
    settle().await;
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn the_last_writer_of_an_output_answers_for_it() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let (mut alice, mut bob) = (rig.client().await, rig.client().await);
    alice.sets(0, 0, "Vibrate", 9).await;
    bob.sets(0, 0, "Vibrate", 5).await;
    drop(alice);
    settle().await;
    assert!(!rig.devices[0].is_at_rest());
    drop(bob);
    settle().await;
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn disconnect_stops_then_answers_then_closes() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    assert_eq!(client.asks(r#"[{"Disconnect":{"Id":8}}]"#).await, r#"[{"Ok":{"Id":8}}]"#);
    assert!(rig.devices[0].is_at_rest());
    assert_eq!(client.hears_the_end().await, CloseReason::Done);
}

#[tokio::test(start_paused = true)]
async fn a_ping_timeout_stops_then_tells_then_closes() {
    let ping = |builder: buttplug_server::ServerBuilder| builder.max_ping_time(Duration::from_millis(500));
    let rig = Rig::with(&[TwoMotorVibrator], Duration::ZERO, ping).await;
    let mut client = rig.client().await;
    let opened = Instant::now();
    client.sets(0, 0, "Vibrate", 10).await;
    let error = client.hears().await;
    assert_eq!(opened.elapsed(), Duration::from_millis(500));
    assert_eq!(error_code(&error, 0), Some(2), "{error}");
    assert!(rig.devices[0].is_at_rest());
    assert_eq!(client.hears_the_end().await, CloseReason::Done);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_session_and_other_messages_do_not() {
    let ping = |builder: buttplug_server::ServerBuilder| builder.max_ping_time(Duration::from_millis(500));
    let rig = Rig::with(&[TwoMotorVibrator], Duration::ZERO, ping).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    for _ in 0..12 {
        sleep_ms(250).await;
        assert_eq!(client.asks(r#"[{"Ping":{"Id":5}}]"#).await, r#"[{"Ok":{"Id":5}}]"#);
    }
    assert!(!rig.devices[0].is_at_rest());
    for _ in 0..4 {
        sleep_ms(120).await;
        client.asks(r#"[{"RequestDeviceList":{"Id":6}}]"#).await;
    }
    assert_eq!(error_code(&client.hears().await, 0), Some(2));
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_the_server_is_too_busy_to_read_keeps_the_session() {
    let ping = |builder: buttplug_server::ServerBuilder| builder.max_ping_time(Duration::from_millis(500));
    let rig = Rig::with(&[TwoMotorVibrator], Duration::ZERO, ping).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    // More than is read at a time, and the ping is the last of it.
    for id in 1..=1000 {
        client.says(format!(r#"[{{"StopScanning":{{"Id":{id}}}}}]"#));
    }
    client.says(r#"[{"Ping":{"Id":1001}}]"#);
    // The whole process stands still for ten times the longest time between pings.
    tokio::time::advance(Duration::from_secs(5)).await;
    for id in 1..=1001 {
        assert_eq!(client.hears().await, format!(r#"[{{"Ok":{{"Id":{id}}}}}]"#));
    }
    assert!(!rig.devices[0].is_at_rest());
    assert_eq!(error_code(&client.hears().await, 0), Some(2));
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn shutdown_stops_closes_and_ends_in_order() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    client.sets(1, 0, "Rotate", -10).await;
    settle().await;
    within(rig.server.shut_down()).await;
    for device in &rig.devices {
        assert!(device.is_at_rest());
        assert!(!device.is_connected());
    }
    assert_eq!(client.hears_the_end().await, CloseReason::GoingAway);
    assert!(rig.try_stranger().is_err());
    assert!(rig.server.devices().is_empty());
    within(rig.server.shut_down()).await;
}

#[tokio::test(start_paused = true)]
async fn during_shutdown_only_stops_are_taken() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    settle().await;
    rig.devices[0].slow_writes(Duration::from_millis(300));
    let server = rig.server.clone();
    let shutdown = tokio::spawn(async move { server.shut_down().await });
    settle().await;
    let reply = client.tries(0, 0, "Vibrate", 15).await;
    assert!(reply.contains("\"ErrorCode\":0"), "{reply}");
    assert_eq!(client.asks(r#"[{"StopCmd":{"Id":40,"Outputs":false}}]"#).await, OK);
    client.says(STOP);
    within(shutdown).await.expect("shutdown ends");
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn stop_all_devices_of_the_server_does_not_ask_whose_they_are() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 1, "Vibrate", 10).await;
    settle().await;
    rig.server.stop_all_devices().await;
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_server_at_rest_moves_no_device_and_does_everything_else_until_it_goes_on() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 10).await;
    settle().await;
    rig.server.rest().await;
    assert!(rig.devices[0].is_at_rest());
    let reply = client.tries(0, 0, "Vibrate", 15).await;
    assert!(reply.contains("\"ErrorCode\":0") && reply.contains("about to sleep"), "{reply}");
    assert_eq!(client.asks(STOP).await, OK);
    assert_eq!(client.asks(r#"[{"Ping":{"Id":40}}]"#).await, OK);
    let mut newcomer = rig.client().await;
    assert!(newcomer.tries(0, 0, "Vibrate", 15).await.contains("about to sleep"));
    sleep_ms(10_000).await;
    assert!(rig.devices[0].is_at_rest());
    rig.server.go_on();
    settle().await;
    assert!(rig.devices[0].is_at_rest(), "nothing moves by itself");
    client.sets(0, 0, "Vibrate", 15).await;
    settle().await;
    assert!(!rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_while_it_is_at_rest_is_not_woken_again() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    rig.server.rest().await;
    within(rig.server.shut_down()).await;
    rig.server.go_on();
    assert_eq!(client.hears_the_end().await, CloseReason::GoingAway);
    assert!(rig.try_stranger().is_err());
    rig.server.rest().await;
    assert!(rig.try_stranger().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_devices_task_stops_that_device_and_touches_no_other() {
    let mut rig = Rig::new(&[Rotator]).await;
    let fragile = SimulatedDevice::new(TwoMotorVibrator, "fragile").with_responder(|frame| {
        assert_ne!(&frame.data[..], b"0 Vibrate 13", "on purpose");
        Vec::new()
    });
    let fragile = rig.add_device(fragile).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Rotate", 5).await;
    client.sets(1, 1, "Vibrate", 7).await;
    settle().await;
    client.sets(1, 0, "Vibrate", 13).await;
    let list = client.hears().await;
    assert!(list.contains(r#""0":{"DeviceIndex":0"#) && !list.contains(r#""1":{"DeviceIndex":1"#), "{list}");
    assert!(fragile.is_at_rest());
    assert!(!rig.devices[0].is_at_rest());
    client.sets(0, 0, "Rotate", 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_followed_by_a_disconnect_is_answered_first() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].slow_writes(Duration::from_millis(100));
    client.says(format!("{STOP}{}", r#"[{"Disconnect":{"Id":8}}]"#).replace("][", ","));
    assert_eq!(client.hears().await, OK);
    assert!(rig.devices[0].is_at_rest());
    assert_eq!(client.hears().await, r#"[{"Ok":{"Id":8}}]"#);
}

#[tokio::test(start_paused = true)]
async fn shutdown_tries_again_where_a_zero_was_refused() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    let server = rig.server.clone();
    let shutdown = tokio::spawn(async move { server.shut_down().await });
    sleep_ms(1200).await;
    rig.devices[0].fail_writes(false);
    within(shutdown).await.expect("shutdown ends");
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_nobody_waits_for_goes_on() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].slow_writes(Duration::from_millis(300));
    let impatient = tokio::time::timeout(Duration::from_millis(100), rig.server.shut_down()).await;
    assert!(impatient.is_err());
    within(rig.server.shut_down()).await;
    assert!(rig.devices[0].is_at_rest());
    assert!(!rig.devices[0].is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_session_stops_what_its_client_set_in_motion() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    client.says(PANIC);
    within(rig.devices[0].wait_for(SimulatedDevice::is_at_rest)).await;
    rig.client().await.sets(0, 0, "Vibrate", 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_refuses_everything_does_not_hold_up_a_shutdown_or_the_others() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    client.sets(1, 0, "Rotate", 9).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    let begun = Instant::now();
    within(rig.server.shut_down()).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(rig.devices[1].is_at_rest());
    assert!(!rig.devices[0].is_connected());
}
