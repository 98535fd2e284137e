//! Devices that may run and that nobody holds: lost while they ran, or left running by a server that died. Nobody may look
//! for them, so they are sought for a while, for somebody to write their zeros. Pure.

use super::{Place, Running};
use crate::configuration::DeviceIdentity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a device is sought that was lost while it ran, counted from the first loss: one that is found but takes no
/// zeros is lost again and again. Whoever misses it has come to see by then.
pub(crate) const LOST_SEARCH: Duration = Duration::from_secs(5 * 60);

/// How long a server looks for devices that [ran before](crate::ServerBuilder::running_before): by then their batteries are
/// empty.
pub const RUNNING_BEFORE_SEARCH: Duration = Duration::from_secs(2 * 60 * 60);

/// The pause between a loss and the search. What comes back at once is not sought, and what takes no writes is not tried in
/// one go.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How often the search is begun anew: some buses look around once and have finished.
pub(crate) const LOST_SEARCH_AGAIN: Duration = Duration::from_secs(10);

/// A device that is sought, or was for as long as there was hope.
#[derive(Debug)]
struct Sought {
    /// It has run since then; the same one until it is known to be at rest.
    run: Arc<DeviceIdentity>,
    /// Where it may be found, by the places in the list of buses.
    buses: BTreeSet<usize>,
    until: Instant,
}

/// The devices that are sought.
#[derive(Debug, Default)]
pub(super) struct Lost {
    devices: BTreeMap<Place, Sought>,
    /// When the search is begun anew.
    again: Option<Instant>,
}

impl Lost {
    /// These have run since an earlier server died, and may be found on these buses. Sought at once.
    pub(super) fn ran_before(
        &mut self,
        now: Instant,
        devices: &[Arc<DeviceIdentity>],
        buses: impl Fn(&DeviceIdentity) -> BTreeSet<usize>,
    ) {
        for run in devices {
            let until = now + RUNNING_BEFORE_SEARCH;
            let sought = Sought { run: Arc::clone(run), buses: buses(run), until };
            // Of two at one place the first counts, as for the others.
            self.devices.entry((run.bus, run.address.clone())).or_insert(sought);
            self.again = Some(now);
        }
    }

    /// This device was lost while it ran, on this bus. Known devices that run are bounded, and so are these. False: it has
    /// been sought for long enough.
    pub(super) fn add(&mut self, now: Instant, place: Place, run: Arc<DeviceIdentity>, bus: usize) -> bool {
        let until = match self.devices.get(&place) {
            // It was found, and did not take its zeros.
            Some(earlier) if Arc::ptr_eq(&earlier.run, &run) => earlier.until,
            _ => now + LOST_SEARCH,
        };
        self.devices.insert(place, Sought { run, buses: [bus].into(), until });
        let is_sought = until > now;
        if is_sought {
            let first = now + FIRST_PAUSE;
            self.again = Some(self.again.map_or(first, |again| again.min(first)));
        }
        is_sought
    }

    /// This device has connected. If it has not been sought any more, it is when it is lost the next time: somebody else
    /// has found it.
    pub(super) fn came(&mut self, now: Instant, place: &Place) {
        if self.devices.get(place).is_some_and(|sought| sought.until <= now) {
            self.devices.remove(place);
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// The buses on which to search now. `is_there`: it is connected, or its bus looks for it by itself.
    pub(super) fn buses(
        &mut self,
        now: Instant,
        running: &Running,
        is_there: impl Fn(usize, &Place) -> bool,
    ) -> BTreeSet<usize> {
        self.devices
            .retain(|place, sought| running.at(place).is_some_and(|run| Arc::ptr_eq(&run, &sought.run)));
        let mut buses = BTreeSet::new();
        self.again = None;
        for (place, sought) in self.devices.iter().filter(|(_, sought)| sought.until > now) {
            self.again = Some(now + LOST_SEARCH_AGAIN);
            buses.extend(sought.buses.iter().filter(|bus| !is_there(**bus, place)));
        }
        buses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Motion;
    use buttplug_protocols::sighting::BusKind;

    fn at(address: &str) -> DeviceIdentity {
        DeviceIdentity {
            bus: BusKind::Serial,
            protocol: "tcode-v03".into(),
            identifier: None,
            address: address.into(),
        }
    }

    fn place(address: &str) -> Place {
        (BusKind::Serial, address.into())
    }

    fn run(running: &Running, address: &str) -> Arc<DeviceIdentity> {
        running.at(&place(address)).unwrap()
    }

    #[test]
    fn what_ran_is_sought_on_its_bus_until_it_rests_or_there_is_no_hope_left() {
        let running = Running::new(vec![at("a"), at("b")]);
        let now = Instant::now();
        let mut lost = Lost::default();
        assert_eq!(lost.deadline(), None);
        lost.add(now, place("a"), run(&running, "a"), 3);
        lost.add(now, place("b"), run(&running, "b"), 5);
        let first = now + FIRST_PAUSE;
        assert_eq!(lost.deadline(), Some(first));
        assert_eq!(lost.buses(first, &running, |_, _| false), [3, 5].into());
        assert_eq!(lost.deadline(), Some(first + LOST_SEARCH_AGAIN));
        Motion::new(at("b"), running.clone()).set(false);
        assert_eq!(lost.buses(first + LOST_SEARCH_AGAIN, &running, |_, _| false), [3].into());
        assert_eq!(lost.buses(now + LOST_SEARCH, &running, |_, _| false), [].into());
        assert_eq!(lost.deadline(), None);
    }

    #[test]
    fn what_is_connected_or_sought_by_its_bus_is_not_searched_for_as_long_as_it_is() {
        let running = Running::new(vec![at("a")]);
        let now = Instant::now();
        let mut lost = Lost::default();
        lost.add(now, place("a"), run(&running, "a"), 0);
        let is_there = |bus, there: &Place| (bus, there) == (0, &place("a"));
        assert_eq!(lost.buses(now, &running, is_there), [].into());
        assert!(lost.deadline().is_some(), "it may be lost, or given up");
        assert_eq!(lost.buses(now + LOST_SEARCH_AGAIN, &running, |_, _| false), [0].into());
    }

    #[test]
    fn what_ran_before_is_sought_at_once_and_for_longer() {
        let running = Running::new(vec![at("a")]);
        let now = Instant::now();
        let mut lost = Lost::default();
        lost.ran_before(now, &running.all(), |_| [1, 2].into());
        assert_eq!(lost.deadline(), Some(now));
        assert_eq!(lost.buses(now, &running, |_, _| false), [1, 2].into());
        let later = now + 2 * LOST_SEARCH;
        assert!(lost.add(later, place("a"), run(&running, "a"), 2), "found, and lost again");
        assert_eq!(lost.buses(later, &running, |_, _| false), [2].into());
        let last = now + RUNNING_BEFORE_SEARCH;
        assert_eq!(lost.buses(last, &running, |_, _| false), [].into());
        assert_eq!(lost.deadline(), None);
    }

    #[test]
    fn one_that_is_found_and_lost_again_without_having_rested_is_sought_no_longer_for_that() {
        let running = Running::new(vec![at("a")]);
        let now = Instant::now();
        let (just_before, end) = (now + LOST_SEARCH - FIRST_PAUSE, now + LOST_SEARCH);
        let lost_again = |rests: bool, came: Instant, at_last: Instant| {
            let mut lost = Lost::default();
            lost.add(now, place("a"), run(&running, "a"), 0);
            lost.buses(end, &running, |_, _| true);
            lost.came(came, &place("a"));
            if rests {
                for runs in [false, true] {
                    Motion::new(at("a"), running.clone()).set(runs);
                }
            }
            let is_sought = lost.add(at_last, place("a"), run(&running, "a"), 0);
            assert_eq!(lost.deadline().is_some(), is_sought);
            is_sought
        };
        assert!(!lost_again(false, just_before, end));
        assert!(lost_again(true, just_before, end), "somebody set it in motion anew");
        assert!(lost_again(false, end, end), "somebody else has found it");
    }
}
