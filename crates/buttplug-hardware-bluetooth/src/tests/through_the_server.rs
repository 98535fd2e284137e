//! The bus under a whole server.

use super::*;
use crate::limits::SEEK_EAGERLY;
use crate::radio::{Abilities, Characteristic};
use buttplug_client::core::{FeatureIndex, OutputKind};
use buttplug_client::{Client, Device, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_protocols::sighting::Uuid;
use buttplug_server::Server;
use std::sync::Arc;

/// Toys of the catalogue with two motors, of which nothing can be read, driven through a whole server.
struct Driven {
    radio: FakeRadio,
    server: Server,
    client: Client,
    /// The first of them.
    device: Device,
}

impl Driven {
    async fn new() -> Self {
        let driven = Self::of(&["AA"]).await;
        sleep(SECOND).await;
        driven.radio.done();
        driven
    }

    async fn of(addresses: &[&str]) -> Self {
        let bus = Arc::new(Bus::new(FakeRadio::new));
        let radio = bus.radio().clone();
        let uuid = |short: u128| Uuid(short << 96 | 0x1000_8000_0080_5f9b_34fb);
        let abilities = Abilities { write: true, write_unconfirmed: true, ..Abilities::default() };
        let tx = Characteristic { service: uuid(0xff00), uuid: uuid(0xff01), abilities };
        let server = Server::builder().bus(bus).start();
        let client = Client::new("test");
        client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
        client.start_scanning().await.unwrap();
        for (before, address) in addresses.iter().enumerate() {
            radio.add(address, "Massage Demo");
            radio.change(address, |toy| toy.characteristics = vec![tx]);
            // One after the other, so that the first has the first index.
            while client.devices().len() == before {
                radio.advertise(address);
                sleep(100 * MS).await;
            }
        }
        let device = client.devices().remove(0);
        Self { radio, server, client, device }
    }

    async fn vibrate(&self, steps: i32) {
        let output = Output::new(OutputKind::Vibrate, Value::Steps(steps));
        self.device.feature(FeatureIndex(0)).unwrap().run_output(output).await.unwrap();
        sleep(100 * MS).await;
    }

    /// What has been written a second after a stop was asked for.
    async fn stopped(&self) -> Vec<String> {
        let stop = async {
            // It is answered when the zeros are confirmed, which they are not.
            let _ = timeout(SECOND, self.client.stop_all()).await;
        };
        tokio::join!(stop, sleep(SECOND));
        self.radio.done()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_first_zero_is_the_proof_has_its_other_zeros_written_all_the_same() {
    let driven = Driven::new().await;
    driven.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    for value in [40, 50, 60] {
        driven.vibrate(value).await;
    }
    let values = ["command 0 [f1, 28]", "command 0 [f1, 32]", "command 0 [f1, 3c]"];
    assert_eq!(driven.radio.done(), values);
    assert_eq!(driven.stopped().await, ["request 0 [f1, 00]", "command 0 [f2, 00]"]);
    driven.server.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_value_that_is_the_proof() {
    let driven = Driven::new().await;
    driven.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    for value in [40, 50, 60, 70] {
        driven.vibrate(value).await;
    }
    assert_eq!(driven.radio.done().last().map(String::as_str), Some("request 0 [f1, 46]"));
    assert_eq!(driven.stopped().await, ["command 0 [f1, 00]", "command 0 [f2, 00]"]);
    driven.server.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_device_that_rested_comes_back_although_the_server_searches_for_one_that_ran() {
    let driven = Driven::of(&["AA", "BB"]).await;
    driven.vibrate(40).await;
    driven.client.stop_scanning().await.unwrap();
    sleep(SECOND).await;
    for address in ["AA", "BB"] {
        driven.radio.change(address, |toy| toy.view.rssi = None);
        driven.radio.drop_link(address);
    }
    sleep(SEEK_EAGERLY + 20 * SECOND).await;
    assert_eq!(driven.client.devices().len(), 0);
    driven.radio.change("BB", |toy| toy.view.rssi = Some(-50));
    let returned = Instant::now();
    while driven.client.devices().is_empty() && returned.elapsed() < 20 * SECOND {
        driven.radio.advertise("BB");
        sleep(100 * MS).await;
    }
    assert_eq!(driven.client.devices().len(), 1, "it is still sought");
    driven.server.shut_down().await;
}
