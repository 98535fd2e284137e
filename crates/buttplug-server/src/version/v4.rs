//! Version 4, the newest: what is spoken inside is what stands on the wire.

use super::{Devices, ListChange, Outgoing, Request};
use buttplug_core::PROTOCOL_VERSION_MAJOR;
use buttplug_core::message::json::{self, BadMessage, Element};
use buttplug_core::message::{DeviceDescription, ServerContent, ServerMessage};
use std::sync::Arc;

pub(super) struct Edge;

impl super::Edge for Edge {
    fn version(&self) -> u32 {
        PROTOCOL_VERSION_MAJOR
    }

    fn up(&self, element: &Element<'_>, _: &dyn Devices) -> Result<Request, BadMessage> {
        json::parse_client_message(element).map(|message| Request::Current(message.request))
    }

    fn down(&self, message: &ServerMessage, out: &mut Vec<u8>) {
        json::write_server_message(message, out);
    }

    /// The whole list. A device that was replaced under its index is shown missing first.
    fn list_changed(&self, change: &ListChange) -> Vec<Outgoing> {
        let without = change.has_replacement().then(|| list(&change.kept));
        without.into_iter().chain([list(&change.now)]).collect()
    }
}

fn list(devices: &[Arc<DeviceDescription>]) -> Outgoing {
    ServerMessage::event(ServerContent::DeviceList(devices.to_vec())).into()
}
