//! The one place for a connection: who may fill it, who finds what in it, and how an attempt to fill it is given up.
//! Opens and closes nothing itself.

use crate::error::Error;
use crate::event::DisconnectReason;
use crate::link::Link;
use crate::table::Table;
use crate::task::Wish;
use buttplug_core::message::ServerInfo;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};

pub(crate) struct Connection {
    pub(crate) link: Arc<Link>,
    pub(crate) table: Arc<Table>,
    pub(crate) info: ServerInfo,
    /// Dropping it closes the connection.
    pub(crate) wish: watch::Sender<Wish>,
}

#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    /// How often somebody wanted to be without a connection. Counted under the lock of `state`, told outside of it.
    leaves: watch::Sender<u64>,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// Until the handshake is done.
    Connecting { attempt: Arc<Notify>, before: Option<Connection> },
    /// From the handshake on, so that whoever hears of a device finds the connection. Stays after the connection has
    /// ended, for the reason.
    Taken(Connection),
}

impl Slot {
    /// # Errors
    /// There is no connection now, with the reason.
    pub(crate) fn link(&self) -> Result<Arc<Link>, Error> {
        match &*crate::lock(&self.state) {
            State::Taken(connection) => {
                connection.link.check_open()?;
                Ok(Arc::clone(&connection.link))
            }
            State::Empty | State::Connecting { .. } => Err(Error::NotConnected),
        }
    }

    /// Reads something of the connection, if there is one now.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> T) -> Option<T> {
        match &*crate::lock(&self.state) {
            State::Taken(connection) if connection.link.check_open().is_ok() => Some(read(connection)),
            _ => None,
        }
    }

    /// The last connection, also if it has ended.
    pub(crate) fn last_link(&self) -> Option<Arc<Link>> {
        match &*crate::lock(&self.state) {
            State::Taken(connection) => Some(Arc::clone(&connection.link)),
            State::Empty | State::Connecting { .. } => None,
        }
    }

    /// Counts the calls of [`leave`](Self::leave). Closed means that the client is gone.
    pub(crate) fn leaves(&self) -> watch::Receiver<u64> {
        self.leaves.subscribe()
    }

    /// Takes the place for an attempt to connect; with `leaves`, only if nobody has left since there were so many.
    ///
    /// # Errors
    /// There is a connection, or another attempt, or somebody left.
    pub(crate) fn reserve(&self, leaves: Option<u64>) -> Result<Place<'_>, Error> {
        let mut state = crate::lock(&self.state);
        if leaves.is_some_and(|leaves| leaves != *self.leaves.borrow()) {
            return Err(Error::NotConnected);
        }
        let before = match std::mem::take(&mut *state) {
            State::Empty => None,
            State::Taken(before) if before.link.check_open().is_err() => Some(before),
            taken => {
                *state = taken;
                return Err(Error::AlreadyConnected);
            }
        };
        let attempt = Arc::new(Notify::new());
        let link = before.as_ref().map(|before| Arc::clone(&before.link));
        *state = State::Connecting { attempt: Arc::clone(&attempt), before };
        Ok(Place { slot: self, attempt, before: link })
    }

    /// Ends what is there: a connection, whose link is returned for waiting, or an attempt to connect.
    pub(crate) fn leave(&self) -> Option<Arc<Link>> {
        let (link, attempt) = {
            let mut state = crate::lock(&self.state);
            self.leaves.send_if_modified(|leaves| {
                *leaves += 1;
                false
            });
            if let State::Taken(connection) = &*state {
                connection.link.end(DisconnectReason::Requested);
                // Nobody there to hear it means that the connection has ended already.
                let _ = connection.wish.send(Wish::Leave);
                (Some(Arc::clone(&connection.link)), None)
            } else {
                (None, state.give_up())
            }
        };
        // Outside the lock: a waker may run anything.
        if let Some(attempt) = attempt {
            attempt.notify_one();
        }
        self.leaves.send_modify(|_| ());
        link
    }
}

impl State {
    fn is(&self, wanted: &Arc<Notify>) -> bool {
        matches!(self, Self::Connecting { attempt, .. } if Arc::ptr_eq(attempt, wanted))
    }

    /// Puts back what was there before the attempt, and returns the attempt.
    fn give_up(&mut self) -> Option<Arc<Notify>> {
        match std::mem::take(self) {
            Self::Connecting { attempt, before } => {
                *self = before.map_or(Self::Empty, Self::Taken);
                Some(attempt)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

/// The place of one attempt to connect, until it is filled, given up or dropped.
pub(crate) struct Place<'a> {
    slot: &'a Slot,
    attempt: Arc<Notify>,
    before: Option<Arc<Link>>,
}

impl<'a> Place<'a> {
    /// The connection that was here before; its last events may still be on the way.
    pub(crate) fn before(&self) -> Option<&Link> {
        self.before.as_deref()
    }

    /// Does some work, unless the attempt is given up first.
    pub(crate) async fn unless_given_up<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.attempt.notified() => Err(Error::NotConnected),
            result = work => Ok(result),
        }
    }

    /// # Errors
    /// The attempt was given up; the connection is dropped.
    pub(crate) fn fill(self, connection: Connection) -> Result<Held<'a>, Error> {
        let link = Arc::clone(&connection.link);
        let mut state = crate::lock(&self.slot.state);
        if !state.is(&self.attempt) {
            return Err(Error::NotConnected);
        }
        *state = State::Taken(connection);
        Ok(Held { slot: self.slot, link, kept: false })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = crate::lock(&self.slot.state);
        if state.is(&self.attempt) {
            state.give_up();
        }
    }
}

/// A connection that is taken out again and thereby closed, unless it is kept.
pub(crate) struct Held<'a> {
    slot: &'a Slot,
    link: Arc<Link>,
    kept: bool,
}

impl Held<'_> {
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// # Errors
    /// The connection has ended meanwhile, with the reason.
    pub(crate) fn keep(mut self) -> Result<(), Error> {
        self.link.check_open()?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let mut state = crate::lock(&self.slot.state);
        // One that has ended by itself stays: its last events come before those of the next.
        let ours = matches!(&*state, State::Taken(connection)
            if Arc::ptr_eq(&connection.link, &self.link) && self.link.check_open().is_ok());
        if ours {
            *state = State::Empty;
        }
    }
}
