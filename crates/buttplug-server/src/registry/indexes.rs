//! Which index belongs to which hardware. A device keeps its index for as long as the server runs.

use buttplug_core::DeviceIndex;
use buttplug_protocols::sighting::BusKind;
use std::collections::{BTreeSet, HashMap};

/// Pieces of hardware whose index is remembered while they are not connected. Beyond it the one that has been away
/// longest is forgotten.
pub(crate) const MAX_REMEMBERED: usize = 10_000;

/// What makes hardware the same again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) bus: BusKind,
    pub(crate) protocol: String,
    pub(crate) identifier: Option<String>,
    pub(crate) address: String,
}

#[derive(Debug)]
struct Known {
    index: DeviceIndex,
    /// Counts up with every connection: the smallest was away longest.
    last_seen: u64,
}

/// The indexes given out so far. Pure.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    known: HashMap<Identity, Known>,
    /// Indexes below `next` that have been given back.
    free: BTreeSet<DeviceIndex>,
    next: u32,
    clock: u64,
}

impl Indexes {
    /// The index of this hardware, and whether it had it before: then it is the same again, otherwise the smallest free
    /// one. `is_connected` protects the indexes of devices that are there.
    pub(crate) fn assign(
        &mut self,
        identity: Identity,
        is_connected: impl Fn(DeviceIndex) -> bool,
    ) -> (DeviceIndex, bool) {
        self.clock += 1;
        if let Some(known) = self.known.get_mut(&identity) {
            known.last_seen = self.clock;
            return (known.index, true);
        }
        if self.known.len() >= MAX_REMEMBERED {
            self.forget_one(is_connected);
        }
        let index = self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            DeviceIndex(self.next - 1)
        });
        self.known.insert(identity, Known { index, last_seen: self.clock });
        (index, false)
    }

    fn forget_one(&mut self, is_connected: impl Fn(DeviceIndex) -> bool) {
        let away = self.known.iter().filter(|(_, known)| !is_connected(known.index));
        let Some(identity) =
            away.min_by_key(|(_, known)| known.last_seen).map(|(identity, _)| identity.clone())
        else {
            return;
        };
        if let Some(known) = self.known.remove(&identity) {
            self.free.insert(known.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(address: &str) -> Identity {
        Identity {
            bus: BusKind::WebSocket,
            protocol: String::from("lovense"),
            identifier: None,
            address: address.into(),
        }
    }

    #[test]
    fn a_device_gets_the_smallest_free_index_and_keeps_it() {
        let mut indexes = Indexes::default();
        let mut assign = |address: &str| indexes.assign(identity(address), |_| true).0.0;
        assert_eq!([assign("a"), assign("b"), assign("a"), assign("c")], [0, 1, 0, 2]);
    }

    #[test]
    fn protocol_and_identifier_belong_to_the_identity() {
        let mut indexes = Indexes::default();
        indexes.assign(identity("a"), |_| true);
        let other = Identity { identifier: Some(String::from("P")), ..identity("a") };
        assert_eq!(indexes.assign(other, |_| true), (DeviceIndex(1), false));
        let elsewhere = Identity { bus: BusKind::Bluetooth, ..identity("a") };
        assert_eq!(indexes.assign(elsewhere, |_| true), (DeviceIndex(2), false));
        assert_eq!(indexes.assign(identity("a"), |_| true), (DeviceIndex(0), true));
    }

    #[test]
    fn memory_is_bounded_and_the_connected_are_never_forgotten() {
        let mut indexes = Indexes::default();
        for number in 0..MAX_REMEMBERED {
            indexes.assign(identity(&number.to_string()), |index| index.0 == 0);
        }
        let (new, _) = indexes.assign(identity("new"), |index| index.0 == 0);
        assert_eq!(new, DeviceIndex(1), "the longest away, not the connected one, made room");
        assert_eq!(indexes.known.len(), MAX_REMEMBERED);
        assert_eq!(indexes.assign(identity("0"), |_| true), (DeviceIndex(0), true));
    }
}
