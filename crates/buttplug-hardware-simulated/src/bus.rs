//! The bus on which simulated devices are found.
//!
//! A scan reports every device that is there, once, and then that it has ended.

use crate::device::SimulatedDevice;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Wakes the task that reports.
#[derive(Default)]
struct Search {
    wanted: Notify,
    going_on: AtomicBool,
    found: Mutex<Vec<SimulatedDevice>>,
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
        let found = std::mem::take(&mut *locked(&search.found));
        for device in found {
            if !search.going_on.load(Ordering::Acquire) {
                break;
            }
            if device.is_present() && events.send(BusEvent::Sighted(device.sighting())).await.is_err() {
                return;
            }
        }
        let ended_by_itself = search.going_on.swap(false, Ordering::AcqRel);
        if ended_by_itself && events.send(BusEvent::ScanningFinished).await.is_err() {
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
        *locked(&self.search.found) = self.devices();
        self.search.going_on.store(true, Ordering::Release);
        self.search.wanted.notify_one();
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.search.going_on.store(false, Ordering::Release);
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        self.search.going_on.load(Ordering::Acquire)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let device = self.devices().into_iter().find(|device| device.address() == sighting.address);
        device.ok_or(HardwareError::Gone)?.open(wirings)
    }

    async fn shut_down(&self) {
        self.search.going_on.store(false, Ordering::Release);
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
