//! The bus: starts the thread that owns the stick, and hands requests on to it.

use super::hardware::DongleToy;
use super::limits::{DONGLE_WRITE_TIME, END_TIME, MAX_REQUESTS, MESSAGE_GAP};
use super::machine::Machine;
use super::port::{HidPorts, Ports, SerialPorts};
use super::thread::{Owner, Request};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvents, HardwareBus, HardwareError, OpenHardware};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Which sort of dongle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DongleKind {
    /// The newer one, a HID device.
    Hid,
    /// The older one, a serial port.
    Serial,
}

/// Toys behind a Lovense dongle, one at a time.
pub struct DongleBus {
    /// There until the bus is attached.
    ports: Mutex<Option<Box<dyn Ports>>>,
    requests: Arc<Requests>,
    searching: Arc<AtomicBool>,
    thread: Mutex<Option<Thread>>,
}

struct Thread {
    handle: JoinHandle<()>,
    /// Closed when the thread has ended.
    ended: oneshot::Receiver<()>,
}

/// The way to the thread. Closed once the bus has been shut down.
#[derive(Default)]
pub(super) struct Requests {
    // calls -> thread: 72 requests; when full a call fails; closed ends the thread.
    sender: Mutex<Option<SyncSender<Request>>>,
}

impl Requests {
    fn sender(&self) -> MutexGuard<'_, Option<SyncSender<Request>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn give(&self, request: Request) -> Result<(), HardwareError> {
        let sender = self.sender();
        sender.as_ref().ok_or(HardwareError::Gone)?.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => HardwareError::Failed(String::from("the Lovense dongle is behind")),
            TrySendError::Disconnected(_) => HardwareError::Gone,
        })
    }

    /// Asks for something and waits for the answer, for so long and no longer.
    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, HardwareError> {
        let (sender, answer) = oneshot::channel();
        self.give(request(sender))?;
        match timeout(DONGLE_WRITE_TIME, answer).await {
            Ok(answer) => answer.map_err(|_| HardwareError::Gone),
            Err(_) => Err(HardwareError::TimedOut("the Lovense dongle")),
        }
    }
}

impl DongleBus {
    /// The bus of one sort of dongle. Nothing is opened before the first search.
    pub fn new(kind: DongleKind) -> Self {
        match kind {
            DongleKind::Hid => Self::with_ports(Box::<HidPorts>::default()),
            DongleKind::Serial => Self::with_ports(Box::<SerialPorts>::default()),
        }
    }

    /// The bus of dongles that are found elsewhere, for example in a test.
    pub fn with_ports(ports: Box<dyn Ports>) -> Self {
        Self {
            ports: Mutex::new(Some(ports)),
            requests: Arc::default(),
            searching: Arc::default(),
            thread: Mutex::default(),
        }
    }

    fn start(&self, ports: Box<dyn Ports>, events: BusEvents) {
        let (sender, requests) = sync_channel(MAX_REQUESTS);
        let owner = Owner {
            ports,
            requests,
            events,
            searching: Arc::clone(&self.searching),
            machine: Machine::new(),
            port: None,
            lines: Default::default(),
            link: None,
            opened: 0,
            find: Instant::now(),
            problem: String::new(),
        };
        let (alive, ended) = oneshot::channel::<()>();
        let run = move || {
            owner.run();
            drop(alive);
        };
        match std::thread::Builder::new().name(String::from("lovense-dongle")).spawn(run) {
            Ok(handle) => {
                *self.requests.sender() = Some(sender);
                *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(Thread { handle, ended });
            }
            Err(error) => tracing::error!(%error, "no thread for the Lovense dongle, which can't be used"),
        }
    }
}

#[async_trait]
impl HardwareBus for DongleBus {
    fn kind(&self) -> BusKind {
        // What it reaches; the stick itself is nobody's device.
        BusKind::Bluetooth
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        MESSAGE_GAP
    }

    async fn attach(&self, events: BusEvents) {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ports) = ports {
            self.start(ports, events);
        }
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.requests.give(Request::StartSearch)?;
        self.searching.store(true, Ordering::Release);
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.searching.store(false, Ordering::Release);
        self.requests.give(Request::StopSearch)
    }

    fn is_scanning(&self) -> bool {
        self.searching.load(Ordering::Acquire)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let wiring = wirings.iter().position(|wiring| fits(wiring)).ok_or(HardwareError::NoProtocolFits)?;
        let toy = sighting.address.clone();
        let opened = self.requests.ask(|opened| Request::Open { toy, opened }).await??;
        let hardware = Arc::new(DongleToy { requests: Arc::clone(&self.requests), number: opened.number });
        let endpoints = vec![Endpoint::Tx, Endpoint::Rx];
        Ok(OpenHardware { hardware, events: opened.events, wiring, endpoints })
    }

    async fn shut_down(&self) {
        let sender = self.requests.sender().take();
        if let Some(sender) = sender {
            // One that is full is closed all the same.
            let _ = sender.try_send(Request::End);
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Thread { handle, ended }) = thread else { return };
        if timeout(END_TIME, ended).await.is_err() {
            tracing::warn!("the system holds on to the Lovense dongle; ending without it");
            return;
        }
        // It is at its last instruction.
        let _ = handle.join();
    }
}

/// Whether a toy behind the dongle has the endpoints: one way in and one way out.
fn fits(wiring: &Wiring) -> bool {
    let Wiring::Bluetooth(services) = wiring else { return false };
    let has = |endpoint| services.values().any(|endpoints| endpoints.contains_key(&endpoint));
    has(Endpoint::Tx) && has(Endpoint::Rx)
}
