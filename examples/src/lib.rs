//! What the examples share, so that each can be about one thing: a connected client with devices to drive, a server
//! behind a port, and a way to spoil messages. Each example is a program of its own beside this.
//!
//! `cargo run --example NAME` uses a server in the same process with simulated devices;
//! `cargo run --example NAME -- ws://127.0.0.1:12345` one that runs already, with whatever devices it has.
#![allow(clippy::print_stdout)]

mod host;
mod spoiled;

pub use host::Host;
pub use spoiled::Spoiled;

use buttplug::embedded::{self, Server};
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Device, Error, Event, Events};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;

/// A connected client, and the server and its devices if they are in this process.
///
/// [`run`](Self::run) is the one way in and the one way out: whatever becomes of the driving, everything stops.
pub struct Session {
    /// The client.
    pub client: Client,
    /// What happens, from the beginning on.
    pub events: Events,
    /// The simulated devices, from their owner's side; none with a server that runs already.
    pub hardware: Vec<SimulatedDevice>,
    server: Option<Server>,
}

impl Session {
    /// Connects to the server that the command line names, else to an embedded one with devices of these kinds. Then
    /// lets `drive` drive. In the end, also after a failure, disconnects, which stops the devices, and ends the embedded
    /// server.
    ///
    /// # Errors
    /// Nobody answers at the address, the server speaks another version, or what `drive` fails with.
    pub async fn run(
        name: &str,
        archetypes: &[Archetype],
        drive: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut session = Self::begin(name, archetypes).await?;
        let driven = drive(&mut session).await;
        session.end().await;
        driven
    }

    async fn begin(name: &str, archetypes: &[Archetype]) -> Result<Self, Error> {
        let client = Client::new(name);
        let events = client.events();
        if let Some(url) = std::env::args().nth(1) {
            client.connect(WebSocketClientConnector::new(url)).await?;
            return Ok(Self { client, hardware: Vec::new(), events, server: None });
        }
        let hardware = simulated(archetypes);
        let bus = SimulatedBus::new(hardware.iter().cloned());
        let server = Server::builder().bus(Arc::new(bus)).start();
        client.connect(embedded::connector(&server)).await?;
        Ok(Self { client, hardware, events, server: Some(server) })
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

    async fn end(self) {
        self.client.disconnect().await;
        if let Some(server) = self.server {
            server.shut_down().await;
        }
        println!("all at rest: {}", self.hardware.iter().all(SimulatedDevice::is_at_rest));
    }
}

/// One simulated device of each kind.
pub fn simulated(archetypes: &[Archetype]) -> Vec<SimulatedDevice> {
    archetypes.iter().map(|kind| SimulatedDevice::new(*kind, format!("simulated:{kind}"))).collect()
}
