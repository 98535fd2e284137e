//! A whole server with simulated devices and one paused clock, for one input.

use crate::client::{Client, handshake};
use buttplug_core::{FeatureIndex, OutputKind};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use buttplug_server::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// By the paused clock, longer than anything takes that has an end.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

/// How long zeros may take to arrive after the last client is gone: a device that refuses its writes is tried with
/// growing pauses of at most 1.6 s.
const MAX_TIME_TO_REST: Duration = Duration::from_secs(5);

/// What the server is told before it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) max_ping: Duration,
    pub(crate) message_gap: Duration,
}

pub(crate) struct World {
    pub(crate) server: Server,
    /// In the order of [`DEVICES`], so that a name tells which it is.
    pub(crate) devices: Vec<SimulatedDevice>,
}

/// Runs `hold` in a runtime of its own, whose clock stands still unless everybody waits.
pub(crate) fn run(hold: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(hold);
}

impl World {
    /// A server to which one device of each archetype is connected.
    pub(crate) async fn new(settings: Settings) -> Self {
        let devices: Vec<SimulatedDevice> = DEVICES
            .into_iter()
            .map(|(archetype, _)| SimulatedDevice::new(archetype, format!("simulated:{archetype}")))
            .collect();
        let bus = SimulatedBus::new(devices.clone()).with_message_gap(settings.message_gap);
        let server =
            Server::builder().name("Fuzzed").max_ping_time(settings.max_ping).bus(Arc::new(bus)).start();
        let world = Self { server, devices };
        world.find_devices().await;
        world
    }

    /// Clients of its own look for devices until all that are there are connected, and leave. None of them pings: one that
    /// has to is let go, which ends its search, and the next one goes on.
    pub(crate) async fn find_devices(&self) {
        let expected = self.devices.iter().filter(|device| device.is_present()).count();
        let all = async {
            while self.server.devices().len() < expected {
                let mut client = Client::connect(&self.server);
                // In one breath: by the time it has heard a reply it may have been let go.
                client.says(handshake(4).as_bytes());
                client.says(br#"[{"StartScanning":{"Id":2}}]"#);
                client.hears_all_replies().await;
                while client.is_there() && self.server.devices().len() < expected {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    client.hears_what_is_there().await;
                }
                client.vanishes();
            }
        };
        tokio::time::timeout(FOR_EVER, all).await.expect("every device that is there is found");
    }

    /// Whether the server has this device in its list.
    pub(crate) fn lists(&self, device: &SimulatedDevice) -> bool {
        self.description(device).is_some()
    }

    fn description(
        &self,
        device: &SimulatedDevice,
    ) -> Option<Arc<buttplug_core::message::DeviceDescription>> {
        let place = self.devices.iter().position(|other| other.address() == device.address())?;
        let (_, name) = DEVICES.get(place)?;
        self.server.devices().into_iter().find(|description| description.name == *name)
    }

    /// Whatever a device was told lies in the range that its clients were shown.
    pub(crate) fn every_value_is_in_range(&self) {
        for device in &self.devices {
            let Some(description) = self.description(device) else { continue };
            for (feature, kind, told) in device.all_last() {
                let output = description.feature(feature).and_then(|feature| feature.output(kind));
                let output = output.unwrap_or_else(|| panic!("{}", unheard_of(device, feature, kind)));
                assert!(output.range.contains(told.value), "{device:?} was told {kind} {}", told.value);
                if let Some(durations) = output.duration_ms {
                    let duration = i32::try_from(told.duration_ms).unwrap_or(i32::MAX);
                    assert!(durations.contains(duration), "{device:?} was told {kind} in {duration} ms");
                }
            }
        }
    }

    /// Waits until none of these devices moves, which has to come soon once nobody is left.
    pub(crate) async fn comes_to_rest(&self, which: impl Fn(usize, &SimulatedDevice) -> bool) {
        let deadline = Instant::now() + MAX_TIME_TO_REST;
        let moves =
            |(place, device): &(usize, &SimulatedDevice)| which(*place, device) && !device.is_at_rest();
        while let Some((_, moving)) = self.devices.iter().enumerate().find(moves) {
            assert!(Instant::now() < deadline, "nobody is left and it moves: {}", shown(moving));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends the server in order; nothing moves afterwards.
    pub(crate) async fn ends(self) {
        tokio::time::timeout(FOR_EVER, self.server.shut_down()).await.expect("a server that ends");
        for device in &self.devices {
            assert!(device.is_at_rest(), "the server has ended and it moves: {}", shown(device));
        }
    }
}

/// One device of each archetype, with its name in the catalogue. The order is that of the devices' indexes, which inputs
/// refer to: what is new comes last.
const DEVICES: [(Archetype, &str); Archetype::ALL.len()] = [
    (Archetype::OneMotorVibrator, "Simulated 1-Motor Vibrator"),
    (Archetype::TwoMotorVibrator, "Simulated 2-Motor Vibrator"),
    (Archetype::Rotator, "Simulated Rotator"),
    (Archetype::Oscillator, "Simulated Oscillator"),
    (Archetype::Stroker, "Simulated Stroker"),
    (Archetype::PressureSensor, "Simulated Pressure Sensor"),
    (Archetype::Pump, "Simulated Pump"),
    (Archetype::Warmer, "Simulated Warmer"),
];

/// A device and what it was last told.
pub(crate) fn shown(device: &SimulatedDevice) -> String {
    format!("{device:?}, last told {:?}", device.all_last())
}

fn unheard_of(device: &SimulatedDevice, feature: FeatureIndex, kind: OutputKind) -> String {
    format!("{device:?} was told {kind} of feature {feature}, which nobody listed")
}

/// Lets everything run that can run now: the clock goes on, by its smallest step, only when everybody waits.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
