//! Open hardware whose driver takes as much as a test lets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use buttplug_hardware_blocking::{
    DriverError, Halves, Link, MAX_UNREAD_CHUNKS, MAX_WAITING_WRITES, ReadWhen, Sink, Source,
};
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Beginning, Hardware, HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

#[derive(Default)]
struct State {
    /// Bytes that it still takes.
    room: usize,
    taken: Vec<u8>,
    /// Writes begun so far.
    begun: usize,
    error: Option<DriverError>,
    discarded: bool,
    said: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Driver {
    state: Mutex<State>,
    changed: Condvar,
}

impl Driver {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn taken(&self) -> String {
        String::from_utf8(self.state.lock().unwrap().taken.clone()).unwrap()
    }

    /// Waits, on another thread, until the driver is so.
    async fn until(self: &Arc<Self>, condition: impl Fn(&State) -> bool + Send + 'static) {
        let driver = Arc::clone(self);
        let waiting = tokio::task::spawn_blocking(move || {
            let state = driver.state.lock().unwrap();
            let waited = driver.changed.wait_timeout_while(state, SOON, |state| !condition(state)).unwrap();
            assert!(!waited.1.timed_out());
        });
        waiting.await.unwrap();
    }
}

struct Half(Arc<Driver>);

impl Sink for Half {
    fn write(&mut self, data: &[u8], wait: Duration) -> Result<usize, DriverError> {
        let mut state = self.0.state.lock().unwrap();
        state.begun += 1;
        self.0.changed.notify_all();
        let full = |state: &mut State| state.room == 0 && state.error.is_none();
        let (mut state, _) = self.0.changed.wait_timeout_while(state, wait, full).unwrap();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        let length = data.len().min(state.room);
        state.room -= length;
        state.taken.extend_from_slice(&data[..length]);
        Ok(length)
    }

    fn discard(&mut self) {
        self.0.change(|state| state.discarded = true);
    }
}

impl Source for Half {
    fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<usize, DriverError> {
        let state = self.0.state.lock().unwrap();
        let silent = |state: &mut State| state.said.is_empty();
        let (mut state, _) = self.0.changed.wait_timeout_while(state, wait, silent).unwrap();
        if state.said.is_empty() {
            return Ok(0);
        }
        let said = state.said.remove(0);
        self.0.changed.notify_all();
        buffer[..said.len()].copy_from_slice(&said);
        Ok(said.len())
    }
}

/// An open link to a driver with so much room, the place it holds, and what it says.
fn open(room: usize) -> (Arc<Driver>, Arc<Semaphore>, Link, mpsc::Receiver<HardwareEvent>) {
    let driver = Arc::new(Driver::default());
    driver.change(|state| state.room = room);
    let places = Arc::new(Semaphore::new(1));
    let place = Arc::clone(&places).try_acquire_owned().unwrap();
    let halves = Halves {
        sink: Box::new(Half(Arc::clone(&driver))),
        source: Box::new(Half(Arc::clone(&driver))),
        read: ReadWhen::Always,
    };
    let (link, events) = Link::new(halves, place).unwrap();
    (driver, places, link, events)
}

fn frame(text: &str) -> Frame {
    Frame::new(Endpoint::Tx, text.as_bytes())
}

const LATE: Result<(), HardwareError> = Err(HardwareError::TimedOut("a write"));

#[tokio::test]
async fn a_frame_that_was_begun_is_finished_before_a_stop_so_that_the_stop_is_understood() {
    let (driver, _, link, _events) = open(3);
    assert_eq!(link.write(&frame("value")).await, LATE);
    assert_eq!(driver.taken(), "val");
    driver.change(|state| state.room = 100);
    link.write(&frame("stop")).await.unwrap();
    assert_eq!(driver.taken(), "valuestop");
}

#[tokio::test]
async fn a_frame_that_was_not_begun_is_never_written_once_its_write_has_failed() {
    let (driver, _, link, _events) = open(0);
    assert_eq!(link.write(&frame("old")).await, LATE);
    driver.change(|state| state.room = 100);
    link.write(&frame("new")).await.unwrap();
    assert_eq!(driver.taken(), "new");
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let (driver, _, link, _events) = open(0);
    let link = Arc::new(link);
    let first = tokio::spawn({
        let link = Arc::clone(&link);
        async move { link.write(&frame("first ")).await }
    });
    driver.until(|state| state.begun == 1).await;
    // Waits behind the first, and is given up.
    assert!(timeout(Duration::from_millis(10), link.write(&frame("given up "))).await.is_err());
    let last = tokio::spawn({
        let link = Arc::clone(&link);
        async move { link.write(&frame("last")).await }
    });
    tokio::task::yield_now().await;
    driver.change(|state| state.room = 100);
    assert_eq!((first.await.unwrap(), last.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(driver.taken(), "first last");
}

#[tokio::test]
async fn what_waits_can_be_called_off_and_what_was_begun_can_not() {
    let (driver, _, link, _events) = open(0);
    let beginnings = [Beginning::default(), Beginning::default()];
    let (first, second) = (frame("first"), frame("second"));
    let deed = async {
        driver.until(|state| state.begun == 1).await;
        let deed = beginnings.each_ref().map(Beginning::call_off);
        driver.change(|state| state.room = 100);
        deed
    };
    let begun = link.write_unless_called_off(&first, &beginnings[0]);
    let called_off = link.write_unless_called_off(&second, &beginnings[1]);
    let (begun, called_off, deed) = tokio::join!(begun, called_off, deed);
    assert_eq!(deed, [false, true]);
    assert!(begun.is_ok() && called_off.is_err(), "{called_off:?}");
    assert_eq!(driver.taken(), "first");
}

#[tokio::test]
async fn more_than_may_wait_fails_at_once() {
    let (driver, _, link, _events) = open(0);
    let value = frame("value");
    let mut waiting: Vec<_> = (0..=MAX_WAITING_WRITES).map(|_| link.write(&value)).collect();
    assert!(timeout(Duration::ZERO, &mut waiting[0]).await.is_err());
    // It has left the queue.
    driver.until(|state| state.begun == 1).await;
    for write in &mut waiting[1..] {
        assert!(timeout(Duration::ZERO, write).await.is_err());
    }
    let refused = timeout(Duration::ZERO, link.write(&value)).await;
    assert!(matches!(refused, Ok(Err(HardwareError::Failed(_)))), "not after waiting: {refused:?}");
}

#[tokio::test]
async fn a_write_that_the_hardware_refuses_fails_and_the_next_one_may_work() {
    let (driver, _, link, mut events) = open(100);
    driver.change(|state| state.error = Some(DriverError::Failed("no".into())));
    assert_eq!(link.write(&frame("a")).await, Err(HardwareError::Failed("no".into())));
    link.write(&frame("b")).await.unwrap();
    driver.change(|state| state.error = Some(DriverError::Gone("unplugged".into())));
    assert_eq!(link.write(&frame("c")).await, Err(HardwareError::Gone));
    assert_eq!(events.recv().await, Some(HardwareEvent::Gone("unplugged".into())));
    assert_eq!(events.recv().await, None);
    assert_eq!(link.write(&frame("d")).await, Err(HardwareError::Gone));
    assert_eq!(driver.taken(), "b");
}

#[tokio::test]
async fn closing_delivers_what_was_written_gives_the_place_back_and_lets_a_stalled_driver_go() {
    for (room, discards) in [(100, false), (0, true)] {
        let (driver, places, link, _events) = open(room);
        let written = link.write(&frame("last")).await;
        assert_eq!(written.is_err(), discards);
        assert_eq!(places.available_permits(), 0);
        link.close().await;
        assert_eq!(places.available_permits(), 1);
        assert_eq!(driver.state.lock().unwrap().discarded, discards);
        link.close().await;
    }
}

#[tokio::test]
async fn dropping_closes_too() {
    let (_driver, places, link, _events) = open(100);
    drop(link);
    let place = timeout(SOON, places.acquire()).await;
    assert!(place.is_ok());
}

#[tokio::test]
async fn a_flood_leaves_room_for_the_end_and_unread_chunks_are_bounded() {
    let (driver, _, link, mut events) = open(100);
    // Nobody hears: the newest are kept.
    let chunks = MAX_UNREAD_CHUNKS + 5;
    driver.change(|state| state.said = (0..chunks).map(|number| vec![number as u8]).collect());
    driver.until(|state| state.said.is_empty()).await;
    let mut read = 0;
    // The last one may just be on its way.
    while link.read(Endpoint::Rx, 1).await.unwrap() != [chunks as u8 - 1] {
        read += 1;
    }
    assert!(read <= MAX_UNREAD_CHUNKS, "{read}");
    link.subscribe(Endpoint::Rx).await.unwrap();
    driver.change(|state| state.said = vec![vec![7]; 3 * MAX_WAITING_EVENTS]);
    driver.until(|state| state.said.is_empty()).await;
    link.handle().end("unplugged");
    let mut heard = Vec::new();
    while let Some(event) = events.recv().await {
        heard.push(event);
    }
    assert_eq!(heard.pop(), Some(HardwareEvent::Gone("unplugged".into())));
    assert_eq!(heard.len(), MAX_WAITING_EVENTS - 1);
    assert!(!link.handle().is_open());
}
