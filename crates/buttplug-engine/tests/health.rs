//! Whether an engine is well, as whoever looks after it asks; and what it would be installed with.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Ended, Engine, Folder, command, run};

#[tokio::test]
async fn an_engine_that_answers_is_well_whoever_may_come_in() {
    let mut engine = Engine::start(&["--rest-api-port=0", "--token=a-token-that-is-long-enough"]).await;
    let (port, rest) = (engine.client_port().await.to_string(), engine.rest_port().await.to_string());
    for arguments in [["health", "--websocket-port", &port], ["health", "--rest-api-port", &rest]] {
        let asked = run(&arguments).await;
        assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_engine_that_hangs_or_is_gone_is_not_well() {
    let mut engine = Engine::start(&[]).await;
    let port = engine.client_port().await.to_string();
    engine.signal("STOP");
    let asked = run(&["health", "--websocket-port", &port]).await;
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("it hangs"), "{}", asked.stderr);
    engine.signal("KILL");
    engine.end().await;
    let asked = run(&["health", "--websocket-port", &port]).await;
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("no engine answers"), "{}", asked.stderr);
}

/// `buttplug health` in this environment.
async fn asked(home: &Folder, environment: &[(&str, &str)]) -> Ended {
    let mut command = command(&["health"]);
    for folder in ["XDG_CONFIG_HOME", "HOME", "APPDATA"] {
        command.env(folder, home.name());
    }
    command.envs(environment.iter().copied());
    let output = command.output().await.expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test]
async fn it_is_asked_where_the_settings_have_it() {
    let home = Folder::new("health-settings");
    let mut engine = Engine::start(&["--rest-api-port=0"]).await;
    let (port, rest) = (engine.client_port().await.to_string(), engine.rest_port().await.to_string());
    for environment in [
        &[("BUTTPLUG_WEBSOCKET_PORT", port.as_str())][..],
        // The port for clients goes before the REST API, on which nobody listens here.
        &[("BUTTPLUG_WEBSOCKET_PORT", &port), ("BUTTPLUG_REST_API_PORT", "1")],
        &[("BUTTPLUG_REST_API_PORT", &rest)],
        &[("BUTTPLUG_WEBSOCKET_PORT", &port), ("BUTTPLUG_WEBSOCKET_USE_ALL_INTERFACES", "1")],
    ] {
        let Ended { code, stderr, .. } = asked(&home, environment).await;
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{environment:?}");
    }
    let file = home.write("other.toml", &format!("websocket-listen-address = \"127.0.0.1:{port}\"\n"));
    let Ended { code, stderr, .. } = asked(&home, &[("BUTTPLUG_CONFIG", &file)]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let Ended { code, stderr, .. } = run(&["health", "--config", &file]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for (environment, reason) in [
        (("BUTTPLUG_WEBSOCKET_PORT", "0"), "--websocket-port"),
        (("BUTTPLUG_WEBSOCKET_PORT", "x"), "BUTTPLUG_WEBSOCKET_PORT"),
        (("BUTTPLUG_WEBSOCKET_CLIENT_ADDRESS", "ws://127.0.0.1:9"), "--rest-api-port"),
        (("BUTTPLUG_WEBSOCKET_PORT", "1"), "no engine answers"),
    ] {
        let Ended { code, stderr, .. } = asked(&home, &[environment]).await;
        assert!(code == Some(1) && stderr.contains(reason), "{environment:?}: {stderr}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_engine_that_encrypts_is_well_too() {
    let mut engine =
        Engine::start_with(&["serve", "--websocket-port=0", "--rest-api-port=0", "--tls-self-signed"]).await;
    let (port, rest) = (engine.client_port().await.to_string(), engine.rest_port().await.to_string());
    for arguments in [["health", "--websocket-port", &port], ["health", "--rest-api-port", &rest]] {
        let asked = run(&arguments).await;
        assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn another_web_server_is_no_engine() {
    for answer in ["404 Not Found", "200 OK", "401 Unauthorized", "426 Upgrade Required"] {
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = other.local_addr().expect("a port").port().to_string();
        let serving = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = other.accept().expect("somebody");
                let mut request = [0; 1024];
                let _ = std::io::Read::read(&mut stream, &mut request).expect("a request");
                let page = format!("HTTP/1.1 {answer}\r\nContent-Length: 6\r\n\r\n<html>");
                std::io::Write::write_all(&mut stream, page.as_bytes()).expect("a reader");
            }
        });
        for flag in ["--websocket-port", "--rest-api-port"] {
            let asked = run(&["health", flag, &port]).await;
            assert_eq!(asked.code, Some(1), "{answer}");
            let status = answer.split(' ').next().expect("a status");
            assert!(asked.stderr.contains(status), "{}", asked.stderr);
        }
        serving.join().expect("no panic");
    }
}

#[tokio::test]
async fn another_program_is_no_engine() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("a port").port().to_string();
    let greeting = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().expect("somebody");
        std::io::Write::write_all(&mut stream, b"220 mail.example ESMTP\r\n")
    });
    let asked = run(&["health", "--websocket-port", &port]).await;
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("another program"), "{}", asked.stderr);
    greeting.join().expect("no panic").expect("a reader");
}

#[tokio::test]
async fn a_service_is_printed_with_this_programs_path_and_refused_with_flags_that_it_could_not_start_with() {
    let printed = run(&["service", "systemd-user", "--websocket-port", "5"]).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let path = std::path::absolute(env!("CARGO_BIN_EXE_buttplug")).expect("a path");
    let mut path = path.to_str().expect("a plain path").to_owned();
    if path.contains('\\') {
        path = format!("\"{}\"", path.replace('\\', "\\\\"));
    }
    let line = format!("ExecStart={path} serve --guard --websocket-port 5\n");
    assert!(printed.stdout.contains(&line), "{}", printed.stdout);
    for wrong in ["--websocket-prt", "--guard", "demo"] {
        let refused = run(&["service", "systemd-user", wrong]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{wrong}");
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
    }
}
