//! A line: the socket of whoever has dialled in, with the task that reads it. What is said on it, `speech.rs` knows.
//!
//! Writes go straight to the socket, past the task, so that a command's bytes leave at once; only what the operating
//! system does not take at once is left to the task.

use crate::speech::{Heard, Speech};
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use buttplug_websocket::{CloseCode, Received, Socket, SocketError};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

/// Who has greeted.
pub(crate) struct Line {
    sighting: Sighting,
    times: LineTimes,
    /// Never held while waiting.
    state: Mutex<State>,
    /// What could not be written at once is written, or never will be.
    written: Notify,
    /// Has no permits; closed when the line's task has ended.
    ended: Semaphore,
}

/// How long things may take on a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineTimes {
    /// See [`WRITE_TIME`](crate::WRITE_TIME).
    pub(crate) write: Duration,
    /// See [`ANSWER_TIME`](crate::ANSWER_TIME).
    pub(crate) answer: Duration,
}

struct State {
    /// There until the line's task takes it to close it.
    socket: Option<Box<Socket>>,
    speech: Speech,
    /// Wakes the line's task.
    task: Option<Waker>,
    /// Where notifications go once the server has opened the hardware.
    events: Option<mpsc::Sender<HardwareEvent>>,
    opened: bool,
    /// The server has been told of what greeted here, or need not be.
    reported: bool,
    /// The line on which the same address has dialled in again.
    successor: Weak<Line>,
    ending: Option<Ending>,
}

/// How a line ends, unless its socket has ended already.
#[derive(Clone, Debug)]
struct Ending {
    code: CloseCode,
    reason: String,
    /// What is said before the socket is closed.
    last_words: Option<String>,
}

impl Ending {
    /// The same hardware is on another line. It is not to be let go of.
    fn replaced() -> Self {
        let reason = String::from("the same address has dialled in again");
        Self { code: CloseCode::Policy, reason, last_words: None }
    }
}

/// Why something was not sent.
pub(crate) enum Unsent {
    Socket(SocketError),
    Hardware(HardwareError),
}

impl From<SocketError> for Unsent {
    fn from(error: SocketError) -> Self {
        Self::Socket(error)
    }
}

impl From<HardwareError> for Unsent {
    fn from(error: HardwareError) -> Self {
        Self::Hardware(error)
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("sighting", &self.sighting).finish_non_exhaustive()
    }
}

impl Line {
    pub(crate) fn new(sighting: Sighting, socket: Socket, speech: Speech, times: LineTimes) -> Self {
        let state = State {
            socket: Some(Box::new(socket)),
            speech,
            task: None,
            events: None,
            opened: false,
            reported: false,
            successor: Weak::new(),
            ending: None,
        };
        Self { sighting, times, state: Mutex::new(state), written: Notify::new(), ended: Semaphore::new(0) }
    }

    pub(crate) fn sighting(&self) -> &Sighting {
        &self.sighting
    }

    pub(crate) fn times(&self) -> LineTimes {
        self.times
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server takes the hardware, if `prepare` has nothing against it.
    pub(crate) fn open<T>(
        &self,
        prepare: impl FnOnce(&mut Speech) -> Result<T, HardwareError>,
    ) -> Result<(T, mpsc::Receiver<HardwareEvent>), HardwareError> {
        let mut state = self.state();
        if state.socket.is_none() || state.ending.is_some() {
            return Err(HardwareError::Gone);
        }
        if state.opened {
            return Err(HardwareError::Failed(String::from("the device is open already")));
        }
        let prepared = prepare(&mut state.speech)?;
        // line -> device task: notifications; when full, new ones are dropped. One place is kept for the end.
        let (sender, events) = mpsc::channel(MAX_WAITING_EVENTS);
        state.opened = true;
        state.events = Some(sender);
        state.wake();
        Ok((prepared, events))
    }

    /// Whether it waits for the server to decide.
    pub(crate) fn is_pending(&self) -> bool {
        let state = self.state();
        !state.opened && state.is_live()
    }

    /// Whether the server has taken the hardware.
    pub(crate) fn is_opened(&self) -> bool {
        self.state().opened
    }

    /// Whether it has neither ended nor is about to.
    pub(crate) fn is_live(&self) -> bool {
        self.state().is_live()
    }

    /// The same address has dialled in again. The server lets go of what it has opened only once it wants the newcomer: until
    /// then this line is the only way to stop the hardware.
    ///
    /// What the server has not opened yet the newcomer stands in for. One that has greeted in the same words is not reported
    /// again: the server would open it for the first report, and close it for the second.
    pub(crate) fn replaced_by(&self, newcomer: &Arc<Self>) {
        let mut state = self.state();
        if state.opened {
            state.successor = Arc::downgrade(newcomer);
            // Nobody waits long for what does not go out any more.
            self.written.notify_waiters();
            return;
        }
        let waits = state.is_live();
        state.end(Ending::replaced());
        let reported = std::mem::replace(&mut state.reported, true);
        drop(state);
        if waits && reported && self.sighting == newcomer.sighting {
            newcomer.state().reported = true;
        }
    }

    /// Lets `report` tell the server of it, unless that has been done.
    pub(crate) fn report(&self, report: impl FnOnce()) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.reported, true) {
            report();
        }
    }

    /// Whether a line with the same address is there that came later.
    fn is_replaced(&self) -> bool {
        let successor = self.state().successor.upgrade();
        successor.is_some_and(|successor| successor.is_live())
    }

    /// The server will speak this protocol to what it has opened.
    pub(crate) fn accept(&self, protocol: &str) {
        if self.is_opened() {
            // A line that takes no word has ended; its task says so.
            let _ = self.send(|speech, socket| {
                if let Some(text) = speech.accept(protocol) {
                    socket.send_text(text)?;
                }
                Ok(())
            });
        }
    }

    /// Ends the line: the other side is told that it is refused, or no longer needed, and code and reason. Where the same
    /// hardware is on another line by now, it is told that. The first end counts.
    pub(crate) fn end(&self, code: CloseCode, reason: &str) {
        if self.is_replaced() {
            return self.end_replaced();
        }
        let mut state = self.state();
        let last_words = state.speech.last_words(reason);
        state.end(Ending { code, reason: String::from(reason), last_words });
    }

    /// Ends the line because the same hardware is on another one by now.
    pub(crate) fn end_replaced(&self) {
        self.state().end(Ending::replaced());
    }

    /// Waits for the line's task to have ended.
    pub(crate) async fn ended(&self) {
        // Fails when the semaphore is closed, which is what is awaited.
        let _ = self.ended.acquire().await;
    }

    /// Looks at what is said on the line, or changes it. `None`: the line has ended or is about to.
    pub(crate) fn with_speech<T>(&self, look: impl FnOnce(&mut Speech) -> T) -> Option<T> {
        let mut state = self.state();
        state.is_live().then(|| look(&mut state.speech))
    }

    /// Lets `speak` queue a message and writes it out as far as it goes without waiting. False beside what it returns:
    /// not everything went; [`written`](Self::written) waits for the rest.
    pub(crate) fn send<T>(
        &self,
        speak: impl FnOnce(&mut Speech, &mut Socket) -> Result<T, Unsent>,
    ) -> Result<(T, bool), HardwareError> {
        let mut state = self.state();
        let state = &mut *state;
        if state.ending.is_some() {
            return Err(HardwareError::Gone);
        }
        let Some(socket) = &mut state.socket else { return Err(HardwareError::Gone) };
        let flushed = match speak(&mut state.speech, socket) {
            Ok(spoken) => socket.try_flush().map(|flushed| (spoken, flushed)),
            Err(Unsent::Socket(error)) => Err(error),
            Err(Unsent::Hardware(error)) => return Err(error),
        };
        match flushed {
            Ok((spoken, true)) => {
                self.written.notify_waiters();
                Ok((spoken, true))
            }
            // The line's task writes the rest, or learns of the end.
            Ok((spoken, false)) => {
                state.wake();
                Ok((spoken, false))
            }
            Err(error @ SocketError::QueueFull { .. }) => Err(HardwareError::Failed(error.to_string())),
            Err(_) => {
                state.wake();
                Err(HardwareError::Gone)
            }
        }
    }

    /// Waits until everything queued has been written; on a line that is replaced it is not waited for.
    pub(crate) async fn written(&self) -> Result<(), HardwareError> {
        let all = async {
            loop {
                // Before looking, so that nothing is missed in between.
                let mut written = pin!(self.written.notified());
                written.as_mut().enable();
                match &self.state().socket {
                    None => return Err(HardwareError::Gone),
                    Some(socket) if socket.is_flushed() => return Ok(()),
                    Some(_) => {}
                }
                if self.is_replaced() {
                    return Err(HardwareError::TimedOut("a write"));
                }
                written.await;
            }
        };
        timeout(self.times.write, all).await.unwrap_or(Err(HardwareError::TimedOut("a write")))
    }

    /// What came together with the greeting.
    pub(crate) fn hear(&self, messages: Vec<Received>) {
        let mut state = self.state();
        for message in messages {
            let state = &mut *state;
            if let Some(ending) = hear(&mut state.speech, None, message) {
                state.ending.get_or_insert(ending);
            }
        }
    }

    /// The line's task: sees `reported` through, and reads until the line ends, one way or the other.
    pub(crate) async fn run(self: Arc<Self>, pending_time: Duration, reported: impl Future<Output = ()>) {
        // Boxed: it is over soon, and its future would make every line's task larger for life.
        let ended = match Box::pin(timeout(pending_time, self.undecided(reported))).await {
            Ok(ended) => ended,
            Err(_) => {
                self.end(CloseCode::Again, "the server did not decide in time what to do with the device");
                None
            }
        };
        let gone = match ended {
            Some(gone) => gone,
            None => poll_fn(|cx| self.poll_line(cx)).await,
        };
        let (socket, ending, events) = {
            let mut state = self.state();
            state.speech.ended();
            (state.socket.take(), state.ending.take(), state.events.take())
        };
        // Who waits for a write finds the socket taken.
        self.written.notify_waiters();
        tracing::debug!(address = ?self.sighting.address, reason = %gone, "device's line ended");
        if let Some(events) = events {
            // There is room: notifications leave one place free.
            let _ = events.try_send(HardwareEvent::Gone(gone));
        }
        if let Some(mut socket) = socket {
            let over = Ending { code: CloseCode::Normal, reason: String::new(), last_words: None };
            let Ending { code, reason, last_words } = ending.unwrap_or(over);
            if let Some(last_words) = last_words {
                // One that is gone, or has not read for long, does without.
                let _ = socket.send_text(last_words);
            }
            socket.close(code, &reason).await;
        }
        self.ended.close();
    }

    /// Waits until the server has opened the device (`None`) or the line has ended (why), and meanwhile sees `reported`
    /// through.
    async fn undecided(&self, reported: impl Future<Output = ()>) -> Option<String> {
        let mut reported = pin!(reported);
        let mut waiting = true;
        poll_fn(|cx| {
            waiting = waiting && reported.as_mut().poll(cx).is_pending();
            self.poll_opened(cx)
        })
        .await
    }

    /// Ready when the server has opened the device (`None`) or the line has ended (why).
    fn poll_opened(&self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        if self.state().opened {
            return Poll::Ready(None);
        }
        self.poll_line(cx).map(Some)
    }

    /// Reads and writes; ready when the line ends, with the reason.
    fn poll_line(&self, cx: &mut Context<'_>) -> Poll<String> {
        let mut state = self.state();
        let State { socket, speech, task, events, ending, .. } = &mut *state;
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        if let Some(ending) = ending {
            return Poll::Ready(ending.reason.clone());
        }
        let Some(socket) = socket else { return Poll::Ready(String::new()) };
        let result = socket.poll_receive(cx, |message| {
            // What follows an end is not heard.
            if ending.is_none() {
                *ending = hear(speech, events.as_ref(), message);
            }
        });
        if socket.is_flushed() {
            self.written.notify_waiters();
        }
        if let Some(ending) = ending {
            return Poll::Ready(ending.reason.clone());
        }
        match result {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                // One batch per turn: a device that floods keeps neither the lock nor the thread.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(error.to_string()),
        }
    }
}

impl State {
    fn is_live(&self) -> bool {
        self.socket.is_some() && self.ending.is_none()
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.wake();
        }
    }
}

/// Passes a message on to whoever it is for. Returns how the line ends, if the message ends it.
fn hear(
    speech: &mut Speech,
    events: Option<&mpsc::Sender<HardwareEvent>>,
    message: Received,
) -> Option<Ending> {
    match speech.hear(message) {
        Heard::Nothing => None,
        Heard::Notification { endpoint, data } => {
            match events {
                // The last place is for the end.
                Some(events) if events.capacity() <= 1 => {
                    tracing::debug!("dropping a notification: the device's task is behind");
                }
                Some(events) => {
                    let _ = events.try_send(HardwareEvent::Notification { endpoint, data });
                }
                None => {}
            }
            None
        }
        Heard::End { code, reason } => Some(Ending { code, reason, last_words: None }),
    }
}
