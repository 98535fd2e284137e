//! Reading and subscribing.

use crate::rig::{MIXER, Peer, Peers, TWIN, error, list, ok, radio, reading, session, told};
use buttplug_client::core::{ErrorClass, FeatureIndex, InputKind};
use buttplug_client::{Client, Error, InvalidCommand, MAX_WAITING_READINGS, Readings, StopWhat};
use std::time::Duration;

fn input(device: u32, feature: u32, kind: &str, command: &str) -> String {
    format!(
        r#"{{"InputCmd":{{"DeviceIndex":{device},"FeatureIndex":{feature},"Type":"{kind}","Command":"{command}"}}}}"#
    )
}

async fn ended(readings: &mut Readings) -> bool {
    tokio::time::timeout(Duration::from_millis(1), readings.next()).await == Ok(None)
}

#[tokio::test(start_paused = true)]
async fn k29_r20_t19_the_battery_is_a_fraction_or_a_percentage_by_name() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let ((fraction, percent), ()) =
        tokio::join!(async { (device.battery().await, device.battery_percent().await) }, async {
            for _ in 0..2 {
                let id = peer.hears(&input(0, 2, "Battery", "Read")).await;
                peer.says(&reading(0, 2, "Battery", 85, id));
            }
        });
    assert_eq!((fraction, percent), (Ok(0.85), Ok(85)));
    assert_eq!(told(&mut events).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn k30_r20_c104_signal_strength_is_asked_for_in_the_spelling_of_the_list() {
    for spelling in ["Rssi", "RSSI"] {
        let (client, _events, mut peer) = session(&[&radio(spelling)]).await;
        let device = client.devices().remove(0);
        let (strength, ()) = tokio::join!(device.rssi(), async {
            let id = peer.hears(&input(1, 0, spelling, "Read")).await;
            peer.says(&reading(1, 0, spelling, -61, id));
        });
        assert_eq!(strength, Ok(-61));
    }
}

#[tokio::test(start_paused = true)]
async fn k31_k34_r18_what_is_ambiguous_or_not_listed_is_refused_before_anything_is_sent() {
    let buttons = r#""1":{"DeviceName":"Pad","DeviceIndex":1,"DeviceFeatures":{
        "0":{"FeatureIndex":0,"Input":{"Button":{"Value":[[0,1]],"Command":["Subscribe","Read"]}}},
        "1":{"FeatureIndex":1,"Input":{"Button":{"Value":[[0,1]],"Command":["Subscribe"]}}}}}"#;
    let (client, _events, mut peer) = session(&[TWIN, buttons]).await;
    let (twin, pad) = (client.devices().remove(0), client.devices().remove(1));
    let ambiguous = pad.read(InputKind::Button).await.unwrap_err();
    assert!(matches!(ambiguous, Error::AmbiguousInput { count: 2, .. }), "{ambiguous}");
    assert_eq!(ambiguous.class(), Some(ErrorClass::Device));
    let not_listed = [
        twin.subscribe(InputKind::Battery).await.map(drop),
        twin.unsubscribe(InputKind::Battery).await,
        pad.features()[1].read(InputKind::Button).await.map(drop),
    ];
    for result in not_listed {
        assert!(matches!(result, Err(Error::Invalid(InvalidCommand::ActionNotListed { .. }))), "{result:?}");
    }
    let missing = twin.read(InputKind::Pressure).await;
    assert!(matches!(missing, Err(Error::Invalid(InvalidCommand::NoInput { .. }))), "{missing:?}");
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn k32_k33_r19_readings_come_in_order_and_dropping_the_last_stream_unsubscribes() {
    let (client, mut events, mut peer) = session(&[MIXER]).await;
    let device = client.devices().remove(0);
    let subscribe = input(5, 4, "Button", "Subscribe");
    let (mut first, ()) = tokio::join!(async { device.subscribe(InputKind::Button).await.unwrap() }, async {
        let id = peer.hears(&subscribe).await;
        // The first reading overtakes the reply.
        peer.says(&reading(5, 4, "Button", 1, 0));
        peer.says(&ok(id));
    });
    let (second, ()) =
        tokio::join!(async { device.subscribe(InputKind::Button).await.unwrap() }, peer.grants(&subscribe));
    for value in [0, 1] {
        peer.says(&reading(5, 4, "Button", value, 0));
    }
    for value in [1, 0, 1] {
        assert_eq!(first.next().await, Some(value));
    }
    assert_eq!(told(&mut events).await, ["5/4 Button 1", "5/4 Button 0", "5/4 Button 1"]);
    drop(second);
    peer.hears_nothing().await;
    drop(first);
    peer.hears(&input(5, 4, "Button", "Unsubscribe")).await;
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_given_up_subscription_leaves_nothing_behind() {
    let (client, _events, mut peer) = session(&[MIXER]).await;
    let device = client.devices().remove(0);
    let subscribe = input(5, 4, "Button", "Subscribe");
    let (refused, ()) = tokio::join!(device.subscribe(InputKind::Button), async {
        let id = peer.hears(&subscribe).await;
        peer.says(&error(id, 4, "no"));
    });
    assert!(matches!(refused, Err(Error::Device(_))), "{refused:?}");
    peer.hears_nothing().await;
    let given_up = tokio::time::timeout(Duration::from_secs(1), device.subscribe(InputKind::Button)).await;
    assert!(given_up.is_err());
    peer.hears(&subscribe).await;
    peer.hears(&input(5, 4, "Button", "Unsubscribe")).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_a_stop_an_unsubscribe_the_device_or_the_connection() {
    type End = fn(&mut Peer);
    let subscribe = input(5, 4, "Button", "Subscribe");
    let stop = r#"{"StopCmd":{"DeviceIndex":5,"Inputs":true,"Outputs":false}}"#;

    let (client, _events, mut peer) = session(&[MIXER]).await;
    let device = client.devices().remove(0);
    let (mut readings, ()) =
        tokio::join!(async { device.subscribe(InputKind::Button).await.unwrap() }, peer.grants(&subscribe));
    assert!(!ended(&mut readings).await);
    let (stopped, ()) = tokio::join!(device.stop_with(StopWhat::INPUTS), peer.grants(stop));
    assert!(stopped.is_ok() && ended(&mut readings).await);

    let (mut readings, ()) =
        tokio::join!(async { device.subscribe(InputKind::Button).await.unwrap() }, peer.grants(&subscribe));
    let unsubscribe = input(5, 4, "Button", "Unsubscribe");
    let feature = device.feature(FeatureIndex(4)).unwrap();
    let (done, ()) = tokio::join!(feature.unsubscribe(InputKind::Button), peer.grants(&unsubscribe));
    assert!(done.is_ok() && ended(&mut readings).await);
    drop(readings);
    peer.hears_nothing().await;

    let ends: [End; 2] = [|peer| peer.says(&list(0, &[])), |peer| *peer = Peer::nowhere()];
    for end in ends {
        let (client, _events, mut peer) = session(&[MIXER]).await;
        let device = client.devices().remove(0);
        let (mut readings, ()) = tokio::join!(
            async { device.subscribe(InputKind::Button).await.unwrap() },
            peer.grants(&subscribe)
        );
        end(&mut peer);
        assert!(ended(&mut readings).await);
    }
}

#[tokio::test(start_paused = true)]
async fn k52_r28_a_stalled_reader_loses_old_readings_but_no_removal() {
    let client = Client::new("Test");
    let mut events = client.events();
    let mut peer = Peers::new().welcome(&client, 0, &[MIXER]).await;
    let device = client.devices().remove(0);
    let subscribe = input(5, 4, "Button", "Subscribe");
    let (mut readings, ()) =
        tokio::join!(async { device.subscribe(InputKind::Button).await.unwrap() }, peer.grants(&subscribe));
    for value in 0..300 {
        peer.says(&reading(5, 4, "Button", value, 0));
    }
    peer.says(&list(0, &[]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let told = told(&mut events).await;
    assert_eq!(told.len(), MAX_WAITING_READINGS + 3);
    assert_eq!(told[..2], ["connected to Rig", "added 5"]);
    assert_eq!(told[MAX_WAITING_READINGS + 1..], ["5/4 Button 299", "removed 5"]);
    assert_eq!(readings.next().await, Some(300 - MAX_WAITING_READINGS as i32));
}
