//! The program that started the engine, at its own port.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod program;

use program::http::get;
use program::{Engine, Socket, knock, lovense, user_file};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Launchers kill an engine that is still there after three seconds.
const MUST_HAVE_ENDED: Duration = Duration::from_millis(2500);

/// What the engine tells its parent: the name and the content.
async fn news(parent: &mut Socket) -> (String, Value) {
    let Message::Text(text) = parent.next().await else { panic!("not text") };
    let Value::Object(message) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    assert_eq!(message.len(), 1, "{text}");
    message.into_iter().next().unwrap()
}

/// The names of all that is told up to this one.
async fn names_until(parent: &mut Socket, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != last) {
        names.push(news(parent).await.0);
    }
    names
}

/// An engine on free ports, and its parent.
async fn attended(more: &[&str]) -> (Engine, Socket) {
    let mut arguments = vec!["--frontend-websocket-port", "0"];
    arguments.extend(more);
    let mut engine = Engine::start(&arguments).await;
    let parent = Socket::open(engine.parent_port().await).await;
    (engine, parent)
}

#[tokio::test]
async fn a_parent_is_told_what_happens_and_may_ask_for_the_end() {
    let file = user_file("frontend.json");
    let (mut engine, mut parent) = attended(&[
        "--user-device-config-file",
        file.name(),
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        "0",
    ])
    .await;
    assert_eq!(
        names_until(&mut parent, "EngineServerCreated").await,
        ["EngineStarted", "EngineServerCreated"]
    );
    parent.text(r#"{"RequestEngineVersion":{"expected_version":1}}"#).await;
    assert_eq!(
        news(&mut parent).await,
        ("EngineVersion".into(), json!({"version": env!("CARGO_PKG_VERSION")}))
    );

    let mut client = engine.client().await;
    client.handshake().await;
    assert_eq!(news(&mut parent).await, ("ClientConnected".into(), json!({"client_name": "test"})));
    let mut device = lovense(engine.device_port().await).await;
    client.ask("StartScanning", json!({})).await;
    let (name, content) = news(&mut parent).await;
    assert_eq!((name.as_str(), &content["index"]), ("DeviceConnected", &json!(0)));
    assert_eq!(
        content["identifier"],
        json!({"address": "A1B2C3D4E5F6", "protocol": "lovense", "identifier": "Z"})
    );
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:10;").await;

    let start = Instant::now();
    parent.text(r#"{"Stop":{}}"#).await;
    let frames = device.frames_until_close().await;
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame == "Vibrate:0;"), "{frames:?}");
    let mut last = names_until(&mut parent, "EngineStopped").await;
    last.sort();
    assert_eq!(last, ["ClientDisconnected", "DeviceDisconnected", "EngineStopped"], "each once");
    assert_eq!(parent.close_code().await, Some(CloseCode::Normal));
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_engine_ends_with_its_parent_but_not_with_a_probe() {
    let (mut engine, parent) = attended(&[]).await;
    let port = engine.parent_port().await;
    drop(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    engine.client().await.handshake().await;
    drop(parent);
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(
        engine.lines.iter().any(|line| line.contains("the parent process is gone")),
        "{:#?}",
        engine.lines
    );
}

#[tokio::test]
async fn there_is_one_parent_and_it_is_not_waited_for() {
    let mut engine = Engine::start(&["--frontend-websocket-port", "0"]).await;
    let mut client = engine.client().await;
    client.handshake().await;
    let port = engine.parent_port().await;
    let mut parent = Socket::open(port).await;
    let told = names_until(&mut parent, "ClientConnected").await;
    assert_eq!(told, ["EngineStarted", "EngineServerCreated", "ClientConnected"], "what came before, too");
    assert_eq!(Socket::open(port).await.close_code().await, Some(CloseCode::Again));
    drop(client);
    assert_eq!(news(&mut parent).await.0, "ClientDisconnected");
}

#[tokio::test]
async fn a_parent_hears_of_a_server_only_where_clients_can_come() {
    let parent_port = ["--frontend-websocket-port", "0"];
    for more in [
        &["--websocket-client-address", "ws://127.0.0.1:9"][..],
        &["--rest-api-port", "0", "--websocket-port", "0"],
    ] {
        let mut engine = Engine::start_with(&[&parent_port[..], more].concat()).await;
        let mut parent = Socket::open(engine.parent_port().await).await;
        let told = names_until(&mut parent, "EngineServerCreated").await;
        assert_eq!(told, ["EngineStarted", "EngineServerCreated"], "{more:?}");
    }
    let mut engine = Engine::start_with(&[&parent_port[..], &["--rest-api-port", "0"]].concat()).await;
    let port = engine.rest_port().await;
    assert_eq!(get(port, "/healthz").await.status, 200);
    let mut parent = Socket::open(engine.parent_port().await).await;
    parent.text(r#"{"Stop":{}}"#).await;
    let told = names_until(&mut parent, "EngineStopped").await;
    assert_eq!(told, ["EngineStarted", "ClientConnected", "ClientDisconnected", "EngineStopped"]);
    assert_eq!(engine.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_parent_is_told_why_there_is_no_engine() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let arguments = ["--websocket-port", &port.to_string(), "--frontend-websocket-port", "0"];
    let mut engine = Engine::start_with(&arguments).await;
    let mut parent = Socket::open(engine.parent_port().await).await;
    assert_eq!(news(&mut parent).await.0, "EngineStarted");
    let (name, content) = news(&mut parent).await;
    assert_eq!(name, "EngineError");
    assert_eq!(content["detail"], json!({"code": "port_in_use", "address": "127.0.0.1", "port": port}));
    assert!(content["error"].as_str().unwrap().contains("in use"), "{content}");
    assert_eq!(news(&mut parent).await.0, "EngineStopped");
    assert_eq!(engine.end().await.code(), Some(1));
}

#[tokio::test]
async fn a_parent_learns_what_is_announced_and_what_only_this_machine_can_reach_is_not() {
    let announce = ["--broadcast-server-mdns", "--mdns-suffix", "attic"];
    let (mut engine, mut parent) = attended(&announce).await;
    assert_eq!(news(&mut parent).await.0, "EngineStarted");
    assert_eq!(news(&mut parent).await, ("EngineServerCreated".into(), json!({})));
    engine.line_with("not announced on the network").await;
    let everywhere = [&announce[..], &["--websocket-use-all-interfaces"]].concat();
    let (mut engine, mut parent) = attended(&everywhere).await;
    assert_eq!(news(&mut parent).await.0, "EngineStarted");
    let (_, created) = news(&mut parent).await;
    let port: u16 = {
        let line = engine.line_with("listening for clients address=0.0.0.0:").await;
        line.rsplit(':').next().unwrap().trim().parse().unwrap()
    };
    let name = created["instance_name"].as_str().unwrap();
    assert!(name.starts_with("Intiface ") && name.ends_with(" attic") && name.len() == 21, "{name}");
    assert_eq!(created["service_type"], "_intiface_engine._tcp");
    assert_eq!((&created["port"], &created["txt_records"]), (&json!(port), &json!(["path=/"])));
    let start = Instant::now();
    parent.text(r#"{"Stop":{}}"#).await;
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
}

#[cfg(unix)]
#[tokio::test]
async fn a_parent_that_reads_nothing_does_not_hold_up_the_end() {
    let (mut engine, parent) = attended(&[]).await;
    engine.line_with("the parent process is connected").await;
    let start = Instant::now();
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
    drop(parent);
}

#[tokio::test]
async fn no_web_page_from_elsewhere_is_a_parent() {
    let arguments = ["--websocket-port", "0", "--frontend-websocket-port", "0", "--allow-origin", "any"];
    let mut engine = Engine::start_with(&arguments).await;
    let port = engine.parent_port().await;
    assert_eq!(knock(port, "/", &[("Origin", "https://player.example")]).await.0, 403);
    assert_eq!(knock(port, "/", &[]).await.0, 101);
}
