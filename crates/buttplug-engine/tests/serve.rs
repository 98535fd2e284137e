//! The engine at work, seen from outside: a client, a device that dials in, and every way to end.
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "some tests need Unix, or Linux")
)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]

mod program;

use futures_util::SinkExt;
use program::{Engine, SOON, Socket, lovense_at, make_lines, make_vibrate, user_file, vibrate, vibrating};
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// One without a name, where there are such signals.
#[cfg(target_os = "linux")]
const LAST_SIGNAL: &str = "64";
#[cfg(all(unix, not(target_os = "linux")))]
const LAST_SIGNAL: &str = "PROF";

/// The longest that a device which answers may run after the program was told to end.
const MUST_REST: Duration = Duration::from_secs(1);

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
    engine.line_with("client introduced itself").await;
    assert!(!engine.lines.iter().any(|line| line.contains("refusing a connection")), "{:#?}", engine.lines);
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
    let told = engine.line_with("refusing a client").await;
    assert!(told.contains("WARN") && told.contains("another client is connected"), "{told}");
    assert!(told.contains("peer=\"127.0.0.1:"), "{told}");
    assert_eq!(first.ask("Ping", json!({})).await.0, "Ok");
    assert_eq!(first.ask("Disconnect", json!({})).await.0, "Ok");
    assert_eq!(first.close_code().await, Some(CloseCode::Normal));
    let told = engine.line_with("it took its leave").await;
    assert!(told.contains("INFO") && told.contains("peer=\"127.0.0.1:"), "{told}");
    engine.client().await.handshake().await;
}

#[cfg(unix)]
#[tokio::test]
async fn every_signal_stops_the_devices_before_the_program_ends() {
    for signal in ["TERM", "INT", "HUP", "QUIT", "USR1", "ALRM", LAST_SIGNAL] {
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

/// What launchers pass that have no pipe for it, and are killed.
#[cfg(unix)]
#[tokio::test]
async fn a_parent_without_a_pipe_takes_the_engine_with_it_too() {
    const LAUNCHER: &str = "\"$@\" </dev/null & read -r end";
    let starter = ["sh", "-c", LAUNCHER, "sh"];
    let mut command = program::command_under(&starter, &["--websocket-port", "0", "--exit-with-parent"]);
    command.stdin(std::process::Stdio::piped());
    let mut launcher = Engine::of(command);
    let mut client = launcher.client().await;
    client.handshake().await;
    launcher.signal("KILL");
    assert_eq!(client.close_code().await, Some(CloseCode::Away));
    launcher.line_with("the end of the parent").await;
    // Its output ends when the engine has.
    launcher.end().await;
}

/// What launchers pass on that have a pipe for their own input, whose other end somebody else holds.
#[cfg(unix)]
#[tokio::test]
async fn a_parent_that_passes_on_its_own_pipe_takes_the_engine_with_it_too() {
    const LAUNCHER: &str = "exec 3<&0; \"$@\" <&3 & wait";
    for more in [&["--exit-with-parent"][..], &["--exit-with-parent", "--guard"]] {
        let arguments = [&["--websocket-port", "0"], more].concat();
        let mut command = program::command_under(&["sh", "-c", LAUNCHER, "sh"], &arguments);
        command.stdin(Stdio::piped());
        let mut launcher = Engine::of(command);
        let mut client = launcher.client().await;
        client.handshake().await;
        launcher.signal("KILL");
        assert_eq!(client.close_code().await, Some(CloseCode::Away), "{more:?}");
        launcher.line_with("the end of the parent").await;
        launcher.end().await;
    }
}

/// The engine is started when the shell that began it, with a session of its own, is gone.
#[cfg(target_os = "linux")]
async fn orphan(input: &str) -> Engine {
    let launcher = format!(
        "exec 3<&0; (while kill -0 $$ 2>/dev/null; do sleep 0.01; done; exec \"$@\" {input} 3<&-) & exec 3<&- </dev/null"
    );
    let starter = ["setsid", "sh", "-c", &launcher, "sh"];
    let mut command = program::command_under(&starter, &["--websocket-port", "0", "--exit-with-parent"]);
    command.stdin(Stdio::piped());
    let mut launcher = Engine::of(command);
    let held = launcher.child.stdin.take();
    timeout(SOON, launcher.child.wait()).await.expect("it ends").unwrap();
    launcher.child.stdin = held;
    launcher
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_parent_that_is_gone_before_the_engine_starts_is_noticed_and_said() {
    let mut engine = orphan("</dev/null").await;
    engine.line_with("the process that started this one is gone already").await;
    engine.end().await;
    assert!(!engine.lines.iter().any(|line| line.contains("listening")), "{:#?}", engine.lines);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_parent_that_has_it_started_by_another_process_takes_it_along_by_its_pipe() {
    let mut engine = orphan("<&3").await;
    let mut client = engine.client().await;
    client.handshake().await;
    drop(engine.child.stdin.take());
    assert_eq!(client.close_code().await, Some(CloseCode::Away));
    engine.line_with("the end of the parent").await;
    engine.end().await;
}

#[cfg(windows)]
#[tokio::test]
async fn a_parent_that_could_not_be_watched_is_told_so() {
    for more in [&["--exit-with-parent"][..], &["--exit-with-parent", "--guard"]] {
        let ended = program::run(&[&["--websocket-port", "0"], more].concat()).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("only a pipe"), "{ended:?}");
    }
}

/// As `nohup` starts it: what a shell sends when its terminal is closed is ignored.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_engine_that_shall_outlive_its_session_does() {
    let starter = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let mut engine = Engine::of(program::command_under(&starter, &["--websocket-port", "0"]));
    let mut client = engine.client().await;
    client.handshake().await;
    engine.signal("HUP");
    for _ in 0..3 {
        assert_eq!(client.ask("Ping", json!({})).await.0, "Ok");
    }
    engine.signal("TERM");
    assert_eq!(client.close_code().await, Some(CloseCode::Away));
    assert_eq!(engine.end().await.code(), Some(0));
    let says = |signal: &str| engine.lines.iter().any(|line| line.contains(signal));
    assert!(says("SIGTERM") && !says("SIGHUP"), "{:#?}", engine.lines);
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

/// Bytes that the engine has given to the system for this device and that wait for it to read, while it is connected.
#[cfg(target_os = "linux")]
fn unread(device: &Socket) -> Option<usize> {
    let stream = device.0.get_ref();
    let (here, there) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Seen from the engine's end: number, its address, ours, state, and bytes that wait for us.
    let line = table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let mut next = || fields.next().unwrap_or_default();
        let ends = (next().ends_with(&format!(":{there:04X}")), next().ends_with(&format!(":{here:04X}")));
        let (state, queues) = (next(), next());
        (ends == (true, true) && state == "01").then(|| queues.to_owned())
    })?;
    usize::from_str_radix(line.split(':').next()?, 16).ok()
}

/// Has the engine answer this device, which does not read, until there is no room for more on the way to it.
#[cfg(target_os = "linux")]
async fn fill_the_way_to(device: &mut Socket) {
    let fill = async {
        let mut before = 0;
        loop {
            for _ in 0..2000 {
                device.0.feed(Message::Ping(vec![0; 125].into())).await.unwrap();
            }
            device.0.flush().await.unwrap();
            // So that the engine has answered what it can.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = unread(device).expect("it is not cut off yet");
            if now > 0 && now == before {
                return;
            }
            before = now;
        }
    };
    timeout(SOON, fill).await.expect("it is full");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_that_takes_nothing_does_not_delay_the_stop_of_the_others() {
    let (mut engine, mut client, mut deaf) = vibrating("deaf.json", &[]).await;
    let mut device = lovense_at(engine.device_port().await, "other").await;
    client.device(1).await;
    let command = json!({"DeviceIndex": 1, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:10;").await;
    fill_the_way_to(&mut deaf).await;
    let start = Instant::now();
    engine.signal("TERM");
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    let rested = start.elapsed();
    assert!(rested < MUST_REST, "{rested:?}");
    assert_eq!(engine.end().await.code(), Some(0), "{:#?}", engine.lines);
    println!("the other rested after {rested:?}, the end came after {:?}", start.elapsed());
    let was_waited_for = engine.lines.iter().any(|line| line.contains("did not close in time"));
    assert!(was_waited_for, "the way to it was full: {:#?}", engine.lines);
}

#[tokio::test]
async fn a_lost_client_stops_its_device() {
    let (_engine, client, mut device) = vibrating("lost.json", &[]).await;
    drop(client);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn a_late_ping_stops_the_device() {
    let (mut engine, mut client, mut device) = vibrating("ping.json", &["--max-ping-time", "400"]).await;
    client.ask("Ping", json!({})).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    let told = engine.line_with("no ping came within 400 ms").await;
    assert!(told.contains("WARN") && told.contains("peer=\"127.0.0.1:"), "{told}");
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
