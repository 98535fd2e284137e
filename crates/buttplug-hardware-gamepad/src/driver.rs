//! The thread that owns one pad: opens it, sets its motors, keeps a rumble going, and notices when it is gone. Whatever ends
//! the thread, the motors are set to rest first.

use crate::hold::Hold;
use crate::limits::{BATTERY_TRIES, CHECK_TIME, HOLD_TIME, MAX_REQUESTS};
use crate::motors::{Motors, Rumble};
use crate::pad::{Pad, PadError, Pads};
use buttplug_server::hardware::{HardwareError, HardwareEvent};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What a pad's thread is asked for.
pub(crate) enum Request {
    Rumble { rumble: Rumble, done: oneshot::Sender<Result<(), PadError>> },
    Battery { level: oneshot::Sender<Result<u8, PadError>> },
}

/// The way to a pad's thread. Closing it ends the thread, whoever else has a copy.
#[derive(Clone)]
pub(crate) struct Requests {
    // calls -> the pad's thread: 72 requests; when full a call fails.
    sender: Arc<Mutex<Option<SyncSender<Request>>>>,
}

impl Requests {
    pub(crate) fn new() -> (Self, Receiver<Request>) {
        let (sender, receiver) = sync_channel(MAX_REQUESTS);
        (Self { sender: Arc::new(Mutex::new(Some(sender))) }, receiver)
    }

    pub(crate) fn give(&self, request: Request) -> Result<(), HardwareError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().ok_or(HardwareError::Gone)?.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => HardwareError::Failed(String::from("the gamepad is behind")),
            TrySendError::Disconnected(_) => HardwareError::Gone,
        })
    }

    pub(crate) fn close(&self) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a pad's thread has.
pub(crate) struct Driver {
    pad: Box<dyn Pad>,
    hold: Hold,
    check: Instant,
    /// Who waits to hear how full the pad is, and how often it was asked since.
    asking: Vec<oneshot::Sender<Result<u8, PadError>>>,
    asked: u32,
}

impl Driver {
    /// Opens the pad, says how that went, and drives it until it is gone or told to end.
    pub(crate) fn run(
        pads: &dyn Pads,
        address: &str,
        requests: &Receiver<Request>,
        events: &mpsc::Sender<HardwareEvent>,
        opened: oneshot::Sender<Result<Motors, PadError>>,
    ) {
        let pad = match pads.open(address) {
            Ok(pad) => pad,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let motors = pad.motors();
        let check = Instant::now() + CHECK_TIME;
        let mut driver = Self { pad, hold: Hold::default(), check, asking: Vec::new(), asked: 0 };
        // Whoever used it before may have left it rumbling.
        let rested = driver.set(Rumble::REST);
        if opened.send(rested.map(|()| motors)).is_err() {
            return;
        }
        // On some systems a pad rumbles on without its program, so a panic must not be the last word.
        let served = catch_unwind(AssertUnwindSafe(|| driver.serve(requests)));
        if let Err(error) = driver.pad.rumble(Rumble::REST, HOLD_TIME) {
            tracing::debug!(address, %error, "the last rest of a gamepad");
        }
        let lost = match served {
            Ok(lost) => lost.map(|lost| lost.to_string()),
            Err(_) => Some(String::from("what drives it panicked")),
        };
        if let Some(lost) = lost {
            // There is room: nothing else is ever said.
            let _ = events.try_send(HardwareEvent::Gone(lost));
        }
    }

    /// Does what it is asked for. Returns why the pad is gone, or nothing if it was told to end.
    fn serve(&mut self, requests: &Receiver<Request>) -> Option<PadError> {
        loop {
            let due = self.hold.due().map_or(self.check, |due| due.min(self.check));
            let rest = due.saturating_duration_since(Instant::now());
            // Requests first: a stop may be among them.
            let wait = if self.asking.is_empty() { rest } else { Duration::ZERO };
            let request = requests.recv_timeout(wait);
            let outcome = match request {
                Ok(Request::Rumble { rumble, done }) => self.rumble(rumble, done),
                Ok(Request::Battery { level }) => {
                    self.asking.retain(|asking| !asking.is_closed());
                    self.asking.push(level);
                    Ok(())
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if !self.asking.is_empty() {
                        self.ask_battery();
                    }
                    Ok(())
                }
            };
            if let Err(lost) = outcome.and_then(|()| self.tend(Instant::now())) {
                return Some(lost);
            }
        }
    }

    /// Asks the pad once how full it is.
    fn ask_battery(&mut self) {
        self.asked += 1;
        let level = match self.pad.battery() {
            Ok(None) if self.asked < BATTERY_TRIES => return,
            Ok(level) => level.ok_or(PadError::NoBattery),
            Err(error) => Err(error),
        };
        self.asked = 0;
        for asking in self.asking.drain(..) {
            let _ = asking.send(level.clone());
        }
    }

    fn rumble(
        &mut self,
        rumble: Rumble,
        done: oneshot::Sender<Result<(), PadError>>,
    ) -> Result<(), PadError> {
        // Whoever gave up before it was begun no longer wants it.
        if done.is_closed() {
            return Ok(());
        }
        if let Err(error) = self.pad.motors().check(rumble) {
            let _ = done.send(Err(error));
            return Ok(());
        }
        let outcome = self.set(rumble);
        let _ = done.send(outcome.clone());
        outcome
    }

    fn set(&mut self, rumble: Rumble) -> Result<(), PadError> {
        self.pad.rumble(rumble, HOLD_TIME)?;
        self.hold.set(Instant::now(), rumble);
        Ok(())
    }

    /// Keeps the rumble going and looks whether the pad is there, as far as that is due.
    fn tend(&mut self, now: Instant) -> Result<(), PadError> {
        if let Some(rumble) = self.hold.repeat(now) {
            self.pad.rumble(rumble, HOLD_TIME)?;
        }
        if self.check <= now {
            self.check = now + CHECK_TIME;
            if !self.pad.is_connected() {
                return Err(PadError::Lost(String::from("it was switched off or unplugged")));
            }
        }
        Ok(())
    }
}
