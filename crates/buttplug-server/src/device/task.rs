//! The shell of one device: one select, one timer. Owns the hardware and the protocol; what is due when stands in
//! `schedule.rs`, what is wanted in the mailbox; `task/write.rs` sees writes through.

mod write;

use self::write::{HandedOver, Writing};
use super::conversation::{ConversationError, hold};
use super::schedule::{FIRST_RETRY_PAUSE, Schedule, Timer};
use super::{Answer, DeviceHandle, RequestFailure};
use crate::hardware::{Hardware, HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use crate::registry::Motion;
use buttplug_core::message::DeviceDescription;
use buttplug_protocols::frame::Frames;
use buttplug_protocols::protocol::{Outputs, Protocol, Reading, Topic};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// The longest that one request to the hardware may take, from its first step to its last.
const MAX_REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a device that is being closed is tried if it refuses its zeros, and is listened to if it takes them. What it
/// has not confirmed by then goes on until its hardware is closed.
const MAX_CLOSING_TRIES: Duration = Duration::from_millis(500);

/// The longest that closing hardware may take. It holds up nobody else.
const MAX_CLOSE_TIME: Duration = Duration::from_secs(5);

/// A protocol between the device's task and the conversation that the task holds. Never locked across an await.
type SharedProtocol = Arc<Mutex<Box<dyn Protocol>>>;

/// What a device's task is made of.
pub(crate) struct DeviceParts {
    pub(crate) handle: DeviceHandle,
    pub(crate) protocol: Box<dyn Protocol>,
    pub(crate) hardware: Arc<dyn Hardware>,
    pub(crate) events: mpsc::Receiver<HardwareEvent>,
    pub(crate) message_gap: Duration,
    /// The device has been connected before, or ran when it was last heard of.
    pub(crate) returning: bool,
    pub(crate) motion: Motion,
}

/// Runs a device until it is gone or closed, and hands back its hardware to be closed. Whatever ends it, even a panic,
/// zeros are written if the hardware still takes them, and whoever waits for the device gets an answer.
pub(crate) async fn run(parts: DeviceParts) -> Parting {
    let DeviceParts { handle, protocol, hardware, events, message_gap, returning, motion } = parts;
    let _end = EndOfDevice(handle.clone());
    let protocol = Arc::new(Mutex::new(protocol));
    let DeviceDescription { index, name, .. } = &**handle.description();
    let mut task = DeviceTask {
        handle: handle.clone(),
        protocol: Arc::clone(&protocol),
        hardware: Arc::clone(&hardware),
        events,
        schedule: Schedule::new(message_gap, None),
        motion,
        outputs: Outputs::default(),
        frames: Frames::new(),
        readings: Vec::new(),
        conversation: None,
        conversed: None,
        under_way: VecDeque::new(),
        closing_by: None,
    };
    let live = async {
        let keepalive = lock(&protocol).keepalive();
        task.schedule = Schedule::new(message_gap, keepalive);
        if keepalive.is_some() || returning || hardware.was_connected() {
            // A device with a keepalive wants to hear something from the start. One that comes back, or that somebody
            // had connected before, may have gone on with what it was told last.
            handle.mailbox().wanted.stop(None);
        }
        task.serve().await
    };
    let mut under_way = Vec::new();
    match AssertUnwindSafe(live).catch_unwind().await {
        Ok(Ended::Closed) => debug!(device = index.0, name, "device closed"),
        Ok(Ended::Gone(reason)) => info!(device = index.0, name, reason, "device gone"),
        Ok(Ended::Unstopped) => {
            warn!(device = index.0, name, "device closed; it has not confirmed its zeros to the end");
            under_way.extend(task.under_way.drain(..));
            if task.schedule.is_failing() {
                let zeros = zeros(&handle, &protocol);
                under_way.extend(zeros.iter().map(|frame| HandedOver::new(&hardware, frame)));
            }
        }
        Ok(Ended::GivenUp(reason)) => {
            warn!(device = index.0, name, reason, "device given up");
            if write_zeros(&handle, &protocol, &hardware, task.under_way.drain(..)).await {
                task.motion.set(false);
            }
        }
        Err(_) => {
            error!(
                device = index.0,
                name, "the device's task panicked; stopping the device and letting it go"
            );
            // What was under way may have been what panicked.
            let zeros = AssertUnwindSafe(write_zeros(&handle, &protocol, &hardware, []));
            match zeros.catch_unwind().await {
                Ok(true) => task.motion.set(false),
                Ok(false) => {}
                Err(_) => {
                    error!(device = index.0, name, "it panicked again; the device could not be stopped");
                }
            }
        }
    }
    drop(task);
    Parting { hardware, under_way }
}

/// Hardware that is to be closed.
pub(crate) struct Parting {
    pub(crate) hardware: Arc<dyn Hardware>,
    /// Its last zeros, unless it has confirmed them in the time that a device has for its end: what was handed over by then, as
    /// something before that may still be under way, and once more what was refused. What is given up is not delivered.
    pub(crate) under_way: Vec<HandedOver>,
}

/// Closes hardware whose device has ended, with its last words before that.
pub(crate) async fn close(Parting { hardware, under_way }: Parting) {
    // They are handed over first, and what is handed over before hardware is closed is delivered. Nobody confirms it later.
    let said = async {
        join_all(under_way.into_iter().map(HandedOver::end)).await;
        std::future::pending::<()>().await;
    };
    let closing = async {
        tokio::select! {
            biased;
            () = said => {}
            () = hardware.close() => {}
        }
    };
    if tokio::time::timeout(MAX_CLOSE_TIME, closing).await.is_err() {
        warn!("closing hardware took too long");
    }
}

/// However a device's task ends, whoever waits for the device hears of it.
struct EndOfDevice(DeviceHandle);

impl Drop for EndOfDevice {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The last thing for a device whose task has failed, behind what is under way to it. True: it took its zeros.
async fn write_zeros(
    handle: &DeviceHandle,
    protocol: &SharedProtocol,
    hardware: &Arc<dyn Hardware>,
    under_way: impl IntoIterator<Item = HandedOver>,
) -> bool {
    // All at once: one that is waited for in vain does not hold up the others.
    let frames = zeros(handle, protocol);
    let zeros = frames.iter().map(|frame| HandedOver::new(hardware, frame));
    let written = join_all(under_way.into_iter().chain(zeros).map(HandedOver::end)).await;
    for error in written.iter().filter_map(|written| written.as_ref().err()) {
        error!(%error, "the device could not be stopped");
    }
    written.iter().all(Result::is_ok)
}

/// What stops a device.
fn zeros(handle: &DeviceHandle, protocol: &SharedProtocol) -> Frames {
    let mut outputs = Outputs::default();
    let mut frames = Frames::new();
    let mut mailbox = handle.mailbox();
    mailbox.wanted.stop(None);
    let mut protocol = lock(protocol);
    mailbox.wanted.take_halted().for_each(|feature| protocol.halt(feature));
    mailbox.wanted.take(&mut outputs);
    let now = Instant::now().into_std();
    protocol.frames(now, &outputs, &mut frames);
    tick(&mut **protocol, now, &outputs, &mut frames);
    frames
}

/// Sets to zero, to be written at once, what nobody has renewed for as long as it may run.
fn rest_overdue(handle: &DeviceHandle) {
    let now = Instant::now().into_std();
    let mut mailbox = handle.mailbox();
    while let Some((feature, kind)) = mailbox.rest_overdue(now) {
        let DeviceDescription { index, name, .. } = &**handle.description();
        info!(device = index.0, name, feature = feature.0, %kind, "nobody renewed it, it returns to zero");
    }
}

/// Whether any output is in motion that a stop would set to zero. A position ends by itself.
fn runs(outputs: &Outputs) -> bool {
    outputs.slots().iter().any(|slot| slot.value != 0 && slot.kind.is_stoppable())
}

/// Appends what a protocol has planned for now.
fn tick(protocol: &mut dyn Protocol, now: std::time::Instant, outputs: &Outputs, frames: &mut Frames) {
    if protocol.next_tick().is_some_and(|due| due <= now) {
        protocol.tick(now, outputs, frames);
    }
}

fn lock(protocol: &SharedProtocol) -> MutexGuard<'_, Box<dyn Protocol>> {
    protocol.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Ended {
    /// On request.
    Closed,
    /// By itself, for this reason.
    Gone(String),
    /// On request, without having taken its zeros, or without having said so.
    Unstopped,
    /// It is there but takes no more writes, for this reason.
    GivenUp(String),
}

/// All that can wake a device's task.
enum Wake {
    Mail,
    Heard(Option<HardwareEvent>),
    Conversed(Result<Option<i32>, ConversationError>),
    Due,
}

/// A conversation under way, and who waits for it.
struct Conversation {
    topic: Topic,
    reader: Option<oneshot::Sender<Answer<i32>>>,
    /// Where the hardware's notifications go meanwhile.
    notifications: mpsc::Sender<HardwareEvent>,
    progress: BoxFuture<'static, Result<Option<i32>, ConversationError>>,
}

/// Goes on with the conversation, if there is one, to its end.
async fn converse(conversation: &mut Option<Conversation>) -> Result<Option<i32>, ConversationError> {
    match conversation {
        Some(conversation) => (&mut conversation.progress).await,
        None => std::future::pending().await,
    }
}

struct DeviceTask {
    handle: DeviceHandle,
    protocol: SharedProtocol,
    hardware: Arc<dyn Hardware>,
    events: mpsc::Receiver<HardwareEvent>,
    schedule: Schedule,
    /// Told before the device is, and of rest when that has arrived.
    motion: Motion,
    /// The wanted state as it was last taken from the mailbox.
    outputs: Outputs,
    frames: Frames,
    readings: Vec<Reading>,
    conversation: Option<Conversation>,
    /// How the conversation ended, if it did while something was being written.
    conversed: Option<Result<Option<i32>, ConversationError>>,
    /// Zeros whose confirmation a later stop has not waited for, in the order in which they were handed over. Never called
    /// off: one of them may be a toggle, and how it fares decides what comes next.
    under_way: VecDeque<HandedOver>,
    /// When the device's last zeros are waited for no longer.
    closing_by: Option<Instant>,
}

impl DeviceTask {
    async fn serve(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.work().await {
                return ended;
            }
            let wake = self.next_wake().await;
            if let Err(ended) = self.woken(wake).await {
                return ended;
            }
        }
    }

    /// Does everything that is due now, stop first.
    async fn work(&mut self) -> Result<(), Ended> {
        rest_overdue(&self.handle);
        let now = Instant::now().into_std();
        let (stop, close, changed) = {
            let mut mailbox = self.handle.mailbox();
            let mut protocol = lock(&self.protocol);
            mailbox.wanted.take_halted().for_each(|feature| protocol.halt(feature));
            (std::mem::take(&mut mailbox.stop), mailbox.close, mailbox.wanted.has_changed())
        };
        if close {
            return Err(self.close().await);
        }
        if stop || (changed && self.schedule.write_at(now) <= now) {
            let _ = self.write_wanted().await?;
            if !self.under_way.is_empty() || (!stop && self.handle.mailbox().stop) {
                // Another stop has come in between. Whoever waits for the hardware does not wait for a pause between stops.
                self.begin_conversation();
                return Ok(());
            }
        }
        self.work_tick().await?;
        let now = Instant::now().into_std();
        let unsent = self.handle.mailbox().wanted.has_changed();
        if let Some((at, Timer::Keepalive)) = self.schedule.next(now, unsent) {
            if at <= now {
                lock(&self.protocol).keepalive_frames(now, &self.outputs, &mut self.frames);
                if self.frames.is_empty() {
                    self.schedule.wrote(now);
                } else {
                    let written = self.write_all(Writing::Aside).await;
                    self.note(written)?;
                }
            }
        }
        self.begin_conversation();
        Ok(())
    }

    /// The last word to a device is zero, also when a stop has just been written: an unconfirmed write may have been
    /// lost. What is refused is tried again for a moment; what is on its way stays there.
    async fn close(&mut self) -> Ended {
        let patience = Instant::now() + MAX_CLOSING_TRIES;
        self.closing_by = Some(patience);
        loop {
            {
                let mut mailbox = self.handle.mailbox();
                let mut protocol = lock(&self.protocol);
                mailbox.wanted.stop(None);
                mailbox.wanted.take_halted().for_each(|feature| protocol.halt(feature));
            }
            match self.write_wanted().await {
                Ok(false) if self.under_way.is_empty() && Instant::now() + FIRST_RETRY_PAUSE < patience => {
                    tokio::time::sleep(FIRST_RETRY_PAUSE).await;
                }
                Ok(true) => return Ended::Closed,
                Ok(false) => return Ended::Unstopped,
                Err(ended) => return ended,
            }
        }
    }

    /// Brings the device from what was sent to what is wanted; zeros first and by themselves. False: it was not
    /// written, and is to be tried again.
    async fn write_wanted(&mut self) -> Result<bool, Ended> {
        let (zeros, waiters) = {
            let mut mailbox = self.handle.mailbox();
            let zeros = mailbox.wanted.has_zeros();
            mailbox.wanted.take(&mut self.outputs);
            // Whoever waits for a stop waits for zeros; there are none where nothing can be stopped.
            (zeros, std::mem::take(&mut mailbox.stop_waiters))
        };
        let now = Instant::now().into_std();
        if self.outputs.changed().next().is_some() {
            lock(&self.protocol).frames(now, &self.outputs, &mut self.frames);
        }
        if self.frames.is_empty() {
            // Where there is no zero to write, a stop may be the protocol's own.
            tick(&mut **lock(&self.protocol), now, &self.outputs, &mut self.frames);
        }
        let runs = runs(&self.outputs);
        if runs {
            self.motion.set(true);
        }
        let nothing = self.frames.is_empty() && self.under_way.is_empty();
        let stops = !waiters.is_empty() || self.closing_by.is_some();
        let is_stop = zeros || (stops && self.outputs.changed().next().is_none());
        let written = self.write_all(if is_stop { Writing::Zeros } else { Writing::Values }).await;
        if nothing || matches!(written, Ok(true)) {
            self.handle.mailbox().wanted.arrived(&self.outputs);
            if !runs {
                self.motion.set(false);
            }
            for waiter in waiters {
                let _ = waiter.send(());
            }
        } else {
            let mut mailbox = self.handle.mailbox();
            mailbox.wanted.not_sent(&self.outputs);
            mailbox.stop_waiters.extend(waiters);
        }
        if nothing { Ok(true) } else { self.note(written) }
    }

    /// Remembers how a write went. True: it was written.
    fn note(&mut self, written: Result<bool, HardwareError>) -> Result<bool, Ended> {
        let now = Instant::now().into_std();
        match written {
            Ok(true) => {
                self.schedule.wrote(now);
                Ok(true)
            }
            // A stop came in between; it is next, and nothing has failed.
            Ok(false) => Ok(false),
            Err(HardwareError::Gone) => Err(Ended::Gone(HardwareError::Gone.to_string())),
            Err(error) => {
                let DeviceDescription { index, name, .. } = &**self.handle.description();
                warn!(device = index.0, name, %error, "a write failed and will be tried again");
                if self.schedule.failed(now) {
                    return Err(Ended::GivenUp(format!("it takes no more writes: {error}")));
                }
                Ok(false)
            }
        }
    }

    /// Lets the protocol do what it has planned for now. That is not bound to the gap, and makes none.
    async fn work_tick(&mut self) -> Result<(), Ended> {
        let now = Instant::now().into_std();
        tick(&mut **lock(&self.protocol), now, &self.outputs, &mut self.frames);
        if self.frames.is_empty() { Ok(()) } else { self.write_beside(Writing::Planned).await }
    }

    /// Writes frames that stand beside the wanted state.
    async fn write_beside(&mut self, writing: Writing) -> Result<(), Ended> {
        if self.frames.is_empty() {
            return Ok(());
        }
        match self.write_all(writing).await {
            Err(HardwareError::Gone) => Err(Ended::Gone(HardwareError::Gone.to_string())),
            Err(error) => {
                warn!(device = self.handle.description().index.0, %error, "a write failed");
                Ok(())
            }
            Ok(_) => {
                self.schedule.wrote_beside(Instant::now().into_std());
                Ok(())
            }
        }
    }

    /// Begins what waits for the hardware, one thing at a time.
    fn begin_conversation(&mut self) {
        if self.conversation.is_some() {
            return;
        }
        let (topic, reader) = {
            let mut mailbox = self.handle.mailbox();
            if let Some(topic) = mailbox.subscriptions.next() {
                (topic, None)
            } else if let Some((input, reader)) = mailbox.reads.pop_front() {
                (Topic::Read(input), Some(reader))
            } else {
                return;
            }
        };
        let (notifications, mut events) = mpsc::channel(MAX_WAITING_EVENTS);
        let (hardware, protocol) = (Arc::clone(&self.hardware), Arc::clone(&self.protocol));
        let progress = async move {
            let talk = hold(&*hardware, &mut events, |heard| lock(&protocol).converse(topic, heard));
            match tokio::time::timeout(MAX_REQUEST_TIME, talk).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ConversationError::Endless),
            }
        };
        self.conversation = Some(Conversation { topic, reader, notifications, progress: progress.boxed() });
    }

    async fn next_wake(&mut self) -> Wake {
        let now = Instant::now().into_std();
        let (changed, overdue) = {
            let mailbox = self.handle.mailbox();
            (mailbox.wanted.has_changed(), mailbox.limit.deadline())
        };
        let timer = self.schedule.next(now, changed).map(|(at, _)| at);
        let tick = lock(&self.protocol).next_tick();
        let due = timer.into_iter().chain(tick).chain(overdue).min();
        let sleep = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        if let Some(ended) = self.conversed.take() {
            return Wake::Conversed(ended);
        }
        tokio::select! {
            biased;
            () = self.handle.shared.wake.notified() => Wake::Mail,
            event = self.events.recv() => Wake::Heard(event),
            outcome = converse(&mut self.conversation) => Wake::Conversed(outcome),
            () = sleep => Wake::Due,
        }
    }

    async fn woken(&mut self, wake: Wake) -> Result<(), Ended> {
        match wake {
            Wake::Mail | Wake::Due => Ok(()),
            Wake::Heard(None) => Err(Ended::Gone(String::from("its connection ended"))),
            Wake::Heard(Some(HardwareEvent::Gone(reason))) => Err(Ended::Gone(reason)),
            Wake::Heard(Some(notification)) => self.notified(notification).await,
            Wake::Conversed(outcome) => self.conversed(outcome),
        }
    }

    /// A notification goes to whoever can make something of it: the readings, and a conversation that may be waiting
    /// for it.
    async fn notified(&mut self, notification: HardwareEvent) -> Result<(), Ended> {
        let HardwareEvent::Notification { endpoint, data } = &notification else { return Ok(()) };
        let now = Instant::now().into_std();
        lock(&self.protocol).notified(now, *endpoint, data, &mut self.readings, &mut self.frames);
        for Reading { input, value } in self.readings.drain(..) {
            self.handle.publish(input, value);
        }
        if let Some(conversation) = &self.conversation {
            // Full: the conversation has more to read than it wants, and the oldest are the answers it waits for.
            let _ = conversation.notifications.try_send(notification);
        }
        self.write_beside(Writing::Aside).await
    }

    fn conversed(&mut self, outcome: Result<Option<i32>, ConversationError>) -> Result<(), Ended> {
        let Some(Conversation { topic, reader, .. }) = self.conversation.take() else { return Ok(()) };
        if let Err(ConversationError::Gone(reason)) = outcome {
            return Err(Ended::Gone(reason));
        }
        let answer = outcome.map_err(|error| {
            debug!(device = self.handle.description().index.0, ?topic, %error, "the hardware did not do as asked");
            RequestFailure::Failed(error.to_string())
        });
        match topic {
            Topic::Connect => {}
            Topic::Read(_) => {
                if let Some(reader) = reader {
                    let missing = || RequestFailure::Failed(String::from("the hardware gave no value"));
                    let _ = reader.send(answer.and_then(|value| value.ok_or_else(missing)));
                }
            }
            Topic::Subscribe(input) => {
                self.handle.mailbox().subscriptions.told(input, true, answer.map(|_| ()));
            }
            Topic::Unsubscribe(input) => {
                self.handle.mailbox().subscriptions.told(input, false, answer.map(|_| ()));
            }
        }
        Ok(())
    }
}
