//! The bus: one task that looks for apps and their toys while a search goes on, and watches the toys that are in use.

use super::answers;
use super::hardware::ConnectedToy;
use super::limits::{COMMAND_GAP, ConnectTimes};
use super::toys::Toys;
use super::web::{Network, Web};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Apps that a person has named, with their HTTP ports. While there are some the directory on the Internet is not asked.
    pub hosts: Vec<SocketAddr>,
    /// How long things take.
    pub times: ConnectTimes,
}

/// Toys behind the app Lovense Connect.
pub struct ConnectBus {
    shared: Arc<Shared>,
    /// Whether there are apps that a person has named.
    named: bool,
    control: watch::Sender<Control>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the bus, its task and its toys share.
pub(super) struct Shared {
    pub(super) web: Arc<dyn Web>,
    pub(super) times: ConnectTimes,
    toys: Mutex<Toys>,
    /// One for each toy that is in use.
    pub(super) writers: Mutex<JoinSet<()>>,
}

/// What the bus's task shall do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Control {
    searching: bool,
    over: bool,
}

impl Shared {
    pub(super) fn toys(&self) -> MutexGuard<'_, Toys> {
        self.toys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writers(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectBus {
    /// The bus. Nothing is asked of anybody before the first search.
    pub fn new(settings: ConnectSettings) -> Self {
        Self::with_web(settings, Arc::new(Network))
    }

    pub(super) fn with_web(settings: ConnectSettings, web: Arc<dyn Web>) -> Self {
        let ConnectSettings { hosts, times } = settings;
        let named = !hosts.is_empty();
        let shared = Shared { web, times, toys: Mutex::new(Toys::new(hosts)), writers: Mutex::default() };
        Self {
            shared: Arc::new(shared),
            named,
            control: watch::Sender::new(Control::default()),
            task: Mutex::default(),
        }
    }
}

/// The bus's task.
struct Watch {
    shared: Arc<Shared>,
    named: bool,
    control: watch::Receiver<Control>,
    events: BusEvents,
    /// When to look for toys again, while a search goes on.
    pass: Option<Instant>,
    /// When to look after the toys in use again.
    poll: Instant,
}

impl Watch {
    async fn run(mut self) {
        loop {
            let control = *self.control.borrow_and_update();
            if control.over {
                return;
            }
            self.pass = match (control.searching, self.pass) {
                (false, _) => None,
                (true, None) => Some(Instant::now()),
                (true, pass) => pass,
            };
            let due = self.pass.map_or(self.poll, |pass| pass.min(self.poll));
            let wait = sleep_until(due);
            let mut control = self.control.clone();
            tokio::select! {
                biased;
                changed = control.changed() => if changed.is_err() { return },
                () = wait => {
                    let over = async {
                        // A bus that is gone is over, too.
                        let _ = control.wait_for(|control| control.over).await;
                    };
                    tokio::select! {
                        biased;
                        () = over => return,
                        () = self.look() => {}
                    }
                }
            }
        }
    }

    /// Asks whoever is due, all at once.
    async fn look(&mut self) {
        let passes = self.pass.is_some_and(|pass| pass <= Instant::now());
        let hosts = if passes { self.apps().await } else { self.shared.toys().hosts_in_use() };
        join_all(hosts.into_iter().map(|host| self.list(host, passes))).await;
        let now = Instant::now();
        self.poll = now + self.shared.times.poll;
        if passes {
            self.pass = Some(now + self.shared.times.pass);
        }
    }

    /// All apps, after a look into the directory if none is known.
    async fn apps(&self) -> BTreeSet<SocketAddr> {
        let known = self.shared.toys().hosts();
        if self.named || !known.is_empty() {
            return known;
        }
        let asked = timeout(self.shared.times.directory, self.shared.web.directory()).await;
        match asked {
            Ok(Ok(body)) => self.shared.toys().directory(answers::hosts(&body)),
            Ok(Err(error)) => tracing::info!(%error, "no way to find Lovense Connect"),
            Err(_) => tracing::info!("no way to find Lovense Connect: its directory took too long"),
        }
        self.shared.toys().hosts()
    }

    /// Asks an app for its toys.
    async fn list(&self, host: SocketAddr, report: bool) {
        let limit = self.shared.times.list;
        let listed = match timeout(limit, self.shared.web.get(host, "/GetToys")).await {
            Ok(Ok(body)) => answers::toys(&body).ok_or_else(|| String::from("its answer is no list of toys")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no list of toys within {} s", limit.as_secs_f32())),
        };
        match listed {
            Ok(toys) => {
                let there = self.shared.toys().listed(host, toys);
                for sighting in there.into_iter().filter(|_| report) {
                    // A sighting that finds no room comes again with the next pass.
                    let _ = self.events.try_send(BusEvent::Sighted(sighting));
                }
            }
            Err(reason) => {
                tracing::info!(%host, %reason, "Lovense Connect is not there");
                self.shared.toys().silent(host, &format!("Lovense Connect at {host}: {reason}"));
            }
        }
    }
}

#[async_trait]
impl HardwareBus for ConnectBus {
    fn kind(&self) -> BusKind {
        BusKind::LovenseConnect
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        COMMAND_GAP
    }

    async fn attach(&self, events: BusEvents) {
        let watch = Watch {
            shared: Arc::clone(&self.shared),
            named: self.named,
            control: self.control.subscribe(),
            events,
            pass: None,
            poll: Instant::now() + self.shared.times.poll,
        };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.get_or_insert_with(|| tokio::spawn(watch.run()));
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.control.send_modify(|control| control.searching = !control.over);
        if self.is_scanning() { Ok(()) } else { Err(HardwareError::Gone) }
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.control.send_modify(|control| control.searching = false);
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        self.control.borrow().searching
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let wiring = wirings.iter().position(|wiring| matches!(wiring, Wiring::Direct));
        let wiring = wiring.ok_or(HardwareError::NoProtocolFits)?;
        if self.control.borrow().over {
            return Err(HardwareError::Gone);
        }
        let opened = self.shared.toys().open(&sighting.address)?;
        let (hardware, events) = ConnectedToy::new(&self.shared, sighting.address.clone(), opened);
        Ok(OpenHardware { hardware: Arc::new(hardware), events, wiring, endpoints: Vec::new() })
    }

    async fn shut_down(&self) {
        self.control.send_modify(|control| *control = Control { searching: false, over: true });
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
        let mut writers = std::mem::take(&mut *self.shared.writers());
        while writers.join_next().await.is_some() {}
    }
}
