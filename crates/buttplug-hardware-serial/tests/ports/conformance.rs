//! The contract that all buses keep, and what is special about ports.

use crate::pty::Pty;
use async_trait::async_trait;
use buttplug_hardware_serial::SerialBus;
use buttplug_protocols::catalogue::{SerialSettings, Wiring};
use buttplug_protocols::definition::PortRule;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug_server::hardware::conformance::{Bench, check};
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareError, OpenHardware};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

struct Port {
    pty: Pty,
    bus: Arc<SerialBus>,
}

fn wiring(baud_rate: u32) -> Wiring {
    Wiring::Serial(SerialSettings { baud_rate, data_bits: 8, parity: 'N', stop_bits: 1 })
}

#[async_trait]
impl Bench for Port {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<SerialBus>::clone(&self.bus)
    }

    /// Fast, so that the terminal's buffer is soon full.
    fn wiring(&self) -> Wiring {
        wiring(4_000_000)
    }

    async fn appear(&mut self) {
        self.pty.plug();
    }

    async fn vanish(&mut self) {
        self.pty.unplug();
    }

    async fn arrived(&mut self) -> Vec<u8> {
        self.pty.arrived().await
    }

    async fn say(&mut self, data: &[u8]) {
        self.pty.say(data);
    }

    async fn prepare_read(&mut self, data: &[u8]) -> bool {
        self.pty.say(data);
        true
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.pty.stall(stalled);
        true
    }
}

#[tokio::test]
async fn the_contract_of_all_buses_is_kept() {
    let pty = Pty::new();
    let bus = Arc::new(SerialBus::new([PortRule::Named(pty.name())]));
    check(&mut Port { pty, bus }).await;
}

fn sighting(pty: &Pty) -> Sighting {
    let port = pty.name();
    Sighting::new(port.clone(), Advertisement::Serial { port, usb: None })
}

async fn open(bus: &SerialBus, pty: &Pty, baud_rate: u32) -> OpenHardware {
    bus.open(&sighting(pty), &[&wiring(baud_rate)]).await.unwrap()
}

#[tokio::test]
async fn only_ports_that_somebody_wants_are_seen() {
    let (wanted, other) = (Pty::plugged(), Pty::plugged());
    let bus = SerialBus::new([PortRule::Named(wanted.name())]);
    let (events, mut reports) = mpsc::channel(8);
    bus.attach(events).await;
    bus.start_scanning().await.unwrap();
    let mut next = async || timeout(Duration::from_secs(20), reports.recv()).await.unwrap();
    assert_eq!(next().await, Some(BusEvent::Sighted(sighting(&wanted))));
    assert_eq!(next().await, Some(BusEvent::Sighted(sighting(&wanted))), "again and again");
    bus.set_ports([PortRule::Named(other.name())]);
    let mut last = None;
    while last != Some(BusEvent::Sighted(sighting(&other))) {
        last = next().await;
        assert!(last.is_some());
    }
    bus.shut_down().await;
}

#[tokio::test]
async fn a_port_is_had_by_one_only() {
    let pty = Pty::plugged();
    let bus = SerialBus::new([]);
    assert_eq!((bus.kind(), bus.message_gap(BusKind::Serial)), (BusKind::Serial, Duration::ZERO));
    let first = open(&bus, &pty, 9600).await;
    let second = bus.open(&sighting(&pty), &[&wiring(9600)]).await.err().unwrap();
    assert!(second.to_string().contains("in use by another program"), "{second}");
    first.hardware.close().await;
    open(&bus, &pty, 9600).await.hardware.close().await;
    // Dropped is closed, too, if later.
    drop(open(&bus, &pty, 9600).await);
    let opened = timeout(Duration::from_secs(20), async {
        while bus.open(&sighting(&pty), &[&wiring(9600)]).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert!(opened.await.is_ok());
}

#[tokio::test]
async fn a_write_lasts_as_long_as_the_line_needs_so_that_nothing_piles_up_before_a_stop() {
    let mut pty = Pty::plugged();
    let bus = SerialBus::new([]);
    let hardware = open(&bus, &pty, 9600).await.hardware;
    let begun = Instant::now();
    hardware.write(&Frame::new(Endpoint::Tx, &[b'x'; 96])).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
    pty.hears(&[b'x'; 96]).await;
    hardware.close().await;
}

#[tokio::test]
async fn a_stalled_port_holds_up_no_other_and_closes_all_the_same() {
    let (stalled, mut other) = (Pty::plugged(), Pty::plugged());
    let bus = SerialBus::new([]);
    let first = open(&bus, &stalled, 4_000_000).await.hardware;
    let second = open(&bus, &other, 4_000_000).await.hardware;
    stalled.stall(true);
    let value = Frame::new(Endpoint::Tx, &[b'v'; 500]);
    while first.write(&value).await.is_ok() {}
    let waiting = tokio::spawn({
        let first = Arc::clone(&first);
        async move { first.write(&value).await }
    });
    tokio::task::yield_now().await;
    second.write(&Frame::new(Endpoint::Tx, b"stop")).await.unwrap();
    other.hears(b"stop").await;
    assert!(!waiting.is_finished(), "the other one still waits");
    assert_eq!(waiting.await.unwrap(), Err(HardwareError::TimedOut("a write")));
    timeout(Duration::from_secs(5), first.close()).await.expect("a stalled port closes");
    second.close().await;
}

#[tokio::test]
async fn what_is_said_early_is_heard_by_whoever_comes_first() {
    let pty = Pty::plugged();
    let bus = SerialBus::new([]);
    let mut open = open(&bus, &pty, 9600).await;
    pty.say(b"hello");
    assert_eq!(open.hardware.read(Endpoint::Rx, 20).await, Ok(b"hello".to_vec()));
    // One who reads takes nothing away from those who subscribed.
    open.hardware.subscribe(Endpoint::Tx).await.unwrap();
    let reading = tokio::spawn({
        let hardware = Arc::clone(&open.hardware);
        async move { hardware.read(Endpoint::Rx, 20).await }
    });
    tokio::task::yield_now().await;
    pty.say(b"again");
    assert_eq!(reading.await.unwrap(), Ok(b"again".to_vec()));
    let heard = timeout(Duration::from_secs(20), open.events.recv()).await.unwrap();
    assert!(format!("{heard:?}").contains("again"), "{heard:?}");
    let silence = open.hardware.read(Endpoint::Rx, 20).await;
    assert_eq!(silence, Err(HardwareError::TimedOut("a read")), "and silence is an error, soon");
}
