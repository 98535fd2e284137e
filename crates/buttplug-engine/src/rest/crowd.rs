//! Which connections there are, and which has to go for a newer one. Knows no socket.

use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The requests of one connection that are not answered to the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    /// Those that end by themselves, unlike a stream of events.
    finite: AtomicUsize,
    none_finite: AtomicWaker,
}

/// One such request, until it is dropped.
#[derive(Debug)]
pub(crate) struct InRequest {
    requests: Requests,
    is_finite: bool,
}

impl Requests {
    pub(crate) fn begin(&self) -> InRequest {
        self.0.all.fetch_add(1, Ordering::Relaxed);
        self.0.finite.fetch_add(1, Ordering::Relaxed);
        InRequest { requests: self.clone(), is_finite: true }
    }

    fn are_none(&self) -> bool {
        self.0.all.load(Ordering::Relaxed) == 0
    }

    /// Waits until there are none that end by themselves.
    pub(crate) fn poll_none_finite(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.none_finite.register(cx.waker());
        if self.0.finite.load(Ordering::Relaxed) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl InRequest {
    /// Its answer goes on for as long as its reader likes.
    pub(crate) fn is_endless(&mut self) {
        if std::mem::take(&mut self.is_finite) {
            self.requests.0.finite.fetch_sub(1, Ordering::Relaxed);
            self.requests.0.none_finite.wake();
        }
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.is_endless();
        self.requests.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections, oldest first. `K` tells them apart, `H` ends one.
#[derive(Debug)]
pub(crate) struct Crowd<K, H> {
    limit: usize,
    connections: VecDeque<(K, H, Requests)>,
}

/// What becomes of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room<H> {
    /// There is a place.
    Free,
    /// There is one when this one, which asks for nothing, has gone.
    InPlaceOf(H),
    /// All are in the middle of something.
    None,
}

impl<K: PartialEq, H> Crowd<K, H> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, connections: VecDeque::new() }
    }

    /// Looks for room for a newcomer. The one that has to go is forgotten here.
    pub(crate) fn room(&mut self) -> Room<H> {
        if self.connections.len() < self.limit {
            return Room::Free;
        }
        let idle = self.connections.iter().position(|(_, _, requests)| requests.are_none());
        match idle.and_then(|idle| self.connections.remove(idle)) {
            Some((_, handle, _)) => Room::InPlaceOf(handle),
            None => Room::None,
        }
    }

    pub(crate) fn add(&mut self, key: K, handle: H, requests: Requests) {
        self.connections.push_back((key, handle, requests));
    }

    /// Forgets one that has ended.
    pub(crate) fn remove(&mut self, key: &K) {
        self.connections.retain(|(other, _, _)| other != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_asks_for_nothing_goes_for_a_newer_one() {
        let mut crowd = Crowd::new(2);
        let (busy, idle) = (Requests::default(), Requests::default());
        let request = busy.begin();
        for (key, requests) in [(1, &busy), (2, &idle)] {
            assert_eq!(crowd.room(), Room::Free);
            crowd.add(key, key, requests.clone());
        }
        assert_eq!(crowd.room(), Room::InPlaceOf(2));
        crowd.add(3, 3, busy.clone());
        assert_eq!(crowd.room(), Room::None);
        drop(request);
        assert_eq!(crowd.room(), Room::InPlaceOf(1));
        crowd.remove(&3);
        assert_eq!(crowd.room(), Room::Free);
    }
}
