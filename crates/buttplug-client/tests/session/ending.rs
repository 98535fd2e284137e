//! Pings, disconnect, loss.

use crate::rig::{MIXER, PING, Peer, Peers, REQUEST_LIST, STOP_ALL, TWIN, error, session, told};
use buttplug_client::core::ErrorClass;
use buttplug_client::core::connector::ConnectorError;
use buttplug_client::{CLOSE_WAIT, Client, Error, STOP_WAIT};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn k37_r24_c105_pings_begin_at_once_and_come_at_half_the_longest_time() {
    let client = Client::new("Test");
    let script = async |peer: &mut Peer| {
        let (_, id) = peer.next().await.unwrap();
        peer.says(&crate::rig::server_info(id, 4, 0, 1000));
        let begun = Instant::now();
        // Also while the server is slow with its list.
        let mut list = None;
        for expected in [0, 500, 1000, 1500, 2000] {
            let (mut message, mut id) = peer.next().await.unwrap();
            if message != PING {
                assert_eq!(message, REQUEST_LIST);
                list = Some(id);
                (message, id) = peer.next().await.unwrap();
            }
            assert_eq!(message, PING);
            assert_eq!(begun.elapsed().as_millis(), expected);
            // The last ones are left without a reply: only the server's word ends a session.
            if expected < 1000 {
                peer.says(&crate::rig::ok(id));
            }
        }
        peer.says(&crate::rig::list(list.unwrap(), &[]));
    };
    let (result, _peer) = Peers::new().connect(&client, script).await;
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn k38_c105_a_server_without_ping_time_gets_no_pings_not_even_by_hand() {
    let (client, _events, mut peer) = session(&[]).await;
    assert_eq!(client.ping().await, Ok(()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn r24_a_ping_by_hand_is_answered_like_any_request() {
    let client = Client::new("Test");
    let mut peer = Peers::new().welcome(&client, 60_000, &[]).await;
    let (done, ()) = tokio::join!(client.ping(), async {
        let mut answered = 0;
        while let Ok(Some((text, id))) = tokio::time::timeout(Duration::from_millis(1), peer.next()).await {
            assert_eq!(text, PING);
            peer.says(&crate::rig::ok(id));
            answered += 1;
        }
        assert!(answered >= 1);
    });
    assert_eq!(done, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k39_r25_c106_a_ping_timeout_is_reported_ends_the_session_and_every_later_command() {
    let client = Client::new("Test");
    let mut events = client.events();
    let mut peer = Peers::new().welcome(&client, 1000, &[TWIN]).await;
    let device = client.devices().remove(0);
    let (pending, ()) = tokio::join!(device.vibrate(1.0), async {
        tokio::task::yield_now().await;
        peer.says(&error(0, 2, "no ping"));
    });
    let ping = |result: &Result<(), Error>| {
        let class = result.as_ref().err().and_then(Error::class);
        assert_eq!(class, Some(ErrorClass::Ping), "{result:?}");
        assert!(matches!(result, Err(Error::Ping(report)) if report.message == "no ping"), "{result:?}");
    };
    ping(&pending);
    let told = told(&mut events).await;
    assert_eq!(
        told,
        [
            "connected to Rig",
            "added 0",
            "error: the server ended the session for want of pings: no ping",
            "removed 0",
            "disconnected: the server saw no pings in time: no ping"
        ]
    );
    ping(&device.vibrate(0.5).await);
    ping(&client.start_scanning().await);
    ping(&client.ping().await);
    // The server has left the connection open; the client has not.
    while let Some((text, _)) = peer.next().await {
        assert_ne!(text, STOP_ALL);
    }
}

#[tokio::test(start_paused = true)]
async fn r25_a_reply_of_class_ping_ends_the_session_too() {
    let (client, mut events, mut peer) = session(&[]).await;
    let (failed, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        peer.says(&error(id, 2, "no ping"));
    });
    assert!(matches!(failed, Err(Error::Ping(_))), "{failed:?}");
    assert_eq!(told(&mut events).await.len(), 2);
    assert!(!client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn r25_the_servers_last_words_count_also_if_a_command_finds_the_connection_ended_before_they_are_read()
{
    let (client, mut events, peer) = session(&[TWIN]).await;
    peer.says(&error(0, 2, "no ping"));
    drop(peer);
    let failed = client.start_scanning().await;
    assert!(matches!(failed, Err(Error::Ping(_))), "{failed:?}");
    let told = told(&mut events).await;
    assert_eq!(told.last().unwrap(), "disconnected: the server saw no pings in time: no ping");
}

#[tokio::test(start_paused = true)]
async fn k40_r23_c107_a_loss_fails_what_waits_at_once_and_is_told_once() {
    let (client, mut events, peer) = session(&[TWIN, MIXER]).await;
    let device = client.devices().remove(0);
    let begun = Instant::now();
    let (scan, stop, ()) = tokio::join!(client.start_scanning(), device.stop(), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(peer);
    });
    assert!(begun.elapsed() < Duration::from_secs(1));
    let lost = Err(Error::Connector(ConnectorError::Lost { reason: String::from("the peer was dropped") }));
    assert_eq!((&scan, &stop), (&lost, &lost));
    assert_eq!(
        told(&mut events).await,
        ["removed 0", "removed 5", "disconnected: the connection was lost: the peer was dropped"]
    );
    assert_eq!((device.stop().await, client.stop_all().await), (lost.clone(), lost));
    assert!(client.devices().is_empty() && !client.is_connected() && !device.is_present());
}

#[tokio::test(start_paused = true)]
async fn k41_k43_r26_a_disconnect_stops_everything_and_tells_once_why() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let begun = Instant::now();
    let ((), ()) = tokio::join!(client.disconnect(), peer.grants(STOP_ALL));
    peer.sees_the_end().await;
    assert!(begun.elapsed() < Duration::from_millis(100));
    assert_eq!(told(&mut events).await, ["removed 0", "disconnected: the client disconnected"]);
    client.disconnect().await;
    assert_eq!(told(&mut events).await, Vec::<String>::new());
    assert_eq!(client.start_scanning().await, Err(Error::NotConnected));
}

#[tokio::test(start_paused = true)]
async fn k42_r26_c99_t8_a_disconnect_from_a_silent_server_is_bounded() {
    let client = Client::new("Test");
    let mut peers = Peers::new();
    peers.close_hangs = true;
    let mut peer = peers.welcome(&client, 0, &[TWIN]).await;
    let device = client.devices().remove(0);
    let waiting = tokio::spawn(async move { device.vibrate(1.0).await });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    client.disconnect().await;
    assert!(begun.elapsed() <= STOP_WAIT + CLOSE_WAIT + Duration::from_millis(10), "{:?}", begun.elapsed());
    assert_eq!(waiting.await.unwrap(), Err(Error::NotConnected));
    for _ in 0..2 {
        let (text, _) = peer.next().await.unwrap();
        assert!(text.contains("Vibrate"), "{text}");
    }
    peer.hears(STOP_ALL).await;
    peer.sees_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn r26_disconnecting_without_a_connection_does_nothing() {
    let client = Client::new("Test");
    client.disconnect().await;
    assert_eq!(told(&mut client.events()).await, Vec::<String>::new());
    assert_eq!(client.start_scanning().await, Err(Error::NotConnected));
    assert!(client.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn r26_a_disconnect_that_is_given_up_still_disconnects() {
    let (client, mut events, mut peer) = session(&[]).await;
    assert!(tokio::time::timeout(Duration::from_millis(1), client.disconnect()).await.is_err());
    peer.grants(STOP_ALL).await;
    peer.sees_the_end().await;
    assert_eq!(told(&mut events).await, ["disconnected: the client disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn k54_r26_dropping_the_last_client_closes_the_connection_and_ends_the_events() {
    let (client, mut events, mut peer) = session(&[TWIN]).await;
    let (device, other) = (client.devices().remove(0), client.clone());
    drop(client);
    peer.hears_nothing().await;
    drop(other);
    peer.sees_the_end().await;
    assert_eq!(told(&mut events).await, ["removed 0", "disconnected: the client disconnected"]);
    assert!(events.next().await.is_none());
    assert_eq!(device.vibrate(0.5).await, Err(Error::NotConnected));
}
