//! What is seen in a search becomes a sighting, or not: late names, hardware seen again, hardware nobody wanted. Pure.

use crate::limits::{FIRST_REPORT_PAUSE, LONGEST_REPORT_PAUSE, LOOK_PAUSE, MAX_SEEN};
use crate::radio::{Spot, View};
use buttplug_protocols::sighting::{Advertisement, Sighting};
use std::collections::HashMap;
use std::time::Instant;

/// All hardware seen since the search began.
#[derive(Debug)]
pub(crate) struct Sightings<S> {
    seen: HashMap<String, Seen<S>>,
    looked: HashMap<S, Instant>,
}

#[derive(Debug)]
struct Seen<S> {
    /// Where it is seen best.
    spot: S,
    /// How well: connected before anything, then the stronger signal.
    quality: i16,
    /// When it was last heard there.
    heard: Instant,
    report: Option<Report>,
}

/// The last report of hardware, and what came of it.
#[derive(Debug)]
struct Report {
    advertisement: Advertisement,
    at: Instant,
    opened: bool,
    /// It was opened and is no longer open: it is worth a report at once, unless it is refused for that.
    closed: bool,
    failures: u32,
    /// Nobody knows hardware like this; only another advertisement can change that.
    unknown: bool,
}

/// The quality of hardware that is connected already: better than any signal.
const CONNECTED: i16 = i16::MAX;

impl<S: Spot> Sightings<S> {
    pub(crate) fn new() -> Self {
        Self { seen: HashMap::new(), looked: HashMap::new() }
    }

    /// A new search begins: everything is worth a report again. Where it is seen stays known; the server may be about
    /// to open it.
    pub(crate) fn begin(&mut self) {
        self.seen.values_mut().for_each(|seen| seen.report = None);
        self.looked.clear();
    }

    /// Something was heard of this hardware. Answers whether it is time to look at what it says of itself.
    pub(crate) fn heard(&mut self, now: Instant, spot: &S) -> bool {
        if self.looked.get(spot).is_some_and(|last| now < *last + LOOK_PAUSE) {
            return false;
        }
        if self.looked.len() >= MAX_SEEN {
            self.looked.retain(|_, last| now < *last + LOOK_PAUSE);
        }
        if self.looked.len() >= MAX_SEEN {
            return false;
        }
        self.looked.insert(spot.clone(), now);
        true
    }

    /// This is what the hardware says of itself. Answers what to report, if anything is to be reported. `sought`: it was
    /// lost in use and may be running, so that failures make no pause longer.
    pub(crate) fn view(&mut self, now: Instant, spot: &S, view: &View, sought: bool) -> Option<Sighting> {
        let advertisement = advertisement(view).filter(|_| view.is_here())?;
        let address = spot.address();
        let quality = if view.connected { CONNECTED } else { view.rssi.unwrap_or(i16::MIN) };
        if self.seen.len() >= MAX_SEEN && !self.seen.contains_key(address) {
            self.forget_one();
        }
        let fresh = Seen { spot: spot.clone(), quality, heard: now, report: None };
        let seen = self.seen.entry(address.to_owned()).or_insert(fresh);
        let stale = now > seen.heard + 4 * LOOK_PAUSE;
        if seen.spot == *spot || quality > seen.quality || stale {
            seen.spot = spot.clone();
            seen.quality = quality;
            seen.heard = now;
        }
        let failures = match &seen.report {
            Some(report) if now < report.next(&advertisement, sought) => return None,
            Some(report) if report.unknown && report.advertisement == advertisement => return None,
            Some(report) => report.failures,
            None => 0,
        };
        let report = Report {
            advertisement: advertisement.clone(),
            at: now,
            opened: false,
            closed: false,
            failures,
            unknown: false,
        };
        seen.report = Some(report);
        Some(Sighting { signal_dbm: view.rssi, ..Sighting::new(address, advertisement) })
    }

    /// There was no room for the report: it is made again.
    pub(crate) fn not_reported(&mut self, address: &str) {
        if let Some(seen) = self.seen.get_mut(address) {
            seen.report = None;
        }
    }

    /// The server opens this hardware. Answers where it is seen best.
    pub(crate) fn opening(&mut self, address: &str) -> Option<S> {
        let seen = self.seen.get_mut(address)?;
        if let Some(report) = &mut seen.report {
            report.opened = true;
        }
        Some(seen.spot.clone())
    }

    /// The server has no use for this hardware: because nobody knows it, or because opening it came to nothing.
    pub(crate) fn refused(&mut self, now: Instant, address: &str) {
        if let Some(report) = self.seen.get_mut(address).and_then(|seen| seen.report.as_mut()) {
            if report.opened {
                report.failures = report.failures.saturating_add(1);
                report.opened = false;
                report.closed = false;
                report.at = now;
            } else {
                report.unknown = true;
            }
        }
    }

    /// The hardware was lost in use: it is new again.
    pub(crate) fn forget(&mut self, address: &str) {
        if let Some(seen) = self.seen.remove(address) {
            self.looked.remove(&seen.spot);
        }
    }

    /// The server has closed the hardware: after its use, or because opening it came to nothing, which may have been told
    /// before or will be.
    pub(crate) fn closed(&mut self, now: Instant, address: &str) {
        let Some(seen) = self.seen.get_mut(address) else { return };
        if let Some(report) = seen.report.as_mut().filter(|report| report.opened) {
            report.closed = true;
            if now > report.at + 2 * LONGEST_REPORT_PAUSE {
                // No attempt takes so long: it was in use.
                report.failures = 0;
            }
            self.looked.remove(&seen.spot);
        }
    }

    fn forget_one(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.heard).map(|(address, _)| address.clone());
        if let Some(address) = oldest {
            self.seen.remove(&address);
        }
    }
}

impl Report {
    /// When hardware that says this may be reported next.
    fn next(&self, advertisement: &Advertisement, sought: bool) -> Instant {
        if self.closed {
            return self.at;
        }
        // Something new may be what was missing. Counters in manufacturer data would come with every advertisement.
        if self.advertisement != *advertisement && self.failures == 0 {
            return self.at + LOOK_PAUSE;
        }
        let pause = FIRST_REPORT_PAUSE * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(8));
        self.at + pause.min(if sought { FIRST_REPORT_PAUSE } else { LONGEST_REPORT_PAUSE })
    }
}

/// What it says of itself, unless that is nothing.
fn advertisement(view: &View) -> Option<Advertisement> {
    let View { name, manufacturer_data, services, .. } = view;
    if name.is_empty() && manufacturer_data.is_empty() && services.is_empty() {
        return None;
    }
    Some(Advertisement::Bluetooth {
        name: name.clone(),
        manufacturer_data: manufacturer_data.clone(),
        services: services.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Place;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn named(name: &str) -> View {
        View { name: name.into(), rssi: Some(-50), ..View::default() }
    }

    /// The same hardware, as this adapter sees it.
    fn on(adapter: &str) -> Place {
        Place::new(adapter, "AA")
    }

    fn name_of(sighting: Option<Sighting>) -> Option<String> {
        sighting.map(|sighting| sighting.name().to_owned())
    }

    #[test]
    fn hardware_is_reported_when_it_is_seen_and_not_with_each_advertisement() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let toy = named("LVS-Z001");
        assert_eq!(name_of(sightings.view(start, &on("hci0"), &toy, false)).as_deref(), Some("LVS-Z001"));
        assert_eq!(sightings.view(start + 600 * MS, &on("hci0"), &toy, false), None);
        assert!(
            sightings.view(start + FIRST_REPORT_PAUSE, &on("hci0"), &toy, false).is_some(),
            "the report may have been lost"
        );
    }

    #[test]
    fn a_name_that_arrives_late_is_reported() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let mut view = named("");
        assert_eq!(sightings.view(start, &on("hci0"), &view, false), None, "there is nothing to know it by");
        view.services = vec![buttplug_protocols::sighting::Uuid(7)];
        assert_eq!(name_of(sightings.view(start, &on("hci0"), &view, false)).as_deref(), Some(""));
        sightings.refused(start, "AA");
        view.name = "LVS-Z001".into();
        assert_eq!(
            name_of(sightings.view(start + LOOK_PAUSE, &on("hci0"), &view, false)).as_deref(),
            Some("LVS-Z001")
        );
    }

    #[test]
    fn manufacturer_data_alone_is_enough() {
        let mut view = named("");
        view.manufacturer_data = vec![(93, vec![1])];
        assert!(Sightings::new().view(Instant::now(), &on("hci0"), &view, false).is_some());
    }

    #[test]
    fn what_the_system_only_remembers_is_not_here() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let mut view = View { rssi: None, ..named("LVS-Z001") };
        assert_eq!(sightings.view(start, &on("hci0"), &view, false), None);
        view.connected = true;
        assert!(
            sightings.view(start, &on("hci0"), &view, false).is_some(),
            "somebody has connected it already"
        );
    }

    #[test]
    fn what_nobody_knows_is_reported_again_only_if_it_says_something_else() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let mut view = named("A lamp");
        assert!(sightings.view(start, &on("hci0"), &view, false).is_some());
        sightings.refused(start, "AA");
        assert_eq!(sightings.view(start + 3600 * 1000 * MS, &on("hci0"), &view, false), None);
        view.manufacturer_data.push((1, vec![2]));
        assert!(sightings.view(start + 3600 * 1000 * MS, &on("hci0"), &view, false).is_some());
        sightings.begin();
        assert!(sightings.view(start, &on("hci0"), &view, false).is_some(), "a new search, a new chance");
    }

    #[test]
    fn what_fails_to_open_is_reported_again_after_growing_pauses() {
        let (mut now, mut sightings) = (Instant::now(), Sightings::new());
        let view = named("LVS-Z001");
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let reported = now;
            while sightings.view(now, &on("hci0"), &view, false).is_none() {
                now += 100 * MS;
            }
            pauses.push((now - reported).as_secs());
            assert_eq!(sightings.opening("AA"), Some(on("hci0")));
            sightings.refused(now, "AA");
        }
        assert_eq!(pauses, [0, 5, 10, 20, 40, 60]);
    }

    #[test]
    fn a_device_seen_by_several_adapters_is_opened_where_it_is_seen_best() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let view = |rssi| View { rssi: Some(rssi), ..named("LVS-Z001") };
        sightings.view(start, &on("far"), &view(-80), false);
        sightings.view(start, &on("near"), &view(-50), false);
        sightings.view(start, &on("far"), &view(-80), false);
        assert_eq!(sightings.opening("AA"), Some(on("near")));
        sightings.view(start, &on("taken"), &View { connected: true, ..view(-90) }, false);
        assert_eq!(sightings.opening("AA"), Some(on("taken")), "a link that exists comes first");
        sightings.view(start + 10 * LOOK_PAUSE, &on("far"), &view(-80), false);
        assert_eq!(sightings.opening("AA"), Some(on("far")), "nobody else has seen it for long");
    }

    #[test]
    fn advertisements_are_looked_at_no_more_often_than_needed() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let looks = (0..100_u32).filter(|n| sightings.heard(start + *n * 20 * MS, &on("hci0"))).count();
        assert_eq!(looks, 4, "two a second");
    }

    #[test]
    fn a_crowd_of_addresses_does_not_fill_the_memory() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        for n in 0..3 * MAX_SEEN {
            let now = start + MS * u32::try_from(n).unwrap();
            let place = Place::new("hci0", &n.to_string());
            sightings.heard(now, &place);
            sightings.view(now, &place, &named("phone"), false);
        }
        assert!(sightings.seen.len() <= MAX_SEEN && sightings.looked.len() <= MAX_SEEN);
        assert!(sightings.opening(&(3 * MAX_SEEN - 1).to_string()).is_some(), "the newest is remembered");
    }

    #[test]
    fn what_was_closed_is_reported_at_once_unless_opening_it_came_to_nothing() {
        let view = named("LVS-Z001");
        for told_first in ["closed", "refused"] {
            let (mut now, mut sightings) = (Instant::now(), Sightings::new());
            for pause in [1, 2, 4].map(|times| times * FIRST_REPORT_PAUSE) {
                assert!(sightings.view(now, &on("hci0"), &view, false).is_some(), "{told_first}");
                sightings.opening("AA");
                if told_first == "closed" {
                    sightings.closed(now, "AA");
                    sightings.refused(now, "AA");
                } else {
                    sightings.refused(now, "AA");
                    sightings.closed(now, "AA");
                }
                assert_eq!(sightings.view(now + pause - MS, &on("hci0"), &view, false), None, "{told_first}");
                now += pause;
            }
            assert!(sightings.view(now, &on("hci0"), &view, false).is_some(), "{told_first}");
            sightings.opening("AA");
            now += 3 * LONGEST_REPORT_PAUSE;
            sightings.closed(now, "AA");
            assert!(sightings.view(now, &on("hci0"), &view, false).is_some(), "{told_first}: it was in use");
            sightings.opening("AA");
            sightings.refused(now, "AA");
            now += FIRST_REPORT_PAUSE;
            assert!(sightings.view(now, &on("hci0"), &view, false).is_some(), "{told_first}: it began anew");
        }
    }

    #[test]
    fn a_device_that_was_lost_is_new_again() {
        let (start, mut sightings) = (Instant::now(), Sightings::new());
        let view = named("LVS-Z001");
        assert!(sightings.view(start, &on("hci0"), &view, false).is_some());
        sightings.forget("AA");
        assert!(sightings.heard(start, &on("hci0")));
        assert!(sightings.view(start, &on("hci0"), &view, false).is_some());
    }
}
