//! How many connections are open, in all and from each address. Knows no sockets.

use buttplug_websocket::source;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Full {
    /// As many as may be are open.
    #[error("{0} connections are open, no more may be (max-connections)")]
    All(usize),
    /// As many as one address may have.
    #[error("{0} connections from this address are open, no more may be (max-connections-per-address)")]
    Address(usize),
}

/// The places of a listener.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// No entry for addresses that have none.
    by_source: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, taken: Mutex::default() })
    }

    /// Whether there is a place.
    pub(crate) fn look(&self, address: IpAddr) -> Result<(), Full> {
        self.free(&self.taken(), source(address))
    }

    /// Takes a place, which is free again when it is dropped.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let source = source(address);
        let mut taken = self.taken();
        self.free(&taken, source)?;
        taken.all += 1;
        *taken.by_source.entry(source).or_default() += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), source })
    }

    fn free(&self, taken: &Taken, source: IpAddr) -> Result<(), Full> {
        if taken.all >= self.max {
            return Err(Full::All(self.max));
        }
        let of_source = taken.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.max_per_address {
            return Err(Full::Address(self.max_per_address));
        }
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_source.get(&self.source).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            taken.by_source.remove(&self.source);
        } else {
            taken.by_source.insert(self.source, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_can_not_take_the_places_of_all() {
        let places = Places::new(3, 2);
        let (one, other, third) = (address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3"));
        let first = places.take(one).unwrap();
        assert_eq!(places.look(one), Ok(()), "to look takes nothing");
        let _second = places.take(one).unwrap();
        assert_eq!(places.look(one), Err(Full::Address(2)));
        assert_eq!(places.take(one).unwrap_err(), Full::Address(2));
        let _third = places.take(other).unwrap();
        assert_eq!(places.take(third).unwrap_err(), Full::All(3));
        drop(first);
        assert!(places.take(one).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_nothing_is_kept_of_those_that_left() {
        let places = Places::new(9, 1);
        let first = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8::2")).is_err());
        drop(first);
        assert!(places.taken().by_source.is_empty() && places.taken().all == 0);
    }
}
