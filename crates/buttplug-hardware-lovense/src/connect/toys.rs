//! Which apps are known and which toys they have. Decides who is to be asked, and what an answer means. No I/O, no clock.

use super::answers::Toy;
use super::limits::{MAX_HOSTS, MAX_SILENCES};
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_server::hardware::{HardwareError, HardwareEvent, MAX_WAITING_EVENTS};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Toys {
    /// Apps that a person has named. They are never forgotten.
    named: BTreeSet<SocketAddr>,
    /// Apps that the directory has named.
    found: BTreeSet<SocketAddr>,
    toys: BTreeMap<String, Known>,
    opened: u64,
    /// How often an app has not answered since it did last.
    silent: BTreeMap<SocketAddr, u32>,
}

#[derive(Debug)]
struct Known {
    host: SocketAddr,
    battery: u8,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    // bus -> device task: the end and nothing else; 64 places, as for all hardware; closed means the server let go.
    events: mpsc::Sender<HardwareEvent>,
}

/// A toy that the server has taken.
pub(crate) struct Opened {
    pub(crate) host: SocketAddr,
    /// Tells this opening from earlier and later ones.
    pub(crate) number: u64,
    pub(crate) events: mpsc::Receiver<HardwareEvent>,
}

impl Toys {
    /// Nothing is known but these apps.
    pub(crate) fn new(named: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { named: named.into_iter().take(MAX_HOSTS).collect(), ..Self::default() }
    }

    /// Everybody who can be asked for toys.
    pub(crate) fn hosts(&self) -> BTreeSet<SocketAddr> {
        self.named.union(&self.found).copied().collect()
    }

    /// Who has toys that are in use.
    pub(crate) fn hosts_in_use(&self) -> BTreeSet<SocketAddr> {
        self.toys.values().filter(|known| known.open.is_some()).map(|known| known.host).collect()
    }

    /// What the directory says.
    pub(crate) fn directory(&mut self, hosts: Vec<SocketAddr>) {
        for host in hosts {
            if self.named.len() + self.found.len() < MAX_HOSTS {
                self.found.insert(host);
            }
        }
    }

    /// An app has listed its toys. Returns those that can be opened.
    pub(crate) fn listed(&mut self, host: SocketAddr, toys: Vec<Toy>) -> Vec<Sighting> {
        self.silent.remove(&host);
        let here: BTreeSet<String> = toys.iter().map(|toy| toy.id.clone()).collect();
        // One that is in use and not listed for once is kept: the app says so if it has lost it.
        self.toys.retain(|id, known| known.host != host || known.open.is_some() || here.contains(id));
        let mut there = Vec::new();
        for toy in toys {
            let known = self.toys.entry(toy.id.clone());
            let known = known.or_insert(Known { host, battery: toy.battery, open: None });
            if known.open.is_some() && known.host != host {
                // Another app sees it too. Whoever has it keeps it.
                continue;
            }
            (known.host, known.battery) = (host, toy.battery);
            if !toy.connected {
                known.lose("the app has lost the toy");
                continue;
            }
            let advertisement = Advertisement::LovenseConnect { name: toy.name };
            there.push(Sighting::new(toy.id, advertisement));
        }
        there
    }

    /// An app does not answer, or not with a list. It is forgotten, and so are its toys; with a toy in use, which it goes on
    /// driving meanwhile, not before it has been asked several times.
    pub(crate) fn silent(&mut self, host: SocketAddr, reason: &str) {
        let in_use = self.toys.values().any(|known| known.host == host && known.open.is_some());
        let times = self.silent.entry(host).or_default();
        *times += 1;
        if in_use && *times < MAX_SILENCES {
            return;
        }
        self.silent.remove(&host);
        self.found.remove(&host);
        self.toys.retain(|_, known| {
            if known.host == host {
                known.lose(reason);
            }
            known.host != host
        });
    }

    /// The server takes a toy.
    pub(crate) fn open(&mut self, id: &str) -> Result<Opened, HardwareError> {
        let known = self.toys.get_mut(id).ok_or(HardwareError::Gone)?;
        if known.open.is_some() {
            return Err(HardwareError::Failed(String::from("the toy is open already")));
        }
        self.opened += 1;
        let (sender, events) = mpsc::channel(MAX_WAITING_EVENTS);
        known.open = Some(Open { number: self.opened, events: sender });
        Ok(Opened { host: known.host, number: self.opened, events })
    }

    /// The server lets go of a toy.
    pub(crate) fn close(&mut self, id: &str, number: u64) {
        if let Some(known) = self.toys.get_mut(id).filter(|known| known.is_open(number)) {
            known.open = None;
        }
    }

    /// The battery of a toy that is in use.
    pub(crate) fn battery(&self, id: &str, number: u64) -> Result<u8, HardwareError> {
        let known = self.toys.get(id).filter(|known| known.is_open(number));
        known.map(|known| known.battery).ok_or(HardwareError::Gone)
    }
}

impl Known {
    fn is_open(&self, number: u64) -> bool {
        self.open.as_ref().is_some_and(|open| open.number == number)
    }

    fn lose(&mut self, reason: &str) {
        if let Some(open) = self.open.take() {
            // There is room: nothing else is ever said.
            let _ = open.events.try_send(HardwareEvent::Gone(reason.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, number], 34567))
    }

    fn toy(id: &str, connected: bool, battery: u8) -> Toy {
        Toy { id: id.into(), name: String::from("Lush"), connected, battery }
    }

    fn ids(sightings: &[Sighting]) -> Vec<&str> {
        sightings.iter().map(|sighting| sighting.address.as_str()).collect()
    }

    fn is_gone(opened: &mut Opened) -> bool {
        matches!(opened.events.try_recv(), Ok(HardwareEvent::Gone(_)))
    }

    #[test]
    fn toys_that_the_app_has_a_connection_to_can_be_opened() {
        let mut toys = Toys::default();
        let found = toys.listed(host(1), vec![toy("a", true, 85), toy("b", false, 1)]);
        assert_eq!(ids(&found), ["a"]);
        assert_eq!(found[0].name(), "Lush");
        let opened = toys.open("a").unwrap();
        assert_eq!((opened.host, toys.battery("a", opened.number)), (host(1), Ok(85)));
        toys.listed(host(1), vec![toy("a", true, 84)]);
        assert_eq!(toys.battery("a", opened.number), Ok(84));
        assert!(toys.open("a").is_err(), "twice");
        assert_eq!(toys.open("c").err(), Some(HardwareError::Gone));
        assert_eq!(toys.hosts_in_use(), [host(1)].into());
        toys.close("a", opened.number);
        assert_eq!(toys.hosts_in_use(), [].into());
        let again = toys.open("a").unwrap();
        toys.close("a", opened.number);
        assert_eq!(toys.battery("a", again.number), Ok(84), "an old handle closes nothing");
    }

    #[test]
    fn a_toy_that_the_app_has_lost_is_gone_once_and_one_that_is_not_listed_stays() {
        let mut toys = Toys::default();
        toys.listed(host(1), vec![toy("a", true, 1)]);
        let mut opened = toys.open("a").unwrap();
        assert_eq!(ids(&toys.listed(host(1), Vec::new())), Vec::<&str>::new());
        assert!(!is_gone(&mut opened));
        toys.listed(host(1), vec![toy("a", false, 1)]);
        assert!(is_gone(&mut opened));
        assert_eq!(toys.battery("a", opened.number), Err(HardwareError::Gone));
        assert_eq!(toys.hosts_in_use(), [].into());
    }

    #[test]
    fn an_app_that_is_silent_is_forgotten_with_its_toys_unless_a_person_named_it() {
        let mut toys = Toys::new([host(9)]);
        toys.directory(vec![host(1), host(2)]);
        toys.listed(host(1), vec![toy("a", true, 1)]);
        toys.listed(host(2), vec![toy("b", true, 1)]);
        let (mut a, mut b) = (toys.open("a").unwrap(), toys.open("b").unwrap());
        toys.silent(host(9), "no answer");
        for _ in 1..MAX_SILENCES {
            toys.silent(host(1), "no answer");
        }
        assert!(!is_gone(&mut a) && toys.battery("a", a.number).is_ok(), "a toy in use is driven on");
        toys.listed(host(1), vec![toy("a", true, 1)]);
        for _ in 1..MAX_SILENCES {
            toys.silent(host(1), "no answer");
        }
        assert!(!is_gone(&mut a), "an answer in between counts");
        toys.silent(host(1), "no answer");
        assert!(is_gone(&mut a) && !is_gone(&mut b));
        assert_eq!(toys.hosts(), [host(2), host(9)].into());
        assert_eq!(toys.open("a").err(), Some(HardwareError::Gone));
    }

    #[test]
    fn a_toy_in_use_is_not_taken_over_by_another_app() {
        let mut toys = Toys::default();
        toys.listed(host(1), vec![toy("a", true, 50)]);
        let mut opened = toys.open("a").unwrap();
        toys.listed(host(2), vec![toy("a", false, 7)]);
        assert!(!is_gone(&mut opened));
        assert_eq!(toys.battery("a", opened.number), Ok(50));
        toys.close("a", opened.number);
        toys.listed(host(2), vec![toy("a", true, 7)]);
        assert_eq!(toys.open("a").unwrap().host, host(2));
    }

    #[test]
    fn the_directory_can_not_name_apps_without_end() {
        let mut toys = Toys::new([host(200)]);
        toys.directory((0..100).map(host).collect());
        assert_eq!(toys.hosts().len(), MAX_HOSTS);
    }
}
