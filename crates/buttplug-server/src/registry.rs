//! The devices of a server. The manager, one task, owns who is connecting and which index belongs to whom; sessions
//! see handles by index and a list that says when it has changed.

mod attempt;
mod bus_task;
mod indexes;
mod lost;
mod manager;
mod running;
mod scanning;

pub use lost::RUNNING_BEFORE_SEARCH;
pub(crate) use manager::{Manager, ManagerParts};
pub(crate) use running::{Motion, Running};
pub(crate) use scanning::ScanRequests;

use crate::device::DeviceHandle;
use crate::device::tally::Tally;
use crate::present::{PresentDevice, Roll};
use crate::statistics::Statistics;
use crate::version::Devices;
use buttplug_core::message::DeviceDescription;
use buttplug_core::{DeviceIndex, FeatureIndex};
use buttplug_protocols::sighting::BusKind;
use dashmap::DashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// Devices that may be connected at a time.
pub const MAX_DEVICES: usize = 2000;

/// Where hardware is, on this machine.
type Place = (BusKind, String);

/// All connected devices at one moment, in the order of their indexes.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceList {
    devices: Arc<Vec<DeviceHandle>>,
}

impl DeviceList {
    /// As clients see them.
    pub(crate) fn descriptions(&self) -> Vec<Arc<DeviceDescription>> {
        self.devices.iter().map(|device| Arc::clone(device.description())).collect()
    }
}

/// The connected devices, for everyone to look at. Only the manager changes them.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    by_index: DashMap<DeviceIndex, DeviceHandle>,
    list: watch::Sender<DeviceList>,
    tally: Arc<Tally>,
    reconnects: AtomicU64,
    roll: Arc<Roll>,
}

impl Registry {
    /// The device with this index.
    pub(crate) fn get(&self, index: DeviceIndex) -> Option<DeviceHandle> {
        self.by_index.get(&index).map(|device| device.clone())
    }

    /// All devices, in the order of their indexes.
    pub(crate) fn list(&self) -> DeviceList {
        self.list.borrow().clone()
    }

    /// The list, and word of its changes.
    pub(crate) fn watch(&self) -> watch::Receiver<DeviceList> {
        self.list.subscribe()
    }

    /// Every connected device, in no order.
    pub(crate) fn all(&self) -> Vec<DeviceHandle> {
        self.by_index.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Puts the numbers about devices where they belong.
    pub(crate) fn report(&self, statistics: &mut Statistics) {
        statistics.devices = self.by_index.len();
        statistics.reconnects = self.reconnects.load(Ordering::Relaxed);
        self.tally.report(statistics);
    }

    /// Who is there, devices and clients.
    pub(crate) fn roll(&self) -> &Arc<Roll> {
        &self.roll
    }

    fn insert(&self, device: DeviceHandle, present: PresentDevice) {
        let index = device.description().index;
        self.by_index.insert(index, device);
        self.publish();
        self.roll.device_came(index, present);
    }

    /// Takes a device out, unless it never was here, or another connection has its index by now.
    fn remove(&self, device: &DeviceHandle) {
        let index = device.description().index;
        let removed = self.by_index.remove_if(&index, |_, current| current.is(device));
        if removed.is_some() {
            self.publish();
            self.roll.device_went(index);
        }
    }

    fn publish(&self) {
        let mut devices = self.all();
        devices.sort_by_key(|device| device.description().index);
        self.list.send_replace(DeviceList { devices: Arc::new(devices) });
    }
}

/// What old commands need to know of the devices, as it is now.
pub(crate) struct DevicesNow<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) now: Instant,
}

impl Devices for DevicesNow<'_> {
    fn describe(&self, device: DeviceIndex) -> Option<Arc<DeviceDescription>> {
        self.registry.get(device).map(|device| Arc::clone(device.description()))
    }

    fn way(&self, device: DeviceIndex, feature: FeatureIndex, target: i32) -> Option<u32> {
        self.registry.get(device)?.way(feature, target, self.now)
    }
}
