//! Reads what can be read and subscribes to what can be subscribed. The simulated sensor is pressed meanwhile.
//!
//! `cargo run --example sensors [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::InputKind;
use buttplug::{Device, Error};
use buttplug_examples::Session;
use buttplug_hardware_simulated::{Archetype, SimulatedDevice};
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kinds = [Archetype::OneMotorVibrator, Archetype::PressureSensor];
    Session::run("Sensors example", &kinds, listen_to_all).await
}

async fn listen_to_all(session: &mut Session) -> Result<(), Error> {
    for device in session.find_devices().await? {
        battery(&device).await;
        if device.has_input(InputKind::Pressure) {
            let (followed, ()) = tokio::join!(follow(&device), press(&session.hardware));
            followed?;
        }
    }
    Ok(())
}

// ANCHOR: battery
async fn battery(device: &Device) {
    if !device.has_input(InputKind::Battery) {
        return println!("{}: does not tell", device.label());
    }
    // A reading is a round trip over the radio: one failure is no reason to give up on the rest.
    match device.battery_percent().await {
        Ok(percent) => println!("{}: {percent} %", device.label()),
        Err(error) => println!("{}: {error}", device.label()),
    }
}
// ANCHOR_END: battery

// ANCHOR: follow
async fn follow(device: &Device) -> Result<(), Error> {
    let mut readings = device.subscribe(InputKind::Pressure).await?;
    // Until nobody presses any more. Without a limit: until the device leaves or the connection ends.
    while let Ok(Some(pressure)) = timeout(Duration::from_secs(1), readings.next()).await {
        println!("{}: pressure {pressure}", device.label());
    }
    // Dropping the stream ends the subscription.
    Ok(())
}
// ANCHOR_END: follow

async fn press(hardware: &[SimulatedDevice]) {
    for pressure in [100, 2000, 50] {
        sleep(Duration::from_millis(200)).await;
        hardware.iter().for_each(|device| device.set_pressure(pressure));
    }
}
