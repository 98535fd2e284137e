//! Drives every type of output there is, each feature in the way it can.
//!
//! `cargo run --example outputs [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::OutputKind;
use buttplug::{Error, Feature};
use buttplug_examples::Session;
use buttplug_hardware_simulated::Archetype;
use std::time::Duration;
use tokio::time::sleep;

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Session::run("Outputs example", &Archetype::ALL, run_all).await
}

async fn run_all(session: &mut Session) -> Result<(), Error> {
    for device in session.find_devices().await? {
        for feature in device.features() {
            for output in feature.outputs() {
                run(&feature, output.kind).await?;
            }
        }
    }
    sleep(A_MOMENT).await;
    for device in &session.hardware {
        for (feature, kind, told) in device.all_last() {
            println!("{} {feature}: {kind} {} in {} ms", device.address(), told.value, told.duration_ms);
        }
    }
    session.client.stop_all().await
}

// ANCHOR: run
async fn run(feature: &Feature, kind: OutputKind) -> Result<(), Error> {
    match kind {
        OutputKind::Vibrate => feature.vibrate(0.5).await,
        OutputKind::Rotate => {
            feature.rotate(0.3).await?;
            sleep(A_MOMENT).await;
            // Not every device turns both ways; one that does has a negative end of its range.
            let both_ways = feature.output(kind).is_some_and(|output| output.range.min() < 0);
            feature.rotate(if both_ways { -0.3 } else { 0.1 }).await
        }
        OutputKind::Oscillate => feature.oscillate(0.4).await,
        OutputKind::Constrict => feature.constrict(0.2).await,
        OutputKind::Spray => feature.spray(0.1).await,
        OutputKind::Temperature => feature.temperature(0.1).await,
        OutputKind::Led => feature.led(1.0).await,
        OutputKind::Position => feature.position(0.2).await,
        OutputKind::HwPositionWithDuration => feature.position_in(0.8, Duration::from_millis(500)).await,
    }
}
// ANCHOR_END: run
