//! Searches whose looks are counted, and may hang.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use buttplug_hardware_blocking::{Finder, Search};
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_server::hardware::BusEvent;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Looks {
    count: AtomicUsize,
    watches: AtomicBool,
    nothing: AtomicBool,
    fails: AtomicBool,
}

impl Looks {
    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

fn sighting() -> Sighting {
    let port = String::from("COM7");
    Sighting::new(port.clone(), Advertisement::Serial { port, usb: None })
}

impl Finder for Looks {
    fn find(&self) -> Option<Vec<Sighting>> {
        self.count.fetch_add(1, Ordering::AcqRel);
        let found = if self.nothing.load(Ordering::Acquire) { Vec::new() } else { vec![sighting()] };
        (!self.fails.load(Ordering::Acquire)).then_some(found)
    }

    fn watches(&self) -> bool {
        self.watches.load(Ordering::Acquire)
    }
}

fn searching() -> (Arc<Looks>, Search, mpsc::Receiver<BusEvent>) {
    let (looks, search) = (Arc::new(Looks::default()), Search::new(PAUSE));
    let (events, reports) = mpsc::channel(2);
    let finder: Arc<dyn Finder> = Arc::<Looks>::clone(&looks);
    search.attach(finder, events);
    (looks, search, reports)
}

#[tokio::test(start_paused = true)]
async fn it_looks_at_once_and_then_again_after_each_pause_until_it_is_stopped() {
    let (looks, search, mut reports) = searching();
    sleep(10 * PAUSE).await;
    assert_eq!(looks.count(), 0, "nobody searches");
    let begun = Instant::now();
    search.start();
    for count in 0..3 {
        assert_eq!(reports.recv().await, Some(BusEvent::Sighted(sighting())));
        assert_eq!(begun.elapsed().as_secs(), 2 * count);
        search.start();
    }
    assert!(search.is_scanning());
    search.stop();
    assert!(!search.is_scanning());
    assert!(timeout(10 * PAUSE, reports.recv()).await.is_err(), "it reports no more");
    assert_eq!(looks.count(), 3);
    search.start();
    assert_eq!(reports.recv().await, Some(BusEvent::Sighted(sighting())), "and can be started again");
    search.shut_down().await;
    assert_eq!(reports.recv().await, None);
    assert!(!search.is_scanning());
}

#[tokio::test(start_paused = true)]
async fn reports_that_find_no_room_come_again() {
    let (_looks, search, mut reports) = searching();
    search.start();
    sleep(10 * PAUSE).await;
    for _ in 0..3 {
        assert_eq!(reports.recv().await, Some(BusEvent::Sighted(sighting())));
    }
}

#[tokio::test(start_paused = true)]
async fn it_watches_without_reporting_as_long_as_there_is_something_to_watch() {
    let (looks, search, mut reports) = searching();
    looks.watches.store(true, Ordering::Release);
    search.look();
    sleep(PAUSE * 5 / 2).await;
    let looked = looks.count();
    assert!(looked >= 2, "{looked}");
    looks.watches.store(false, Ordering::Release);
    sleep(10 * PAUSE).await;
    assert_eq!(looks.count(), looked);
    assert!(reports.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_again_and_again_is_reported_after_growing_pauses() {
    let (looks, search, mut reports) = searching();
    search.start();
    let mut reported = Vec::new();
    let begun = Instant::now();
    for _ in 0..7 {
        assert!(reports.recv().await.is_some());
        reported.push(begun.elapsed().as_secs());
        search.refused("COM7");
    }
    assert_eq!(reported, [0, 2, 6, 14, 30, 50, 70]);
    // Pulled out and put back in.
    looks.nothing.store(true, Ordering::Release);
    sleep(PAUSE * 3 / 2).await;
    looks.nothing.store(false, Ordering::Release);
    let back = Instant::now();
    assert!(reports.recv().await.is_some());
    assert!(back.elapsed() <= PAUSE);
    // A new search is somebody's wish.
    search.refused("COM7");
    search.stop();
    search.start();
    let again = Instant::now();
    assert!(reports.recv().await.is_some());
    assert!(again.elapsed() < PAUSE);
    // So is a search that goes on, once: the next pause is as long as it would have been.
    for _ in 0..3 {
        search.refused("COM7");
    }
    let again = Instant::now();
    search.start();
    assert!(reports.recv().await.is_some());
    assert!(again.elapsed() <= PAUSE);
    search.refused("COM7");
    assert!(timeout(PAUSE * 5, reports.recv()).await.is_err());
    // Long after the last failure it counts no more.
    search.refused("COM7");
    sleep(Duration::from_secs(60)).await;
    while reports.try_recv().is_ok() {}
    search.refused("COM7");
    let later = Instant::now();
    assert!(reports.recv().await.is_some());
    assert!(later.elapsed() <= 2 * PAUSE, "{:?}", later.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_does_not_shorten_the_wait_of_what_was_refused() {
    let (looks, search, mut reports) = searching();
    search.start();
    for _ in 0..2 {
        assert!(reports.recv().await.is_some());
        while reports.try_recv().is_ok() {}
        search.refused("COM7");
    }
    let refused = Instant::now();
    looks.fails.store(true, Ordering::Release);
    sleep(PAUSE + PAUSE / 2).await;
    looks.fails.store(false, Ordering::Release);
    assert!(reports.recv().await.is_some());
    assert!(refused.elapsed() >= 2 * PAUSE, "{:?}", refused.elapsed());
}

struct Hangs(Arc<Barrier>);

impl Finder for Hangs {
    fn find(&self) -> Option<Vec<Sighting>> {
        self.0.wait();
        None
    }
}

#[tokio::test]
async fn a_look_that_hangs_holds_up_no_end() {
    let (barrier, search) = (Arc::new(Barrier::new(2)), Search::new(PAUSE));
    let (events, _reports) = mpsc::channel(2);
    search.attach(Arc::new(Hangs(Arc::clone(&barrier))), events);
    search.start();
    tokio::task::yield_now().await;
    let ended = timeout(Duration::from_secs(20), search.shut_down()).await;
    // Lets the thread go, which the runtime waits for.
    barrier.wait();
    assert!(ended.is_ok());
}
