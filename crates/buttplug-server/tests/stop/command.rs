//! What a client asks for.

use crate::rig::{Rig, error_code, input, lovense, output, settle, sleep_ms, texts, within};
use crate::{OK, STOP};
use buttplug_hardware_simulated::Archetype::{Rotator, Stroker, TwoMotorVibrator};
use buttplug_hardware_simulated::SimulatedDevice;
use buttplug_protocols::sighting::BusKind;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn stop_overtakes_a_waiting_gap() {
    let rig = Rig::with(&[TwoMotorVibrator], Duration::from_millis(100), |builder| builder).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 20).await;
    sleep_ms(10).await;
    client.sets(0, 0, "Vibrate", 50).await;
    sleep_ms(10).await;
    assert_eq!(client.asks(STOP).await, OK);
    sleep_ms(1000).await;
    assert_eq!(rig.told(0), ["0 ms: 0 Vibrate 20", "20 ms: 0 Vibrate 0", "20 ms: 1 Vibrate 0"]);
}

#[tokio::test(start_paused = true)]
async fn stop_writes_zeros_to_a_device_at_rest_again_and_again() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    for round in 1..=3 {
        assert_eq!(client.asks(STOP).await, OK);
        assert_eq!(rig.devices[0].write_count(), 2 * round);
    }
}

#[tokio::test(start_paused = true)]
async fn stop_answers_when_the_zeros_are_written() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].slow_writes(Duration::from_millis(200));
    let asked = Instant::now();
    assert_eq!(client.asks(STOP).await, OK);
    assert_eq!(asked.elapsed(), Duration::from_millis(400), "two zeros of 200 ms");
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn stop_answers_after_a_second_although_a_device_hangs_and_the_others_are_at_rest_at_once() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    client.sets(1, 0, "Rotate", -9).await;
    settle().await;
    rig.devices[0].slow_writes(Duration::from_millis(4000));
    let asked = Instant::now();
    client.says(STOP);
    within(rig.devices[1].wait_for(SimulatedDevice::is_at_rest)).await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(client.hears().await, OK);
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
    assert!(!rig.devices[0].is_at_rest());
    within(rig.devices[0].wait_for(SimulatedDevice::is_at_rest)).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_while_a_stop_waits() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    rig.devices[0].slow_writes(Duration::from_millis(4000));
    client.says(STOP);
    assert_eq!(client.asks(r#"[{"Ping":{"Id":5}}]"#).await, r#"[{"Ok":{"Id":5}}]"#);
    client.sets(1, 0, "Rotate", 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_stop_is_tried_until_it_is_written_and_answers_then() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    client.says(STOP);
    sleep_ms(120).await;
    assert!(client.heard().await.is_empty(), "answered before it was written");
    rig.devices[0].fail_writes(false);
    assert_eq!(client.hears().await, OK);
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_was_not_pressed_for_a_stop_is_pressed_when_writes_succeed_again() {
    let rig = Rig::playing(BusKind::Bluetooth).await;
    let machine = SimulatedDevice::bluetooth("fm", "FM-A");
    rig.bus.add(machine.clone());
    let mut client = rig.client().await;
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    // Connecting takes its time.
    sleep_ms(5000).await;
    assert!(client.heard().await.concat().contains("F-Machine Alpha"));
    let presses = || machine.writes().iter().filter(|write| write.frame.data[0] == 1).count();
    client.sets(0, 0, "Oscillate", 1).await;
    settle().await;
    assert_eq!(presses(), 1, "it is on");
    machine.fail_writes(true);
    client.says(STOP);
    sleep_ms(120).await;
    assert_eq!(presses(), 1);
    machine.fail_writes(false);
    assert_eq!(client.hears().await, OK);
    assert_eq!(presses(), 2, "it is off");
    assert_eq!(client.asks(STOP).await, OK);
    assert_eq!(presses(), 2, "it stays off");
}

#[tokio::test(start_paused = true)]
async fn positions_stay_where_they_are() {
    let rig = Rig::new(&[Stroker]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Position", 50).await;
    settle().await;
    let before = rig.devices[0].write_count();
    assert_eq!(client.asks(STOP).await, OK);
    sleep_ms(1000).await;
    assert_eq!(rig.devices[0].write_count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_exactly_its_scope() {
    let rig = Rig::new(&[TwoMotorVibrator, Rotator]).await;
    let mut client = rig.client().await;
    for feature in [0, 1] {
        client.sets(0, feature, "Vibrate", 9).await;
    }
    client.sets(1, 0, "Rotate", 9).await;
    settle().await;
    let value = |device: usize, feature| {
        let all = rig.devices[device].all_last();
        all.into_iter().find(|(index, ..)| index.0 == feature).map(|(.., told)| told.value)
    };
    client.asks(r#"[{"StopCmd":{"Id":1,"DeviceIndex":0,"FeatureIndex":1}}]"#).await;
    assert_eq!([value(0, 0), value(0, 1), value(1, 0)], [Some(9), Some(0), Some(9)]);
    client.asks(r#"[{"StopCmd":{"Id":2,"DeviceIndex":0}}]"#).await;
    assert_eq!([value(0, 0), value(0, 1), value(1, 0)], [Some(0), Some(0), Some(9)]);
    client.asks(r#"[{"StopCmd":{"Id":3,"DeviceIndex":1,"Outputs":false}}]"#).await;
    assert_eq!(value(1, 0), Some(9));
    client.asks(r#"[{"StopAllDevices":{"Id":4}}]"#).await;
    assert_eq!(value(1, 0), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_what_is_not_there_is_an_error() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    for scope in [r#","DeviceIndex":9"#, r#","DeviceIndex":0,"FeatureIndex":9"#] {
        let reply = client.asks(format!(r#"[{{"StopCmd":{{"Id":7{scope}}}}}]"#)).await;
        assert_eq!(error_code(&reply, 7), Some(4), "{reply}");
    }
    let reply = client.asks(r#"[{"StopCmd":{"Id":7,"FeatureIndex":0}}]"#).await;
    assert_eq!(error_code(&reply, 7), Some(3), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_commands_then_stop_leaves_nothing_to_play_out() {
    let rig = Rig::with(&[TwoMotorVibrator], Duration::from_millis(75), |builder| builder).await;
    let mut client = rig.client().await;
    for value in 0..5000_u32 {
        client.says(output(value + 1, 0, 0, &format!(r#"{{"Vibrate":{{"Value":{}}}}}"#, 1 + value % 20)));
    }
    client.says(r#"[{"StopCmd":{"Id":9999}}]"#);
    while client.hears().await != r#"[{"Ok":{"Id":9999}}]"# {}
    let stopped = rig.devices[0].write_count();
    sleep_ms(5000).await;
    assert!(rig.devices[0].is_at_rest());
    assert_eq!(rig.devices[0].write_count(), stopped, "a write after the stop");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_stops_is_bounded_and_all_are_answered() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    rig.devices[0].slow_writes(Duration::from_secs(3));
    for _ in 0..5000 {
        client.says(STOP);
    }
    for _ in 0..5000 {
        assert_eq!(client.hears().await, OK);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_that_failed_to_be_written_a_keepalive_device_hears_only_zeros() {
    let crescendo = SimulatedDevice::bluetooth("AA:BB:CC:DD:EE:FF", "MV Crescendo");
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(crescendo).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 20).await;
    sleep_ms(1000).await;
    device.fail_writes(true);
    client.says(STOP);
    sleep_ms(120).await;
    device.forget_writes();
    device.fail_writes(false);
    assert_eq!(client.hears().await, OK);
    sleep_ms(1000).await;
    let writes = device.writes();
    assert!(writes.len() > 5, "the keepalive goes on");
    for write in writes {
        assert!(write.frame.data.iter().all(|byte| *byte == 0), "{}", write.frame);
    }
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_that_fails_after_a_stop_does_not_bring_the_old_value_back() {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(SimulatedDevice::bluetooth("AA:BB:CC:DD:EE:FF", "MV Crescendo")).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 20).await;
    sleep_ms(1000).await;
    assert_eq!(client.asks(STOP).await, OK);
    device.fail_writes(true);
    sleep_ms(120).await;
    device.fail_writes(false);
    device.forget_writes();
    sleep_ms(1000).await;
    for write in device.writes() {
        assert!(write.frame.data.iter().all(|byte| *byte == 0), "{}", write.frame);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_written_before_a_newer_command_of_the_same_frame() {
    let rig = Rig::with(&[TwoMotorVibrator], Duration::from_millis(100), |builder| builder).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    sleep_ms(1000).await;
    rig.devices[0].forget_writes();
    let command = output(41, 0, 0, r#"{"Vibrate":{"Value":3}}"#);
    client.says(format!("{STOP}{command}").replace("][", ","));
    sleep_ms(1000).await;
    assert_eq!(rig.told(0), ["1000 ms: 0 Vibrate 0", "1000 ms: 1 Vibrate 0", "1100 ms: 0 Vibrate 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_reading_that_waits_for_the_hardware() {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(lovense("AA:BB:CC:DD:EE:FF", "Z")).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    device.slow_writes(Duration::from_millis(200));
    client.says(input(5, 0, 1, "Battery", "Read"));
    settle().await;
    let asked = Instant::now();
    assert_eq!(client.asks(STOP).await, OK);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(client.hears().await.contains(r#"{"Battery":{"Value":85}}"#));
    assert_eq!(texts(&device).last().map(String::as_str), Some("Vibrate:0;"));
}

#[tokio::test(start_paused = true)]
async fn many_stops_while_writes_fail_for_a_moment_keep_the_device() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    for _ in 0..20 {
        client.says(STOP);
        sleep_ms(10).await;
    }
    rig.devices[0].fail_writes(false);
    within(rig.devices[0].wait_for(SimulatedDevice::is_at_rest)).await;
    assert_eq!(rig.server.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_a_write_be_confirmed_in_its_time_but_does_not_wait_for_a_confirmation_that_does_not_come()
 {
    // How long a confirmation takes, and what has arrived when. What is given up never arrives here.
    let cases: [(u64, &[&str]); 2] =
        [(150, &["150 ms: f3 00 40", "300 ms: f3 00 00"]), (400, &["610 ms: f3 00 00"])];
    for (confirmed_after, expected) in cases {
        let mut rig = Rig::playing(BusKind::Bluetooth).await;
        let egg = rig.add_device(SimulatedDevice::bluetooth("AA:BB", "LOVE EGG")).await;
        let mut client = rig.client().await;
        sleep_ms(1000).await;
        egg.forget_writes();
        egg.slow_writes(Duration::from_millis(confirmed_after));
        let start = Instant::now();
        client.sets(0, 0, "Vibrate", 64).await;
        sleep_ms(10).await;
        // Something else that wakes the device's task is no reason to give up.
        client.sets(0, 0, "Vibrate", 65).await;
        assert_eq!(client.asks(STOP).await, OK);
        sleep_ms(2000).await;
        let arrived: Vec<String> = egg
            .writes()
            .iter()
            .map(|write| {
                let data: Vec<String> = write.frame.data.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{} ms: {}", (write.at - start).as_millis(), data.join(" "))
            })
            .collect();
        assert_eq!(arrived, expected, "{confirmed_after} ms");
        rig.server.shut_down().await;
    }
}
