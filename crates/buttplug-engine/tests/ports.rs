//! The real program and a device on a serial port, which a pseudo-terminal plays.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Engine, File, SOON};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use std::io::Read;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The name of a fresh port, and the bytes that arrive at it.
fn port() -> (String, mpsc::UnboundedReceiver<u8>) {
    let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    // Not the program's, too, or its end would not be seen.
    rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::CLOEXEC).unwrap();
    grantpt(&device).unwrap();
    unlockpt(&device).unwrap();
    let name = ptsname(&device, Vec::new()).unwrap().into_string().unwrap();
    let (sender, arrived) = mpsc::unbounded_channel();
    // Ends with the program, which has the other end.
    std::thread::spawn(move || {
        let mut device = std::fs::File::from(device);
        let mut byte = [0];
        while let Ok(1) = device.read(&mut byte) {
            if sender.send(byte[0]).is_err() {
                return;
            }
        }
    });
    (name, arrived)
}

#[tokio::test]
async fn a_device_on_a_port_is_driven_and_stops_when_the_program_is_told_to_end() {
    let (port, mut arrived) = port();
    let decisions = format!("[[protocol.nobra.serial]]\nport = {port:?}\nsettings = \"19200 8N1\"\n");
    let file = File::new("ports.toml", &decisions);
    let mut engine = Engine::start(&["--use-serial", "--user-device-config-file", file.name()]).await;
    let mut next = async || timeout(SOON, arrived.recv()).await.expect("a byte in time");
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    assert_eq!(next().await, Some(b'p'), "at rest from the start");
    engine.line_with("device connected").await;
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 9}}});
    client.ask("OutputCmd", command).await;
    assert_eq!(next().await, Some(b'i'));
    engine.signal("TERM");
    assert_eq!(next().await, Some(b'p'), "stopped");
    assert!(engine.end().await.success());
}

#[tokio::test]
async fn a_port_that_is_named_while_the_program_runs_is_found() {
    let (port, mut arrived) = port();
    let file = File::new("ports-later.toml", "");
    let mut engine = Engine::start(&["--use-serial", "--user-device-config-file", file.name()]).await;
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    let rule = format!("[[protocol.nobra.serial]]\nport = {port:?}\nsettings = \"19200 8N1\"\n");
    std::fs::write(file.path(), rule).unwrap();
    assert_eq!(timeout(SOON, arrived.recv()).await.expect("a byte in time"), Some(b'p'));
    engine.line_with("device connected").await;
}

#[tokio::test]
async fn who_asks_for_ports_and_names_none_is_told_so() {
    let mut engine = Engine::start(&["--use-serial", "--use-hid"]).await;
    let line = engine.line_with("--use-serial finds nothing").await;
    assert!(line.contains("WARN"), "{line}");
}
