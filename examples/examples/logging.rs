//! Shows what the library tells about itself, and how a program decides what of it is written.
//!
//! `cargo run --example logging [-- ws://127.0.0.1:12345]`, or with `RUST_LOG=debug` in front
#![allow(clippy::print_stdout)]

use buttplug::Error;
use buttplug_examples::Session;
use buttplug_hardware_simulated::Archetype;
use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logging();
    Session::run("Logging example", &[Archetype::OneMotorVibrator], async |session: &mut Session| {
        for device in session.find_devices().await? {
            device.vibrate(0.3).await?;
        }
        Ok(())
    })
    .await
}

// ANCHOR: start
fn start_logging() {
    // What the person asked for, else what happens here and, of the server, only what went wrong.
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let usual =
        Targets::new().with_default(LevelFilter::INFO).with_target("buttplug_server", LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_ansi(std::io::stderr().is_terminal()))
        .with(asked.unwrap_or(usual))
        .init();
}
// ANCHOR_END: start
