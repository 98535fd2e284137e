//! Uses a server that runs already, and one of its own if nobody answers.
//!
//! `cargo run --example connect_fallback [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::choice::ServerChoice;
use buttplug::embedded::Server;
use buttplug::{Client, Error};
use buttplug_examples::simulated;
use buttplug_hardware_simulated::{Archetype, SimulatedBus};
use std::sync::Arc;

// ANCHOR: main
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| String::from("ws://127.0.0.1:12345"));
    // Not started unless it is needed: two servers would fight for the same hardware.
    let own = Server::builder()
        .name("Embedded")
        .bus(Arc::new(SimulatedBus::new(simulated(&[Archetype::OneMotorVibrator]))));

    let client = Client::new("Fallback example");
    let connected = ServerChoice::external_or_embedded(&url, own).connect(&client).await?;
    match connected.embedded() {
        Some(_) => println!("nobody at {url}, started {}", connected.server().name),
        None => println!("connected to {} at {url}", connected.server().name),
    }

    // The client disconnects, which stops the devices; then the embedded server, if there is one, shuts down.
    connected.end().await;
    println!("connected: {}", client.is_connected());
    Ok(())
}
// ANCHOR_END: main
