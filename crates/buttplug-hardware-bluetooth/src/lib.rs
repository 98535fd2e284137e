//! The bus of Bluetooth Low Energy devices, through the operating system's own stack: BlueZ, WinRT, CoreBluetooth.
//!
//! [`BluetoothBus`] finds devices while somebody searches, opens them, and seeks those that are lost in use for a
//! while. An adapter that is missing or off is a [`BluetoothState`], not an error: the search goes on when it is there
//! again. Knows no protocols and no sessions.
//!
//! Everything that is decided is decided without the radio, and tested so: `finder.rs` with `adapters.rs`,
//! `sightings.rs` and `seek.rs` decides whom to look for and what to report; `lane.rs` what may go to a device when;
//! `places.rs` which endpoints it has. `bus.rs` and `link.rs` are the shells around them, `radio.rs` is what they need
//! of the system, and `platform.rs` gets it from btleplug.

mod adapters;
mod bus;
#[cfg(test)]
mod fake;
mod finder;
mod lane;
mod limits;
mod link;
mod places;
mod platform;
mod radio;
mod seek;
mod sightings;
#[cfg(test)]
mod tests;

pub use adapters::BluetoothState;
pub use limits::*;

use crate::bus::Bus;
use crate::platform::System;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::panic::Location;
use std::time::Duration;

/// Devices on the Bluetooth of this machine. Costs nothing until somebody searches.
///
/// Wants a tokio runtime with time and I/O.
pub struct BluetoothBus(Bus<System>);

impl BluetoothBus {
    /// The bus. Asks nothing of the system yet.
    pub fn new() -> Self {
        Self(Bus::new(System::new))
    }

    /// For a program in which nobody asked for Bluetooth: that it is not there is no warning, until it has been.
    #[must_use]
    pub fn unasked(self) -> Self {
        self.0.expect(false);
        self
    }

    /// How Bluetooth stands, as far as it was looked at in a search.
    pub fn state(&self) -> BluetoothState {
        self.0.state()
    }
}

impl Default for BluetoothBus {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for BluetoothBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BluetoothBus").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Looks how Bluetooth stands on this machine now.
pub async fn survey() -> BluetoothState {
    let mut adapters = adapters::Adapters::default();
    let found = tokio::time::timeout(CHORE_TIME, platform::survey()).await;
    let late = |_| Err(radio::RadioError::NoService("the system's Bluetooth service does not answer".into()));
    adapters.surveyed(std::time::Instant::now(), found.unwrap_or_else(late));
    adapters.state()
}

/// Whether a panic at this place is one that the bus lives with: `bluez-async` 0.9 unwraps, in a task of its own, the
/// answer to taking back a subscription that the connection has just handed out. Nothing is lost with that task.
pub fn is_harmless_panic(place: &Location<'_>) -> bool {
    is_harmless_file(place.file())
}

fn is_harmless_file(file: &str) -> bool {
    file.contains("bluez-async") && file.ends_with("messagestream.rs")
}

#[async_trait]
impl HardwareBus for BluetoothBus {
    fn kind(&self) -> BusKind {
        self.0.kind()
    }

    fn message_gap(&self, hardware: BusKind) -> Duration {
        self.0.message_gap(hardware)
    }

    async fn attach(&self, events: BusEvents) {
        self.0.attach(events).await;
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.0.start_scanning().await
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.0.stop_scanning().await
    }

    fn is_scanning(&self) -> bool {
        self.0.is_scanning()
    }

    fn seeks(&self, address: &str) -> bool {
        self.0.seeks(address)
    }

    fn awaits(&self, address: &str) -> bool {
        self.0.awaits(address)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        self.0.open(sighting, wirings).await
    }

    async fn refuse(&self, sighting: &Sighting, reason: &str) {
        self.0.refuse(sighting, reason).await;
    }

    async fn shut_down(&self) {
        self.0.shut_down().await;
    }
}

#[cfg(test)]
mod harmless {
    use super::is_harmless_file;

    #[test]
    fn only_the_known_place_of_the_known_library_is_harmless() {
        for (file, harmless) in [
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bluez-async-0.9.0/src/messagestream.rs",
                true,
            ),
            ("vendor/bluez-async/src/messagestream.rs", true),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bluez-async-0.9.0/src/lib.rs",
                false,
            ),
            ("crates/buttplug-hardware-bluetooth/src/bus.rs", false),
            ("crates/somewhere/src/messagestream.rs", false),
        ] {
            assert_eq!(is_harmless_file(file), harmless, "{file}");
        }
    }
}
