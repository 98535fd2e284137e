//! Runs the examples that need no network, as a reader would.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use buttplug::embedded::Server;
use buttplug::websocket::{WebSocketLimits, WebSocketListener};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// No example takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

/// Where cargo puts the examples: beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

async fn check(name: &str, arguments: &[String], expected: &[&str]) {
    let mut command = Command::new(example(name));
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
