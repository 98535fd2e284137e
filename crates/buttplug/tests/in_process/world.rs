//! A server with simulated devices and a client of it.

use buttplug::core::{FeatureIndex, OutputKind};
use buttplug::embedded::{self, Server, ServerBuilder};
use buttplug::{Client, Device, Event, Events};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Nothing here takes so long in simulated time.
pub(crate) const AGES: Duration = Duration::from_secs(300);

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) events: Events,
    /// The devices from their owner's side.
    pub(crate) toys: Vec<SimulatedDevice>,
    /// The same devices from the client's side.
    pub(crate) devices: Vec<Device>,
}

impl World {
    pub(crate) async fn new(archetypes: &[Archetype]) -> Self {
        Self::of(archetypes, Server::builder(), embedded::connector).await
    }

    /// One with a server of that kind, reached in that way.
    pub(crate) async fn of<C: buttplug::core::connector::ClientConnector>(
        archetypes: &[Archetype],
        builder: ServerBuilder,
        connector: impl Fn(&Server) -> C,
    ) -> Self {
        let toys: Vec<_> = archetypes
            .iter()
            .enumerate()
            .map(|(number, archetype)| SimulatedDevice::new(*archetype, format!("simulated:{number}")))
            .collect();
        // So that what is written together can be told from what is not.
        let bus = SimulatedBus::new(toys.clone()).with_message_gap(Duration::from_millis(75));
        let server = builder.bus(Arc::new(bus)).start();
        let client = Client::new("Test");
        let mut events = client.events();
        client.connect(connector(&server)).await.expect("a connection");
        client.start_scanning().await.expect("a search");
        let mut devices = Vec::new();
        while devices.len() < toys.len() {
            if let Event::DeviceAdded(device) = next(&mut events).await {
                devices.push(device);
            }
        }
        let place = |device: &Device| {
            archetypes
                .iter()
                .position(|archetype| device.name() == name(*archetype))
                .expect("a device of ours")
        };
        devices.sort_by_key(place);
        Self { server, client, events, toys, devices }
    }

    /// Waits until an output was told this.
    pub(crate) async fn is_told(&self, toy: usize, feature: u32, kind: OutputKind, value: i32) {
        let toy = &self.toys[toy];
        let told = |toy: &SimulatedDevice| last(toy, feature, kind) == Some(value);
        let waited = timeout(AGES, toy.wait_for(told)).await;
        assert!(waited.is_ok(), "{kind} {feature} was not told {value}, but {:?}", toy.all_last());
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.toys.iter().all(SimulatedDevice::is_at_rest)
    }

    pub(crate) async fn come_to_rest(&self) {
        come_to_rest(&self.toys).await;
    }

    /// All events up to the end of the connection, in words.
    pub(crate) async fn end(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            match next(&mut self.events).await {
                Event::DeviceRemoved(device) => told.push(format!("removed {}", device.index())),
                Event::Error(error) => told.push(format!("error: {error}")),
                Event::Disconnected(reason) => {
                    told.push(format!("disconnected: {reason}"));
                    return told;
                }
                _ => {}
            }
        }
    }
}

pub(crate) async fn come_to_rest(toys: &[SimulatedDevice]) {
    for toy in toys {
        timeout(AGES, toy.wait_for(SimulatedDevice::is_at_rest)).await.expect("devices at rest");
    }
}

pub(crate) async fn next(events: &mut Events) -> Event {
    timeout(AGES, events.next()).await.expect("an event").expect("a client")
}

pub(crate) fn last(toy: &SimulatedDevice, feature: u32, kind: OutputKind) -> Option<i32> {
    toy.last(FeatureIndex(feature), kind).map(|told| told.value)
}

fn name(archetype: Archetype) -> &'static str {
    match archetype {
        Archetype::OneMotorVibrator => "Simulated 1-Motor Vibrator",
        Archetype::TwoMotorVibrator => "Simulated 2-Motor Vibrator",
        Archetype::Rotator => "Simulated Rotator",
        Archetype::Oscillator => "Simulated Oscillator",
        Archetype::Stroker => "Simulated Stroker",
        Archetype::Pump => "Simulated Pump",
        Archetype::Warmer => "Simulated Warmer",
        Archetype::PressureSensor => "Simulated Pressure Sensor",
    }
}
