//! What the device table makes of lists.

use crate::rig::{MIXER, TWIN, error, list, session, told};
use buttplug_client::core::{FeatureIndex, InputKind, OutputKind};
use buttplug_client::{Error, Event};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn k9_r7_a_pushed_list_removes_and_adds() {
    let (client, mut events, peer) = session(&[TWIN]).await;
    peer.says(&list(0, &[MIXER]));
    assert_eq!(told(&mut events).await, ["removed 0", "added 5"]);
    assert_eq!(client.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn c102_a_pushed_list_is_told_as_what_it_adds_and_removes() {
    let named = |index: u32| {
        format!(r#""{index}":{{"DeviceName":"Twin","DeviceIndex":{index},"DeviceFeatures":{{}}}}"#)
    };
    let (client, mut events, peer) = session(&[&named(0), &named(1)]).await;
    peer.says(&list(0, &[&named(0), &named(2)]));
    assert_eq!(told(&mut events).await, ["removed 1", "added 2"]);
    let there: Vec<_> = client.devices().iter().map(|device| device.index().0).collect();
    assert_eq!(there, [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn k10_r7_a_list_that_changes_nothing_is_no_event() {
    let (_client, mut events, peer) = session(&[TWIN, MIXER]).await;
    peer.says(&list(0, &[TWIN, MIXER]));
    assert_eq!(told(&mut events).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn k11_r7_t22_a_device_with_new_content_is_reported_and_its_handles_see_it() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    assert!(device.feature(FeatureIndex(3)).is_none());
    let motor = device.feature(FeatureIndex(1)).unwrap();
    let more = TWIN
        .replace(
            r#""2":{"FeatureIndex":2"#,
            r#""3":{"FeatureIndex":3,"Output":{"Led":{"Value":[0,1]}}},"2":{"FeatureIndex":2"#,
        )
        .replace("[0,10]", "[0,40]");
    peer.says(&list(0, &[&more]));
    assert_eq!(told(&mut events).await, ["changed 0"]);
    assert!(device.is_present() && device.has_output(OutputKind::Led));
    assert_eq!(device, client.devices()[0]);
    let (moved, ()) = tokio::join!(
        motor.vibrate(1.0),
        peer.grants(r#"{"OutputCmd":{"DeviceIndex":0,"FeatureIndex":1,"Command":{"Vibrate":{"Value":40}}}}"#)
    );
    assert_eq!(moved, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k12_r8_c103_what_is_not_known_in_a_list_is_skipped_and_the_rest_works() {
    let strange = r#""7":{"DeviceName":"Strange","DeviceIndex":7,"Colour":"red","DeviceMessageTimingGap":1,"DeviceFeatures":{
        "0":{"FeatureIndex":0,"Mood":1,"Output":{"Warp":{"Value":[0,9]},"Vibrate":{"Value":[0,20],"Shape":"round"}},
             "Input":{"Smell":{"Value":[[0,9]],"Command":["Sniff"]},"Battery":{"Value":[[0,100]],"Command":["Sniff","Read"]}}}}}"#;
    let (client, _events, mut peer) = session(&[strange]).await;
    let feature = client.devices()[0].features().remove(0);
    assert_eq!(feature.unknown(), ["Warp", "Smell"]);
    assert!(feature.input(InputKind::Battery).unwrap().commands.read);
    let (moved, ()) = tokio::join!(
        feature.vibrate(1.0),
        peer.grants(r#"{"OutputCmd":{"DeviceIndex":7,"FeatureIndex":0,"Command":{"Vibrate":{"Value":20}}}}"#)
    );
    assert_eq!(moved, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn r10_accessors_tell_what_the_server_announced() {
    let (client, _events, _peer) = session(&[TWIN, MIXER]).await;
    let devices = client.devices();
    let (twin, mixer) = (&devices[0], &devices[1]);
    assert_eq!((twin.name(), twin.display_name(), twin.label()), ("Twin".into(), None, "Twin".into()));
    assert_eq!((mixer.name(), mixer.display_name()), ("Mixer".into(), Some("Kitchen".into())));
    assert_eq!((mixer.label(), twin.message_gap()), ("Kitchen".into(), Duration::from_millis(100)));
    let indexes: Vec<_> = mixer.features().iter().map(|feature| feature.index().0).collect();
    assert_eq!(indexes, [0, 3, 4]);
    let stroker = mixer.features_with_output(OutputKind::HwPositionWithDuration).remove(0);
    let output = stroker.output(OutputKind::HwPositionWithDuration).unwrap();
    assert_eq!((output.range.max(), output.duration_ms.unwrap().max()), (100, 1000));
    assert_eq!((stroker.outputs().len(), stroker.inputs().len(), stroker.device()), (1, 0, mixer));
    let button = mixer.features_with_input(InputKind::Button).remove(0);
    assert!(button.input(InputKind::Button).unwrap().commands.subscribe);
    assert!(mixer.has_input(InputKind::Button) && !twin.has_input(InputKind::Button));
    assert_eq!(twin.features()[0].description(), "Left");
}

#[tokio::test(start_paused = true)]
async fn k35_r9_a_device_that_leaves_under_a_command_fails_it_and_its_handle_knows() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let motor = device.features().remove(0);
    let (failed, ()) = tokio::join!(motor.vibrate(1.0), async {
        let (_, id) = peer.next().await.unwrap();
        peer.says(&list(0, &[]));
        peer.says(&error(id, 4, "device 0 is gone"));
    });
    assert!(
        matches!(&failed, Err(Error::Device(report)) if report.message == "device 0 is gone"),
        "{failed:?}"
    );
    assert_eq!(told(&mut events).await, ["removed 0"]);
    assert!(!device.is_present());
}

#[tokio::test(start_paused = true)]
async fn k36_r9_a_dead_handle_stays_dead_and_sends_nothing_also_when_the_device_is_back() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let (old, motor) = (client.devices().remove(0), client.devices()[0].features().remove(0));
    peer.says(&list(0, &[]));
    peer.says(&list(0, &[TWIN]));
    assert_eq!(told(&mut events).await, ["removed 0", "added 0"]);
    let gone = Error::Gone { device: old.index(), name: String::from("Twin") };
    assert_eq!(old.vibrate(0.5).await, Err(gone.clone()));
    assert_eq!(old.stop().await, Err(gone.clone()));
    assert_eq!(motor.vibrate(0.5).await, Err(gone.clone()));
    assert_eq!(old.battery().await, Err(gone));
    peer.hears_nothing().await;
    assert!(client.devices()[0].is_present());
}

#[tokio::test(start_paused = true)]
async fn k46_r28_a_handler_of_an_added_device_may_send_commands() {
    let (client, mut events, mut peer) = session(&[]).await;
    let handler = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::DeviceAdded(device) = event {
                return device.stop().await;
            }
        }
        Err(Error::NotConnected)
    });
    peer.says(&list(0, &[MIXER]));
    peer.grants(r#"{"StopCmd":{"DeviceIndex":5,"Inputs":true,"Outputs":true}}"#).await;
    assert_eq!(handler.await.unwrap(), Ok(()));
    drop(client);
}
