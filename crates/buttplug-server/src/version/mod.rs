//! The edge of the server: what every version of the message set says, turned into the newest set and back. Inside
//! there is only the newest. Knows no connection, no clock and no device beyond its description.
//!
//! Each version is a file with everything that is special about it: its JSON, the way up, the way down, its cases. A
//! message that several versions have stands in the oldest of them. A new version is a new file and a line in [`ALL`].

mod features;
mod numbers;
mod old;
mod v0;
mod v1;
mod v2;
mod v3;
mod v4;

#[cfg(test)]
mod tests;

use buttplug_core::message::json::{BadMessage, Element};
use buttplug_core::message::{
    ClientRequest, DeviceDescription, InputCmd, OutputCmd, ServerMessage, VersionRequest,
};
use buttplug_core::{DeviceError, DeviceIndex, FeatureIndex, HandshakeError, MessageId};
use std::sync::Arc;

/// Every version that is spoken, from the oldest to the newest.
pub(crate) const ALL: &[&dyn Edge] = &[&v0::Edge, &v1::Edge, &v2::Edge, &v3::Edge, &v4::Edge];

/// The version that is spoken inside. Frames are read like this before the handshake.
pub(crate) const NEWEST: &dyn Edge = &v4::Edge;

/// What a connection speaks that carries values instead of JSON.
pub(crate) const TYPED: &[&dyn Edge] = &[NEWEST];

/// The last version that is asked for by `MessageVersion`.
const LAST_MESSAGE_VERSION: u32 = 3;

/// One version of the message set.
pub(crate) trait Edge: Send + Sync {
    /// The number a client asks for.
    fn version(&self) -> u32;

    /// Reads a message.
    ///
    /// # Errors
    /// The version has no such message, it can't be read, or it means nothing that its device can do.
    fn up(&self, element: &Element<'_>, devices: &dyn Devices) -> Result<Request, BadMessage>;

    /// Appends the frame of a message. Appends nothing if the version has no word for it, which is true of events
    /// only: a reply has the form that its request asked for.
    fn down(&self, message: &ServerMessage, out: &mut Vec<u8>);

    /// How a client hears that devices have come or gone.
    fn list_changed(&self, change: &ListChange) -> Vec<Outgoing>;
}

/// The devices, as far as an old command needs to know them.
pub(crate) trait Devices {
    /// What the device has.
    fn describe(&self, device: DeviceIndex) -> Option<Arc<DeviceDescription>>;

    /// How many steps a feature that moves to positions may be away from one, at most; `None` if nobody knows where it
    /// is.
    fn way(&self, device: DeviceIndex, feature: FeatureIndex, target: i32) -> Option<u32>;
}

impl dyn Devices + '_ {
    fn get(&self, device: DeviceIndex) -> Result<Arc<DeviceDescription>, DeviceError> {
        self.describe(device).ok_or(DeviceError::NoSuchDevice { device })
    }
}

/// What a message asks for, whatever its version.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// What one message of the newest version says.
    Current(ClientRequest),
    /// Several outputs of one device, all or none, with one reply.
    Outputs(DeviceIndex, Vec<OutputCmd>),
    /// A reading that is answered in an old form.
    Read(InputCmd, ReadingForm),
    /// `Ok`, and nothing else.
    Nothing,
    /// This frame as the reply.
    Answer(String),
}

/// What goes to a client.
#[derive(Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// A message, still to be put into the words of the client's version.
    Message(ServerMessage),
    /// A frame that is ready.
    Frame(String),
}

impl From<ServerMessage> for Outgoing {
    fn from(message: ServerMessage) -> Self {
        Self::Message(message)
    }
}

/// The form of the reply to a read that came in an old version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadingForm {
    /// `SensorReading` of version 3, with the index that the client used.
    Sensor { index: u32 },
    /// `BatteryLevelReading` of version 2.
    BatteryLevel,
    /// `RSSILevelReading` of version 2.
    RssiLevel,
}

impl ReadingForm {
    /// The reply with this value.
    pub(crate) fn reply(self, id: MessageId, device: DeviceIndex, value: i32) -> Outgoing {
        Outgoing::Frame(match self {
            Self::Sensor { index } => v3::sensor_reading(id, device, index, value),
            Self::BatteryLevel => v2::battery_level_reading(id, device, value),
            Self::RssiLevel => v2::rssi_level_reading(id, device, value),
        })
    }
}

/// A change of the list of devices.
#[derive(Debug, Default)]
pub(crate) struct ListChange {
    /// Devices that are gone.
    pub(crate) gone: Vec<DeviceIndex>,
    /// Devices that were there before and still are.
    pub(crate) kept: Vec<Arc<DeviceDescription>>,
    /// Devices that are new.
    pub(crate) come: Vec<Arc<DeviceDescription>>,
    /// All devices that are there now, in the order of their indexes.
    pub(crate) now: Vec<Arc<DeviceDescription>>,
}

impl ListChange {
    /// From one list to the next. The same description means the same connection of a device.
    pub(crate) fn between(before: &[Arc<DeviceDescription>], now: Vec<Arc<DeviceDescription>>) -> Self {
        let known = |device: &Arc<DeviceDescription>| {
            let place = before.binary_search_by_key(&device.index, |old| old.index);
            place.is_ok_and(|at| Arc::ptr_eq(&before[at], device))
        };
        let (kept, come): (Vec<_>, Vec<_>) = now.iter().cloned().partition(known);
        let stays =
            |old: &DeviceDescription| kept.binary_search_by_key(&old.index, |device| device.index).is_ok();
        let gone = before.iter().filter(|old| !stays(old)).map(|old| old.index).collect();
        Self { gone, kept, come, now }
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.come.is_empty()
    }

    /// Whether another device came under the index of one that is gone.
    pub(crate) fn has_replacement(&self) -> bool {
        self.come.iter().any(|device| self.gone.contains(&device.index))
    }
}

/// The version that serves a client which asks like this.
///
/// # Errors
/// None of `spoken` does.
pub(crate) fn negotiate(
    request: VersionRequest,
    spoken: &[&'static dyn Edge],
) -> Result<&'static dyn Edge, HandshakeError> {
    let requested = match request {
        VersionRequest::None => 0,
        VersionRequest::Message(version) if version > LAST_MESSAGE_VERSION => {
            return Err(HandshakeError::NoSuchMessageVersion(version));
        }
        VersionRequest::Message(version) | VersionRequest::Protocol { major: version, .. } => version,
    };
    let newest = spoken.last().map_or(0, |edge| edge.version());
    let oldest = spoken.first().map_or(0, |edge| edge.version());
    match spoken.iter().find(|edge| edge.version() == requested) {
        Some(edge) => Ok(*edge),
        None if requested > newest => Err(HandshakeError::TooNew { requested, newest }),
        None => Err(HandshakeError::TooOld { requested, oldest }),
    }
}
