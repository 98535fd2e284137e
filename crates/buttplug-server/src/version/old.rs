//! What versions 0 to 3 have in common: the messages that never changed, lists as arrays, and devices that are announced
//! one by one.

use super::{Devices, Edge, ListChange, Outgoing, Request};
use buttplug_core::message::json::{self, BadMessage, Element};
use buttplug_core::message::{DeviceDescription, ServerContent, ServerInfo, ServerMessage};
use buttplug_core::{ButtplugError, DeviceIndex, MessageError, MessageId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// One of the versions 0 to 3: what it has of its own.
pub(super) trait OldVersion: Send + Sync {
    /// The number a client asks for.
    const VERSION: u32;

    /// Whether devices are shown with message gap and display name. Where they are not, clients refuse them.
    const SHOWS_SETTINGS: bool = false;

    /// Reads a message that this version has and not every version; `None` if it has no such message.
    fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>>;

    /// What a client may say to the device, as it stands in a list.
    fn device_messages(device: &DeviceDescription) -> impl Serialize;

    /// The reply to the handshake.
    fn server_info(id: MessageId, info: &ServerInfo) -> String;
}

impl<V: OldVersion> Edge for V {
    fn version(&self) -> u32 {
        V::VERSION
    }

    fn up(&self, element: &Element<'_>, devices: &dyn Devices) -> Result<Request, BadMessage> {
        match &*element.name {
            "Ping" | "StartScanning" | "StopScanning" | "RequestDeviceList" | "RequestServerInfo"
            | "StopDeviceCmd" | "StopAllDevices" => {
                json::parse_client_message(element).map(|message| Request::Current(message.request))
            }
            _ => V::command(element, devices).unwrap_or_else(|| Err(element.unknown_name(V::VERSION))),
        }
    }

    fn down(&self, message: &ServerMessage, out: &mut Vec<u8>) {
        let ServerMessage { id, content } = message;
        match content {
            ServerContent::Ok | ServerContent::Error(_) | ServerContent::ScanningFinished => {
                json::write_server_message(message, out);
            }
            ServerContent::ServerInfo(info) => out.extend_from_slice(V::server_info(*id, info).as_bytes()),
            ServerContent::DeviceList(devices) => {
                let devices = devices.iter().map(|device| DeviceOut::new::<V>(device, None)).collect();
                out.extend_from_slice(frame("DeviceList", &DeviceListOut { id: id.0, devices }).as_bytes());
            }
            // Readings that nobody asked for are not in these versions; the others have a form of their own.
            ServerContent::InputReading(_) => {}
        }
    }

    fn list_changed(&self, change: &ListChange) -> Vec<Outgoing> {
        let gone = change.gone.iter().map(|device| device_removed(*device));
        let come = change.come.iter().map(|device| device_added::<V>(device));
        gone.chain(come).map(Outgoing::Frame).collect()
    }
}

/// A frame with one message.
pub(super) fn frame(name: &str, fields: &impl Serialize) -> String {
    struct Message<'a, F>(&'a str, &'a F);

    impl<F: Serialize> Serialize for Message<'_, F> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut message = serializer.serialize_map(Some(1))?;
            message.serialize_entry(self.0, self.1)?;
            message.end()
        }
    }

    // Writing to memory fails only for keys that are no strings, and there are none.
    serde_json::to_string(&[Message(name, fields)]).unwrap_or_default()
}

/// The outcome of reading a message, with its id in the error.
pub(super) fn answer(
    element: &Element<'_>,
    outcome: Result<Request, ButtplugError>,
) -> Result<Request, BadMessage> {
    outcome.map_err(|error| BadMessage { id: element.id, error })
}

/// A message of this version that is known and refused.
pub(super) fn refused(element: &Element<'_>) -> Result<Request, BadMessage> {
    answer(element, Err(MessageError::NotServed { name: element.name.clone().into_owned() }.into()))
}

/// An array that must not be empty is.
pub(super) fn empty(command: &str, field: &str) -> ButtplugError {
    MessageError::BadField { name: command.to_owned(), reason: format!("{field} is empty") }.into()
}

fn device_added<V: OldVersion>(device: &Arc<DeviceDescription>) -> String {
    frame("DeviceAdded", &DeviceOut::new::<V>(device, Some(MessageId::EVENT.0)))
}

fn device_removed(device: DeviceIndex) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct DeviceRemovedOut {
        id: u32,
        device_index: u32,
    }
    frame("DeviceRemoved", &DeviceRemovedOut { id: MessageId::EVENT.0, device_index: device.0 })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceListOut<D> {
    id: u32,
    devices: Vec<D>,
}

/// A device in a list, or with an id as an announcement of its own.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceOut<'a, M> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    device_name: &'a str,
    device_index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_message_timing_gap: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_display_name: Option<&'a str>,
    device_messages: M,
}

impl<'a> DeviceOut<'a, ()> {
    fn new<V: OldVersion>(device: &'a DeviceDescription, id: Option<u32>) -> DeviceOut<'a, impl Serialize> {
        DeviceOut {
            id,
            device_name: &device.name,
            device_index: device.index.0,
            device_message_timing_gap: V::SHOWS_SETTINGS.then_some(device.message_gap_ms),
            device_display_name: device.display_name.as_deref().filter(|_| V::SHOWS_SETTINGS),
            device_messages: V::device_messages(device),
        }
    }
}

/// `{}`, which stands behind a message that needs no more words.
#[derive(Serialize)]
pub(super) struct Plain {}

/// The plain message if the device can follow it.
pub(super) fn plain_if(possible: bool) -> Option<Plain> {
    possible.then_some(Plain {})
}
