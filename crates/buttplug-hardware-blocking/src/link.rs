//! Open hardware as the server gets it: hands frames to the thread that writes, and passes on what the other one hears.
//!
//! There is one way in and one way out: every write goes to the same place, and whoever subscribes hears everything.

use crate::driver::{Halves, ReadWhen, Source};
use crate::threads::{self, Job};
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Beginning, Hardware, HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::mpsc::{self as blocking, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// How long a write may take. Systems take a frame at once unless the hardware has stopped reading; what is longer in
/// coming would come too late.
pub const WRITE_TIME: Duration = Duration::from_secs(1);

/// How long a read waits for the hardware to say something.
pub const READ_TIME: Duration = Duration::from_secs(1);

/// How long closing waits for the threads: for one write that is under way, and a moment.
pub const CLOSE_TIME: Duration = Duration::from_millis(1500);

/// Frames that may wait to be written, as many as hardware has to take.
pub const MAX_WAITING_WRITES: usize = 64;

/// Chunks that are kept for whoever reads or subscribes later. The oldest go.
pub const MAX_UNREAD_CHUNKS: usize = 16;

/// Open hardware. Dropping it closes it.
pub struct Link {
    shared: Arc<Shared>,
    /// `None`: closed. Link -> writing thread: [`MAX_WAITING_WRITES`] frames; when full a write fails; closed means that
    /// the thread writes what it has and ends.
    jobs: Mutex<Option<SyncSender<Job>>>,
    /// There until somebody wants to hear the hardware.
    silent: Mutex<Option<Box<dyn Source>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A link, from the side of its bus.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    shared: Weak<Shared>,
}

/// What a link and its threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Never held while waiting.
    state: Mutex<State>,
    /// Something came, or the end.
    heard: Notify,
}

#[derive(Debug)]
struct State {
    /// `None`: the link has ended. Link -> device task: notifications; when full, new ones are dropped, and one place is
    /// kept for the end.
    events: Option<mpsc::Sender<HardwareEvent>>,
    subscribed: Vec<Endpoint>,
    unread: VecDeque<Bytes>,
    /// Reads under way.
    readers: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The hardware is gone, for this reason. The first one counts.
    pub(crate) fn end(&self, reason: &str) {
        let events = locked(&self.state).events.take();
        if let Some(events) = events {
            // There is room: notifications leave one place free.
            let _ = events.try_send(HardwareEvent::Gone(reason.into()));
        }
        self.heard.notify_waiters();
    }

    pub(crate) fn has_ended(&self) -> bool {
        locked(&self.state).events.is_none()
    }

    /// The hardware says something.
    pub(crate) fn hear(&self, data: &[u8]) {
        let data = Bytes::copy_from_slice(data);
        let mut state = locked(&self.state);
        let heard_as = state.heard_as();
        if let Some(endpoint) = heard_as {
            state.notify(endpoint, data.clone());
        }
        if heard_as.is_none() || state.readers > 0 {
            if state.unread.len() == MAX_UNREAD_CHUNKS {
                state.unread.pop_front();
            }
            state.unread.push_back(data);
            drop(state);
            self.heard.notify_waiters();
        }
    }
}

impl State {
    /// As which endpoint the hardware's bytes count: whoever subscribes hears everything.
    fn heard_as(&self) -> Option<Endpoint> {
        let rx = self.subscribed.iter().find(|endpoint| **endpoint == Endpoint::Rx);
        rx.or(self.subscribed.first()).copied()
    }

    fn notify(&self, endpoint: Endpoint, data: Bytes) {
        match &self.events {
            // The last place is for the end.
            Some(events) if events.capacity() > 1 => {
                let _ = events.try_send(HardwareEvent::Notification { endpoint, data });
            }
            Some(_) => tracing::debug!("dropping a notification: the device's task is behind"),
            None => {}
        }
    }
}

impl Link {
    /// Makes hardware of what a driver has opened. `place` is dropped when it is closed for good, so that a bus can
    /// bound how much is open.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(
        halves: Halves,
        place: OwnedSemaphorePermit,
    ) -> Result<(Self, mpsc::Receiver<HardwareEvent>), HardwareError> {
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        let state =
            State { events: Some(events), subscribed: Vec::new(), unread: VecDeque::new(), readers: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), heard: Notify::new() });
        let (jobs, inbox) = blocking::sync_channel(MAX_WAITING_WRITES);
        let writer = threads::start_writer(Arc::clone(&shared), halves.sink, inbox, place);
        let link = Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            silent: Mutex::new(Some(halves.source)),
            threads: Mutex::new(vec![writer.map_err(|error| no_thread(&error))?]),
        };
        if halves.read == ReadWhen::Always {
            link.listen()?;
        }
        Ok((link, receiver))
    }

    /// A handle for the bus.
    pub fn handle(&self) -> LinkHandle {
        LinkHandle { shared: Arc::downgrade(&self.shared) }
    }

    /// Begins to read the hardware, unless that has begun.
    fn listen(&self) -> Result<(), HardwareError> {
        if let Some(source) = locked(&self.silent).take() {
            let reader = threads::start_reader(Arc::clone(&self.shared), source);
            locked(&self.threads).push(reader.map_err(|error| no_thread(&error))?);
        }
        Ok(())
    }

    fn alive(&self) -> Result<(), HardwareError> {
        if self.shared.has_ended() { Err(HardwareError::Gone) } else { Ok(()) }
    }

    /// Lets the threads end: the one that writes with what it was given before.
    fn let_go(&self) {
        locked(&self.jobs).take();
        // Whoever closes needs no reason.
        locked(&self.shared.state).events.take();
        self.shared.heard.notify_waiters();
    }
}

fn no_thread(error: &std::io::Error) -> HardwareError {
    HardwareError::Failed(format!("the system gives no thread for it: {error}"))
}

impl LinkHandle {
    /// Whether the link is open.
    pub fn is_open(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| !shared.has_ended())
    }

    /// The bus sees that the hardware is gone.
    pub fn end(&self, reason: &str) {
        if let Some(shared) = self.shared.upgrade() {
            shared.end(reason);
        }
    }
}

/// A read under way, which bytes are kept for.
struct Reading<'a>(&'a Shared);

impl<'a> Reading<'a> {
    fn begin(shared: &'a Shared) -> Self {
        locked(&shared.state).readers += 1;
        Self(shared)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.readers -= 1;
        if state.readers == 0 && state.heard_as().is_some() {
            // It has all been heard.
            state.unread.clear();
        }
    }
}

#[async_trait]
impl Hardware for Link {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.write_unless_called_off(frame, &Beginning::default()).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        self.alive()?;
        let (done, written) = oneshot::channel();
        let job = Job { data: frame.data.to_vec(), beginning: beginning.clone(), done };
        match locked(&self.jobs).as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                return Err(HardwareError::Failed(String::from("writes before this one still wait")));
            }
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(HardwareError::Gone),
        }
        match timeout(WRITE_TIME + threads::MAX_CARRY_TIME, written).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HardwareError::Gone),
            Err(_) => Err(HardwareError::TimedOut("a write")),
        }
    }

    /// The next chunk that the hardware says or has said, cut to `length`.
    async fn read(&self, _endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError> {
        self.alive()?;
        let _reading = Reading::begin(&self.shared);
        self.listen()?;
        let next = async {
            loop {
                // Before looking, so that nothing is missed in between.
                let mut heard = std::pin::pin!(self.shared.heard.notified());
                heard.as_mut().enable();
                if let Some(data) = locked(&self.shared.state).unread.pop_front() {
                    return Ok(data.get(..usize::from(length)).unwrap_or(&data).to_vec());
                }
                self.alive()?;
                heard.await;
            }
        };
        timeout(READ_TIME, next).await.unwrap_or(Err(HardwareError::TimedOut("a read")))
    }

    /// What came before and nobody has read is heard first.
    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.alive()?;
        {
            let mut state = locked(&self.shared.state);
            if !state.subscribed.contains(&endpoint) {
                state.subscribed.push(endpoint);
                for data in std::mem::take(&mut state.unread) {
                    state.notify(endpoint, data);
                }
            }
        }
        self.listen()
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        locked(&self.shared.state).subscribed.retain(|subscribed| *subscribed != endpoint);
        Ok(())
    }

    async fn close(&self) {
        self.let_go();
        let threads = std::mem::take(&mut *locked(&self.threads));
        if threads.is_empty() {
            return;
        }
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of a device panicked");
                }
            }
        });
        if timeout(CLOSE_TIME, joined).await.is_err() {
            tracing::warn!("a device does not let itself be closed; it is left to the system");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.let_go();
    }
}
