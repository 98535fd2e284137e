//! Does several things at once: a task per device, events meanwhile, and an end that interrupts everything.
//!
//! `cargo run --example async_use [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::OutputKind;
use buttplug::{Device, Error, Event, Events};
use buttplug_examples::Session;
use buttplug_hardware_simulated::Archetype;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kinds = [Archetype::OneMotorVibrator, Archetype::TwoMotorVibrator];
    Session::run("Async example", &kinds, play_for_a_while).await
}

async fn play_for_a_while(session: &mut Session) -> Result<(), Error> {
    session.client.start_scanning().await?;
    // A future may be dropped at any time; what it was doing then is cut off, and nothing breaks.
    if timeout(Duration::from_secs(3), play(&mut session.events)).await.is_err() {
        println!("time is up");
    }
    // The patterns were cut off in the middle, so the motors still run. Stop them.
    session.client.stop_all().await
}

// ANCHOR: play
/// Gives every device a pattern of its own, whenever it comes.
async fn play(events: &mut Events) {
    let mut patterns = JoinSet::new();
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Event::DeviceAdded(device) => {
                    println!("{} joins in", device.label());
                    patterns.spawn(pattern(device));
                }
                Event::Disconnected(_) => return,
                _ => {}
            },
            Some(Ok(Err(error))) = patterns.join_next() => println!("a pattern has ended: {error}"),
        }
    }
}

async fn pattern(device: Device) -> Result<(), Error> {
    if !device.has_output(OutputKind::Vibrate) {
        return Ok(());
    }
    // Until the device leaves: then a command fails.
    loop {
        for strength in [0.2, 0.4, 0.1] {
            device.vibrate(strength).await?;
            sleep(Duration::from_millis(200)).await;
        }
        println!("{} has done a round", device.label());
    }
}
// ANCHOR_END: play
