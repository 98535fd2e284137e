//! What the program says of hardware that is there: which device it is, or why it is none.
#![cfg_attr(not(unix), allow(unused_imports, reason = "some tests need Unix"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod program;

use program::{Ended, File, SOON, Socket, command, run};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

/// Two simulated vibrators, one of them denied, and what dials in as `LVSDevice` speaks Lovense.
const DEVICES: &str = r#"[[simulated]]
archetype = "simulated-1vibe"
address = "mine"

[[simulated]]
archetype = "simulated-2vibe"
address = "not-mine"

[[device]]
address = "not-mine"
deny = true

[[protocol.lovense.websocket]]
names = ["LVSDevice"]
"#;

/// A search in which devices may dial in, and at which port.
async fn scan(file: &File, more: &[&str]) -> (Child, u16) {
    let mut arguments = vec!["scan", "--use-device-websocket-server", "--device-websocket-server-port", "0"];
    arguments.extend(["--user-device-config-file", file.name()]);
    arguments.extend(more);
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let port = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("a port");
            if let Some((_, port)) = line.split_once("dial in at 127.0.0.1:") {
                return port.parse().unwrap();
            }
        }
    };
    let port = timeout(SOON, port).await.expect("a port in time");
    (child, port)
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let output = timeout(SOON, child.wait_with_output()).await.expect("it ends by itself").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Tells the program to end, as Ctrl-C does.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let id = child.id().expect("running");
    let status = std::process::Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status();
    assert!(status.unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn every_piece_of_hardware_has_a_line_and_is_at_rest_when_the_search_is_interrupted() {
    let file = File::new("scan.toml", DEVICES);
    let (child, port) = scan(&file, &["--seconds", "3600"]).await;
    let mut toy = program::lovense(port).await;
    let mut stranger = Socket::open(port).await;
    stranger.text(r#"{"identifier": "Toaster", "address": "T1", "version": 0}"#).await;
    // It is turned away, and so has its line.
    let farewell = format!("{:?}", stranger.next().await);
    assert!(farewell.contains("no known device matches"), "{farewell}");
    toy.binary(b"OK;").await;
    interrupt(&child);
    // Whatever connected is told to rest before it is let go.
    toy.frames_until("Vibrate:0;").await;
    toy.binary(b"OK;").await;
    let (code, stdout) = ended(child).await;
    let line = |part: &str| {
        let line = stdout.lines().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no line with {part} in {stdout}"))
    };
    assert!(line("A1B2C3D4E5F6").ends_with("(lovense)"), "{stdout}");
    assert!(line(" T1 ").ends_with("Toaster          no known device looks like this"), "{stdout}");
    assert!(line("not-mine").ends_with("not connected: your configuration denies it"), "{stdout}");
    assert!(line(" mine ").ends_with("Simulated 1-Motor Vibrator (simulated)"), "{stdout}");
    assert_eq!(stdout.lines().last(), Some("4 pieces of hardware seen: 2 devices"));
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), DEVICES, "nothing is written down");
}

#[tokio::test]
async fn who_only_looks_connects_nothing_and_json_is_one_document() {
    let file = File::new("look.toml", DEVICES);
    let (child, _) = scan(&file, &["--seconds", "1", "--look-only", "--json"]).await;
    let (code, stdout) = ended(child).await;
    let all: Value = serde_json::from_str(&stdout).unwrap();
    let lines: Vec<_> = all["hardware"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["address"].as_str().unwrap(), one["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [("mine", "matched"), ("not-mine", "refused")]);
    assert_eq!(all["hardware"][0]["protocols"], serde_json::json!(["simulated"]));
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn nothing_found_ends_with_1() {
    let Ended { code, stdout, .. } = run(&["scan", "--use-hid", "--seconds", "1"]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), "0 pieces of hardware seen: 0 devices\n"));
    for seconds in ["0", "3601", "x"] {
        assert_eq!(run(&["scan", "--seconds", seconds]).await.code, Some(1), "{seconds}");
    }
}
