//! The bus: a thread that looks for pads, and one for each pad that is open.

use crate::driver::{Driver, Requests};
use crate::finder::{Finder, Look};
use crate::hardware::Gamepad;
use crate::limits::{END_TIME, MAX_PADS, MESSAGE_GAP, WRITE_TIME};
use crate::motors::Motors;
use crate::pad::Pads;
use crate::system;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvents, HardwareBus, HardwareError, MAX_WAITING_EVENTS, OpenHardware};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

/// Game controllers that rumble.
pub struct GamepadBus {
    pads: Arc<dyn Pads>,
    searching: AtomicBool,
    finder: Mutex<Option<SyncSender<Look>>>,
    threads: Mutex<Vec<Thread>>,
    /// The addresses of pads that are open. A pad can be open once.
    open: Arc<Mutex<BTreeSet<String>>>,
    over: AtomicBool,
}

struct Thread {
    handle: JoinHandle<()>,
    /// Has no message; closed when the thread has ended.
    ended: watch::Receiver<()>,
    /// What ends it. The looking one is ended by its own channel.
    requests: Option<Requests>,
}

/// What the looking thread may be told before it has listened: a start and a stop or two.
const MAX_LOOKS: usize = 8;

/// A panic elsewhere leaves nothing half-done in what these locks protect.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for GamepadBus {
    fn default() -> Self {
        Self::new()
    }
}

impl GamepadBus {
    /// The pads of this machine. Nothing is looked at before the first search.
    pub fn new() -> Self {
        Self::with_pads(system::pads())
    }

    /// Pads that are found elsewhere, for example in a test.
    pub fn with_pads(pads: Arc<dyn Pads>) -> Self {
        Self {
            pads,
            searching: AtomicBool::new(false),
            finder: Mutex::default(),
            threads: Mutex::default(),
            open: Arc::default(),
            over: AtomicBool::new(false),
        }
    }

    fn tell(&self, look: Look) -> Result<(), HardwareError> {
        let finder = locked(&self.finder);
        finder.as_ref().ok_or(HardwareError::Gone)?.try_send(look).map_err(|error| match error {
            TrySendError::Full(_) => HardwareError::TimedOut("looking for gamepads"),
            TrySendError::Disconnected(_) => HardwareError::Gone,
        })
    }

    /// Starts a thread that is waited for at the end.
    fn start(
        &self,
        name: &str,
        requests: Option<Requests>,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<watch::Receiver<()>, HardwareError> {
        let (alive, ended) = watch::channel(());
        let run = move || {
            run();
            drop(alive);
        };
        let handle = std::thread::Builder::new().name(name.into()).spawn(run);
        let handle = handle.map_err(|error| HardwareError::Failed(format!("no thread: {error}")))?;
        let mut threads = locked(&self.threads);
        // Those that have ended are let go of here.
        threads.retain(|thread| thread.ended.has_changed().is_ok());
        threads.push(Thread { handle, ended: ended.clone(), requests });
        Ok(ended)
    }
}

/// A pad's place among those that are open; given back when its thread ends.
struct Place {
    open: Arc<Mutex<BTreeSet<String>>>,
    address: String,
}

impl Place {
    fn take(open: &Arc<Mutex<BTreeSet<String>>>, address: &str) -> Result<Self, HardwareError> {
        let mut addresses = locked(open);
        if addresses.len() >= MAX_PADS {
            return Err(HardwareError::Failed(format!("{MAX_PADS} gamepads are open, no more may be")));
        }
        if !addresses.insert(address.into()) {
            return Err(HardwareError::Failed(String::from("the gamepad is open already")));
        }
        Ok(Self { open: Arc::clone(open), address: address.into() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.open).remove(&self.address);
    }
}

#[async_trait]
impl HardwareBus for GamepadBus {
    fn kind(&self) -> BusKind {
        BusKind::Gamepad
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        MESSAGE_GAP
    }

    async fn attach(&self, events: BusEvents) {
        let (sender, told) = sync_channel(MAX_LOOKS);
        let pads = Arc::clone(&self.pads);
        let finder = Finder { pads, told, events, reported: BTreeSet::new(), problem: String::new() };
        match self.start("gamepads", None, || finder.run()) {
            Ok(_) => *locked(&self.finder) = Some(sender),
            Err(error) => tracing::error!(%error, "gamepads can't be looked for"),
        }
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.tell(Look::Start)?;
        self.searching.store(true, Ordering::Release);
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.searching.store(false, Ordering::Release);
        self.tell(Look::Stop)
    }

    fn is_scanning(&self) -> bool {
        self.searching.load(Ordering::Acquire)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let wiring = wirings.iter().position(|wiring| matches!(wiring, Wiring::Direct));
        let wiring = wiring.ok_or(HardwareError::NoProtocolFits)?;
        if self.over.load(Ordering::Acquire) {
            return Err(HardwareError::Gone);
        }
        let address = sighting.address.clone();
        let place = Place::take(&self.open, &address)?;
        let (requests, asked) = Requests::new();
        let (says, events) = mpsc::channel(MAX_WAITING_EVENTS);
        let (opening, opened) = oneshot::channel();
        let pads = Arc::clone(&self.pads);
        let ended = self.start("gamepad", Some(requests.clone()), move || {
            Driver::run(&*pads, &address, &asked, &says, opening);
            drop(place);
        })?;
        // From here on, giving up drops it, which ends the thread.
        let mut hardware = Gamepad { motors: Motors::Main, requests, ended };
        let opened = tokio::time::timeout(WRITE_TIME, opened).await;
        let opened = opened.map_err(|_| HardwareError::TimedOut("opening the gamepad"))?;
        let motors = opened.map_err(|_| HardwareError::Gone)?;
        hardware.motors = motors?;
        Ok(OpenHardware { hardware: Arc::new(hardware), events, wiring, endpoints: Vec::new() })
    }

    async fn shut_down(&self) {
        self.over.store(true, Ordering::Release);
        self.searching.store(false, Ordering::Release);
        if let Some(finder) = locked(&self.finder).take() {
            // One that is full is closed all the same.
            let _ = finder.try_send(Look::End);
        }
        let threads = std::mem::take(&mut *locked(&self.threads));
        for thread in &threads {
            if let Some(requests) = &thread.requests {
                requests.close();
            }
        }
        let end = Instant::now() + END_TIME;
        for Thread { handle, mut ended, .. } in threads {
            // Nothing is ever sent: it changes by being closed.
            if timeout_at(end, ended.changed()).await.is_err() {
                tracing::warn!("the system holds on to a gamepad; ending without it");
                continue;
            }
            // It is at its last instruction.
            let _ = handle.join();
        }
    }
}
