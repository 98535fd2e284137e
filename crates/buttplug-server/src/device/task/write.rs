//! Sees the writes of a device through: in order, past confirmations that do not come, and given up for a stop. What is
//! written and when, `task.rs` decides.

use super::{DeviceTask, converse, lock, rest_overdue};
use crate::device::{DeviceHandle, Mailbox};
use crate::hardware::{Beginning, Hardware, HardwareError};
use buttplug_protocols::frame::{Frame, Frames};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::Instant;
use tracing::trace;

/// How long a stop waits for what was written before, be it a value or its own first zeros: until it is confirmed, or
/// taken where nothing is to be confirmed. What answers at all does so within some tens of milliseconds; the rest is the
/// patience of a bridge or a radio with hardware that is out of reach, and goes on for seconds. A bus may confirm what
/// need not be, so that this holds for every write.
const STOP_PATIENCE: Duration = Duration::from_millis(200);

/// What frames are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Zeros of a stop.
    Zeros,
    /// New values.
    Values,
    /// What the protocol had planned for now: a point of a movement, the end of a pulse.
    Planned,
    /// Something that stands beside the wanted state and comes again by itself, or not at all: a keepalive, an answer.
    Aside,
}

/// How far a write has come.
enum Progress {
    Ended(Result<(), HardwareError>),
    /// It is under way, but a stop can't wait for its end.
    Unconfirmed,
}

/// As long as fewer zeros of one device than this are under way, another stop says its own behind them. Hardware takes at least
/// [`MIN_WAITING_WRITES`](crate::hardware::MIN_WAITING_WRITES), and no device has so many outputs that the zeros of one more stop
/// are too many.
const MAX_UNDER_WAY: usize = 8;

/// A write that has been handed over.
pub(crate) struct HandedOver {
    frame: Frame,
    since: Instant,
    beginning: Beginning,
    progress: BoxFuture<'static, Result<(), HardwareError>>,
}

impl HandedOver {
    /// It goes out once it has been polled.
    pub(super) fn new(hardware: &Arc<dyn Hardware>, frame: &Frame) -> Self {
        let beginning = Beginning::default();
        let (hardware, called_off, words) = (Arc::clone(hardware), beginning.clone(), frame.clone());
        let progress = async move { hardware.write_unless_called_off(&words, &called_off).await }.boxed();
        Self { frame: frame.clone(), since: Instant::now(), beginning, progress }
    }

    /// Waits for its end.
    pub(super) async fn end(self) -> Result<(), HardwareError> {
        self.progress.await
    }

    /// Polls it once.
    fn look(&mut self) -> Progress {
        unconstrained(self.progress.as_mut()).now_or_never().map_or(Progress::Unconfirmed, Progress::Ended)
    }

    /// Calls it off, unless it has begun. True: it has, and may have arrived, or may yet.
    fn may_arrive(&self) -> bool {
        !self.beginning.call_off()
    }
}

impl DeviceTask {
    /// Writes the frames in order. A failure ends it, except that every zero is tried. Values end early when a stop
    /// comes in between, and zeros are left under way then; the answer is false. The protocol is told which frames were not
    /// written: one of them may be a toggle that it has to send again.
    ///
    /// A conversation under way goes on meanwhile: it may hold what the hardware needs for this write.
    pub(super) async fn write_all(&mut self, writing: Writing) -> Result<bool, HardwareError> {
        let mut frames = std::mem::take(&mut self.frames);
        let outcome = self.write_each(&frames, writing).await;
        frames.clear();
        self.frames = frames;
        outcome
    }

    async fn write_each(&mut self, frames: &[Frame], writing: Writing) -> Result<bool, HardwareError> {
        let mut lost = Frames::new();
        let mut outcome = Ok(true);
        for (at, frame) in frames.iter().enumerate() {
            let overtaken = writing == Writing::Values && at > 0 && self.handle.mailbox().stop;
            let (written, rest) = if overtaken {
                (Ok(false), at)
            } else {
                trace!(device = self.handle.description().index.0, %frame, "write");
                let mut write = HandedOver::new(&self.hardware, frame);
                // Hardware that has kept one zero waiting is given the others at once.
                let progress = if self.under_way.is_empty() {
                    self.progress(&mut write, writing).await
                } else {
                    write.look()
                };
                match progress {
                    Progress::Ended(written) => {
                        let lost = self.ended(&write, &written);
                        (written.map(|()| true), if lost { at } else { at + 1 })
                    }
                    Progress::Unconfirmed if writing == Writing::Zeros => {
                        self.under_way.push_back(write);
                        continue;
                    }
                    // What is on its way most likely arrives.
                    Progress::Unconfirmed => (Ok(false), if write.may_arrive() { at + 1 } else { at }),
                }
            };
            if written == Ok(true) {
                continue;
            }
            if outcome == Ok(true) {
                outcome = written;
            }
            let go_on = writing == Writing::Zeros && outcome != Err(HardwareError::Gone);
            if !go_on {
                lost.extend_from_slice(frames.get(rest..).unwrap_or_default());
                break;
            }
            lost.extend_from_slice(frames.get(rest..=at).unwrap_or_default());
        }
        // The zeros have gone out; now there is time to hear how they fared.
        while let Some(mut write) = self.under_way.pop_front() {
            let Progress::Ended(written) = self.confirmation(&mut write).await else {
                self.under_way.push_front(write);
                if outcome == Ok(true) {
                    outcome = Ok(false);
                }
                break;
            };
            if self.ended(&write, &written) {
                lost.push(write.frame);
            }
            if outcome == Ok(true) {
                outcome = written.map(|()| true);
            }
        }
        if !lost.is_empty() && writing != Writing::Aside {
            lock(&self.protocol).not_written(&lost);
        }
        outcome
    }

    /// Notes how a write ended. True: the protocol has to count it as not written.
    fn ended(&self, write: &HandedOver, written: &Result<(), HardwareError>) -> bool {
        let tally = &self.handle.shared.tally;
        match written {
            Ok(()) => tally.written(write.since.elapsed()),
            Err(_) => tally.write_failed(),
        }
        match written {
            Ok(()) => false,
            // A toggle that is pressed once more than it shall be switches on what was to be stopped.
            Err(HardwareError::TimedOut(_) | HardwareError::Unconfirmed(_)) if write.may_arrive() => {
                !lock(&self.protocol).counts(&write.frame)
            }
            Err(_) => true,
        }
    }

    /// Waits for a write to end, for no longer than a stop may wait.
    async fn progress(&mut self, write: &mut HandedOver, writing: Writing) -> Progress {
        // A zero behind this one, or one that is asked for meanwhile.
        self.unless_due(write, |mailbox| writing == Writing::Zeros || mailbox.stop || mailbox.close).await
    }

    /// Waits for the confirmation of a zero that has gone out, for no longer than another stop may wait, or the device's end.
    async fn confirmation(&mut self, write: &mut HandedOver) -> Progress {
        let has_room = self.under_way.len() < MAX_UNDER_WAY;
        self.unless_due(write, |mailbox| mailbox.stop && has_room || mailbox.close).await
    }

    async fn unless_due(&mut self, write: &mut HandedOver, is_due: impl Fn(&Mailbox) -> bool) -> Progress {
        let handle = self.handle.clone();
        let closing_by = self.closing_by;
        let mut woken = false;
        let progress = tokio::select! {
            biased;
            written = self.with_conversation(&mut write.progress) => Progress::Ended(written),
            () = patience_after(&handle, is_due, closing_by, &mut woken) => Progress::Unconfirmed,
        };
        if woken {
            // What it was woken for is still to be done.
            handle.shared.wake.notify_one();
        }
        progress
    }

    /// Waits for a write to end and goes on with the conversation meanwhile.
    async fn with_conversation(
        &mut self,
        write: &mut BoxFuture<'_, Result<(), HardwareError>>,
    ) -> Result<(), HardwareError> {
        loop {
            tokio::select! {
                biased;
                written = &mut *write => return written,
                ended = converse(&mut self.conversation), if self.conversed.is_none() => {
                    self.conversed = Some(ended);
                }
            }
        }
    }
}

/// Waits until something is due, and then for so long as a stop may wait. `woken`: the device's task was woken meanwhile.
async fn patience_after(
    handle: &DeviceHandle,
    is_due: impl Fn(&Mailbox) -> bool,
    closing_by: Option<Instant>,
    woken: &mut bool,
) {
    loop {
        let overdue = {
            let mailbox = handle.mailbox();
            if is_due(&mailbox) {
                break;
            }
            mailbox.limit.deadline()
        };
        let overdue = async {
            match overdue {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = handle.shared.wake.notified() => {}
            () = overdue => rest_overdue(handle),
        }
        *woken = true;
    }
    let patience = Instant::now() + STOP_PATIENCE;
    tokio::time::sleep_until(closing_by.map_or(patience, |by| by.min(patience))).await;
}
