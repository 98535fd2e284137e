//! The bus as the server uses it, over a radio that the test plays, in paused time.

mod calls;
mod contract;
mod ends;
mod losses;
mod through_the_server;

use crate::adapters::BluetoothState;
use crate::bus::Bus;
use crate::fake::{FakeRadio, characteristics, wiring};
use crate::limits::CONNECT_TRIES;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareError, OpenHardware};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A bus, the radio under it, and the server's end of it.
struct Rig {
    bus: Bus<FakeRadio>,
    radio: FakeRadio,
    reports: mpsc::Receiver<BusEvent>,
}

impl Rig {
    async fn new() -> Self {
        let bus = Bus::new(FakeRadio::new);
        let radio = bus.radio().clone();
        let (events, reports) = mpsc::channel(64);
        bus.attach(events).await;
        Self { bus, radio, reports }
    }

    /// A search is going on.
    async fn searching() -> Self {
        let rig = Self::new().await;
        rig.bus.start_scanning().await.unwrap();
        sleep(SECOND).await;
        rig.radio.done();
        rig
    }

    /// What is reported within a second while everything that is there advertises.
    async fn reported(&mut self, addresses: &[&str]) -> Vec<Sighting> {
        self.reported_within(addresses, SECOND).await
    }

    async fn reported_within(&mut self, addresses: &[&str], time: Duration) -> Vec<Sighting> {
        let end = Instant::now() + time;
        let mut found = Vec::new();
        while Instant::now() < end {
            for address in addresses {
                self.radio.advertise(address);
            }
            sleep(100 * MS).await;
            while let Ok(BusEvent::Sighted(sighting)) = self.reports.try_recv() {
                found.push(sighting);
            }
        }
        found
    }

    async fn open(&self, sighting: &Sighting) -> Result<OpenHardware, HardwareError> {
        self.bus.open(sighting, &[&wiring()]).await
    }

    /// A toy that is found and open.
    async fn opened(&mut self, address: &str) -> (Sighting, OpenHardware) {
        self.radio.add(address, "LVS-Z001");
        let sighting = self.reported(&[address]).await.remove(0);
        let open = self.open(&sighting).await.unwrap();
        self.radio.done();
        (sighting, open)
    }
}

fn frame(byte: u8) -> Frame {
    Frame::new(Endpoint::Tx, &[byte])
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_until_somebody_searches_and_nothing_after() {
    let rig = Rig::new().await;
    sleep(60 * SECOND).await;
    assert_eq!(rig.radio.done(), Vec::<String>::new());
    assert_eq!(rig.bus.state(), BluetoothState::Unknown);
    rig.bus.start_scanning().await.unwrap();
    assert!(rig.bus.is_scanning());
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["scan on hci0"]);
    rig.bus.stop_scanning().await.unwrap();
    sleep(600 * SECOND).await;
    assert_eq!(rig.radio.done(), ["no scan on hci0"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_found_opened_driven_and_closed() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    let found = rig.reported(&["AA"]).await;
    assert_eq!(found.iter().map(Sighting::name).collect::<Vec<_>>(), ["LVS-Z001"]);
    let elsewhere = Wiring::Bluetooth(Default::default());
    let open = rig.bus.open(&found[0], &[&elsewhere, &wiring()]).await.unwrap();
    assert_eq!(open.wiring, 1);
    assert_eq!(open.endpoints, [Endpoint::Tx, Endpoint::Rx, Endpoint::RxBleBattery]);
    assert!(!open.hardware.was_connected());
    rig.radio.done();
    open.hardware.write(&frame(7)).await.unwrap();
    open.hardware.write(&frame(0).with_response()).await.unwrap();
    assert_eq!(open.hardware.read(Endpoint::RxBleBattery, 1).await, Ok(vec![85]));
    assert_eq!(rig.radio.done(), ["command 0 [07]", "request 0 [00]", "read 2"]);
    open.hardware.close().await;
    assert_eq!(rig.radio.done(), ["disconnect AA"]);
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
}

#[tokio::test(start_paused = true)]
async fn what_has_none_of_the_endpoints_is_not_accepted_and_disconnected() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.characteristics.truncate(0));
    let found = rig.reported(&["AA"]).await;
    assert_eq!(rig.open(&found[0]).await.err(), Some(HardwareError::NoProtocolFits));
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["connect AA", "disconnect AA"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_system_has_connected_already_is_found_and_known_to_be_so() {
    let mut rig = Rig::new().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| {
        toy.view.rssi = None;
        toy.view.connected = true;
    });
    rig.bus.start_scanning().await.unwrap();
    // It does not advertise.
    let found = rig.reported(&[]).await;
    let open = rig.open(&found[0]).await.unwrap();
    assert!(open.hardware.was_connected(), "so the server lets it rest first");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_is_tried_again() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.refusals = CONNECT_TRIES - 1);
    let found = rig.reported(&["AA"]).await;
    assert!(rig.open(&found[0]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_server_gives_up_is_ended() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.connect_time = 60 * SECOND);
    let found = rig.reported(&["AA"]).await;
    assert!(timeout(SECOND, rig.open(&found[0])).await.is_err());
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["connect AA", "disconnect AA"]);
}
