//! The contract that all buses keep.

use super::{Dongle, TOY};
use crate::dongle::DongleBus;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_server::hardware::HardwareBus;
use buttplug_server::hardware::conformance::{Bench, check};
use std::sync::Arc;
use std::time::Duration;

struct ToyOfOurs {
    dongle: Dongle,
    bus: Arc<DongleBus>,
    /// How much of what it was told has been taken.
    taken: usize,
}

#[async_trait]
impl Bench for ToyOfOurs {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<DongleBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        let advertisement =
            Advertisement::Bluetooth { name: "LVS-Z001".into(), manufacturer_data: vec![], services: vec![] };
        super::lovense(&Sighting::new(TOY, advertisement))
    }

    /// It speaks in words, which the dongle wraps in others.
    fn says(&self) -> [&'static [u8]; 2] {
        [b"OK;", b"Z:11:0082059AD3BD;"]
    }

    async fn appear(&mut self) {
        self.dongle.change(|state| {
            (state.plugged, state.toy, state.connected) = (true, true, false);
            (state.says, state.asked) = (Vec::new(), None);
        });
    }

    async fn vanish(&mut self) {
        self.dongle.change(|state| state.plugged = false);
    }

    async fn arrived(&mut self) -> Vec<u8> {
        loop {
            let next = self.dongle.state().told.get(self.taken).cloned();
            if let Some(told) = next {
                self.taken += 1;
                return told.into_bytes();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn say(&mut self, data: &[u8]) {
        let said = String::from_utf8_lossy(data);
        self.dongle
            .says(&format!(r#"{{"type":"toy","func":"toyData","data":{{"id":"{TOY}","data":"{said}"}}}}"#));
    }

    async fn prepare_read(&mut self, _data: &[u8]) -> bool {
        false
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.dongle.change(|state| state.stalled = stalled);
        true
    }
}

#[tokio::test]
async fn the_contract_of_all_buses_is_kept() {
    let dongle = Dongle::default();
    let bus = Arc::new(DongleBus::with_ports(Box::new(dongle.clone())));
    check(&mut ToyOfOurs { dongle, bus, taken: 0 }).await;
}
