//! Commands that move something, and stops.

use crate::rig::{MIXER, STOP_ALL, TWIN, error, ok, session};
use buttplug_client::core::{ErrorClass, FeatureIndex, OutputKind};
use buttplug_client::{Error, InvalidCommand, MAX_REQUESTS_IN_FLIGHT, Output, StopWhat, Value};
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::time::Duration;

fn vibrate(feature: u32, value: i32) -> String {
    format!(
        r#"{{"OutputCmd":{{"DeviceIndex":0,"FeatureIndex":{feature},"Command":{{"Vibrate":{{"Value":{value}}}}}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn k14_r11_c110_a_device_level_fraction_goes_to_each_motor_in_its_own_range() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let (done, ()) = tokio::join!(device.vibrate(0.5), async {
        // Both are on their way before either is answered.
        let first = peer.hears(&vibrate(0, 10)).await;
        let second = peer.hears(&vibrate(1, 5)).await;
        peer.says(&ok(second));
        peer.says(&ok(first));
    });
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn r12_one_step_and_full_power_cannot_be_mistaken_for_each_other() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let motor = client.devices()[0].features().remove(0);
    let (done, ()) = tokio::join!(
        async {
            motor.vibrate_steps(1).await?;
            motor.vibrate(1.0).await?;
            motor.run_output(Output::new(OutputKind::Vibrate, Value::Steps(1))).await?;
            motor.run_output(Output::new(OutputKind::Vibrate, Value::Fraction(1.0))).await
        },
        async {
            for value in [1, 20, 1, 20] {
                peer.grants(&vibrate(0, value)).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn r15_there_is_a_call_for_every_kind_of_output() {
    let outputs: Vec<_> =
        OutputKind::ALL.iter().map(|kind| format!(r#""{kind}":{{"Value":[-10,10]}}"#)).collect();
    let all = format!(
        r#""0":{{"DeviceName":"All","DeviceIndex":0,"DeviceFeatures":{{"0":{{"FeatureIndex":0,"Output":{{{}}}}}}}}}"#,
        outputs.join(",")
    );
    let (client, _events, mut peer) = session(&[&all]).await;
    let device = client.devices().remove(0);
    let feature = device.features().remove(0);
    assert_eq!(feature.outputs().len(), OutputKind::ALL.len());
    let (done, ()) = tokio::join!(
        async {
            device.vibrate(0.1).await?;
            feature.rotate(-0.2).await?;
            device.oscillate(0.3).await?;
            feature.constrict(0.4).await?;
            device.spray(0.5).await?;
            feature.temperature(-0.6).await?;
            device.led(0.7).await?;
            feature.position(0.8).await?;
            device.position_in(0.9, Duration::from_millis(250)).await
        },
        async {
            for (kind, value) in OutputKind::ALL.iter().zip([1, -2, 3, 4, 5, -6, 7, 8, 9]) {
                let timed = *kind == OutputKind::HwPositionWithDuration;
                let duration = if timed { r#","Duration":250"# } else { "" };
                peer.grants(&format!(
                    r#"{{"OutputCmd":{{"DeviceIndex":0,"FeatureIndex":0,"Command":{{"{kind}":{{"Value":{value}{duration}}}}}}}}}"#
                ))
                .await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn r15_every_way_to_say_an_output_reaches_the_wire() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let mixer = client.devices().remove(1);
    let stroker = mixer.feature(FeatureIndex(3)).unwrap();
    let rotate = |value: i32| {
        format!(
            r#"{{"OutputCmd":{{"DeviceIndex":5,"FeatureIndex":0,"Command":{{"Rotate":{{"Value":{value}}}}}}}}}"#
        )
    };
    let stroke = |value: i32, ms: u32| {
        format!(
            r#"{{"OutputCmd":{{"DeviceIndex":5,"FeatureIndex":3,"Command":{{"HwPositionWithDuration":{{"Value":{value},"Duration":{ms}}}}}}}}}"#
        )
    };
    let half_second = Duration::from_millis(500);
    let steps = Output::timed_position(Value::Steps(7), half_second);
    let long = Output::timed_position(Value::Steps(700), Duration::from_secs(2)).clamped();
    let at_once = Output::new(OutputKind::HwPositionWithDuration, Value::Fraction(1.0));
    let (done, ()) = tokio::join!(
        async {
            mixer.rotate(-0.51).await?;
            mixer.rotate_steps(7).await?;
            mixer.position_in(0.25, half_second).await?;
            stroker.position_in(0.75, half_second).await?;
            stroker.run_output(steps).await?;
            stroker.run_output(long).await?;
            stroker.run_output(at_once).await
        },
        async {
            for expected in [
                rotate(-11),
                rotate(7),
                stroke(25, 500),
                stroke(75, 500),
                stroke(7, 500),
                stroke(100, 1000),
                stroke(100, 0),
            ] {
                peer.grants(&expected).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k18_to_k23_r11_c110_what_the_device_cannot_do_is_refused_before_anything_is_sent() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let (twin, mixer) = (client.devices().remove(0), client.devices().remove(1));
    let motor = twin.features().remove(0);
    let too_long = Duration::from_secs(2);
    let refused = [
        twin.vibrate(-0.5).await,
        twin.vibrate(1.01).await,
        twin.vibrate(f64::NAN).await,
        motor.vibrate_steps(21).await,
        mixer.position_in(0.5, too_long).await,
        twin.rotate(0.5).await,
        motor.rotate(0.5).await,
        // Valid for the first motor only.
        twin.vibrate_steps(15).await,
    ];
    for (case, result) in refused.iter().enumerate() {
        let error = result.as_ref().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "case {case}: {error}");
        assert_eq!(error.class(), Some(ErrorClass::Device), "case {case}");
    }
    assert!(matches!(
        &refused[5],
        Err(Error::Invalid(InvalidCommand::NoOutput { target, kind: OutputKind::Rotate })) if target.feature.is_none()
    ));
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn r11_of_several_failures_the_first_is_reported_after_all_replies() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let (done, ()) = tokio::join!(device.vibrate(1.0), async {
        let (first, second) = (peer.hears(&vibrate(0, 20)).await, peer.hears(&vibrate(1, 10)).await);
        peer.says(&error(second, 4, "second"));
        peer.says(&error(first, 4, "first"));
    });
    assert!(matches!(&done, Err(Error::Device(report)) if report.message == "first"), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn r17_commands_go_out_in_the_order_of_the_calls() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let motor = client.devices()[0].features().remove(0);
    let calls = join_all((0..=20).map(|steps| motor.vibrate_steps(steps)));
    let (done, ()) = tokio::join!(calls, async {
        for steps in 0..=20 {
            peer.grants(&vibrate(0, steps)).await;
        }
    });
    assert!(done.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_nothing_cannot_pile_up_commands_and_a_stop_still_goes_out() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let motor = client.devices()[0].features().remove(0);
    let flood = tokio::spawn(async move {
        join_all((0..MAX_REQUESTS_IN_FLIGHT + 7).map(|_| motor.vibrate_steps(20))).await
    });
    tokio::task::yield_now().await;
    let (stopped, ()) = tokio::join!(client.stop_all(), async {
        for _ in 0..MAX_REQUESTS_IN_FLIGHT {
            peer.hears(&vibrate(0, 20)).await;
        }
        peer.grants(STOP_ALL).await;
    });
    assert_eq!(stopped, Ok(()));
    let results = flood.await.unwrap();
    let busy = Err(Error::Busy { limit: MAX_REQUESTS_IN_FLIGHT });
    assert_eq!(results.iter().filter(|result| **result == busy).count(), 7);
    assert!(results.iter().filter(|result| matches!(result, Err(Error::Timeout { .. }))).count() > 0);
}

#[tokio::test(start_paused = true)]
async fn k50_k51_r16_each_level_of_stop_has_its_message() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let feature = device.features().remove(1);
    let (done, ()) = tokio::join!(
        async {
            client.stop_all().await?;
            client.stop_all_with(StopWhat::OUTPUTS).await?;
            device.stop().await?;
            device.stop_with(StopWhat::INPUTS).await?;
            feature.stop().await?;
            feature.stop_with(StopWhat::OUTPUTS).await
        },
        async {
            for expected in [
                STOP_ALL,
                r#"{"StopCmd":{"Inputs":false,"Outputs":true}}"#,
                r#"{"StopCmd":{"DeviceIndex":0,"Inputs":true,"Outputs":true}}"#,
                r#"{"StopCmd":{"DeviceIndex":0,"Inputs":true,"Outputs":false}}"#,
                r#"{"StopCmd":{"DeviceIndex":0,"FeatureIndex":1,"Inputs":true,"Outputs":true}}"#,
                r#"{"StopCmd":{"DeviceIndex":0,"FeatureIndex":1,"Inputs":false,"Outputs":true}}"#,
            ] {
                peer.grants(expected).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_before_it_went_out_does_not_move_anything_but_stops_nevertheless() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    // Called, and dropped before the connection's task had its turn.
    assert_eq!(device.vibrate(1.0).now_or_never(), None);
    assert_eq!(device.stop().now_or_never(), None);
    assert_eq!(device.features()[0].vibrate(0.5).now_or_never(), None);
    peer.grants(r#"{"StopCmd":{"DeviceIndex":0,"Inputs":true,"Outputs":true}}"#).await;
    peer.hears_nothing().await;
}
