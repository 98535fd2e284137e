//! Devices that the program looks for because it was told to, with what can be played without hardware.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod program;

use program::{Engine, SOON};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// The app Lovense Connect with one toy. Remembers what it was asked for.
async fn app() -> (String, Arc<Mutex<Vec<String>>>) {
    const TOYS: &str = r#"{"type":"OK","code":200,"data":{"d0f00baa1234":{"id":"d0f00baa1234","name":"Lush","nickName":"","status":"1","battery":85,"version":""}}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let paths = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                question.push(byte);
            }
            let question = String::from_utf8_lossy(&question).into_owned();
            let path = question.split(' ').nth(1).unwrap_or_default().to_owned();
            paths.lock().unwrap().push(path);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TOYS}", TOYS.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

/// An engine that ends in order with its input, on every system.
async fn engine(more: &[&str]) -> Engine {
    Engine::with_input(&[&["--websocket-port", "0", "--stop-with-parent"], more].concat()).await
}

#[tokio::test]
async fn a_toy_behind_lovense_connect_is_found_driven_and_stopped_at_the_end() {
    let (address, asked) = app().await;
    let mut engine = engine(&["--lovense-connect-address", &address]).await;
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    assert_eq!(client.first_device().await, "Lovense Lush");
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    let heard = async |path: &str| {
        let comes = async {
            while !asked.lock().unwrap().iter().any(|asked| asked == path) {
                sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, comes).await.unwrap_or_else(|_| panic!("{path} is not asked for: {asked:?}"));
    };
    heard("/Vibrate1?v=10&t=d0f00baa1234").await;
    drop(engine.child.stdin.take());
    assert_eq!(engine.end().await.code(), Some(0));
    heard("/Vibrate1?v=0&t=d0f00baa1234").await;
}

#[tokio::test]
async fn whatever_is_to_be_looked_for_the_engine_starts_without_a_word_against_it_and_ends_in_time() {
    let flags = [
        "--use-gamepads",
        "--use-sdl-gamepad",
        "--use-xinput",
        "--use-lovense-dongle",
        "--use-lovense-dongle-hid",
        "--use-lovense-dongle-serial",
        "--use-lovense-connect",
    ];
    let mut engine = engine(&flags).await;
    engine.client().await.handshake().await;
    assert!(engine.lines.iter().all(|line| !line.contains("WARN")), "{:#?}", engine.lines);
    drop(engine.child.stdin.take());
    assert_eq!(engine.end().await.code(), Some(0));
}
