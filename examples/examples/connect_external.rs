//! Connects to a server that runs already (`buttplug serve`, or any other) and tells what happens there.
//!
//! `cargo run --example websocket [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| String::from("ws://127.0.0.1:12345"));

    let client = Client::new("WebSocket example");
    let mut events = client.events();
    let server = match client.connect(WebSocketClientConnector::new(url)).await {
        Ok(server) => server,
        Err(error) => {
            println!("{error}");
            println!("start a server with `cargo run --release -- serve` and try again");
            return Err(error);
        }
    };
    println!("connected to {}", server.name);
    client.start_scanning().await?;

    // Until the server goes away or the program is interrupted; either way the server stops the devices.
    while let Some(event) = events.next().await {
        match event {
            Event::DeviceAdded(device) => println!("+ {} ({})", device.label(), device.index()),
            Event::DeviceChanged(device) => println!("~ {} ({})", device.label(), device.index()),
            Event::DeviceRemoved(device) => println!("- {} ({})", device.label(), device.index()),
            Event::Error(error) => println!("! {error}"),
            Event::Disconnected(reason) => {
                println!("{reason}");
                break;
            }
            _ => {}
        }
    }
    Ok(())
}
