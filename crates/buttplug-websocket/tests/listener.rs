//! A listener against peers of all kinds on real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use buttplug_websocket::{
    CloseCode, DialError, Listener, ListenerLimits, Received, Socket, SocketError, SocketLimits, dial,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes, unless it hangs.
const AGES: Duration = Duration::from_secs(20);

struct Echo {
    address: SocketAddr,
    addresses: Vec<SocketAddr>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Listens and returns every message; sessions have tasks of their own, as in real life.
async fn echo(addresses: &[&str], limits: ListenerLimits) -> Echo {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let listener = Listener::bind(&addresses, limits).await.unwrap();
    let addresses = listener.local_addresses();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(listener.run(stopped, |socket, _| async move {
        tokio::spawn(serve(socket));
    }));
    Echo { address: addresses[0], addresses, stop, running }
}

async fn serve(mut socket: Socket) {
    let mut batch = Vec::new();
    while socket.receive(|message| batch.push(message)).await.is_ok() {
        for message in batch.drain(..) {
            let sent = match message {
                Received::Text(text) => socket.send_text(String::from_utf8(text.to_vec()).unwrap()),
                Received::Binary(bytes) => socket.send_binary(bytes),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

async fn check_echo(address: SocketAddr) {
    let exchange = async {
        let mut socket =
            dial(&format!("ws://{address}/any/path?x=y"), SocketLimits::default()).await.unwrap();
        socket.send_text(String::from("hello")).unwrap();
        let mut batch = Vec::new();
        while batch.is_empty() {
            socket.receive(|message| batch.push(message)).await.unwrap();
        }
        assert_eq!(batch, [Received::Text("hello".into())]);
        socket.close(CloseCode::Normal, "").await;
    };
    timeout(AGES, exchange).await.expect("no echo");
}

/// Everything that comes until the end.
async fn rest_of(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    let _ = timeout(AGES, stream.read_to_end(&mut rest)).await.expect("the connection stays open");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn both_families_are_served_on_one_port() {
    let echo = echo(&["127.0.0.1:0", "[::1]:0"], ListenerLimits::default()).await;
    for address in &echo.addresses {
        check_echo(*address).await;
    }
    // All addresses of a name are tried.
    let port = echo.address.port();
    assert!(dial(&format!("ws://localhost:{port}"), SocketLimits::default()).await.is_ok());
}

#[tokio::test]
async fn silent_peers_hold_up_nobody() {
    let limits = ListenerLimits { settling_time: Duration::ZERO, ..ListenerLimits::default() };
    let echo = echo(&["127.0.0.1:0"], limits).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(echo.address).await.unwrap());
    }
    check_echo(echo.address).await;
    // The oldest have been dropped, the newest 16 of this source less the one that was served are still there.
    let first = silent.remove(0);
    assert_eq!(rest_of(first).await, "");
    let mut last = silent.pop().unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(50), last.read(&mut byte)).await.is_err(), "the newest is dropped");
}

#[tokio::test]
async fn a_crowd_that_comes_at_once_is_served() {
    // At once: before the first has had its time, however long it takes to connect them all.
    let limits = ListenerLimits { settling_time: AGES, ..ListenerLimits::default() };
    let echo = echo(&["127.0.0.1:0"], limits).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(TcpStream::connect(echo.address).await.unwrap());
    }
    // All are accepted before the first asks for an upgrade.
    for stream in &mut streams {
        stream.write_all(UPGRADE).await.unwrap();
    }
    for stream in &mut streams {
        let mut status = [0; 12];
        timeout(AGES, stream.read_exact(&mut status)).await.unwrap().unwrap();
        assert_eq!(&status, b"HTTP/1.1 101");
    }
}

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Origin: http://localhost:3000\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn no_sub_protocol_and_no_compression_is_chosen() {
    let echo = echo(&["127.0.0.1:0"], ListenerLimits::default()).await;
    let mut stream = TcpStream::connect(echo.address).await.unwrap();
    // In pieces, and with the first message right behind.
    for piece in UPGRADE.chunks(50) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x02hi") {
        let count = timeout(AGES, stream.read_buf(&mut answer)).await.expect("no echo").unwrap();
        assert_ne!(count, 0, "the connection ended");
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(!head.contains("sec-websocket-protocol") && !head.contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn who_does_not_upgrade_gets_an_answer_or_the_door() {
    let echo = echo(&["127.0.0.1:0"], ListenerLimits::default()).await;
    let upgrade = String::from_utf8_lossy(UPGRADE);
    let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
    let cases = [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"),
        (&upgrade.replace("13", "8"), "HTTP/1.1 426"),
        (&upgrade.replace("Sec-WebSocket-Key", "X"), "HTTP/1.1 426"),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 426"),
        ("GET\r\n\r\n", "HTTP/1.1 400"),
        ("HELLO\u{1}\r\n\r\n", "HTTP/1.1 400"),
        (&long, "HTTP/1.1 431"),
        // The beginning of TLS.
        ("\u{16}\u{3}\u{1}\u{2}", ""),
        ("\0\0\0\0", ""),
    ];
    for (request, expected) in cases {
        let mut stream = TcpStream::connect(echo.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest_of(stream).await;
        let start: String = request.chars().take(40).collect();
        assert!(
            answer.starts_with(expected) && answer.is_empty() == expected.is_empty(),
            "{start:?}: {answer}"
        );
        assert!(expected.is_empty() || answer.contains("This port speaks WebSocket"), "{start:?}: {answer}");
    }
    check_echo(echo.address).await;
}

#[tokio::test]
async fn an_upgrade_has_its_time() {
    let limits = ListenerLimits { upgrade_time: Duration::from_millis(100), ..ListenerLimits::default() };
    let echo = echo(&["127.0.0.1:0"], limits).await;
    let silent = TcpStream::connect(echo.address).await.unwrap();
    let mut stream = TcpStream::connect(echo.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let start = Instant::now();
    assert_eq!(rest_of(silent).await, "");
    let answer = rest_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("not complete after 0.1 s"), "{answer}");
    assert!(start.elapsed() >= Duration::from_millis(50), "the time was not used");
}

#[tokio::test]
async fn all_tasks_have_ended_when_it_returns() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let listener =
        Listener::bind(&["127.0.0.1:0".parse().unwrap()], ListenerLimits::default()).await.unwrap();
    let address = listener.local_addresses()[0];
    let alive = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = oneshot::channel::<()>();
    let (here, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let serve = {
        let alive = Arc::clone(&alive);
        move |socket, _| {
            alive.fetch_add(1, Ordering::SeqCst);
            let counted = Counted(Arc::clone(&alive));
            let _ = here.send(());
            async move {
                let _both = (socket, counted);
                std::future::pending::<()>().await;
            }
        }
    };
    let stopped = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(listener.run(stopped, serve));
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(dial(&format!("ws://{address}"), SocketLimits::default()).await.unwrap());
        timeout(AGES, arrived.recv()).await.unwrap();
    }
    assert_eq!(alive.load(Ordering::SeqCst), 3);
    stop.send(()).unwrap();
    timeout(AGES, running).await.unwrap().unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    let mut peer = peers.remove(0);
    assert!(matches!(timeout(AGES, peer.receive(|_| {})).await.unwrap(), Err(SocketError::Lost { .. })));
    let refused = dial(&format!("ws://{address}"), SocketLimits::default()).await.err();
    assert_eq!(refused, Some(DialError::Refused { reason: String::from("nothing listens there") }));
}

#[tokio::test]
async fn open_sessions_outlive_the_listener() {
    let echo = echo(&["127.0.0.1:0"], ListenerLimits::default()).await;
    let mut socket = dial(&format!("ws://{}", echo.address), SocketLimits::default()).await.unwrap();
    // The session has its own task once it has answered.
    for round in 0..2 {
        socket.send_text(String::from("x")).unwrap();
        let mut count = 0;
        while count == 0 {
            timeout(AGES, socket.receive(|_| count += 1)).await.unwrap().unwrap();
        }
        if round == 0 {
            echo.stop.send(()).unwrap();
            timeout(AGES, echo.running).await.unwrap().unwrap();
            break;
        }
    }
    socket.send_text(String::from("y")).unwrap();
    let mut answer = None;
    while answer.is_none() {
        timeout(AGES, socket.receive(|message| answer = Some(message))).await.unwrap().unwrap();
    }
    assert_eq!(answer, Some(Received::Text("y".into())));
}

#[tokio::test]
async fn a_dialler_is_told_what_answered_instead() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let answers: [(&[u8], &str); 3] = [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP status 404"),
        (b"", "closed the connection"),
        (b"220 mail ready\r\n", "does not speak WebSocket"),
    ];
    for (answer, expected) in answers {
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::with_capacity(1000)).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let (dialled, ()) = tokio::join!(dial(&url, SocketLimits::default()), answering);
        let reason = dialled.err().unwrap().to_string();
        assert!(reason.contains(expected), "{reason}");
    }
}
