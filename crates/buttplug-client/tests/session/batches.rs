//! Several outputs at once, and outputs that only the server knows.

use crate::rig::{MIXER, Peer, TWIN, error, list, ok, session};
use buttplug_client::core::{ErrorClass, OutputKind};
use buttplug_client::{Batch, Error, InvalidCommand, MAX_REQUESTS_IN_FLIGHT, Output, Value};
use std::pin::pin;
use std::time::Duration;

/// Outputs and an input of a newer server, beside a known one.
const FUTURE: &str = r#""7":{"DeviceName":"Future","DeviceIndex":7,"DeviceMessageTimingGap":0,"DeviceFeatures":{
    "0":{"FeatureIndex":0,"Output":{"Warp":{"Value":[0,9]},"Vibrate":{"Value":[0,20]}},
         "Input":{"Smell":{"Value":[[0,9]],"Command":["Read"]}}},
    "2":{"FeatureIndex":2,"Output":{"Warp":{"Value":[0,9]}}}}}"#;

fn vibration(fraction: f64) -> Output {
    Output::new(OutputKind::Vibrate, Value::Fraction(fraction))
}

fn output(device: u32, feature: u32, command: &str) -> String {
    format!(r#"{{"OutputCmd":{{"DeviceIndex":{device},"FeatureIndex":{feature},"Command":{{{command}}}}}}}"#)
}

fn value(device: u32, feature: u32, kind: &str, value: i32) -> String {
    output(device, feature, &format!(r#""{kind}":{{"Value":{value}}}"#))
}

async fn hears_all(peer: &mut Peer, expected: &[String]) -> Vec<u32> {
    let mut ids = Vec::new();
    for text in expected {
        ids.push(peer.hears(text).await);
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn r11_r17_a_batch_leaves_together_in_order_before_the_first_reply() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let (twin, mixer) = (client.devices().remove(0), client.devices().remove(1));
    let motors = twin.features_with_output(OutputKind::Vibrate);
    let batch = Batch::new()
        .feature(&motors[1], vibration(1.0))
        .device(&mixer, Output::new(OutputKind::Rotate, Value::Steps(-7)))
        .device(&twin, vibration(0.5));
    let expected = [
        value(0, 1, "Vibrate", 10),
        value(5, 0, "Rotate", -7),
        value(0, 0, "Vibrate", 10),
        value(0, 1, "Vibrate", 5),
    ];
    // Any number of times.
    for _ in 0..2 {
        let (done, ()) = tokio::join!(batch.run(), async {
            let ids = hears_all(&mut peer, &expected).await;
            ids.into_iter().rev().for_each(|id| peer.says(&ok(id)));
        });
        assert_eq!(done, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn r11_one_invalid_output_of_a_batch_keeps_all_of_it_from_being_sent() {
    let (client, mut events, mut peer) = session(&[TWIN, MIXER]).await;
    let (twin, mixer) = (client.devices().remove(0), client.devices().remove(1));
    let motor = twin.features().remove(0);
    let begun = || Batch::new().feature(&motor, vibration(0.5));
    let bad = [
        begun().feature(&motor, vibration(1.5)),
        begun().device(&mixer, vibration(0.5)),
        begun().device(&twin, Output::new(OutputKind::Vibrate, Value::Steps(15))),
        begun().device(&twin, Output::named("Warp", 1, None)),
    ];
    for batch in bad {
        let result = batch.run().await;
        assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    }
    peer.says(&list(0, &[TWIN]));
    crate::rig::told(&mut events).await;
    let gone = begun().device(&mixer, Output::new(OutputKind::Rotate, Value::Steps(1))).run().await;
    assert!(matches!(gone, Err(Error::Gone { .. })), "{gone:?}");
    let mut endless = Batch::new();
    for _ in 0..=MAX_REQUESTS_IN_FLIGHT {
        endless = endless.feature(&motor, vibration(0.5));
    }
    assert_eq!(endless.run().await, Err(Error::Busy { limit: MAX_REQUESTS_IN_FLIGHT }));
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn r11_of_several_failures_in_a_batch_the_first_is_reported_after_all_replies() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let batch = Batch::new().device(&device, vibration(1.0));
    let expected = [value(0, 0, "Vibrate", 20), value(0, 1, "Vibrate", 10)];
    let mut running = pin!(batch.run());
    let ids = tokio::select! {
        done = &mut running => panic!("ended without replies: {done:?}"),
        ids = hears_all(&mut peer, &expected) => ids,
    };
    peer.says(&error(ids[0], 4, "first"));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
    assert!(early.is_err(), "{early:?}");
    peer.says(&error(ids[1], 4, "second"));
    let done = (&mut running).await;
    assert!(matches!(&done, Err(Error::Device(report)) if report.message == "first"), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_anything_succeeds_also_without_a_connection() {
    assert_eq!(Batch::new().run().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_reaches_one_server_only() {
    let (one, _one_events, mut one_peer) = session(&[TWIN]).await;
    let (other, _other_events, mut other_peer) = session(&[TWIN]).await;
    let batch = Batch::new()
        .device(&one.devices()[0], vibration(0.5))
        .feature(&other.devices()[0].features()[0], vibration(0.5));
    let refused = batch.run().await;
    assert_eq!(refused, Err(Error::SeveralConnections));
    one_peer.hears_nothing().await;
    other_peer.hears_nothing().await;
    // What belongs to a connection that has ended is gone, not several.
    other.disconnect().await;
    assert_eq!(batch.run().await, Err(Error::NotConnected));
}

#[tokio::test(start_paused = true)]
async fn r15_outputs_that_only_the_server_knows_are_sent_by_name() {
    let (client, _events, mut peer) = session(&[FUTURE]).await;
    let device = client.devices().remove(0);
    let feature = device.features().remove(0);
    assert_eq!(feature.unknown_outputs(), ["Warp"]);
    assert_eq!(feature.unknown(), ["Warp", "Smell"]);
    let warp = Output::named("Warp", 77, None);
    let timed = Output::named("Warp", -3, Some(Duration::from_micros(1500))).clamped();
    let for_ever = Output::named("Warp", 1, Some(Duration::MAX));
    let (done, ()) = tokio::join!(
        async {
            feature.run_output(warp.clone()).await?;
            feature.run_output(timed).await?;
            feature.run_output(for_ever).await?;
            device.run_output(warp).await
        },
        async {
            for expected in [
                value(7, 0, "Warp", 77),
                output(7, 0, r#""Warp":{"Value":-3,"Duration":2}"#),
                output(7, 0, r#""Warp":{"Value":1,"Duration":4294967295}"#),
                value(7, 0, "Warp", 77),
                value(7, 2, "Warp", 77),
            ] {
                peer.grants(&expected).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn r15_a_known_name_goes_the_way_of_its_kind_with_all_checks() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let (twin, mixer) = (client.devices().remove(0), client.devices().remove(1));
    let vibrate = Output::named("Vibrate", 5, None);
    assert_eq!(vibrate, Output::new(OutputKind::Vibrate, Value::Steps(5)));
    let stroke = |ms| Output::named("HwPositionWithDuration", 7, Some(Duration::from_millis(ms)));
    let (done, ()) = tokio::join!(
        async {
            twin.features()[0].run_output(vibrate).await?;
            mixer.run_output(stroke(500)).await
        },
        async {
            peer.grants(&value(0, 0, "Vibrate", 5)).await;
            peer.grants(&output(5, 3, r#""HwPositionWithDuration":{"Value":7,"Duration":500}"#)).await;
        }
    );
    assert_eq!(done, Ok(()));
    let second = Some(Duration::from_secs(1));
    let refused = [
        twin.run_output(Output::named("Vibrate", 21, None)).await,
        twin.run_output(Output::named("Vibrate", 5, second)).await,
        mixer.run_output(stroke(2000)).await,
        mixer.run_output(Output::named("Vibrate", 5, None)).await,
    ];
    for (case, result) in refused.iter().enumerate() {
        let class = result.as_ref().err().and_then(Error::class);
        assert_eq!(class, Some(ErrorClass::Device), "case {case}: {result:?}");
    }
    assert!(matches!(&refused[1], Err(Error::Invalid(InvalidCommand::NoDuration { .. }))), "{refused:?}");
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn r15_a_name_that_the_server_does_not_list_as_an_output_is_refused() {
    let (client, _events, mut peer) = session(&[FUTURE]).await;
    let device = client.devices().remove(0);
    // `Smell` is listed, but as an input.
    for name in ["Smell", "warp", "", "\u{0}\"}]"] {
        for refused in [
            device.run_output(Output::named(name, 1, None)).await,
            device.features()[0].run_output(Output::named(name, 1, None)).await,
        ] {
            assert!(
                matches!(&refused, Err(Error::Invalid(InvalidCommand::NoNamedOutput { name: named, .. })) if named == name),
                "{refused:?}"
            );
        }
    }
    peer.hears_nothing().await;
}
