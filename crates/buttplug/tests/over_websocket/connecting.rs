//! Addresses, handshake, first list, connect again.

use crate::rig::{
    AGES, HANDSHAKE, MIXER, PING, Peer, REQUEST_LIST, STOP_ALL, Server, TWIN, error, list, ok, one_frame,
    server_info, session, tells, tells_nothing,
};
use buttplug::core::connector::ConnectorError;
use buttplug::core::{DeviceIndex, ErrorClass};
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error, HandshakeFailure};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

#[tokio::test]
async fn k1_r2_a_closed_port_is_a_connector_error_and_the_client_is_of_use_afterwards() {
    let closed = Server::new().await.connector();
    let client = Client::new("Test");
    let refused = client.connect(closed).await;
    assert!(matches!(refused, Err(Error::Connector(ConnectorError::Refused { .. }))), "{refused:?}");
    assert!(!client.is_connected());
    let _peer = Server::new().await.welcome(&client, 0, &[]).await;
    assert!(client.is_connected());
}

#[tokio::test]
async fn k2_r2_a_url_that_is_none_is_a_connector_error_that_names_it() {
    let client = Client::new("Test");
    for url in
        ["not a url", "", "ws://", "ws://127.0.0.1:99999", "http://127.0.0.1:1", "ws://[::1", "ws:// /"]
    {
        let refused = client.connect(WebSocketClientConnector::new(url)).await;
        let bad = matches!(&refused, Err(Error::Connector(ConnectorError::BadAddress { address, .. })) if address == url);
        assert!(bad, "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn r2_any_path_and_query_is_accepted() {
    let server = Server::new().await;
    let client = Client::new("Test");
    for url in [server.url(), format!("{}/a/path?and=a&query", server.url()).replacen("ws", "WS", 1)] {
        let connecting = client.connect(WebSocketClientConnector::new(url));
        let script = async |peer: &mut Peer| peer.welcomes(0, &[]).await;
        let (connected, mut peer) = server.meets(connecting, script).await;
        assert!(connected.is_ok(), "{connected:?}");
        tokio::join!(client.disconnect(), peer.is_left());
    }
}

#[tokio::test]
async fn r2_whoever_answers_without_a_websocket_declines() {
    let server = Server::new().await;
    for answer in ["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH\r\n", ""] {
        let client = Client::new("Test");
        let (declined, ()) = tokio::join!(client.connect(server.connector()), async {
            server.answers().await.write_all(answer.as_bytes()).await.unwrap();
        });
        assert!(
            matches!(&declined, Err(Error::Connector(ConnectorError::Declined { address, .. })) if *address == server.url()),
            "{answer}: {declined:?}"
        );
    }
}

#[tokio::test]
async fn k3_r3_a_server_that_accepts_and_keeps_silent_is_a_handshake_error_and_the_socket_closes() {
    let client = Client::builder("Test").connect_timeout(Some(Duration::from_millis(200))).build();
    let (silent, mut peer) = Server::new().await.connect(&client, async |_: &mut Peer| ()).await;
    let failed = silent.unwrap_err();
    assert!(matches!(failed, Error::Handshake(HandshakeFailure::NoAnswer { .. })), "{failed}");
    assert_eq!(failed.class(), Some(ErrorClass::Handshake));
    peer.hears(HANDSHAKE).await;
    peer.sees_the_end().await;
}

#[tokio::test]
async fn k4_k5_r4_c108_a_refused_or_older_handshake_is_an_error_and_the_socket_closes() {
    let refused = HandshakeFailure::Refused { message: String::from("go away") };
    let old = HandshakeFailure::Version { server: 3, client: 4 };
    let of_old_servers = r#"[{"ServerInfo":{"Id":1,"ServerName":"Old","MessageVersion":3,"MaxPingTime":0}}]"#;
    for (reply, failure) in [
        (error(1, 1, "go away"), refused),
        (server_info(1, 3, 0, 0), old.clone()),
        (of_old_servers.to_owned(), old),
    ] {
        let client = Client::new("Test");
        let script = async |peer: &mut Peer| {
            peer.hears(HANDSHAKE).await;
            peer.says(&reply).await;
        };
        let (failed, mut peer) = Server::new().await.connect(&client, script).await;
        assert_eq!(failed, Err(Error::Handshake(failure)));
        assert!(!client.is_connected());
        peer.sees_the_end().await;
    }
}

#[tokio::test]
async fn k6_r6_a_later_minor_version_is_fine() {
    let client = Client::new("Test");
    let script = async |peer: &mut Peer| {
        let id = peer.hears(HANDSHAKE).await;
        peer.says(&server_info(id, 4, 7, 0)).await;
        let id = peer.hears(REQUEST_LIST).await;
        peer.says(&list(id, &[])).await;
    };
    let (connected, _peer) = Server::new().await.connect(&client, script).await;
    let server = connected.unwrap();
    assert_eq!((server.name.as_str(), server.major, server.minor), ("Rig", 4, 7));
    assert_eq!(client.server(), Some(server));
}

#[tokio::test]
async fn k7_r27_c100_what_comes_before_server_info_is_ignored() {
    let client = Client::new("Test");
    let mut events = client.events();
    let script = async |peer: &mut Peer| {
        peer.says(&error(0, 1, "a device came too early")).await;
        peer.says("not json").await;
        peer.says(&list(0, &[MIXER])).await;
        peer.welcomes(0, &[TWIN]).await;
    };
    let (connected, _peer) = Server::new().await.connect(&client, script).await;
    assert!(connected.is_ok(), "{connected:?}");
    tells(&mut events, &["connected to Rig", "added 0"]).await;
    tells_nothing(&mut events).await;
}

#[tokio::test]
async fn k8_r5_a_list_of_two_devices_fills_the_table_and_queues_an_event_for_each() {
    let client = Client::new("Test");
    let _peer = Server::new().await.welcome(&client, 0, &[TWIN, MIXER]).await;
    assert_eq!(client.devices().len(), 2);
    assert_eq!(client.device(DeviceIndex(5)).unwrap().label(), "Kitchen");
    tells(&mut client.events(), &["connected to Rig", "added 0", "added 5"]).await;
}

#[tokio::test]
async fn k13_several_messages_in_one_frame_are_all_handled() {
    let client = Client::new("Test");
    let mut events = client.events();
    let script = async |peer: &mut Peer| {
        let id = peer.hears(HANDSHAKE).await;
        peer.says(&one_frame(&[server_info(id, 4, 0, 0), list(0, &[TWIN])])).await;
        let id = peer.hears(REQUEST_LIST).await;
        peer.says(&list(id, &[TWIN])).await;
    };
    let (connected, mut peer) = Server::new().await.connect(&client, script).await;
    assert!(connected.is_ok(), "{connected:?}");
    let (started, ()) = tokio::join!(client.start_scanning(), async {
        let id = peer.hears(r#"{"StartScanning":{}}"#).await;
        let finished = String::from(r#"[{"ScanningFinished":{"Id":0}}]"#);
        peer.says(&one_frame(&[list(0, &[TWIN, MIXER]), ok(id), finished])).await;
    });
    assert_eq!(started, Ok(()));
    tells(&mut events, &["connected to Rig", "added 0", "added 5", "scanning finished"]).await;
}

#[tokio::test]
async fn k37_k38_r24_c105_pings_go_out_by_themselves_where_they_are_wanted_and_nowhere_else() {
    let client = Client::new("Test");
    let mut peer = Server::new().await.welcome(&client, 100, &[]).await;
    for _ in 0..3 {
        peer.grants(PING).await;
    }
    let (_client, _events, mut peer) = session(&[]).await;
    peer.hears_nothing().await;
}

#[tokio::test]
async fn k44_r1_the_same_client_and_connector_connect_again_and_old_pings_are_gone() {
    let server = Server::new().await;
    let client = Client::new("Test");
    let mut events = client.events();
    let mut connector = server.connector();
    for max_ping_ms in [200, 0] {
        let script = async |peer: &mut Peer| peer.welcomes(max_ping_ms, &[TWIN]).await;
        let (connected, mut peer) = server.meets(client.connect_through(&mut connector), script).await;
        assert!(connected.is_ok(), "{connected:?}");
        tells(&mut events, &["connected to Rig", "added 0"]).await;
        if max_ping_ms == 0 {
            peer.hears_nothing().await;
        }
        drop(peer);
        tells(&mut events, &["removed 0", "disconnected: the connection was lost"]).await;
    }
}

#[tokio::test]
async fn k45_r1_connecting_while_connected_is_an_error_and_the_session_goes_on() {
    let (client, _events, mut peer) = session(&[TWIN]).await;
    let other = Server::new().await;
    assert_eq!(client.connect(other.connector()).await, Err(Error::AlreadyConnected));
    let (stopped, ()) = tokio::join!(client.stop_all(), peer.grants(STOP_ALL));
    assert_eq!(stopped, Ok(()));
}

#[tokio::test]
async fn k47_a_list_of_a_mebibyte_in_small_pieces_is_read() {
    let device = |index: u32| {
        TWIN.replacen("\"0\"", &format!("\"{index}\""), 1)
            .replace("\"DeviceIndex\":0", &format!("\"DeviceIndex\":{index}"))
    };
    let devices: Vec<String> = (0..3000).map(device).collect();
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let client = Client::new("Test");
    let script = async |peer: &mut Peer| {
        let id = peer.hears(HANDSHAKE).await;
        peer.says(&server_info(id, 4, 0, 0)).await;
        let id = peer.hears(REQUEST_LIST).await;
        let long = list(id, &devices);
        assert!(long.len() > 1024 * 1024, "{}", long.len());
        peer.says_in_pieces(&long, 1000).await;
    };
    let (connected, _peer) =
        timeout(AGES, Server::new().await.connect(&client, script)).await.expect("in time");
    assert!(connected.is_ok(), "{connected:?}");
    assert_eq!(client.devices().len(), devices.len());
    assert_eq!(client.devices()[2999].features().len(), 3);
}
