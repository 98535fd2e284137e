//! Commands and readings: what leaves, in which form, and what does not leave at all.

use crate::rig::{MIXER, Peer, Server, TWIN, error, list, ok, reading, session, tells};
use buttplug::core::{ErrorClass, InputKind, OutputKind};
use buttplug::{
    Client, Error, InvalidCommand, MAX_WAITING_READINGS, Output, Reconnect, ReconnectEnd, StopWhat, Value,
};
use std::time::Duration;

fn command(device: u32, feature: u32, command: &str) -> String {
    format!(r#"{{"OutputCmd":{{"DeviceIndex":{device},"FeatureIndex":{feature},"Command":{{{command}}}}}}}"#)
}

#[tokio::test]
async fn k15_to_k17_k21_r12_to_r14_c110_values_leave_as_whole_steps_and_milliseconds() {
    let (client, _events, mut peer) = session(&[TWIN, MIXER]).await;
    let motor = client.devices()[0].features().remove(0);
    let mixer = client.devices().remove(1);
    let long = Output::timed_position(Value::Steps(100), Duration::from_secs(2)).clamped();
    let (done, ()) = tokio::join!(
        async {
            for fraction in [0.01, 0.000_000_1, 0.51, 1.0] {
                motor.vibrate(fraction).await?;
            }
            motor.vibrate_steps(1).await?;
            mixer.rotate(-0.51).await?;
            mixer.position_in(0.25, Duration::from_micros(1500)).await?;
            mixer.run_output(long).await
        },
        async {
            for value in [1, 0, 11, 20, 1] {
                peer.grants(&command(0, 0, &format!(r#""Vibrate":{{"Value":{value}}}"#))).await;
            }
            for text in [
                command(5, 0, r#""Rotate":{"Value":-11}"#),
                command(5, 3, r#""HwPositionWithDuration":{"Value":25,"Duration":2}"#),
                command(5, 3, r#""HwPositionWithDuration":{"Value":100,"Duration":1000}"#),
            ] {
                peer.grants(&text).await;
            }
        }
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn k18_to_k23_k31_k34_k36_r18_c110_what_cannot_be_is_refused_and_nothing_leaves() {
    let buttons = r#""1":{"DeviceName":"Pad","DeviceIndex":1,"DeviceFeatures":{
        "0":{"FeatureIndex":0,"Input":{"Button":{"Value":[[0,1]],"Command":["Subscribe"]}}},
        "1":{"FeatureIndex":1,"Input":{"Button":{"Value":[[0,1]],"Command":["Subscribe"]}}}}}"#;
    let (client, mut events, mut peer) = session(&[TWIN, buttons, MIXER]).await;
    let devices = client.devices();
    let [twin, pad, mixer] = &devices[..] else { panic!("{devices:?}") };
    let motor = twin.features().remove(0);
    let refused = [
        twin.vibrate(-0.5).await,
        twin.vibrate(1.01).await,
        twin.vibrate(f64::NAN).await,
        motor.vibrate_steps(21).await,
        mixer.position_in(0.5, Duration::from_secs(2)).await,
        mixer.vibrate(0.5).await,
        // Valid for the first motor only.
        twin.vibrate_steps(15).await,
        twin.run_output(Output::named("Warp", 1, None)).await,
        twin.subscribe(InputKind::Battery).await.map(drop),
        pad.subscribe(InputKind::Button).await.map(drop),
    ];
    for (case, result) in refused.iter().enumerate() {
        assert_eq!(result.as_ref().err().and_then(Error::class), Some(ErrorClass::Device), "case {case}");
    }
    assert!(matches!(refused[8], Err(Error::Invalid(InvalidCommand::ActionNotListed { .. }))), "{refused:?}");
    assert!(matches!(refused[9], Err(Error::AmbiguousInput { count: 2, .. })), "{refused:?}");
    peer.says(&list(0, &[buttons, MIXER])).await;
    tells(&mut events, &["removed 0"]).await;
    assert!(matches!(motor.vibrate(0.5).await, Err(Error::Gone { .. })));
    peer.hears_nothing().await;
}

#[tokio::test]
async fn k50_k51_r16_r17_stops_of_each_level_leave_in_the_order_of_the_calls() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let motor = device.features().remove(1);
    // None waits for the reply to another.
    let calls = async {
        tokio::join!(
            motor.vibrate(1.0),
            client.stop_all_with(StopWhat::OUTPUTS),
            device.stop(),
            motor.stop_with(StopWhat::OUTPUTS),
            motor.stop(),
        )
    };
    let (done, ()) = tokio::join!(calls, async {
        let mut ids = Vec::new();
        for expected in [
            &command(0, 1, r#""Vibrate":{"Value":10}"#),
            r#"{"StopCmd":{"Inputs":false,"Outputs":true}}"#,
            r#"{"StopCmd":{"DeviceIndex":0,"Inputs":true,"Outputs":true}}"#,
            r#"{"StopCmd":{"DeviceIndex":0,"FeatureIndex":1,"Inputs":false,"Outputs":true}}"#,
            r#"{"StopCmd":{"DeviceIndex":0,"FeatureIndex":1,"Inputs":true,"Outputs":true}}"#,
        ] {
            ids.push(peer.hears(expected).await);
        }
        for id in ids {
            peer.says(&ok(id)).await;
        }
    });
    assert_eq!(done, (Ok(()), Ok(()), Ok(()), Ok(()), Ok(())));
}

#[tokio::test]
async fn r15_an_output_that_only_the_server_knows_is_sent_by_its_name() {
    let future = r#""7":{"DeviceName":"Future","DeviceIndex":7,"DeviceFeatures":{
        "4":{"FeatureIndex":4,"Output":{"Warp":{"Value":[0,9],"Duration":[0,500]}}}}}"#;
    let (client, _events, mut peer) = session(&[future]).await;
    let device = client.devices().remove(0);
    let warp = Output::named("Warp", 9, Some(Duration::from_millis(250)));
    let expected = command(7, 4, r#""Warp":{"Value":9,"Duration":250}"#);
    let (done, ()) = tokio::join!(device.run_output(warp), peer.grants(&expected));
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn k11_r7_r10_new_content_of_a_device_is_told_and_seen_through_its_handles() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    assert_eq!((device.label(), device.message_gap()), (String::from("Twin"), Duration::from_millis(100)));
    let indexes: Vec<_> = device.features().iter().map(|feature| feature.index().0).collect();
    assert_eq!((indexes, device.features()[0].description()), (vec![0, 1, 2], String::from("Left")));
    let more = TWIN
        .replace(r#""DeviceName":"Twin""#, r#""DeviceName":"Twin","DeviceDisplayName":"Mine""#)
        .replace("[0,10]", "[-40,40]");
    peer.says(&list(0, &[&more])).await;
    tells(&mut events, &["changed 0"]).await;
    assert_eq!(device.label(), "Mine");
    let range = device.features()[1].output(OutputKind::Vibrate).unwrap().range;
    assert_eq!((range.min(), range.max()), (-40, 40));
}

#[tokio::test]
async fn r22_every_class_of_the_server_is_told_with_its_text() {
    let classes = [
        ErrorClass::Unknown,
        ErrorClass::Handshake,
        ErrorClass::Message,
        ErrorClass::Device,
        ErrorClass::Ping,
    ];
    let (client, _events, mut peer) = session(&[]).await;
    for class in classes {
        let (failed, ()) = tokio::join!(client.start_scanning(), async {
            let id = peer.hears(r#"{"StartScanning":{}}"#).await;
            peer.says(&error(id, class.code(), "the reason")).await;
        });
        let failed = failed.unwrap_err();
        assert_eq!(failed.class(), Some(class));
        assert!(failed.to_string().contains("the reason"), "{failed}");
    }
}

#[tokio::test]
async fn k29_r20_a_battery_of_85_is_a_fraction_and_a_percentage() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let asks = async { (device.battery().await, device.battery_percent().await) };
    let (told, ()) = tokio::join!(asks, async {
        for _ in 0..2 {
            let ask = r#"{"InputCmd":{"DeviceIndex":0,"FeatureIndex":2,"Type":"Battery","Command":"Read"}}"#;
            let id = peer.hears(ask).await;
            peer.says(&reading(0, 2, "Battery", 85, id)).await;
        }
    });
    assert_eq!(told, (Ok(0.85), Ok(85)));
}

#[tokio::test]
async fn k52_r28_a_reader_that_stalls_loses_old_readings_but_no_removal() {
    let (client, mut events, mut peer) = session(&[MIXER]).await;
    for value in 0..300 {
        peer.says(&reading(5, 4, "Button", value, 0)).await;
    }
    peer.says(&list(0, &[])).await;
    // When the answer is here, so is everything before it.
    let (stopped, ()) = tokio::join!(client.stop_all(), peer.grants(crate::rig::STOP_ALL));
    assert_eq!(stopped, Ok(()));
    let kept = 300 - MAX_WAITING_READINGS..300;
    let readings: Vec<_> = kept.map(|value| format!("5/4 Button {value}")).collect();
    tells(&mut events, &readings.iter().map(String::as_str).collect::<Vec<_>>()).await;
    tells(&mut events, &["removed 5"]).await;
}

#[tokio::test]
async fn r30_a_server_that_is_started_anew_is_found_again_and_nothing_is_set_in_motion() {
    let server = Server::new().await;
    let client = Client::new("Test");
    let mut events = client.events();
    let (mut connector, keeping) = (server.connector(), Reconnect::new(&client));
    let keeping = keeping.first_pause(Duration::from_millis(20));
    let keeping = tokio::spawn(async move { keeping.run(&mut connector).await });
    for _ in 0..3 {
        let mut peer: Peer = server.accepts().await;
        peer.welcomes(0, &[TWIN]).await;
        tells(&mut events, &["connected to Rig", "added 0"]).await;
        peer.hears_nothing().await;
        drop(peer);
        tells(&mut events, &["removed 0", "disconnected: the connection was lost"]).await;
    }
    client.disconnect().await;
    assert_eq!(keeping.await.unwrap(), ReconnectEnd::Requested);
}
