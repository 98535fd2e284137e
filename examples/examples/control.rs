//! Drives devices: whole devices and single features, fractions and steps, positions over time, three levels of stop.
//!
//! `cargo run --example control [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::OutputKind;
use buttplug::{Device, Error, Output, StopWhat, Value};
use buttplug_examples::Session;
use std::time::Duration;
use tokio::time::sleep;

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut session = Session::begin("Control example").await?;
    for device in session.find_devices().await? {
        describe(&device);
        drive(&device).await?;
    }
    // Everything, whatever it is doing. Repeat it as often as you like.
    session.client.stop_all().await?;
    session.end().await;
    Ok(())
}

fn describe(device: &Device) {
    println!("{} ({})", device.label(), device.index());
    for feature in device.features() {
        for output in feature.outputs() {
            println!("  feature {}: {} from {}", feature.index(), output.kind, output.range);
        }
    }
}

async fn drive(device: &Device) -> Result<(), Error> {
    if device.has_output(OutputKind::Vibrate) {
        // Half of full power for every motor, each in its own range.
        device.vibrate(0.5).await?;
        sleep(A_MOMENT).await;
        // One motor, one step: the least it can do.
        if let Some(motor) = device.features_with_output(OutputKind::Vibrate).first() {
            motor.vibrate_steps(1).await?;
            sleep(A_MOMENT).await;
            motor.stop().await?;
        }
    }
    if device.has_output(OutputKind::Rotate) {
        device.rotate(0.3).await?;
        sleep(A_MOMENT).await;
        // Not every device turns the other way; one that does has a negative end of its range.
        let both_ways = |feature: &buttplug::Feature| {
            feature.output(OutputKind::Rotate).is_some_and(|output| output.range.min() < 0)
        };
        if device.features_with_output(OutputKind::Rotate).iter().all(both_ways) {
            device.rotate(-0.3).await?;
            sleep(A_MOMENT).await;
        }
    }
    if device.has_output(OutputKind::HwPositionWithDuration) {
        device.position_in(0.8, A_MOMENT).await?;
        sleep(A_MOMENT).await;
        // Whatever is too far or too long for this device becomes the nearest it can do.
        device.run_output(Output::timed_position(Value::Fraction(0.2), A_MOMENT).clamped()).await?;
        sleep(A_MOMENT).await;
    }
    // Motors off, subscriptions stay.
    device.stop_with(StopWhat::OUTPUTS).await
}
