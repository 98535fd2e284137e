//! Runs every example as a reader would and looks at what it says: facts, not wording.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use buttplug::core::OutputKind;
use buttplug::embedded::Server;
use buttplug_examples::Host;
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

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

/// Starts an example, to be ended with the test.
async fn start(name: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(example(name).await);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What the person who runs the tests has set is not what a reader has.
    command.env_remove("RUST_LOG").kill_on_drop(true).spawn().expect(name)
}

async fn ended(name: &str, running: Child) -> Output {
    let output = timeout(LIMIT, running.wait_with_output()).await;
    output.unwrap_or_else(|_| panic!("{name} does not end")).unwrap()
}

/// Runs an example to its good end. It must say all of `expected`.
async fn check_with(name: &str, arguments: &[&str], expected: &[&str]) -> String {
    let output = ended(name, start(name, arguments).await).await;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{name} failed\n{text}");
    for fact in expected {
        assert!(text.contains(fact), "{name} does not say {fact:?}\n{text}");
    }
    text
}

async fn check(name: &str, expected: &[&str]) -> String {
    check_with(name, &[], expected).await
}

/// A server behind a port with one device, whose owner's side comes with it.
async fn far_server(port: u16) -> (Host, SimulatedDevice) {
    let device = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:far");
    let server = Server::builder().name("Far").bus(Arc::new(SimulatedBus::new([device.clone()]))).start();
    (Host::start(server, port).await.unwrap(), device)
}

fn is_moving(device: &SimulatedDevice) -> bool {
    !device.is_at_rest()
}

#[test]
fn every_example_has_a_test() {
    let tests = include_str!("run.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let runs = ["check", "check_with", "start"].map(|how| format!("{how}(\"{name}\""));
        assert!(runs.iter().any(|run| tests.contains(run.as_str())), "no test runs the example {name}");
    }
}

#[tokio::test]
async fn connect_embedded_drives_a_simulated_device_and_leaves_it_at_rest() {
    check("connect_embedded", &["Simulated 2-Motor Vibrator is here", "at rest: true"]).await;
}

#[tokio::test]
async fn connect_external_says_who_the_server_is() {
    let (host, _device) = far_server(0).await;
    check_with("connect_external", &[&host.url], &["connected to Far, version 4.0", "connected: false"])
        .await;
    host.end().await;
}

#[tokio::test]
async fn connect_external_says_what_to_do_when_nobody_is_there() {
    let running = start("connect_external", &["ws://127.0.0.1:1"]).await;
    let output = ended("connect_external", running).await;
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("ws://127.0.0.1:1") && text.contains("serve"), "{text}");
}

#[tokio::test]
async fn connect_fallback_takes_the_server_that_is_there_and_else_its_own() {
    let (host, _device) = far_server(0).await;
    check_with("connect_fallback", &[&host.url], &["connected to Far"]).await;
    host.end().await;
    check_with("connect_fallback", &["ws://127.0.0.1:1"], &["started Embedded", "connected: false"]).await;
}

#[tokio::test]
async fn async_use_plays_on_two_devices_at_once_until_time_is_up() {
    let joins = "Vibrator joins in";
    let text = check("async_use", &[joins, "has done a round", "time is up", "all at rest: true"]).await;
    assert_eq!(text.matches(joins).count(), 2, "{text}");
}

#[tokio::test]
async fn blocking_drives_what_it_finds() {
    check("blocking", &["Simulated 1-Motor Vibrator is here", "done"]).await;
    let (host, device) = far_server(0).await;
    check_with("blocking", &[&host.url], &["Simulated 1-Motor Vibrator is here", "done"]).await;
    assert!(device.write_count() >= 2 && device.is_at_rest());
    host.end().await;
}

#[tokio::test]
async fn errors_shows_each_class_and_what_never_reaches_the_wire() {
    let text = check("errors", &[]).await;
    let classes: Vec<(&str, &str)> = text
        .split('\n')
        .zip(text.split('\n').skip(1))
        .filter_map(|(error, class)| {
            let class = class.trim_start().strip_prefix("class ")?.split(':').next()?;
            Some((error.split(':').next()?, class))
        })
        .collect();
    assert_eq!(
        classes,
        [
            ("nobody there", "none"),
            ("no address", "none"),
            ("not connected", "none"),
            ("wrong version", "Handshake"),
            ("no such output", "Device"),
            ("out of range", "Device"),
            ("bad message", "Message"),
            ("no pings", "Ping"),
            ("server is ending", "Unknown"),
        ],
        "{text}"
    );
}

#[tokio::test]
async fn ping_timeout_stops_the_device_of_a_client_that_froze() {
    let expected = [
        "after waiting: connected true, at rest false",
        "after blocking: at rest true",
        "disconnected: the server saw no pings",
        "class ping true",
        "connected again: 1 device, at rest true",
    ];
    check("ping_timeout", &expected).await;
}

#[tokio::test]
async fn enumeration_follows_devices_that_come_go_and_come_back_under_their_index() {
    let text = check("enumeration", &["left: Simulated 1-Motor Vibrator (0)", "the search is over"]).await;
    for (line, times) in [("came: Simulated 1-Motor Vibrator (0)", 2), ("came: Simulated Rotator (1)", 1)] {
        assert_eq!(text.matches(line).count(), times, "{line}\n{text}");
    }
    assert_eq!(text.matches("there now").count(), 2, "{text}");
}

#[tokio::test]
async fn device_info_tells_names_ranges_and_what_may_be_asked() {
    let expected = [
        "0: Simulated Stroker",
        "output HwPositionWithDuration: steps 0 to 1000, in 0 to 100000 ms",
        "input Battery: 0 to 100, read: true, subscribe: false",
        "input Pressure: 0 to 65535, read: false, subscribe: true",
    ];
    check("device_info", &expected).await;
}

#[tokio::test]
async fn control_drives_a_vibrator_and_leaves_the_rest_alone() {
    let expected =
        ["refused: Vibrate", "Vibrator was driven", "Rotator has no vibrator", "all at rest: true"];
    check("control", &expected).await;
    let (host, device) = far_server(0).await;
    check_with("control", &[&host.url], &["Vibrator was driven"]).await;
    let told: Vec<String> =
        device.writes().iter().map(|write| String::from_utf8_lossy(&write.frame.data).into_owned()).collect();
    // Half, one step, less than nothing clamped to rest, the batch; and then nothing but rest.
    let moving: Vec<&String> = told.iter().filter(|frame| !frame.ends_with(" 0")).collect();
    assert_eq!(moving, ["0 Vibrate 50", "0 Vibrate 1", "0 Vibrate 20"], "{told:?}");
    assert!(device.is_at_rest());
    host.end().await;
}

#[tokio::test]
async fn outputs_drives_every_kind_there_is() {
    let text = check("outputs", &["all at rest: true"]).await;
    for told in [
        "Vibrate 50",
        "Rotate -30",
        "Oscillate 40",
        "Constrict 20",
        "Spray 1",
        "Temperature 10",
        "Led 100",
        "Position 200",
        "HwPositionWithDuration 800 in 500 ms",
    ] {
        assert!(text.contains(&format!(": {told}")), "nothing was told {told}\n{text}");
    }
    let shown = OutputKind::ALL.iter().filter(|kind| text.contains(&format!(": {kind} "))).count();
    assert_eq!(shown, OutputKind::ALL.len(), "{text}");
}

#[tokio::test]
async fn sensors_reads_batteries_and_follows_a_pressure_sensor() {
    let text = check("sensors", &["1-Motor Vibrator: 80 %", "Pressure Sensor: 80 %"]).await;
    let readings: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(": pressure ")).map(|(_, value)| value).collect();
    assert_eq!(readings, ["100", "2000", "50"], "{text}");
    let (host, _device) = far_server(0).await;
    check_with("sensors", &[&host.url], &["Simulated 1-Motor Vibrator: 80 %"]).await;
    host.end().await;
}

#[tokio::test]
async fn logging_writes_what_happens_and_more_when_asked() {
    let text = check("logging", &["INFO", "connected", "device added", "disconnected"]).await;
    assert!(
        !text.contains("TRACE") && !text.contains("found."),
        "only the client's words are wanted\n{text}"
    );
    let mut command = Command::new(example("logging").await);
    let output =
        command.env("RUST_LOG", "buttplug_server=trace").stdin(Stdio::null()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("TRACE") && text.contains("write"), "{text}");
}

#[tokio::test]
async fn application_survives_the_loss_of_its_server_and_ends_with_everything_at_rest() {
    let (host, before) = far_server(0).await;
    let url = host.url.clone();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let running = start("application", &["30", &url]).await;
    timeout(LIMIT, before.wait_for(is_moving)).await.expect("a pulse");
    host.end().await;
    assert!(before.is_at_rest(), "a server that ends stops its devices");

    let (host, after) = far_server(port).await;
    timeout(LIMIT, after.wait_for(is_moving)).await.expect("a pulse after the loss");
    #[cfg(unix)]
    {
        let id = running.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }
    let output = ended("application", running).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("connecting again") && text.contains("everything is stopped"), "{text}");
    assert_eq!(text.matches("connected to Far").count(), 2, "{text}");
    assert!(cfg!(not(unix)) || text.contains("asked to end"), "{text}");
    timeout(LIMIT, after.wait_for(SimulatedDevice::is_at_rest)).await.expect("rest");
    host.end().await;
}

#[tokio::test]
async fn application_plays_by_itself_with_a_server_of_its_own() {
    check("application", &["2-Motor Vibrator is here", "time is up", "everything is stopped"]).await;
}
