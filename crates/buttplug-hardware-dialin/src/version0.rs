//! Version 0 of the device port: every message is bytes of the device's own protocol, one way in and one way out.
//!
//! A line is a device's socket with a task that reads it. Writes go straight to the socket, past the task, so that a
//! command's bytes leave at once; only what the operating system does not take at once is left to the task.

use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{Hardware, HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use buttplug_websocket::{CloseCode, Received, Socket, SocketError};
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

/// A device that has greeted.
pub(crate) struct Line {
    sighting: Sighting,
    write_time: Duration,
    /// Never held while waiting.
    state: Mutex<State>,
    /// What could not be written at once is written, or never will be.
    written: Notify,
    /// Has no permits; closed when the line's task has ended.
    ended: Semaphore,
}

struct State {
    /// There until the line's task takes it to close it.
    socket: Option<Box<Socket>>,
    /// Wakes the line's task.
    task: Option<Waker>,
    /// Where notifications go once the server has opened the hardware.
    events: Option<mpsc::Sender<HardwareEvent>>,
    opened: bool,
    subscribed: Vec<Endpoint>,
    ending: Option<Ending>,
}

/// How a line ends, by our will.
#[derive(Clone, Debug)]
struct Ending {
    code: CloseCode,
    reason: String,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("sighting", &self.sighting).finish_non_exhaustive()
    }
}

impl Line {
    pub(crate) fn new(sighting: Sighting, socket: Socket, write_time: Duration) -> Self {
        let state = State {
            socket: Some(Box::new(socket)),
            task: None,
            events: None,
            opened: false,
            subscribed: Vec::new(),
            ending: None,
        };
        Self {
            sighting,
            write_time,
            state: Mutex::new(state),
            written: Notify::new(),
            ended: Semaphore::new(0),
        }
    }

    pub(crate) fn sighting(&self) -> &Sighting {
        &self.sighting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server takes the device. The hardware closes the line when it is dropped.
    pub(crate) fn open(self: Arc<Self>) -> Result<(Version0, mpsc::Receiver<HardwareEvent>), HardwareError> {
        // line -> device task: notifications; when full, new ones are dropped. One place is kept for the end.
        let (sender, events) = mpsc::channel(MAX_WAITING_EVENTS);
        let mut state = self.state();
        if state.socket.is_none() || state.ending.is_some() {
            return Err(HardwareError::Gone);
        }
        if state.opened {
            return Err(HardwareError::Failed(String::from("the device is open already")));
        }
        state.opened = true;
        state.events = Some(sender);
        state.wake();
        drop(state);
        Ok((Version0 { line: self }, events))
    }

    /// Whether it waits for the server to decide.
    pub(crate) fn is_pending(&self) -> bool {
        let state = self.state();
        !state.opened && state.socket.is_some() && state.ending.is_none()
    }

    /// Ends the line: the device is told code and reason. The first one counts.
    pub(crate) fn end(&self, code: CloseCode, reason: &str) {
        let mut state = self.state();
        if state.ending.is_none() {
            state.ending = Some(Ending { code, reason: String::from(reason) });
            state.wake();
        }
    }

    /// Waits for the line's task to have ended.
    pub(crate) async fn ended(&self) {
        // Fails when the semaphore is closed, which is what is awaited.
        let _ = self.ended.acquire().await;
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
            let ending = ending.unwrap_or(Ending { code: CloseCode::Normal, reason: String::new() });
            socket.close(ending.code, &ending.reason).await;
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
        // What a device says before it is asked is lost.
        self.poll_line(cx).map(Some)
    }

    /// Reads and writes; ready when the line ends, with the reason.
    fn poll_line(&self, cx: &mut Context<'_>) -> Poll<String> {
        let mut state = self.state();
        let state = &mut *state;
        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            state.task = Some(cx.waker().clone());
        }
        if let Some(ending) = &state.ending {
            return Poll::Ready(ending.reason.clone());
        }
        let Some(socket) = &mut state.socket else { return Poll::Ready(String::new()) };
        let endpoint = heard_as(&state.subscribed);
        let result = socket.poll_receive(cx, |message| {
            if let (Some(endpoint), Some(events)) = (endpoint, &state.events) {
                notify(events, endpoint, message);
            }
        });
        if socket.is_flushed() {
            self.written.notify_waiters();
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
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

/// As which endpoint the device's messages count. There is one way in: whoever subscribes hears everything.
fn heard_as(subscribed: &[Endpoint]) -> Option<Endpoint> {
    subscribed.iter().find(|endpoint| **endpoint == Endpoint::Rx).or(subscribed.first()).copied()
}

fn notify(events: &mpsc::Sender<HardwareEvent>, endpoint: Endpoint, message: Received) {
    let (Received::Text(data) | Received::Binary(data)) = message;
    if events.capacity() <= 1 {
        // The last place is for the end.
        tracing::debug!("dropping a notification: the device's task is behind");
        return;
    }
    let _ = events.try_send(HardwareEvent::Notification { endpoint, data });
}

/// A device that is its own transport. Dropping it closes the connection.
pub(crate) struct Version0 {
    line: Arc<Line>,
}

impl Drop for Version0 {
    fn drop(&mut self) {
        self.line.end(CloseCode::Normal, "");
    }
}

#[async_trait]
impl Hardware for Version0 {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        {
            let mut state = self.line.state();
            let state = &mut *state;
            if state.ending.is_some() {
                return Err(HardwareError::Gone);
            }
            let Some(socket) = &mut state.socket else { return Err(HardwareError::Gone) };
            let result =
                socket.send_binary(Bytes::copy_from_slice(&frame.data)).and_then(|()| socket.try_flush());
            match result {
                Ok(true) => {
                    self.line.written.notify_waiters();
                    return Ok(());
                }
                // The line's task writes the rest, or learns of the end.
                Ok(false) => state.wake(),
                Err(SocketError::QueueFull { .. }) => return Err(HardwareError::TimedOut("a write")),
                Err(_) => {
                    state.wake();
                    return Err(HardwareError::Gone);
                }
            }
        }
        let written = poll_written(&self.line);
        timeout(self.line.write_time, written).await.unwrap_or(Err(HardwareError::TimedOut("a write")))
    }

    async fn read(&self, _endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        Err(HardwareError::NotSupported("reading"))
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        let mut state = self.line.state();
        if state.socket.is_none() {
            return Err(HardwareError::Gone);
        }
        if !state.subscribed.contains(&endpoint) {
            state.subscribed.push(endpoint);
        }
        Ok(())
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.line.state().subscribed.retain(|subscribed| *subscribed != endpoint);
        Ok(())
    }

    async fn close(&self) {
        self.line.end(CloseCode::Normal, "");
        self.line.ended().await;
    }
}

/// Waits until everything queued has been written.
async fn poll_written(line: &Line) -> Result<(), HardwareError> {
    loop {
        // Before looking, so that nothing is missed in between.
        let mut written = pin!(line.written.notified());
        written.as_mut().enable();
        match &line.state().socket {
            None => return Err(HardwareError::Gone),
            Some(socket) if socket.is_flushed() => return Ok(()),
            Some(_) => {}
        }
        written.await;
    }
}
