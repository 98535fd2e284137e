//! Sees the writes of a device through: in order, past confirmations that do not come, and given up for a stop. What is
//! written and when, `task.rs` decides.

use super::{DeviceTask, converse, lock};
use crate::device::{DeviceHandle, Mailbox};
use crate::hardware::HardwareError;
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

impl DeviceTask {
    /// Writes the frames in order. A failure ends it, except that every zero is tried. Values end early when a stop
    /// comes in between; then the answer is false. The protocol is told which frames were not written: one of them
    /// may be a toggle that it has to send again.
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
        let hardware = Arc::clone(&self.hardware);
        let tally = Arc::clone(&self.handle.shared.tally);
        let mut unconfirmed = Vec::new();
        let mut lost = Frames::new();
        let mut outcome = Ok(true);
        for (at, frame) in frames.iter().enumerate() {
            let overtaken = writing == Writing::Values && at > 0 && self.handle.mailbox().stop;
            let (written, rest) = if overtaken {
                (Ok(false), at)
            } else {
                trace!(device = self.handle.description().index.0, %frame, "write");
                let begun = Instant::now();
                let mut write = hardware.write(frame);
                // Hardware that has kept one zero waiting is given the others at once.
                let progress = if unconfirmed.is_empty() {
                    self.progress(&mut write, writing).await
                } else {
                    unconstrained(write.as_mut())
                        .now_or_never()
                        .map_or(Progress::Unconfirmed, Progress::Ended)
                };
                match progress {
                    Progress::Ended(written) => {
                        match &written {
                            Ok(()) => tally.written(begun.elapsed()),
                            Err(_) => tally.write_failed(),
                        }
                        (written.map(|()| true), at)
                    }
                    Progress::Unconfirmed if writing == Writing::Zeros => {
                        unconfirmed.push((frame, begun, write));
                        continue;
                    }
                    // It is on its way, and most likely arrives.
                    Progress::Unconfirmed => (Ok(false), at + 1),
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
            lost.push(frame.clone());
        }
        // The zeros have gone out; now there is time to hear how they fared.
        let mut patient = true;
        for (frame, begun, mut write) in unconfirmed {
            let written = if patient { self.confirmation(&mut write).await } else { write.now_or_never() };
            patient &= written.is_some();
            let written = written.unwrap_or(Err(HardwareError::TimedOut("the confirmation of a zero")));
            if written.is_ok() {
                tally.written(begun.elapsed());
            } else {
                tally.write_failed();
                lost.push(frame.clone());
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

    /// Waits for a write to end, for no longer than a stop may wait.
    async fn progress(
        &mut self,
        write: &mut BoxFuture<'_, Result<(), HardwareError>>,
        writing: Writing,
    ) -> Progress {
        // A zero behind this one, or one that is asked for meanwhile.
        let zero_is_due = |mailbox: &Mailbox| writing == Writing::Zeros || mailbox.stop || mailbox.close;
        let handle = self.handle.clone();
        let mut woken = false;
        let progress = tokio::select! {
            biased;
            written = self.with_conversation(write) => Progress::Ended(written),
            () = patience_after(&handle, zero_is_due, &mut woken) => Progress::Unconfirmed,
        };
        if woken {
            // What it was woken for is still to be done.
            handle.shared.wake.notify_one();
        }
        progress
    }

    /// Waits for the confirmation of a zero that has gone out. `None`: the device is to be closed, and it took too long.
    async fn confirmation(
        &mut self,
        write: &mut BoxFuture<'_, Result<(), HardwareError>>,
    ) -> Option<Result<(), HardwareError>> {
        let handle = self.handle.clone();
        let mut woken = false;
        let written = tokio::select! {
            biased;
            written = self.with_conversation(write) => Some(written),
            () = patience_after(&handle, |mailbox| mailbox.close, &mut woken) => None,
        };
        if woken {
            handle.shared.wake.notify_one();
        }
        written
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
async fn patience_after(handle: &DeviceHandle, is_due: impl Fn(&Mailbox) -> bool, woken: &mut bool) {
    while !is_due(&handle.mailbox()) {
        handle.shared.wake.notified().await;
        *woken = true;
    }
    tokio::time::sleep(STOP_PATIENCE).await;
}
