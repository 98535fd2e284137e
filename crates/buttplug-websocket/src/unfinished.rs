//! Which connections are not finished yet, and which of them has to go. Knows no socket and no clock.

use crate::limits::ListenerLimits;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use tokio::time::Instant;

/// The unfinished connections, oldest first. `K` tells them apart, `H` ends one.
#[derive(Debug)]
pub(crate) struct Unfinished<K, H> {
    entries: VecDeque<Entry<K, H>>,
}

#[derive(Debug)]
struct Entry<K, H> {
    key: K,
    source: IpAddr,
    since: Instant,
    handle: H,
}

impl<K: PartialEq, H> Unfinished<K, H> {
    pub(crate) fn new() -> Self {
        Self { entries: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, now: Instant, key: K, address: IpAddr, handle: H) {
        self.entries.push_back(Entry { key, source: source(address), since: now, handle });
    }

    /// Forgets one that has finished.
    pub(crate) fn remove(&mut self, key: &K) {
        self.entries.retain(|entry| entry.key != *key);
    }

    /// Takes out the one that has to go before another from `address` may come: the oldest of the same source if
    /// that has its fill, else the oldest of all.
    pub(crate) fn crowded_out(
        &mut self,
        now: Instant,
        address: IpAddr,
        limits: &ListenerLimits,
    ) -> Option<H> {
        let source = source(address);
        let settled = |entry: &&Entry<K, H>| now.duration_since(entry.since) >= limits.settling_time;
        let of_source = |entry: &&Entry<K, H>| entry.source == source;
        let index = if self.entries.iter().filter(settled).filter(of_source).count()
            >= limits.max_unfinished_per_source
        {
            // The first is the oldest, so it is settled.
            self.entries.iter().position(|entry| entry.source == source)
        } else {
            (self.entries.iter().filter(settled).count() >= limits.max_unfinished).then_some(0)
        };
        self.entries.remove(index?).map(|entry| entry.handle)
    }

    /// Whether no more may come, settled or not.
    pub(crate) fn is_full(&self, limits: &ListenerLimits) -> bool {
        self.entries.len() >= limits.max_arriving.max(1)
    }

    /// When the oldest has had its time to settle and may be dropped for a newer one.
    pub(crate) fn oldest_settles(&self, limits: &ListenerLimits) -> Option<Instant> {
        self.entries.front().map(|entry| entry.since + limits.settling_time)
    }

    /// Takes out one that has had its time to settle, if there is one: for when descriptors are short.
    pub(crate) fn take_settled(&mut self, now: Instant, limits: &ListenerLimits) -> Option<H> {
        self.oldest_settles(limits).filter(|settles| *settles <= now)?;
        self.take_oldest()
    }

    /// Takes out the oldest.
    pub(crate) fn take_oldest(&mut self) -> Option<H> {
        self.entries.pop_front().map(|entry| entry.handle)
    }
}

/// Whom an address belongs to, as far as an address tells: with IPv6 everybody has a /64 of their own. What is counted per
/// address is counted by this.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Rig {
        start: Instant,
        unfinished: Unfinished<u32, u32>,
        limits: ListenerLimits,
        next: u32,
    }

    impl Rig {
        fn new() -> Self {
            let unfinished = Unfinished::new();
            Self { start: Instant::now(), unfinished, limits: ListenerLimits::default(), next: 0 }
        }

        /// A connection comes; returns which one had to go.
        fn comes(&mut self, ms: u64, address: &str) -> Option<u32> {
            let now = self.start + Duration::from_millis(ms);
            let address = address.parse().unwrap();
            let gone = self.unfinished.crowded_out(now, address, &self.limits);
            self.unfinished.add(now, self.next, address, self.next);
            self.next += 1;
            gone
        }
    }

    #[test]
    fn one_source_pushes_out_only_its_own() {
        let mut rig = Rig::new();
        assert_eq!(rig.comes(0, "192.0.2.1"), None);
        for _ in 0..16 {
            assert_eq!(rig.comes(0, "192.0.2.2"), None);
        }
        assert_eq!(rig.comes(1000, "192.0.2.2"), Some(1));
        assert_eq!(rig.comes(1000, "192.0.2.1"), None);
    }

    #[test]
    fn many_sources_push_out_the_oldest() {
        let mut rig = Rig::new();
        for n in 0..64 {
            assert_eq!(rig.comes(0, &format!("192.0.2.{n}")), None);
        }
        assert_eq!(rig.comes(1000, "192.0.2.99"), Some(0));
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_welcome() {
        let mut rig = Rig::new();
        for _ in 0..200 {
            assert_eq!(rig.comes(0, "192.0.2.1"), None);
        }
        assert!(!rig.unfinished.is_full(&rig.limits));
        assert_eq!(rig.comes(250, "192.0.2.1"), Some(0));
    }

    #[test]
    fn those_that_finish_make_room() {
        let mut rig = Rig::new();
        for _ in 0..16 {
            rig.comes(0, "192.0.2.2");
        }
        rig.unfinished.remove(&3);
        assert_eq!(rig.comes(1000, "192.0.2.2"), None);
    }

    #[test]
    fn there_is_an_end_to_any_crowd() {
        let mut rig = Rig::new();
        for n in 0..256 {
            assert!(!rig.unfinished.is_full(&rig.limits), "{n}");
            rig.comes(0, "192.0.2.2");
        }
        assert!(rig.unfinished.is_full(&rig.limits));
        assert_eq!(rig.unfinished.oldest_settles(&rig.limits), Some(rig.start + rig.limits.settling_time));
        assert_eq!(rig.unfinished.take_oldest(), Some(0));
        assert!(!rig.unfinished.is_full(&rig.limits));
    }

    #[test]
    fn only_the_settled_go_when_descriptors_are_short() {
        let mut rig = Rig::new();
        for ms in [0, 10, 100] {
            rig.comes(ms, "192.0.2.1");
        }
        let now = rig.start + Duration::from_millis(300);
        let gone: Vec<u32> = std::iter::from_fn(|| rig.unfinished.take_settled(now, &rig.limits)).collect();
        assert_eq!(gone, [0, 1]);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let source = |text: &str| source(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::2:3"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}
