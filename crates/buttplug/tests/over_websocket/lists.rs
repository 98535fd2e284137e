//! Lists of devices, commands for what they list, readings of what they list.

use crate::rig::{MIXER, TWIN, error, list, ok, radio, reading, session, tells, tells_nothing};
use buttplug::core::{InputKind, OutputKind};
use buttplug::{Batch, Error, Event, Output, Value};

#[tokio::test]
async fn k9_k10_r7_c102_a_pushed_list_is_told_as_what_it_changes() {
    let named = |index: u32, name: &str| {
        format!(r#""{index}":{{"DeviceName":"{name}","DeviceIndex":{index},"DeviceFeatures":{{}}}}"#)
    };
    let (client, mut events, mut peer) = session(&[&named(0, "A"), &named(1, "B")]).await;
    for (devices, told) in [
        ([named(0, "A"), named(2, "C")], &["removed 1", "added 2"][..]),
        ([named(2, "C"), named(0, "A")], &[]),
        ([named(0, "Other"), named(2, "C")], &["changed 0"]),
    ] {
        peer.says(&list(0, &[&devices[0], &devices[1]])).await;
        tells(&mut events, told).await;
    }
    tells_nothing(&mut events).await;
    assert_eq!(client.devices()[0].name(), "Other");
}

#[tokio::test]
async fn k12_r8_c103_a_list_with_unknown_parts_is_of_use() {
    let strange = r#""7":{"DeviceName":"Strange","DeviceIndex":7,"Colour":"red","DeviceMessageTimingGap":1,"DeviceFeatures":{
        "0":{"FeatureIndex":0,"Mood":1,"Output":{"Foo":{"Value":[0,9]},"Vibrate":{"Value":[0,20],"Shape":"round"}},
             "Input":{"Bar":{"Value":[[0,9]],"Command":["Sniff"]},"Battery":{"Value":[[0,100]],"Command":["Sniff","Read"]}}},
        "1":{"FeatureIndex":1,"Output":{"Baz":"?"},"Input":{"Qux":[1,2]}}}}"#;
    let (client, _events, mut peer) = session(&[strange]).await;
    let device = client.devices().remove(0);
    assert_eq!(device.features()[0].unknown(), ["Foo", "Bar"]);
    let ((moved, battery), ()) =
        tokio::join!(async { (device.vibrate(1.0).await, device.battery().await) }, async {
            peer.grants(
                r#"{"OutputCmd":{"DeviceIndex":7,"FeatureIndex":0,"Command":{"Vibrate":{"Value":20}}}}"#,
            )
            .await;
            let ask = r#"{"InputCmd":{"DeviceIndex":7,"FeatureIndex":0,"Type":"Battery","Command":"Read"}}"#;
            let id = peer.hears(ask).await;
            peer.says(&reading(7, 0, "Battery", 85, id)).await;
        });
    assert_eq!((moved, battery), (Ok(()), Ok(0.85)));
}

#[tokio::test]
async fn k14_k17_k18_r11_c110_fractions_arrive_in_steps_and_what_is_out_of_range_does_not_leave() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let (twin, mixer) = (client.devices().remove(0), client.devices().remove(1));
    let vibrate = |feature: u32, value: i32| {
        format!(
            r#"{{"OutputCmd":{{"DeviceIndex":0,"FeatureIndex":{feature},"Command":{{"Vibrate":{{"Value":{value}}}}}}}}}"#
        )
    };
    let strength = |fraction| Output::new(OutputKind::Vibrate, Value::Fraction(fraction));
    let batch = Batch::new()
        .feature(&twin.features()[0], strength(0.51))
        .device(&mixer, Output::new(OutputKind::Rotate, Value::Fraction(-0.51)));
    let (done, ()) = tokio::join!(
        async {
            twin.vibrate(0.5).await?;
            batch.run().await
        },
        async {
            peer.grants(&vibrate(0, 10)).await;
            peer.grants(&vibrate(1, 5)).await;
            let both = [
                peer.hears(&vibrate(0, 11)).await,
                peer.hears(
                    r#"{"OutputCmd":{"DeviceIndex":5,"FeatureIndex":0,"Command":{"Rotate":{"Value":-11}}}}"#,
                )
                .await,
            ];
            for id in both {
                peer.says(&ok(id)).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
    for refused in [twin.vibrate(1.01).await, twin.vibrate(-0.5).await, twin.vibrate_steps(15).await] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    peer.hears_nothing().await;
}

#[tokio::test]
async fn k30_r20_c104_signal_strength_is_asked_for_as_the_server_spells_it() {
    for spelling in ["RSSI", "Rssi"] {
        let (client, _events, mut peer) = session(&[&radio(spelling)]).await;
        let device = client.devices().remove(0);
        let (strength, ()) = tokio::join!(device.rssi(), async {
            let ask = format!(
                r#"{{"InputCmd":{{"DeviceIndex":1,"FeatureIndex":0,"Type":"{spelling}","Command":"Read"}}}}"#
            );
            let id = peer.hears(&ask).await;
            peer.says(&reading(1, 0, spelling, -61, id)).await;
        });
        assert_eq!(strength, Ok(-61));
    }
}

#[tokio::test]
async fn k32_k33_r19_readings_come_as_a_stream_and_dropping_it_unsubscribes() {
    let (client, mut events, mut peer) = session(&[MIXER]).await;
    let device = client.devices().remove(0);
    let ask = |command: &str| {
        format!(
            r#"{{"InputCmd":{{"DeviceIndex":5,"FeatureIndex":4,"Type":"Button","Command":"{command}"}}}}"#
        )
    };
    let subscribe = ask("Subscribe");
    let (readings, ()) = tokio::join!(device.subscribe(InputKind::Button), peer.grants(&subscribe));
    let mut readings = readings.unwrap();
    for value in [1, 0, 1] {
        peer.says(&reading(5, 4, "Button", value, 0)).await;
        assert_eq!(readings.next().await, Some(value));
    }
    tells(&mut events, &["5/4 Button 1", "5/4 Button 0", "5/4 Button 1"]).await;
    drop(readings);
    peer.hears(&ask("Unsubscribe")).await;
}

#[tokio::test]
async fn k35_k36_r9_a_device_that_leaves_fails_what_waits_and_what_is_asked_afterwards() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let motor = device.features().remove(0);
    let (failed, ()) = tokio::join!(motor.vibrate(1.0), async {
        let (_, id) = peer.next().await.unwrap();
        peer.says(&list(0, &[])).await;
        peer.says(&error(id, 4, "device 0 is gone")).await;
    });
    assert!(matches!(&failed, Err(Error::Device(_))), "{failed:?}");
    tells(&mut events, &["removed 0"]).await;
    assert!(matches!(device.stop().await, Err(Error::Gone { .. })));
    peer.hears_nothing().await;
}

#[tokio::test]
async fn k46_r28_a_handler_of_an_added_device_may_send_commands() {
    let (_client, mut events, mut peer) = session(&[]).await;
    peer.says(&list(0, &[MIXER])).await;
    let handler = async {
        match events.next().await {
            Some(Event::DeviceAdded(device)) => device.stop().await,
            other => panic!("{other:?}"),
        }
    };
    let stop = peer.grants(r#"{"StopCmd":{"DeviceIndex":5,"Inputs":true,"Outputs":true}}"#);
    let (stopped, ()) = tokio::join!(handler, stop);
    assert_eq!(stopped, Ok(()));
}
