//! What every bus keeps.

use super::*;
use crate::fake::RX;
use async_trait::async_trait;
use buttplug_server::hardware::conformance::{Bench, check};
use std::sync::Arc;

/// A toy that advertises as long as it is there.
struct Contract {
    bus: Arc<Bus<FakeRadio>>,
    radio: FakeRadio,
    advertising: Option<tokio::task::JoinHandle<()>>,
}

#[async_trait]
impl Bench for Contract {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<Bus<FakeRadio>>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        wiring()
    }

    async fn appear(&mut self) {
        self.radio.add("AA", "LVS-Z001");
        let radio = self.radio.clone();
        self.advertising = Some(tokio::spawn(async move {
            loop {
                radio.advertise("AA");
                sleep(100 * MS).await;
            }
        }));
    }

    async fn vanish(&mut self) {
        if let Some(advertising) = self.advertising.take() {
            advertising.abort();
        }
        self.radio.drop_link("AA");
    }

    async fn arrived(&mut self) -> Vec<u8> {
        loop {
            let mut arrived = Vec::new();
            self.radio.change("AA", |toy| arrived = std::mem::take(&mut toy.arrived));
            if !arrived.is_empty() {
                return arrived;
            }
            sleep(10 * MS).await;
        }
    }

    async fn say(&mut self, data: &[u8]) {
        self.radio.notify("AA", RX, data);
    }

    async fn prepare_read(&mut self, data: &[u8]) -> bool {
        self.radio.change("AA", |toy| toy.value = data.to_vec());
        true
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.radio.change("AA", |toy| toy.stalled = stalled);
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_all_buses_is_kept() {
    let bus = Arc::new(Bus::new(FakeRadio::new));
    let radio = bus.radio().clone();
    check(&mut Contract { bus, radio, advertising: None }).await;
}

#[test]
fn toys_of_these_tests_have_what_their_wiring_wants() {
    let there = characteristics();
    assert_eq!(crate::places::first_fit(&[wiring()], &there).map(|(_, places)| places.len()), Some(3));
}
