//! Connections that never become a client or a device.

use crate::program::{self, SOON, Socket, lovense_at};
use crate::{World, connections};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What comes back, up to the end of the connection.
async fn answer_to(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
    // It may be cut off in the middle of what it says.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
    // So may the answer.
    let _ = read.unwrap_or_else(|_| {
        panic!("kept open after {:?}", String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)))
    });
    answer
}

#[tokio::test]
async fn garbage_and_other_languages_are_turned_away() {
    let mut world = World::new("garbage").await;
    let headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "X-Filler: 0123456789\r\n".repeat(60_000));
    for port in [world.client_port, world.device_port] {
        for bytes in [
            &b"\x00\xff\xfe\x80 not even text\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
            headers.as_bytes(),
        ] {
            let answer = answer_to(port, bytes).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
        }
        for reason in ["not HTTP", "no upgrade to WebSocket", "longer than 16384 bytes"] {
            let told = world.engine.new_line_with(reason).await;
            assert!(told.contains("INFO") && told.contains(" peer=127.0.0.1:"), "{told}");
            assert!(!told.to_lowercase().contains("error"), "programs take it for one: {told}");
        }
        world.is_well().await;
    }
}

#[tokio::test]
async fn silence_and_a_byte_a_second_hold_up_nobody() {
    let mut world = World::new("silence").await;
    let silent = [connections(world.client_port, 20).await, connections(world.device_port, 20).await];
    let mut slow = connections(world.client_port, 2).await;
    slow.extend(connections(world.device_port, 2).await);
    let request = b"GET / HTTP/1.1\r\nHost";
    for byte in request.iter().take(3) {
        for stream in &mut slow {
            stream.write_all(&[*byte]).await.expect("an open connection");
        }
        // The abuse itself is slow.
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.is_well().await;
    }
    lovense_at(world.device_port, "another").await;
    drop(silent);
    world.is_well().await;
}

#[tokio::test]
async fn a_thousand_connections_keep_out_neither_a_client_nor_a_device() {
    let mut world = World::new("thousand").await;
    let (client_port, device_port) = (world.client_port, world.device_port);
    let crowd = async { (connections(client_port, 500).await, connections(device_port, 500).await) };
    let crowd = world.meanwhile(crowd).await;
    world.is_well().await;
    let told = world.engine.line_with("dropping the oldest unfinished connection").await;
    assert!(told.contains("INFO") && told.contains(" peer=127.0.0.1:"), "{told}");
    lovense_at(device_port, "another").await;
    drop(crowd);
    world.is_well().await;
    let (_, most) = world.memory();
    assert!(most < 150_000, "{most} kB");
}

#[tokio::test]
async fn web_sockets_that_do_not_introduce_themselves_hold_up_nobody() {
    // All of them are let go at the same time, and each has its line.
    let lines = ["--max-log-lines", "1000"];
    let mut world = World::of("mute", |arguments| program::command(&[arguments, &lines].concat())).await;
    let mut mute = Vec::new();
    // More than the connections that one address may have.
    for port in [world.client_port, world.device_port] {
        for _ in 0..40 {
            mute.push(Socket::open(port).await);
        }
    }
    let mut evasive = Socket::open(world.client_port).await;
    evasive.text(r#"[{"Ping":{"Id":1}}]"#).await;
    let patient = Socket::open(world.client_port).await;
    world.is_well().await;
    lovense_at(world.device_port, "another").await;
    let ends = async { tokio::join!(code_of(evasive), code_of(patient)) };
    assert_eq!(world.meanwhile(ends).await, (Some(CloseCode::Normal), Some(CloseCode::Normal)));
    let told = world.engine.line_with("no greeting within 5 s").await;
    assert!(told.contains("INFO") && told.contains(" peer=127.0.0.1:"), "{told}");
    let told = world.engine.line_with("the handshake is missing").await;
    assert!(told.contains("INFO") && told.contains("peer=\"127.0.0.1:"), "{told}");
    let told = world.engine.line_with("a client said nothing for 10 s and is let go").await;
    assert!(told.contains("INFO") && told.contains(" peer=127.0.0.1:"), "{told}");
    world.is_well().await;
}

/// With which code a connection is closed, which answers pings until then.
async fn code_of(mut socket: Socket) -> Option<CloseCode> {
    let close = async {
        loop {
            match socket.0.next().await {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code),
                Some(Ok(_)) => {}
                other => panic!("{other:?} instead of a close frame"),
            }
        }
    };
    timeout(2 * SOON, close).await.expect("the connection ends")
}

#[tokio::test]
async fn nobody_else_can_take_the_port() {
    let world = World::new("port").await;
    for port in [world.client_port, world.device_port] {
        let error = std::net::TcpListener::bind(("127.0.0.1", port)).expect_err("the port is taken");
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    }
}
