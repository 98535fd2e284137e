//! What the examples share: somewhere to connect to. Each example is a program of its own beside this.
//!
//! `cargo run --example NAME` uses a server in the same process with simulated devices;
//! `cargo run --example NAME -- ws://127.0.0.1:12345` one that runs already, with whatever devices it has.
#![allow(clippy::print_stdout)]

use buttplug::embedded::{self, Server};
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Device, Error, Event, Events};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;

/// A connected client, and the server if it is in this process.
pub struct Session {
    /// The client.
    pub client: Client,
    events: Events,
    server: Option<Server>,
}

impl Session {
    /// Connects to the server that the command line names, else to an embedded one.
    ///
    /// # Errors
    /// Nobody answers at the address, or the server speaks another version.
    pub async fn begin(name: &str) -> Result<Self, Error> {
        let client = Client::new(name);
        let events = client.events();
        let server = match std::env::args().nth(1) {
            Some(url) => {
                client.connect(WebSocketClientConnector::new(url)).await?;
                None
            }
            None => {
                let bus = SimulatedBus::new([
                    SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:1"),
                    SimulatedDevice::new(Archetype::Rotator, "simulated:2"),
                    SimulatedDevice::new(Archetype::Stroker, "simulated:3"),
                ]);
                let server = Server::builder().bus(Arc::new(bus)).start();
                client.connect(embedded::connector(&server)).await?;
                Some(server)
            }
        };
        Ok(Self { client, events, server })
    }

    /// Looks for devices until none has come for a second.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn find_devices(&mut self) -> Result<Vec<Device>, Error> {
        self.client.start_scanning().await?;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), self.events.next()).await {
            if let Event::DeviceAdded(device) = event {
                println!("found {}", device.label());
            }
        }
        self.client.stop_scanning().await?;
        Ok(self.client.devices())
    }

    /// Disconnects, which stops the devices, and ends the embedded server.
    pub async fn end(self) {
        self.client.disconnect().await;
        if let Some(server) = self.server {
            server.shut_down().await;
        }
        println!("done");
    }
}
