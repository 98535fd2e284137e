//! Which reply belongs to whom, and what happens without one.

use crate::rig::{Peers, STOP_ALL, TWIN, error, ok, session, told};
use buttplug_client::core::ErrorClass;
use buttplug_client::{Client, DEFAULT_REQUEST_TIMEOUT, Error};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn k24_c101_replies_in_reverse_order_reach_their_callers() {
    let (client, _events, mut peer) = session(&[]).await;
    let calls = async { tokio::join!(client.start_scanning(), client.stop_scanning(), client.stop_all()) };
    let ((start, stop, halt), ()) = tokio::join!(calls, async {
        let first = peer.hears(r#"{"StartScanning":{}}"#).await;
        let second = peer.hears(r#"{"StopScanning":{}}"#).await;
        let third = peer.hears(STOP_ALL).await;
        peer.says(&error(third, 4, "third"));
        peer.says(&error(second, 0, "second"));
        peer.says(&ok(first));
    });
    assert_eq!(start, Ok(()));
    assert!(matches!(&stop, Err(Error::Unknown(report)) if report.message == "second"), "{stop:?}");
    assert!(matches!(&halt, Err(Error::Device(report)) if report.message == "third"), "{halt:?}");
}

#[tokio::test(start_paused = true)]
async fn k25_r22_errors_of_the_server_keep_class_text_and_id() {
    let classes = [
        (0, ErrorClass::Unknown),
        (1, ErrorClass::Handshake),
        (3, ErrorClass::Message),
        (4, ErrorClass::Device),
        (77, ErrorClass::Unknown),
    ];
    let (client, _events, mut peer) = session(&[]).await;
    for (code, class) in classes {
        let (failed, id) = tokio::join!(client.start_scanning(), async {
            let id = peer.hears(r#"{"StartScanning":{}}"#).await;
            peer.says(&error(id, code, "the reason"));
            id
        });
        let failed = failed.unwrap_err();
        assert_eq!(failed.class(), Some(class));
        assert!(failed.to_string().contains("the reason"), "{failed}");
        if let Error::Device(report) | Error::Message(report) | Error::Unknown(report) = failed {
            assert_eq!(report.id.0, id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn k26_k27_r21_c99_no_reply_is_a_timeout_and_a_late_one_is_ignored() {
    let (client, mut events, mut peer) = session(&[]).await;
    let begun = Instant::now();
    let (late, id) = tokio::join!(client.start_scanning(), peer.hears(r#"{"StartScanning":{}}"#));
    assert_eq!(late, Err(Error::Timeout { request: "StartScanning", after: DEFAULT_REQUEST_TIMEOUT }));
    assert_eq!(begun.elapsed().as_secs(), DEFAULT_REQUEST_TIMEOUT.as_secs());
    peer.says(&error(id, 4, "too late"));
    let (next, ()) = tokio::join!(client.stop_scanning(), peer.grants(r#"{"StopScanning":{}}"#));
    assert_eq!(next, Ok(()));
    assert_eq!(told(&mut events).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn r21_without_a_time_limit_a_reply_may_take_an_hour() {
    let client = Client::builder("Test").request_timeout(None).build();
    let mut peer = Peers::new().welcome(&client, 0, &[]).await;
    let (done, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        peer.says(&ok(id));
    });
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k28_k48_k49_r27_c109_what_nobody_asked_for_and_what_is_no_message_is_ignored() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    peer.says(&ok(4711));
    peer.says(&ok(0));
    peer.says("not json");
    let (done, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        peer.says(&format!(r#"[{{"Weather":{{"Id":0,"Sky":"blue"}}}},{{"Ok":{{"Id":{id}}}}}]"#));
    });
    assert_eq!(done, Ok(()));
    assert_eq!(told(&mut events).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_the_wrong_kind_is_an_error_and_not_a_success() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let (read, ()) = tokio::join!(device.battery(), async {
        let (_, id) = peer.next().await.unwrap();
        peer.says(&ok(id));
    });
    assert_eq!(read, Err(Error::UnexpectedReply { request: "InputCmd" }));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_disturbs_nobody() {
    let (client, _events, mut peer) = session(&[]).await;
    let given_up = tokio::time::timeout(Duration::from_secs(1), client.start_scanning()).await;
    assert!(given_up.is_err());
    let id = peer.hears(r#"{"StartScanning":{}}"#).await;
    let (next, ()) = tokio::join!(client.stop_scanning(), async {
        peer.says(&ok(id));
        peer.grants(r#"{"StopScanning":{}}"#).await;
    });
    assert_eq!(next, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k53_the_scanning_flag_follows_the_replies_and_the_servers_word() {
    let (client, mut events, mut peer) = session(&[]).await;
    let (refused, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        peer.says(&error(id, 0, "no"));
    });
    assert!(refused.is_err() && !client.is_scanning());
    for ends_by_itself in [true, false] {
        let (started, ()) = tokio::join!(client.start_scanning(), peer.grants(r#"{"StartScanning":{}}"#));
        assert!(started.is_ok() && client.is_scanning());
        if ends_by_itself {
            peer.says(r#"[{"ScanningFinished":{"Id":0}}]"#);
            assert_eq!(told(&mut events).await, ["scanning finished"]);
        } else {
            let (stopped, ()) = tokio::join!(client.stop_scanning(), peer.grants(r#"{"StopScanning":{}}"#));
            assert!(stopped.is_ok());
        }
        assert!(!client.is_scanning());
    }
}

#[tokio::test(start_paused = true)]
async fn r25_an_error_without_a_request_is_an_event_and_the_session_goes_on() {
    let (client, mut events, peer) = session(&[]).await;
    peer.says(&error(0, 4, "device 3 has a flat battery"));
    assert_eq!(told(&mut events).await, ["error: the server could not do it: device 3 has a flat battery"]);
    assert!(client.is_connected());
}
