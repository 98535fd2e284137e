//! Connects to a server that runs already (`buttplug serve`, or any other of version 4) and says who it is.
//!
//! `cargo run --example connect_external [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error};

// ANCHOR: main
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Let people change the address: the server may run on another machine.
    let url = std::env::args().nth(1).unwrap_or_else(|| String::from("ws://127.0.0.1:12345"));

    let client = Client::new("Connecting example");
    let server = match client.connect(WebSocketClientConnector::new(url)).await {
        Ok(server) => server,
        Err(error) => {
            println!("{error}");
            println!("start a server with `cargo run --release -- serve` and try again");
            return Err(error);
        }
    };
    println!("connected to {}, version {}.{}", server.name, server.major, server.minor);
    for device in client.devices() {
        println!("already there: {} ({})", device.label(), device.index());
    }
    client.disconnect().await;
    println!("connected: {}", client.is_connected());
    Ok(())
}
// ANCHOR_END: main
