//! The contract that all buses keep.

use super::{App, list, toy};
use crate::connect::{ConnectBus, ConnectSettings};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::HardwareBus;
use buttplug_server::hardware::conformance::{Bench, check};
use std::sync::Arc;
use std::time::Duration;

struct ToyOfOurs {
    app: Arc<App>,
    bus: Arc<ConnectBus>,
    /// How many commands have been taken.
    taken: usize,
}

#[async_trait]
impl Bench for ToyOfOurs {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<ConnectBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        Wiring::Direct
    }

    fn speaks_at(&self) -> Option<Endpoint> {
        None
    }

    fn reads_at(&self) -> Option<Endpoint> {
        None
    }

    /// A path to ask for.
    fn frame(&self, bytes: &[u8]) -> Frame {
        Frame::new(Endpoint::Tx, &[b"Vibrate?v=", bytes].concat())
    }

    async fn appear(&mut self) {
        self.app.change(|state| state.toys = Ok(list(&[toy("a", "Lush", true, 85)])));
    }

    async fn vanish(&mut self) {
        self.app.change(|state| state.toys = Ok(list(&[toy("a", "Lush", false, 85)])));
    }

    async fn arrived(&mut self) -> Vec<u8> {
        loop {
            if let Some(path) = self.app.commands().get(self.taken) {
                self.taken += 1;
                return path.trim_start_matches('/').into();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn say(&mut self, _data: &[u8]) {}

    async fn prepare_read(&mut self, _data: &[u8]) -> bool {
        false
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.app.change(|state| state.delay = (!stalled).then_some(Duration::from_millis(5)));
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_all_buses_is_kept() {
    let app = App::new(&[]);
    let bus = Arc::new(ConnectBus::with_web(ConnectSettings::default(), app.clone()));
    check(&mut ToyOfOurs { app, bus, taken: 0 }).await;
}
