//! The log as programs and administrators read it: as objects, in files, in the journal. Whatever becomes of a file, devices
//! and clients notice nothing.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "some tests need Unix"))]

mod program;

use program::{Engine, FIRST_LINE, Folder, SOON, Socket, make_lines, user_file, vibrate, vibrating};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The lines of a file, each of which must be an object.
fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[cfg(unix)]
#[tokio::test]
async fn as_json_every_line_but_the_first_is_an_object_on_stdout_and_in_the_file() {
    let folder = Folder::new("json-log");
    let path = folder.path_of("engine.log");
    let more = ["--log-format", "json", "--log-file", &path, "--log", "debug"];
    let mut engine = Engine::start(&more).await;
    engine.line_with("listening for clients").await;
    let line = engine.lines.last().expect("a line");
    let line: Value = serde_json::from_str(line).expect("an object");
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"listening for clients".into()));
    assert_eq!(line["target"], "buttplug::wiring");
    assert!(line["fields"]["address"].as_str().is_some_and(|address| address.contains(':')), "{line}");
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    assert_eq!(engine.lines[0], FIRST_LINE, "whoever starts an engine waits for it");
    let said = objects(&engine.lines[1..].join("\n"));
    let kept = objects(&std::fs::read_to_string(&path).expect("the file"));
    // Two threads that speak at the same moment may come to the two places in different orders.
    let messages = |lines: &[Value]| {
        let mut messages: Vec<String> = lines.iter().map(|line| line["message"].to_string()).collect();
        messages.sort();
        messages
    };
    assert_eq!(messages(&said), messages(&kept));
    assert!(messages(&kept).contains(&"\"ended\"".into()), "the last line is there");
}

#[cfg(unix)]
#[tokio::test]
async fn so_many_files_of_so_many_bytes_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("kept-log");
    let path = folder.path_of("deep/engine.log");
    let kept = ["--log-file", &path, "--log-file-size", "8192", "--log-files", "3", "--log", "debug"];
    let (mut engine, mut client, _device) = vibrating("kept-log.json", &kept).await;
    for value in 0..20 {
        for _ in 0..20 {
            // A line each.
            client.text("nonsense").await;
        }
        assert_eq!(vibrate(&mut client, value).await.0, "Ok");
    }
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    let folder = std::path::Path::new(&path).parent().expect("a folder");
    let mut sizes: Vec<(String, u64)> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            (entry.file_name().into_string().expect("text"), entry.metadata().expect("a file").len())
        })
        .collect();
    sizes.sort();
    let names: Vec<&str> = sizes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["engine.log", "engine.log.1", "engine.log.2"]);
    assert!(sizes.iter().all(|(_, size)| *size <= 8192), "{sizes:?}");
    let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what somebody did when is nobody else's business");
}

#[tokio::test]
async fn a_long_name_of_a_client_is_cut() {
    let mut engine = Engine::start(&[]).await;
    let content = serde_json::json!({"ClientName": "x".repeat(2000), "MessageVersion": 3});
    assert_eq!(engine.client().await.ask("RequestServerInfo", content).await.0, "ServerInfo");
    let line = engine.line_with("client introduced itself").await;
    assert!(line.contains("xxx…") && line.len() < 300, "{line}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_device_calls_itself_forges_no_line() {
    let folder = Folder::new("forged-log");
    for format in ["text", "json"] {
        let (path, file) = (folder.path_of(format), user_file(&format!("forged-{format}.json")));
        let mut engine = Engine::start(&[
            "--user-device-config-file",
            file.name(),
            "--use-device-websocket-server",
            "--device-websocket-server-port=0",
            "--log-format",
            format,
            "--log-file",
            &path,
        ])
        .await;
        let json = format == "json";
        let text = |line: &str| -> String {
            if !json {
                return line.to_owned();
            }
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            line["message"].as_str().expect("a text").to_owned()
        };
        let listens = engine.line_with("listening for devices").await;
        let port = listens.split("127.0.0.1:").nth(1).expect("a port").trim_end_matches(['"', '}']);
        let port = port.parse().expect("a port");
        let listens = engine.line_with("listening for clients").await;
        let clients = listens.split("127.0.0.1:").nth(1).expect("a port").trim_end_matches(['"', '}']);
        let mut client = Socket::open(clients.parse().expect("a port")).await;
        client.handshake().await;
        client.ask("StartScanning", serde_json::json!({})).await;
        let _device =
            program::lovense_at(port, r"a\n2026-01-01T00:00:00Z ERROR forged\r<3>forged\nforged").await;
        let found = engine.line_with("found.").await;
        let whole = r"(a\n2026-01-01T00:00:00Z ERROR forged\r<3>forged\nforged) found.";
        assert!(text(&found).contains(whole), "{found}");
        engine.signal("TERM");
        assert_eq!(engine.end().await.code(), Some(0));
        let kept = std::fs::read_to_string(&path).expect("the file");
        let lines = engine.lines[1..].iter().map(String::as_str).chain(kept.lines());
        for line in lines {
            let begins = if json { line.starts_with("{\"timestamp\":") } else { line.starts_with("20") };
            assert!(begins && !line.starts_with("2026-01-01T00:00:00Z ERROR"), "{line}");
            assert!(!line.contains('\r'), "{line}");
        }
    }
}

/// An engine on a port that is free, with its stdout there.
#[cfg(target_os = "linux")]
fn with_stdout(stdout: impl Into<std::process::Stdio>) -> (tokio::process::Child, u16) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("a port").port();
    drop(free);
    let mut command = program::command(&["--websocket-port", &port.to_string(), "--log", "trace"]);
    (command.stdout(stdout).spawn().expect("it starts"), port)
}

/// Its client, as soon as it listens.
#[cfg(target_os = "linux")]
async fn client_of(port: u16) -> Socket {
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, listens).await.expect("it listens");
    let mut client = Socket::open(port).await;
    client.handshake().await;
    client
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_output_on_a_full_disk_costs_nothing_but_its_lines() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let (mut engine, port) = with_stdout(full);
    let mut client = client_of(port).await;
    make_lines(&mut client, 100).await;
    program::signal(engine.id().expect("running"), "TERM");
    let status = tokio::time::timeout(SOON, engine.wait()).await.expect("it ends").expect("a status");
    assert_eq!(status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_output_that_failed_is_written_to_again_and_says_what_is_missing() {
    use std::os::fd::OwnedFd;
    use tokio::io::AsyncReadExt;
    // A pipe that never waits, as launchers make them: when it is full, writing fails.
    let (ours, theirs) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&theirs, true).expect("a pipe can do that");
    let (mut engine, port) = with_stdout(OwnedFd::from(theirs));
    let mut client = client_of(port).await;
    // Far more than the pipe's 64 KiB.
    make_lines(&mut client, 5000).await;
    let mut ours = tokio::net::unix::pipe::Receiver::from_owned_fd(ours.into()).expect("a pipe");
    let mut text = Vec::new();
    let told = async {
        while !String::from_utf8_lossy(&text).contains(" lines left out") {
            assert!(ours.read_buf(&mut text).await.expect("a pipe") > 0, "it runs");
        }
    };
    // What is missing is said before the next line.
    let asking = async {
        loop {
            make_lines(&mut client, 1).await;
        }
    };
    let told = async {
        tokio::select! {
            () = told => {}
            () = asking => {}
        }
    };
    tokio::time::timeout(SOON, told).await.expect("it is written to again");
    program::signal(engine.id().expect("running"), "TERM");
    let end = async { tokio::join!(engine.wait(), ours.read_to_end(&mut text)) };
    let (status, read) = tokio::time::timeout(SOON, end).await.expect("it ends");
    assert_eq!((status.expect("a status").code(), read.is_ok()), (Some(0), true));
    let text = String::from_utf8_lossy(&text);
    assert!(text.lines().any(|line| line.ends_with(" ended")), "{:?}", text.lines().last());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_file_that_can_not_be_written_costs_one_complaint_and_nothing_else() {
    let folder = Folder::new("no-log");
    let pipe = folder.path_of("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    // A full disk, a place where not even root writes, a folder in the place of the file, and an opening that never ends.
    tokio::join!(
        with_a_bad_log_file("/dev/full", 1),
        with_a_bad_log_file("/proc/self/no/engine.log", 1),
        with_a_bad_log_file(folder.name(), 1),
        with_a_bad_log_file(&pipe, 0),
    );
}

/// Devices and the end of an engine are as ever; it has complained so often.
#[cfg(target_os = "linux")]
async fn with_a_bad_log_file(path: &str, complaints: usize) {
    let name = format!("no-log-{}.json", path.len());
    let (mut engine, mut client, mut device) =
        vibrating(&name, &["--log-file", path, "--log", "debug"]).await;
    for value in 0..20 {
        assert_eq!(vibrate(&mut client, value).await.0, "Ok", "{path}");
        client.text("a line each").await;
        // Longer than the pause after which it is tried again, all in all.
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
    device.frames_until("Vibrate:19;").await;
    let start = Instant::now();
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0), "{path}");
    assert!(start.elapsed() < Duration::from_millis(2500), "{path}: {:?}", start.elapsed());
    let complained = engine.lines.iter().filter(|line| line.contains("--log-file")).count();
    assert_eq!(complained, complaints, "{path}: {:#?}", engine.lines);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_journal_is_told_the_level_and_not_the_time() {
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;
    let (ours, journal) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let file = rustix::fs::fstat(&journal).expect("a file");
    let mut command = program::command(&["--websocket-port", "0", "--stop-with-parent"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", file.st_dev, file.st_ino)).stdout(OwnedFd::from(journal));
    let mut engine = command.stdin(std::process::Stdio::piped()).spawn().expect("it runs");
    drop(command);
    ours.set_read_timeout(Some(program::SOON)).expect("a timeout");
    let mut parent = engine.stdin.take();
    let mut lines = Vec::new();
    for line in BufReader::new(ours).lines() {
        lines.push(line.unwrap_or_else(|error| panic!("{error} after {lines:#?}")));
        if lines.iter().any(|line| line.contains("listening")) {
            parent.take();
        }
    }
    assert_eq!(engine.wait().await.expect("its end").code(), Some(0));
    let text = lines.join("\n");
    assert_eq!(lines[0], FIRST_LINE);
    assert!(lines[1..].iter().any(|line| line.starts_with("<6> INFO buttplug::wiring: listening")), "{text}");
    assert!(
        lines[1..].iter().any(|line| line.starts_with("<4> WARN ")),
        "no place to look is worth a warning: {text}"
    );
    assert!(lines[1..].iter().all(|line| line.starts_with('<')), "{text}");
}
