//! Which reply belongs to whom, and what foreign servers say besides.

use crate::rig::{STOP_ALL, Server, TWIN, error, ok, session, tells, tells_nothing};
use buttplug::core::ErrorClass;
use buttplug::{Client, Error};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn k24_k25_c101_replies_in_reverse_order_reach_their_callers() {
    let (client, _events, mut peer) = session(&[]).await;
    let calls = async { tokio::join!(client.start_scanning(), client.stop_scanning(), client.stop_all()) };
    let ((start, stop, halt), ()) = tokio::join!(calls, async {
        let first = peer.hears(r#"{"StartScanning":{}}"#).await;
        let second = peer.hears(r#"{"StopScanning":{}}"#).await;
        let third = peer.hears(STOP_ALL).await;
        peer.says(&error(third, 4, "third")).await;
        peer.says(&error(second, 3, "second")).await;
        peer.says(&ok(first)).await;
    });
    assert_eq!(start, Ok(()));
    assert!(matches!(&stop, Err(Error::Message(report)) if report.message == "second"), "{stop:?}");
    assert!(matches!(&halt, Err(Error::Device(report)) if report.message == "third"), "{halt:?}");
    assert_eq!(halt.unwrap_err().class(), Some(ErrorClass::Device));
}

#[tokio::test]
async fn k26_k27_k42_r21_r26_c99_a_server_that_answers_nothing_holds_up_nobody() {
    let client = Client::builder("Test").request_timeout(Some(Duration::from_millis(100))).build();
    let mut events = client.events();
    let mut peer = Server::new().await.welcome(&client, 0, &[]).await;
    let (late, id) = tokio::join!(client.start_scanning(), peer.hears(r#"{"StartScanning":{}}"#));
    assert!(matches!(late, Err(Error::Timeout { request: "StartScanning", .. })), "{late:?}");
    peer.says(&error(id, 4, "too late")).await;
    let (next, ()) = tokio::join!(client.stop_scanning(), peer.grants(r#"{"StopScanning":{}}"#));
    assert_eq!(next, Ok(()));
    tells(&mut events, &["connected to Rig"]).await;
    tells_nothing(&mut events).await;
    // No reply, and nobody who reads the close.
    client.disconnect().await;
    tells(&mut events, &["disconnected: the client disconnected"]).await;
    peer.hears(STOP_ALL).await;
    peer.sees_the_end().await;
}

#[tokio::test]
async fn k28_k48_k49_r27_c109_what_cannot_be_read_costs_nothing_else() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    for strange in [&ok(4711), &ok(0), "not json", "", "[]", "{}", "[1,2]", "[{\"Ok\":{}}]"] {
        peer.says(strange).await;
    }
    peer.sends(Message::binary(vec![0, 159, 146, 150])).await;
    peer.sends(Message::Ping(vec![1].into())).await;
    let (done, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        peer.says(&format!(r#"[{{"Ok":{{"Id":{id}}}}},{{"Weather":{{"Id":0,"Sky":"blue"}}}}]"#)).await;
    });
    assert_eq!(done, Ok(()));
    let (done, ()) = tokio::join!(client.stop_scanning(), async {
        let id = peer.hears(r#"{"StopScanning":{}}"#).await;
        peer.says(&format!(r#"[{{"Weather":{{"Id":{id},"Sky":"blue"}}}},{{"Ok":{{"Id":{id}}}}}]"#)).await;
    });
    assert_eq!(done, Ok(()));
    tells_nothing(&mut events).await;
}

#[tokio::test]
async fn k53_the_scanning_flag_follows_the_servers_word() {
    let (client, mut events, mut peer) = session(&[]).await;
    let (started, ()) = tokio::join!(client.start_scanning(), peer.grants(r#"{"StartScanning":{}}"#));
    assert!(started.is_ok() && client.is_scanning());
    peer.says(r#"[{"ScanningFinished":{"Id":0}}]"#).await;
    tells(&mut events, &["scanning finished"]).await;
    assert!(!client.is_scanning());
}
