//! Which index belongs to which hardware. A device keeps its index for as long as the server runs, and longer where its
//! owner's configuration says so.

use crate::configuration::{DeviceIdentity, UserConfiguration};
use buttplug_core::DeviceIndex;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pieces of hardware whose index is remembered while they are not connected. Beyond it the one that has been away
/// longest is forgotten.
pub(crate) const MAX_REMEMBERED: usize = 10_000;

#[derive(Debug)]
struct Known {
    index: DeviceIndex,
    /// Counts up with every connection: the smallest was away longest.
    last_seen: u64,
}

/// An index given to hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) index: DeviceIndex,
    /// The hardware had it when it was here before.
    pub(crate) returning: bool,
    /// Its owner wanted another one, which a connected device has.
    pub(crate) taken: Option<DeviceIndex>,
}

/// The indexes given out so far. Pure.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    known: HashMap<DeviceIdentity, Known>,
    holders: BTreeMap<DeviceIndex, DeviceIdentity>,
    /// Indexes that the configuration gives to somebody: nobody else gets them.
    reserved: BTreeSet<DeviceIndex>,
    clock: u64,
}

impl Indexes {
    /// From now on these indexes are for those to whom the configuration gives them.
    pub(crate) fn reserve(&mut self, configuration: &UserConfiguration) {
        self.reserved = configuration.indexes();
    }

    /// The index of this hardware: the one its owner `decided`, else the one it had before, else the smallest free one.
    /// `is_connected` protects the indexes of devices that are there.
    pub(crate) fn assign(
        &mut self,
        identity: DeviceIdentity,
        decided: Option<DeviceIndex>,
        is_connected: impl Fn(DeviceIndex) -> bool,
    ) -> Assigned {
        self.clock += 1;
        let before = self.of(&identity);
        let holder = |index: &DeviceIndex| self.holders.get(index).filter(|holder| **holder != identity);
        let taken = decided.filter(|index| holder(index).is_some() && is_connected(*index));
        let index = match decided.filter(|_| taken.is_none()).or(before) {
            Some(index) => index,
            None => {
                if self.known.len() >= MAX_REMEMBERED {
                    self.forget_one(is_connected);
                }
                self.smallest_free()
            }
        };
        self.give(identity, index);
        Assigned { index, returning: before.is_some(), taken }
    }

    /// The index that this hardware has, or had when it was here last.
    pub(crate) fn of(&self, identity: &DeviceIdentity) -> Option<DeviceIndex> {
        self.known.get(identity).map(|known| known.index)
    }

    fn give(&mut self, identity: DeviceIdentity, index: DeviceIndex) {
        let known = Known { index, last_seen: self.clock };
        if let Some(before) = self.known.insert(identity.clone(), known) {
            self.holders.remove(&before.index);
        }
        if let Some(displaced) = self.holders.insert(index, identity.clone()) {
            if displaced != identity {
                self.known.remove(&displaced);
            }
        }
    }

    fn smallest_free(&self) -> DeviceIndex {
        let mut index = DeviceIndex(0);
        while self.holders.contains_key(&index) || self.reserved.contains(&index) {
            index.0 += 1;
        }
        index
    }

    fn forget_one(&mut self, is_connected: impl Fn(DeviceIndex) -> bool) {
        let away = self.known.iter().filter(|(_, known)| !is_connected(known.index));
        let Some(identity) =
            away.min_by_key(|(_, known)| known.last_seen).map(|(identity, _)| identity.clone())
        else {
            return;
        };
        if let Some(known) = self.known.remove(&identity) {
            self.holders.remove(&known.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeviceConfiguration;
    use buttplug_protocols::sighting::BusKind;

    fn identity(address: &str) -> DeviceIdentity {
        DeviceIdentity {
            bus: BusKind::WebSocket,
            protocol: String::from("lovense"),
            identifier: None,
            address: address.into(),
        }
    }

    /// Indexes, some of which are reserved, with devices that are all connected.
    fn indexes(reserved: &[u32]) -> Indexes {
        let device = |index: &u32| DeviceConfiguration {
            index: Some(DeviceIndex(*index)),
            ..DeviceConfiguration::default()
        };
        let mut indexes = Indexes::default();
        let devices = reserved.iter().map(device).collect();
        indexes.reserve(&UserConfiguration { devices, ..UserConfiguration::default() });
        indexes
    }

    fn assign(indexes: &mut Indexes, address: &str, decided: Option<u32>) -> u32 {
        indexes.assign(identity(address), decided.map(DeviceIndex), |_| true).index.0
    }

    #[test]
    fn a_device_gets_the_smallest_free_index_and_keeps_it() {
        let mut indexes = indexes(&[]);
        let mut assign = |address: &str| assign(&mut indexes, address, None);
        assert_eq!([assign("a"), assign("b"), assign("a"), assign("c")], [0, 1, 0, 2]);
    }

    #[test]
    fn protocol_identifier_and_bus_belong_to_the_identity() {
        let mut indexes = indexes(&[]);
        let mut assign = |identity| indexes.assign(identity, None, |_| true);
        let assigned = |index, returning| Assigned { index: DeviceIndex(index), returning, taken: None };
        assert_eq!(assign(identity("a")), assigned(0, false));
        let other = DeviceIdentity { identifier: Some(String::from("P")), ..identity("a") };
        assert_eq!(assign(other), assigned(1, false));
        let elsewhere = DeviceIdentity { bus: BusKind::Bluetooth, ..identity("a") };
        assert_eq!(assign(elsewhere), assigned(2, false));
        assert_eq!(assign(identity("a")), assigned(0, true));
    }

    #[test]
    fn what_is_decided_is_kept_for_its_device_and_nobody_else_gets_it() {
        let mut indexes = indexes(&[0, 2]);
        assert_eq!(assign(&mut indexes, "a", None), 1);
        assert_eq!(assign(&mut indexes, "b", None), 3);
        assert_eq!(assign(&mut indexes, "mine", Some(2)), 2);
        assert_eq!(assign(&mut indexes, "mine", Some(2)), 2);
        assert_eq!(assign(&mut indexes, "c", None), 4);
    }

    #[test]
    fn a_decision_that_comes_later_moves_the_device() {
        let mut indexes = indexes(&[]);
        assert_eq!(assign(&mut indexes, "a", None), 0);
        assert_eq!(assign(&mut indexes, "a", Some(7)), 7);
        assert_eq!(assign(&mut indexes, "b", None), 0);
        assert_eq!(assign(&mut indexes, "a", None), 7);
    }

    #[test]
    fn an_index_is_taken_from_who_is_away_and_not_from_who_is_there() {
        let mut indexes = indexes(&[]);
        let zero = Some(DeviceIndex(0));
        indexes.assign(identity("first"), None, |_| true);
        let second = indexes.assign(identity("second"), zero, |_| true);
        assert_eq!(second, Assigned { index: DeviceIndex(1), returning: false, taken: zero });
        let third = indexes.assign(identity("third"), zero, |_| false);
        assert_eq!(third, Assigned { index: DeviceIndex(0), returning: false, taken: None });
        assert_eq!(assign(&mut indexes, "first", None), 2);
        assert_eq!(assign(&mut indexes, "second", None), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_connected_are_never_forgotten() {
        let mut indexes = indexes(&[]);
        let only_0 = |index: DeviceIndex| index.0 == 0;
        for number in 0..MAX_REMEMBERED {
            indexes.give(identity(&number.to_string()), DeviceIndex(u32::try_from(number).unwrap()));
            indexes.clock += 1;
        }
        let new = indexes.assign(identity("new"), None, only_0).index;
        assert_eq!(new, DeviceIndex(1), "the longest away, not the connected one, made room");
        assert_eq!((indexes.known.len(), indexes.holders.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert_eq!(assign(&mut indexes, "0", None), 0);
    }
}
