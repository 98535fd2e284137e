//! What servers say.

use super::{DeviceIndex, FeatureIndex, MessageId};
use crate::error::{ButtplugError, ErrorClass};
use crate::input::{InputCommands, InputKind, RssiSpelling};
use crate::output::{OutputKind, StepRange};
use std::sync::Arc;

/// One message of a server: a reply with the id of its request, or an event with id 0.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerMessage {
    /// The request's id, or [`MessageId::EVENT`].
    pub id: MessageId,
    /// What the server says.
    pub content: ServerContent,
}

impl ServerMessage {
    /// An event.
    pub fn event(content: ServerContent) -> Self {
        Self { id: MessageId::EVENT, content }
    }

    /// `Ok` for the request with this id.
    pub fn ok(id: MessageId) -> Self {
        Self { id, content: ServerContent::Ok }
    }

    /// `Error` for the request with this id, or as an event.
    pub fn error(id: MessageId, error: &ButtplugError) -> Self {
        Self { id, content: ServerContent::Error(error.into()) }
    }
}

/// What a server can say.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerContent {
    /// Accepted. An output is then the device's wanted state, not yet its movement.
    Ok,
    /// Refused or failed.
    Error(ServerError),
    /// The reply to the handshake.
    ServerInfo(ServerInfo),
    /// All devices, in the order of their indexes: as a reply, and as an event whenever they change.
    DeviceList(Vec<Arc<DeviceDescription>>),
    /// The value of an input: the reply to a read, or an event of a subscription.
    InputReading(InputReading),
    /// An event: the search for devices has ended.
    ScanningFinished,
}

/// An error as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The class.
    pub class: ErrorClass,
    /// What happened, for people. Its wording is not stable.
    pub message: String,
}

impl From<&ButtplugError> for ServerError {
    fn from(error: &ButtplugError) -> Self {
        Self { class: error.class(), message: error.to_string() }
    }
}

/// What a server tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its name, for displays; may be empty.
    pub name: String,
    /// The longest time between pings in milliseconds; 0 means that none are needed.
    pub max_ping_ms: u32,
    /// The major version of this session.
    pub major: u32,
    /// The server's own minor version.
    pub minor: u32,
}

/// A device as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceDescription {
    /// Its number.
    pub index: DeviceIndex,
    /// The model's name.
    pub name: String,
    /// The name its owner gave it.
    pub display_name: Option<String>,
    /// The least time between two writes in milliseconds. Faster commands replace one another.
    pub message_gap_ms: u32,
    /// What it has, in the order of the indexes.
    pub features: Vec<Feature>,
}

impl DeviceDescription {
    /// The feature with this index.
    pub fn feature(&self, index: FeatureIndex) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.index == index)
    }
}

/// One thing a device has. Several outputs of one feature are different ways to drive the same thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// Its number on the device.
    pub index: FeatureIndex,
    /// What it is, for displays; may be empty.
    pub description: String,
    /// What it can do.
    pub outputs: Vec<OutputDescription>,
    /// What it can tell.
    pub inputs: Vec<InputDescription>,
    /// Names of outputs that a newer server lists and that are not known here.
    pub unknown_outputs: Vec<String>,
    /// The same for inputs.
    pub unknown_inputs: Vec<String>,
}

impl Feature {
    /// The output of this kind.
    pub fn output(&self, kind: OutputKind) -> Option<&OutputDescription> {
        self.outputs.iter().find(|output| output.kind == kind)
    }

    /// The input of this kind.
    pub fn input(&self, kind: InputKind) -> Option<&InputDescription> {
        self.inputs.iter().find(|input| input.kind == kind)
    }
}

/// One output of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputDescription {
    /// Its kind.
    pub kind: OutputKind,
    /// The values it takes.
    pub range: StepRange,
    /// The durations it takes, in milliseconds; only for [`OutputKind::HwPositionWithDuration`].
    pub duration_ms: Option<StepRange>,
}

/// One input of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDescription {
    /// Its kind.
    pub kind: InputKind,
    /// How the server spells [`InputKind::Rssi`].
    pub spelling: RssiSpelling,
    /// The values it gives, one range per dimension; in practice one. A hint.
    pub ranges: Vec<StepRange>,
    /// What may be asked of it.
    pub commands: InputCommands,
}

/// The value of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputReading {
    /// The device.
    pub device: DeviceIndex,
    /// Its feature.
    pub feature: FeatureIndex,
    /// The input.
    pub kind: InputKind,
    /// How the request spelled [`InputKind::Rssi`].
    pub spelling: RssiSpelling,
    /// What it is, in the unit of [`InputKind`].
    pub value: i32,
}
