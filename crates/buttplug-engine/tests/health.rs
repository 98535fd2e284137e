//! Whether an engine is well, as whoever looks after it asks; and what it would be installed with.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Engine, run};

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
    let path = env!("CARGO_BIN_EXE_buttplug");
    let line = format!("ExecStart={path} serve --guard --websocket-port 5\n");
    assert!(printed.stdout.contains(&line), "{}", printed.stdout);
    for wrong in ["--websocket-prt", "--guard", "demo"] {
        let refused = run(&["service", "systemd-user", wrong]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{wrong}");
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
    }
}
