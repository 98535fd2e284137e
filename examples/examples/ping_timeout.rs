//! Makes the one mistake that costs a client its session, blocking the thread, and shows that the device stops.
//!
//! `cargo run --example ping_timeout`
#![allow(clippy::print_stdout)]

use buttplug::core::ErrorClass;
use buttplug::embedded::{self, Server};
use buttplug::{Client, Error, Event};
use buttplug_examples::simulated;
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;

const MAX_PING: Duration = Duration::from_millis(800);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The server has threads of its own, as one in another program has. It stops whoever is silent for too long.
    let elsewhere = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let hardware = simulated(&[Archetype::OneMotorVibrator]);
    let bus = Arc::new(SimulatedBus::new(hardware.iter().cloned()));
    let server = elsewhere.block_on(async { Server::builder().max_ping_time(MAX_PING).bus(bus).start() });
    let here = Builder::new_current_thread().enable_time().build()?;
    let frozen = here.block_on(freeze(&server, &hardware[0]));
    elsewhere.block_on(server.shut_down());
    Ok(frozen?)
}

// ANCHOR: freeze
async fn freeze(server: &Server, hardware: &SimulatedDevice) -> Result<(), Error> {
    let client = Client::new("Ping example");
    let mut events = client.events();
    let info = client.connect(embedded::connector(server)).await?;
    println!("the server wants a ping every {} ms", info.max_ping_ms);
    client.start_scanning().await?;
    while let Some(event) = events.next().await {
        match event {
            Event::DeviceAdded(device) => {
                device.vibrate(0.5).await?;
                // Waiting is no problem: the client pings meanwhile.
                tokio::time::sleep(2 * MAX_PING).await;
                println!(
                    "after waiting: connected {}, at rest {}",
                    client.is_connected(),
                    hardware.is_at_rest()
                );
                // This is: nothing else runs on this thread, and no ping goes out.
                std::thread::sleep(3 * MAX_PING);
                println!("after blocking: at rest {}", hardware.is_at_rest());
            }
            Event::Disconnected(reason) => {
                println!("disconnected: {reason}");
                break;
            }
            _ => {}
        }
    }
    if let Err(error) = client.start_scanning().await {
        let class = error.class() == Some(ErrorClass::Ping);
        println!("from now on every command fails, class ping {class}: {error}");
    }
    client.connect(embedded::connector(server)).await?;
    println!("connected again: {} device, at rest {}", client.devices().len(), hardware.is_at_rest());
    client.disconnect().await;
    Ok(())
}
// ANCHOR_END: freeze
