//! Devices that were lost while they ran: nobody may look for them, and they may run on. They are sought for a while, so that
//! somebody writes their zeros. Pure.

use super::{Place, Running};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long such a device is sought. Whoever misses it has come to see by then.
pub(crate) const LOST_SEARCH: Duration = Duration::from_secs(5 * 60);

/// The pause before the first search. What comes back at once is not sought, and what takes no writes is not tried in one go.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How often the search is begun anew: some buses look around once and have finished.
pub(crate) const LOST_SEARCH_AGAIN: Duration = Duration::from_secs(10);

/// The devices that are sought, each on the bus that had it, by its place in the list of buses.
#[derive(Debug, Default)]
pub(super) struct Lost {
    devices: BTreeMap<Place, (usize, Instant)>,
    /// When the search is begun anew.
    again: Option<Instant>,
}

impl Lost {
    /// This device was lost while it ran. Known devices that run are bounded, and so are these.
    pub(super) fn add(&mut self, now: Instant, place: Place, bus: usize) {
        self.devices.insert(place, (bus, now + LOST_SEARCH));
        let first = now + FIRST_PAUSE;
        self.again = Some(self.again.map_or(first, |again| again.min(first)));
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// The buses on which to search now. `is_sought`: the bus looks for it by itself.
    pub(super) fn buses(
        &mut self,
        now: Instant,
        running: &Running,
        is_sought: impl Fn(usize, &str) -> bool,
    ) -> BTreeSet<usize> {
        self.devices.retain(|place, (_, until)| *until > now && running.is_at(place));
        self.again = (!self.devices.is_empty()).then_some(now + LOST_SEARCH_AGAIN);
        let unsought = self.devices.iter().filter(|((_, address), (bus, _))| !is_sought(*bus, address));
        unsought.map(|(_, (bus, _))| *bus).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeviceIdentity;
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

    #[test]
    fn what_ran_is_sought_on_its_bus_until_it_rests_or_there_is_no_hope_left() {
        let running = Running::new(vec![at("a"), at("b")]);
        let now = Instant::now();
        let mut lost = Lost::default();
        assert_eq!(lost.deadline(), None);
        lost.add(now, place("a"), 3);
        lost.add(now, place("b"), 5);
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
    fn what_its_bus_seeks_by_itself_is_left_to_it_as_long_as_it_does() {
        let running = Running::new(vec![at("a")]);
        let now = Instant::now();
        let mut lost = Lost::default();
        lost.add(now, place("a"), 0);
        assert_eq!(lost.buses(now, &running, |bus, address| (bus, address) == (0, "a")), [].into());
        assert!(lost.deadline().is_some(), "it may give it up");
        assert_eq!(lost.buses(now + LOST_SEARCH_AGAIN, &running, |_, _| false), [0].into());
    }
}
