//! The devices of one connection. The session writes, handles read.

use crate::device::Device;
use crate::event::Event;
use buttplug_core::message::{DeviceDescription, DeviceIndex};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Table {
    devices: Mutex<BTreeMap<DeviceIndex, Device>>,
}

impl Table {
    /// The devices, in the order of their indexes.
    pub(crate) fn snapshot(&self) -> Vec<Device> {
        crate::lock(&self.devices).values().cloned().collect()
    }

    pub(crate) fn device(&self, index: DeviceIndex) -> Option<Device> {
        crate::lock(&self.devices).get(&index).cloned()
    }

    /// Makes the table agree with a list of the server. Returns what that means: what went, then what came or changed,
    /// each in the order of the indexes.
    pub(crate) fn update(
        &self,
        list: Vec<Arc<DeviceDescription>>,
        announce: impl Fn(Arc<DeviceDescription>) -> Device,
    ) -> Vec<Event> {
        let list: BTreeMap<_, _> =
            list.into_iter().map(|description| (description.index, description)).collect();
        let mut devices = crate::lock(&self.devices);
        let mut events = Vec::new();
        devices.retain(|index, device| {
            let stays = list.contains_key(index);
            if !stays {
                device.leave();
                events.push(Event::DeviceRemoved(device.clone()));
            }
            stays
        });
        for (index, description) in list {
            match devices.get(&index) {
                Some(device) => {
                    if device.describe(description) {
                        events.push(Event::DeviceChanged(device.clone()));
                    }
                }
                None => {
                    let device = announce(description);
                    devices.insert(index, device.clone());
                    events.push(Event::DeviceAdded(device));
                }
            }
        }
        events
    }
}
