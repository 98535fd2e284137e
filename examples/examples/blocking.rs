//! A script without async: every call waits until it is done.
//!
//! `cargo run --example blocking [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::blocking::Client;
use buttplug::choice::ServerChoice;
use buttplug::core::OutputKind;
use buttplug::embedded::Server;
use buttplug_examples::simulated;
use buttplug_hardware_simulated::{Archetype, SimulatedBus};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

// ANCHOR: main
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let choice = match std::env::args().nth(1) {
        Some(url) => ServerChoice::external(url),
        None => {
            let bus = SimulatedBus::new(simulated(&[Archetype::OneMotorVibrator]));
            ServerChoice::embedded(Server::builder().bus(Arc::new(bus)))
        }
    };
    let client = Client::new("Blocking example")?;
    client.connect(&choice)?;
    client.start_scanning()?;
    while let Some(device) = client.next_device(Duration::from_secs(2)) {
        println!("{} is here", device.inner().label());
        if device.inner().has_output(OutputKind::Vibrate) {
            device.vibrate(0.5)?;
            // A thread in the background goes on to ping.
            sleep(Duration::from_millis(500));
            device.stop()?;
        }
    }
    client.disconnect();
    println!("done");
    Ok(())
}
// ANCHOR_END: main
