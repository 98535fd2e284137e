//! Who is there at the moment, for programs that show it to a person. Nothing is decided here.

use crate::configuration::DeviceIdentity;
use crate::session::SessionId;
use buttplug_core::DeviceIndex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The devices and clients of a server at one moment. A server has few of both, see [`MAX_DEVICES`](crate::MAX_DEVICES)
/// and [`ServerBuilder::max_clients`](crate::ServerBuilder::max_clients).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// The connected devices.
    pub devices: BTreeMap<DeviceIndex, Arc<PresentDevice>>,
    /// The clients that have introduced themselves, each under a number that no other one of this server ever has, and
    /// what each calls itself, cut to [`MAX_QUOTED_CHARS`](buttplug_core::limits::MAX_QUOTED_CHARS).
    pub clients: BTreeMap<u64, Arc<str>>,
}

/// A connected device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentDevice {
    /// Its model's name.
    pub name: String,
    /// What its owner calls it.
    pub display_name: Option<String>,
    /// What makes it the same again.
    pub identity: DeviceIdentity,
    /// It wants to hear something even if nothing changes.
    pub needs_keepalive: bool,
}

/// Keeps the picture that the outside sees.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    present: watch::Sender<Arc<Present>>,
}

impl Roll {
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Present>> {
        self.present.subscribe()
    }

    pub(crate) fn device_came(&self, index: DeviceIndex, device: PresentDevice) {
        self.change(|present| drop(present.devices.insert(index, Arc::new(device))));
    }

    pub(crate) fn device_went(&self, index: DeviceIndex) {
        self.change(|present| drop(present.devices.remove(&index)));
    }

    /// A client has introduced itself. It is there until what this returns is dropped.
    pub(crate) fn client_came(self: &Arc<Self>, id: SessionId, name: &str) -> PresentClient {
        self.change(|present| drop(present.clients.insert(id.0, name.into())));
        PresentClient { id, roll: Arc::clone(self) }
    }

    fn change(&self, change: impl FnOnce(&mut Present)) {
        self.present.send_modify(|present| change(Arc::make_mut(present)));
    }
}

/// A client that has introduced itself.
#[derive(Debug)]
pub(crate) struct PresentClient {
    id: SessionId,
    roll: Arc<Roll>,
}

impl Drop for PresentClient {
    fn drop(&mut self) {
        self.roll.change(|present| drop(present.clients.remove(&self.id.0)));
    }
}
