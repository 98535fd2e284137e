//! One device: the handle that sessions use, and the task that owns the hardware. Between them stands the mailbox, a
//! slot per output and per subscription, and a short list of reads. Nothing in it grows with the number of commands.

pub(crate) mod conversation;
pub(crate) mod readings;
mod run_limit;
mod schedule;
mod subscriptions;
pub(crate) mod tally;
pub(crate) mod task;
mod wanted;
mod whereabouts;

use crate::check::{CheckedOutput, check_input, checked_feature};
use crate::configuration::Tuning;
use crate::session::SessionId;
use buttplug_core::message::{DeviceDescription, InputCmd, InputReading, OutputCmd};
use buttplug_core::{DeviceError, FeatureIndex, InputAction, OutputKind, RssiSpelling};
use buttplug_protocols::protocol::Input;
use readings::WaitingReadings;
use run_limit::RunLimit;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use subscriptions::{Subscriber, Subscriptions};
use tally::{Came, Tally};
use tokio::sync::{Notify, oneshot, watch};
use wanted::Wanted;
use whereabouts::Whereabouts;

/// Reads that may wait for one device. Each is a round trip over the radio; a client that asks faster gets an error.
pub(crate) const MAX_WAITING_READS: usize = 16;

/// The longest that anyone waits for a stop to be written. The device goes on trying after that.
pub(crate) const MAX_STOP_WAIT: Duration = Duration::from_secs(1);

/// Waiters for stops after which those that have given up are swept out. Clients wait for a bounded number of stops,
/// so what is left is bounded, too.
const STOP_WAITERS_BEFORE_SWEEP: usize = 64;

/// What came of a request to the hardware.
type Answer<T> = Result<T, RequestFailure>;

/// Why a request to the hardware failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The device left.
    Gone,
    /// The hardware or its protocol said so.
    Failed(String),
}

/// A device as its clients hold it.
#[derive(Clone, Debug)]
pub(crate) struct DeviceHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    description: Arc<DeviceDescription>,
    tuning: Tuning,
    tally: Arc<Tally>,
    mailbox: Mutex<Mailbox>,
    wake: Notify,
    /// True once the device's task has ended.
    ended: watch::Sender<bool>,
}

/// What is to be done, by the task, when it wakes.
#[derive(Debug)]
struct Mailbox {
    wanted: Wanted,
    whereabouts: Whereabouts,
    limit: RunLimit,
    /// The wanted state holds zeros that go out at once, past gap and pauses.
    stop: bool,
    /// Told when the zeros are written.
    stop_waiters: Vec<oneshot::Sender<()>>,
    subscriptions: Subscriptions,
    reads: VecDeque<(Input, oneshot::Sender<Answer<i32>>)>,
    /// Stop, close the hardware, and end.
    close: bool,
    /// The task no longer looks here.
    gone: bool,
}

impl Mailbox {
    fn add_stop_waiter(&mut self, written: oneshot::Sender<()>) {
        if self.stop_waiters.len() >= STOP_WAITERS_BEFORE_SWEEP {
            self.stop_waiters.retain(|waiter| !waiter.is_closed());
        }
        self.stop_waiters.push(written);
    }

    /// Sets an output to zero that nobody has renewed for as long as it may run, to be written at once.
    fn rest_overdue(&mut self, now: Instant) -> Option<(FeatureIndex, OutputKind)> {
        while let Some((feature, kind)) = self.limit.pop_overdue(now) {
            if self.wanted.rest(feature, kind) {
                self.stop = true;
                return Some((feature, kind));
            }
        }
        None
    }
}

impl DeviceHandle {
    /// A device at rest, whose outputs may run for `max_run` on what they were told last.
    pub(crate) fn new(
        description: Arc<DeviceDescription>,
        outputs: impl IntoIterator<Item = (FeatureIndex, OutputKind)>,
        tuning: Tuning,
        tally: Arc<Tally>,
        max_run: Option<Duration>,
    ) -> Self {
        let mailbox = Mailbox {
            wanted: Wanted::at_rest(outputs),
            whereabouts: Whereabouts::default(),
            limit: RunLimit::new(max_run),
            stop: false,
            stop_waiters: Vec::new(),
            subscriptions: Subscriptions::new(description.index),
            reads: VecDeque::new(),
            close: false,
            gone: false,
        };
        let (ended, _) = watch::channel(false);
        let (mailbox, wake) = (Mutex::new(mailbox), Notify::new());
        let shared = Shared { description, tuning, tally, mailbox, wake, ended };
        Self { shared: Arc::new(shared) }
    }

    /// The device as clients see it.
    pub(crate) fn description(&self) -> &Arc<DeviceDescription> {
        &self.shared.description
    }

    /// Whether both are the same connection of the same device.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.shared.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> DeviceError {
        let DeviceDescription { index, name, .. } = &**self.description();
        DeviceError::Gone { device: *index, name: name.clone() }
    }

    /// Puts a value into the wanted state. The device learns of it at the next [`wake`](Self::wake), so that what
    /// arrives together goes out together. True: there is something to wake it for.
    pub(crate) fn set(&self, cmd: &OutputCmd, owner: SessionId, now: Instant) -> Result<bool, DeviceError> {
        let checked = CheckedOutput::new(cmd, self.description())?;
        let mut mailbox = self.mailbox();
        if mailbox.gone {
            return Err(self.gone());
        }
        Ok(self.put(&mut mailbox, checked, owner, now))
    }

    /// The same for several outputs: either all are set or none is.
    pub(crate) fn set_all(
        &self,
        cmds: &[OutputCmd],
        owner: SessionId,
        now: Instant,
    ) -> Result<bool, DeviceError> {
        let checked = cmds.iter().map(|cmd| CheckedOutput::new(cmd, self.description()));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        let mut mailbox = self.mailbox();
        if mailbox.gone {
            return Err(self.gone());
        }
        Ok(checked
            .into_iter()
            .fold(false, |changed, output| self.put(&mut mailbox, output, owner, now) | changed))
    }

    fn put(&self, mailbox: &mut Mailbox, output: CheckedOutput, owner: SessionId, now: Instant) -> bool {
        let CheckedOutput { feature, command } = output;
        let on_hardware = self.shared.tuning.on_hardware(feature, command);
        let replaces = mailbox.wanted.is_waiting(feature, on_hardware.kind());
        let changed = mailbox.wanted.set(feature, on_hardware, owner);
        self.shared.tally.output(match (changed, replaces) {
            (false, _) => Came::Repeated,
            (true, false) => Came::Fresh,
            (true, true) => Came::Coalesced,
        });
        mailbox.limit.told(feature, on_hardware, now);
        if changed {
            let gap = Duration::from_millis(self.description().message_gap_ms.into());
            mailbox.whereabouts.told(feature, command, now, gap);
        }
        changed
    }

    /// How many steps the feature may be away from a position, at most; `None` if nobody knows where it is.
    pub(crate) fn way(&self, feature: FeatureIndex, target: i32, now: Instant) -> Option<u32> {
        self.mailbox().whereabouts.way(feature, target, now)
    }

    /// Lets the device look at its wanted state.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Sets the outputs in scope to zero, now. The receiver hears of it when the zeros are written, or gets an error
    /// when the device is gone.
    pub(crate) fn stop(
        &self,
        scope: Option<FeatureIndex>,
        now: Instant,
    ) -> Result<oneshot::Receiver<()>, DeviceError> {
        if let Some(feature) = scope {
            checked_feature(feature, self.description())?;
        }
        let (written, waiter) = oneshot::channel();
        let mut mailbox = self.mailbox();
        if !mailbox.gone {
            mailbox.wanted.stop(scope);
            mailbox.whereabouts.stopped(scope, now);
            mailbox.stop = true;
            mailbox.add_stop_waiter(written);
        }
        drop(mailbox);
        self.wake();
        Ok(waiter)
    }

    /// Sets to zero what this client set in motion, now, and ends its subscriptions. The receiver hears of the zeros;
    /// `None`: there was nothing to stop.
    pub(crate) fn release(&self, owner: SessionId, now: Instant) -> Option<oneshot::Receiver<()>> {
        let mut mailbox = self.mailbox();
        if mailbox.gone {
            return None;
        }
        mailbox.subscriptions.remove_all(owner, None);
        mailbox.whereabouts.stopped(None, now);
        let waiter = mailbox.wanted.release(owner).then(|| {
            let (written, waiter) = oneshot::channel();
            mailbox.stop = true;
            mailbox.add_stop_waiter(written);
            waiter
        });
        drop(mailbox);
        self.wake();
        waiter
    }

    /// Ends this client's subscriptions in scope.
    pub(crate) fn unsubscribe_all(&self, owner: SessionId, scope: Option<FeatureIndex>) {
        self.mailbox().subscriptions.remove_all(owner, scope);
        self.wake();
    }

    /// Asks for one reading.
    pub(crate) fn read(&self, cmd: &InputCmd) -> Result<oneshot::Receiver<Answer<i32>>, DeviceError> {
        check_input(cmd, self.description())?;
        let (answer, receiver) = oneshot::channel();
        let mut mailbox = self.mailbox();
        if mailbox.gone {
            return Err(self.gone());
        }
        // A reader that has given up makes room.
        mailbox.reads.retain(|(_, waiting)| !waiting.is_closed());
        if mailbox.reads.len() == MAX_WAITING_READS {
            let DeviceDescription { index, name, .. } = &**self.description();
            return Err(DeviceError::Busy { device: *index, name: name.clone(), limit: MAX_WAITING_READS });
        }
        mailbox.reads.push_back((Input { feature: cmd.feature, kind: cmd.kind }, answer));
        drop(mailbox);
        self.wake();
        Ok(receiver)
    }

    /// Begins or ends a subscription. The receiver hears when the hardware is set.
    pub(crate) fn subscribe(
        &self,
        cmd: &InputCmd,
        owner: SessionId,
        readings: &Arc<WaitingReadings>,
    ) -> Result<oneshot::Receiver<Answer<()>>, DeviceError> {
        check_input(cmd, self.description())?;
        let input = Input { feature: cmd.feature, kind: cmd.kind };
        let (answer, receiver) = oneshot::channel();
        let mut mailbox = self.mailbox();
        if mailbox.gone {
            return Err(self.gone());
        }
        match cmd.action {
            InputAction::Unsubscribe => mailbox.subscriptions.remove(input, owner, answer),
            InputAction::Subscribe | InputAction::Read => {
                let subscriber = Subscriber { owner, spelling: cmd.spelling, readings: Arc::clone(readings) };
                mailbox.subscriptions.add(input, subscriber, answer);
            }
        }
        drop(mailbox);
        self.wake();
        Ok(receiver)
    }

    /// Has the task stop the device, close the hardware and end.
    pub(crate) fn close(&self) {
        self.mailbox().close = true;
        self.wake();
    }

    /// Waits until the task has ended.
    pub(crate) async fn ended(&self) {
        // The sender lives in the same allocation, so this only ends by the value.
        let _ = self.shared.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whether the task has ended.
    pub(crate) fn has_ended(&self) -> bool {
        *self.shared.ended.borrow()
    }

    /// Hands a reading to everyone who subscribed the input.
    fn publish(&self, input: Input, value: i32) {
        let device = self.description().index;
        for Subscriber { spelling, readings, .. } in self.mailbox().subscriptions.subscribers(input) {
            let reading =
                InputReading { device, feature: input.feature, kind: input.kind, spelling: *spelling, value };
            readings.push(reading);
        }
    }

    /// The task has ended: whoever waits gets an error, and nobody is taken any more.
    fn end(&self) {
        let mut mailbox = self.mailbox();
        mailbox.gone = true;
        mailbox.stop_waiters.clear();
        mailbox.reads.clear();
        mailbox.subscriptions.end();
        drop(mailbox);
        self.shared.ended.send_replace(true);
    }
}

/// The error that a client gets for a failed request.
pub(crate) fn request_error(device: &DeviceDescription, failure: RequestFailure) -> DeviceError {
    let (index, name) = (device.index, device.name.clone());
    match failure {
        RequestFailure::Gone => DeviceError::Gone { device: index, name },
        RequestFailure::Failed(reason) => DeviceError::Failed { device: index, name, reason },
    }
}

/// The reading that answers a read.
pub(crate) fn read_reply(cmd: &InputCmd, value: i32) -> InputReading {
    let spelling: RssiSpelling = cmd.spelling;
    InputReading { device: cmd.device, feature: cmd.feature, kind: cmd.kind, spelling, value }
}
