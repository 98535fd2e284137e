//! The adapters: which are there and switched on, which of them scan, and what to do about those that should. Pure.

use crate::limits::{MAX_FAILED_SURVEYS, RESCAN, SCAN_RETRY, SURVEY_WITH, SURVEY_WITHOUT};
use crate::radio::{Adapter, AdapterName, RadioError};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// How Bluetooth stands on this machine, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BluetoothState {
    /// Nobody has asked yet.
    Unknown,
    /// The system's Bluetooth can't be used at all, for this reason.
    Unusable(String),
    /// There is no adapter.
    NoAdapter,
    /// There are adapters, by name, and all of them are switched off.
    Off(Vec<String>),
    /// These adapters are ready for use.
    Ready(Vec<String>),
}

impl fmt::Display for BluetoothState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not looked at yet"),
            Self::Unusable(reason) => write!(f, "can't be used: {reason}"),
            Self::NoAdapter => {
                f.write_str("no adapter is there; plug one in, or switch it on in the machine's setup")
            }
            Self::Off(names) => write!(f, "switched off ({}); switch it on in the system", names.join(", ")),
            Self::Ready(names) => write!(f, "ready ({})", names.join(", ")),
        }
    }
}

/// Something to be done with an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// See which adapters there are.
    Survey,
    /// Begin to scan, or go on.
    StartScan(AdapterName),
    /// Stop scanning.
    StopScan(AdapterName),
}

/// All adapters.
#[derive(Debug, Default)]
pub(crate) struct Adapters {
    known: BTreeMap<AdapterName, Entry>,
    /// Why looking at them comes to nothing.
    problem: Option<RadioError>,
    /// Looks in a row that came to nothing.
    failed: u32,
    surveyed: Option<Instant>,
    surveying: bool,
}

/// How a look differs from the one before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) gone: Vec<AdapterName>,
    pub(crate) new: Vec<AdapterName>,
}

#[derive(Debug)]
struct Entry {
    powered: bool,
    /// Looks in a row at which it did not answer.
    silent: u32,
    scan: Scan,
}

/// How far a scan is.
#[derive(Debug)]
enum Scan {
    Off,
    /// Told to begin, or to go on.
    Starting,
    On {
        since: Instant,
    },
    Stopping,
    /// Could not be begun.
    Failed {
        at: Instant,
    },
}

impl Adapters {
    /// What is to be done now. `scan`: somebody wants to see what is there; `in_use`: somebody needs an adapter.
    pub(crate) fn errands(&mut self, now: Instant, scan: bool, in_use: bool, errands: &mut Vec<Errand>) {
        if (scan || in_use) && !self.surveying && self.survey_at().is_none_or(|at| at <= now) {
            self.surveying = true;
            errands.push(Errand::Survey);
        }
        for (name, entry) in self.known.iter_mut().filter(|(_, entry)| entry.powered) {
            match entry.scan {
                Scan::Off if scan => {}
                Scan::Failed { at } if scan && at + SCAN_RETRY <= now => {}
                Scan::On { since } if scan && since + RESCAN <= now => {}
                Scan::On { .. } if !scan => {
                    entry.scan = Scan::Stopping;
                    errands.push(Errand::StopScan(name.clone()));
                    continue;
                }
                Scan::Off | Scan::Starting | Scan::On { .. } | Scan::Stopping | Scan::Failed { .. } => {
                    continue;
                }
            }
            entry.scan = Scan::Starting;
            errands.push(Errand::StartScan(name.clone()));
        }
    }

    /// When there may be something to do next.
    pub(crate) fn deadline(&self, scan: bool, in_use: bool) -> Option<Instant> {
        let survey = self.survey_at().filter(|_| (scan || in_use) && !self.surveying);
        let scans = self.known.values().filter(|entry| entry.powered && scan).filter_map(|entry| {
            Some(match entry.scan {
                Scan::Failed { at } => at + SCAN_RETRY,
                Scan::On { since } => since + RESCAN,
                Scan::Off | Scan::Starting | Scan::Stopping => return None,
            })
        });
        scans.chain(survey).min()
    }

    fn survey_at(&self) -> Option<Instant> {
        let pause = if self.known.values().any(|entry| entry.powered) { SURVEY_WITH } else { SURVEY_WITHOUT };
        Some(self.surveyed? + pause)
    }

    /// These are the adapters. Answers which are gone and which are new.
    pub(crate) fn surveyed(&mut self, now: Instant, found: Result<Vec<Adapter>, RadioError>) -> Changes {
        self.surveying = false;
        self.surveyed = Some(now);
        let found = match found {
            Ok(found) => {
                self.problem = None;
                self.failed = 0;
                found
            }
            Err(problem) => {
                self.failed = self.failed.saturating_add(1);
                let is_certain = matches!(problem, RadioError::NoService(_) | RadioError::NotAllowed);
                if !is_certain && !self.known.is_empty() && self.failed < MAX_FAILED_SURVEYS {
                    return Changes::default();
                }
                self.problem = Some(problem);
                Vec::new()
            }
        };
        for adapter in found.iter().filter(|adapter| adapter.powered.is_none()) {
            if let Some(entry) = self.known.get_mut(&adapter.name) {
                entry.silent = entry.silent.saturating_add(1);
            }
        }
        let patience =
            |name: &AdapterName| self.known.get(name).is_some_and(|entry| entry.silent < MAX_FAILED_SURVEYS);
        let found: Vec<Adapter> =
            found.into_iter().filter(|one| one.powered.is_some() || patience(&one.name)).collect();
        let is_gone = |name: &AdapterName| found.iter().all(|adapter| adapter.name != *name);
        let gone: Vec<AdapterName> = self.known.keys().filter(|name| is_gone(name)).cloned().collect();
        self.known.retain(|name, _| !is_gone(name));
        let mut new = Vec::new();
        for Adapter { name, powered } in found {
            let Some(powered) = powered else { continue };
            if !self.known.contains_key(&name) {
                new.push(name.clone());
            }
            let fresh = Entry { powered, silent: 0, scan: Scan::Off };
            self.known.entry(name.clone()).or_insert(fresh).silent = 0;
            self.power(&name, powered);
        }
        Changes { gone, new }
    }

    /// An adapter was switched on or off. One that was off scans no longer.
    pub(crate) fn power(&mut self, name: &AdapterName, on: bool) {
        if let Some(entry) = self.known.get_mut(name) {
            if entry.powered != on {
                entry.powered = on;
                entry.scan = Scan::Off;
            }
        }
    }

    /// A scan has begun, or could not.
    pub(crate) fn started(&mut self, now: Instant, name: &AdapterName, outcome: Result<(), ()>) {
        if let Some(entry) = self.known.get_mut(name).filter(|entry| matches!(entry.scan, Scan::Starting)) {
            entry.scan = if outcome.is_ok() { Scan::On { since: now } } else { Scan::Failed { at: now } };
        }
    }

    /// A scan has ended. That it could not be ended means that it was not going on.
    pub(crate) fn stopped(&mut self, name: &AdapterName) {
        if let Some(entry) = self.known.get_mut(name).filter(|entry| matches!(entry.scan, Scan::Stopping)) {
            entry.scan = Scan::Off;
        }
    }

    /// How things stand.
    pub(crate) fn state(&self) -> BluetoothState {
        if let Some(problem) = &self.problem {
            return BluetoothState::Unusable(problem.to_string());
        }
        if self.surveyed.is_none() {
            return BluetoothState::Unknown;
        }
        let names = |powered| {
            let those = self.known.iter().filter(|(_, entry)| entry.powered == powered);
            those.map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        let (on, off) = (names(true), names(false));
        match (on.is_empty(), off.is_empty()) {
            (false, _) => BluetoothState::Ready(on),
            (true, false) => BluetoothState::Off(off),
            (true, true) => BluetoothState::NoAdapter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const S: Duration = Duration::from_secs(1);

    fn adapter(name: &str, powered: bool) -> Adapter {
        Adapter { name: name.into(), powered: Some(powered) }
    }

    fn errands(adapters: &mut Adapters, now: Instant, scan: bool) -> Vec<Errand> {
        let mut errands = Vec::new();
        adapters.errands(now, scan, false, &mut errands);
        errands
    }

    /// One adapter, looked at just now.
    fn one(now: Instant, powered: bool) -> Adapters {
        let mut adapters = Adapters::default();
        assert_eq!(errands(&mut adapters, now, true), [Errand::Survey]);
        assert_eq!(errands(&mut adapters, now, true), [], "one look at a time");
        adapters.surveyed(now, Ok(vec![adapter("hci0", powered)]));
        adapters
    }

    #[test]
    fn nothing_is_done_when_nobody_asks() {
        let mut adapters = Adapters::default();
        assert_eq!(errands(&mut adapters, Instant::now(), false), []);
        assert_eq!(adapters.deadline(false, false), None);
        assert_eq!(adapters.state(), BluetoothState::Unknown);
    }

    #[test]
    fn a_scan_is_started_once_and_asked_for_again_now_and_then() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        assert_eq!(errands(&mut adapters, now, true), [Errand::StartScan("hci0".into())]);
        assert_eq!(errands(&mut adapters, now, true), []);
        adapters.started(now, &"hci0".into(), Ok(()));
        adapters.surveyed(now + RESCAN, Ok(vec![adapter("hci0", true)]));
        assert_eq!(errands(&mut adapters, now + RESCAN, true), [Errand::StartScan("hci0".into())]);
        adapters.started(now + RESCAN, &"hci0".into(), Ok(()));
        assert_eq!(errands(&mut adapters, now + RESCAN, false), [Errand::StopScan("hci0".into())]);
        assert_eq!(errands(&mut adapters, now + RESCAN, true), [], "one thing after the other");
        adapters.stopped(&"hci0".into());
        assert_eq!(errands(&mut adapters, now + RESCAN, true), [Errand::StartScan("hci0".into())]);
    }

    #[test]
    fn an_adapter_that_is_off_is_left_off_and_scans_once_it_is_on() {
        let now = Instant::now();
        let mut adapters = one(now, false);
        assert_eq!(errands(&mut adapters, now, true), []);
        assert_eq!(adapters.state().to_string(), "switched off (hci0); switch it on in the system");
        adapters.power(&"hci0".into(), true);
        assert_eq!(errands(&mut adapters, now, true), [Errand::StartScan("hci0".into())]);
        assert_eq!(adapters.state(), BluetoothState::Ready(vec!["hci0".into()]));
    }

    #[test]
    fn switching_off_and_on_resumes_the_scan() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        errands(&mut adapters, now, true);
        adapters.started(now, &"hci0".into(), Ok(()));
        adapters.power(&"hci0".into(), false);
        assert_eq!(errands(&mut adapters, now, true), []);
        adapters.power(&"hci0".into(), true);
        assert_eq!(errands(&mut adapters, now, true), [Errand::StartScan("hci0".into())]);
    }

    #[test]
    fn an_adapter_pulled_out_and_put_back_scans_again() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        errands(&mut adapters, now, true);
        adapters.started(now, &"hci0".into(), Ok(()));
        assert_eq!(adapters.surveyed(now + 5 * S, Ok(vec![])).gone, ["hci0".into()]);
        assert_eq!(adapters.state(), BluetoothState::NoAdapter);
        assert_eq!(adapters.deadline(true, false), Some(now + 5 * S + SURVEY_WITHOUT), "it is looked for");
        let back = adapters.surveyed(now + 7 * S, Ok(vec![adapter("hci0", true)]));
        assert_eq!(back, Changes { gone: vec![], new: vec!["hci0".into()] });
        assert_eq!(errands(&mut adapters, now + 7 * S, true), [Errand::StartScan("hci0".into())]);
    }

    #[test]
    fn a_service_that_does_not_answer_is_a_state_and_is_asked_again() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        let problem = || Err(RadioError::NoService("bluetoothd does not run".into()));
        assert_eq!(adapters.surveyed(now, problem()).gone, ["hci0".into()]);
        assert_eq!(adapters.state().to_string(), "can't be used: bluetoothd does not run");
        assert_eq!(errands(&mut adapters, now + SURVEY_WITHOUT, true), [Errand::Survey]);
    }

    #[test]
    fn a_look_that_fails_now_and_then_loses_no_link() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        let busy = || Err(RadioError::Failed("no answer within 5 s".into()));
        for _ in 1..MAX_FAILED_SURVEYS {
            assert_eq!(adapters.surveyed(now, busy()), Changes::default());
            assert_eq!(adapters.state(), BluetoothState::Ready(vec!["hci0".into()]));
        }
        assert_eq!(adapters.surveyed(now, Ok(vec![adapter("hci0", true)])), Changes::default(), "known");
        assert_eq!(adapters.surveyed(now, busy()), Changes::default(), "only failures in a row count");
        adapters.surveyed(now, busy());
        assert_eq!(adapters.surveyed(now, busy()).gone, ["hci0".into()]);
        assert_eq!(adapters.state(), BluetoothState::Unusable("no answer within 5 s".into()));
    }

    #[test]
    fn an_adapter_that_does_not_answer_now_and_then_keeps_its_links_and_costs_no_other_its_own() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        let silent = || Adapter { name: "hci0".into(), powered: None };
        let other = || adapter("hci1", true);
        assert_eq!(adapters.surveyed(now, Ok(vec![silent(), other()])).new, ["hci1".into()]);
        for _ in 2..MAX_FAILED_SURVEYS {
            assert_eq!(adapters.surveyed(now, Ok(vec![silent(), other()])), Changes::default());
        }
        let both = BluetoothState::Ready(vec!["hci0".into(), "hci1".into()]);
        assert_eq!(adapters.state(), both);
        assert_eq!(adapters.surveyed(now, Ok(vec![adapter("hci0", true), other()])).gone, []);
        assert_eq!(
            adapters.surveyed(now, Ok(vec![silent(), other()])).gone,
            [],
            "only failures in a row count"
        );
        for _ in 2..MAX_FAILED_SURVEYS {
            adapters.surveyed(now, Ok(vec![silent(), other()]));
        }
        assert_eq!(adapters.surveyed(now, Ok(vec![silent(), other()])).gone, ["hci0".into()]);
        assert_eq!(adapters.state(), BluetoothState::Ready(vec!["hci1".into()]));
        assert_eq!(
            adapters.surveyed(now, Ok(vec![silent(), other()])),
            Changes::default(),
            "it is not there before it answers"
        );
        assert_eq!(adapters.state(), BluetoothState::Ready(vec!["hci1".into()]));
    }

    #[test]
    fn a_scan_that_can_not_be_begun_is_tried_again_after_a_pause() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        errands(&mut adapters, now, true);
        adapters.started(now, &"hci0".into(), Err(()));
        assert_eq!(errands(&mut adapters, now + S, true), []);
        assert_eq!(adapters.deadline(true, false), Some(now + SCAN_RETRY));
        assert_eq!(errands(&mut adapters, now + SCAN_RETRY, true), [Errand::StartScan("hci0".into())]);
    }

    #[test]
    fn every_adapter_scans() {
        let now = Instant::now();
        let mut adapters = one(now, true);
        let changes = adapters
            .surveyed(now, Ok(vec![adapter("hci1", true), adapter("hci0", true), adapter("hci2", false)]));
        assert_eq!(changes.new, ["hci1".into(), "hci2".into()]);
        let starts = ["hci0", "hci1"].map(|name| Errand::StartScan(name.into()));
        assert_eq!(errands(&mut adapters, now, true), starts);
    }
}
