//! What a person decided about their devices: read, followed, and kept.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Engine, File, SOON, Socket, lovense_at};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tokio::time::timeout;

/// By which what dials in as `LVSDevice` speaks Lovense.
const RULE: &str = "[[protocol.lovense.websocket]]\nnames = [\"LVSDevice\"]\n";

/// An engine with a file of decisions, and a client.
async fn engine_with(file: &File) -> (Engine, Socket) {
    let port = ["--use-device-websocket-server", "--device-websocket-server-port", "0"];
    let mut engine = Engine::start(&[&["--user-device-config-file", file.name()], &port[..]].concat()).await;
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    (engine, client)
}

/// The devices, once there are so many.
async fn devices(client: &mut Socket, count: usize) -> Value {
    let there = async {
        loop {
            let (_, list) = client.ask("RequestDeviceList", json!({})).await;
            if list["Devices"].as_object().is_some_and(|devices| devices.len() == count) {
                return list["Devices"].clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, there).await.expect("as many devices in time")
}

/// The file, once it says this.
async fn file_with(file: &File, text: &str) -> String {
    let there = async {
        loop {
            let content = fs::read_to_string(file.path()).unwrap_or_default();
            if content.contains(text) {
                return content;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, there).await.unwrap_or_else(|_| panic!("no {text:?} in the file in time"))
}

#[tokio::test]
async fn a_device_keeps_its_index_over_restarts_and_the_file_keeps_what_its_owner_wrote() {
    let mine = format!("# mine\n{RULE}\n[[device]]\naddress = \"first\"   # the blue one\nname = \"Blue\"\n");
    let file = File::new("restarts.toml", &mine);
    let (mut engine, mut client) = engine_with(&file).await;
    let port = engine.device_port().await;
    let _first = lovense_at(port, "first").await;
    devices(&mut client, 1).await;
    let _second = lovense_at(port, "second").await;
    let listed = devices(&mut client, 2).await;
    assert_eq!(listed["0"]["DeviceDisplayName"], "Blue");
    let content = file_with(&file, "address = \"second\"").await;
    assert!(content.starts_with(&format!("{mine}index = 0\n")), "{content}");
    engine.child.kill().await.unwrap();

    let (mut engine, mut client) = engine_with(&file).await;
    let port = engine.device_port().await;
    // A newcomer and the two in another order.
    let _third = lovense_at(port, "third").await;
    devices(&mut client, 1).await;
    let _second = lovense_at(port, "second").await;
    devices(&mut client, 2).await;
    let _first = lovense_at(port, "first").await;
    let listed = devices(&mut client, 3).await;
    assert_eq!(listed["0"]["DeviceDisplayName"], "Blue");
    assert!(listed["1"].is_object() && listed["2"].is_object(), "{listed}");
    let content = file_with(&file, "address = \"third\"").await;
    let third = content.split("[[device]]").find(|entry| entry.contains("\"third\"")).unwrap();
    assert!(third.contains("index = 2"), "{content}");
}

#[tokio::test]
async fn a_file_of_an_earlier_engine_keeps_indexes_too_and_all_that_it_said() {
    let mine = r#"{"version": {"major": 5, "minor": 0}, "odd": 1.50, "user_configs": {
  "protocols": {"lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]}},
  "devices": [
    {"identifier": {"protocol": "lovense", "identifier": "Z", "address": "first"},
     "config": {"base_id": "?", "features": [], "user_config": {"index": 4, "display_name": "Blue"}}}
  ]
}}"#;
    let file = File::new("earlier.json", mine);
    let (mut engine, mut client) = engine_with(&file).await;
    let port = engine.device_port().await;
    let _first = lovense_at(port, "first").await;
    let _second = lovense_at(port, "second").await;
    let listed = devices(&mut client, 2).await;
    assert_eq!(listed["4"]["DeviceDisplayName"], "Blue");
    let content = file_with(&file, "\"second\"").await;
    let (head, tail) = mine.split_once("\n  ]\n}}").unwrap();
    assert!(content.starts_with(&format!("{head},\n    {{\n      \"identifier\"")), "{content}");
    assert!(content.ends_with(&format!("\n  ]\n}}}}{tail}")), "{content}");
    engine.child.kill().await.unwrap();

    let (mut engine, mut client) = engine_with(&file).await;
    let port = engine.device_port().await;
    let _newcomer = lovense_at(port, "third").await;
    devices(&mut client, 1).await;
    let _second = lovense_at(port, "second").await;
    let listed = devices(&mut client, 2).await;
    assert!(listed["0"].is_object() && listed["1"].is_object(), "{listed}");
    let written: Value = serde_json::from_str(&file_with(&file, "\"third\"").await).unwrap();
    let entries = written["user_configs"]["devices"].as_array().unwrap();
    let index = |entry: &Value| entry["config"]["user_config"]["index"].clone();
    assert_eq!(entries.iter().map(index).collect::<Vec<_>>(), [4, 0, 1]);
}

#[tokio::test]
async fn a_device_that_is_denied_in_the_file_while_it_runs_is_stopped_and_let_go() {
    let file = File::new("denied.toml", RULE);
    let (mut engine, mut client) = engine_with(&file).await;
    let mut device = lovense_at(engine.device_port().await, "first").await;
    devices(&mut client, 1).await;
    let command = json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 9}}});
    client.ask("OutputCmd", command).await;
    device.frames_until("Vibrate:9;").await;
    let content = file_with(&file, "index = 0").await;
    fs::write(file.path(), content + "deny = true\n").unwrap();
    let frames = device.frames_until_close().await;
    assert!(frames.iter().any(|frame| frame == "Vibrate:0;"), "{frames:?}");
    devices(&mut client, 0).await;
    engine.line_with("denied from now on").await;
}

#[tokio::test]
async fn a_file_that_becomes_useless_while_it_runs_is_named_left_alone_and_what_it_said_goes_on() {
    let file = File::new("useless.toml", &format!("{RULE}[[device]]\naddress = \"first\"\ndeny = true\n"));
    let (mut engine, mut client) = engine_with(&file).await;
    fs::write(file.path(), "[[device\n").unwrap();
    let line = engine.line_with("goes on to count").await;
    assert!(line.contains("useless.toml: line 1, column"), "{line}");
    let port = engine.device_port().await;
    let mut denied = Socket::open(port).await;
    denied.text(r#"{"identifier": "LVSDevice", "address": "first", "version": 0}"#).await;
    let _welcome = lovense_at(port, "second").await;
    let listed = devices(&mut client, 1).await;
    assert_eq!(listed.as_object().unwrap().len(), 1);
    denied.close_code().await;
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "[[device\n");
}

#[tokio::test]
async fn a_useless_file_stops_the_start_unless_that_is_asked_for() {
    let file = File::new("asked.toml", "[[device]]\naddress = 'a\n");
    let ended = program::run(&["--user-device-config-file", file.name()]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("line 2, column") && ended.stderr.contains("--ignore-bad-user-config"),
        "{ended:?}"
    );
    let mut engine =
        Engine::start(&["--user-device-config-file", file.name(), "--ignore-bad-user-config"]).await;
    engine.line_with("what it denies is not denied").await;
    engine.client().await.handshake().await;
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "[[device]]\naddress = 'a\n");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_stops_the_start_and_stays() {
    let folder = program::Folder::new("no-file");
    let pipe = folder.path_of("devices.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_str(), "/dev/null", folder.name()] {
        let ended = program::run(&["--user-device-config-file", path]).await;
        assert_eq!(ended.code, Some(1), "{path}");
        assert!(ended.stderr.contains(path) && ended.stderr.contains("no regular file"), "{ended:?}");
    }
    assert!(!fs::metadata(&pipe).unwrap().is_file());
}

#[tokio::test]
async fn simulated_devices_are_there_under_their_names() {
    let entry =
        "[[simulated]]\narchetype = \"simulated-2vibe\"\naddress = \"simulated:desk\"\nname = \"Desk\"\n";
    let file =
        File::new("simulated.toml", &format!("{entry}[[simulated]]\narchetype = \"simulated-unicorn\"\n"));
    let (mut engine, mut client) = engine_with(&file).await;
    engine.line_with("simulated-unicorn").await;
    let listed = devices(&mut client, 1).await;
    assert_eq!(listed["0"]["DeviceDisplayName"], "Desk");
    file_with(&file, "index = 0").await;
    engine.child.kill().await.unwrap();
    let (_engine, mut client) = engine_with(&file).await;
    let listed = devices(&mut client, 1).await;
    assert_eq!(listed["0"]["DeviceDisplayName"], "Desk", "also with an entry of its own in the file");
}

#[tokio::test]
async fn a_file_of_an_earlier_engine_that_is_not_written_has_what_is_new_kept_beside_it() {
    let one = r#"{"version": 63, "protocols": {"lovense": {"websocket": {"names": ["LVSDevice"]}}},
 "user-config": {"first": {"display-name": "Blue"}}}"#;
    let three = r#"{"version": {"major": 3, "minor": 0}, "user_configs": {
  "protocols": {"lovense": {"communication": [{"websocket": {"names": ["LVSDevice"]}}]}},
  "devices": [{"identifier": {"protocol": "lovense", "identifier": "Z", "address": "first"},
    "config": {"name": "x", "features": [], "user_config": {"display_name": "Blue"}}}]}}"#;
    for (name, mine) in [("one", one), ("three", three)] {
        let file = File::new(&format!("beside-{name}.json"), mine);
        // The engine's own, and gone with the test.
        let beside = File::new(&format!("beside-{name}.json.devices.toml"), "");
        fs::remove_file(beside.path()).unwrap();
        let (mut engine, mut client) = engine_with(&file).await;
        let port = engine.device_port().await;
        let _first = lovense_at(port, "first").await;
        devices(&mut client, 1).await;
        let _second = lovense_at(port, "second").await;
        let listed = devices(&mut client, 2).await;
        assert_eq!(listed["0"]["DeviceDisplayName"], "Blue", "{name}");
        file_with(&beside, "address = \"second\"").await;
        let line = engine.line_with("is made: devices that are new stand there").await;
        assert!(line.contains(beside.name()) && line.contains("INFO"), "{line}");
        engine.child.kill().await.unwrap();

        let (mut engine, mut client) = engine_with(&file).await;
        engine.line_with(&format!("{} counts too", beside.name())).await;
        let port = engine.device_port().await;
        // A newcomer and the two in another order.
        let _third = lovense_at(port, "third").await;
        devices(&mut client, 1).await;
        let _second = lovense_at(port, "second").await;
        devices(&mut client, 2).await;
        let _first = lovense_at(port, "first").await;
        let listed = devices(&mut client, 3).await;
        assert_eq!(listed["0"]["DeviceDisplayName"], "Blue", "{name}");
        let content = file_with(&beside, "address = \"third\"").await;
        for (address, index) in [("first", 0), ("second", 1), ("third", 2)] {
            let entry =
                content.split("[[device]]").find(|entry| entry.contains(&format!("{address:?}"))).unwrap();
            assert!(entry.contains(&format!("index = {index}")), "{content}");
        }
        assert_eq!(fs::read_to_string(file.path()).unwrap(), mine, "{name}");
        engine.child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_useless_file_beside_one_of_an_earlier_engine_stops_the_start_and_is_named() {
    let denies = r#"{"version": 63, "user-config": {"first": {"deny": true}},
 "protocols": {"lovense": {"websocket": {"names": ["LVSDevice"]}}}}"#;
    let file = File::new("wrong-beside.json", denies);
    let beside = File::new("wrong-beside.json.devices.toml", "[[device]]\naddress = 'a\n");
    let ended = program::run(&["--user-device-config-file", file.name()]).await;
    assert_eq!(ended.code, Some(1));
    let named = format!("{} is of no use: line 2, column", beside.name());
    assert!(ended.stderr.contains(&named), "{ended:?}");
    let ended =
        program::run(&["doctor", "--websocket-port", "0", "--user-device-config-file", file.name()]).await;
    assert!(ended.code == Some(1) && ended.stdout.contains(&named), "{ended:?}");
    // Whoever starts without it has what the file itself denies denied.
    let port = ["--use-device-websocket-server", "--device-websocket-server-port", "0"];
    let without = ["--ignore-bad-user-config", "--user-device-config-file", file.name()];
    let mut engine = Engine::start(&[&without[..], &port].concat()).await;
    engine.client().await.handshake().await;
    let mut denied = Socket::open(engine.device_port().await).await;
    denied.text(r#"{"identifier": "LVSDevice", "address": "first", "version": 0}"#).await;
    denied.close_code().await;
    engine.line_with("your configuration denies it").await;
    assert_eq!(fs::read_to_string(beside.path()).unwrap(), "[[device]]\naddress = 'a\n");
}
