//! Devices that are their own transport, of all kinds.

use crate::rig::{AGES, Rig, closed, end_of, event, frame, gone, greeting, hear, say, serial, with_socket};
use buttplug_hardware_dialin::{DialInBus, DialInLimits, MAX_LINES, MAX_REPLACED, MESSAGE_GAP, SocketLimits};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug_server::hardware::{Hardware, HardwareBus, HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use buttplug_websocket::{Received, SocketError, dial};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::test]
async fn a_device_dials_in_and_is_driven() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    assert_eq!((rig.bus.kind(), rig.bus.message_gap(BusKind::WebSocket)), (BusKind::WebSocket, MESSAGE_GAP));
    assert!(rig.bus.replaces_connected());
    rig.bus.start_scanning().await.unwrap();
    assert!(!rig.bus.is_scanning());
    rig.bus.stop_scanning().await.unwrap();
    let (mut device, sighting) = rig.greeted("a1").await;
    let identifier = String::from("Test");
    let peer = Some(rig.address.ip());
    assert_eq!(sighting, Sighting { peer, ..Sighting::new("a1", Advertisement::WebSocket { identifier }) });
    let hardware = rig.bus.open(&sighting, &[&serial(), &Wiring::Direct]).await.unwrap();
    assert_eq!((hardware.wiring, hardware.endpoints.len()), (1, 0));
    for endpoint in [Endpoint::Tx, Endpoint::Command, Endpoint::Generic(3)] {
        hardware.hardware.write(&Frame::new(endpoint, &[1, 2]).with_response()).await.unwrap();
    }
    hardware.hardware.write(&frame(b"Vibrate:5;")).await.unwrap();
    let two = Received::Binary(Bytes::from_static(&[1, 2]));
    let expected = [two.clone(), two.clone(), two, Received::Binary(Bytes::from_static(b"Vibrate:5;"))];
    assert_eq!(hear(&mut device, 4).await, expected, "each frame is one binary message, in order");
    let read = hardware.hardware.read(Endpoint::Rx, 20).await;
    assert_eq!(read, Err(HardwareError::NotSupported("reading")));
}

#[tokio::test]
async fn notifications_come_while_subscribed() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let mut device = raw_device(rig.address).await;
    let sighting = rig.sighted().await;
    let mut hardware = rig.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    let note = |endpoint, data: &'static [u8]| HardwareEvent::Notification {
        endpoint,
        data: Bytes::from_static(data),
    };
    raw_say(&mut device, TEXT, b"unheard").await;
    hardware.hardware.subscribe(Endpoint::Tx).await.unwrap();
    raw_say(&mut device, TEXT, b"as tx").await;
    assert_eq!(event(&mut hardware).await, note(Endpoint::Tx, b"as tx"));
    hardware.hardware.subscribe(Endpoint::Rx).await.unwrap();
    hardware.hardware.subscribe(Endpoint::Rx).await.unwrap();
    raw_say(&mut device, BINARY, &[7]).await;
    assert_eq!(event(&mut hardware).await, note(Endpoint::Rx, &[7]));
    hardware.hardware.unsubscribe(Endpoint::Rx).await.unwrap();
    raw_say(&mut device, TEXT, b"as tx again").await;
    assert_eq!(event(&mut hardware).await, note(Endpoint::Tx, b"as tx again"));
    hardware.hardware.unsubscribe(Endpoint::Tx).await.unwrap();
    hardware.hardware.unsubscribe(Endpoint::Tx).await.unwrap();
    raw_say(&mut device, TEXT, b"unheard").await;
    drop(device);
    gone(event(&mut hardware).await);
    assert_eq!(hardware.events.recv().await, None, "nothing follows the end");
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// Sends a message and a ping. Returns when the ping is answered, so when the message has been read.
async fn raw_say(device: &mut TcpStream, opcode: u8, payload: &[u8]) {
    let mut frames = vec![opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frames.extend(payload);
    frames.extend([0x89, 0x80, 0, 0, 0, 0]);
    device.write_all(&frames).await.unwrap();
    let mut pong = [0; 2];
    timeout(AGES, device.read_exact(&mut pong)).await.expect("no pong").unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

#[tokio::test]
async fn a_flood_of_notifications_drops_notifications_and_never_the_end() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut device, mut hardware) = rig.open("a1").await;
    hardware.hardware.subscribe(Endpoint::Rx).await.unwrap();
    for _ in 0..5000 {
        device.send_text(String::from("x")).unwrap();
    }
    device.close(buttplug_websocket::CloseCode::Normal, "enough").await;
    hardware.hardware.close().await;
    let mut notifications = 0;
    loop {
        match event(&mut hardware).await {
            HardwareEvent::Notification { .. } => notifications += 1,
            HardwareEvent::Gone(reason) => {
                assert!(reason.contains("enough") || reason.is_empty(), "{reason}");
                break;
            }
        }
    }
    assert_eq!(notifications, MAX_WAITING_EVENTS - 1);
}

#[tokio::test]
async fn bad_greetings_are_closed_with_a_reason_and_hold_up_nobody() {
    let limits = DialInLimits { greeting_time: Duration::from_millis(300), ..DialInLimits::default() };
    let mut rig = Rig::new(limits).await;
    let mut silent = rig.dial().await;
    let cases = [
        ("hello", 1002, "the greeting is no JSON object"),
        (
            r#"{"identifier":"x","address":"y","version":7}"#,
            1008,
            "version 7 of the greeting is not known here",
        ),
        (r#"{"identifier":"x","version":0}"#, 1008, "the greeting needs \"address\", a text"),
    ];
    for (text, code, reason) in cases {
        let mut device = rig.dial().await;
        say(&mut device, text);
        assert_eq!(end_of(&mut device).await, closed(code, reason), "{text}");
    }
    let mut device = rig.dial().await;
    device.send_binary(Bytes::from_static(b"{}")).unwrap();
    assert_eq!(end_of(&mut device).await, closed(1002, "the first message has to be the greeting, as text"));
    let mut device = rig.dial().await;
    say(&mut device, &" ".repeat(20_000));
    let long = closed(1008, "the greeting has 20000 bytes, more than the 16384 allowed");
    assert_eq!(end_of(&mut device).await, long);
    // Meanwhile others are served, and the silent one learns what was missing.
    rig.greeted("a1").await;
    assert_eq!(end_of(&mut silent).await, closed(1008, "no greeting within 0.3 s"));
}

#[tokio::test]
async fn refused_devices_learn_why() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut device, sighting) = rig.greeted("a1").await;
    rig.bus.refuse(&sighting, "no protocol is configured for \"Test\"").await;
    assert_eq!(end_of(&mut device).await, closed(1008, "no protocol is configured for \"Test\""));
    drop(device);
    assert_eq!(rig.bus.open(&sighting, &[&Wiring::Direct]).await.err(), Some(HardwareError::Gone));
    rig.bus.refuse(&sighting, "again").await;
}

#[tokio::test]
async fn only_protocols_without_wiring_fit() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (_device, sighting) = rig.greeted("a1").await;
    for wirings in [&[&serial()][..], &[]] {
        assert_eq!(rig.bus.open(&sighting, wirings).await.err(), Some(HardwareError::NoProtocolFits));
    }
    assert!(rig.bus.open(&sighting, &[&Wiring::Direct]).await.is_ok());
}

#[tokio::test]
async fn the_server_has_its_time_to_decide() {
    let limits = DialInLimits { pending_time: Duration::from_millis(100), ..DialInLimits::default() };
    let mut rig = Rig::new(limits).await;
    let (mut device, sighting) = rig.greeted("a1").await;
    let end = end_of(&mut device).await;
    assert!(matches!(end, SocketError::Closed { code: Some(1013), .. }), "{end:?}");
    assert_eq!(rig.bus.open(&sighting, &[&Wiring::Direct]).await.err(), Some(HardwareError::Gone));
}

#[tokio::test]
async fn the_same_address_replaces_the_old_connection() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut old, mut old_hardware) = rig.open("a1").await;
    let (mut new, sighting) = rig.greeted("a1").await;
    old_hardware.hardware.write(&frame(&[0])).await.unwrap();
    assert_eq!(
        hear(&mut old, 1).await,
        [Received::Binary(Bytes::from_static(&[0]))],
        "until the new is opened"
    );
    let hardware = rig.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    assert_eq!(end_of(&mut old).await, closed(1008, "the same address has dialled in again"));
    assert_eq!(gone(event(&mut old_hardware).await), "the same address has dialled in again");
    assert_eq!(old_hardware.hardware.write(&frame(&[1])).await, Err(HardwareError::Gone));
    // The end of the old one does not concern the new one.
    drop((old, old_hardware));
    hardware.hardware.write(&frame(&[2])).await.unwrap();
    assert_eq!(hear(&mut new, 1).await, [Received::Binary(Bytes::from_static(&[2]))]);
    let (mut waiting, _) = rig.greeted("a1").await;
    let mut newest = rig.dial().await;
    say(&mut newest, &greeting("a1"));
    assert_eq!(end_of(&mut waiting).await, closed(1008, "the same address has dialled in again"));
    hardware.hardware.close().await;
    assert_eq!(end_of(&mut new).await, closed(1008, "the same address has dialled in again"));
    assert!(timeout(Duration::from_millis(50), newest.receive(|_| {})).await.is_err(), "the newest stays");
}

/// A way for a connection to end.
enum End {
    CloseFrame,
    Fin,
    Reset,
    Silence,
    Garbage,
    Oversize,
}

#[tokio::test]
async fn every_end_is_noticed_with_its_reason() {
    let socket = SocketLimits { max_message: 1000, ..DialInLimits::default().listener.socket };
    let quick = SocketLimits {
        ping_after: Duration::from_millis(50),
        lost_after: Duration::from_millis(100),
        ..socket
    };
    let cases = [
        ("close frame", End::CloseFrame, socket, "bye"),
        ("FIN", End::Fin, socket, "ended without a word"),
        ("RST", End::Reset, socket, "reset"),
        ("missing pongs", End::Silence, quick, "nothing was heard for 0.1 s"),
        ("garbage", End::Garbage, socket, ""),
        ("oversize", End::Oversize, socket, "more than the 1000 allowed"),
    ];
    for (name, end, limits, expected) in cases {
        let mut rig = Rig::new(with_socket(limits)).await;
        let mut device = raw_device(rig.address).await;
        let sighting = rig.sighted().await;
        let mut hardware = rig.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
        match end {
            End::CloseFrame => device.write_all(b"\x88\x85\0\0\0\0\x03\xe8bye").await.unwrap(),
            End::Fin => device.shutdown().await.unwrap(),
            End::Reset => {
                socket2::SockRef::from(&device).set_linger(Some(Duration::ZERO)).unwrap();
            }
            End::Silence => {}
            End::Garbage => device.write_all(&[0xff; 50]).await.unwrap(),
            End::Oversize => device.write_all(b"\x82\xfe\x04\x00\0\0\0\0").await.unwrap(),
        }
        // With that setting, dropping resets.
        let device = (!matches!(end, End::Reset)).then_some(device);
        let reason = gone(event(&mut hardware).await);
        assert!(reason.contains(expected), "{name}: {reason}");
        assert_eq!(hardware.hardware.write(&frame(&[1])).await, Err(HardwareError::Gone), "{name}");
        assert_eq!(hardware.hardware.subscribe(Endpoint::Rx).await, Err(HardwareError::Gone), "{name}");
        drop(device);
        timeout(AGES, hardware.hardware.close()).await.expect(name);
        // The address is free again.
        raw_device(rig.address).await;
        rig.sighted().await;
    }
}

/// A device that speaks WebSocket by hand and answers no pings. It has greeted as `raw`.
async fn raw_device(address: SocketAddr) -> TcpStream {
    let mut device = TcpStream::connect(address).await.unwrap();
    let upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    device.write_all(upgrade).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(device.read_u8().await.unwrap());
    }
    let greeting = greeting("raw");
    let mut frame = vec![0x81, 0x80 | u8::try_from(greeting.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(greeting.as_bytes());
    device.write_all(&frame).await.unwrap();
    device
}

#[tokio::test]
async fn a_device_that_does_not_read_is_given_up() {
    let socket = SocketLimits {
        stall_after: Duration::from_millis(200),
        max_queued: 16 * 1024 * 1024,
        ..DialInLimits::default().listener.socket
    };
    let mut rig =
        Rig::new(DialInLimits { write_time: Duration::from_millis(400), ..with_socket(socket) }).await;
    let (_device, mut hardware) = rig.open("a1").await;
    let big = frame(&vec![0; 1024 * 1024]);
    let mut written = 0;
    let error = loop {
        match timeout(AGES, hardware.hardware.write(&big)).await.expect("a write has its time") {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "it is written to nowhere");
    };
    assert!(matches!(error, HardwareError::Gone | HardwareError::TimedOut(_)), "{error:?}");
    assert_eq!(gone(event(&mut hardware).await), "nothing could be written for 0.2 s");
}

#[tokio::test]
async fn a_slow_device_gets_everything_in_order() {
    let socket = SocketLimits { max_queued: 16 * 1024 * 1024, ..DialInLimits::default().listener.socket };
    let mut rig = Rig::new(with_socket(socket)).await;
    let (mut device, hardware) = rig.open("a1").await;
    let writer: Arc<dyn Hardware> = Arc::clone(&hardware.hardware);
    let writes = tokio::spawn(async move {
        for n in 0..32u8 {
            writer.write(&frame(&vec![n; 512 * 1024])).await.unwrap();
        }
    });
    let mut heard = Vec::new();
    while heard.len() < 32 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let take = |message| match message {
            Received::Binary(bytes) => heard.push((bytes[0], bytes.len())),
            Received::Text(text) => panic!("{text:?}"),
        };
        timeout(AGES, device.receive(take)).await.unwrap().unwrap();
    }
    timeout(AGES, writes).await.unwrap().unwrap();
    let expected: Vec<_> = (0..32).map(|n| (n, 512 * 1024)).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn closing_delivers_what_was_written_and_may_be_repeated() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut device, mut hardware) = rig.open("a1").await;
    hardware.hardware.write(&frame(&[0])).await.unwrap();
    let device_side = async {
        let heard = hear(&mut device, 1).await;
        let end = end_of(&mut device).await;
        drop(device);
        (heard, end)
    };
    let ((heard, end), ()) = tokio::join!(device_side, hardware.hardware.close());
    assert_eq!(heard, [Received::Binary(Bytes::from_static(&[0]))]);
    assert_eq!(end, closed(1000, ""));
    hardware.hardware.close().await;
    gone(event(&mut hardware).await);
    assert_eq!(hardware.hardware.write(&frame(&[1])).await, Err(HardwareError::Gone));
}

#[tokio::test]
async fn hardware_that_is_dropped_closes_the_connection() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut device, hardware) = rig.open("a1").await;
    drop(hardware);
    assert_eq!(end_of(&mut device).await, closed(1000, ""));
}

#[tokio::test]
async fn devices_are_limited_but_may_come_back() {
    let mut rig = Rig::new(DialInLimits { max_devices: 2, ..DialInLimits::default() }).await;
    let (_one, _one_hardware) = rig.open("a1").await;
    let (two, _two_hardware) = rig.open("a2").await;
    let mut three = rig.dial().await;
    say(&mut three, &greeting("a3"));
    assert_eq!(end_of(&mut three).await, closed(1013, "2 devices are connected, no more may be"));
    // One that is known may dial in again, though all places are taken.
    let (_two, _) = rig.greeted("a2").await;
    drop(two);
}

#[tokio::test]
async fn one_address_has_few_connections_that_have_not_ended_yet() {
    let socket = SocketLimits { close_time: AGES, ..SocketLimits::default() };
    let mut rig = Rig::new(with_socket(socket)).await;
    let greet = |number: usize| {
        // Each says something else, so that each is reported.
        format!(r#"{{"identifier": "Test {number}", "address": "a1", "version": 0}}"#)
    };
    let mut devices = Vec::new();
    for number in 0..MAX_LINES {
        let mut device = rig.dial().await;
        say(&mut device, &greet(number));
        rig.sighted().await;
        // It does not read that another has taken its place.
        devices.push(device);
    }
    let mut late = rig.dial().await;
    say(&mut late, &greet(MAX_LINES));
    let reason = "8 connections with this address have not ended yet; wait a moment";
    assert_eq!(end_of(&mut late).await, closed(1013, reason));
    let _other = rig.greeted("a2").await;
    // Once they have read it there is room again.
    devices.pop();
    for mut device in devices {
        end_of(&mut device).await;
    }
    let admitted = async {
        loop {
            let mut device = rig.dial().await;
            say(&mut device, &greet(MAX_LINES));
            if let Ok(sighting) = timeout(Duration::from_millis(100), rig.events.recv()).await {
                return sighting;
            }
        }
    };
    assert!(timeout(AGES, admitted).await.is_ok_and(|sighting| sighting.is_some()));
}

#[tokio::test]
async fn connections_that_were_replaced_are_limited_in_all() {
    let socket = SocketLimits { close_time: AGES, ..SocketLimits::default() };
    let mut rig = Rig::new(DialInLimits { max_devices: 10, ..with_socket(socket) }).await;
    let mut devices = Vec::new();
    for number in 0..10 + MAX_REPLACED {
        let mut device = rig.dial().await;
        let address = number / MAX_LINES;
        say(&mut device, &format!(r#"{{"identifier": "{number}", "address": "{address}", "version": 0}}"#));
        rig.sighted().await;
        devices.push(device);
    }
    let mut late = rig.dial().await;
    let address = (9 + MAX_REPLACED) / MAX_LINES;
    say(&mut late, &format!(r#"{{"identifier": "late", "address": "{address}", "version": 0}}"#));
    assert_eq!(end_of(&mut late).await, closed(1013, "10 devices are connected, no more may be"));
}

#[tokio::test]
async fn shutting_down_ends_everything() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut open, mut hardware) = rig.open("a1").await;
    let (mut pending, _) = rig.greeted("a2").await;
    let mut unfinished = rig.dial().await;
    let devices = async {
        assert_eq!(end_of(&mut open).await, closed(1001, "the server is ending"));
        assert_eq!(end_of(&mut pending).await, closed(1001, "the server is ending"));
        drop((open, pending));
        assert!(matches!(end_of(&mut unfinished).await, SocketError::Lost { .. }));
    };
    timeout(AGES, async { tokio::join!(rig.bus.shut_down(), devices) }).await.expect("it hangs");
    assert_eq!(gone(event(&mut hardware).await), "the server is ending");
    assert!(dial(&format!("ws://{}", rig.address), SocketLimits::default()).await.is_err());
    rig.bus.shut_down().await;
}

#[tokio::test]
async fn a_server_that_takes_no_reports_delays_neither_others_nor_the_end() {
    let bus = DialInBus::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let url = format!("ws://{}", bus.local_addresses()[0]);
    let (sender, events) = mpsc::channel(1);
    bus.attach(sender).await;
    let mut devices = Vec::new();
    for n in 0..20 {
        let mut device = dial(&url, SocketLimits::default()).await.unwrap();
        say(&mut device, &greeting(&n.to_string()));
        devices.push(device);
    }
    let listening = async {
        for device in &mut devices {
            end_of(device).await;
        }
        devices.clear();
    };
    timeout(AGES / 4, async { tokio::join!(bus.shut_down(), listening) })
        .await
        .expect("it waits for the server");
    drop(events);
}

#[tokio::test]
async fn many_devices_come_at_once() {
    let mut limits = DialInLimits::default();
    // At once: before the first has had its time, however long it takes to connect them all.
    limits.listener.settling_time = AGES;
    let mut rig = Rig::new(limits).await;
    let mut dialling = tokio::task::JoinSet::new();
    for n in 0..200 {
        let url = format!("ws://{}", rig.address);
        dialling.spawn(async move {
            let mut device = dial(&url, SocketLimits::default()).await.unwrap();
            say(&mut device, &greeting(&format!("a{n}")));
            device
        });
    }
    let mut hardware = Vec::new();
    while hardware.len() < 200 {
        let sighting = rig.sighted().await;
        hardware.push(rig.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap());
    }
    for open in &hardware {
        open.hardware.write(&frame(&[9])).await.unwrap();
    }
    while let Some(device) = dialling.join_next().await {
        assert_eq!(hear(&mut device.unwrap(), 1).await, [Received::Binary(Bytes::from_static(&[9]))]);
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let rig = Rig::new(DialInLimits::default()).await;
    let error = DialInBus::bind(&[rig.address]).await.err().unwrap().to_string();
    assert!(error.contains(&rig.address.port().to_string()), "{error}");
}
