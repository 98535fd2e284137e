//! Disconnect, loss, ping timeout.

use crate::rig::{AGES, PING, Server, TWIN, error, session, tells, tells_nothing};
use buttplug::core::ErrorClass;
use buttplug::core::connector::ConnectorError;
use buttplug::{Client, Error};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn k39_r25_c106_a_ping_timeout_is_told_once_and_the_socket_that_was_left_open_closes() {
    let client = Client::new("Test");
    let mut events = client.events();
    let mut peer = Server::new().await.welcome(&client, 60_000, &[TWIN]).await;
    let device = client.devices().remove(0);
    let (pending, ()) = tokio::join!(device.vibrate(1.0), async {
        while peer.next().await.is_some_and(|(text, _)| text == PING) {}
        peer.says(&error(0, 2, "no ping")).await;
    });
    tells(&mut events, &["connected to Rig", "added 0", "error: ", "removed 0"]).await;
    tells(&mut events, &["disconnected: the server saw no pings in time: no ping"]).await;
    for failed in [pending, device.vibrate(0.5).await, client.stop_all().await, client.ping().await] {
        assert_eq!(failed.unwrap_err().class(), Some(ErrorClass::Ping));
    }
    while peer.next().await.is_some() {}
    tells_nothing(&mut events).await;
}

#[tokio::test]
async fn k40_r23_c107_a_dropped_connection_fails_what_waits_and_is_told_once() {
    let (client, mut events, peer) = session(&[TWIN]).await;
    let device = client.devices().remove(0);
    let calls = async { tokio::join!(client.start_scanning(), device.stop()) };
    let (failed, ()) = tokio::join!(timeout(AGES / 4, calls), async {
        let mut peer = peer;
        peer.hears(r#"{"StartScanning":{}}"#).await;
        drop(peer);
    });
    let (scan, stop) = failed.expect("long before the time limit of requests");
    for result in [scan, stop] {
        assert!(matches!(result, Err(Error::Connector(ConnectorError::Lost { .. }))), "{result:?}");
    }
    tells(&mut events, &["removed 0", "disconnected: the connection was lost"]).await;
    tells_nothing(&mut events).await;
    assert!(!client.is_connected() && !device.is_present() && client.devices().is_empty());
}

#[tokio::test]
async fn r23_c107_a_server_that_closes_in_order_is_told_from_a_loss() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    peer.sends(Message::Close(None)).await;
    tells(&mut events, &["removed 0", "disconnected: the server closed the connection"]).await;
    let closed = client.stop_all().await;
    assert!(matches!(closed, Err(Error::Connector(ConnectorError::Closed { .. }))), "{closed:?}");
}

#[tokio::test]
async fn k41_k43_r26_a_disconnect_stops_everything_says_good_bye_and_is_told_once() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let ((), ()) = tokio::join!(client.disconnect(), peer.is_left());
    tells(&mut events, &["removed 0", "disconnected: the client disconnected"]).await;
    client.disconnect().await;
    tells_nothing(&mut events).await;
}

#[tokio::test]
async fn k54_r26_a_client_that_is_dropped_closes_the_socket() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    drop(client);
    peer.sees_the_end().await;
    tells(&mut events, &["removed 0", "disconnected: the client disconnected"]).await;
    assert!(events.next().await.is_none());
}
