//! One toy behind the app. Its commands are asked for one after the other by a task of its own, so that one that was begun is
//! through, or given up, before the next.

use super::bus::Shared;
use super::limits::MAX_WAITING_WRITES;
use super::toys::Opened;
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Beginning, Hardware, HardwareError, HardwareEvent};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A toy that the server has taken. Dropping it lets go of it.
pub(super) struct ConnectedToy {
    shared: Arc<Shared>,
    id: String,
    number: u64,
    /// `None` once closed.
    // calls -> the toy's task: 64 commands; when full the newest is refused; closed ends the task.
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    /// Has no message; closed when the toy's task has ended.
    ended: tokio::sync::watch::Receiver<()>,
}

/// A path to ask for.
struct Command {
    path: String,
    beginning: Beginning,
    done: oneshot::Sender<Result<(), HardwareError>>,
}

impl ConnectedToy {
    pub(super) fn new(
        shared: &Arc<Shared>,
        id: String,
        opened: Opened,
    ) -> (Self, mpsc::Receiver<HardwareEvent>) {
        let (commands, waiting) = mpsc::channel(MAX_WAITING_WRITES);
        let (alive, ended) = tokio::sync::watch::channel(());
        let mut writers = shared.writers();
        // Those that have ended are let go of here.
        while writers.try_join_next().is_some() {}
        writers.spawn(carry_out(Arc::clone(shared), opened.host, waiting, alive));
        drop(writers);
        let commands = Mutex::new(Some(commands));
        (Self { shared: Arc::clone(shared), id, number: opened.number, commands, ended }, opened.events)
    }

    fn let_go(&self) {
        self.shared.toys().close(&self.id, self.number);
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn give(&self, command: Command) -> Result<(), HardwareError> {
        // Whether it is still there and still this one's.
        self.shared.toys().battery(&self.id, self.number)?;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_ref().ok_or(HardwareError::Gone)?.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => {
                HardwareError::Failed(String::from("commands before this one still wait"))
            }
            TrySendError::Closed(_) => HardwareError::Gone,
        })
    }
}

/// The toy's task.
async fn carry_out(
    shared: Arc<Shared>,
    host: SocketAddr,
    mut waiting: mpsc::Receiver<Command>,
    _alive: tokio::sync::watch::Sender<()>,
) {
    while let Some(Command { path, beginning, done }) = waiting.recv().await {
        // Whoever gave up before it was begun no longer wants it.
        if done.is_closed() || !beginning.begin() {
            continue;
        }
        let outcome = match timeout(shared.times.write, shared.web.tell(host, &path)).await {
            Ok(told) => told.map_err(|error| HardwareError::Failed(error.to_string())),
            Err(_) => Err(HardwareError::TimedOut("a command to Lovense Connect")),
        };
        let _ = done.send(outcome);
    }
}

#[async_trait]
impl Hardware for ConnectedToy {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.write_unless_called_off(frame, &Beginning::default()).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        let text = std::str::from_utf8(&frame.data);
        let text = text.map_err(|_| HardwareError::NotSupported("a command that is no text"))?;
        let (done, outcome) = oneshot::channel();
        self.give(Command { path: format!("/{text}"), beginning: beginning.clone(), done })?;
        outcome.await.unwrap_or(Err(HardwareError::Gone))
    }

    async fn read(&self, _endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        self.shared.toys().battery(&self.id, self.number).map(|battery| vec![battery])
    }

    async fn subscribe(&self, _endpoint: Endpoint) -> Result<(), HardwareError> {
        Err(HardwareError::NotSupported("a notification"))
    }

    async fn unsubscribe(&self, _endpoint: Endpoint) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn close(&self) {
        self.let_go();
        let mut ended = self.ended.clone();
        // Nothing is ever sent: it changes by being closed.
        let _ = ended.changed().await;
    }
}

impl Drop for ConnectedToy {
    fn drop(&mut self) {
        self.let_go();
    }
}
