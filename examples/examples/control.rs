//! Drives devices: whole devices and single features, fractions and steps, what is out of range, three levels of stop.
//!
//! `cargo run --example control [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::OutputKind;
use buttplug::{Batch, Device, Error, Output, StopWhat, Value};
use buttplug_examples::Session;
use buttplug_hardware_simulated::Archetype;
use std::time::Duration;
use tokio::time::sleep;

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kinds = [Archetype::TwoMotorVibrator, Archetype::Rotator];
    Session::run("Control example", &kinds, drive_all).await
}

async fn drive_all(session: &mut Session) -> Result<(), Error> {
    for device in session.find_devices().await? {
        if device.has_output(OutputKind::Vibrate) {
            drive(&device).await?;
            println!("{} was driven", device.label());
            stop(&device).await?;
        } else {
            println!("{} has no vibrator", device.label());
        }
    }
    // Everything, whatever it is doing. Repeat it as often as you like.
    session.client.stop_all().await
}

// ANCHOR: drive
async fn drive(device: &Device) -> Result<(), Error> {
    // Every motor at half of full power, each in its own range.
    device.vibrate(0.5).await?;
    sleep(A_MOMENT).await;
    // One motor, in its own steps: the least it can do.
    let motors = device.features_with_output(OutputKind::Vibrate);
    if let Some(motor) = motors.first() {
        motor.vibrate_steps(1).await?;
        sleep(A_MOMENT).await;
    }
    // Out of range: refused, unless you ask for the nearest that the device can do. Below the
    // range of a motor that is rest; above it, full power.
    let too_little = Output::new(OutputKind::Vibrate, Value::Fraction(-0.5));
    if let Err(error) = device.run_output(too_little.clone()).await {
        println!("refused: {error}");
    }
    device.run_output(too_little.clamped()).await?;
    sleep(A_MOMENT).await;
    // Several outputs together: all are checked before the first goes out.
    let mut batch = Batch::new();
    for (number, motor) in motors.iter().enumerate() {
        let strength = if number % 2 == 0 { 0.2 } else { 0.4 };
        batch = batch.feature(motor, Output::new(OutputKind::Vibrate, Value::Fraction(strength)));
    }
    batch.run().await?;
    sleep(A_MOMENT).await;
    Ok(())
}
// ANCHOR_END: drive

// ANCHOR: stop
async fn stop(device: &Device) -> Result<(), Error> {
    if let Some(motor) = device.features_with_output(OutputKind::Vibrate).first() {
        motor.stop().await?; // one feature; the others go on
    }
    device.stop_with(StopWhat::OUTPUTS).await?; // all outputs of the device; its sensors go on
    device.stop().await // all outputs and all subscriptions
}
// ANCHOR_END: stop
