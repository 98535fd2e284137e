//! The bus: reports the devices that are wanted and there, opens them, and sees when they are gone.

use crate::error::HidError;
use crate::find::{HidEntry, devices, sighting};
use crate::system::{HidSystem, RealSystem};
use async_trait::async_trait;
use buttplug_hardware_blocking::{Finder, Halves, Link, LinkHandle, Search};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting, UsbIds};
use buttplug_server::hardware::{BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The pause between two looks for devices, and so how soon the end of an open one is noticed that nobody writes to.
pub const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// How long opening may take.
pub const OPEN_TIME: Duration = Duration::from_secs(5);

/// Devices open at the same time: each has up to two threads.
pub const MAX_DEVICES: usize = 64;

/// The bus of human interface devices. Finds and opens those of the makes it is given, and no others.
pub struct HidBus {
    view: Arc<View>,
    search: Search,
    /// One for each device that may be open.
    places: Arc<Semaphore>,
}

/// A device that is open, or was.
struct Opened {
    address: String,
    entry: HidEntry,
    link: LinkHandle,
}

/// What the bus knows of the system.
struct View {
    system: Arc<dyn HidSystem>,
    wanted: Mutex<Vec<UsbIds>>,
    /// What the last look found, by address.
    found: Mutex<BTreeMap<String, HidEntry>>,
    open: Mutex<Vec<Opened>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HidBus {
    /// A bus that looks for devices with these pairs of numbers.
    pub fn new(ids: impl IntoIterator<Item = UsbIds>) -> Self {
        Self::on(RealSystem::default(), ids)
    }

    /// A bus on another system, such as one that a test plays.
    pub fn on(system: impl HidSystem, ids: impl IntoIterator<Item = UsbIds>) -> Self {
        let view = View {
            system: Arc::new(system),
            wanted: Mutex::new(ids.into_iter().collect()),
            found: Mutex::default(),
            open: Mutex::default(),
        };
        Self {
            view: Arc::new(view),
            search: Search::new(SEARCH_PAUSE),
            places: Arc::new(Semaphore::new(MAX_DEVICES)),
        }
    }

    /// Looks for devices with these pairs of numbers from now on. Open ones stay open.
    pub fn set_ids(&self, ids: impl IntoIterator<Item = UsbIds>) {
        *locked(&self.view.wanted) = ids.into_iter().collect();
        self.search.look();
    }
}

impl std::fmt::Debug for HidBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HidBus").field("wanted", &locked(&self.view.wanted)).finish_non_exhaustive()
    }
}

impl Finder for View {
    fn find(&self) -> Option<Vec<Sighting>> {
        let wanted = locked(&self.wanted).clone();
        // Open ones are looked for, wanted or not.
        let open = self.still_open().iter().map(|opened| opened.entry.ids).collect();
        let mut ids = [wanted.clone(), open].concat();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Some(Vec::new());
        }
        let entries = match self.system.list(&ids) {
            Ok(entries) => entries,
            Err(reason) => {
                tracing::debug!(reason, "human interface devices can't be listed");
                return None;
            }
        };
        self.end_those_gone(&entries);
        let opened = |opened: &Opened| (opened.address.clone(), opened.entry.clone());
        let mut known: Vec<_> = self.still_open().iter().map(opened).collect();
        // Also one whose link has ended is what it was, as long as it is plugged in: it may be running.
        let is_same = |listed: &HidEntry, entry: &HidEntry| {
            listed.is_at(entry) && listed.serial_number == entry.serial_number
        };
        let is_listed = |entry: &HidEntry| entries.iter().any(|listed| is_same(listed, entry));
        let found = locked(&self.found).clone();
        known.extend(found.into_iter().filter(|(_, entry)| is_listed(entry)));
        let mut found = devices(entries, &known);
        found.retain(|_, entry| wanted.contains(&entry.ids));
        let sightings = found.iter().map(|(address, entry)| sighting(address, entry)).collect();
        *locked(&self.found) = found;
        Some(sightings)
    }

    /// A device that is not read does not tell its end.
    fn watches(&self) -> bool {
        !self.still_open().is_empty()
    }
}

impl View {
    /// The open ones, without those that have ended.
    fn still_open(&self) -> MutexGuard<'_, Vec<Opened>> {
        let mut open = locked(&self.open);
        open.retain(|opened| opened.link.is_open());
        open
    }

    fn end_those_gone(&self, entries: &[HidEntry]) {
        for Opened { entry, link, .. } in locked(&self.open).iter() {
            if !entries.iter().any(|listed| listed.is_at(entry)) {
                link.end("the device has been unplugged");
            }
        }
    }
}

#[async_trait]
impl HardwareBus for HidBus {
    fn kind(&self) -> BusKind {
        BusKind::Hid
    }

    /// None: a write lasts as long as the device needs to take its report.
    fn message_gap(&self, _hardware: BusKind) -> Duration {
        Duration::ZERO
    }

    async fn attach(&self, events: BusEvents) {
        let finder: Arc<dyn Finder> = Arc::<View>::clone(&self.view);
        self.search.attach(finder, events);
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.search.start();
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.search.stop();
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        self.search.is_scanning()
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let Advertisement::Hid { vendor_id, product_id, .. } = &sighting.advertisement else {
            return Err(HardwareError::NoProtocolFits);
        };
        let wiring = wirings.iter().position(|wiring| matches!(wiring, Wiring::Direct));
        let wiring = wiring.ok_or(HardwareError::NoProtocolFits)?;
        let entry = locked(&self.view.found).get(&sighting.address).cloned();
        // Another device may have come to that address meanwhile.
        let entry = entry.filter(|entry| entry.ids == (*vendor_id, *product_id));
        let entry = entry.ok_or_else(|| HidError::NotThere(sighting.address.clone()))?;
        let device = entry.path.to_string_lossy().into_owned();
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| HidError::TooMany { device: device.clone(), max: MAX_DEVICES })?;
        let opening = tokio::task::spawn_blocking({
            let (system, entry) = (Arc::clone(&self.view.system), entry.clone());
            move || system.open(&entry)
        });
        // A device that opens later is closed again, on its own thread.
        let halves: Halves = match timeout(OPEN_TIME, opening).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(HardwareError::Failed(format!("opening the device {device} panicked"))),
            Err(_) => return Err(HidError::TookTooLong { device, after: OPEN_TIME }.into()),
        };
        let (link, events) = Link::new(halves, place)?;
        let address = sighting.address.clone();
        locked(&self.view.open).push(Opened { address, entry, link: link.handle() });
        self.search.look();
        Ok(OpenHardware { hardware: Arc::new(link), events, wiring, endpoints: Vec::new() })
    }

    async fn refuse(&self, sighting: &Sighting, _reason: &str) {
        self.search.refused(&sighting.address);
    }

    async fn shut_down(&self) {
        self.search.shut_down().await;
    }
}
