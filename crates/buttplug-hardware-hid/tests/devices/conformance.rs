//! The contract that all buses keep, and what is special about these devices.

use crate::played::{Played, PlayedDevice, entry};
use async_trait::async_trait;
use buttplug_hardware_hid::HidBus;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting, UsbIds};
use buttplug_server::hardware::conformance::{Bench, check};
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareEvent};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const TOY: UsbIds = (0x1f54, 1);
const SOON: Duration = Duration::from_secs(20);

struct Toy {
    device: PlayedDevice,
    bus: Arc<HidBus>,
}

#[async_trait]
impl Bench for Toy {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<HidBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        Wiring::Direct
    }

    async fn appear(&mut self) {
        self.device.plug();
    }

    async fn vanish(&mut self) {
        self.device.unplug();
    }

    async fn arrived(&mut self) -> Vec<u8> {
        self.device.arrived().await
    }

    async fn say(&mut self, data: &[u8]) {
        self.device.say(data);
    }

    async fn prepare_read(&mut self, data: &[u8]) -> bool {
        self.device.say(data);
        true
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.device.stall(stalled);
        true
    }
}

#[tokio::test]
async fn the_contract_of_all_buses_is_kept() {
    let system = Played::default();
    let device = system.device(entry(TOY, Some("A7"), "Toy", "/dev/hidraw0"));
    let bus = Arc::new(HidBus::on(system, [TOY]));
    check(&mut Toy { device, bus }).await;
}

/// A bus with these devices, searching.
async fn searching(system: &Played) -> (HidBus, mpsc::Receiver<BusEvent>) {
    let bus = HidBus::on(system.clone(), [TOY]);
    let (events, reports) = mpsc::channel(8);
    bus.attach(events).await;
    bus.start_scanning().await.unwrap();
    (bus, reports)
}

async fn sighted(reports: &mut mpsc::Receiver<BusEvent>) -> Sighting {
    match timeout(SOON, reports.recv()).await.unwrap() {
        Some(BusEvent::Sighted(sighting)) => sighting,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_devices_of_a_make_that_somebody_wants_are_seen() {
    let system = Played::default();
    let toy = system.device(entry(TOY, Some("A7"), "Toy", "/dev/hidraw1"));
    let keyboard = system.device(entry((1, 2), Some("K"), "Keyboard", "/dev/hidraw0"));
    toy.plug();
    keyboard.plug();
    let (bus, mut reports) = searching(&system).await;
    assert_eq!((bus.kind(), bus.message_gap(BusKind::Hid)), (BusKind::Hid, Duration::ZERO));
    let advertisement = Advertisement::Hid { vendor_id: TOY.0, product_id: TOY.1, product: "Toy".into() };
    let expected = Sighting::new("A7", advertisement);
    assert_eq!(sighted(&mut reports).await, expected);
    assert_eq!(sighted(&mut reports).await, expected, "again and again, and nothing else");
    bus.set_ids([(1, 2)]);
    while sighted(&mut reports).await.address != "K" {}
    bus.shut_down().await;
}

#[tokio::test]
async fn one_that_nobody_hears_is_never_read_and_its_end_is_noticed_all_the_same() {
    let system = Played::default();
    let mut toy = system.device(entry(TOY, None, "Toy", "/dev/hidraw1"));
    toy.plug();
    let (bus, mut reports) = searching(&system).await;
    let sighting = sighted(&mut reports).await;
    assert_eq!(sighting.address, "/dev/hidraw1", "it has no number of its own");
    let mut open = bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    bus.stop_scanning().await.unwrap();
    open.hardware.write(&Frame::new(Endpoint::Tx, &[0, 1, 2])).await.unwrap();
    assert_eq!(toy.arrived().await, [0, 1, 2]);
    toy.unplug();
    let event = timeout(SOON, open.events.recv()).await.unwrap();
    assert_eq!(event, Some(HardwareEvent::Gone("the device has been unplugged".into())));
    assert_eq!(toy.reads(), 0);
    open.hardware.close().await;
    assert!(!toy.is_open());
    bus.shut_down().await;
}

#[tokio::test]
async fn another_device_at_the_same_address_is_not_opened_in_the_place_of_the_first() {
    let system = Played::default();
    let toy = system.device(entry(TOY, Some("0001"), "Toy", "/dev/hidraw1"));
    let other = system.device(entry((1, 2), Some("0001"), "Other", "/dev/hidraw2"));
    toy.plug();
    let (bus, mut reports) = searching(&system).await;
    bus.set_ids([TOY, (1, 2)]);
    let first = sighted(&mut reports).await;
    toy.unplug();
    other.plug();
    let mut second = sighted(&mut reports).await;
    while second.name() != "Other" {
        second = sighted(&mut reports).await;
    }
    assert_eq!(first.address, second.address);
    assert!(bus.open(&first, &[&Wiring::Direct]).await.is_err());
    assert!(!other.is_open());
    assert!(bus.open(&second, &[&Wiring::Direct]).await.is_ok());
    bus.shut_down().await;
}

#[tokio::test]
async fn one_that_was_open_keeps_its_address_when_another_with_its_number_comes() {
    let system = Played::default();
    let toy = system.device(entry(TOY, Some("0001"), "Toy", "/dev/hidraw1"));
    let other = system.device(entry(TOY, Some("0001"), "Toy", "/dev/hidraw2"));
    toy.plug();
    let (bus, mut reports) = searching(&system).await;
    let sighting = sighted(&mut reports).await;
    let open = bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    other.plug();
    let mut addresses = Vec::new();
    while addresses.last().is_none_or(|last| last != "/dev/hidraw2") {
        addresses.push(sighted(&mut reports).await.address);
    }
    addresses.pop();
    assert!(addresses.iter().all(|address| address == "0001"), "{addresses:?}");
    open.hardware.close().await;
    // It is still plugged in, and may be running.
    let mut addresses = BTreeSet::new();
    for _ in 0..6 {
        addresses.insert(sighted(&mut reports).await.address);
    }
    assert_eq!(addresses, ["/dev/hidraw2", "0001"].map(String::from).into());
    bus.shut_down().await;
}

#[tokio::test]
async fn whoever_may_not_open_a_device_is_told_what_to_do() {
    let system = Played::default();
    let toy = system.device(entry(TOY, None, "Toy", "/dev/hidraw1"));
    toy.plug();
    toy.forbid();
    let (bus, mut reports) = searching(&system).await;
    let sighting = sighted(&mut reports).await;
    let error = bus.open(&sighting, &[&Wiring::Direct]).await.err().unwrap().to_string();
    assert!(error.contains("/dev/hidraw1") && error.contains("udev-rules"), "{error}");
    bus.shut_down().await;
}
