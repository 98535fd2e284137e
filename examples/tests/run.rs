//! Runs the examples that need no network, as a reader would.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use buttplug::embedded::Server;
use buttplug::websocket::{WebSocketLimits, WebSocketListener};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;

/// No example takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

/// The program of an example, beside the folder of this test. Cargo builds it before this test runs, except when it is
/// asked for `--all-targets`: then it is built here.
async fn example(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::const_new(());
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).expect("a profile's folder");
    let program = folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let _one_at_a_time = BUILDING.lock().await;
    if !program.exists() {
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "buttplug-examples", "--examples", "--profile", profile]);
        build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", folder.parent().unwrap());
        let output = build.stdin(Stdio::null()).output().await;
        assert!(
            program.exists(),
            "{} is not there; `cargo build -p buttplug-examples --examples` makes it (tried: {output:?})",
            program.display()
        );
    }
    program
}

async fn check(name: &str, arguments: &[String], expected: &[&str]) {
    let mut command = Command::new(example(name).await);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("an example that ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed\n{text}{errors}");
    for line in expected {
        assert!(text.contains(line), "{name} does not say {line:?}\n{text}{errors}");
    }
}

#[tokio::test]
async fn embedded_drives_a_simulated_device_and_leaves_it_at_rest() {
    check("embedded", &[], &["is here", "at rest: true"]).await;
}

#[tokio::test]
async fn control_lists_and_drives_what_it_finds() {
    check("control", &[], &["Vibrate from 0", "Rotate from -", "HwPositionWithDuration from 0", "done"])
        .await;
}

#[tokio::test]
async fn battery_reads_every_battery() {
    check("battery", &[], &["80 %", "done"]).await;
}

#[tokio::test]
async fn errors_shows_each_mistake_with_its_advice() {
    check(
        "errors",
        &[],
        &[
            "no server there: can't connect",
            "no address: \"not a url\"",
            "not connected: not connected to a server",
            "more than full power: Vibrate of feature 0",
            "steps out of range: Vibrate takes",
            "no such output: device",
            "after the disconnect: not connected to a server",
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_take_a_server_that_runs_already() {
    let bus = SimulatedBus::new([SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:far")]);
    let server = Server::builder().bus(Arc::new(bus)).start();
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = WebSocketListener::bind(&[any_port], WebSocketLimits::default()).await.unwrap();
    let url = format!("ws://{}", listener.local_addresses()[0]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let listening = tokio::spawn(listener.run(Arc::new(server.clone()), async move {
        let _ = stopped.await;
    }));
    check("battery", std::slice::from_ref(&url), &["Simulated 1-Motor Vibrator: 80 %", "done"]).await;
    check("control", &[url], &["Vibrate from 0", "done"]).await;
    drop(stop);
    listening.await.unwrap();
    server.shut_down().await;
}
