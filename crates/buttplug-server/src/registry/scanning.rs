//! Who wants devices to be looked for. The search goes on while anyone does.

use crate::session::SessionId;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The clients that want a search, as one wish for all buses, and word of searches that ended by themselves.
#[derive(Debug)]
pub(crate) struct ScanRequests {
    clients: Mutex<BTreeSet<SessionId>>,
    wanted: watch::Sender<bool>,
    /// Counts searches that ended by themselves.
    finished: watch::Sender<u64>,
}

impl Default for ScanRequests {
    fn default() -> Self {
        Self { clients: Mutex::default(), wanted: watch::channel(false).0, finished: watch::channel(0).0 }
    }
}

impl ScanRequests {
    /// This client wants a search, or no longer.
    pub(crate) fn set(&self, client: SessionId, wants: bool) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if wants {
            clients.insert(client);
        } else {
            clients.remove(&client);
        }
        let wanted = !clients.is_empty();
        // A new wish counts even when a search is going on: a bus that has finished by itself begins again.
        self.wanted.send_if_modified(|current| std::mem::replace(current, wanted) != wanted || wants);
    }

    /// Every bus has finished by itself: nobody is searching any more, and everybody hears of it.
    pub(crate) fn finish(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.wanted.send_if_modified(|current| std::mem::replace(current, false));
        self.finished.send_modify(|count| *count += 1);
    }

    /// Whether a search is wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// The same, and word of changes. A wish from before is the first change: on several threads a
    /// client may be quicker than the buses.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        let mut wanted = self.wanted.subscribe();
        if *wanted.borrow() {
            wanted.mark_changed();
        }
        wanted
    }

    /// Word of searches that ended by themselves.
    pub(crate) fn watch_finished(&self) -> watch::Receiver<u64> {
        self.finished.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_goes_on_while_anyone_wants_it() {
        let requests = ScanRequests::default();
        let wanted = requests.watch();
        let (alice, bob) = (SessionId(1), SessionId(2));
        let mut seen = Vec::new();
        for (client, wants) in [(alice, true), (bob, true), (alice, false), (alice, false), (bob, false)] {
            requests.set(client, wants);
            seen.push(*wanted.borrow());
        }
        assert_eq!(seen, [true, true, true, true, false]);
    }

    #[test]
    fn a_wish_during_a_search_is_heard_again() {
        let requests = ScanRequests::default();
        let mut wanted = requests.watch();
        requests.set(SessionId(1), true);
        wanted.mark_unchanged();
        requests.set(SessionId(1), true);
        assert!(wanted.has_changed().expect("the sender is alive"));
    }

    #[test]
    fn a_wish_from_before_the_bus_was_there_is_heard() {
        let requests = ScanRequests::default();
        assert!(!requests.watch().has_changed().expect("the sender is alive"));
        requests.set(SessionId(1), true);
        assert!(requests.watch().has_changed().expect("the sender is alive"));
    }

    #[test]
    fn a_search_that_ended_by_itself_can_be_started_again() {
        let requests = ScanRequests::default();
        let (wanted, mut finished) = (requests.watch(), requests.watch_finished());
        requests.set(SessionId(1), true);
        finished.mark_unchanged();
        requests.finish();
        assert!(!*wanted.borrow());
        assert!(finished.has_changed().expect("the sender is alive"));
        requests.set(SessionId(1), true);
        assert!(*wanted.borrow());
    }
}
