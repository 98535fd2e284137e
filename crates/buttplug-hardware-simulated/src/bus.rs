//! The bus on which simulated devices are found.
//!
//! A scan reports every device that is there, once, and then that it has ended.

use crate::device::SimulatedDevice;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A bus of devices that live in the process.
pub struct SimulatedBus {
    kind: BusKind,
    message_gap: Duration,
    devices: Mutex<Vec<SimulatedDevice>>,
    search: Arc<Search>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What is searched for, and what wakes the task that reports.
#[derive(Default)]
struct Search {
    wanted: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the search that goes on.
    going_on: Option<u64>,
    /// How many there have been.
    begun: u64,
    /// What the last one is to report.
    found: Vec<SimulatedDevice>,
}

impl Search {
    /// Begins a search that finds this. One that goes on ends without a word: there is one end for both.
    fn begin(&self, found: Vec<SimulatedDevice>) {
        let mut state = locked(&self.state);
        state.begun += 1;
        state.going_on = Some(state.begun);
        state.found = found;
        drop(state);
        self.wanted.notify_one();
    }

    /// The search that goes on, and what it is to report.
    fn take(&self) -> Option<(u64, Vec<SimulatedDevice>)> {
        let mut state = locked(&self.state);
        let found = std::mem::take(&mut state.found);
        state.going_on.map(|number| (number, found))
    }

    fn is_going_on(&self, number: u64) -> bool {
        locked(&self.state).going_on == Some(number)
    }

    /// Ends the search if it is this one. False: it is not.
    fn end(&self, number: u64) -> bool {
        let mut state = locked(&self.state);
        let is_this = state.going_on == Some(number);
        if is_this {
            state.going_on = None;
        }
        is_this
    }

    fn end_any(&self) {
        locked(&self.state).going_on = None;
    }
}

impl SimulatedBus {
    /// A bus with these devices and no message gap.
    pub fn new(devices: impl IntoIterator<Item = SimulatedDevice>) -> Self {
        Self {
            kind: BusKind::Simulated,
            message_gap: Duration::ZERO,
            devices: Mutex::new(devices.into_iter().collect()),
            search: Arc::default(),
            task: Mutex::new(None),
        }
    }

    /// The same bus under the flag of another one, for devices that play that bus's hardware.
    #[must_use]
    pub fn playing(mut self, kind: BusKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same bus with this least time between writes to a device.
    #[must_use]
    pub fn with_message_gap(mut self, gap: Duration) -> Self {
        self.message_gap = gap;
        self
    }

    /// Adds a device. The next scan reports it.
    pub fn add(&self, device: SimulatedDevice) {
        locked(&self.devices).push(device);
    }

    /// The devices, those out of reach included.
    pub fn devices(&self) -> Vec<SimulatedDevice> {
        locked(&self.devices).clone()
    }
}

/// A panic elsewhere leaves nothing half-done in what these locks protect.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports what a search finds. May wait for room: it is the bus's own task, and nobody waits for it.
async fn report(search: Arc<Search>, events: BusEvents) {
    loop {
        search.wanted.notified().await;
        let Some((number, found)) = search.take() else { continue };
        for device in found {
            if !search.is_going_on(number) {
                break;
            }
            if device.is_present() && events.send(BusEvent::Sighted(device.sighting())).await.is_err() {
                return;
            }
        }
        if search.end(number) && events.send(BusEvent::ScanningFinished).await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl HardwareBus for SimulatedBus {
    fn kind(&self) -> BusKind {
        self.kind
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        self.message_gap
    }

    async fn attach(&self, events: BusEvents) {
        let task = tokio::spawn(report(Arc::clone(&self.search), events));
        let before = locked(&self.task).replace(task);
        if let Some(before) = before {
            before.abort();
        }
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.search.begin(self.devices());
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.search.end_any();
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        locked(&self.search.state).going_on.is_some()
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let device = self.devices().into_iter().find(|device| device.address() == sighting.address);
        device.ok_or(HardwareError::Gone)?.open(wirings)
    }

    async fn shut_down(&self) {
        self.search.end_any();
        let task = locked(&self.task).take();
        if let Some(task) = task {
            task.abort();
            // The only outcome is the one asked for: cancelled.
            let _ = task.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archetype::Archetype;
    use tokio::sync::mpsc;

    fn bus_of(count: usize) -> (SimulatedBus, Vec<SimulatedDevice>) {
        let device = |n| SimulatedDevice::new(Archetype::Rotator, format!("simulated:{n}"));
        let devices: Vec<_> = (0..count).map(device).collect();
        (SimulatedBus::new(devices.clone()), devices)
    }

    async fn next_scan(bus: &SimulatedBus, events: &mut mpsc::Receiver<BusEvent>) -> Vec<String> {
        bus.start_scanning().await.unwrap();
        let mut found = Vec::new();
        loop {
            match events.recv().await.unwrap() {
                BusEvent::Sighted(sighting) => found.push(sighting.address),
                BusEvent::ScanningFinished => return found,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_reports_every_device_that_is_there_and_then_its_end() {
        let (bus, devices) = bus_of(3);
        let (events, mut reports) = mpsc::channel(1);
        bus.attach(events).await;
        assert_eq!(next_scan(&bus, &mut reports).await, ["simulated:0", "simulated:1", "simulated:2"]);
        assert!(!bus.is_scanning());
        devices[1].vanish();
        assert_eq!(next_scan(&bus, &mut reports).await, ["simulated:0", "simulated:2"]);
        devices[1].reappear();
        bus.add(SimulatedDevice::new(Archetype::Stroker, "simulated:new"));
        assert_eq!(next_scan(&bus, &mut reports).await.len(), 4);
        bus.shut_down().await;
        assert_eq!(reports.recv().await, None, "the task that reports has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_begins_while_another_reports_finds_everything_and_has_its_end() {
        let (bus, _devices) = bus_of(3);
        let (events, mut reports) = mpsc::channel(1);
        bus.attach(events).await;
        bus.start_scanning().await.unwrap();
        assert!(matches!(reports.recv().await, Some(BusEvent::Sighted(_))));
        bus.add(SimulatedDevice::new(Archetype::Stroker, "simulated:new"));
        let found = next_scan(&bus, &mut reports).await;
        // What the first had under way may come before.
        assert!(
            found
                .ends_with(&["simulated:0", "simulated:1", "simulated:2", "simulated:new"].map(String::from)),
            "{found:?}"
        );
        assert!(!bus.is_scanning());
        assert!(
            tokio::time::timeout(Duration::from_secs(1), reports.recv()).await.is_err(),
            "one end for both"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_scan_reports_no_more_and_no_end() {
        let (bus, _devices) = bus_of(3);
        let (events, mut reports) = mpsc::channel(1);
        bus.attach(events).await;
        bus.start_scanning().await.unwrap();
        assert!(bus.is_scanning());
        bus.stop_scanning().await.unwrap();
        assert!(!bus.is_scanning());
        assert!(tokio::time::timeout(Duration::from_secs(1), reports.recv()).await.is_err());
        assert_eq!(next_scan(&bus, &mut reports).await.len(), 3, "and can be started again");
    }

    #[tokio::test]
    async fn what_was_never_there_can_not_be_opened() {
        let (bus, devices) = bus_of(1);
        let mut sighting = devices[0].sighting();
        assert!(bus.open(&sighting, &[&Wiring::Direct]).await.is_ok());
        sighting.address.push('x');
        assert_eq!(bus.open(&sighting, &[&Wiring::Direct]).await.err(), Some(HardwareError::Gone));
    }
}
