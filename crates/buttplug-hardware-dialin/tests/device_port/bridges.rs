//! Bridges of all kinds, without a server.

use crate::bridge::{Bridge, RX, TX, confirmed, offer, wiring};
use crate::rig::{AGES, Rig, closed, event, frame, gone, say, serial, with_socket};
use buttplug_hardware_dialin::{BRIDGED_BLUETOOTH_GAP, DialInLimits, MESSAGE_GAP, SocketLimits};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug_server::hardware::{HardwareBus, HardwareError, HardwareEvent};
use buttplug_websocket::{CloseCode, SocketError};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const DISCONNECT: &str = r#"{"disconnect":{}}"#;

fn failed(error: Result<impl std::fmt::Debug, HardwareError>) -> String {
    match error {
        Err(HardwareError::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// What was asked may have been done.
fn unconfirmed(error: Result<impl std::fmt::Debug, HardwareError>) -> String {
    match error {
        Err(HardwareError::Unconfirmed(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bridge_offers_hardware_and_is_told_which_protocol_drives_it() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut bridge, sighting) = rig.bridge(&offer("AA:BB:CC:DD:EE:FF")).await;
    let advertisement = Advertisement::Bluetooth {
        name: "LVS-Z001".into(),
        manufacturer_data: vec![(93, vec![1, 2])],
        services: vec!["0000fff0-0000-1000-8000-00805f9b34fb".parse().unwrap()],
    };
    let peer = Some(rig.address.ip());
    let expected =
        Sighting { signal_dbm: Some(-60), peer, ..Sighting::new("AA:BB:CC:DD:EE:FF", advertisement) };
    assert_eq!(sighting, expected);
    let hardware = rig.bus.open(&sighting, &[&Wiring::Direct, &wiring()]).await.unwrap();
    assert_eq!((hardware.wiring, hardware.endpoints), (1, vec![Endpoint::Tx, Endpoint::Rx]));
    rig.bus.accept(&sighting, "lovense").await;
    rig.bus.accept(&sighting, "lovense").await;
    hardware.hardware.write(&frame(b"DeviceType;")).await.unwrap();
    assert_eq!(bridge.hears().await, r#"{"accepted":{"protocol":"lovense"}}"#, "before everything else");
    let write = format!(
        r#"{{"write":{{"characteristic":"{TX}","data":"446576696365547970653b","response":false}}}}"#
    );
    assert_eq!(bridge.hears().await, write, "and once");
    assert_eq!(rig.bus.message_gap(BusKind::Bluetooth), BRIDGED_BLUETOOTH_GAP);
    assert_eq!(rig.bus.message_gap(BusKind::Serial), MESSAGE_GAP);
}

#[tokio::test]
async fn every_request_is_answered_and_counted_from_1_on_each_socket() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    for address in ["a1", "a2"] {
        let (mut bridge, open) = rig.open_bridge(address).await;
        let hardware = open.hardware;
        let talk = async {
            hardware.subscribe(Endpoint::Rx).await.unwrap();
            hardware.subscribe(Endpoint::Rx).await.unwrap();
            hardware.unsubscribe(Endpoint::Rx).await.unwrap();
            hardware.unsubscribe(Endpoint::Rx).await.unwrap();
            assert_eq!(hardware.read(Endpoint::Rx, 20).await, Ok(vec![0, 0x55]));
            assert_eq!(hardware.read(Endpoint::Rx, 2).await, Ok(vec![1, 2]), "no more than was asked for");
            hardware.write(&confirmed(b"V")).await.unwrap();
            failed(hardware.write(&confirmed(b"V")).await)
        };
        let on = |name: &str, id: u64, place: &str, more: &str| {
            format!(r#"{{"id":{id},"{name}":{{"characteristic":"{place}"{more}}}}}"#)
        };
        let answers = async {
            bridge.answers(&on("subscribe", 1, RX, ""), r#"{"id": 1, "ok": {}}"#).await;
            bridge.answers(&on("unsubscribe", 2, RX, ""), r#"{"id": 2, "ok": {}}"#).await;
            bridge.answers(&on("read", 3, RX, r#","length":20"#), r#"{"id": 3, "data": "0055"}"#).await;
            bridge.answers(&on("read", 4, RX, r#","length":2"#), r#"{"id": 4, "data": "010203"}"#).await;
            let write = r#","data":"56","response":true"#;
            bridge.answers(&on("write", 5, TX, write), r#"{"id": 5, "ok": {}}"#).await;
            bridge.answers(&on("write", 6, TX, write), r#"{"id": 6, "error": "not connected"}"#).await;
        };
        let (error, ()) = tokio::join!(talk, answers);
        assert!(
            error.starts_with("the bridge at 127.0.0.1:") && error.ends_with("write: not connected"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_is_an_error_and_the_line_goes_on() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut bridge, open) = rig.open_bridge("a1").await;
    let talk = async {
        assert!(
            unconfirmed(open.hardware.read(Endpoint::Rx, 20).await).contains("with ok where data is due")
        );
        assert!(
            unconfirmed(open.hardware.subscribe(Endpoint::Rx).await).contains("with data where ok is due")
        );
        // It was not confirmed, so the bridge is asked again.
        open.hardware.subscribe(Endpoint::Rx).await.unwrap();
        let missing = open.hardware.read(Endpoint::Firmware, 1).await;
        assert_eq!(missing, Err(HardwareError::NoEndpoint(Endpoint::Firmware)));
    };
    let answers = async {
        for answer in [r#"{"id":1,"ok":{}}"#, r#"{"id":2,"data":"00"}"#, r#"{"id":3,"ok":{}}"#] {
            bridge.hears().await;
            bridge.says(answer);
        }
    };
    tokio::join!(talk, answers);
}

#[tokio::test]
async fn notifications_come_while_subscribed_and_never_take_the_place_of_the_end() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut bridge, mut open) = rig.open_bridge("a1").await;
    let notify = |place: &str, data: &str| {
        format!(r#"{{"notify": {{"characteristic": "{place}", "data": "{data}"}}}}"#)
    };
    let answer = async {
        bridge.hears().await;
        // In one breath with the answer.
        bridge.socket.send_text(r#"{"id": 1, "ok": {}}"#.into()).unwrap();
        bridge.says(&notify(RX, "503a"));
        bridge.says(&notify(TX, "01"));
        bridge.says(r#"{"rssi": -58}"#);
        bridge.says(&notify(RX, "02"));
    };
    let (subscribed, ()) = tokio::join!(open.hardware.subscribe(Endpoint::Rx), answer);
    subscribed.unwrap();
    for data in [&[0x50, 0x3a][..], &[2]] {
        let data = Bytes::copy_from_slice(data);
        assert_eq!(event(&mut open).await, HardwareEvent::Notification { endpoint: Endpoint::Rx, data });
    }
    for _ in 0..1000 {
        bridge.socket.send_text(notify(RX, "03")).unwrap();
    }
    bridge.says(r#"{"gone": {}}"#);
    assert_eq!(bridge.is_closed_with().await, closed(1000, "the bridge says that the hardware is gone"));
    loop {
        match event(&mut open).await {
            HardwareEvent::Notification { .. } => {}
            HardwareEvent::Gone(reason) => {
                break assert_eq!(reason, "the bridge says that the hardware is gone");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_is_not_answered_fails_in_its_time_and_holds_up_no_other() {
    let limits = DialInLimits { answer_time: Duration::from_millis(200), ..DialInLimits::default() };
    let mut rig = Rig::new(limits).await;
    let (mut silent, silent_open) = rig.open_bridge("a1").await;
    let (mut quick, quick_open) = rig.open_bridge("a2").await;
    let write = confirmed(b"1");
    let asked = Instant::now();
    let silence = async {
        let (read, write, ()) = tokio::join!(
            silent_open.hardware.read(Endpoint::Rx, 1),
            silent_open.hardware.write(&write),
            async {
                // Past both of them, on the same line.
                silent_open.hardware.write(&frame(b"2")).await.unwrap();
                assert!(asked.elapsed() < Duration::from_millis(200));
            }
        );
        (unconfirmed(read), unconfirmed(write))
    };
    let others = async {
        let (written, ()) = tokio::join!(quick_open.hardware.write(&write), async {
            quick.hears().await;
            quick.says(r#"{"id":1,"ok":{}}"#);
        });
        written.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(200));
    };
    let ((read, write), ()) = tokio::join!(silence, others);
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert!(read.starts_with("the bridge at 127.0.0.1:"), "{read}");
    assert!(read.ends_with("did not answer a read within 0.2 s"), "{read}");
    assert!(write.ends_with("did not answer a write within 0.2 s"), "{write}");
    // Answers that come too late are ignored, and the next request has its own.
    for _ in 0..3 {
        silent.hears().await;
    }
    silent.says(r#"{"id":1,"data":"00"}"#);
    silent.says(r#"{"id":2,"ok":{}}"#);
    let (read, ()) = tokio::join!(silent_open.hardware.read(Endpoint::Rx, 1), async {
        assert!(silent.hears().await.starts_with(r#"{"id":3,"read""#));
        silent.says(r#"{"id":3,"data":"07"}"#);
    });
    assert_eq!(read, Ok(vec![7]));
}

#[test]
fn a_request_may_take_5_seconds() {
    assert_eq!(DialInLimits::default().answer_time, Duration::from_secs(5));
}

#[tokio::test]
async fn rejected_bridges_learn_why_and_are_closed() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (bridge, sighting) = rig.bridge(&offer("a1")).await;
    rig.bus.refuse(&sighting, "no known device matches").await;
    let rejected = String::from(r#"{"rejected":{"reason":"no known device matches"}}"#);
    assert_eq!(bridge.end().await, (vec![rejected], closed(1008, "no known device matches")));
    // Hardware without the endpoints that a protocol needs can't be opened; the server refuses it then.
    let (_bridge, sighting) = rig.bridge(&offer("a2")).await;
    for wirings in [&[&serial(), &Wiring::Direct][..], &[]] {
        assert_eq!(rig.bus.open(&sighting, wirings).await.err(), Some(HardwareError::NoProtocolFits));
    }
    assert!(rig.bus.open(&sighting, &[&wiring()]).await.is_ok());
}

#[tokio::test]
async fn bridges_are_rejected_when_there_is_no_room_or_no_decision() {
    let limits =
        DialInLimits { max_devices: 1, pending_time: Duration::from_millis(200), ..DialInLimits::default() };
    let mut rig = Rig::new(limits).await;
    let (one, _) = rig.bridge(&offer("a1")).await;
    let mut two = Bridge::new(rig.dial().await);
    two.says(&offer("a2"));
    for (bridge, reason) in [
        (two, "1 devices are connected, no more may be"),
        (one, "the server did not decide in time what to do with the device"),
    ] {
        let rejected = format!(r#"{{"rejected":{{"reason":"{reason}"}}}}"#);
        assert_eq!(bridge.end().await, (vec![rejected], closed(1013, reason)));
    }
}

#[tokio::test]
async fn what_a_bridge_may_not_say_closes_its_socket_with_a_reason_and_nobody_elses() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut other, other_open) = rig.open_bridge("other").await;
    let none = "a message that is none of ok, data, error, notify, rssi and gone";
    let cases = [
        ("hello", 1002, "a message that is no JSON object"),
        (r#"{"hello": {}}"#, 1002, none),
        (r#"{"id": 5, "ok": {}}"#, 1002, "an answer to request 5, which was not made"),
        (
            r#"{"notify": {"characteristic": "FFF1", "data": "00"}}"#,
            1002,
            "\"characteristic\" has to be a UUID of 36 characters in lower case",
        ),
    ];
    for (text, code, reason) in cases {
        let (mut bridge, mut open) = rig.open_bridge("bad").await;
        bridge.says(text);
        assert_eq!(bridge.end().await, (Vec::new(), closed(code, reason)), "{text}");
        assert_eq!(gone(event(&mut open).await), reason);
        assert_eq!(open.hardware.write(&confirmed(&[1])).await, Err(HardwareError::Gone));
        assert_eq!(open.hardware.subscribe(Endpoint::Rx).await, Err(HardwareError::Gone));
        timeout(AGES, open.hardware.close()).await.unwrap();
    }
    let (mut bridge, _open) = rig.open_bridge("bad").await;
    bridge.socket.send_binary(Bytes::from_static(b"{}")).unwrap();
    assert_eq!(bridge.is_closed_with().await, closed(1003, "every message has to be text"));
    let (mut bridge, _open) = rig.open_bridge("bad").await;
    bridge.says(&format!(r#"{{"rssi":-1,"x":"{}"}}"#, "x".repeat(9000)));
    let end = bridge.is_closed_with().await;
    assert!(matches!(end, SocketError::Closed { code: Some(1009), .. }), "{end:?}");
    other_open.hardware.write(&frame(b"1")).await.unwrap();
    other.hears().await;
}

#[tokio::test]
async fn greetings_that_offer_nothing_are_closed_with_a_reason() {
    let rig = Rig::new(DialInLimits::default()).await;
    let cases = [
        (r#"{"version":1}"#, "the greeting needs \"transport\", a text"),
        (r#"{"version":1,"transport":"bluetooth-le","name":"x"}"#, "the greeting needs \"address\", a text"),
        (r#"{"version":1,"transport":"usb"}"#, "\"vendor_id\" has to be a number from 0 to 65535"),
        (r#"{"version":2,"transport":"usb"}"#, "version 2 of the greeting is not known here"),
    ];
    for (text, reason) in cases {
        let mut bridge = Bridge::new(rig.dial().await);
        bridge.says(text);
        assert_eq!(bridge.end().await, (Vec::new(), closed(1008, reason)), "{text}");
    }
}

#[tokio::test]
async fn a_request_under_way_ends_with_the_line() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut bridge, mut open) = rig.open_bridge("a1").await;
    let leaves = async {
        bridge.hears().await;
        drop(bridge);
    };
    let asked = Instant::now();
    let write = confirmed(b"1");
    let (written, ()) = tokio::join!(open.hardware.write(&write), leaves);
    assert_eq!(written, Err(HardwareError::Gone));
    assert!(asked.elapsed() < Duration::from_secs(3));
    gone(event(&mut open).await);
    // The socket's end is the hardware's disconnection, and its address is free again.
    rig.open_bridge("a1").await;
}

#[tokio::test]
async fn hardware_that_leaves_with_its_greeting_is_gone_at_once() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let mut socket = rig.dial().await;
    socket.send_text(offer("a1")).unwrap();
    say(&mut socket, r#"{"gone": {}}"#);
    let sighting = rig.sighted().await;
    let end = Bridge::new(socket).end().await.1;
    assert_eq!(end, closed(1000, "the bridge says that the hardware is gone"));
    assert_eq!(rig.bus.open(&sighting, &[&wiring()]).await.err(), Some(HardwareError::Gone));
}

#[tokio::test]
async fn the_server_lets_go_of_hardware_with_disconnect_after_what_was_written() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (bridge, open) = rig.open_bridge("a1").await;
    open.hardware.write(&frame(&[0])).await.unwrap();
    let ((said, end), ()) = tokio::join!(bridge.end(), open.hardware.close());
    assert!(said[0].contains(r#""data":"00""#), "{said:?}");
    assert_eq!((&said[1..], end), (&[DISCONNECT.to_owned()][..], closed(1000, "")));
    open.hardware.close().await;
    let (bridge, open) = rig.open_bridge("a1").await;
    drop(open);
    assert_eq!(bridge.end().await, (vec![DISCONNECT.to_owned()], closed(1000, "")));
}

#[tokio::test]
async fn the_same_address_replaces_the_earlier_bridge_which_must_not_let_go_of_the_hardware() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (old, mut old_open) = rig.open_bridge("a1").await;
    let (mut new, new_open) = rig.open_bridge("a1").await;
    let reason = "the same address has dialled in again";
    assert_eq!(old.end().await, (Vec::new(), closed(1008, reason)));
    assert_eq!(gone(event(&mut old_open).await), reason);
    drop(old_open);
    new_open.hardware.write(&frame(&[2])).await.unwrap();
    assert!(new.hears().await.contains(r#""data":"02""#));
    // The same address on another bus is something else.
    let serial = r#"{"version":1,"transport":"serial","port":"a1"}"#;
    let (_serial, _) = rig.bridge(serial).await;
    let (_device, _) = rig.greeted("a1").await;
    new_open.hardware.write(&frame(&[3])).await.unwrap();
    assert!(new.hears().await.contains(r#""data":"03""#));
}

#[tokio::test]
async fn a_bridge_keeps_its_hardware_while_a_newcomer_at_its_address_waits_and_when_that_is_refused() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut old, old_open) = rig.open_bridge("a1").await;
    let (new, sighting) = rig.bridge(&offer("a1").replace("LVS-Z001", "Nobody")).await;
    let nobody = sighting.clone();
    old_open.hardware.write(&frame(&[1])).await.unwrap();
    assert!(old.hears().await.contains(r#""data":"01""#));
    rig.bus.refuse(&sighting, "no known device matches").await;
    assert_eq!(new.end().await.1, closed(1008, "no known device matches"));
    // Nobody else has the hardware, so it is let go of in words.
    old_open.hardware.write(&frame(&[0])).await.unwrap();
    let ((said, end), ()) = tokio::join!(old.end(), old_open.hardware.close());
    assert!(said[0].contains(r#""data":"00""#), "{said:?}");
    assert_eq!((&said[1..], end), (&[DISCONNECT.to_owned()][..], closed(1000, "")));
    // One that the server closes for a newcomer holds on to the hardware.
    let (old, old_open) = rig.open_bridge("a1").await;
    let (_new, _) = rig.bridge(&offer("a1")).await;
    let ((said, end), ()) = tokio::join!(old.end(), old_open.hardware.close());
    assert_eq!((said, end), (Vec::new(), closed(1008, "the same address has dialled in again")));
    assert_eq!(rig.bus.open(&nobody, &[&wiring()]).await.err(), Some(HardwareError::Gone));
}

#[tokio::test]
async fn the_same_greeting_again_is_reported_again_only_once_the_server_has_taken_the_first() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let replaced = closed(1008, "the same address has dialled in again");
    let (first, sighting) = rig.bridge(&offer("a1")).await;
    let mut second = Bridge::new(rig.dial().await);
    second.says(&offer("a1"));
    assert_eq!(first.end().await.1, replaced);
    // Whatever else is reported comes behind what the second would have caused.
    assert_eq!(rig.bridge(&offer("a2")).await.1.address, "a2");
    let open = rig.bus.open(&sighting, &[&wiring()]).await.unwrap();
    open.hardware.write(&frame(&[1])).await.unwrap();
    assert!(second.hears().await.contains(r#""data":"01""#), "the first report is good for the second");
    // From here on it is a connection like any other, and one in other words is always news.
    let (third, _) = rig.bridge(&offer("a1")).await;
    let (_fourth, other) = rig.bridge(&offer("a1").replace("-60", "-61")).await;
    assert_eq!(third.end().await.1, replaced);
    assert_eq!(rig.bus.open(&sighting, &[&wiring()]).await.err(), Some(HardwareError::Gone));
    open.hardware.write(&frame(&[2])).await.unwrap();
    assert!(second.hears().await.contains(r#""data":"02""#));
    rig.bus.open(&other, &[&wiring()]).await.unwrap();
    assert_eq!(second.end().await.1, replaced);
}

#[tokio::test]
async fn serial_hid_and_usb_have_endpoints_with_names() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let ids = r#""vendor_id": 4660, "product_id": 22136"#;
    let settings = r#","serial":{"baud_rate":9600,"data_bits":8,"parity":"N","stop_bits":1}"#;
    let usb = |kind: &str| format!(r#"{{"version": 1, "transport": "{kind}", {ids}}}"#);
    let cases = [
        (r#"{"version":1,"transport":"serial","port":"/dev/ttyUSB0"}"#.into(), BusKind::Serial, 0, settings),
        (usb("hid"), BusKind::Hid, 1, ""),
        (usb("usb"), BusKind::Usb, 1, ""),
    ];
    for (greeting, bus, wiring, settings) in cases {
        let (mut bridge, sighting) = rig.bridge(&greeting).await;
        assert_eq!(sighting.bus(), bus);
        let mut open = rig.bus.open(&sighting, &[&serial(), &Wiring::Direct]).await.unwrap();
        assert_eq!((open.wiring, open.endpoints.len()), (wiring, 0));
        rig.bus.accept(&sighting, "p").await;
        assert_eq!(bridge.hears().await, format!(r#"{{"accepted":{{"protocol":"p"{settings}}}}}"#));
        open.hardware.write(&Frame::new(Endpoint::Generic(3), &[1])).await.unwrap();
        let write = r#"{"write":{"endpoint":"generic3","data":"01","response":false}}"#;
        assert_eq!(bridge.hears().await, write);
        let answer = async {
            bridge.answers(r#"{"id":1,"subscribe":{"endpoint":"rx"}}"#, r#"{"id":1,"ok":{}}"#).await;
            bridge.says(r#"{"notify":{"endpoint":"rx","data":"07"}}"#);
        };
        let (subscribed, ()) = tokio::join!(open.hardware.subscribe(Endpoint::Rx), answer);
        subscribed.unwrap();
        let data = Bytes::from_static(&[7]);
        assert_eq!(event(&mut open).await, HardwareEvent::Notification { endpoint: Endpoint::Rx, data });
    }
}

#[tokio::test]
async fn a_bridge_that_does_not_read_is_given_up_and_holds_up_no_write_for_long() {
    let socket = SocketLimits {
        stall_after: Duration::from_millis(200),
        max_queued: 64 * 1024 * 1024,
        ..DialInLimits::default().listener.socket
    };
    let mut rig = Rig::new(with_socket(socket)).await;
    let (_bridge, mut open) = rig.open_bridge("a1").await;
    let big = frame(&vec![0; 1024 * 1024]);
    let mut written = 0;
    while timeout(AGES, open.hardware.write(&big)).await.expect("a write has its time").is_ok() {
        written += 1;
        assert!(written < 1000, "it is written to nowhere");
    }
    assert_eq!(gone(event(&mut open).await), "nothing could be written for 0.2 s");
}

#[tokio::test]
async fn shutting_down_lets_go_of_hardware_and_rejects_what_waits() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (open, _hardware) = rig.open_bridge("a1").await;
    let (pending, _) = rig.bridge(&offer("a2")).await;
    let ends = async { tokio::join!(open.end(), pending.end()) };
    let ((), (open, pending)) =
        timeout(AGES, async { tokio::join!(rig.bus.shut_down(), ends) }).await.unwrap();
    let away = closed(1001, "the server is ending");
    assert_eq!(open, (vec![DISCONNECT.to_owned()], away.clone()));
    assert_eq!(pending, (vec![r#"{"rejected":{"reason":"the server is ending"}}"#.to_owned()], away));
}

#[tokio::test]
async fn bridges_and_devices_of_both_versions_share_the_port() {
    let mut rig = Rig::new(DialInLimits::default()).await;
    let (mut device, sighting) = rig.greeted("a1").await;
    let version0 = rig.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    rig.bus.accept(&sighting, "tcode-v03").await;
    let (mut bridge, open) = rig.open_bridge("a1").await;
    version0.hardware.write(&frame(b"0")).await.unwrap();
    open.hardware.write(&frame(b"1")).await.unwrap();
    assert_eq!(crate::rig::hear(&mut device, 1).await.len(), 1);
    assert!(bridge.hears().await.contains(r#""data":"31""#));
    device.close(CloseCode::Normal, "").await;
    open.hardware.write(&frame(b"2")).await.unwrap();
}
