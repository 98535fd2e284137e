//! The shell of the bus: one task that carries out what `finder.rs` orders, and one for each piece of hardware that is
//! connecting or open.

mod hardware;

use crate::adapters::{BluetoothState, Errand};
use crate::finder::{Finder, Order};
use crate::limits::{
    CHORE_TIME, CLOSE_TIME, CONNECT_PAUSE, DISCONNECT_TIME, DISCONNECT_WAIT, MAX_WAITING_REPORTS, MESSAGE_GAP,
};
use crate::link::LinkHandle;
use crate::radio::{Adapter, AdapterName, Radio, RadioError, RadioEvent, Reports, Spot, View};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future::OptionFuture};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, trace, warn};

/// How long a link is so young that news of its end may be of the one before it.
const YOUNG: Duration = Duration::from_secs(1);

/// A bus over any radio.
pub(crate) struct Bus<R: Radio> {
    inner: Arc<Inner<R>>,
    /// What the radio reports, until the bus is attached.
    heard: Mutex<Option<Heard<R::Spot>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

/// The other ends of [`Reports`].
struct Heard<S> {
    events: mpsc::Receiver<RadioEvent<S>>,
    losses: mpsc::Receiver<S>,
}

/// What the bus's tasks share.
struct Inner<R: Radio> {
    radio: R,
    /// Locked for a moment only, never across an await.
    finder: Mutex<Finder<R::Spot>>,
    /// Wakes the bus's task when the finder has been told something.
    wake: Notify,
    /// Hardware that is open, or whose link is ending.
    links: Mutex<HashMap<R::Spot, LinkHandle>>,
    /// One task for each piece of hardware that is connecting or open.
    tasks: Mutex<JoinSet<()>>,
    /// It is worth a warning if Bluetooth is not there.
    expected: AtomicBool,
}

/// How something that was ordered has gone.
enum Done<S> {
    Surveyed(Result<Vec<Adapter>, RadioError>),
    Started(AdapterName, Result<(), RadioError>),
    Stopped(AdapterName, Result<(), RadioError>),
    Listed(AdapterName, Result<Vec<S>, RadioError>),
    Looked(S, Result<View, RadioError>),
    /// Whether the link to this hardware really is down.
    Checked(S, bool),
}

type Chores<S> = FuturesUnordered<BoxFuture<'static, Done<S>>>;

/// A panic elsewhere leaves nothing half-done in what these locks protect.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest that something about adapters, scans or advertisements may take.
async fn in_time<T>(call: impl Future<Output = Result<T, RadioError>>) -> Result<T, RadioError> {
    let late = || RadioError::Failed(format!("no answer within {} s", CHORE_TIME.as_secs()));
    timeout(CHORE_TIME, call).await.unwrap_or_else(|_| Err(late()))
}

impl<R: Radio> Bus<R> {
    /// A bus over the radio that reports there. Nothing is asked of the system before somebody searches.
    pub(crate) fn new(radio: impl FnOnce(Reports<R::Spot>) -> R) -> Self {
        let (events, hear_events) = mpsc::channel(MAX_WAITING_REPORTS);
        let (losses, hear_losses) = mpsc::channel(MAX_WAITING_REPORTS);
        let inner = Inner {
            radio: radio(Reports { events, losses }),
            finder: Mutex::new(Finder::new()),
            wake: Notify::new(),
            links: Mutex::default(),
            tasks: Mutex::default(),
            expected: AtomicBool::new(true),
        };
        Self {
            inner: Arc::new(inner),
            heard: Mutex::new(Some(Heard { events: hear_events, losses: hear_losses })),
            task: Mutex::new(None),
            stop: watch::Sender::new(false),
        }
    }

    /// Whether it is worth a warning if Bluetooth is not there. Once it has been there it is.
    pub(crate) fn expect(&self, expected: bool) {
        self.inner.expected.store(expected, Ordering::Relaxed);
    }

    /// How Bluetooth stands, as far as it was looked at.
    pub(crate) fn state(&self) -> BluetoothState {
        locked(&self.inner.finder).state()
    }

    #[cfg(test)]
    pub(crate) fn radio(&self) -> &R {
        &self.inner.radio
    }
}

impl<R: Radio> Inner<R> {
    /// Tells the finder something, and lets the bus's task see to what follows.
    fn tell<T>(&self, tell: impl FnOnce(&mut Finder<R::Spot>, std::time::Instant) -> T) -> T {
        let told = tell(&mut locked(&self.finder), Instant::now().into_std());
        self.wake.notify_one();
        told
    }

    fn link(&self, spot: &R::Spot) -> Option<LinkHandle> {
        locked(&self.links).get(spot).cloned()
    }

    /// The task of the bus.
    async fn run(
        self: Arc<Self>,
        mut heard: Heard<R::Spot>,
        server: BusEvents,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut chores: Chores<R::Spot> = FuturesUnordered::new();
        loop {
            let (orders, deadline) = {
                let mut finder = locked(&self.finder);
                let now = Instant::now().into_std();
                (finder.orders(now), finder.deadline(now))
            };
            for order in orders {
                self.carry_out(order, &server, &chores);
            }
            let alarm = OptionFuture::from(deadline.map(|at| tokio::time::sleep_until(at.into())));
            tokio::select! {
                biased;
                // The sender is the bus: it going away is a reason to end as well.
                _ = stop.wait_for(|stop| *stop) => break,
                Some(spot) = heard.losses.recv() => self.lost(spot, &chores),
                Some(done) = chores.next(), if !chores.is_empty() => self.done(done),
                Some(event) = heard.events.recv() => self.tell(|finder, now| match event {
                    RadioEvent::Heard(spot) => finder.heard(now, spot),
                    RadioEvent::Power(name, on) => finder.power(&name, on),
                }),
                () = self.wake.notified() => {}
                Some(()) = alarm => {}
            }
        }
        self.end_scans().await;
    }

    /// Ends the scans that are going on, without waiting long for it.
    async fn end_scans(&self) {
        let orders = self.tell(|finder, now| {
            finder.end();
            finder.orders(now)
        });
        for order in orders {
            if let Order::Adapter(Errand::StopScan(name)) = order {
                // The system ends the scans of a program that has gone.
                let _ = timeout(DISCONNECT_WAIT, self.radio.stop_scan(&name)).await;
            }
        }
    }

    fn carry_out(self: &Arc<Self>, order: Order<R::Spot>, server: &BusEvents, chores: &Chores<R::Spot>) {
        let inner = Arc::clone(self);
        match order {
            Order::Report(sighting) => {
                let address = sighting.address.clone();
                // Full: the server has enough to do. It comes again.
                if server.try_send(BusEvent::Sighted(sighting)).is_err() {
                    locked(&self.finder).not_reported(&address);
                }
            }
            Order::Say(state @ BluetoothState::Ready(_)) => {
                self.expected.store(true, Ordering::Relaxed);
                info!("Bluetooth is {state}");
            }
            Order::Say(state) if self.expected.load(Ordering::Relaxed) => warn!("Bluetooth: {state}"),
            Order::Say(state) => debug!("Bluetooth: {state}"),
            Order::GaveUp(sighting) => {
                info!(name = sighting.name(), address = sighting.address, "a lost device did not come back");
            }
            // Programs that start the engine look for these words.
            Order::Found(adapter) => info!(adapter = &*adapter, "Bluetooth LE adapter found"),
            Order::Vanished(adapter) => {
                let reason = format!("the adapter {adapter} is gone");
                let links = locked(&self.links);
                let those = links.iter().filter(|(spot, _)| *spot.adapter() == adapter);
                those.for_each(|(_, link)| link.lose(&reason));
            }
            Order::Adapter(Errand::Survey) => {
                chores.push(async move { Done::Surveyed(in_time(inner.radio.adapters()).await) }.boxed());
            }
            Order::Adapter(Errand::StartScan(name)) => chores.push(
                async move {
                    let outcome = in_time(inner.radio.start_scan(&name)).await;
                    Done::Started(name, outcome)
                }
                .boxed(),
            ),
            Order::Adapter(Errand::StopScan(name)) => chores.push(
                async move {
                    let outcome = in_time(inner.radio.stop_scan(&name)).await;
                    Done::Stopped(name, outcome)
                }
                .boxed(),
            ),
            Order::List(name) => chores.push(
                async move {
                    let outcome = in_time(inner.radio.known(&name)).await;
                    Done::Listed(name, outcome)
                }
                .boxed(),
            ),
            Order::Look(spot) => chores.push(
                async move {
                    let outcome = in_time(inner.radio.look(&spot)).await;
                    Done::Looked(spot, outcome)
                }
                .boxed(),
            ),
        }
    }

    fn done(&self, done: Done<R::Spot>) {
        match done {
            Done::Surveyed(found) => self.tell(|finder, now| finder.surveyed(now, found)),
            Done::Started(name, outcome) => {
                if let Err(error) = &outcome {
                    debug!(adapter = &*name, %error, "a scan could not be begun and will be tried again");
                }
                self.tell(|finder, now| finder.started(now, &name, outcome.map_err(drop)));
            }
            Done::Stopped(name, outcome) => {
                if let Err(error) = &outcome {
                    debug!(adapter = &*name, %error, "a scan could not be ended; it has ended by itself");
                }
                self.tell(|finder, _| finder.stopped(&name));
            }
            Done::Listed(_, Ok(spots)) => self.tell(|finder, now| finder.listed(now, spots)),
            Done::Listed(name, Err(error)) => {
                debug!(adapter = &*name, %error, "the known devices could not be listed");
            }
            Done::Looked(spot, outcome) => {
                if let Ok(view) = &outcome {
                    let View { name, rssi, connected, .. } = view;
                    trace!(address = spot.address(), name, ?rssi, connected, "seen");
                }
                self.tell(|finder, now| finder.looked(now, &spot, outcome.as_ref().ok()));
            }
            Done::Checked(spot, down) => {
                if let Some(link) = self.link(&spot).filter(|_| down) {
                    link.lose("the link ended");
                }
            }
        }
    }

    /// The radio says that a link has ended. Of a young one that may be old news.
    fn lost(self: &Arc<Self>, spot: R::Spot, chores: &Chores<R::Spot>) {
        let Some(link) = self.link(&spot) else { return };
        if link.opened().elapsed() > YOUNG {
            return link.lose("the link ended");
        }
        let inner = Arc::clone(self);
        let check = async move {
            let down = !in_time(inner.radio.look(&spot)).await.is_ok_and(|view| view.connected);
            Done::Checked(spot, down)
        };
        chores.push(check.boxed());
    }
}

#[async_trait]
impl<R: Radio> HardwareBus for Bus<R> {
    fn kind(&self) -> BusKind {
        BusKind::Bluetooth
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        MESSAGE_GAP
    }

    async fn attach(&self, events: BusEvents) {
        if let Some(heard) = locked(&self.heard).take() {
            let task = tokio::spawn(Arc::clone(&self.inner).run(heard, events, self.stop.subscribe()));
            *locked(&self.task) = Some(task);
        }
    }

    /// Never fails: a missing adapter is a state that passes, and the search goes on when it does.
    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.inner.tell(|finder, now| finder.want(now, true));
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.inner.tell(|finder, now| finder.want(now, false));
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        locked(&self.inner.finder).is_wanted()
    }

    fn seeks(&self, address: &str) -> bool {
        locked(&self.inner.finder).seeks_eagerly(Instant::now().into_std(), address)
    }

    fn awaits(&self, address: &str) -> bool {
        locked(&self.inner.finder).seeks(address)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        if *self.stop.borrow() {
            return Err(HardwareError::Gone);
        }
        let spot =
            self.inner.tell(|finder, _| finder.opening(&sighting.address)).ok_or(HardwareError::Gone)?;
        let until = Instant::now() + DISCONNECT_TIME;
        while self.inner.link(&spot).is_some() {
            // The link before is still ending.
            if Instant::now() >= until {
                return Err(HardwareError::Failed("its last connection has not ended yet".into()));
            }
            sleep(CONNECT_PAUSE).await;
        }
        let wirings = wirings.iter().map(|wiring| (*wiring).clone()).collect();
        let (give, take) = oneshot::channel();
        {
            let mut tasks = locked(&self.inner.tasks);
            // Those that have ended are let go of here.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(Arc::clone(&self.inner).serve(
                spot,
                sighting.clone(),
                wirings,
                give,
                self.stop.subscribe(),
            ));
        }
        take.await.unwrap_or(Err(HardwareError::Gone))
    }

    async fn refuse(&self, sighting: &Sighting, _reason: &str) {
        self.inner.tell(|finder, now| finder.refused(now, &sighting.address));
    }

    async fn shut_down(&self) {
        self.stop.send_replace(true);
        let task = locked(&self.task).take();
        if let Some(task) = task {
            // It ends by itself; that it panicked is in the log.
            let _ = task.await;
        }
        // Systems keep the links of programs that have gone: they have to be told. All tasks know, and let go of what they
        // have; afterwards the links end without this program.
        if timeout(CLOSE_TIME, self.stop.closed()).await.is_err() {
            debug!("a link that was open at the end could not be ended in time");
        }
        let mut tasks = std::mem::take(&mut *locked(&self.inner.tasks));
        tasks.shutdown().await;
        self.inner.radio.shut_down().await;
    }
}
