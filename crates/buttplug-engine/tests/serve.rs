//! The engine at work, seen from outside: a client, a device that dials in, and every way to end.
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "some tests need Unix"))]

mod program;

use program::{Engine, SOON, Socket, make_lines, make_vibrate, user_file, vibrate, vibrating};
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Launchers kill an engine that is still there after three seconds.
const MUST_HAVE_ENDED: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn a_client_learns_who_it_talks_to() {
    let mut engine = Engine::start(&["--server-name", "Attic", "--max-ping-time", "1500"]).await;
    let mut client = engine.client().await;
    let info = client.handshake().await;
    assert_eq!(info["ServerName"], "Attic");
    assert_eq!(info["MaxPingTime"], 1500);
}

#[tokio::test]
async fn it_serves_both_loopback_addresses_and_shrugs_off_a_probe() {
    let mut engine = Engine::start(&[]).await;
    let port = engine.client_port().await;
    // Launchers find out whether it is ready by connecting and closing.
    for _ in 0..5 {
        drop(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    Socket::open(port).await.handshake().await;
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(tokio::net::TcpStream::connect(("::1", port)).await.is_ok());
    }
}

#[tokio::test]
async fn a_single_client_keeps_others_out_until_it_leaves() {
    let mut engine = Engine::start(&["--single-client"]).await;
    let mut first = engine.client().await;
    first.handshake().await;
    let mut second = engine.client().await;
    let handshake = json!({"ClientName": "second", "MessageVersion": 3});
    let (reply, error) = second.ask("RequestServerInfo", handshake).await;
    assert_eq!((reply.as_str(), &error["ErrorCode"]), ("Error", &json!(0)));
    assert!(
        error["ErrorMessage"].as_str().unwrap_or_default().contains("another client is connected"),
        "{error}"
    );
    assert_eq!(second.close_code().await, Some(CloseCode::Again));
    assert_eq!(first.ask("Ping", json!({})).await.0, "Ok");
    assert_eq!(first.ask("Disconnect", json!({})).await.0, "Ok");
    assert_eq!(first.close_code().await, Some(CloseCode::Normal));
    engine.client().await.handshake().await;
}

#[cfg(unix)]
#[tokio::test]
async fn every_signal_stops_the_devices_before_the_program_ends() {
    for signal in ["TERM", "INT", "HUP", "QUIT", "USR1", "ALRM"] {
        let (mut engine, mut client, mut device) = vibrating(&format!("{signal}.json"), &[]).await;
        let start = Instant::now();
        engine.signal(signal);
        let frames = device.frames_until_close().await;
        assert!(
            !frames.is_empty() && frames.iter().all(|frame| frame == "Vibrate:0;"),
            "SIG{signal}: {frames:?}"
        );
        assert_eq!(client.close_code().await, Some(CloseCode::Away), "SIG{signal}");
        let status = engine.end().await;
        assert!(start.elapsed() < MUST_HAVE_ENDED, "SIG{signal}: {:?}", start.elapsed());
        assert_eq!(status.code(), Some(0), "SIG{signal}");
        assert_eq!(engine.stderr().await, "", "SIG{signal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn being_told_to_stand_still_stops_the_devices_and_nothing_else() {
    let (mut engine, mut client, mut device) = vibrating("still.json", &[]).await;
    engine.signal("TSTP");
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    assert_eq!(vibrate(&mut client, 5).await.0, "Ok");
    device.frames_until("Vibrate:5;").await;
    engine.line_with("SIGTSTP").await;
}

#[tokio::test]
async fn a_parent_that_ends_takes_the_engine_with_it_in_order() {
    let file = user_file("parent.json");
    let mut arguments = vec!["--websocket-port", "0", "--stop-with-parent"];
    arguments.extend(["--user-device-config-file", file.name()]);
    arguments.extend(["--use-device-websocket-server", "--device-websocket-server-port", "0"]);
    let mut engine = Engine::with_input(&arguments).await;
    let (mut client, mut device) = make_vibrate(&mut engine).await;
    drop(engine.child.stdin.take());
    let frames = device.frames_until_close().await;
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame == "Vibrate:0;"), "{frames:?}");
    assert_eq!(client.close_code().await, Some(CloseCode::Away));
    assert_eq!(engine.end().await.code(), Some(0));
}

#[tokio::test]
async fn an_output_that_nobody_renews_returns_to_zero() {
    let (_engine, mut client, mut device) = vibrating("max-run.json", &["--max-run", "1"]).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    assert_eq!(vibrate(&mut client, 5).await.0, "Ok", "the client may go on");
    device.frames_until("Vibrate:5;").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_and_a_device_that_do_not_react_do_not_hold_up_the_end() {
    let (mut engine, client, device) = vibrating("silent.json", &[]).await;
    let start = Instant::now();
    engine.signal("TERM");
    engine.signal("TERM");
    let status = engine.end().await;
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(0), "{:#?}", engine.lines);
    drop((client, device));
}

#[tokio::test]
async fn a_lost_client_stops_its_device() {
    let (_engine, client, mut device) = vibrating("lost.json", &[]).await;
    drop(client);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn a_late_ping_stops_the_device() {
    let (_engine, mut client, mut device) = vibrating("ping.json", &["--max-ping-time", "400"]).await;
    client.ask("Ping", json!({})).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[cfg(unix)]
#[tokio::test]
async fn an_output_that_nobody_reads_holds_up_nothing() {
    let mut command = program::command(&["--websocket-port", "0", "--log", "trace"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Only the beginning is read, byte by byte so that nothing more is; then the pipe fills up.
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = String::new();
    let port: u16 = loop {
        let byte = tokio::io::AsyncReadExt::read_u8(&mut stdout).await.unwrap();
        seen.push(byte.into());
        let address = seen.split("listening for clients address=127.0.0.1:").nth(1);
        if let Some((port, _)) = address.and_then(|rest| rest.split_once('\n')) {
            break port.parse().unwrap();
        }
    };
    let mut client = Socket::open(port).await;
    client.handshake().await;
    // Far more than the pipe's 64 KiB and the log's queue hold.
    timeout(SOON * 3, make_lines(&mut client, 10_000)).await.expect("nothing waits for the log");
    let start = Instant::now();
    let id = child.id().unwrap();
    std::process::Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
    let status = timeout(SOON, child.wait()).await.expect("it ends").unwrap();
    assert!(start.elapsed() < MUST_HAVE_ENDED, "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(0));
    drop(stdout);
}

#[tokio::test]
async fn a_reader_who_leaves_does_not_end_the_engine() {
    let mut command = program::command(&["--websocket-port", "0", "--log", "trace"]);
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = String::new();
    let port: u16 = loop {
        seen.push(tokio::io::AsyncReadExt::read_u8(&mut stdout).await.unwrap().into());
        let address = seen.split("listening for clients address=127.0.0.1:").nth(1);
        if let Some((port, _)) = address.and_then(|rest| rest.split_once('\n')) {
            break port.parse().unwrap();
        }
    };
    drop(stdout);
    for _ in 0..3 {
        Socket::open(port).await.handshake().await;
    }
    assert!(child.try_wait().unwrap().is_none(), "it runs on");
}
