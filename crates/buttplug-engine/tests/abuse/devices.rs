//! Devices that say too much, nothing, or leave without a word.

use crate::World;
use crate::program::{Socket, lovense_at};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// A client and a device of its own, with index 1, that vibrates.
async fn vibrating(world: &World, address: &str) -> (Socket, Socket) {
    let mut client = Socket::open(world.client_port).await;
    client.handshake().await;
    let mut device = lovense_at(world.device_port, address).await;
    client.device(1).await;
    let command = json!({"DeviceIndex": 1, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 7}}});
    assert_eq!(client.ask("OutputCmd", command).await.0, "Ok");
    device.frames_until("Vibrate:7;").await;
    (client, device)
}

#[tokio::test]
async fn a_device_that_vanishes_leaves_the_list_and_rests_when_it_is_back() {
    let mut world = World::new("vanish").await;
    let (mut client, device) = vibrating(&world, "fickle").await;
    drop(device);
    client.receive(|name, content| name == "DeviceList" && content["Devices"]["1"].is_null()).await;
    let mut back = lovense_at(world.device_port, "fickle").await;
    assert_eq!(back.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    client.device(1).await;
    world.is_well().await;
}

#[tokio::test]
async fn a_flood_and_a_huge_message_of_a_device_cost_others_nothing() {
    let mut world = World::new("loud").await;
    let (before, _) = world.memory();
    let (mut client, mut device) = vibrating(&world, "loud").await;
    let flood = async {
        for _ in 0..20_000 {
            device.0.feed(Message::binary(&b"nobody;asked;"[..])).await.expect("a connection");
        }
        device.0.flush().await.expect("a connection");
    };
    world.meanwhile(flood).await;
    assert_eq!(client.ask("Ping", json!({})).await.0, "Ok");
    // Cut off on the way.
    let _ = device.0.send(Message::binary(vec![0; 15_000_000])).await;
    client.receive(|name, content| name == "DeviceList" && content["Devices"]["1"].is_null()).await;
    world.is_well().await;
    let (_, most) = world.memory();
    assert!(most < before + 40_000, "{before} kB before, {most} kB at the most");
}

#[tokio::test]
async fn greetings_that_are_none_are_closed_and_the_next_device_is_served() {
    let mut world = World::new("greeting").await;
    for greeting in ["", "[", "{}", "hello", r#"{"identifier": 5}"#, &"x".repeat(100_000)] {
        let mut device = Socket::open(world.device_port).await;
        device.text(greeting).await;
        device.close_code().await;
    }
    lovense_at(world.device_port, "another").await;
    world.is_well().await;
}
