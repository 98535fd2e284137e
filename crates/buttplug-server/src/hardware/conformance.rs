//! The contract of buses and hardware, as one test that each of them passes. A bus brings the other end: a [`Bench`].
//!
//! Works with real and with paused time. Every failure is a panic that says what the contract wants.

#![allow(clippy::panic, reason = "a test")]

use super::{
    BusEvent, Hardware, HardwareBus, HardwareError, HardwareEvent, MAX_WAITING_EVENTS, OpenHardware,
};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Sighting, Uuid};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing that has to happen takes longer. The slowest is noticing that hardware is gone.
const SOON: Duration = Duration::from_secs(20);

/// How long is waited for what must not happen.
const A_WHILE: Duration = Duration::from_millis(300);

/// The longest that a write may take that the hardware does not take.
const MAX_WRITE: Duration = Duration::from_secs(6);

/// What the test can do with the other end of the hardware.
#[async_trait]
pub trait Bench: Send {
    /// The bus. Nothing is there on it yet.
    fn bus(&self) -> Arc<dyn HardwareBus>;

    /// A wiring that fits the hardware.
    fn wiring(&self) -> Wiring;

    /// Where the hardware speaks; `None`: it says nothing by itself.
    fn speaks_at(&self) -> Option<Endpoint> {
        Some(Endpoint::Rx)
    }

    /// Two things that the hardware may say.
    fn says(&self) -> [&'static [u8]; 2] {
        [b"hello", b"\x00\xff"]
    }

    /// Where it is tried to read; `None`: what can be read is special to this hardware, and tested elsewhere.
    fn reads_at(&self) -> Option<Endpoint> {
        Some(Endpoint::Rx)
    }

    /// A frame with these bytes, as the hardware likes them.
    fn frame(&self, bytes: &[u8]) -> Frame {
        Frame::new(Endpoint::Tx, bytes)
    }

    /// Puts the hardware there, for the first time or again.
    async fn appear(&mut self);

    /// Takes the hardware away, as suddenly as the bus allows.
    async fn vanish(&mut self);

    /// Waits for bytes to arrive at the hardware, and takes them. No limit of its own.
    async fn arrived(&mut self) -> Vec<u8>;

    /// The hardware says this.
    async fn say(&mut self, data: &[u8]);

    /// Makes that the next read finds this. False: this hardware can't be read.
    async fn prepare_read(&mut self, data: &[u8]) -> bool;

    /// The hardware takes nothing any more, or again. False: it can't be made to.
    async fn stall(&mut self, stalled: bool) -> bool;
}

/// Runs the whole test.
///
/// # Panics
/// The bus does not keep the contract; the text says where.
pub async fn check(bench: &mut dyn Bench) {
    let bus = bench.bus();
    let (events, mut reports) = mpsc::channel(MAX_WAITING_EVENTS);
    bus.attach(events).await;
    searching(&*bus).await;
    let sighting = found(&*bus, &mut reports, bench).await;
    let mut open = opened(&*bus, &sighting, bench).await;
    writing(&open, bench).await;
    notifying(&mut open, bench).await;
    reading(&open, bench).await;
    stalling(&open, bench).await;
    losing(&mut open, bench).await;
    let again = found(&*bus, &mut reports, bench).await;
    assert_eq!(again.address, sighting.address, "hardware that comes back has the address that it had");
    let mut open = opened(&*bus, &again, bench).await;
    closing(&mut open, bench).await;
    ending(&*bus, &mut reports).await;
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {} s", SOON.as_secs()),
    }
}

fn succeeded<T>(what: &str, result: Result<T, HardwareError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} failed: {error}"),
    }
}

async fn searching(bus: &dyn HardwareBus) {
    for _ in 0..2 {
        succeeded("beginning a search, twice", soon("the beginning of a search", bus.start_scanning()).await);
    }
    for _ in 0..2 {
        succeeded("ending a search, twice", soon("the end of a search", bus.stop_scanning()).await);
    }
    assert!(!bus.is_scanning(), "a search that has been stopped is over");
}

/// Lets the hardware appear and searches until it is sighted.
async fn found(
    bus: &dyn HardwareBus,
    reports: &mut mpsc::Receiver<BusEvent>,
    bench: &mut dyn Bench,
) -> Sighting {
    bench.appear().await;
    succeeded("a search", bus.start_scanning().await);
    let sighting = soon("a sighting", async {
        loop {
            match reports.recv().await {
                Some(BusEvent::Sighted(sighting)) => return sighting,
                // The next one may find it.
                Some(BusEvent::ScanningFinished) => succeeded("a search", bus.start_scanning().await),
                None => panic!("the bus reports no more"),
            }
        }
    })
    .await;
    succeeded("the end of a search", bus.stop_scanning().await);
    // What was reported twice is no more news.
    while reports.try_recv().is_ok() {}
    sighting
}

async fn opened(bus: &dyn HardwareBus, sighting: &Sighting, bench: &mut dyn Bench) -> OpenHardware {
    let nowhere = Uuid(0xdead);
    let foreign = Wiring::Bluetooth(BTreeMap::from([(nowhere, BTreeMap::from([(Endpoint::Tx, nowhere)]))]));
    let unfit = soon("an attempt to open", bus.open(sighting, &[&foreign])).await;
    assert!(unfit.is_err(), "with a wiring that does not fit, hardware is not opened");
    let open = soon("opening", bus.open(sighting, &[&foreign, &bench.wiring()])).await;
    let open = succeeded("opening", open);
    assert_eq!(open.wiring, 1, "the first wiring that fits is the one that counts");
    open
}

/// Waits until exactly this has arrived.
async fn arrives(bench: &mut dyn Bench, expected: &[u8]) {
    let mut got = Vec::new();
    soon("the arrival of what was written", async {
        while got.len() < expected.len() {
            got.extend(bench.arrived().await);
        }
    })
    .await;
    assert_eq!(got, expected, "what was written arrives, in order, with nothing added");
}

async fn write(hardware: &dyn Hardware, frame: &Frame) {
    succeeded("a write", soon("a write", hardware.write(frame)).await);
}

async fn writing(open: &OpenHardware, bench: &mut dyn Bench) {
    let hardware = &*open.hardware;
    let frame = bench.frame(b"0 Vibrate 1");
    write(hardware, &frame).await;
    arrives(bench, &frame.data).await;
    // Called at once, one after the other.
    let frames = [b"1", b"2", b"3"].map(|bytes| bench.frame(bytes));
    let [first, second, third] = &frames;
    let all = async {
        let outcomes = tokio::join!(hardware.write(first), hardware.write(second), hardware.write(third));
        assert_eq!(outcomes, (Ok(()), Ok(()), Ok(())), "writes may overlap");
    };
    soon("three writes", all).await;
    let expected = frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<u8>>();
    arrives(bench, &expected).await;
}

async fn notified(open: &mut OpenHardware, what: &str) -> HardwareEvent {
    match soon(what, open.events.recv()).await {
        Some(event) => event,
        None => panic!("{what}: the events ended"),
    }
}

async fn notifying(open: &mut OpenHardware, bench: &mut dyn Bench) {
    let Some(endpoint) = bench.speaks_at() else {
        let subscribed = soon("subscribing", open.hardware.subscribe(Endpoint::Rx)).await;
        assert!(subscribed.is_err(), "what says nothing can't be listened to");
        let unsubscribed = soon("unsubscribing", open.hardware.unsubscribe(Endpoint::Rx)).await;
        succeeded("unsubscribing what nobody listens to", unsubscribed);
        return;
    };
    for _ in 0..2 {
        succeeded("subscribing, twice", soon("subscribing", open.hardware.subscribe(endpoint)).await);
    }
    for said in bench.says() {
        bench.say(said).await;
        let expected = HardwareEvent::Notification { endpoint, data: said.to_vec().into() };
        assert_eq!(notified(open, "a notification").await, expected, "said once, heard once");
    }
    for _ in 0..2 {
        succeeded("unsubscribing, twice", soon("unsubscribing", open.hardware.unsubscribe(endpoint)).await);
    }
    bench.say(b"nobody listens").await;
    let heard = timeout(A_WHILE, open.events.recv()).await;
    assert!(heard.is_err(), "who has unsubscribed hears nothing: {heard:?}");
    // More than may wait, and the last of it is not missed as long as somebody hears.
    succeeded("subscribing again", soon("subscribing", open.hardware.subscribe(endpoint)).await);
    while timeout(A_WHILE, open.events.recv()).await.is_ok() {}
    bench.say(b"again").await;
    let expected = HardwareEvent::Notification { endpoint, data: (&b"again"[..]).into() };
    assert_eq!(notified(open, "a notification after subscribing again").await, expected);
    succeeded("unsubscribing", soon("unsubscribing", open.hardware.unsubscribe(endpoint)).await);
}

async fn reading(open: &OpenHardware, bench: &mut dyn Bench) {
    let Some(endpoint) = bench.reads_at() else { return };
    if bench.prepare_read(b"percent").await {
        let read = soon("a read", open.hardware.read(endpoint, 20)).await;
        assert_eq!(read, Ok(b"percent".to_vec()), "what is there is read");
        assert!(bench.prepare_read(b"percent").await);
        let read = soon("a read", open.hardware.read(endpoint, 3)).await;
        assert_eq!(read, Ok(b"per".to_vec()), "no more is read than was asked for");
    } else {
        assert!(soon("a read", open.hardware.read(endpoint, 20)).await.is_err(), "it can't be read");
    }
}

async fn stalling(open: &OpenHardware, bench: &mut dyn Bench) {
    if !bench.stall(true).await {
        return;
    }
    let hardware = &*open.hardware;
    let value = bench.frame(b"0 Vibrate 9");
    // The system takes some of it before it stalls.
    let stalled = timeout(SOON, async {
        loop {
            let begun = tokio::time::Instant::now();
            let outcome = hardware.write(&value).await;
            assert!(begun.elapsed() < MAX_WRITE, "a write that is not taken ends by itself");
            if let Err(error) = outcome {
                return error;
            }
        }
    });
    assert!(stalled.await.is_ok(), "a write that is not taken fails");
    // Who waits no longer leaves nothing half-done.
    let given_up = timeout(A_WHILE, hardware.write(&value)).await;
    assert!(!matches!(given_up, Ok(Ok(()))), "nor is the next one taken");
    assert!(bench.stall(false).await);
    let stop = bench.frame(b"STOP");
    soon("a write after a stall", async { while hardware.write(&stop).await.is_err() {} }).await;
    let mut got = Vec::new();
    soon("the arrival of the stop", async {
        while !got.ends_with(&stop.data) {
            got.extend(bench.arrived().await);
        }
    })
    .await;
    let late = timeout(A_WHILE, bench.arrived()).await;
    assert!(late.is_err(), "nothing comes behind a stop: {late:?}");
    // Whole values.
    let values = got.strip_suffix(&stop.data[..]).unwrap_or(&got);
    let broken = values.chunks(value.data.len()).find(|chunk| *chunk != &value.data[..]);
    assert_eq!(broken, None, "no frame is broken by a stall");
}

async fn losing(open: &mut OpenHardware, bench: &mut dyn Bench) {
    bench.vanish().await;
    soon("word of the loss", async {
        loop {
            match open.events.recv().await {
                Some(HardwareEvent::Notification { .. }) => {}
                Some(HardwareEvent::Gone(reason)) => {
                    assert!(!reason.is_empty(), "a loss has a reason");
                    return;
                }
                None => return,
            }
        }
    })
    .await;
    let hardware = &*open.hardware;
    let gone = Err(HardwareError::Gone);
    assert_eq!(
        soon("a write", hardware.write(&bench.frame(b"4"))).await,
        gone,
        "what is gone takes no writes"
    );
    if let Some(endpoint) = bench.speaks_at() {
        assert_eq!(soon("subscribing", hardware.subscribe(endpoint)).await, gone, "and can't be heard");
    }
    assert!(soon("a read", hardware.read(Endpoint::Rx, 1)).await.is_err(), "or read");
    soon("closing what is gone", hardware.close()).await;
}

async fn closing(open: &mut OpenHardware, bench: &mut dyn Bench) {
    let hardware = Arc::clone(&open.hardware);
    let frame = bench.frame(b"5");
    write(&*hardware, &frame).await;
    soon("closing", hardware.close()).await;
    arrives(bench, &frame.data).await;
    soon("closing twice", hardware.close()).await;
    let late = soon("a write", hardware.write(&bench.frame(b"6"))).await;
    assert_eq!(late, Err(HardwareError::Gone), "what is closed takes no writes");
}

async fn ending(bus: &dyn HardwareBus, reports: &mut mpsc::Receiver<BusEvent>) {
    succeeded("a search", bus.start_scanning().await);
    soon("the end of the bus", bus.shut_down()).await;
    assert!(!bus.is_scanning(), "a bus that has ended does not search");
    let ended = async { while reports.recv().await.is_some() {} };
    soon("the end of the reports", ended).await;
}
