//! The task of one bus: passes on what the bus reports, and tells it when to search and when to end. Decides nothing about
//! hardware.

use crate::hardware::{BusEvent, HardwareBus};
use buttplug_protocols::sighting::Sighting;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tracing::warn;

/// The longest that a bus may take to begin or end a search. Meanwhile its own reports wait.
const MAX_SCAN_CALL: Duration = Duration::from_secs(10);

/// Reports that may wait for the manager, per bus.
pub(super) const MAX_WAITING_REPORTS: usize = 64;

/// What a bus's task tells the manager.
pub(super) enum Report {
    Sighted(Spotted),
    /// The search for clients that was begun last is over on this bus, by its place in the list.
    Finished(usize),
    /// A search for clients has begun on this bus.
    Began(usize),
}

/// Hardware that a bus has seen.
pub(super) struct Spotted {
    /// The bus's place in the list.
    pub(super) bus: usize,
    pub(super) sighting: Sighting,
    /// The bus was searching for nothing but devices that were lost while they ran.
    pub(super) for_the_lost: bool,
}

/// What a bus is told at the end: first to search and report no more, then to end.
pub(super) struct Told {
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) end: watch::Receiver<bool>,
}

/// For whom the buses search.
pub(super) struct Wishes {
    /// Clients, or the program.
    pub(super) clients: watch::Receiver<bool>,
    /// Devices that may run and that nobody holds: on these buses.
    pub(super) seek: watch::Receiver<BTreeSet<usize>>,
}

/// The search of one bus.
struct Search {
    number: usize,
    bus: Arc<dyn HardwareBus>,
    reports: mpsc::Receiver<BusEvent>,
    manager: mpsc::Sender<Report>,
    /// The search for clients is going on here.
    for_clients: bool,
    /// The bus searches, for whomever.
    searching: bool,
    /// Devices are sought here that were lost while they ran.
    seeking: bool,
}

/// The manager is gone.
struct NobodyListens;

/// The task of one bus: passes on what it reports, and tells it when to search.
pub(super) async fn run_bus(
    number: usize,
    bus: Arc<dyn HardwareBus>,
    mut wishes: Wishes,
    mut told_to: Told,
    manager: mpsc::Sender<Report>,
) {
    let (events, reports) = mpsc::channel(MAX_WAITING_REPORTS);
    bus.attach(events).await;
    let (for_clients, searching, seeking) = (false, false, false);
    let mut search =
        Search { number, bus: Arc::clone(&bus), reports, manager, for_clients, searching, seeking };
    loop {
        let done = tokio::select! {
            biased;
            () = told(&mut told_to.shutdown) => break,
            changed = wishes.clients.changed() => {
                let wanted = changed.is_ok() && *wishes.clients.borrow_and_update();
                search.wanted_by_clients(wanted).await
            }
            Ok(()) = wishes.seek.changed() => {
                let seeking = wishes.seek.borrow_and_update().contains(&number);
                search.seek(seeking).await
            }
            event = search.reports.recv() => match event {
                Some(event) => search.heard(event).await,
                None => break,
            },
        };
        if done.is_err() {
            break;
        }
    }
    told(&mut told_to.shutdown).await;
    set_scanning(&*bus, false).await;
    // The devices are closed over their buses, so a bus ends last.
    told(&mut told_to.end).await;
    bus.shut_down().await;
}

impl Search {
    /// Clients want a search, or no longer.
    async fn wanted_by_clients(&mut self, wanted: bool) -> Result<(), NobodyListens> {
        self.pass_on().await?;
        if wanted && !self.for_clients {
            self.tell(Report::Began(self.number)).await?;
        }
        self.searching = set_scanning(&*self.bus, wanted || self.seeking).await;
        self.for_clients = wanted && self.searching;
        // A bus that can't search has ended its search, be it before that began.
        if wanted && !self.searching { self.tell(Report::Finished(self.number)).await } else { Ok(()) }
    }

    /// Lost devices are sought here, or no longer.
    async fn seek(&mut self, seeking: bool) -> Result<(), NobodyListens> {
        self.pass_on().await?;
        let was_for_clients = self.for_clients;
        // Also one that searches already: it may be about to finish.
        if seeking || (self.searching && !self.for_clients) {
            self.searching = set_scanning(&*self.bus, seeking || self.for_clients).await;
            self.for_clients &= self.searching;
        }
        if !seeking {
            // What it saw until it was told.
            self.pass_on().await?;
        }
        self.seeking = seeking;
        let ended = was_for_clients && !self.for_clients;
        if ended { self.tell(Report::Finished(self.number)).await } else { Ok(()) }
    }

    /// The bus has said something.
    async fn heard(&mut self, event: BusEvent) -> Result<(), NobodyListens> {
        match event {
            BusEvent::Sighted(sighting) => {
                let for_the_lost = self.seeking && !self.for_clients;
                self.tell(Report::Sighted(Spotted { bus: self.number, sighting, for_the_lost })).await
            }
            BusEvent::ScanningFinished => {
                self.searching = false;
                let ended = std::mem::take(&mut self.for_clients);
                // The end of a search that no client wanted is nobody's business.
                if ended { self.tell(Report::Finished(self.number)).await } else { Ok(()) }
            }
        }
    }

    /// Passes on what waits, before anything changes: it was said of the search as it was.
    async fn pass_on(&mut self) -> Result<(), NobodyListens> {
        // No more than can wait: a bus that floods does not keep a wish waiting.
        for _ in 0..MAX_WAITING_REPORTS {
            let Ok(event) = self.reports.try_recv() else { break };
            self.heard(event).await?;
        }
        Ok(())
    }

    async fn tell(&self, report: Report) -> Result<(), NobodyListens> {
        self.manager.send(report).await.map_err(|_| NobodyListens)
    }
}

/// Waits until the manager and its buses are told to end.
pub(super) async fn told(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}

/// Tells a bus to search or not. False: it does not search.
async fn set_scanning(bus: &dyn HardwareBus, wanted: bool) -> bool {
    let call = async { if wanted { bus.start_scanning().await } else { bus.stop_scanning().await } };
    let problem = match tokio::time::timeout(MAX_SCAN_CALL, call).await {
        Ok(Ok(())) => return wanted,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no reaction within {} s", MAX_SCAN_CALL.as_secs()),
    };
    warn!(bus = %bus.kind(), wanted, problem, "the search for devices could not be switched");
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::{BusEvents, HardwareError, OpenHardware};
    use async_trait::async_trait;
    use buttplug_protocols::catalogue::Wiring;
    use buttplug_protocols::sighting::{Advertisement, BusKind};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, PoisonError};
    use tokio::task::{JoinHandle, yield_now};

    /// A bus that says what its test has it say.
    #[derive(Default)]
    struct Puppet {
        events: Mutex<Option<BusEvents>>,
        refuses: AtomicBool,
    }

    impl Puppet {
        fn events(&self) -> BusEvents {
            self.events.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap()
        }
    }

    #[async_trait]
    impl HardwareBus for Puppet {
        fn kind(&self) -> BusKind {
            BusKind::Serial
        }

        fn message_gap(&self, _hardware: BusKind) -> Duration {
            Duration::ZERO
        }

        async fn attach(&self, events: BusEvents) {
            *self.events.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
        }

        async fn start_scanning(&self) -> Result<(), HardwareError> {
            if self.refuses.load(Ordering::Relaxed) { Err(HardwareError::Gone) } else { Ok(()) }
        }

        async fn stop_scanning(&self) -> Result<(), HardwareError> {
            Ok(())
        }

        fn is_scanning(&self) -> bool {
            false
        }

        async fn open(&self, _: &Sighting, _: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
            Err(HardwareError::Gone)
        }

        async fn shut_down(&self) {}
    }

    /// The task of a puppet, and all that it hears and says.
    struct World {
        bus: Arc<Puppet>,
        clients: watch::Sender<bool>,
        seek: watch::Sender<BTreeSet<usize>>,
        manager: mpsc::Receiver<Report>,
        end: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl World {
        async fn new() -> Self {
            let bus = Arc::new(Puppet::default());
            let (clients, of_clients) = watch::channel(false);
            let (seek, of_lost) = watch::channel(BTreeSet::new());
            let (end, told) = watch::channel(false);
            let (reports, manager) = mpsc::channel(MAX_WAITING_REPORTS);
            let wishes = Wishes { clients: of_clients, seek: of_lost };
            let told = Told { shutdown: told.clone(), end: told };
            let task = tokio::spawn(run_bus(7, Arc::clone(&bus) as _, wishes, told, reports));
            let mut world = Self { bus, clients, seek, manager, end, task };
            world.hears(&[]).await;
            world
        }

        fn sees(&self, port: &str) {
            let advertisement = Advertisement::Serial { port: port.into(), usb: None };
            self.bus.events().try_send(BusEvent::Sighted(Sighting::new(port, advertisement))).unwrap();
        }

        fn finishes(&self) {
            self.bus.events().try_send(BusEvent::ScanningFinished).unwrap();
        }

        fn seeks(&self, seeks: bool) {
            self.seek.send_replace(if seeks { [7].into() } else { [3].into() });
        }

        /// What the manager is told of what has happened.
        async fn hears(&mut self, expected: &[&str]) {
            for _ in 0..50 {
                yield_now().await;
            }
            let mut heard = Vec::new();
            while let Ok(report) = self.manager.try_recv() {
                heard.push(match report {
                    Report::Began(7) => String::from("began"),
                    Report::Finished(7) => String::from("finished"),
                    Report::Sighted(Spotted { bus: 7, sighting, for_the_lost: true }) => {
                        format!("{} for the lost", sighting.address)
                    }
                    Report::Sighted(Spotted { bus: 7, sighting, .. }) => sighting.address,
                    _ => String::from("another bus"),
                });
            }
            assert_eq!(heard, expected);
        }

        async fn ends(self) {
            self.end.send_replace(true);
            self.task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_search_that_can_not_be_begun_again_has_ended_for_whoever_wanted_it() {
        let mut world = World::new().await;
        world.clients.send_replace(true);
        world.hears(&["began"]).await;
        world.bus.refuses.store(true, Ordering::Relaxed);
        world.clients.send_replace(true);
        world.hears(&["finished"]).await;
        world.finishes();
        world.hears(&[]).await;
        world.ends().await;
    }

    #[tokio::test]
    async fn what_is_seen_while_only_lost_devices_are_sought_is_told_as_that_to_the_last() {
        let mut world = World::new().await;
        world.sees("by itself");
        world.hears(&["by itself"]).await;
        world.seeks(true);
        world.hears(&[]).await;
        world.sees("a");
        world.hears(&["a for the lost"]).await;
        world.sees("b");
        world.seeks(false);
        world.hears(&["b for the lost"]).await;
        world.sees("c");
        world.hears(&["c"]).await;
        world.seeks(true);
        world.clients.send_replace(true);
        world.hears(&["began"]).await;
        world.sees("d");
        world.hears(&["d"]).await;
        world.clients.send_replace(false);
        world.hears(&[]).await;
        world.sees("e");
        world.hears(&["e for the lost"]).await;
        world.ends().await;
    }

    #[tokio::test]
    async fn only_the_end_of_a_search_that_clients_wanted_is_told() {
        let mut world = World::new().await;
        world.seeks(true);
        world.hears(&[]).await;
        world.finishes();
        world.hears(&[]).await;
        // It has finished for the lost when a client comes.
        world.seeks(true);
        world.hears(&[]).await;
        world.finishes();
        world.clients.send_replace(true);
        world.hears(&["began"]).await;
        world.finishes();
        world.hears(&["finished"]).await;
        world.finishes();
        world.hears(&[]).await;
        world.ends().await;
    }
}
