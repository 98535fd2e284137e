//! The task that owns a connection: moves messages between it and the session, keeps the time, closes. Decides
//! nothing; `session.rs` does.

use crate::event::DisconnectReason;
use crate::link::{Command, Request};
use crate::runtime::{Instant, sleep_until, timeout};
use crate::session::Session;
use buttplug_core::connector::{ClientConnection, ConnectorError};
use buttplug_core::message::{ClientMessage, ClientRequest, ServerMessage, StopCmd};
use futures_util::FutureExt;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long a disconnect waits until the server says that the devices have stopped. The server stops them in any case
/// when the connection ends.
pub const STOP_WAIT: Duration = Duration::from_secs(1);

/// How long a disconnect waits until the connection is closed in order.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What the clients want of the connection. When their end is gone, nobody wants it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Stay,
    Leave,
}

pub(crate) struct Task {
    pub(crate) connection: Box<dyn ClientConnection>,
    pub(crate) session: Session,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) wish: watch::Receiver<Wish>,
    /// Messages that came together with the handshake's reply.
    pub(crate) batch: Vec<ServerMessage>,
}

enum Wake {
    /// The clients want to leave, or are gone.
    Wish(Result<(), watch::error::RecvError>),
    Due,
    Command(Command),
    Received(Result<(), ConnectorError>),
}

/// How serving came to its end.
enum End {
    /// The clients want to leave: say good-bye.
    Leave,
    /// The last client handle was dropped.
    Abandoned,
    /// The server or the connection ended it.
    Over(DisconnectReason),
}

impl Task {
    pub(crate) async fn run(mut self) {
        let end = self.serve().await;
        if let End::Leave = end {
            self.farewell().await;
            let _ = timeout(CLOSE_WAIT, self.connection.close()).await;
        }
        // After a ping timeout some servers leave the connection open.
        let still_open = matches!(end, End::Over(DisconnectReason::PingTimeout { .. }));
        self.session.end(match end {
            End::Over(reason) => reason,
            End::Leave | End::Abandoned => DisconnectReason::Requested,
        });
        // From here on nobody waits for this task.
        drop(self.commands);
        if still_open {
            let _ = timeout(CLOSE_WAIT, self.connection.close()).await;
        }
    }

    async fn serve(&mut self) -> End {
        let mut out = Vec::new();
        loop {
            if let ControlFlow::Break(reason) = self.exchange(&mut out) {
                return End::Over(reason);
            }
            let deadline = self.session.deadline();
            let wake = tokio::select! {
                biased;
                wish = self.wish.changed() => Wake::Wish(wish),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Wake::Due,
                Some(command) = self.commands.recv() => Wake::Command(command),
                // Last, so that all waiting commands leave in one flush. They are bounded, so it has its turn.
                received = self.connection.receive(&mut self.batch) => Wake::Received(received),
            };
            match wake {
                Wake::Wish(Ok(())) => return End::Leave,
                Wake::Wish(Err(_)) => return End::Abandoned,
                Wake::Due => self.session.expire(Instant::now(), &mut out),
                Wake::Command(command) => self.session.command(command, &mut out),
                Wake::Received(Ok(())) => {}
                Wake::Received(Err(error)) => return End::Over(error.into()),
            }
        }
    }

    /// Hands what was received to the session and what it wants to say to the connection.
    fn exchange(&mut self, out: &mut Vec<ClientMessage>) -> ControlFlow<DisconnectReason> {
        for message in self.batch.drain(..) {
            self.session.receive(message, out)?;
        }
        for message in out.drain(..) {
            if let Err(error) = self.connection.send(message) {
                return ControlFlow::Break(self.last_words().unwrap_or_else(|| error.into()));
            }
        }
        ControlFlow::Continue(())
    }

    /// What the server said before the end that sending has run into: it may be the reason. Waits for nothing more.
    fn last_words(&mut self) -> Option<DisconnectReason> {
        // Brings all that is there, or the end once more.
        let _ = self.connection.receive(&mut self.batch).now_or_never();
        // Answers go nowhere.
        let mut unsaid = Vec::new();
        self.batch.drain(..).find_map(|message| self.session.receive(message, &mut unsaid).break_value())
    }

    /// Asks the server to stop everything and waits for its word, but not for long.
    async fn farewell(&mut self) {
        let (reply, mut answer) = oneshot::channel();
        let mut out = Vec::new();
        // What was called before the disconnect goes out before the stop.
        while let Ok(command) = self.commands.try_recv() {
            self.session.command(command, &mut out);
        }
        let request = ClientRequest::Stop(StopCmd::ALL);
        self.session.command(Command::Request(Request { request, reply, readings: None }), &mut out);
        let stopped = async {
            while self.exchange(&mut out).is_continue() {
                tokio::select! {
                    biased;
                    _ = &mut answer => break,
                    received = self.connection.receive(&mut self.batch) => {
                        if received.is_err() {
                            break;
                        }
                    }
                }
            }
        };
        if timeout(STOP_WAIT, stopped).await.is_err() {
            tracing::debug!("the server did not confirm the stop before the disconnect");
        }
    }
}
