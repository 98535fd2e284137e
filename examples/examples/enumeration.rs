//! Follows devices as they come and go. The simulated ones are switched off and on again meanwhile.
//!
//! `cargo run --example enumeration [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::{Client, Error, Event, Events};
use buttplug_examples::Session;
use buttplug_hardware_simulated::{Archetype, SimulatedDevice};
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kinds = [Archetype::OneMotorVibrator, Archetype::Rotator];
    Session::run("Enumeration example", &kinds, follow_and_search).await
}

async fn follow_and_search(session: &mut Session) -> Result<(), Error> {
    let ((), searched) =
        tokio::join!(follow(&mut session.events), search(&session.client, &session.hardware));
    searched?;
    // The table can be asked at any time.
    for device in session.client.devices() {
        println!("there now: {} ({})", device.label(), device.index());
    }
    Ok(())
}

// ANCHOR: follow
/// Tells who comes and goes, until nothing has happened for a while.
async fn follow(events: &mut Events) {
    while let Ok(Some(event)) = timeout(Duration::from_secs(2), events.next()).await {
        match event {
            Event::Connected(server) => println!("connected to {}", server.name),
            Event::DeviceAdded(device) => println!("came: {} ({})", device.label(), device.index()),
            Event::DeviceChanged(device) => println!("changed: {} ({})", device.label(), device.index()),
            Event::DeviceRemoved(device) => println!("left: {} ({})", device.label(), device.index()),
            Event::ScanningFinished => println!("the search is over"),
            Event::Disconnected(reason) => return println!("{reason}"),
            _ => {}
        }
    }
}
// ANCHOR_END: follow

// ANCHOR: search
async fn search(client: &Client, hardware: &[SimulatedDevice]) -> Result<(), Error> {
    client.start_scanning().await?;
    sleep(Duration::from_millis(500)).await;
    // Somebody switches a device off and on again: it comes back under its index.
    if let Some(device) = hardware.first() {
        device.vanish();
        sleep(Duration::from_millis(500)).await;
        device.reappear();
        // The simulated search has ended by itself, as some do.
        client.start_scanning().await?;
        sleep(Duration::from_millis(500)).await;
    }
    client.stop_scanning().await
}
// ANCHOR_END: search
