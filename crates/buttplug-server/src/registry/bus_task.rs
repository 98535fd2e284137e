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

/// What a bus's task tells the manager. The number is the bus's place in the list.
pub(super) enum Report {
    Sighted(usize, Sighting),
    /// The search begun last is over on this bus.
    Finished(usize),
    /// A search has begun on this bus.
    Began(usize),
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
    /// Devices that were lost while they ran: on these buses.
    pub(super) seek: watch::Receiver<BTreeSet<usize>>,
}

/// The task of one bus: passes on what it reports, and tells it when to search.
pub(super) async fn run_bus(
    number: usize,
    bus: Arc<dyn HardwareBus>,
    mut wishes: Wishes,
    mut told_to: Told,
    manager: mpsc::Sender<Report>,
) {
    let (events, mut reports) = mpsc::channel(MAX_WAITING_REPORTS);
    bus.attach(events).await;
    // The search for clients is going on here; whether the bus searches at all; whether it does for what was lost.
    let (mut for_clients, mut searching, mut seeking) = (false, false, false);
    loop {
        let report = tokio::select! {
            biased;
            () = told(&mut told_to.shutdown) => break,
            changed = wishes.clients.changed() => {
                let wanted = changed.is_ok() && *wishes.clients.borrow_and_update();
                let began = wanted && !for_clients;
                if began && manager.send(Report::Began(number)).await.is_err() {
                    break;
                }
                searching = set_scanning(&*bus, wanted || seeking).await;
                for_clients = wanted && searching;
                // A bus that can't search has ended its search before it began.
                if began && !searching { Report::Finished(number) } else { continue }
            }
            Ok(()) = wishes.seek.changed() => {
                seeking = wishes.seek.borrow_and_update().contains(&number);
                let was_for_clients = for_clients;
                // Also one that searches already: it may be about to finish.
                if seeking || (searching && !for_clients) {
                    searching = set_scanning(&*bus, seeking || for_clients).await;
                    for_clients &= searching;
                }
                if was_for_clients && !for_clients { Report::Finished(number) } else { continue }
            }
            event = reports.recv() => match event {
                Some(BusEvent::Sighted(sighting)) => Report::Sighted(number, sighting),
                Some(BusEvent::ScanningFinished) => {
                    (for_clients, searching) = (false, false);
                    Report::Finished(number)
                }
                None => break,
            },
        };
        if manager.send(report).await.is_err() {
            break;
        }
    }
    told(&mut told_to.shutdown).await;
    set_scanning(&*bus, false).await;
    // The devices are closed over their buses, so a bus ends last.
    told(&mut told_to.end).await;
    bus.shut_down().await;
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
