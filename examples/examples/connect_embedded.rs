//! Runs a server in the same process, with a simulated device, and connects to it without a socket.
//!
//! `cargo run --example connect_embedded`
#![allow(clippy::print_stdout)]

// ANCHOR: program
use buttplug::embedded::{self, Server};
use buttplug::{Client, Error, Event};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // A real program adds the buses it wants here; this one has a device that needs no hardware.
    let toy = SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:desk");
    let server = Server::builder().name("Embedded").bus(Arc::new(SimulatedBus::new([toy.clone()]))).start();

    let client = Client::new("My first program");
    let played = play(&client, &server).await;

    // Whatever came of it: this stops every device and closes the connection, and then the server ends.
    client.disconnect().await;
    server.shut_down().await;
    println!("writes that arrived: {}, at rest: {}", toy.write_count(), toy.is_at_rest());
    played
}

async fn play(client: &Client, server: &Server) -> Result<(), Error> {
    let mut events = client.events();
    client.connect(embedded::connector(server)).await?;
    client.start_scanning().await?;
    while let Some(event) = events.next().await {
        if let Event::DeviceAdded(device) = event {
            println!("{} is here", device.label());
            device.vibrate(0.5).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            return device.stop().await;
        }
    }
    Ok(())
}
// ANCHOR_END: program
