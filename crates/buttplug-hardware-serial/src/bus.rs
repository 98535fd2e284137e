//! The bus: reports the ports that are wanted and there, and opens them.

use crate::error::PortError;
use crate::find::{exists, system_ports, wanted};
use crate::port;
use async_trait::async_trait;
use buttplug_hardware_blocking::{Finder, Link, Search};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::definition::PortRule;
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug_server::hardware::{BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The pause between two looks for ports. A port that could not be used is tried again after it, and after longer ones then.
pub const SEARCH_PAUSE: Duration = Duration::from_secs(2);

/// How long opening may take. On Windows a port of Bluetooth waits for its device.
pub const OPEN_TIME: Duration = Duration::from_secs(10);

/// Ports open at the same time: each has two threads.
pub const MAX_PORTS: usize = 64;

/// The bus of serial ports. Finds and opens those that its rules want, and no others.
#[derive(Debug)]
pub struct SerialBus {
    rules: Arc<Rules>,
    search: Search,
    /// One for each port that may be open; a port gives its own back when it has been closed.
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Rules {
    wanted: Mutex<Vec<PortRule>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SerialBus {
    /// A bus that looks for these ports.
    pub fn new(ports: impl IntoIterator<Item = PortRule>) -> Self {
        let rules = Rules { wanted: Mutex::new(ports.into_iter().collect()) };
        Self {
            rules: Arc::new(rules),
            search: Search::new(SEARCH_PAUSE),
            places: Arc::new(Semaphore::new(MAX_PORTS)),
        }
    }

    /// Looks for these ports from now on. Open ones stay open.
    pub fn set_ports(&self, ports: impl IntoIterator<Item = PortRule>) {
        *locked(&self.rules.wanted) = ports.into_iter().collect();
        self.search.look();
    }
}

impl Finder for Rules {
    fn find(&self) -> Option<Vec<Sighting>> {
        let rules = locked(&self.wanted).clone();
        if rules.is_empty() {
            return Some(Vec::new());
        }
        Some(wanted(&rules, &system_ports(), exists))
    }
}

#[async_trait]
impl HardwareBus for SerialBus {
    fn kind(&self) -> BusKind {
        BusKind::Serial
    }

    /// None: a write lasts as long as the line needs.
    fn message_gap(&self, _hardware: BusKind) -> Duration {
        Duration::ZERO
    }

    async fn attach(&self, events: BusEvents) {
        let finder: Arc<dyn Finder> = Arc::<Rules>::clone(&self.rules);
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
        let Advertisement::Serial { port, .. } = &sighting.advertisement else {
            return Err(HardwareError::NoProtocolFits);
        };
        let settings = wirings.iter().enumerate().find_map(|(place, wiring)| match wiring {
            Wiring::Serial(settings) => Some((place, *settings)),
            Wiring::Bluetooth(_) | Wiring::Direct => None,
        });
        let (wiring, settings) = settings.ok_or(HardwareError::NoProtocolFits)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| PortError::TooMany { port: port.clone(), max: MAX_PORTS })?;
        let opening = tokio::task::spawn_blocking({
            let port = port.clone();
            move || port::open(&port, settings)
        });
        // A port that opens later is closed again, on its own thread.
        let halves = match timeout(OPEN_TIME, opening).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(HardwareError::Failed(format!("opening the port {port} panicked"))),
            Err(_) => return Err(PortError::TookTooLong { port: port.clone(), after: OPEN_TIME }.into()),
        };
        let (link, events) = Link::new(halves, place)?;
        Ok(OpenHardware { hardware: Arc::new(link), events, wiring, endpoints: Vec::new() })
    }

    async fn refuse(&self, sighting: &Sighting, _reason: &str) {
        self.search.refused(&sighting.address);
    }

    async fn shut_down(&self) {
        self.search.shut_down().await;
    }
}
