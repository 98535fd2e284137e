//! The engine dials a client that listens, seen from that client.
#![cfg_attr(not(unix), allow(unused_imports, reason = "some tests need Unix"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod program;

use program::{Engine, SOON, Socket, lovense, run, user_file};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// An application that is a WebSocket server itself.
struct Application(TcpListener);

impl Application {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("ws://{}/engine?key=1", self.0.local_addr().unwrap())
    }

    /// The engine's next connection, and which path it asked for.
    #[allow(clippy::result_large_err, reason = "the library's callback")]
    async fn call(&self) -> (Socket, String) {
        let (stream, _) = timeout(SOON, self.0.accept()).await.expect("a call in time").unwrap();
        let mut path = String::new();
        let note = |request: &Request, response| {
            path = request.uri().to_string();
            assert!(request.headers().get("origin").is_none(), "it is no web page");
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        (Socket(socket), path)
    }
}

type Request = tokio_tungstenite::tungstenite::handshake::server::Request;

#[tokio::test]
async fn the_client_that_was_dialled_commands_devices_and_they_stop_when_it_is_lost() {
    let application = Application::new().await;
    let file = user_file("dial-out.json");
    let mut engine = Engine::start_with(&[
        "--websocket-client-address",
        &application.url(),
        "--user-device-config-file",
        file.name(),
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        "0",
    ])
    .await;
    let (mut client, path) = application.call().await;
    assert_eq!(path, "/engine?key=1");
    client.handshake().await;
    let mut device = lovense(engine.device_port().await).await;
    client.ask("StartScanning", json!({})).await;
    client.first_device().await;
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:10;").await;
    drop(client);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    let (mut client, _) = application.call().await;
    client.handshake().await;
    assert_eq!(client.first_device().await, "Lovense Hush", "devices stay connected");
    let line = engine.line_with("dialling again").await;
    assert!(line.contains("/engine"), "{line}");
    for unsaid in ["listening for clients", "key=1"] {
        assert!(engine.lines.iter().all(|line| !line.contains(unsaid)), "{:#?}", engine.lines);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_is_not_there_is_dialled_with_pauses_and_does_not_hold_up_the_end() {
    // Bound and gone: nobody listens there.
    let url = Application::new().await.url();
    let mut engine = Engine::start_with(&["--websocket-client-address", &url]).await;
    let line = engine.line_with("no client yet").await;
    let (shown, hidden) = url.split_once('?').unwrap();
    assert!(line.contains("WARN") && line.contains(shown), "{line}");
    let start = Instant::now();
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(2500));
    assert!(engine.lines.iter().all(|line| !line.contains(hidden)), "{:#?}", engine.lines);
}

#[tokio::test]
async fn what_can_not_be_dialled_ends_with_1() {
    for url in ["127.0.0.1:1234", "http://127.0.0.1:1234", "ws://127.0.0.1:99999"] {
        let ended = run(&["--websocket-client-address", url]).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended.stderr.contains(url) && ended.stderr.contains("--websocket-client-address"),
            "{ended:?}"
        );
    }
}
