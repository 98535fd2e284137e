//! Reads what clients say.

use super::command::CommandWire;
use super::elements::{BadMessage, Element, Name, check_frame_within, split_frame_within};
use super::id::IdWire;
use super::numbers::Whole;
use super::object::ObjectOnly;
use crate::PROTOCOL_VERSION_MAJOR;
use crate::error::{ButtplugError, DeviceError, MessageError};
use crate::input::{InputAction, InputKind};
use crate::limits::{FrameLimits, quoted};
use crate::message::{
    ClientMessage, ClientRequest, DeviceIndex, FeatureIndex, InputCmd, MessageId, OutputCmd,
    RequestServerInfo, StopCmd, StopScope, VersionRequest,
};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a frame of a client yields: messages, and errors to answer.
type Parsed = Vec<Result<ClientMessage, BadMessage>>;

/// Parses a frame of the current version and appends its messages in order. A message that can't be executed is
/// appended as the error to answer; so is a frame of which nothing can be used. An empty frame yields nothing.
pub fn parse_client_frame(frame: &[u8], out: &mut Parsed) {
    parse_client_frame_within(frame, &FrameLimits::default(), out);
}

/// [`parse_client_frame`] with other limits.
pub fn parse_client_frame_within(frame: &[u8], limits: &FrameLimits, out: &mut Parsed) {
    if let Err(error) = check_frame_within(frame, limits) {
        out.push(Err(BadMessage::frame(error)));
        return;
    }
    let start = out.len();
    let mut text = serde_json::Deserializer::from_slice(frame);
    let read = (FrameSeed { out, max_messages: limits.messages }).deserialize(&mut text).is_ok()
        && text.end().is_ok();
    if read && out.len() > start {
        return;
    }
    // Something is wrong in it, or it holds several arrays: look at each element by itself.
    out.truncate(start);
    match split_frame_within(frame, limits) {
        Ok(elements) => {
            out.extend(elements.into_iter().map(|element| element.and_then(|e| parse_client_message(&e))));
        }
        Err(error) => out.push(Err(BadMessage::frame(error))),
    }
}

/// Reads one element as a message of the current version.
///
/// # Errors
/// No message of a client has this name, or its fields can't be read or can't be meant.
pub fn parse_client_message(element: &Element<'_>) -> Result<ClientMessage, BadMessage> {
    let Some(kind) = Kind::from_name(&element.name) else {
        return Err(element.unknown_name(PROTOCOL_VERSION_MAJOR));
    };
    element.fields_seed(kind)?
}

/// The messages a client may send. The last two are of version 3; one published client of version 4 sends them.
#[derive(Clone, Copy)]
enum Kind {
    RequestServerInfo,
    Disconnect,
    Ping,
    StartScanning,
    StopScanning,
    RequestDeviceList,
    OutputCmd,
    InputCmd,
    StopCmd,
    StopAllDevices,
    StopDeviceCmd,
}

impl Kind {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "OutputCmd" => Self::OutputCmd,
            "Ping" => Self::Ping,
            "StopCmd" => Self::StopCmd,
            "InputCmd" => Self::InputCmd,
            "RequestDeviceList" => Self::RequestDeviceList,
            "StartScanning" => Self::StartScanning,
            "StopScanning" => Self::StopScanning,
            "RequestServerInfo" => Self::RequestServerInfo,
            "Disconnect" => Self::Disconnect,
            "StopAllDevices" => Self::StopAllDevices,
            "StopDeviceCmd" => Self::StopDeviceCmd,
            _ => return None,
        })
    }

    /// Reads the fields. The outer error is of the JSON, the inner one of the meaning.
    fn read<'de, D: Deserializer<'de>>(
        self,
        fields: D,
    ) -> Result<Result<ClientMessage, BadMessage>, D::Error> {
        let (id, request) = match self {
            Self::OutputCmd => {
                let wire = OutputCmdWire::deserialize(fields)?;
                (wire.id, wire.meaning())
            }
            Self::InputCmd => {
                let wire = InputCmdWire::deserialize(fields)?;
                (wire.id, wire.meaning())
            }
            Self::StopCmd => {
                let wire = StopCmdWire::deserialize(fields)?;
                (wire.id, wire.meaning())
            }
            Self::StopDeviceCmd => {
                let wire = StopDeviceCmdWire::deserialize(fields)?;
                let scope = StopScope::Device(DeviceIndex(wire.device_index.0));
                (wire.id, Ok(ClientRequest::Stop(StopCmd { scope, inputs: true, outputs: true })))
            }
            Self::RequestServerInfo => {
                let wire = RequestServerInfoWire::deserialize(fields)?;
                (wire.id, Ok(ClientRequest::RequestServerInfo(wire.meaning())))
            }
            Self::Disconnect => (IdWire::deserialize(fields)?.id, Ok(ClientRequest::Disconnect)),
            Self::Ping => (IdWire::deserialize(fields)?.id, Ok(ClientRequest::Ping)),
            Self::StartScanning => (IdWire::deserialize(fields)?.id, Ok(ClientRequest::StartScanning)),
            Self::StopScanning => (IdWire::deserialize(fields)?.id, Ok(ClientRequest::StopScanning)),
            Self::RequestDeviceList => {
                (IdWire::deserialize(fields)?.id, Ok(ClientRequest::RequestDeviceList))
            }
            Self::StopAllDevices => (IdWire::deserialize(fields)?.id, Ok(ClientRequest::Stop(StopCmd::ALL))),
        };
        if id.0 == 0 {
            return Err(D::Error::custom("Id is 0"));
        }
        let id = MessageId(id.0);
        Ok(request.map(|request| ClientMessage { id, request }).map_err(|error| BadMessage { id, error }))
    }
}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = Result<ClientMessage, BadMessage>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.read(ObjectOnly(deserializer))
    }
}

struct FrameSeed<'a> {
    out: &'a mut Parsed,
    max_messages: usize,
}

impl<'de> DeserializeSeed<'de> for FrameSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FrameSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(parsed) = array.next_element_seed(MessageSeed)? {
            count += 1;
            if count > self.max_messages {
                return Err(A::Error::custom("too many messages"));
            }
            self.out.push(parsed);
        }
        Ok(())
    }
}

struct MessageSeed;

impl<'de> DeserializeSeed<'de> for MessageSeed {
    type Value = Result<ClientMessage, BadMessage>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed {
    type Value = Result<ClientMessage, BadMessage>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with exactly one key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let name: Option<Name<'_>> = map.next_key()?;
        let kind =
            name.and_then(|name| Kind::from_name(&name.0)).ok_or_else(|| A::Error::custom("unknown name"))?;
        let message = map.next_value_seed(kind)?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("more than one key"));
        }
        Ok(message)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestServerInfoWire {
    id: Whole<u32>,
    client_name: String,
    message_version: Option<Whole<u32>>,
    protocol_version_major: Option<Whole<u32>>,
    protocol_version_minor: Option<Whole<u32>>,
}

impl RequestServerInfoWire {
    fn meaning(self) -> RequestServerInfo {
        let version = match (self.protocol_version_major, self.message_version) {
            (Some(Whole(major)), _) => VersionRequest::Protocol {
                major,
                minor: self.protocol_version_minor.map_or(0, |minor| minor.0),
            },
            (None, Some(Whole(version))) => VersionRequest::Message(version),
            (None, None) => VersionRequest::None,
        };
        RequestServerInfo { client_name: self.client_name, version }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StopDeviceCmdWire {
    id: Whole<u32>,
    device_index: Whole<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StopCmdWire {
    id: Whole<u32>,
    device_index: Option<Whole<u32>>,
    feature_index: Option<Whole<u32>>,
    inputs: Option<bool>,
    outputs: Option<bool>,
}

impl StopCmdWire {
    fn meaning(&self) -> Result<ClientRequest, ButtplugError> {
        let feature = self.feature_index.map(|index| FeatureIndex(index.0));
        let scope = match (self.device_index.map(|index| DeviceIndex(index.0)), feature) {
            (None, None) => StopScope::All,
            (Some(device), None) => StopScope::Device(device),
            (Some(device), Some(feature)) => StopScope::Feature(device, feature),
            (None, Some(feature)) => return Err(MessageError::FeatureWithoutDevice { feature }.into()),
        };
        let (inputs, outputs) = (self.inputs.unwrap_or(true), self.outputs.unwrap_or(true));
        Ok(ClientRequest::Stop(StopCmd { scope, inputs, outputs }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InputCmdWire<'a> {
    id: Whole<u32>,
    device_index: Whole<u32>,
    feature_index: Whole<u32>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    command: Cow<'a, str>,
}

impl InputCmdWire<'_> {
    fn meaning(&self) -> Result<ClientRequest, ButtplugError> {
        let action = InputAction::from_name(&self.command).ok_or_else(|| MessageError::BadField {
            name: String::from("InputCmd"),
            reason: format!("Command is Read, Subscribe or Unsubscribe, not {:?}", quoted(&self.command)),
        })?;
        let (kind, spelling) = InputKind::from_name(&self.r#type)
            .ok_or_else(|| DeviceError::UnknownInput(quoted(&self.r#type)))?;
        let (device, feature) = (DeviceIndex(self.device_index.0), FeatureIndex(self.feature_index.0));
        Ok(ClientRequest::Input(InputCmd { device, feature, kind, spelling, action }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OutputCmdWire<'a> {
    id: Whole<u32>,
    device_index: Whole<u32>,
    feature_index: Whole<u32>,
    #[serde(borrow)]
    command: CommandWire<'a>,
}

impl OutputCmdWire<'_> {
    fn meaning(&self) -> Result<ClientRequest, ButtplugError> {
        let command = self.command.meaning()?;
        let (device, feature) = (DeviceIndex(self.device_index.0), FeatureIndex(self.feature_index.0));
        Ok(ClientRequest::Output(OutputCmd { device, feature, command }))
    }
}
