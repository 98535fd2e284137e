//! Reads and subscriptions, for one client and for several.

mod rig;

use buttplug_hardware_simulated::Archetype::{PressureSensor, TwoMotorVibrator};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::BusKind;
use rig::{Rig, error_code, input, lovense, settle, sleep_ms};

/// The index of the feature with this input, from the device list.
#[allow(clippy::expect_used, reason = "a device without it fails the test")]
fn feature_with(rig: &Rig, device: usize, kind: &str) -> u32 {
    let list = rig.server.devices();
    let features = &list[device].features;
    let has = |feature: &&buttplug_core::message::Feature| {
        feature.inputs.iter().any(|input| input.kind.name() == kind)
    };
    features.iter().find(has).expect("a feature with this input").index.0
}

#[tokio::test(start_paused = true)]
async fn a_battery_is_read() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    let battery = feature_with(&rig, 0, "Battery");
    rig.devices[0].set_battery(85);
    let expected = format!(
        r#"[{{"InputReading":{{"Id":33,"DeviceIndex":0,"FeatureIndex":{battery},"Reading":{{"Battery":{{"Value":85}}}}}}}}]"#
    );
    assert_eq!(client.asks(input(33, 0, battery, "Battery", "Read")).await, expected);
    assert_eq!(client.asks(input(33, 0, battery, "Battery", "read")).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_listed_is_a_device_error() {
    let rig = Rig::new(&[TwoMotorVibrator, PressureSensor]).await;
    let mut client = rig.client().await;
    let battery = feature_with(&rig, 0, "Battery");
    let pressure = feature_with(&rig, 1, "Pressure");
    for (device, feature, kind, command) in [
        (0, battery, "Battery", "Subscribe"),
        (0, battery, "Battery", "Unsubscribe"),
        (0, battery, "battery", "Read"),
        (0, 0, "Battery", "Read"),
        (0, 77, "Battery", "Read"),
        (9, 0, "Battery", "Read"),
        (1, pressure, "Pressure", "Read"),
    ] {
        let reply = client.asks(input(5, device, feature, kind, command)).await;
        assert_eq!(error_code(&reply, 5), Some(4), "{kind} {command}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_gives_one_event_per_reading_until_it_ends() {
    let rig = Rig::new(&[PressureSensor]).await;
    let mut client = rig.client().await;
    let feature = feature_with(&rig, 0, "Pressure");
    for id in [34, 35] {
        let reply = client.asks(input(id, 0, feature, "Pressure", "Subscribe")).await;
        assert_eq!(reply, format!(r#"[{{"Ok":{{"Id":{id}}}}}]"#));
    }
    rig.devices[0].set_pressure(212);
    assert_eq!(
        client.hears().await,
        format!(
            r#"[{{"InputReading":{{"Id":0,"DeviceIndex":0,"FeatureIndex":{feature},"Reading":{{"Pressure":{{"Value":212}}}}}}}}]"#
        )
    );
    assert_eq!(client.heard().await, Vec::<String>::new());
    client.asks(input(36, 0, feature, "Pressure", "Unsubscribe")).await;
    assert!(!rig.devices[0].is_subscribed(Endpoint::RxPressure));
    rig.devices[0].set_pressure(5);
    assert_eq!(client.heard().await, Vec::<String>::new());
    let reply = client.asks(input(37, 0, feature, "Pressure", "Unsubscribe")).await;
    assert_eq!(reply, r#"[{"Ok":{"Id":37}}]"#);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_a_subscription_tells_the_hardware() {
    let rig = Rig::new(&[PressureSensor]).await;
    let feature = feature_with(&rig, 0, "Pressure");
    let is_subscribed = || rig.devices[0].is_subscribed(Endpoint::RxPressure);
    for end in [
        r#"[{"StopCmd":{"Id":40}}]"#,
        r#"[{"StopCmd":{"Id":40,"DeviceIndex":0,"Outputs":false}}]"#,
        r#"[{"Disconnect":{"Id":41}}]"#,
        "",
    ] {
        let mut client = rig.client().await;
        client.asks(input(34, 0, feature, "Pressure", "Subscribe")).await;
        assert!(is_subscribed());
        if end.is_empty() {
            client.vanishes();
        } else {
            client.asks(end).await;
        }
        settle().await;
        assert!(!is_subscribed(), "{end}");
    }
    let mut client = rig.client().await;
    client.asks(input(34, 0, feature, "Pressure", "Subscribe")).await;
    client.asks(r#"[{"StopCmd":{"Id":40,"Inputs":false}}]"#).await;
    settle().await;
    assert!(is_subscribed());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_subscriber_leaves_the_other() {
    let rig = Rig::new(&[PressureSensor]).await;
    let feature = feature_with(&rig, 0, "Pressure");
    let (mut alice, mut bob) = (rig.client().await, rig.client().await);
    for client in [&mut alice, &mut bob] {
        client.asks(input(34, 0, feature, "Pressure", "Subscribe")).await;
    }
    drop(alice);
    settle().await;
    rig.devices[0].set_pressure(7);
    assert!(bob.hears().await.contains(r#"{"Pressure":{"Value":7}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_lost_device_ends_reads_with_an_error_and_subscriptions_without_one() {
    let rig = Rig::new(&[PressureSensor]).await;
    let feature = feature_with(&rig, 0, "Pressure");
    let mut client = rig.client().await;
    client.asks(input(34, 0, feature, "Pressure", "Subscribe")).await;
    rig.devices[0].vanish();
    assert_eq!(client.hears().await, r#"[{"DeviceList":{"Id":0,"Devices":{}}}]"#);
    let reply = client.asks(input(35, 0, feature, "Pressure", "Subscribe")).await;
    assert_eq!(error_code(&reply, 35), Some(4));
    sleep_ms(1000).await;
    assert_eq!(client.heard().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn reads_that_nobody_answers_are_bounded_and_end() {
    let silent = buttplug_hardware_simulated::SimulatedDevice::bluetooth("AA:BB:CC:DD:EE:FF", "LVS-Z001")
        .with_responder(|frame| match &frame.data[..] {
            b"DeviceType;" => vec![(Endpoint::Rx, b"Z:11:0082059AD3BD;".to_vec())],
            _ => vec![],
        });
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    rig.add_device(silent).await;
    let mut client = rig.client().await;
    for id in 1..=40 {
        client.says(input(id, 0, 1, "Battery", "Read"));
    }
    let mut answers = Vec::new();
    for _ in 1..=40 {
        answers.push(client.hears().await);
    }
    let busy = answers.iter().filter(|answer| answer.contains("unanswered requests")).count();
    assert!((23..=24).contains(&busy), "16 wait, one may be under way: {busy}");
    assert!(answers.iter().all(|answer| answer.contains("\"ErrorCode\":4")), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_battery_is_read_while_outputs_go_on() {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(lovense("AA:BB:CC:DD:EE:FF", "P")).await;
    let mut client = rig.client().await;
    client.says(input(5, 0, 2, "Battery", "Read"));
    client.sets(0, 1, "Vibrate", 4).await;
    assert!(client.hears().await.contains(r#"{"Battery":{"Value":85}}"#));
    assert!(rig::texts(&device).contains(&String::from("Vibrate2:4;")));
}
