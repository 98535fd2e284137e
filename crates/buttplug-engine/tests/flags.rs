//! What the program makes of its flags and files, seen from outside.

mod program;

use program::{Ended, Engine, FIRST_LINE, File, run, user_file};
use std::net::TcpListener;

#[tokio::test]
async fn version_and_help_go_to_stdout_and_end_in_order() {
    for (arguments, output) in [
        (&["--version"][..], concat!("buttplug ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["-V"], concat!("buttplug ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["--server-version", "--version"], concat!(env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        let Ended { code, stdout, stderr } = run(arguments).await;
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), output, ""), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["help"], &["serve", "--help"]] {
        let Ended { code, stdout, stderr } = run(arguments).await;
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains("Usage"), "{stdout}");
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_1_and_a_reason_on_stderr() {
    for (arguments, reason) in [
        (&["--bogus"][..], "--bogus"),
        (&["--websocket-port", "70000"], "70000"),
        (&["--log", "off"], "not a log level"),
        (&[], "Usage"),
    ] {
        let Ended { code, stdout, stderr } = run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_refused_without_being_shown() {
    for arguments in [
        &["--token", "my secret!"][..],
        &["--token=my secret!"],
        &["serve", "--token", "my secret!"],
        &["serve", "--no-token=my secret!"],
        &["config", "show", "--token", "my secret!"],
        &["service", "systemd", "--token", "my secret!"],
    ] {
        let Ended { code, stdout, stderr } = run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(stderr.contains("token") && !stderr.contains("secret"), "{arguments:?}: {stderr}");
        if !arguments.contains(&"--no-token=my secret!") {
            assert!(stderr.contains("letters and digits"), "the reason is said: {stderr}");
        }
    }
}

#[tokio::test]
async fn settings_that_can_not_be_met_end_with_1_and_name_the_flag() {
    for (arguments, reason) in [
        (
            &["--websocket-port", "0", "--websocket-listen-address", "127.0.0.1:0"][..],
            "--websocket-listen-address and --websocket-port",
        ),
        (&["--websocket-listen-address", "no such host:1"], "no such host:1"),
        (&["--websocket-listen-address", "192.0.2.1:12345"], "192.0.2.1"),
        (&["--websocket-client-address", "127.0.0.1:9000"], "--websocket-client-address: "),
        (&["--lovense-connect-address", "no such host:1"], "no such host:1"),
    ] {
        let Ended { code, stdout, stderr } = run(arguments).await;
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("buttplug: ") && stderr.contains(reason), "{arguments:?}: {stderr}");
        assert!(stdout.contains("ERROR"), "programs that read only stdout see it too: {stdout}");
    }
}

#[tokio::test]
async fn a_port_in_use_ends_with_1_and_names_the_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for arguments in [
        &["--websocket-port", &port][..],
        &["--websocket-port", "0", "--use-device-websocket-server", "--device-websocket-server-port", &port],
    ] {
        let Ended { code, stderr, .. } = run(arguments).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&port) && stderr.contains("in use"), "{stderr}");
    }
}

#[tokio::test]
async fn an_unusable_user_file_ends_with_1_names_the_line_and_stays_as_it_is() {
    for (number, content, place) in [
        (0, "", "line 1"),
        (1, "{\n\"version\": 5,\n// mine\n}", "line 3"),
        (2, "{\"version\": {\"major\": 9}}", "version 9"),
    ] {
        let file = File::new(&format!("bad-{number}.json"), content);
        let Ended { code, stderr, .. } = run(&["--user-device-config-file", file.name()]).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(file.name()) && stderr.contains(place), "{stderr}");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), content);
    }
}

#[tokio::test]
async fn a_catalogue_file_adds_what_is_not_built_in_and_one_of_no_use_ends_with_1() {
    let content = r#"{"version": {"major": 3, "minor": 5}, "protocols": {"lovense": {"communication": [
        {"btle": {"names": ["LVS-*"], "services": {}}}, {"websocket": {"name": "LVSDevice"}}]}}}"#;
    let file = File::new("catalogue.json", content);
    let mut engine = Engine::start(&[
        "--device-config-file",
        file.name(),
        "--use-device-websocket-server",
        "--device-websocket-server-port",
        "0",
    ])
    .await;
    let mut client = engine.client().await;
    client.handshake().await;
    let _device = program::lovense(engine.device_port().await).await;
    client.ask("StartScanning", serde_json::json!({})).await;
    client.first_device().await;
    let bad = File::new("bad-catalogue.json", "{}");
    for path in [bad.name(), "/no/such/file.json"] {
        let Ended { code, stderr, .. } = run(&["--websocket-port", "0", "--device-config-file", path]).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(path) && stderr.contains("--device-config-file"), "{stderr}");
    }
}

#[tokio::test]
async fn the_first_line_comes_first_and_a_pipe_gets_no_colours() {
    let mut engine = Engine::start(&["--log", "trace"]).await;
    engine.client_port().await;
    assert_eq!(engine.lines[0], FIRST_LINE);
    assert!(engine.lines.iter().all(|line| !line.contains('\x1b')), "{:#?}", engine.lines);
    let mut engine = Engine::start(&["--log", "error"]).await;
    assert_eq!(engine.line_with("").await, FIRST_LINE, "at every level");
}

#[tokio::test]
async fn flags_for_what_is_not_there_get_a_warning_and_the_engine_starts() {
    let mut engine = Engine::start(&["--allow-raw", "--crash-reporting"]).await;
    engine.client_port().await;
    for flag in ["--allow-raw", "--crash-reporting"] {
        let warnings = engine.lines.iter().filter(|line| line.contains("WARN") && line.contains(flag));
        assert_eq!(warnings.count(), 1, "{:#?}", engine.lines);
    }
}

#[tokio::test]
async fn what_the_user_file_says_in_vain_is_a_warning() {
    let file = user_file("warn.json");
    let mut engine = Engine::start(&["--user-device-config-file", file.name()]).await;
    engine.client_port().await;
    let warning = engine.line_with("no-such-protocol").await;
    assert!(warning.contains("WARN"), "{warning}");
    let mut engine = Engine::start(&["--user-device-config-file", "no/such/file.json"]).await;
    engine.client_port().await;
    engine.line_with("there is no user file no/such/file.json").await;
}
