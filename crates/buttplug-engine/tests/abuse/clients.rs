//! Clients that say too much, too little, or nonsense.
#![cfg_attr(not(unix), allow(dead_code, reason = "some tests need Unix"))]

use crate::World;
use crate::program::{SOON, Socket, lovense_at, vibrate};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

/// A client that has introduced itself.
async fn client(world: &World) -> Socket {
    let mut client = Socket::open(world.client_port).await;
    client.handshake().await;
    client
}

/// How a connection ends: with this code, or without a word.
async fn end_of(mut socket: Socket) -> Option<CloseCode> {
    let end = async {
        loop {
            match socket.0.next().await {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    timeout(SOON, end).await.expect("the connection ends")
}

/// Sends a text in pieces, until it is through or cut off.
async fn sends_in_pieces(client: &mut Socket, piece: &str, count: usize) {
    for number in 0..count {
        let opcode = if number == 0 { OpCode::Data(Data::Text) } else { OpCode::Data(Data::Continue) };
        let frame = Frame::message(piece.to_owned().into_bytes(), opcode, number + 1 == count);
        if client.0.send(Message::Frame(frame)).await.is_err() {
            return;
        }
    }
}

/// Bytes of a text frame as a client sends it.
fn text_frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).expect("a short text")];
    // A mask that changes nothing.
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

#[tokio::test]
async fn a_client_that_says_its_message_byte_by_byte_holds_up_nobody_and_is_heard() {
    let mut world = World::new("slow-writer").await;
    let mut slow = client(&world).await;
    let bytes = text_frame(r#"[{"Ping":{"Id":77}}]"#);
    // Its head, its mask and its text: each is cut in two.
    let pieces = [&bytes[..1], &bytes[1..2], &bytes[2..4], &bytes[4..7], &bytes[7..8], &bytes[8..9]];
    let rest = &bytes[9..];
    let (rest, last) = rest.split_at(rest.len() - 1);
    for piece in pieces.into_iter().chain([rest]) {
        slow.0.get_mut().write_all(piece).await.expect("a connection");
        world.is_well().await;
    }
    slow.0.get_mut().write_all(last).await.expect("a connection");
    assert_eq!(slow.receive(|_, content| content["Id"] == 77).await.0, "Ok");
}

#[cfg(unix)]
#[tokio::test]
async fn a_message_of_sixty_megabytes_ends_its_client_and_costs_nobody_else_anything() {
    let mut world = World::new("huge").await;
    let (before, _) = world.memory();
    let piece = "{\"RequestServerInfo\":{\"Id\":1,\"Wrong\":\"".to_owned() + &"x".repeat(1_000_000);
    for pieces in [60, 1] {
        let mut huge = client(&world).await;
        let piece = if pieces == 1 { piece.repeat(15) } else { piece.clone() };
        let end = async {
            sends_in_pieces(&mut huge, &piece, pieces).await;
            end_of(huge).await
        };
        let end = world.meanwhile(end).await;
        assert!(matches!(end, None | Some(CloseCode::Size)), "{end:?}");
        world.is_well().await;
    }
    let (_, most) = world.memory();
    assert!(most < before + 40_000, "{before} kB before, {most} kB at the most");
    let log = world.log_bytes().await;
    assert!(log < 10_000, "{log} bytes");
}

#[cfg(unix)]
#[tokio::test]
async fn nonsense_is_answered_and_the_log_stays_short() {
    let mut world = World::new("nonsense").await;
    let mut odd = client(&world).await;
    let requests = format!("[{}]", [r#"{"Ping":{"Id":5}}"#; 50_000].join(","));
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(20_000),
        "[{}]".into(),
        "null".into(),
        "[{\"OutputCmd\":{\"Id\":3,\"DeviceIndex\":-1}}]".into(),
        "[{\"Ping\":{\"Id\":-5}}]".into(),
        requests,
    ] {
        odd.text(text.clone()).await;
        let (name, error) = odd.receive(|name, _| name == "Error").await;
        assert_eq!((name.as_str(), &error["ErrorCode"]), ("Error", &json!(3)), "{text:.60}");
    }
    odd.binary(b"\x00\xff").await;
    for _ in 0..1000 {
        odd.text("[{\"NoSuchMessage\":{\"Id\":9}}]").await;
        odd.receive(|name, _| name == "Error").await;
    }
    assert_eq!(odd.ask("Ping", json!({})).await.0, "Ok", "it may go on");
    world.is_well().await;
    let (_, most) = world.memory();
    assert!(most < 100_000, "{most} kB");
    let log = world.log_bytes().await;
    assert!(log < 300_000, "{log} bytes");
}

#[tokio::test]
async fn bytes_that_are_no_text_end_their_client_only() {
    let mut world = World::new("bytes").await;
    let mut odd = client(&world).await;
    let frame = Frame::message(b"[{\xff\xfe}]".to_vec(), OpCode::Data(Data::Text), true);
    odd.0.send(Message::Frame(frame)).await.expect("a connection");
    end_of(odd).await;
    world.is_well().await;
}

#[tokio::test]
async fn a_flood_of_commands_costs_others_nothing_and_its_device_gets_the_newest() {
    let mut world = World::new("flood").await;
    let mut flooding = client(&world).await;
    let mut device = lovense_at(world.device_port, "flooded").await;
    flooding.device(1).await;
    let flood = async {
        let (mut to, mut from) = flooding.0.split();
        let say = async {
            for number in 0..20_000 {
                let value = if number == 19_999 { 20 } else { 1 + number % 19 };
                let message = format!(
                    r#"[{{"OutputCmd":{{"Id":{},"DeviceIndex":1,"FeatureIndex":0,"Command":{{"Vibrate":{{"Value":{value}}}}}}}}}]"#,
                    number + 1
                );
                to.send(Message::text(message)).await.expect("a connection");
            }
        };
        let hear = async {
            let mut answers = 0;
            while answers < 20_000 {
                match from.next().await {
                    Some(Ok(Message::Text(text))) => answers += text.matches("\"Ok\"").count(),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?} after {answers} answers"),
                }
            }
        };
        tokio::join!(say, hear, device.frames_until("Vibrate:20;")).2.len()
    };
    let told = world.meanwhile(flood).await;
    assert!(told < 2_000, "the device was told {told} times");
    world.is_well().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_its_device_stops() {
    let mut world = World::new("deaf").await;
    let mut deaf = client(&world).await;
    let mut device = lovense_at(world.device_port, "deaf").await;
    deaf.device(1).await;
    let command = json!({"Id": 1, "DeviceIndex": 1, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 7}}});
    deaf.text(json!([{"OutputCmd": command}]).to_string()).await;
    device.frames_until("Vibrate:7;").await;
    let talk = async {
        // Each answer is long, and nobody reads it.
        let asks = format!("[{}]", [r#"{"RequestDeviceList":{"Id":2}}"#; 500].join(","));
        while deaf.0.send(Message::text(asks.clone())).await.is_ok() {}
    };
    let stopped = async {
        tokio::select! {
            told = device.frames_until("Vibrate:0;") => told,
            // The engine has cut it off.
            () = talk => device.frames_until("Vibrate:0;").await,
        }
    };
    assert_eq!(world.meanwhile(stopped).await, ["Vibrate:0;"]);
    let (_, most) = world.memory();
    assert!(most < 100_000, "{most} kB");
}

#[tokio::test]
async fn a_client_that_falls_silent_is_given_up_and_its_device_stops() {
    let mut world = World::new("silent-client").await;
    let mut silent = client(&world).await;
    let mut device = lovense_at(world.device_port, "silent").await;
    silent.device(1).await;
    let command = json!({"DeviceIndex": 1, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 7}}});
    silent.ask("OutputCmd", command).await;
    device.frames_until("Vibrate:7;").await;
    // From here on it answers no ping, and its connection stays open.
    let stopped = async {
        timeout(SOON * 2, async {
            loop {
                if let Some(Ok(Message::Binary(frame))) = device.0.next().await {
                    return String::from_utf8_lossy(&frame).into_owned();
                }
            }
        })
        .await
        .expect("a stop")
    };
    assert_eq!(world.meanwhile(stopped).await, "Vibrate:0;");
    world.is_well().await;
    drop(silent);
}

#[tokio::test]
async fn a_second_client_takes_over_and_the_end_of_the_first_does_not_stop_what_is_its_own() {
    let mut world = World::new("second").await;
    let mut second = client(&world).await;
    let mut device = lovense_at(world.device_port, "second").await;
    second.device(1).await;
    let mut third = client(&world).await;
    for (value, who) in [(5, &mut second), (6, &mut third)] {
        let command = json!({"DeviceIndex": 1, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": value}}});
        assert_eq!(who.ask("OutputCmd", command).await.0, "Ok");
        device.frames_until(&format!("Vibrate:{value};")).await;
    }
    drop(second);
    world.is_well().await;
    drop(third);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
}

#[tokio::test]
async fn sessions_that_come_and_go_leave_nothing_behind() {
    let mut world = World::new("sessions").await;
    let port = world.client_port;
    let sessions = |count: usize| async move {
        for _ in 0..count {
            let mut client = Socket::open(port).await;
            client.handshake().await;
            let _ = vibrate(&mut client, 1000).await;
        }
    };
    world.meanwhile(sessions(300)).await;
    let (before, _) = world.memory();
    world.meanwhile(sessions(1500)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (after, _) = world.memory();
    assert!(after <= before + 2048, "{before} kB before, {after} kB after");
}
