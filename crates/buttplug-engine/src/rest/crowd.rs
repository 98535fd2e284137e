//! Which connections there are, and which has to go for a newer one. Knows no socket; time is an argument, but for the end of
//! a request, which has none.

use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may be silent before it counts as one that asks for nothing: what it asks, a stop for example, may be
/// there and not be read yet.
const SETTLING_TIME: Duration = Duration::from_millis(250);

/// The requests of one connection that are not answered to the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    /// Those that end by themselves, unlike a stream of events.
    finite: AtomicUsize,
    none_finite: AtomicWaker,
    /// When the last of them ended.
    ended: Mutex<Option<Instant>>,
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

    /// When the last of them ended, if there was one.
    fn ended(&self) -> Option<Instant> {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.requests.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.requests.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections, oldest first. `K` tells them apart, `H` ends one.
#[derive(Debug)]
pub(crate) struct Crowd<K, H> {
    limit: usize,
    connections: VecDeque<Connection<K, H>>,
    /// Since when newcomers are left waiting.
    waiting: Option<Instant>,
}

#[derive(Debug)]
struct Connection<K, H> {
    key: K,
    handle: H,
    requests: Requests,
    since: Instant,
}

impl<K, H> Connection<K, H> {
    /// When it has had its time to ask: since its beginning, or since the last answer.
    fn settles(&self) -> Instant {
        self.requests.ended().unwrap_or(self.since) + SETTLING_TIME
    }
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
        Self { limit, connections: VecDeque::new(), waiting: None }
    }

    /// Looks for room for a newcomer. The one that has to go is forgotten here. One that has said something which nobody has
    /// read yet stays: it may be a stop.
    pub(crate) fn room(&mut self, now: Instant, has_unread: impl Fn(&H) -> bool) -> Room<H> {
        let have_waited = self.waiting.take().is_some_and(|since| since + SETTLING_TIME <= now);
        if self.connections.len() < self.limit {
            return Room::Free;
        }
        let is_idle = |one: &Connection<K, H>| one.requests.are_none() && !has_unread(&one.handle);
        let settled = self.connections.iter().position(|one| one.settles() <= now && is_idle(one));
        // Those who ask again and again, with hardly a pause, keep nobody out.
        let quietest = || {
            let idle = self.connections.iter().enumerate().filter(|(_, one)| is_idle(one));
            idle.min_by_key(|(_, one)| one.settles()).map(|(place, _)| place)
        };
        let idle = settled.or_else(|| quietest().filter(|_| have_waited));
        match idle.and_then(|idle| self.connections.remove(idle)) {
            Some(idle) => Room::InPlaceOf(idle.handle),
            None => Room::None,
        }
    }

    /// Until when newcomers are better left waiting: there is no room for them, and a connection may turn out to ask for
    /// nothing then. They wait no longer than that takes once.
    pub(crate) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        if self.connections.len() < self.limit {
            self.waiting = None;
            return None;
        }
        let idle = self.connections.iter().filter(|one| one.requests.are_none());
        let settles = idle.map(Connection::settles).min().filter(|settles| *settles > now)?;
        let until = *self.waiting.get_or_insert(now) + SETTLING_TIME;
        (until > now).then(|| until.min(settles))
    }

    pub(crate) fn add(&mut self, key: K, handle: H, requests: Requests, now: Instant) {
        self.connections.push_back(Connection { key, handle, requests, since: now });
    }

    /// Forgets one that has ended.
    pub(crate) fn remove(&mut self, key: &K) {
        self.connections.retain(|one| one.key != *key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn all_is_read(_: &i32) -> bool {
        false
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_asks_for_nothing_goes_for_a_newer_one() {
        let mut crowd = Crowd::new(2);
        let (busy, idle) = (Requests::default(), Requests::default());
        let request = busy.begin();
        let start = Instant::now();
        let later = start + SETTLING_TIME;
        for (key, requests) in [(1, &busy), (2, &idle)] {
            assert_eq!(crowd.room(start, all_is_read), Room::Free);
            crowd.add(key, key, requests.clone(), start);
        }
        assert_eq!(crowd.room(later, all_is_read), Room::InPlaceOf(2));
        crowd.add(3, 3, busy.clone(), start);
        assert_eq!(crowd.room(later, all_is_read), Room::None);
        drop(request);
        assert_eq!(crowd.room(later, all_is_read), Room::InPlaceOf(1));
        crowd.remove(&3);
        assert_eq!(crowd.room(later, all_is_read), Room::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_had_no_time_to_ask_does_not_go_and_newcomers_wait_for_it() {
        let mut crowd = Crowd::new(2);
        let (first, second) = (Requests::default(), Requests::default());
        let start = Instant::now();
        let between = start + SETTLING_TIME / 2;
        crowd.add(1, 1, first.clone(), start);
        assert_eq!(crowd.wait_until(start), None, "there is room");
        crowd.add(2, 2, second.clone(), between);
        assert_eq!(crowd.room(between, all_is_read), Room::None);
        assert_eq!(crowd.wait_until(between), Some(start + SETTLING_TIME));
        let request = first.begin();
        assert_eq!(crowd.wait_until(between), Some(between + SETTLING_TIME));
        let other = second.begin();
        assert_eq!(crowd.wait_until(between), None, "all ask for something");
        drop((request, other));
        assert_eq!(crowd.wait_until(start + SETTLING_TIME), None);
        assert_eq!(crowd.room(start + SETTLING_TIME, all_is_read), Room::InPlaceOf(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_just_answered_has_time_to_ask_again() {
        let mut crowd = Crowd::new(1);
        let requests = Requests::default();
        crowd.add(1, 1, requests.clone(), Instant::now());
        advance(SETTLING_TIME * 20).await;
        drop(requests.begin());
        let answered = Instant::now();
        assert_eq!(crowd.room(answered, all_is_read), Room::None);
        assert_eq!(crowd.wait_until(answered), Some(answered + SETTLING_TIME));
        assert_eq!(crowd.room(answered + SETTLING_TIME, all_is_read), Room::InPlaceOf(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_said_something_that_is_not_read_yet_does_not_go() {
        let mut crowd = Crowd::new(2);
        let start = Instant::now();
        for key in [1, 2] {
            crowd.add(key, key, Requests::default(), start);
        }
        let later = start + SETTLING_TIME;
        assert_eq!(crowd.room(later, |key| *key == 1), Room::InPlaceOf(2));
        crowd.add(3, 3, Requests::default(), start);
        assert_eq!(crowd.room(later, |_| true), Room::None);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_again_and_again_keep_a_newcomer_out_for_a_moment_only() {
        let mut crowd = Crowd::new(2);
        let requests = [Requests::default(), Requests::default()];
        let start = Instant::now();
        for (key, requests) in [(1, &requests[0]), (2, &requests[1])] {
            crowd.add(key, key, requests.clone(), start);
        }
        let mut waited = Duration::ZERO;
        while let Some(until) = crowd.wait_until(Instant::now()) {
            assert!(until <= start + SETTLING_TIME);
            let turn = usize::from(waited.subsec_millis() % 20 == 0);
            advance(Duration::from_millis(10)).await;
            waited += Duration::from_millis(10);
            drop(requests[turn].begin());
            assert!(waited <= SETTLING_TIME, "somebody has to go, or be turned away");
        }
        assert!(matches!(crowd.room(Instant::now(), |key| *key == 1), Room::InPlaceOf(2)));
        crowd.add(3, 3, Requests::default(), Instant::now());
        assert_eq!(crowd.room(Instant::now(), all_is_read), Room::None, "the next one waits as well");
    }
}
