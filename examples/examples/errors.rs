//! Provokes errors of every class, and those that never reach the wire, and says what to do about each.
//!
//! `cargo run --example errors`
#![allow(clippy::print_stdout)]

use buttplug::core::message::{ClientMessage, ClientRequest, OutputCmd, VersionRequest};
use buttplug::core::{ErrorClass, OutputCommand};
use buttplug::embedded::Server;
use buttplug::websocket::WebSocketClientConnector as WebSocket;
use buttplug::{Client, Device, Error, Event};
use buttplug_examples::{Host, Spoiled, simulated};
use buttplug_hardware_simulated::{Archetype, SimulatedBus};
use std::sync::Arc;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new("Errors example");
    report("nobody there", client.connect(WebSocket::new("ws://127.0.0.1:1")).await);
    report("no address", client.connect(WebSocket::new("not a url")).await);
    report("not connected", client.start_scanning().await);

    let hardware = simulated(&[Archetype::OneMotorVibrator]);
    let bus = Arc::new(SimulatedBus::new(hardware.clone()));
    let server = Server::builder().max_ping_time(Duration::from_secs(1)).bus(bus).start();
    let host = Host::start(server, 0).await?;

    // The messages of a client that is too new, spoiled on their way since the library does not make such mistakes.
    report("wrong version", client.connect(Spoiled::new(WebSocket::new(&host.url), too_new)).await);

    client.connect(Spoiled::new(WebSocket::new(&host.url), below_zero_and_silent)).await?;
    let device = first_device(&client).await?;
    report("no such output", device.rotate(0.5).await);
    report("out of range", device.vibrate(1.5).await);
    report("bad message", device.vibrate(0.5).await);
    // No ping of this client arrives, so this ends by itself.
    while client.is_connected() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    report("no pings", device.stop().await);

    client.connect(WebSocket::new(&host.url)).await?;
    // A device that is slow to stop keeps the server in its ending for a moment.
    hardware[0].slow_writes(Duration::from_millis(800));
    let ending = tokio::spawn(host.end());
    tokio::time::sleep(Duration::from_millis(100)).await;
    report("server is ending", client.start_scanning().await);
    ending.await?;
    Ok(())
}

// ANCHOR: report
fn report<T>(what: &str, result: Result<T, Error>) {
    let Err(error) = result else { return println!("{what}: no error") };
    let advice = match &error {
        Error::Connector(_) | Error::NotConnected => "connect, then try again",
        Error::Timeout { .. } | Error::Busy { .. } => "try again later",
        Error::Gone { .. } => "wait until the device comes back",
        error => match error.class() {
            Some(ErrorClass::Handshake) => "update the server or this program",
            Some(ErrorClass::Ping) => "the devices have stopped: connect again, and never block the runtime",
            Some(ErrorClass::Message) => "a mistake in this program or its library: report it",
            Some(ErrorClass::Device) => "ask for something that the device has",
            Some(ErrorClass::Unknown) | None => "read the text",
        },
    };
    let class = error.class().map_or_else(|| String::from("none"), |class| format!("{class:?}"));
    println!("{what}: {error}\n  class {class}: {advice}");
}
// ANCHOR_END: report

async fn first_device(client: &Client) -> Result<Device, Error> {
    let mut events = client.events();
    client.start_scanning().await?;
    loop {
        if let Some(Event::DeviceAdded(device)) = events.next().await {
            return Ok(device);
        }
    }
}

fn too_new(mut message: ClientMessage) -> Option<ClientMessage> {
    if let ClientRequest::RequestServerInfo(info) = &mut message.request {
        info.version = VersionRequest::Protocol { major: 99, minor: 0 };
    }
    Some(message)
}

fn below_zero_and_silent(mut message: ClientMessage) -> Option<ClientMessage> {
    match &mut message.request {
        ClientRequest::Ping => return None,
        ClientRequest::Output(OutputCmd { command, .. }) => *command = OutputCommand::timed_position(-1, 100),
        _ => {}
    }
    Some(message)
}
