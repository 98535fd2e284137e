//! A socket against a peer in memory, with paused time.

use super::*;
use crate::limits::{LOST_AFTER, PING_AFTER, STALL_AFTER};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{DuplexStream, duplex};

type Peer = WebSocketStream<DuplexStream>;

/// A server's socket and a client in the form of the bare library. The pipe between holds so many bytes.
async fn pair(pipe: usize, limits: SocketLimits) -> (Socket<DuplexStream>, Peer) {
    let (ours, theirs) = duplex(pipe);
    let socket = Socket::server(ours, Vec::new(), limits).await;
    (socket, WebSocketStream::from_raw_socket(theirs, Role::Client, None).await)
}

/// A socket and the bare other end of its pipe.
async fn half(pipe: usize, limits: SocketLimits) -> (Socket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(pipe);
    (Socket::server(ours, Vec::new(), limits).await, theirs)
}

async fn receive(socket: &mut Socket<DuplexStream>) -> Result<Vec<Received>, SocketError> {
    let mut batch = Vec::new();
    socket.receive(|message| batch.push(message)).await.map(|()| batch)
}

/// What ends the socket, whatever comes before.
async fn end_of(socket: &mut Socket<DuplexStream>) -> SocketError {
    loop {
        if let Err(error) = receive(socket).await {
            return error;
        }
    }
}

fn text(text: &'static str) -> Received {
    Received::Text(Bytes::from_static(text.as_bytes()))
}

/// A client's frame with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, 0x80 | 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_comes_in_one_batch() {
    let (mut socket, mut peer) = pair(4096, SocketLimits::default()).await;
    for message in [Message::text("one"), Message::text("two"), Message::binary(vec![3])] {
        peer.feed(message).await.unwrap();
    }
    peer.flush().await.unwrap();
    let expected = vec![text("one"), text("two"), Received::Binary(Bytes::from_static(&[3]))];
    assert_eq!(receive(&mut socket).await, Ok(expected));
}

#[tokio::test(start_paused = true)]
async fn a_flood_comes_in_bounded_batches() {
    let (mut socket, mut peer) = pair(1024 * 1024, SocketLimits::default()).await;
    for _ in 0..600 {
        peer.feed(Message::text("x")).await.unwrap();
    }
    for _ in 0..3 {
        peer.feed(Message::binary(vec![0; 40_000])).await.unwrap();
    }
    peer.flush().await.unwrap();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 603 {
        sizes.push(receive(&mut socket).await.unwrap().len());
    }
    assert_eq!(
        sizes,
        [256, 256, 90, 1],
        "256 frames, 256 frames, 88 frames and two of 40 kB, one more of those"
    );
}

#[tokio::test(start_paused = true)]
async fn replies_of_one_batch_leave_in_one_write() {
    /// Counts writes.
    struct Counting(DuplexStream, usize);
    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }
    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.1 += 1;
            Pin::new(&mut self.0).poll_write(cx, buf)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    let (ours, theirs) = duplex(1024 * 1024);
    let mut peer = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    let counting = Meter::new(Counting(ours, 0));
    let config = Some(Socket::<DuplexStream>::config(&SocketLimits::default()));
    let stream = WebSocketStream::from_raw_socket(counting, Role::Server, config).await;
    let mut socket = Socket::new(stream, SocketLimits::default());
    for _ in 0..5000 {
        socket.send_text("x".repeat(100)).unwrap();
    }
    let writes = |socket: &Socket<Counting>| socket.stream.get_ref().stream().1;
    assert_eq!(writes(&socket), 0, "sending only queues");
    // The peer's answer ends the wait.
    peer.send(Message::text("x")).await.unwrap();
    socket.receive(|_| {}).await.unwrap();
    assert_eq!(writes(&socket), 1);
    assert!(socket.is_flushed());
    for _ in 0..5000 {
        assert_eq!(peer.next().await.unwrap().unwrap().len(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_receive_loses_nothing() {
    let (mut socket, mut theirs) = half(4096, SocketLimits::default()).await;
    socket.send_text(String::from("out")).unwrap();
    let whole = frame(1, b"in");
    let (first, second) = whole.split_at(3);
    theirs.write_all(first).await.unwrap();
    for _ in 0..3 {
        let mut batch = Vec::new();
        let waiting = socket.receive(|message| batch.push(message));
        assert!(timeout(Duration::from_millis(10), waiting).await.is_err());
    }
    theirs.write_all(second).await.unwrap();
    assert_eq!(receive(&mut socket).await, Ok(vec![text("in")]));
    let mut out = [0; 5];
    theirs.read_exact(&mut out).await.unwrap();
    assert_eq!(&out, b"\x81\x03out");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays() {
    let (mut socket, mut peer) = pair(4096, SocketLimits::default()).await;
    // Reading answers the pings.
    let pings = async {
        let mut pings = 0;
        while pings < 100 {
            if let Some(Ok(Message::Ping(_))) = peer.next().await {
                pings += 1;
            }
        }
        peer.flush().await.unwrap();
    };
    let start = Instant::now();
    tokio::select! {
        result = receive(&mut socket) => panic!("{result:?}"),
        () = pings => {}
    }
    assert_eq!(start.elapsed().as_secs(), 100 * PING_AFTER.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_half_open_peer_is_given_up() {
    let (mut socket, mut theirs) = half(4096, SocketLimits::default()).await;
    let start = Instant::now();
    assert_eq!(end_of(&mut socket).await, SocketError::Silent { after: LOST_AFTER });
    assert_eq!(start.elapsed().as_secs(), LOST_AFTER.as_secs());
    assert_eq!(receive(&mut socket).await, Err(SocketError::Silent { after: LOST_AFTER }), "the end stays");
    assert!(socket.send_text(String::from("x")).is_err());
    let mut ping = [0; 3];
    theirs.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, [0x89, 1, 0], "one ping");
    let start = Instant::now();
    socket.close(CloseCode::Normal, "other").await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing is waited for");
    drop(socket);
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).await.unwrap();
    let reason = b"nothing was heard for 10 s";
    assert_eq!(rest, [&[0x88, 28, 0x03, 0xe9], &reason[..]].concat(), "and why it is over, with code 1001");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_wakes_only_for_pings() {
    let (mut socket, mut peer) = pair(4096, SocketLimits::default()).await;
    let mut wakes = 0;
    let mut receiving = std::pin::pin!(receive(&mut socket));
    let counted = poll_fn(|cx| {
        wakes += 1;
        receiving.as_mut().poll(cx)
    });
    let peer = async {
        // Pings are answered by waiting for something else.
        while peer.next().await.is_some() {}
    };
    tokio::select! {
        result = counted => panic!("{result:?}"),
        () = peer => {}
        () = tokio::time::sleep(Duration::from_secs(1000)) => {}
    }
    // Each ping: the timer for it, its answer, and the timer that finds the answer.
    assert!(wakes <= 3 * 1000 / PING_AFTER.as_secs() + 1, "{wakes}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let (mut socket, mut theirs) = half(1000, SocketLimits::default()).await;
    socket.send_text("x".repeat(5000)).unwrap();
    let talks = async {
        loop {
            theirs.write_all(&frame(1, b"still here")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let start = Instant::now();
    tokio::select! {
        error = end_of(&mut socket) => assert_eq!(error, SocketError::Stalled { after: STALL_AFTER }),
        () = talks => {}
    }
    assert_eq!(start.elapsed().as_secs(), STALL_AFTER.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_borne_as_long_as_it_reads() {
    let (mut socket, mut theirs) = half(1000, SocketLimits::default()).await;
    socket.send_text("x".repeat(20_000)).unwrap();
    let reads = async {
        let mut read = vec![0; 1000];
        for _ in 0..20 {
            theirs.write_all(&frame(1, b"x")).await.unwrap();
            theirs.read_exact(&mut read).await.unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
    };
    tokio::select! {
        error = end_of(&mut socket) => panic!("{error}"),
        () = reads => {}
    }
    assert_eq!(socket.try_flush(), Ok(true), "all of it has gone");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let limits = SocketLimits { max_queued: 1000, ..SocketLimits::default() };
    let (mut socket, mut peer) = pair(4096, limits).await;
    for _ in 0..9 {
        socket.send_text("x".repeat(100)).unwrap();
    }
    let full = SocketError::QueueFull { limit: 1000 };
    assert_eq!(socket.send_text("x".repeat(100)), Err(full));
    // The connection is still good.
    assert_eq!(socket.try_flush(), Ok(true));
    socket.send_text(String::from("last")).unwrap();
    assert_eq!(socket.try_flush(), Ok(true));
    for _ in 0..9 {
        peer.next().await.unwrap().unwrap();
    }
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::text("last"));
}

#[tokio::test(start_paused = true)]
async fn broken_rules_end_the_connection_with_their_code() {
    let mut unmasked = frame(1, b"x");
    unmasked[1] &= 0x7f;
    unmasked.drain(4..8);
    let mut fragments = frame(1, &[b'x'; 600]);
    fragments[0] &= 0x7f;
    fragments.extend(frame(0, &[b'x'; 600]));
    let cases: [(&str, Vec<u8>, u16); 7] = [
        ("too long", frame(1, &[b'x'; 1001]), 1009),
        ("too long in pieces", fragments, 1009),
        ("not UTF-8", frame(1, &[0xff]), 1007),
        ("not masked", unmasked, 1002),
        ("unknown opcode", frame(3, b"x"), 1002),
        ("long ping", frame(9, &[0; 126]), 1002),
        ("garbage", vec![0xff; 100], 1002),
    ];
    for (name, bytes, code) in cases {
        let limits = SocketLimits { max_message: 1000, ..SocketLimits::default() };
        let (mut socket, mut theirs) = half(4096, limits).await;
        theirs.write_all(&frame(1, b"before")).await.unwrap();
        theirs.write_all(&bytes).await.unwrap();
        assert_eq!(receive(&mut socket).await, Ok(vec![text("before")]), "{name}");
        let error = receive(&mut socket).await.unwrap_err();
        let kind = match error {
            SocketError::TooLong { limit: 1000, .. } => 1009,
            SocketError::NotUtf8 => 1007,
            SocketError::Violation { .. } => 1002,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(kind, code, "{name}");
        // Whatever code the owner closes with, the peer learns what was wrong.
        let mut answer = Vec::new();
        let reading = theirs.read_to_end(&mut answer);
        let (_, read) = tokio::join!(socket.close(CloseCode::Policy, "other"), reading);
        read.unwrap();
        assert_eq!(answer[0], 0x88, "{name}");
        assert_eq!(answer[2..4], code.to_be_bytes(), "{name}");
        assert_eq!(answer.len(), 2 + usize::from(answer[1]), "{name}: one close frame and no more");
    }
}

#[tokio::test(start_paused = true)]
async fn every_end_is_told_with_its_reason() {
    // In order.
    let (mut socket, mut peer) = pair(4096, SocketLimits::default()).await;
    peer.feed(Message::text("last words")).await.unwrap();
    peer.close(Some(CloseFrame { code: CloseCode::Away, reason: "bye\u{7}".into() })).await.unwrap();
    assert_eq!(receive(&mut socket).await, Ok(vec![text("last words")]));
    let closed = SocketError::Closed { code: Some(1001), reason: String::from("bye") };
    assert_eq!(receive(&mut socket).await, Err(closed));
    assert!(matches!(peer.next().await, Some(Ok(Message::Close(Some(_))))), "the close is answered");

    // Without a word.
    let (mut socket, peer) = pair(4096, SocketLimits::default()).await;
    drop(peer);
    assert!(matches!(receive(&mut socket).await, Err(SocketError::Lost { .. })));

    // Seen while writing.
    let (mut socket, peer) = pair(4096, SocketLimits::default()).await;
    drop(peer);
    socket.send_text(String::from("x")).unwrap();
    assert!(matches!(socket.try_flush(), Err(SocketError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn closing_delivers_what_was_queued() {
    let (mut socket, mut peer) = pair(100, SocketLimits::default()).await;
    socket.send_text("x".repeat(500)).unwrap();
    let long = "ä".repeat(100);
    let reads = async {
        assert_eq!(peer.next().await.unwrap().unwrap().len(), 500);
        let Some(Ok(Message::Close(Some(close)))) = peer.next().await else { panic!("no close") };
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::Again, "ä".repeat(61).as_str()));
        while let Some(Ok(_)) = peer.next().await {}
        drop(peer);
    };
    let start = Instant::now();
    tokio::join!(socket.close(CloseCode::Again, &long), reads);
    assert_eq!(start.elapsed(), Duration::ZERO, "a peer that answers is not waited for any longer");
    assert!(matches!(receive(&mut socket).await, Err(SocketError::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn closing_takes_no_longer_than_its_limit() {
    for queued in [0, 5000] {
        let (mut socket, _theirs) = half(1000, SocketLimits::default()).await;
        socket.send_text("x".repeat(queued)).unwrap();
        let start = Instant::now();
        socket.close(CloseCode::Normal, "").await;
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn pings_of_the_peer_are_answered() {
    let (mut socket, mut theirs) = half(4096, SocketLimits::default()).await;
    theirs.write_all(&frame(9, b"hi")).await.unwrap();
    let mut pong = [0; 4];
    tokio::select! {
        result = receive(&mut socket) => panic!("{result:?}"),
        read = theirs.read_exact(&mut pong) => assert_eq!(read.unwrap(), 4),
    }
    assert_eq!(&pong, b"\x8a\x02hi");
}

#[tokio::test(start_paused = true)]
async fn frames_that_add_up_to_no_message_give_others_a_turn() {
    const BYTES: usize = 2 * 1024 * 1024;
    let (mut socket, mut theirs) = half(BYTES, SocketLimits::default()).await;
    // The beginning of a text, and continuations of it, all empty.
    let mut frames = vec![1, 0x80, 0, 0, 0, 0];
    while frames.len() + 6 <= BYTES {
        frames.extend([0, 0x80, 0, 0, 0, 0]);
    }
    theirs.write_all(&frames).await.unwrap();
    let mut turns = 0;
    let mut before = 0;
    let receiving = poll_fn(|cx| {
        let polled = socket.poll_receive(cx, |_| {});
        let read = usize::try_from(socket.stream.get_ref().read).unwrap();
        assert!(read - before <= 272 * 1024, "{} bytes in one turn", read - before);
        before = read;
        turns += 1;
        polled
    });
    let nothing = timeout(Duration::from_millis(1), receiving).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(before, frames.len(), "and goes on by itself");
    assert!(turns >= 8, "{turns}");
}
