//! Each limit that a flag moves, met from outside.
#![cfg_attr(not(unix), allow(unused_imports, reason = "some tests need Unix"))]
#![allow(clippy::panic, clippy::expect_used, reason = "helpers of tests")]

mod program;

use program::{Engine, File, Socket, http, knock, lovense, lovense_at, user_file};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The end of what was refused, with the reason.
async fn refusal(socket: &mut Socket) -> (CloseCode, String) {
    match socket.next().await {
        Message::Close(Some(frame)) => (frame.code, frame.reason.to_string()),
        other => panic!("{other:?} instead of a close frame"),
    }
}

/// An engine on whose device port devices speak Lovense.
async fn with_devices(name: &str, more: &[&str]) -> Engine {
    let file = user_file(name);
    let mut arguments = vec!["--user-device-config-file", file.name()];
    arguments.extend(["--use-device-websocket-server", "--device-websocket-server-port", "0"]);
    arguments.extend(more);
    let mut engine = Engine::start(&arguments).await;
    engine.files.push(file);
    engine
}

/// A client that makes a device vibrate.
async fn vibrating(engine: &mut Engine) -> (Socket, Socket) {
    let mut client = engine.client().await;
    client.handshake().await;
    let mut device = lovense(engine.device_port().await).await;
    client.first_device().await;
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:10;").await;
    (client, device)
}

/// What a frame is refused with as a whole.
async fn frame_error(client: &mut Socket, frame: String) -> String {
    client.text(frame).await;
    let (_, error) = client.receive(|name, content| name == "Error" && content["Id"] == 0).await;
    assert_eq!(error["ErrorCode"], 3, "{error}");
    error["ErrorMessage"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn connections_in_all_and_from_one_address() {
    for flag in ["--max-connections", "--max-connections-per-address"] {
        let mut engine = Engine::start(&[flag, "1"]).await;
        let mut first = engine.client().await;
        first.handshake().await;
        let (code, reason) = refusal(&mut engine.client().await).await;
        assert_eq!(code, CloseCode::Again);
        let named = flag.trim_start_matches('-');
        assert!(reason.starts_with("1 connections") && reason.ends_with(&format!("({named})")), "{reason}");
        assert_eq!(first.ask("Ping", json!({})).await.0, "Ok");
    }
}

#[tokio::test]
async fn clients() {
    let mut engine = Engine::start(&["--max-clients", "1"]).await;
    let _first = {
        let mut first = engine.client().await;
        first.handshake().await;
        first
    };
    let mut second = engine.client().await;
    let (reply, _) =
        second.ask("RequestServerInfo", json!({"ClientName": "second", "MessageVersion": 3})).await;
    assert_eq!(reply, "Error");
    assert_eq!(second.close_code().await, Some(CloseCode::Again));
    engine.line_with("refusing a client").await;
}

#[tokio::test]
async fn devices_that_dial_in() {
    let mut engine = with_devices("limit-devices.json", &["--max-dialled-in-devices", "1"]).await;
    let port = engine.device_port().await;
    let _first = lovense(port).await;
    let mut second = Socket::open(port).await;
    second.text(r#"{"identifier": "LVSDevice", "address": "another", "version": 0}"#).await;
    let (code, reason) = refusal(&mut second).await;
    assert_eq!(code, CloseCode::Again);
    assert!(reason.starts_with("1 devices"), "{reason}");
}

#[tokio::test]
async fn time_for_the_upgrade() {
    let mut engine = Engine::start(&["--max-upgrade-time", "200"]).await;
    let mut silent = TcpStream::connect(("127.0.0.1", engine.client_port().await)).await.unwrap();
    // The usual limit is five seconds.
    let end = timeout(Duration::from_secs(4), silent.read(&mut [0])).await.expect("an end in time");
    assert!(end.is_ok_and(|count| count == 0));
}

#[tokio::test]
async fn silence_ends_a_client_and_what_it_set_in_motion() {
    let mut engine = with_devices("limit-idle.json", &["--max-idle-time", "1000"]).await;
    let (client, mut device) = vibrating(&mut engine).await;
    // Who does not read does not answer pings.
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    engine.line_with("nothing was heard for 1 s").await;
    drop(client);
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_a_client_and_what_it_set_in_motion() {
    let mut engine = with_devices("limit-size.json", &["--max-message-size", "2048"]).await;
    let (mut client, mut device) = vibrating(&mut engine).await;
    client.text(format!("[{}]", " ".repeat(2046))).await;
    let empty = client.receive(|name, _| name == "Error").await;
    assert_eq!(empty.1["Id"], 0, "2048 bytes are read: {empty:?}");
    client.text(format!("[{}]", " ".repeat(2047))).await;
    assert_eq!(client.close_code().await, Some(CloseCode::Size));
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    // For a device too.
    device.binary(&[b'x'; 2049]).await;
    assert_eq!(device.close_code().await, Some(CloseCode::Size));
}

#[tokio::test]
async fn nesting_and_messages_of_a_frame() {
    let mut engine = Engine::start(&["--max-nesting", "6", "--max-messages-per-frame", "2"]).await;
    let mut client = engine.client().await;
    client.handshake().await;
    assert_eq!(client.ask("Ping", json!({"More": [[[]]]})).await.0, "Ok");
    let deep = json!([{"Ping": {"Id": 5, "More": [[[[]]]]}}]).to_string();
    let deep = frame_error(&mut client, deep).await;
    assert!(deep.contains('6'), "{deep}");
    let ping = |id: u32| json!({"Ping": {"Id": id}});
    let many = frame_error(&mut client, json!([ping(1), ping(2), ping(3)]).to_string()).await;
    assert!(many.contains('2'), "{many}");
    client.text(json!([ping(4), ping(5)]).to_string()).await;
    for id in [4, 5] {
        assert_eq!(client.receive(|_, content| content["Id"] == id).await.0, "Ok");
    }
}

#[tokio::test]
async fn answers_that_a_client_waits_for() {
    let mut engine = with_devices("limit-requests.json", &["--max-requests", "1"]).await;
    let (mut client, mut device) = vibrating(&mut engine).await;
    let read = |id: u32| {
        let content =
            json!({"Id": id, "DeviceIndex": 0, "FeatureIndex": 1, "Type": "Battery", "Command": "Read"});
        json!([{"InputCmd": content}]).to_string()
    };
    client.text(read(5)).await;
    device.frames_until("Battery;").await;
    client.text(read(6)).await;
    let (name, error) = client.receive(|_, content| content["Id"] == 6).await;
    assert_eq!((name.as_str(), &error["ErrorCode"]), ("Error", &json!(4)));
    assert!(error["ErrorMessage"].as_str().unwrap_or_default().contains("1 unanswered"), "{error}");
    device.binary(b"50;").await;
    assert_eq!(client.receive(|_, content| content["Id"] == 5).await.0, "InputReading");
}

#[tokio::test]
async fn subscriptions_of_a_client() {
    let sensor = "[[simulated]]\narchetype = \"simulated-pressure\"\n";
    let file = File::new("limit-subscriptions.toml", &sensor.repeat(2));
    let mut engine =
        Engine::start(&["--user-device-config-file", file.name(), "--max-subscriptions", "1"]).await;
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    for device in [0, 1] {
        client.device(device).await;
    }
    let mut input = async |device: u32, command: &str| -> (String, Value) {
        let content =
            json!({"DeviceIndex": device, "FeatureIndex": 0, "Type": "Pressure", "Command": command});
        client.ask("InputCmd", content).await
    };
    assert_eq!(input(0, "Subscribe").await.0, "Ok");
    assert_eq!(input(0, "Subscribe").await.0, "Ok", "the same again is no other");
    let (name, error) = input(1, "Subscribe").await;
    assert_eq!((name.as_str(), &error["ErrorCode"]), ("Error", &json!(4)));
    assert!(error["ErrorMessage"].as_str().unwrap_or_default().contains("1 inputs"), "{error}");
    assert_eq!(input(0, "Unsubscribe").await.0, "Ok");
    assert_eq!(input(1, "Subscribe").await.0, "Ok");
}

/// A request to the REST API whose body does not come.
async fn bodyless(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
    let head =
        "PUT /api/v1/devices/0/outputs/Vibrate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a connection");
    stream
}

#[tokio::test]
async fn connections_to_the_rest_api() {
    let mut engine = Engine::start(&["--rest-api-port", "0", "--max-rest-connections", "17"]).await;
    let port = engine.rest_port().await;
    let mut busy = Vec::new();
    for _ in 0..17 {
        busy.push(bodyless(port).await);
    }
    // Until they are read, the newcomer waits.
    let answer = http::get(port, "/healthz").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"), "{answer:?}");
    let reason = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(reason.starts_with("17 requests") && reason.ends_with("(max-rest-connections)"), "{reason}");
    let told = engine.line_with("refusing a connection to the REST API").await;
    assert!(told.contains(" peer=127.0.0.1:") && told.contains("17 requests"), "{told}");
    drop(busy);
}

#[tokio::test]
async fn time_for_a_body_and_silence_over_rest() {
    let times = ["--rest-api-port", "0", "--max-upgrade-time", "200", "--max-idle-time", "1000"];
    let mut engine = Engine::start(&times).await;
    let port = engine.rest_port().await;
    let ends = async |mut stream: TcpStream| {
        let mut answer = String::new();
        // The usual limits are five and ten seconds.
        let end = timeout(Duration::from_secs(4), stream.read_to_string(&mut answer)).await;
        end.expect("an end in time").expect("an end in order");
        answer
    };
    let silent = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
    let (slow, silent) = tokio::join!(ends(bodyless(port).await), ends(silent));
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("within 0.2 s"), "{slow}");
    assert_eq!(silent, "");
}

#[cfg(unix)]
#[tokio::test]
async fn lines_of_the_log_about_devices_that_one_peer_brings_again_and_again() {
    let mut engine = with_devices("limit-device-lines.json", &["--max-log-lines", "1"]).await;
    let port = engine.device_port().await;
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    for number in 0..20 {
        let device = lovense_at(port, &format!("fickle {number}")).await;
        client.receive(|name, list| name == "DeviceList" && list["Devices"] != json!({})).await;
        drop(device);
        client.receive(|name, list| name == "DeviceList" && list["Devices"] == json!({})).await;
    }
    engine.signal("TERM");
    engine.end().await;
    // Three about each that comes, in one moment, and one when it is gone: on however slow a machine, the limit leaves one of the
    // three, or two where it begins anew between them.
    let [mut came, mut gone] = [0, 0];
    for line in &engine.lines {
        came += usize::from(
            ["found.", "Assigning index", "device connected"].iter().any(|one| line.contains(one)),
        );
        gone += usize::from(line.contains("device gone"));
    }
    assert!(came <= 20 * 2 && gone <= 20, "{:#?}", engine.lines);
    assert!(engine.lines.iter().any(|line| line.contains("lines left out")), "{:#?}", engine.lines);
}

#[cfg(unix)]
#[tokio::test]
async fn lines_of_the_log_about_one_peer() {
    let mut engine = Engine::start_with(&["serve", "--websocket-port", "0", "--max-log-lines", "2"]).await;
    let port = engine.client_port().await;
    for _ in 0..20 {
        assert_eq!(knock(port, "/", &[("Origin", "https://player.example")]).await.0, 403);
    }
    engine.signal("TERM");
    engine.end().await;
    assert!(engine.lines.iter().any(|line| line.contains("lines left out")), "{:#?}", engine.lines);
    let lines = engine.lines.iter().filter(|line| line.contains("player.example")).count();
    assert!(lines < 20, "{:#?}", engine.lines);
}
