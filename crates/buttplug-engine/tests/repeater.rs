//! A repeater between a client and an engine.
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "some tests need Unix"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod program;

use program::{Engine, SOON, Socket, knock, lovense, run, user_file};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Launchers kill an engine that is still there after three seconds.
const MUST_HAVE_ENDED: Duration = Duration::from_millis(2500);

async fn repeater(server: &str) -> Engine {
    repeater_with(server, &[]).await
}

async fn repeater_with(server: &str, more: &[&str]) -> Engine {
    let arguments = ["--repeater", "--repeater-port", "0", "--repeater-remote-address", server];
    Engine::start_with(&[&arguments, more].concat()).await
}

/// A server elsewhere that only listens.
struct Elsewhere(TcpListener);

impl Elsewhere {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    async fn accept(&self) -> Socket {
        let (stream, _) = timeout(SOON, self.0.accept()).await.expect("a connection").unwrap();
        Socket(tokio_tungstenite::accept_async(stream).await.unwrap())
    }
}

/// A client without the library, which hides the codes that it does not know.
async fn raw_client(port: u16) -> TcpStream {
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// The code of the close frame that is all it hears after the upgrade.
async fn raw_close_code(mut client: TcpStream) -> u16 {
    let mut heard = Vec::new();
    timeout(SOON, client.read_to_end(&mut heard)).await.expect("an end").unwrap();
    let end = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(heard[end], 0x88, "a close frame: {:?}", &heard[end..]);
    u16::from_be_bytes([heard[end + 2], heard[end + 3]])
}

#[tokio::test]
async fn a_client_drives_devices_elsewhere_and_they_stop_when_it_is_lost() {
    let file = user_file("repeater.json");
    let mut engine = Engine::start(&[
        "--user-device-config-file",
        file.name(),
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        "0",
    ])
    .await;
    let mut repeater = repeater(&format!("127.0.0.1:{}", engine.client_port().await)).await;
    let mut client = repeater.client().await;
    client.handshake().await;
    let mut device = lovense(engine.device_port().await).await;
    client.ask("StartScanning", json!({})).await;
    client.first_device().await;
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:10;").await;
    drop(client);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn everything_is_passed_on_unread_for_several_clients_at_once() {
    let elsewhere = Elsewhere::new().await;
    let mut repeater = repeater(&elsewhere.address()).await;
    let (mut one, mut its_server) = (repeater.client().await, elsewhere.accept().await);
    let (mut other, mut others_server) = (repeater.client().await, elsewhere.accept().await);
    let long = "x".repeat(500_000);
    one.text(long.clone()).await;
    other.binary(&[0, 255]).await;
    assert_eq!(its_server.next().await, Message::text(long));
    assert_eq!(others_server.next().await, Message::binary(vec![0, 255]));
    its_server.text("no JSON").await;
    assert_eq!(one.next().await, Message::text("no JSON"));
}

#[tokio::test]
async fn the_end_of_one_side_is_the_end_of_the_other() {
    let elsewhere = Elsewhere::new().await;
    let mut repeater = repeater(&format!("ws://{}/?token=secret", elsewhere.address())).await;
    let code = |code: Option<_>| code.map(u16::from);
    // A client that closes in order, with its own code.
    let (mut client, mut server) = (repeater.client().await, elsewhere.accept().await);
    let frame =
        tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 4001.into(), reason: "x".into() };
    client.0.close(Some(frame)).await.unwrap();
    assert_eq!(code(server.close_code().await), Some(4001));
    // A client that is lost.
    let (client, mut server) = (repeater.client().await, elsewhere.accept().await);
    drop(client);
    assert_eq!(code(server.close_code().await), Some(1001));
    // A server that is lost.
    let port = repeater.client_port().await;
    let (client, server) = (raw_client(port).await, elsewhere.accept().await);
    drop(server);
    assert_eq!(raw_close_code(client).await, 1014);
    // A server that is not there.
    let address = elsewhere.address();
    drop(elsewhere);
    assert_eq!(raw_close_code(raw_client(port).await).await, 1014);
    let line = repeater.line_with("the server can't be reached").await;
    assert!(line.contains(&address), "{line}");
    assert!(repeater.lines.iter().all(|line| !line.contains("token")), "{:#?}", repeater.lines);
}

#[cfg(unix)]
#[tokio::test]
async fn its_own_end_closes_both_sides() {
    let elsewhere = Elsewhere::new().await;
    let mut repeater = repeater(&elsewhere.address()).await;
    let (mut client, mut server) = (repeater.client().await, elsewhere.accept().await);
    let start = Instant::now();
    repeater.signal("TERM");
    assert_eq!(client.close_code().await.map(u16::from), Some(1001));
    assert_eq!(server.close_code().await.map(u16::from), Some(1001));
    assert_eq!(repeater.end().await.code(), Some(0));
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_repeater_without_a_server_ends_with_1_and_beside_a_port_it_is_an_engine() {
    let ended = run(&["--repeater", "--repeater-port", "0"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("--repeater-remote-address"), "{ended:?}");
    let mut engine = Engine::start(&["--repeater", "--repeater-port", "0"]).await;
    engine.client().await.handshake().await;
    engine.line_with("--repeater has no effect").await;
}

#[tokio::test]
async fn pages_from_elsewhere_are_let_in_only_if_they_are_allowed() {
    let server = Elsewhere::new().await;
    let more = ["--allow-origin", "https://player.example"];
    let mut repeater = repeater_with(&server.address(), &more).await;
    let port = repeater.client_port().await;
    for (origin, status) in
        [("https://player.example", 101), ("http://localhost:3000", 101), ("https://other.example", 403)]
    {
        assert_eq!(knock(port, "/", &[("Origin", origin)]).await.0, status, "{origin}");
    }
}

#[tokio::test]
async fn with_a_token_only_those_who_know_it_are_let_in_and_what_has_no_effect_is_said() {
    const TOKEN: &str = "0123456789abcdef";
    let server = Elsewhere::new().await;
    let file = program::File::new("repeater-token", TOKEN);
    let more = ["--token-file", file.name(), "--allow-raw"];
    let mut repeater = repeater_with(&server.address(), &more).await;
    repeater.line_with("--allow-raw").await;
    let port = repeater.client_port().await;
    let own_page = ("Origin", "http://localhost:3000");
    assert_eq!(knock(port, "/", &[]).await.0, 401);
    assert_eq!(knock(port, "/", &[own_page]).await.0, 401, "a page of this machine is no exception");
    assert_eq!(knock(port, "/?token=0123456789abcdeX", &[]).await.0, 401);
    assert_eq!(knock(port, &format!("/?token={TOKEN}"), &[own_page]).await.0, 101);
}

#[tokio::test]
async fn one_client_more_than_may_be_is_turned_away_with_the_flag_that_lets_in_more() {
    let server = Elsewhere::new().await;
    let mut repeater = repeater_with(&server.address(), &["--max-clients", "1"]).await;
    let (_client, _its_server) = (repeater.client().await, server.accept().await);
    let mut second = repeater.client().await;
    assert_eq!(second.close_code().await.map(u16::from), Some(1013));
    repeater.line_with("refusing a client").await;
}
