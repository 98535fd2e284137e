//! What the program says of the machine it runs on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some tests need Linux"))]

mod program;

use program::{Ended, Engine, File, Folder, run};

/// Examines the ports, and what stands in these files.
async fn doctor(more: &[&str]) -> Ended {
    let device_port = ["--use-device-websocket-server", "--device-websocket-server-port", "0"];
    run(&[&["doctor"], &device_port[..], more].concat()).await
}

#[tokio::test]
async fn a_running_engine_is_told_by_its_name_and_is_no_problem() {
    let mut engine = Engine::start(&["--server-name", "Bedside"]).await;
    let port = engine.client_port().await.to_string();
    let Ended { code, stdout, .. } = doctor(&["--websocket-port", &port]).await;
    let line =
        format!("attention  client port: 127.0.0.1:{port} is in use by an engine called \"Bedside\"\n");
    assert!(stdout.contains(&line), "{stdout}");
    assert_eq!(code, Some(0), "{stdout}");
}

#[tokio::test]
async fn a_running_engine_that_wants_a_token_is_told_from_another_program_and_is_no_problem() {
    let mut engine = Engine::start(&[
        "--token=a-token-that-is-long-enough",
        "--use-device-websocket-server",
        "--device-websocket-server-port=0",
    ])
    .await;
    let (port, devices) = (engine.client_port().await.to_string(), engine.device_port().await.to_string());
    let ports = [
        "--websocket-port",
        &port,
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        &devices,
    ];
    let Ended { code, stdout, .. } = run(&[&["doctor"], &ports[..]].concat()).await;
    for (about, port) in [("client", &port), ("device", &devices)] {
        let line =
            format!("attention  {about} port: 127.0.0.1:{port} is in use by an engine that wants a token\n");
        assert!(stdout.contains(&line), "{stdout}");
    }
    assert_eq!(code, Some(0), "{stdout}");
    // Without one to ask at the port for clients.
    let alone = [
        "doctor",
        "--websocket-port=0",
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        &devices,
    ];
    let Ended { code, stdout, .. } = run(&alone).await;
    assert!(
        stdout.contains(&format!("attention  device port: 127.0.0.1:{devices} is in use by an engine")),
        "{stdout}"
    );
    assert_eq!(code, Some(0), "{stdout}");
}

#[tokio::test]
async fn a_port_that_another_program_has_is_a_problem() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let Ended { code, stdout, .. } = doctor(&["--websocket-port", &port]).await;
    assert!(stdout.contains(&format!("problem    client port: 127.0.0.1:{port} is in use")), "{stdout}");
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn files_that_are_wrong_are_problems_and_what_can_not_be_applied_is_told() {
    let (broken, odd) = (File::new("broken.toml", "[["), File::new("odd.toml", "[[device]]\nx = 1\n"));
    let with = |file: &File| {
        let name = file.name().to_owned();
        async move { doctor(&["--websocket-port", "0", "--user-device-config-file", &name]).await }
    };
    let Ended { code, stdout, .. } = with(&broken).await;
    assert!(
        stdout.contains(&format!("problem    your devices: {} is of no use: ", broken.name())),
        "{stdout}"
    );
    assert_eq!(code, Some(1));
    let Ended { code, stdout, .. } = with(&odd).await;
    assert!(stdout.contains("attention  your devices: ") && stdout.contains(odd.name()), "{stdout}");
    assert_eq!(code, Some(0));
    let folder = Folder::new("doctor");
    let wrong = folder.write("wrong.toml", "x = 1");
    let Ended { code, stdout, .. } =
        doctor(&["--websocket-port", "0", "--device-definitions", folder.name()]).await;
    assert!(stdout.contains(&format!("`buttplug devices check {wrong}`")), "{stdout}");
    assert_eq!(code, Some(1));
}

#[cfg(all(feature = "bluetooth", target_os = "linux"))]
#[tokio::test]
async fn a_machine_without_bluetooth_is_told_so_and_what_to_do() {
    let mut command = program::command(&["doctor", "--json", "--websocket-port", "0"]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/socket");
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = all["checks"].as_array().unwrap();
    let bluetooth = checks.iter().find(|check| check["about"] == "Bluetooth").unwrap();
    assert_eq!(bluetooth["standing"], "problem");
    let says = bluetooth["says"].as_str().unwrap();
    assert!(says.contains("D-Bus can't be reached") && says.contains("hand in /run/dbus"), "{says}");
    for about in ["serial", "HID", "gamepads", "client port", "device port", "your devices"] {
        assert!(checks.iter().any(|check| check["about"] == about), "{about}: {checks:#?}");
    }
}

#[cfg(all(unix, feature = "bluetooth"))]
#[tokio::test]
async fn an_engine_that_nobody_told_where_to_look_says_once_that_there_is_no_bluetooth_and_goes_on() {
    let arguments = ["serve", "--websocket-port", "0", "--device-websocket-server-port", "0"];
    let nowhere = [("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/socket")];
    let mut engine = Engine::start_in(&arguments, &nowhere).await;
    engine.device_port().await;
    let mut client = engine.client().await;
    client.handshake().await;
    let line = engine.line_with("no Bluetooth for now").await;
    assert!(line.contains("INFO"), "{line}");
    client.ask("StartScanning", serde_json::json!({})).await;
    client.ask("RequestDeviceList", serde_json::json!({})).await;
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    let said = engine.lines.iter().filter(|line| line.contains("luetooth")).count();
    let complaints = engine.lines.iter().filter(|line| line.contains("WARN") || line.contains("ERROR"));
    assert_eq!((said, complaints.count()), (1, 0), "{:#?}", engine.lines);
}
