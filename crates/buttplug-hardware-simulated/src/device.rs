//! A simulated device, from its owner's side: what it was told, and what can happen to it.

use crate::archetype::Archetype;
use crate::link::Link;
use crate::told::{self, Told};
use buttplug_core::{FeatureIndex, OutputKind};
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, Sighting, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Writes that a device remembers; the oldest are forgotten first. Enough for a minute of the busiest device.
pub const MAX_LOGGED_WRITES: usize = 4096;

/// Charge of a fresh archetype's battery in percent.
const FRESH_BATTERY: u8 = 80;

/// One write that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When it had arrived.
    pub at: Instant,
    /// What arrived.
    pub frame: Frame,
}

/// What hardware says when it is written to.
pub(crate) type Responder = Box<dyn FnMut(&Frame) -> Vec<(Endpoint, Vec<u8>)> + Send>;

/// A device that lives in the process. Clones are handles to the same device.
#[derive(Clone)]
pub struct SimulatedDevice {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) state: Mutex<State>,
    /// Notified after every change of the state.
    pub(crate) changed: Notify,
    /// Held while a write is under way, so that slow writes arrive in order.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

pub(crate) struct State {
    pub(crate) sighting: Sighting,
    /// Services and their characteristics; `None`: whatever the protocol asks for is there.
    pub(crate) services: Option<BTreeMap<Uuid, BTreeSet<Uuid>>>,
    pub(crate) present: bool,
    pub(crate) link: Option<Link>,
    pub(crate) links_so_far: u64,
    pub(crate) write_time: Duration,
    pub(crate) writes_fail: bool,
    pub(crate) values: BTreeMap<Endpoint, Vec<u8>>,
    pub(crate) responder: Option<Responder>,
    log: VecDeque<Write>,
    arrived: u64,
    told: BTreeMap<(FeatureIndex, OutputKind), Told>,
}

impl State {
    /// Remembers a write and answers what the hardware says to it.
    pub(crate) fn arrive(&mut self, frame: &Frame) -> Vec<(Endpoint, Vec<u8>)> {
        if self.log.len() == MAX_LOGGED_WRITES {
            self.log.pop_front();
        }
        self.log.push_back(Write { at: Instant::now(), frame: frame.clone() });
        self.arrived += 1;
        if matches!(self.sighting.advertisement, Advertisement::Simulated { .. }) {
            if let Some((feature, kind, told)) = told::read(&frame.data) {
                self.told.insert((feature, kind), told);
            }
        }
        self.responder.as_mut().map(|responder| responder(frame)).unwrap_or_default()
    }
}

impl SimulatedDevice {
    /// A device of this kind at this address, with a battery at 80 %.
    pub fn new(archetype: Archetype, address: impl Into<String>) -> Self {
        let archetype = archetype.name().to_owned();
        let device = Self::playing(Sighting::new(address, Advertisement::Simulated { archetype }));
        device.set_battery(FRESH_BATTERY);
        device
    }

    /// Bluetooth hardware with this address and advertised name. Unless [`with_service`](Self::with_service) says
    /// what it has, it has whatever the first matching protocol asks for.
    pub fn bluetooth(address: impl Into<String>, name: impl Into<String>) -> Self {
        Self::playing(Sighting::new(
            address,
            Advertisement::Bluetooth {
                name: name.into(),
                manufacturer_data: Vec::new(),
                services: Vec::new(),
            },
        ))
    }

    /// Hardware that its bus would see like this.
    pub fn playing(sighting: Sighting) -> Self {
        let state = State {
            sighting,
            services: None,
            present: true,
            link: None,
            links_so_far: 0,
            write_time: Duration::ZERO,
            writes_fail: false,
            values: BTreeMap::new(),
            responder: None,
            log: VecDeque::new(),
            arrived: 0,
            told: BTreeMap::new(),
        };
        let inner =
            Inner { state: Mutex::new(state), changed: Notify::new(), writing: tokio::sync::Mutex::new(()) };
        Self { inner: Arc::new(inner) }
    }

    /// Also advertises this data of this company. Only Bluetooth hardware does.
    #[must_use]
    pub fn with_manufacturer_data(self, company: u16, data: impl Into<Vec<u8>>) -> Self {
        if let Advertisement::Bluetooth { manufacturer_data, .. } = &mut self.state().sighting.advertisement {
            manufacturer_data.push((company, data.into()));
        }
        self
    }

    /// Also advertises this service. Only Bluetooth hardware does.
    #[must_use]
    pub fn with_advertised_service(self, service: Uuid) -> Self {
        if let Advertisement::Bluetooth { services, .. } = &mut self.state().sighting.advertisement {
            services.push(service);
        }
        self
    }

    /// Has this service with these characteristics, and none but those named like this.
    #[must_use]
    pub fn with_service(self, service: Uuid, characteristics: impl IntoIterator<Item = Uuid>) -> Self {
        self.state().services.get_or_insert_default().entry(service).or_default().extend(characteristics);
        self
    }

    /// Says what `responder` answers to a write, as notifications of these endpoints. It must not call the handle.
    #[must_use]
    pub fn with_responder(
        self,
        responder: impl FnMut(&Frame) -> Vec<(Endpoint, Vec<u8>)> + Send + 'static,
    ) -> Self {
        self.state().responder = Some(Box::new(responder));
        self
    }

    /// Answers reads of `endpoint` with these bytes from now on.
    pub fn set_value(&self, endpoint: Endpoint, data: impl Into<Vec<u8>>) {
        self.change(|state| {
            state.values.insert(endpoint, data.into());
        });
    }

    /// Sets the charge of the battery, in percent; more than 100 is 100.
    pub fn set_battery(&self, percent: u8) {
        self.set_value(Endpoint::RxBleBattery, [percent.min(100)]);
    }

    /// Presses the sensor this hard, 0 to 65535. Whoever has subscribed hears of it.
    pub fn set_pressure(&self, pressure: u16) {
        // The catalogue's width; the range needs only half of it.
        let pressure = u32::from(pressure);
        let data = pressure.to_le_bytes();
        self.set_value(Endpoint::RxPressure, data);
        self.notify(Endpoint::RxPressure, data);
    }

    /// Notifies of these bytes. Answers whether somebody had subscribed and had room for them.
    pub fn notify(&self, endpoint: Endpoint, data: impl Into<Vec<u8>>) -> bool {
        self.state().link.as_ref().is_some_and(|link| link.notify(endpoint, data.into()))
    }

    /// The link breaks, and the device is out of reach.
    pub fn vanish(&self) {
        self.change(|state| {
            state.present = false;
            if let Some(link) = state.link.take() {
                link.lose("the simulated device has vanished");
            }
        });
    }

    /// The device is within reach again. The next scan reports it.
    pub fn reappear(&self) {
        self.change(|state| state.present = true);
    }

    /// From now on a write takes this long; what takes longer than [`MAX_WRITE_TIME`](crate::MAX_WRITE_TIME) fails
    /// then.
    pub fn slow_writes(&self, each: Duration) {
        self.change(|state| state.write_time = each);
    }

    /// From now on every write fails, or none. The link stays.
    pub fn fail_writes(&self, fail: bool) {
        self.change(|state| state.writes_fail = fail);
    }

    /// The address.
    pub fn address(&self) -> String {
        self.state().sighting.address.clone()
    }

    /// What its bus sees of it.
    pub fn sighting(&self) -> Sighting {
        self.state().sighting.clone()
    }

    /// Whether it is within reach.
    pub fn is_present(&self) -> bool {
        self.state().present
    }

    /// Whether a server has it open.
    pub fn is_connected(&self) -> bool {
        self.state().link.is_some()
    }

    /// Whether notifications of this endpoint are wanted.
    pub fn is_subscribed(&self, endpoint: Endpoint) -> bool {
        self.state().link.as_ref().is_some_and(|link| link.is_subscribed(endpoint))
    }

    /// The writes that arrived, oldest first; at most [`MAX_LOGGED_WRITES`].
    pub fn writes(&self) -> Vec<Write> {
        self.state().log.iter().cloned().collect()
    }

    /// How many writes have arrived in all, the forgotten ones included.
    pub fn write_count(&self) -> u64 {
        self.state().arrived
    }

    /// Forgets the writes. What the outputs were last told stays.
    pub fn forget_writes(&self) {
        self.state().log.clear();
    }

    /// What this output was last told; `None` if nothing. Only archetypes understand what they are told.
    pub fn last(&self, feature: FeatureIndex, kind: OutputKind) -> Option<Told> {
        self.state().told.get(&(feature, kind)).copied()
    }

    /// What all outputs were last told, in the order of features and kinds.
    pub fn all_last(&self) -> Vec<(FeatureIndex, OutputKind, Told)> {
        self.state().told.iter().map(|((feature, kind), told)| (*feature, *kind, *told)).collect()
    }

    /// Whether every output that can be stopped was last told zero, or never anything. A position has no rest.
    pub fn is_at_rest(&self) -> bool {
        self.state().told.iter().all(|((_, kind), told)| told.value == 0 || !kind.is_stoppable())
    }

    /// Waits until the device is so, for example until it was told something. Has no limit of its own.
    pub async fn wait_for(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    /// The state. A panic elsewhere leaves nothing half-done in it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.inner.changed.notify_waiters();
        result
    }
}

impl fmt::Debug for SimulatedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimulatedDevice")
            .field("sighting", &state.sighting)
            .field("present", &state.present)
            .field("connected", &state.link.is_some())
            .field("arrived", &state.arrived)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(device: &SimulatedDevice, frame: &str) {
        device.change(|state| state.arrive(&Frame::new(Endpoint::Tx, frame.as_bytes())));
    }

    #[test]
    fn a_device_knows_what_it_was_last_told() {
        let device = SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:1");
        assert!(device.is_at_rest());
        told(&device, "1 Vibrate 14");
        told(&device, "1 Vibrate 7");
        assert_eq!(
            device.last(FeatureIndex(1), OutputKind::Vibrate),
            Some(Told { value: 7, duration_ms: 0 })
        );
        assert_eq!(device.last(FeatureIndex(0), OutputKind::Vibrate), None);
        assert!(!device.is_at_rest());
        told(&device, "1 Vibrate 0");
        told(&device, "0 HwPositionWithDuration 80 in 500 ms");
        assert!(device.is_at_rest(), "a position is no movement");
        assert_eq!(device.all_last().len(), 2);
    }

    #[test]
    fn the_log_of_writes_is_bounded() {
        let device = SimulatedDevice::bluetooth("AA:BB", "LVS-Z");
        for n in 0..=MAX_LOGGED_WRITES {
            told(&device, &n.to_string());
        }
        let log = device.writes();
        assert_eq!(log.len(), MAX_LOGGED_WRITES);
        assert_eq!(&log[0].frame.data[..], b"1", "the oldest is forgotten");
        assert_eq!(device.write_count(), MAX_LOGGED_WRITES as u64 + 1);
        device.forget_writes();
        assert!(device.writes().is_empty());
    }

    #[test]
    fn bluetooth_hardware_says_of_itself_what_it_was_given() {
        let service = Uuid(0xfff0);
        let device = SimulatedDevice::bluetooth("AA:BB", "Toy")
            .with_manufacturer_data(93, [1, 2])
            .with_advertised_service(service);
        assert_eq!(
            device.sighting().advertisement,
            Advertisement::Bluetooth {
                name: "Toy".into(),
                manufacturer_data: vec![(93, vec![1, 2])],
                services: vec![service]
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_the_condition_holds() {
        let device = SimulatedDevice::new(Archetype::Rotator, "simulated:1");
        let waiting = tokio::spawn({
            let device = device.clone();
            async move { device.wait_for(|device| device.write_count() == 2).await }
        });
        told(&device, "0 Rotate 1");
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        told(&device, "0 Rotate 2");
        waiting.await.unwrap();
    }
}
