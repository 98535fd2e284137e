//! Finds devices: who wants a search, what is sought, which adapters scan, what was seen, and what follows from it.
//! Pure: the shell carries out the orders and says how it went.

use crate::adapters::{Adapters, BluetoothState, Changes, Errand};
use crate::limits::{LONGEST_REPORT_PAUSE, MAX_LOOKS, MAX_SEEN};
use crate::radio::{Adapter, AdapterName, RadioError, Spot, View};
use crate::seek::Seek;
use crate::sightings::Sightings;
use buttplug_protocols::sighting::Sighting;
use std::collections::VecDeque;
use std::time::Instant;

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order<S> {
    /// Something with an adapter.
    Adapter(Errand),
    /// List what the system knows.
    List(AdapterName),
    /// Look at what hardware says of itself.
    Look(S),
    /// Report a sighting to the server.
    Report(Sighting),
    /// There is an adapter that was not there before.
    Found(AdapterName),
    /// An adapter is gone, and every link over it.
    Vanished(AdapterName),
    /// Tell how Bluetooth stands.
    Say(BluetoothState),
    /// A lost device was sought for long enough.
    GaveUp(Sighting),
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Finder<S> {
    /// The server wants a search: for clients, or for what it lost.
    wanted: bool,
    /// When the search was last begun anew.
    begun: Option<Instant>,
    /// Pieces of hardware that are open.
    in_use: usize,
    adapters: Adapters,
    sightings: Sightings<S>,
    seek: Seek,
    /// What is to be looked at, and how many looks are under way.
    to_look: VecDeque<S>,
    looking: usize,
    /// What has come up since the orders were last asked for.
    orders: Vec<Order<S>>,
    told: BluetoothState,
}

impl<S: Spot> Finder<S> {
    pub(crate) fn new() -> Self {
        Self {
            wanted: false,
            begun: None,
            in_use: 0,
            adapters: Adapters::default(),
            sightings: Sightings::new(),
            seek: Seek::default(),
            to_look: VecDeque::new(),
            looking: 0,
            orders: Vec::new(),
            told: BluetoothState::Unknown,
        }
    }

    /// A search is wanted, or no longer. Asking again lists anew what the system knows, and begins anew with it only after
    /// a while: the server asks every few seconds as long as it looks for what was lost, and not everything that is there
    /// shall be tried as often.
    pub(crate) fn want(&mut self, now: Instant, wanted: bool) {
        if wanted {
            if !self.wanted || self.begun.is_none_or(|begun| begun + LONGEST_REPORT_PAUSE <= now) {
                self.begun = Some(now);
                self.sightings.begin();
            }
            if let BluetoothState::Ready(names) = self.adapters.state() {
                self.orders.extend(names.into_iter().map(|name| Order::List(name.into())));
            }
        }
        self.wanted = wanted;
    }

    /// Whether the server wants a search.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether this hardware, lost in use, is sought.
    pub(crate) fn seeks(&self, address: &str) -> bool {
        self.seek.sighting(address).is_some()
    }

    /// Whether it is sought all the time, and nobody else need do so.
    pub(crate) fn seeks_eagerly(&self, now: Instant, address: &str) -> bool {
        self.seek.is_eager(now, address)
    }

    /// How Bluetooth stands.
    pub(crate) fn state(&self) -> BluetoothState {
        self.adapters.state()
    }

    /// Something was heard of this hardware.
    pub(crate) fn heard(&mut self, now: Instant, spot: S) {
        let interesting = self.wanted || self.seeks(spot.address());
        if interesting && self.sightings.heard(now, &spot) {
            self.look(spot);
        }
    }

    /// It may be of interest what the system knows now.
    pub(crate) fn list(&mut self, adapter: &AdapterName) {
        self.orders.push(Order::List(adapter.clone()));
    }

    /// What the system knew already when the scan began.
    pub(crate) fn listed(&mut self, now: Instant, spots: Vec<S>) {
        for spot in spots.into_iter().take(MAX_SEEN) {
            self.heard(now, spot);
        }
    }

    fn look(&mut self, spot: S) {
        if self.to_look.len() < MAX_SEEN {
            self.to_look.push_back(spot);
        }
    }

    /// This is what hardware says of itself; `None`: the system could not tell.
    pub(crate) fn looked(&mut self, now: Instant, spot: &S, view: Option<&View>) {
        self.looking = self.looking.saturating_sub(1);
        let Some(view) = view else { return };
        let sought = self.seek.sighting(spot.address());
        if !self.wanted && sought.is_none() {
            return;
        }
        // A device that comes back is what it was, even if it has not yet said its name again.
        let sought = sought.cloned();
        let sighting = self.sightings.view(now, spot, view, sought.is_some());
        self.orders.extend(sighting.map(|seen| Order::Report(sought.unwrap_or(seen))));
    }

    /// There was no room for a report.
    pub(crate) fn not_reported(&mut self, address: &str) {
        self.sightings.not_reported(address);
    }

    /// The adapters have been looked at.
    pub(crate) fn surveyed(&mut self, now: Instant, found: Result<Vec<Adapter>, RadioError>) {
        let Changes { gone, new } = self.adapters.surveyed(now, found);
        self.orders.extend(gone.into_iter().map(Order::Vanished));
        self.orders.extend(new.into_iter().map(Order::Found));
    }

    /// An adapter was switched on or off.
    pub(crate) fn power(&mut self, name: &AdapterName, on: bool) {
        self.adapters.power(name, on);
    }

    /// A scan was begun, or could not be.
    pub(crate) fn started(&mut self, now: Instant, name: &AdapterName, outcome: Result<(), ()>) {
        self.adapters.started(now, name, outcome);
        if outcome.is_ok() {
            self.orders.push(Order::List(name.clone()));
        }
    }

    /// A scan has ended.
    pub(crate) fn stopped(&mut self, name: &AdapterName) {
        self.adapters.stopped(name);
    }

    /// The server opens this hardware. Answers where it is seen best; `None`: it is not seen.
    pub(crate) fn opening(&mut self, address: &str) -> Option<S> {
        self.sightings.opening(address)
    }

    /// Hardware is open.
    pub(crate) fn opened(&mut self, address: &str) {
        self.in_use += 1;
        self.seek.found(address);
    }

    /// Hardware is no longer open. `lost`: it was lost in use, and is to be sought.
    pub(crate) fn closed(&mut self, now: Instant, sighting: Sighting, lost: bool) {
        self.in_use = self.in_use.saturating_sub(1);
        if lost {
            self.sightings.forget(&sighting.address);
            self.seek.lost(now, sighting);
        } else {
            self.sightings.closed(now, &sighting.address);
        }
    }

    /// The server has no use for this hardware.
    pub(crate) fn refused(&mut self, now: Instant, address: &str) {
        self.sightings.refused(now, address);
    }

    /// Nothing is wanted or sought any more.
    pub(crate) fn end(&mut self) {
        self.wanted = false;
        self.seek.end();
        self.to_look.clear();
    }

    /// What is to be done now.
    pub(crate) fn orders(&mut self, now: Instant) -> Vec<Order<S>> {
        let mut orders = std::mem::take(&mut self.orders);
        orders.extend(self.seek.expire(now).into_iter().map(Order::GaveUp));
        let mut errands = Vec::new();
        self.adapters.errands(now, self.scans(now), self.needs_adapter(), &mut errands);
        orders.extend(errands.into_iter().map(Order::Adapter));
        while self.looking < MAX_LOOKS {
            let Some(spot) = self.to_look.pop_front() else { break };
            self.looking += 1;
            orders.push(Order::Look(spot));
        }
        let state = self.adapters.state();
        if state != self.told {
            self.told = state.clone();
            orders.push(Order::Say(state));
        }
        orders
    }

    /// When there may be something to do although nothing happens.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let adapters = self.adapters.deadline(self.scans(now), self.needs_adapter());
        adapters.into_iter().chain(self.seek.deadline(now)).min()
    }

    fn scans(&self, now: Instant) -> bool {
        self.wanted || self.seek.listens(now)
    }

    fn needs_adapter(&self) -> bool {
        self.in_use > 0 || self.seek.is_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Place;
    use crate::limits::{FIRST_REPORT_PAUSE, LOOK_PAUSE, SEEK_EAGERLY, SEEK_TIME};
    use std::time::Duration;

    const S: Duration = Duration::from_secs(1);

    fn toy(name: &str) -> View {
        View { name: name.into(), rssi: Some(-50), ..View::default() }
    }

    fn place() -> Place {
        Place::new("hci0", "AA")
    }

    /// A finder with an adapter that scans because a client wants it to.
    fn scanning(now: Instant) -> Finder<Place> {
        let mut finder = Finder::new();
        finder.want(now, true);
        assert_eq!(finder.orders(now), [Order::Adapter(Errand::Survey)]);
        finder.surveyed(now, Ok(vec![Adapter { name: "hci0".into(), powered: Some(true) }]));
        let start = Order::Adapter(Errand::StartScan("hci0".into()));
        let ready = Order::Say(BluetoothState::Ready(vec!["hci0".into()]));
        assert_eq!(finder.orders(now), [Order::Found("hci0".into()), start, ready]);
        finder.started(now, &"hci0".into(), Ok(()));
        assert_eq!(finder.orders(now), [Order::List("hci0".into())]);
        finder
    }

    /// What is reported when this is seen.
    fn reported(finder: &mut Finder<Place>, now: Instant, view: &View) -> Vec<String> {
        finder.heard(now, place());
        if !finder.orders(now).contains(&Order::Look(place())) {
            return vec!["not looked at".into()];
        }
        finder.looked(now, &place(), Some(view));
        let reports = |order| match order {
            Order::Report(sighting) => Some(sighting.name().to_owned()),
            _ => None,
        };
        finder.orders(now).into_iter().filter_map(reports).collect()
    }

    fn open(finder: &mut Finder<Place>) -> Sighting {
        assert_eq!(finder.opening("AA"), Some(place()));
        finder.opened("AA");
        let advertisement = buttplug_protocols::sighting::Advertisement::Bluetooth {
            name: "LVS-Z001".into(),
            manufacturer_data: Vec::new(),
            services: Vec::new(),
        };
        Sighting::new("AA", advertisement)
    }

    #[test]
    fn nothing_is_asked_of_the_system_until_somebody_searches() {
        let mut finder = Finder::new();
        let now = Instant::now();
        finder.heard(now, place());
        assert_eq!(finder.orders(now), []);
        assert_eq!(finder.deadline(now), None);
    }

    #[test]
    fn a_device_that_is_heard_is_looked_at_and_reported() {
        let now = Instant::now();
        let mut finder = scanning(now);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["LVS-Z001"]);
    }

    #[test]
    fn after_the_search_devices_are_of_no_interest() {
        let now = Instant::now();
        let mut finder = scanning(now);
        finder.want(now, false);
        assert_eq!(finder.orders(now), [Order::Adapter(Errand::StopScan("hci0".into()))]);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["not looked at"]);
        assert_eq!(finder.deadline(now), None);
    }

    #[test]
    fn a_new_search_begins_anew_with_what_the_system_knows() {
        let now = Instant::now();
        let mut finder = scanning(now);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["LVS-Z001"]);
        finder.want(now, false);
        finder.want(now, true);
        assert_eq!(finder.orders(now), [Order::List("hci0".into())]);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["LVS-Z001"]);
    }

    #[test]
    fn a_device_lost_in_use_is_sought_without_a_client_and_reported_as_what_it_was() {
        let now = Instant::now();
        let mut finder = scanning(now);
        reported(&mut finder, now, &toy("LVS-Z001"));
        let sighting = open(&mut finder);
        finder.want(now, false);
        finder.orders(now);
        finder.stopped(&"hci0".into());
        finder.closed(now, sighting, true);
        assert_eq!(finder.orders(now), [Order::Adapter(Errand::StartScan("hci0".into()))]);
        finder.heard(now, Place::new("hci0", "BB"));
        assert_eq!(finder.orders(now), [], "others are of no interest");
        let nameless = View { manufacturer_data: vec![(1, vec![])], ..toy("") };
        assert_eq!(reported(&mut finder, now + LOOK_PAUSE, &nameless), ["LVS-Z001"]);
        finder.opening("AA");
        finder.opened("AA");
        finder.started(now, &"hci0".into(), Ok(()));
        let orders = finder.orders(now);
        assert!(orders.contains(&Order::Adapter(Errand::StopScan("hci0".into()))), "{orders:?}");
    }

    #[test]
    fn a_device_that_was_closed_is_not_sought() {
        let now = Instant::now();
        let mut finder = scanning(now);
        reported(&mut finder, now, &toy("LVS-Z001"));
        let sighting = open(&mut finder);
        finder.want(now, false);
        finder.closed(now, sighting, false);
        finder.orders(now);
        assert_eq!(finder.deadline(now), None);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["not looked at"]);
    }

    #[test]
    fn a_return_that_fails_is_tried_again() {
        let now = Instant::now();
        let mut finder = scanning(now);
        reported(&mut finder, now, &toy("LVS-Z001"));
        let sighting = open(&mut finder);
        finder.want(now, false);
        finder.closed(now, sighting, true);
        finder.orders(now);
        assert_eq!(reported(&mut finder, now + S, &toy("LVS-Z001")), ["LVS-Z001"]);
        finder.opening("AA");
        finder.refused(now + 2 * S, "AA");
        assert_eq!(reported(&mut finder, now + 3 * S, &toy("LVS-Z001")), Vec::<String>::new());
        // It may be running, so that no failure makes the pause longer, nor hides it.
        let mut later = now + 2 * S;
        for _ in 0..6 {
            later += FIRST_REPORT_PAUSE;
            assert_eq!(reported(&mut finder, later, &toy("LVS-Z001")), ["LVS-Z001"]);
            finder.opening("AA");
            finder.refused(later, "AA");
        }
    }

    #[test]
    fn a_lost_device_is_left_to_others_when_it_is_no_longer_sought_all_the_time() {
        let now = Instant::now();
        let mut finder = scanning(now);
        reported(&mut finder, now, &toy("LVS-Z001"));
        let sighting = open(&mut finder);
        finder.closed(now, sighting, true);
        assert!(finder.seeks_eagerly(now + SEEK_EAGERLY - S, "AA"));
        assert!(!finder.seeks_eagerly(now + SEEK_EAGERLY - S, "BB"));
        assert!(!finder.seeks_eagerly(now + SEEK_EAGERLY, "AA") && finder.seeks("AA"));
    }

    #[test]
    fn a_search_that_is_asked_for_again_does_not_forget_what_failed() {
        let now = Instant::now();
        let mut finder = scanning(now);
        assert_eq!(reported(&mut finder, now, &toy("LVS-Z001")), ["LVS-Z001"]);
        finder.refused(now, "AA");
        let later = now + 10 * S;
        finder.want(later, true);
        let orders = finder.orders(later);
        assert!(orders.contains(&Order::List("hci0".into())), "what the system knows is listed: {orders:?}");
        assert_eq!(reported(&mut finder, later, &toy("LVS-Z001")), Vec::<String>::new(), "nobody knows it");
        let later = now + LONGEST_REPORT_PAUSE;
        finder.want(later, true);
        assert_eq!(reported(&mut finder, later, &toy("LVS-Z001")), ["LVS-Z001"], "somebody may by now");
    }

    #[test]
    fn seeking_ends_by_itself() {
        let now = Instant::now();
        let mut finder = scanning(now);
        reported(&mut finder, now, &toy("LVS-Z001"));
        let sighting = open(&mut finder);
        finder.want(now, false);
        finder.closed(now, sighting.clone(), true);
        let end = now + SEEK_TIME;
        assert!(finder.orders(end).contains(&Order::GaveUp(sighting)));
        assert_eq!(reported(&mut finder, end, &toy("LVS-Z001")), ["not looked at"]);
    }

    #[test]
    fn an_adapter_that_vanishes_is_told_and_the_links_over_it_are_lost() {
        let now = Instant::now();
        let mut finder = scanning(now);
        finder.surveyed(now, Ok(vec![]));
        let orders = finder.orders(now);
        assert!(orders.contains(&Order::Vanished("hci0".into())), "{orders:?}");
        assert!(orders.contains(&Order::Say(BluetoothState::NoAdapter)), "{orders:?}");
        finder.surveyed(now, Ok(vec![]));
        assert_eq!(finder.orders(now), [], "it is said once");
    }

    #[test]
    fn few_looks_are_under_way_at_a_time() {
        let now = Instant::now();
        let mut finder = scanning(now);
        finder.listed(now, (0..100).map(|n| Place::new("hci0", &n.to_string())).collect());
        assert_eq!(finder.orders(now).len(), MAX_LOOKS);
        finder.looked(now, &Place::new("hci0", "0"), None);
        assert_eq!(finder.orders(now).len(), 1);
    }
}
