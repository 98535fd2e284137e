//! Which devices run: told to, and not known to be at rest since. One whose link was lost on the way stays among them
//! until it is there again and has taken its zeros.

use super::Place;
use crate::configuration::DeviceIdentity;
use std::sync::Arc;
use tokio::sync::watch;

/// Devices that may be remembered as running. Beyond it the one that set out first is forgotten.
pub(crate) const MAX_RUNNING: usize = 2000;

/// The devices that run, in the order in which they set out, and word of every change.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    devices: watch::Sender<Arc<Vec<Arc<DeviceIdentity>>>>,
}

impl Running {
    /// These have run before, and nobody has stopped them since.
    pub(crate) fn new(before: Vec<DeviceIdentity>) -> Self {
        let before = before.into_iter().take(MAX_RUNNING).map(Arc::new).collect();
        Self { devices: watch::channel(Arc::new(before)).0 }
    }

    /// For whoever keeps them.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>> {
        self.devices.subscribe()
    }

    /// All of them.
    pub(super) fn all(&self) -> Arc<Vec<Arc<DeviceIdentity>>> {
        Arc::clone(&self.devices.borrow())
    }

    /// The device that runs at this place: the same one, by its pointer, until it is known to be at rest. What it speaks
    /// does not count: a definition may have changed meanwhile.
    pub(super) fn at(&self, (bus, address): &Place) -> Option<Arc<DeviceIdentity>> {
        let devices = self.devices.borrow();
        devices.iter().find(|running| (running.bus, &running.address) == (*bus, address)).map(Arc::clone)
    }

    /// Whether a device at this place runs.
    pub(crate) fn is_at(&self, place: &Place) -> bool {
        self.at(place).is_some()
    }

    fn set(&self, device: &Arc<DeviceIdentity>, runs: bool) {
        self.devices.send_if_modified(|devices| {
            let listed = devices.iter().any(|other| same_place(other, device));
            if listed == runs {
                return false;
            }
            let devices = Arc::make_mut(devices);
            if runs {
                if devices.len() >= MAX_RUNNING {
                    devices.remove(0);
                }
                devices.push(Arc::clone(device));
            } else {
                devices.retain(|other| !same_place(other, device));
            }
            true
        });
    }
}

fn same_place(one: &DeviceIdentity, other: &DeviceIdentity) -> bool {
    (one.bus, &one.address) == (other.bus, &other.address)
}

/// Says of one device whether it runs. Free while that stays as it is.
#[derive(Debug)]
pub(crate) struct Motion {
    device: Arc<DeviceIdentity>,
    running: Running,
    /// What was said last.
    runs: Option<bool>,
}

impl Motion {
    pub(crate) fn new(device: DeviceIdentity, running: Running) -> Self {
        Self { device: Arc::new(device), running, runs: None }
    }

    /// It runs from now on, or no longer.
    pub(crate) fn set(&mut self, runs: bool) {
        if self.runs != Some(runs) {
            self.runs = Some(runs);
            self.running.set(&self.device, runs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::sighting::BusKind;

    fn at(address: &str) -> DeviceIdentity {
        DeviceIdentity {
            bus: BusKind::WebSocket,
            protocol: "lovense".into(),
            identifier: None,
            address: address.into(),
        }
    }

    fn addresses(running: &Running) -> Vec<String> {
        running.watch().borrow().iter().map(|device| device.address.clone()).collect()
    }

    #[test]
    fn only_changes_between_rest_and_motion_are_told() {
        let running = Running::new(Vec::new());
        let mut word = running.watch();
        let mut motion = Motion::new(at("a"), running.clone());
        motion.set(false);
        assert!(!word.has_changed().unwrap());
        for (runs, listed) in [(true, 1), (false, 0), (true, 1)] {
            motion.set(runs);
            assert_eq!(word.borrow_and_update().len(), listed);
            motion.set(runs);
            assert!(!word.has_changed().unwrap());
        }
    }

    #[test]
    fn one_that_ran_before_rests_when_the_same_place_does() {
        let running = Running::new(vec![at("a"), at("b")]);
        let other = DeviceIdentity { protocol: "wevibe".into(), ..at("a") };
        assert!(running.is_at(&(other.bus, other.address.clone())));
        Motion::new(other, running.clone()).set(false);
        assert_eq!(addresses(&running), ["b"]);
    }

    #[test]
    fn their_number_is_bounded_and_the_oldest_is_forgotten() {
        let running = Running::new((0..MAX_RUNNING).map(|number| at(&number.to_string())).collect());
        Motion::new(at("new"), running.clone()).set(true);
        let listed = addresses(&running);
        assert_eq!((listed.len(), listed[0].as_str(), listed[MAX_RUNNING - 1].as_str()), (2000, "1", "new"));
    }
}
