//! Makes mistakes on purpose and shows what a program learns from each.
//!
//! `cargo run --example errors [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::core::{ErrorClass, OutputKind};
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error};
use buttplug_examples::Session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let nowhere = Client::new("Errors example");
    report("no server there", nowhere.connect(WebSocketClientConnector::new("ws://127.0.0.1:1")).await);
    report("no address", nowhere.connect(WebSocketClientConnector::new("not a url")).await);
    report("not connected", nowhere.start_scanning().await);

    let mut session = Session::begin("Errors example").await?;
    let devices = session.find_devices().await?;
    for device in &devices {
        if device.has_output(OutputKind::Vibrate) {
            report("more than full power", device.vibrate(1.5).await);
            report("steps out of range", device.vibrate_steps(100_000).await);
        } else {
            report("no such output", device.vibrate(0.5).await);
        }
    }

    session.end().await;
    for device in &devices {
        report("after the disconnect", device.stop().await);
    }
    Ok(())
}

fn report<T>(what: &str, result: Result<T, Error>) {
    let Err(error) = result else {
        println!("{what}: no error");
        return;
    };
    let advice = match &error {
        Error::Connector(_) | Error::NotConnected => "connect, then try again",
        Error::Timeout { .. } | Error::Busy { .. } => "try again later",
        // Wherever it was noticed, here or at the server, the class says what kind of mistake it was.
        error if error.class() == Some(ErrorClass::Device) => "ask for what the device has",
        error if error.class() == Some(ErrorClass::Ping) => "connect again",
        _ => "read the text",
    };
    println!("{what}: {error} -> {advice}");
}
