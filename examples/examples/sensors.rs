//! Reads the battery of every device that has one.
//!
//! `cargo run --example battery [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::Error;
use buttplug::core::InputKind;
use buttplug_examples::Session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut session = Session::begin("Battery example").await?;
    for device in session.find_devices().await? {
        if !device.has_input(InputKind::Battery) {
            println!("{} does not tell", device.label());
            continue;
        }
        // A reading is a round trip over the radio: one failure is no reason to give up on the rest.
        match device.battery_percent().await {
            Ok(percent) => println!("{}: {percent} %", device.label()),
            Err(error) => println!("{}: {error}", device.label()),
        }
    }
    session.end().await;
    Ok(())
}
