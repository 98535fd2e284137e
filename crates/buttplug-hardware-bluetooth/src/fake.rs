//! A radio that tests play: adapters and hardware in memory, with what was done to them.

use crate::radio::{
    Abilities, Adapter, AdapterName, Characteristic, Note, Peer, Radio, RadioError, RadioEvent, Reports,
    Spot, View,
};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Where hardware is seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    adapter: AdapterName,
    address: String,
}

impl Place {
    pub(crate) fn new(adapter: &str, address: &str) -> Self {
        Self { adapter: adapter.into(), address: address.into() }
    }
}

impl Spot for Place {
    fn address(&self) -> &str {
        &self.address
    }

    fn adapter(&self) -> &AdapterName {
        &self.adapter
    }
}

pub(crate) const SERVICE: Uuid = Uuid(0xfff0);
pub(crate) const TX: usize = 0;
pub(crate) const RX: usize = 1;
pub(crate) const BATTERY: usize = 2;
pub(crate) const NAME: usize = 3;

/// What the toys of these tests have, in the order of the constants above.
pub(crate) fn characteristics() -> Vec<Characteristic> {
    let one =
        |service, uuid, abilities| Characteristic { service: Uuid(service), uuid: Uuid(uuid), abilities };
    let none = Abilities::default();
    let long = |short: u128| short << 96 | 0x1000_8000_0080_5f9b_34fb;
    vec![
        one(SERVICE.0, 0xfff1, Abilities { write: true, write_unconfirmed: true, ..none }),
        one(SERVICE.0, 0xfff2, Abilities { notify: true, read: true, ..none }),
        one(SERVICE.0, 0xfff3, Abilities { read: true, ..none }),
        one(long(0x1800), long(0x2a00), Abilities { read: true, ..none }),
    ]
}

/// The wiring of a protocol that such a toy speaks.
pub(crate) fn wiring() -> Wiring {
    let endpoints = [(Endpoint::Tx, 0xfff1), (Endpoint::Rx, 0xfff2), (Endpoint::RxBleBattery, 0xfff3)];
    let endpoints = endpoints.map(|(endpoint, uuid)| (endpoint, Uuid(uuid)));
    Wiring::Bluetooth(BTreeMap::from([(SERVICE, BTreeMap::from(endpoints))]))
}

/// A piece of hardware.
pub(crate) struct Toy {
    pub(crate) view: View,
    pub(crate) characteristics: Vec<Characteristic>,
    /// How many attempts to connect fail before one succeeds.
    pub(crate) refusals: u32,
    pub(crate) connect_time: Duration,
    pub(crate) disconnect_time: Duration,
    /// How long it takes until the system says how it is.
    pub(crate) look_time: Duration,
    /// How long it takes until a request is answered.
    pub(crate) answer_time: Duration,
    /// The link ends just after it was made.
    pub(crate) drops_at_once: bool,
    /// The system says that the link has ended, although it is up.
    pub(crate) denied: bool,
    /// The system takes no writes.
    pub(crate) stalled: bool,
    /// What reads find.
    pub(crate) value: Vec<u8>,
    /// What reads fail with instead.
    pub(crate) read_error: Option<RadioError>,
    /// What was written.
    pub(crate) arrived: Vec<u8>,
    notes: Option<mpsc::Sender<Note>>,
    subscribed: BTreeSet<usize>,
}

#[derive(Default)]
struct World {
    adapters: Vec<Adapter>,
    problem: Option<RadioError>,
    scanning: BTreeSet<AdapterName>,
    toys: BTreeMap<Place, Toy>,
    log: Vec<String>,
}

/// The radio, and the hand that plays it.
#[derive(Clone)]
pub(crate) struct FakeRadio {
    world: Arc<Mutex<World>>,
    reports: Reports<Place>,
}

impl FakeRadio {
    /// A radio with one adapter, `hci0`, that is on.
    pub(crate) fn new(reports: Reports<Place>) -> Self {
        let radio = Self { world: Arc::default(), reports };
        radio.set_adapters(&[("hci0", true)]);
        radio
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn log(&self, line: String) {
        self.world().log.push(line);
    }

    /// What was done since this was last asked.
    pub(crate) fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.world().log)
    }

    pub(crate) fn set_adapters(&self, adapters: &[(&str, bool)]) {
        let adapters = adapters.iter().map(|(name, on)| Adapter { name: (*name).into(), powered: Some(*on) });
        self.world().adapters = adapters.collect();
    }

    pub(crate) fn set_problem(&self, problem: Option<RadioError>) {
        self.world().problem = problem;
    }

    /// Switches the adapter.
    pub(crate) fn power(&self, on: bool) {
        self.set_adapters(&[("hci0", on)]);
        self.world().scanning.clear();
        self.reports.events.try_send(RadioEvent::Power("hci0".into(), on)).unwrap();
    }

    pub(crate) fn is_scanning(&self) -> bool {
        !self.world().scanning.is_empty()
    }

    /// Puts a toy within reach.
    pub(crate) fn add(&self, address: &str, name: &str) {
        let view = View { name: name.into(), rssi: Some(-50), ..View::default() };
        let toy = Toy {
            view,
            characteristics: characteristics(),
            refusals: 0,
            connect_time: Duration::from_millis(100),
            disconnect_time: Duration::from_millis(2500),
            look_time: Duration::ZERO,
            answer_time: Duration::from_millis(20),
            drops_at_once: false,
            denied: false,
            stalled: false,
            value: vec![85, 1, 2],
            read_error: None,
            arrived: Vec::new(),
            notes: None,
            subscribed: BTreeSet::new(),
        };
        self.world().toys.insert(Place::new("hci0", address), toy);
        self.advertise(address);
    }

    /// Changes a toy.
    pub(crate) fn change(&self, address: &str, change: impl FnOnce(&mut Toy)) {
        change(self.world().toys.get_mut(&Place::new("hci0", address)).unwrap());
    }

    /// The toy advertises, once.
    pub(crate) fn advertise(&self, address: &str) {
        if self.is_scanning() {
            // Full is what happens in a crowd.
            let _ = self.reports.events.try_send(RadioEvent::Heard(Place::new("hci0", address)));
        }
    }

    /// The link to a toy ends by itself.
    pub(crate) fn drop_link(&self, address: &str) {
        let place = Place::new("hci0", address);
        self.change(address, |toy| {
            toy.view.connected = false;
            toy.notes = None;
        });
        self.reports.losses.try_send(place).unwrap();
    }

    /// The toy notifies.
    pub(crate) fn notify(&self, address: &str, place: usize, data: &[u8]) {
        self.change(address, |toy| {
            if let Some(notes) = &toy.notes {
                let _ = notes.try_send(Note { place, data: data.to_vec() });
            }
        });
    }

    fn toy<T>(&self, place: &Place, use_: impl FnOnce(&mut Toy) -> T) -> Result<T, RadioError> {
        let mut world = self.world();
        let reachable = world.adapters.iter().any(|adapter| adapter.name == place.adapter);
        world.toys.get_mut(place).filter(|_| reachable).map(use_).ok_or(RadioError::NotConnected)
    }
}

#[async_trait]
impl Radio for FakeRadio {
    type Spot = Place;

    async fn adapters(&self) -> Result<Vec<Adapter>, RadioError> {
        let world = self.world();
        world.problem.clone().map_or_else(|| Ok(world.adapters.clone()), Err)
    }

    async fn start_scan(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        self.log(format!("scan on {adapter}"));
        self.world().scanning.insert(adapter.clone());
        Ok(())
    }

    async fn stop_scan(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        self.log(format!("no scan on {adapter}"));
        self.world().scanning.remove(adapter);
        Ok(())
    }

    async fn known(&self, adapter: &AdapterName) -> Result<Vec<Place>, RadioError> {
        Ok(self.world().toys.keys().filter(|place| place.adapter == *adapter).cloned().collect())
    }

    async fn look(&self, spot: &Place) -> Result<View, RadioError> {
        sleep(self.toy(spot, |toy| toy.look_time)?).await;
        self.toy(spot, |toy| toy.view.clone())
    }

    async fn connect(&self, spot: &Place) -> Result<Box<dyn Peer>, RadioError> {
        self.log(format!("connect {}", spot.address));
        sleep(self.toy(spot, |toy| toy.connect_time)?).await;
        let characteristics = self.toy(spot, |toy| {
            if toy.refusals > 0 {
                toy.refusals -= 1;
                return Err(RadioError::Failed("le-connection-abort-by-local".into()));
            }
            toy.view.connected = true;
            Ok(toy.characteristics.clone())
        })??;
        Ok(Box::new(FakePeer { radio: self.clone(), place: spot.clone(), characteristics }))
    }

    async fn disconnect(&self, spot: &Place) -> Result<(), RadioError> {
        self.log(format!("disconnect {}", spot.address));
        sleep(self.toy(spot, |toy| toy.disconnect_time)?).await;
        self.toy(spot, |toy| toy.view.connected = false)
    }

    async fn shut_down(&self) {
        self.log("end".into());
    }
}

struct FakePeer {
    radio: FakeRadio,
    place: Place,
    characteristics: Vec<Characteristic>,
}

impl FakePeer {
    fn connected<T>(&self, use_: impl FnOnce(&mut Toy) -> T) -> Result<T, RadioError> {
        let answer = |toy: &mut Toy| {
            if toy.view.connected && !toy.denied { Ok(use_(toy)) } else { Err(RadioError::NotConnected) }
        };
        self.radio.toy(&self.place, answer)?
    }

    /// Waits for the toy's answer.
    async fn answered(&self) -> Result<(), RadioError> {
        sleep(self.connected(|toy| toy.answer_time)?).await;
        self.connected(|_| ())
    }
}

#[async_trait]
impl Peer for FakePeer {
    fn characteristics(&self) -> &[Characteristic] {
        &self.characteristics
    }

    async fn listen(&self, notes: mpsc::Sender<Note>) -> Result<(), RadioError> {
        if self.connected(|toy| toy.drops_at_once)? {
            self.radio.drop_link(&self.place.address);
            sleep(Duration::from_millis(10)).await;
            return Ok(());
        }
        self.connected(|toy| toy.notes = Some(notes))
    }

    async fn write(&self, place: usize, data: &[u8], confirmed: bool) -> Result<(), RadioError> {
        while self.connected(|toy| toy.stalled)? {
            sleep(Duration::from_millis(10)).await;
        }
        self.connected(|toy| toy.arrived.extend_from_slice(data))?;
        let sort = if confirmed { "request" } else { "command" };
        self.radio.log(format!("{sort} {place} {data:02x?}"));
        if confirmed { self.answered().await } else { Ok(()) }
    }

    async fn read(&self, place: usize) -> Result<Vec<u8>, RadioError> {
        self.radio.log(format!("read {place}"));
        self.answered().await?;
        self.connected(|toy| toy.read_error.clone().map_or_else(|| Ok(toy.value.clone()), Err))?
    }

    async fn subscribe(&self, place: usize, wanted: bool) -> Result<(), RadioError> {
        self.radio.log(format!("subscribe {place} {wanted}"));
        self.answered().await?;
        self.connected(|toy| {
            if wanted {
                toy.subscribed.insert(place);
            } else {
                toy.subscribed.remove(&place);
            }
        })
    }
}
