//! Writes what clients say.

use super::id::IdOut;
use crate::message::{
    ClientMessage, ClientRequest, InputCmd, RequestServerInfo, StopCmd, StopScope, VersionRequest,
};
use crate::output::{OutputCommand, OutputKind};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Appends a frame with this one message: compact, nothing optional, the form every server reads.
pub fn write_client_message(message: &ClientMessage, out: &mut Vec<u8>) {
    // Writing to memory fails only for keys that are no strings, and there are none.
    let _ = serde_json::Serializer::new(out).collect_seq([WriteMessage(message)]);
}

struct WriteMessage<'a>(&'a ClientMessage);

impl Serialize for WriteMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ClientMessage { id, request } = self.0;
        let mut message = serializer.serialize_map(Some(1))?;
        let id = id.0;
        let only_id = IdOut { id };
        match request {
            ClientRequest::RequestServerInfo(info) => {
                message.serialize_entry("RequestServerInfo", &HandshakeOut::new(id, info))?;
            }
            ClientRequest::Disconnect => message.serialize_entry("Disconnect", &only_id)?,
            ClientRequest::Ping => message.serialize_entry("Ping", &only_id)?,
            ClientRequest::StartScanning => message.serialize_entry("StartScanning", &only_id)?,
            ClientRequest::StopScanning => message.serialize_entry("StopScanning", &only_id)?,
            ClientRequest::RequestDeviceList => message.serialize_entry("RequestDeviceList", &only_id)?,
            ClientRequest::Output(cmd) => message.serialize_entry(
                "OutputCmd",
                &OutputOut {
                    id,
                    device_index: cmd.device.0,
                    feature_index: cmd.feature.0,
                    command: CommandOut::known(cmd.command),
                },
            )?,
            ClientRequest::NamedOutput(cmd) => message.serialize_entry(
                "OutputCmd",
                &OutputOut {
                    id,
                    device_index: cmd.device.0,
                    feature_index: cmd.feature.0,
                    command: CommandOut { name: &cmd.name, value: cmd.value, duration: cmd.duration_ms },
                },
            )?,
            ClientRequest::Input(cmd) => message.serialize_entry("InputCmd", &InputOut::new(id, cmd))?,
            ClientRequest::Stop(cmd) => message.serialize_entry("StopCmd", &StopOut::new(id, cmd))?,
        }
        message.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HandshakeOut<'a> {
    id: u32,
    client_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_version_major: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_version_minor: Option<u32>,
}

impl<'a> HandshakeOut<'a> {
    fn new(id: u32, info: &'a RequestServerInfo) -> Self {
        let (message_version, protocol_version_major, protocol_version_minor) = match info.version {
            VersionRequest::None => (None, None, None),
            VersionRequest::Message(version) => (Some(version), None, None),
            VersionRequest::Protocol { major, minor } => (None, Some(major), Some(minor)),
        };
        Self {
            id,
            client_name: &info.client_name,
            message_version,
            protocol_version_major,
            protocol_version_minor,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OutputOut<'a> {
    id: u32,
    device_index: u32,
    feature_index: u32,
    command: CommandOut<'a>,
}

struct CommandOut<'a> {
    name: &'a str,
    value: i32,
    duration: Option<u32>,
}

impl CommandOut<'_> {
    fn known(command: OutputCommand) -> Self {
        let timed = command.kind() == OutputKind::HwPositionWithDuration;
        let duration = timed.then(|| command.duration_ms());
        Self { name: command.kind().name(), value: command.value(), duration }
    }
}

impl Serialize for CommandOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Payload {
            value: i32,
            #[serde(skip_serializing_if = "Option::is_none")]
            duration: Option<u32>,
        }
        let payload = Payload { value: self.value, duration: self.duration };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &payload)?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InputOut {
    id: u32,
    device_index: u32,
    feature_index: u32,
    r#type: &'static str,
    command: &'static str,
}

impl InputOut {
    fn new(id: u32, cmd: &InputCmd) -> Self {
        Self {
            id,
            device_index: cmd.device.0,
            feature_index: cmd.feature.0,
            r#type: cmd.spelling.name(cmd.kind),
            command: cmd.action.name(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StopOut {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_index: Option<u32>,
    inputs: bool,
    outputs: bool,
}

impl StopOut {
    fn new(id: u32, cmd: &StopCmd) -> Self {
        let (device_index, feature_index) = match cmd.scope {
            StopScope::All => (None, None),
            StopScope::Device(device) => (Some(device.0), None),
            StopScope::Feature(device, feature) => (Some(device.0), Some(feature.0)),
        };
        Self { id, device_index, feature_index, inputs: cmd.inputs, outputs: cmd.outputs }
    }
}
