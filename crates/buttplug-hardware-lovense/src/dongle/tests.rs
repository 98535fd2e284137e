//! The bus against a dongle of ours, which speaks as the maker's does: it takes its time, holds one toy, and can be
//! unplugged. Its thread runs in real time.

mod conformance;

use super::bus::DongleBus;
use super::framing::Lines;
use super::port::{Port, PortError, Ports};
use buttplug_client::core::OutputKind;
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_protocols::catalogue::{Catalogue, Wiring};
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::Server;
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareError, HardwareEvent, OpenHardware};
use serde_json::Value as Json;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

const TOY: &str = "0082059AD3BD";

/// Longer than anything takes here.
const AGES: Duration = Duration::from_secs(20);

/// A dongle that may be plugged in, and the toy in its reach.
#[derive(Clone, Default)]
struct Dongle(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    plugged: bool,
    /// A toy is in reach, or connected.
    toy: bool,
    searching: bool,
    connected: bool,
    /// What it says next.
    says: Vec<u8>,
    lines: Lines,
    /// When its status was last asked for.
    asked: Option<Instant>,
    /// It was told something too soon.
    locked_up: bool,
    /// What the toy was told.
    told: Vec<String>,
    /// A write takes as long as this is true.
    stalled: bool,
    /// The toy is out of reach for so many commands.
    loses: u32,
}

impl Dongle {
    fn plugged() -> Self {
        let dongle = Self::default();
        dongle.change(|state| (state.plugged, state.toy) = (true, true));
        dongle
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.0.1.notify_all();
        changed
    }

    fn says(&self, line: &str) {
        self.change(|state| state.say(line));
    }

    /// What the toy was told, once it is at least so much.
    async fn told(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.state().told.len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(AGES, enough).await;
        self.state().told.clone()
    }
}

impl State {
    fn say(&mut self, line: &str) {
        self.says.extend_from_slice(line.as_bytes());
        self.says.extend_from_slice(b"\r\n");
    }

    fn hear(&mut self, line: &str) {
        if self.asked.is_some_and(|asked| asked.elapsed() < Duration::from_millis(250)) {
            self.locked_up = true;
        }
        if self.locked_up {
            return;
        }
        let order: Json = serde_json::from_str(line).unwrap();
        match (order["type"].as_str().unwrap(), order["func"].as_str().unwrap()) {
            ("toy", "statuss") => {
                self.asked = Some(Instant::now());
                if self.connected {
                    self.say(r#"{"type":"toy","func":"status","result":200,"data":{"id":"0082059AD3BD","status":202}}"#);
                }
            }
            ("toy", "search") => {
                self.searching = true;
                self.say(r#"{"type":"toy","func":"search","result":205}"#);
                if self.toy {
                    self.connected = true;
                    self.say(r#"{"type":"toy","func":"toyData","data":{"id":"0082059AD3BD","data":"Z:11:0082059AD3BD;"}}"#);
                }
            }
            ("usb", "stopSearch") => {
                self.searching = false;
                self.say(r#"{"type":"usb","func":"stopSearch","result":200}"#);
                self.say(r#"{"type":"toy","func":"search","result":206}"#);
            }
            ("toy", "command") => {
                assert_eq!(order["id"], TOY);
                let text = String::from(order["cmd"].as_str().unwrap());
                if self.loses > 0 {
                    self.loses -= 1;
                    return self.say(r#"{"type":"toy","func":"command","result":402}"#);
                }
                self.say(r#"{"type":"toy","func":"command","result":200}"#);
                if text == "DeviceType;" {
                    self.say(r#"{"type":"toy","func":"toyData","data":{"id":"0082059AD3BD","data":"Z:11:0082059AD3BD;"}}"#);
                } else {
                    self.say(r#"{"type":"toy","func":"toyData","data":{"id":"0082059AD3BD","data":"OK;"}}"#);
                }
                self.told.push(text);
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Ports for Dongle {
    fn find(&mut self) -> Result<Option<Box<dyn Port>>, PortError> {
        Ok(self.state().plugged.then(|| Box::new(self.clone()) as Box<dyn Port>))
    }
}

impl Port for Dongle {
    fn write(&mut self, line: &[u8]) -> Result<(), PortError> {
        let mut state = self.state();
        while state.stalled {
            state = self.0.1.wait(state).unwrap();
        }
        if !state.plugged {
            return Err(PortError::Lost(String::from("unplugged")));
        }
        for line in state.lines.take(line) {
            state.hear(&line);
        }
        Ok(())
    }

    fn read(&mut self, wait: Duration, text: &mut Vec<u8>) -> Result<(), PortError> {
        let quiet = |state: &mut State| state.plugged && state.says.is_empty();
        let (mut state, _) = self.0.1.wait_timeout_while(self.state(), wait, quiet).unwrap();
        if !state.plugged {
            return Err(PortError::Lost(String::from("unplugged")));
        }
        // A report at a time, so that lines come in pieces.
        let count = state.says.len().min(63);
        text.extend(state.says.drain(..count));
        Ok(())
    }
}

struct World {
    dongle: Dongle,
    bus: DongleBus,
    events: mpsc::Receiver<BusEvent>,
}

impl World {
    async fn new(dongle: Dongle) -> Self {
        let bus = DongleBus::with_ports(Box::new(dongle.clone()));
        let (sender, events) = mpsc::channel(8);
        bus.attach(sender).await;
        Self { dongle, bus, events }
    }

    async fn event(&mut self) -> BusEvent {
        timeout(AGES, self.events.recv()).await.expect("an event").expect("a bus")
    }

    async fn sighted(&mut self) -> Sighting {
        match self.event().await {
            BusEvent::Sighted(sighting) => sighting,
            BusEvent::ScanningFinished => panic!("the search has ended"),
        }
    }

    async fn open(&mut self) -> OpenHardware {
        self.bus.start_scanning().await.unwrap();
        let sighting = self.sighted().await;
        self.bus.open(&sighting, &[&Wiring::Direct, &lovense(&sighting)]).await.unwrap()
    }
}

fn lovense(sighting: &Sighting) -> Wiring {
    let candidates = Catalogue::builtin().candidates(sighting);
    assert_eq!(candidates[0].protocol(), "lovense");
    candidates[0].wiring().clone()
}

fn frame(text: &str) -> Frame {
    Frame::new(Endpoint::Tx, text.as_bytes())
}

async fn heard(open: &mut OpenHardware) -> HardwareEvent {
    timeout(AGES, open.events.recv()).await.expect("an event").expect("hardware")
}

#[tokio::test]
async fn a_toy_in_reach_is_found_asked_and_driven() {
    let mut world = World::new(Dongle::plugged()).await;
    let mut open = world.open().await;
    assert_eq!(world.event().await, BusEvent::ScanningFinished);
    assert!(!world.bus.is_scanning());
    assert_eq!((open.wiring, &open.endpoints[..]), (1, &[Endpoint::Tx, Endpoint::Rx][..]));
    open.hardware.subscribe(Endpoint::Rx).await.unwrap();
    open.hardware.write(&frame("DeviceType;")).await.unwrap();
    let data = b"Z:11:0082059AD3BD;"[..].into();
    assert_eq!(heard(&mut open).await, HardwareEvent::Notification { endpoint: Endpoint::Rx, data });
    open.hardware.unsubscribe(Endpoint::Rx).await.unwrap();
    open.hardware.write(&frame("DeviceType;")).await.unwrap();
    assert!(timeout(Duration::from_millis(300), open.events.recv()).await.is_err(), "nobody listens");
    assert!(open.hardware.subscribe(Endpoint::Tx).await.is_err());
    assert!(open.hardware.read(Endpoint::Rx, 20).await.is_err());
    assert!(open.hardware.write(&Frame::new(Endpoint::Tx, &[0xff])).await.is_err());
    assert!(!world.dongle.state().searching && !world.dongle.state().locked_up);
    assert_eq!(world.bus.message_gap(BusKind::Bluetooth), Duration::from_millis(75));
    world.bus.shut_down().await;
    assert_eq!(open.hardware.write(&frame("Vibrate:1;")).await, Err(HardwareError::Gone));
    assert!(world.bus.start_scanning().await.is_err() && !world.bus.is_scanning());
}

#[tokio::test]
async fn a_dongle_may_come_later_and_one_that_is_unplugged_takes_the_toy_with_it() {
    let mut world = World::new(Dongle::default()).await;
    world.bus.start_scanning().await.unwrap();
    assert!(world.bus.is_scanning());
    world.dongle.change(|state| (state.plugged, state.connected) = (true, true));
    // It has the toy from before, and says so when it is asked.
    let sighting = world.sighted().await;
    assert_eq!(sighting.address, TOY);
    let mut open = world.bus.open(&sighting, &[&lovense(&sighting)]).await.unwrap();
    world.dongle.change(|state| state.plugged = false);
    assert!(matches!(heard(&mut open).await, HardwareEvent::Gone(_)));
    assert_eq!(open.hardware.write(&frame("Vibrate:0;")).await, Err(HardwareError::Gone));
    assert_eq!(world.bus.open(&sighting, &[&lovense(&sighting)]).await.err(), Some(HardwareError::Gone));
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_toy_that_is_out_of_reach_is_gone_and_one_that_was_let_go_of_is_found_again() {
    let mut world = World::new(Dongle::plugged()).await;
    let mut open = world.open().await;
    assert_eq!(world.event().await, BusEvent::ScanningFinished);
    open.hardware.close().await;
    open.hardware.close().await;
    assert!(open.events.recv().await.is_none());
    let mut open = world.open().await;
    world
        .dongle
        .says(r#"{"type":"toy","func":"status","result":200,"data":{"id":"0082059AD3BD","status":403}}"#);
    assert!(matches!(heard(&mut open).await, HardwareEvent::Gone(_)));
    assert_eq!(open.hardware.write(&frame("Vibrate:0;")).await, Err(HardwareError::Gone));
    world.bus.shut_down().await;
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_toy_is_found_again_although_nobody_heard_that_it_was_closed() {
    let mut world = World::new(Dongle::plugged()).await;
    let open = world.open().await;
    assert_eq!(world.event().await, BusEvent::ScanningFinished);
    // The thread hangs in a write, and there is no room for one more request.
    world.dongle.change(|state| state.stalled = true);
    assert!(timeout(Duration::from_millis(50), open.hardware.write(&frame("Vibrate:1;"))).await.is_err());
    while world.bus.stop_scanning().await.is_ok() {}
    open.hardware.close().await;
    drop(open);
    world.dongle.change(|state| state.stalled = false);
    while world.bus.start_scanning().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let open = world.open().await;
    open.hardware.write(&frame("Vibrate:0;")).await.unwrap();
    assert_eq!(world.dongle.told(2).await, ["Vibrate:1;", "Vibrate:0;"]);
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_dongle_that_hangs_holds_up_neither_calls_nor_the_end_for_long() {
    let mut world = World::new(Dongle::plugged()).await;
    let open = world.open().await;
    world.dongle.change(|state| state.stalled = true);
    let start = Instant::now();
    assert!(matches!(open.hardware.write(&frame("Vibrate:1;")).await, Err(HardwareError::TimedOut(_))));
    // What nobody waits for any more is not said late; what was begun is.
    assert!(timeout(Duration::from_millis(50), open.hardware.write(&frame("Vibrate:9;"))).await.is_err());
    world.dongle.change(|state| state.stalled = false);
    open.hardware.write(&frame("Vibrate:0;")).await.unwrap();
    assert_eq!(world.dongle.told(2).await, ["Vibrate:1;", "Vibrate:0;"]);
    world.dongle.change(|state| state.stalled = true);
    assert!(open.hardware.write(&frame("Vibrate:2;")).await.is_err());
    world.bus.shut_down().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    world.dongle.change(|state| state.stalled = false);
}

#[tokio::test]
async fn through_a_server_a_toy_is_named_driven_and_stopped() {
    let dongle = Dongle::plugged();
    let server = Server::builder().bus(Arc::new(DongleBus::with_ports(Box::new(dongle.clone())))).start();
    let client = Client::new("test");
    client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
    let mut events = client.events();
    client.start_scanning().await.unwrap();
    let added = async {
        loop {
            if let Some(Event::DeviceAdded(device)) = events.next().await {
                return device;
            }
        }
    };
    let device: Device = timeout(AGES, added).await.expect("a device");
    assert_eq!(device.name(), "Lovense Hush");
    device.run_output(Output::new(OutputKind::Vibrate, Value::Steps(20))).await.unwrap();
    assert_eq!(dongle.told(2).await, ["DeviceType;", "Vibrate:20;"]);
    server.shut_down().await;
    assert_eq!(dongle.told(3).await.last().map(String::as_str), Some("Vibrate:0;"));
}

#[tokio::test]
async fn a_stop_that_is_lost_is_said_again_also_while_toy_and_bus_are_closed() {
    let mut world = World::new(Dongle::plugged()).await;
    let open = world.open().await;
    open.hardware.write(&frame("Vibrate:20;")).await.unwrap();
    assert_eq!(world.dongle.told(1).await, ["Vibrate:20;"]);
    // The zero, and the round that follows it at once.
    world.dongle.change(|state| state.loses = 2);
    open.hardware.write(&frame("Vibrate:0;")).await.unwrap();
    open.hardware.close().await;
    world.bus.shut_down().await;
    assert_eq!(world.dongle.state().told, ["Vibrate:20;", "Vibrate:0;"]);
}
