//! The bus with pads of ours. Its threads run in real time.

mod conformance;

use crate::bus::GamepadBus;
use crate::limits::{BATTERY_TRIES, MESSAGE_GAP};
use crate::motors::{Motors, Rumble};
use crate::pad::{Pad, PadError, PadInfo, Pads};
use buttplug_client::core::{InputKind, OutputKind};
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::Server;
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareError, HardwareEvent, OpenHardware};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Longer than anything takes here.
const AGES: Duration = Duration::from_secs(20);

/// Pads that can be plugged in and out, and remember what they were told.
#[derive(Clone, Default)]
struct Room(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    pads: BTreeMap<String, Known>,
    forbidden: bool,
    /// These hang in the operating system.
    hanging: Option<String>,
    /// The next rumble panics.
    panics: bool,
}

struct Known {
    motors: Motors,
    battery: Option<u8>,
    /// It does not say how full it is.
    silent: bool,
    /// How often it was asked for that, in all and when it was last set to rest.
    asked: u32,
    asked_at_rest: u32,
    set: Vec<Rumble>,
}

impl Room {
    fn with(pads: &[(&str, Motors, Option<u8>)]) -> Self {
        let room = Self::default();
        for (address, motors, battery) in pads {
            room.plug(address, *motors, *battery);
        }
        room
    }

    fn plug(&self, address: &str, motors: Motors, battery: Option<u8>) {
        let known = Known { motors, battery, silent: false, asked: 0, asked_at_rest: 0, set: Vec::new() };
        self.change(|state| state.pads.insert(address.into(), known));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.0.1.notify_all();
        changed
    }

    fn set(&self, address: &str) -> Vec<Rumble> {
        self.state().pads[address].set.clone()
    }

    /// The state, once no pad of this address hangs.
    fn reach(&self, address: &str) -> MutexGuard<'_, State> {
        let hangs = |state: &mut State| state.hanging.as_deref() == Some(address);
        self.0.1.wait_while(self.state(), hangs).unwrap()
    }
}

impl Pads for Room {
    fn list(&self) -> Result<Vec<PadInfo>, PadError> {
        let state = self.state();
        Ok(state.pads.keys().map(|address| PadInfo::new(address.clone(), "Pad of Ours")).collect())
    }

    fn open(&self, address: &str) -> Result<Box<dyn Pad>, PadError> {
        let state = self.reach(address);
        if state.forbidden {
            return Err(PadError::Open {
                place: address.into(),
                reason: String::from("forbidden"),
                hint: "",
            });
        }
        let known = state.pads.get(address).ok_or_else(|| PadError::Lost(String::from("unplugged")))?;
        Ok(Box::new(OpenPad { room: self.clone(), address: address.into(), motors: known.motors }))
    }
}

struct OpenPad {
    room: Room,
    address: String,
    motors: Motors,
}

impl OpenPad {
    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> Result<T, PadError> {
        let mut state = self.room.reach(&self.address);
        let lost = || PadError::Lost(String::from("unplugged"));
        state.pads.get_mut(&self.address).map(look).ok_or_else(lost)
    }
}

impl Pad for OpenPad {
    fn motors(&self) -> Motors {
        self.motors
    }

    fn rumble(&mut self, rumble: Rumble, time: Duration) -> Result<(), PadError> {
        assert!(time >= Duration::from_secs(1), "a rumble is set again before it ends");
        assert!(!std::mem::take(&mut self.room.state().panics), "as asked for");
        self.with(|known| {
            if rumble == Rumble::REST {
                known.asked_at_rest = known.asked;
            }
            known.set.push(rumble);
        })
    }

    fn battery(&mut self) -> Result<Option<u8>, PadError> {
        self.with(|known| {
            known.asked += 1;
            if known.silent { Ok(None) } else { known.battery.map(Some).ok_or(PadError::NoBattery) }
        })?
    }

    fn is_connected(&mut self) -> bool {
        self.with(|_| ()).is_ok()
    }
}

struct World {
    room: Room,
    bus: GamepadBus,
    events: mpsc::Receiver<BusEvent>,
}

impl World {
    async fn new(room: &Room) -> Self {
        let bus = GamepadBus::with_pads(Arc::new(room.clone()));
        let (sender, events) = mpsc::channel(8);
        bus.attach(sender).await;
        Self { room: room.clone(), bus, events }
    }

    async fn sighted(&mut self) -> Sighting {
        match timeout(AGES, self.events.recv()).await {
            Ok(Some(BusEvent::Sighted(sighting))) => sighting,
            other => panic!("no sighting but {other:?}"),
        }
    }

    async fn open(&mut self) -> OpenHardware {
        self.bus.start_scanning().await.unwrap();
        let sighting = self.sighted().await;
        self.bus.stop_scanning().await.unwrap();
        self.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap()
    }
}

fn frame(low: u16, high: u16, left: u16, right: u16) -> Frame {
    let bytes: Vec<u8> =
        [low, high, left, right].iter().flat_map(|strength| strength.to_le_bytes()).collect();
    Frame::new(Endpoint::Tx, &bytes)
}

fn main_only(low: u16, high: u16) -> Rumble {
    Rumble { low, high, left: 0, right: 0 }
}

async fn end(open: &mut OpenHardware) -> String {
    match timeout(AGES, open.events.recv()).await {
        Ok(Some(HardwareEvent::Gone(reason))) => reason,
        other => panic!("no end but {other:?}"),
    }
}

#[tokio::test]
async fn a_pad_rests_also_if_what_drives_it_panics() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None)])).await;
    let mut open = world.open().await;
    open.hardware.write(&frame(9, 0, 0, 0)).await.unwrap();
    world.room.change(|state| state.panics = true);
    assert_eq!(open.hardware.write(&frame(20, 0, 0, 0)).await, Err(HardwareError::Gone));
    assert!(end(&mut open).await.contains("panicked"));
    assert_eq!(world.room.set("a").last(), Some(&Rumble::REST));
}

#[tokio::test]
async fn a_pad_is_reported_when_it_appears_and_by_each_new_search() {
    let mut world = World::new(&Room::default()).await;
    world.bus.start_scanning().await.unwrap();
    assert!(world.bus.is_scanning());
    world.room.plug("a", Motors::Main, None);
    let sighting = world.sighted().await;
    assert_eq!(
        (sighting.bus(), sighting.address.as_str(), sighting.name()),
        (BusKind::Gamepad, "a", "Pad of Ours")
    );
    assert!(timeout(Duration::from_millis(2500), world.events.recv()).await.is_err(), "once");
    world.bus.start_scanning().await.unwrap();
    assert_eq!(world.sighted().await, sighting);
    world.bus.stop_scanning().await.unwrap();
    world.room.plug("b", Motors::Main, None);
    assert!(timeout(Duration::from_millis(1500), world.events.recv()).await.is_err(), "nobody searches");
    assert_eq!(world.bus.message_gap(BusKind::Gamepad), MESSAGE_GAP);
    world.bus.shut_down().await;
    assert!(!world.bus.is_scanning() && world.bus.start_scanning().await.is_err());
}

#[tokio::test]
async fn a_pad_says_which_motors_it_has_and_how_full_it_is() {
    for (motors, identifier, battery) in [
        (Motors::Main, "__sdl-rumble", Some(77)),
        (Motors::MainAndTriggers, "__sdl-rumble-and-triggers", Some(0)),
        (Motors::Triggers, "__sdl-triggers-only", None),
    ] {
        let mut world = World::new(&Room::with(&[("a", motors, battery)])).await;
        let open = world.open().await;
        assert_eq!(open.hardware.read(Endpoint::Generic(0), 20).await, Ok(identifier.into()));
        let level = open.hardware.read(Endpoint::Rx, 20).await;
        assert_eq!(level.ok(), battery.map(|level| vec![level]), "{identifier}");
        assert!(open.hardware.read(Endpoint::Tx, 20).await.is_err());
        assert!(open.hardware.subscribe(Endpoint::Rx).await.is_err());
        world.bus.shut_down().await;
    }
}

#[tokio::test]
async fn a_pad_that_does_not_say_how_full_it_is_is_set_to_rest_meanwhile() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, Some(50))])).await;
    let open = world.open().await;
    open.hardware.write(&frame(9, 0, 0, 0)).await.unwrap();
    world.room.change(|state| {
        state.pads.get_mut("a").unwrap().silent = true;
        state.hanging = Some("a".into());
    });
    let rest = frame(0, 0, 0, 0);
    // Both are asked for before the pad says or takes anything.
    let go_on = async { world.room.change(|state| state.hanging = None) };
    let (level, rested, ()) =
        tokio::join!(open.hardware.read(Endpoint::Rx, 20), open.hardware.write(&rest), go_on);
    assert!(level.is_err() && rested.is_ok());
    let (asked, at_rest) = world.room.change(|state| (state.pads["a"].asked, state.pads["a"].asked_at_rest));
    assert_eq!(asked, BATTERY_TRIES);
    assert!(at_rest <= 1, "it was asked {at_rest} times before");
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_rumble_goes_on_until_it_is_stopped() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None)])).await;
    let open = world.open().await;
    assert_eq!(world.room.set("a"), [Rumble::REST], "whoever had it before");
    open.hardware.write(&frame(32768, 32767, 0, 0)).await.unwrap();
    let repeated = async {
        while world.room.set("a").len() < 4 {
            sleep(Duration::from_millis(5)).await;
        }
        world.room.set("a")
    };
    let set = timeout(AGES, repeated).await.unwrap();
    assert_eq!(set[1..4], [main_only(32768, 32767), main_only(32769, 32767), main_only(32768, 32767)]);
    open.hardware.write(&frame(0, 0, 0, 0)).await.unwrap();
    let stopped = world.room.set("a");
    sleep(Duration::from_millis(250)).await;
    assert_eq!(stopped.last(), Some(&Rumble::REST));
    assert_eq!(world.room.set("a"), stopped, "rest is not repeated");
    world.bus.shut_down().await;
}

#[tokio::test]
async fn what_a_pad_can_not_do_is_an_error_and_does_not_lose_it() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None)])).await;
    let open = world.open().await;
    assert!(open.hardware.write(&frame(0, 0, 1, 0)).await.is_err());
    assert!(open.hardware.write(&Frame::new(Endpoint::Tx, &[0; 4])).await.is_err());
    assert!(open.hardware.read(Endpoint::Rx, 1).await.is_err());
    open.hardware.write(&frame(1, 0, 0, 0)).await.unwrap();
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_pad_is_open_once_rests_when_it_is_closed_and_can_be_opened_again() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None)])).await;
    let open = world.open().await;
    world.bus.start_scanning().await.unwrap();
    let sighting = world.sighted().await;
    assert!(matches!(world.bus.open(&sighting, &[&Wiring::Direct]).await, Err(HardwareError::Failed(_))));
    open.hardware.write(&frame(9, 0, 0, 0)).await.unwrap();
    open.hardware.close().await;
    open.hardware.close().await;
    assert_eq!(world.room.set("a").last(), Some(&Rumble::REST));
    assert_eq!(open.hardware.write(&frame(9, 0, 0, 0)).await, Err(HardwareError::Gone));
    let again = world.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
    again.hardware.write(&frame(9, 0, 0, 0)).await.unwrap();
    drop(again.hardware);
    let rests = async {
        while world.room.set("a").last() != Some(&Rumble::REST) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(AGES, rests).await.expect("a pad that is dropped rests");
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_pad_that_is_unplugged_is_gone() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None), ("b", Motors::Main, None)])).await;
    let mut a = world.open().await;
    world.room.change(|state| state.pads.remove("a"));
    assert!(!end(&mut a).await.is_empty());
    assert_eq!(a.hardware.write(&frame(0, 0, 0, 0)).await, Err(HardwareError::Gone));
    world.room.change(|state| state.forbidden = true);
    world.bus.start_scanning().await.unwrap();
    let b = world.sighted().await;
    assert!(matches!(world.bus.open(&b, &[&Wiring::Direct]).await, Err(HardwareError::Failed(_))));
    world.room.change(|state| state.pads.clear());
    assert!(world.bus.open(&b, &[&Wiring::Direct]).await.is_err());
    world.bus.shut_down().await;
}

#[tokio::test]
async fn a_pad_that_hangs_holds_up_no_other_and_the_end_not_for_long() {
    let mut world = World::new(&Room::with(&[("a", Motors::Main, None), ("b", Motors::Main, None)])).await;
    let a = world.open().await;
    world.bus.start_scanning().await.unwrap();
    let mut b = world.sighted().await;
    if b.address == "a" {
        b = world.sighted().await;
    }
    let b = world.bus.open(&b, &[&Wiring::Direct]).await.unwrap();
    world.room.change(|state| state.hanging = Some(String::from("a")));
    let start = Instant::now();
    let (hanging, other) = (frame(1, 0, 0, 0), frame(2, 0, 0, 0));
    let stop = async {
        b.hardware.write(&other).await.unwrap();
        b.hardware.write(&frame(0, 0, 0, 0)).await.unwrap();
        start.elapsed()
    };
    let (hung, stopped) = tokio::join!(a.hardware.write(&hanging), stop);
    assert!(matches!(hung, Err(HardwareError::TimedOut(_))), "{hung:?}");
    assert!(stopped < Duration::from_secs(1), "{stopped:?}");
    world.bus.shut_down().await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(world.room.set("b").last(), Some(&Rumble::REST));
    world.room.change(|state| state.hanging = None);
}

#[tokio::test]
async fn through_a_server_a_pad_has_its_name_its_motors_and_its_battery_and_is_stopped() {
    let room = Room::with(&[("a", Motors::MainAndTriggers, Some(42))]);
    let bus = GamepadBus::with_pads(Arc::new(room.clone()));
    let server = Server::builder().bus(Arc::new(bus)).start();
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
    assert_eq!(device.name(), "Pad of Ours");
    assert_eq!(device.features_with_output(OutputKind::Vibrate).len(), 4);
    assert_eq!(device.read(InputKind::Battery).await.unwrap(), 42);
    device.run_output(Output::new(OutputKind::Vibrate, Value::Steps(65535))).await.unwrap();
    let full = Rumble { low: 65535, high: 65535, left: 65535, right: 65535 };
    let runs = async {
        while !room.set("a").contains(&full) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(AGES, runs).await.expect("it rumbles");
    server.shut_down().await;
    assert_eq!(room.set("a").last(), Some(&Rumble::REST));
}
