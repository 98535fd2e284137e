//! Reads what servers say, also servers of others and of later minor versions: what is not known here is skipped, and
//! the rest of the frame still counts.

use super::elements::{Name, arrays, describe};
use super::id::IdWire;
use super::numbers::Whole;
use crate::error::{ErrorClass, MessageError};
use crate::input::{InputAction, InputCommands, InputKind};
use crate::limits::quoted;
use crate::message::{
    DeviceDescription, DeviceIndex, Feature, FeatureIndex, InputDescription, InputReading, MessageId,
    OutputDescription, ServerContent, ServerError, ServerInfo, ServerMessage,
};
use crate::output::{OutputKind, StepRange};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What of a server's frame could not be used, for the log.
#[derive(Debug, Default)]
pub struct ServerFrameReport {
    /// One sentence for each message that was skipped.
    pub skipped: Vec<String>,
}

/// Parses a frame of a server and appends its messages. Messages that are not known here, or can't be read, are
/// skipped and reported.
///
/// # Errors
/// The frame is no JSON array at all.
pub fn parse_server_frame(
    frame: &[u8],
    out: &mut Vec<ServerMessage>,
) -> Result<ServerFrameReport, MessageError> {
    let mut report = ServerFrameReport::default();
    for array in arrays(frame) {
        for element in array? {
            match serde_json::from_str::<MessageWire>(element.get()) {
                Ok(MessageWire(message)) => out.push(message),
                Err(error) => report.skipped.push(describe(&error)),
            }
        }
    }
    Ok(report)
}

struct MessageWire(ServerMessage);

impl<'de> Deserialize<'de> for MessageWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor;

        impl<'de> Visitor<'de> for MessageVisitor {
            type Value = MessageWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with exactly one key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MessageWire, A::Error> {
                let Some(Name(name)) = map.next_key()? else {
                    return Err(de::Error::custom("a message without a name"));
                };
                let (id, content) = match &*name {
                    "Ok" => (map.next_value::<IdWire>()?.id, ServerContent::Ok),
                    "ScanningFinished" => (map.next_value::<IdWire>()?.id, ServerContent::ScanningFinished),
                    "Error" => map.next_value::<ErrorWire>()?.meaning(),
                    "ServerInfo" => map.next_value::<ServerInfoWire>()?.meaning(),
                    "DeviceList" => map.next_value::<DeviceListWire>()?.meaning(),
                    "InputReading" => {
                        map.next_value::<ReadingWire<'_>>()?.meaning().map_err(de::Error::custom)?
                    }
                    unknown => {
                        let name = quoted(unknown);
                        map.next_value::<IgnoredAny>()?;
                        return Err(de::Error::custom(format_args!("unknown message {name:?}")));
                    }
                };
                Ok(MessageWire(ServerMessage { id: MessageId(id.0), content }))
            }
        }

        deserializer.deserialize_map(MessageVisitor)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorWire {
    id: Whole<u32>,
    #[serde(default)]
    error_message: String,
    error_code: Whole<u32>,
}

impl ErrorWire {
    fn meaning(self) -> (Whole<u32>, ServerContent) {
        let class = ErrorClass::from_code(self.error_code.0);
        (self.id, ServerContent::Error(ServerError { class, message: self.error_message }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServerInfoWire {
    id: Whole<u32>,
    server_name: Option<String>,
    max_ping_time: Option<Whole<u32>>,
    message_version: Option<Whole<u32>>,
    protocol_version_major: Option<Whole<u32>>,
    protocol_version_minor: Option<Whole<u32>>,
}

impl ServerInfoWire {
    fn meaning(self) -> (Whole<u32>, ServerContent) {
        let major = self.protocol_version_major.or(self.message_version);
        let info = ServerInfo {
            name: self.server_name.unwrap_or_default(),
            max_ping_ms: self.max_ping_time.map_or(0, |ms| ms.0),
            major: major.map_or(0, |major| major.0),
            minor: self.protocol_version_minor.map_or(0, |minor| minor.0),
        };
        (self.id, ServerContent::ServerInfo(info))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceListWire {
    id: Whole<u32>,
    devices: BTreeMap<u32, DeviceWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceWire {
    device_name: String,
    device_display_name: Option<String>,
    device_message_timing_gap: Option<Whole<u32>>,
    #[serde(default)]
    device_features: BTreeMap<u32, FeatureWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FeatureWire {
    feature_description: Option<String>,
    output: Option<BTreeMap<String, OutputWire>>,
    input: Option<BTreeMap<String, InputWire>>,
}

/// The ranges of an output. Those of an unknown kind may look different and are then left out.
#[derive(Deserialize)]
#[serde(untagged)]
enum OutputWire {
    Ranges {
        #[serde(rename = "Value")]
        value: (Whole<i32>, Whole<i32>),
        #[serde(rename = "Duration")]
        duration: Option<(Whole<i32>, Whole<i32>)>,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum InputWire {
    Nested {
        #[serde(rename = "Value")]
        value: Vec<(Whole<i32>, Whole<i32>)>,
        #[serde(rename = "Command")]
        command: Vec<String>,
    },
    Flat {
        #[serde(rename = "Value")]
        value: (Whole<i32>, Whole<i32>),
        #[serde(rename = "Command")]
        command: Vec<String>,
    },
    Other(IgnoredAny),
}

impl DeviceListWire {
    fn meaning(self) -> (Whole<u32>, ServerContent) {
        let devices =
            self.devices.into_iter().map(|(index, device)| Arc::new(device.meaning(index))).collect();
        (self.id, ServerContent::DeviceList(devices))
    }
}

impl DeviceWire {
    fn meaning(self, index: u32) -> DeviceDescription {
        DeviceDescription {
            index: DeviceIndex(index),
            name: self.device_name,
            display_name: self.device_display_name,
            message_gap_ms: self.device_message_timing_gap.map_or(0, |gap| gap.0),
            features: self
                .device_features
                .into_iter()
                .map(|(index, feature)| feature.meaning(index))
                .collect(),
        }
    }
}

impl FeatureWire {
    fn meaning(self, index: u32) -> Feature {
        let mut feature = Feature {
            index: FeatureIndex(index),
            description: self.feature_description.unwrap_or_default(),
            ..Feature::default()
        };
        for (name, output) in self.output.unwrap_or_default() {
            match (OutputKind::from_name(&name), output) {
                (Some(kind), OutputWire::Ranges { value, duration }) => feature
                    .outputs
                    .push(OutputDescription { kind, range: range(value), duration_ms: duration.map(range) }),
                _ => feature.unknown_outputs.push(name),
            }
        }
        for (name, input) in self.input.unwrap_or_default() {
            let (ranges, command) = match input {
                InputWire::Nested { value, command } => (value.into_iter().map(range).collect(), command),
                InputWire::Flat { value, command } => (vec![range(value)], command),
                InputWire::Other(_) => {
                    feature.unknown_inputs.push(name);
                    continue;
                }
            };
            let Some((kind, spelling)) = InputKind::from_name(&name) else {
                feature.unknown_inputs.push(name);
                continue;
            };
            let listed = |wanted| command.iter().any(|name| InputAction::from_name(name) == Some(wanted));
            let commands =
                InputCommands { read: listed(InputAction::Read), subscribe: listed(InputAction::Subscribe) };
            feature.inputs.push(InputDescription { kind, spelling, ranges, commands });
        }
        feature.outputs.sort_by_key(|output| output.kind);
        feature.inputs.sort_by_key(|input| input.kind);
        feature
    }
}

fn range((min, max): (Whole<i32>, Whole<i32>)) -> StepRange {
    StepRange::new(min.0, max.0)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadingWire<'a> {
    id: Whole<u32>,
    device_index: Whole<u32>,
    feature_index: Whole<u32>,
    #[serde(borrow)]
    reading: BTreeMap<Cow<'a, str>, ValueWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ValueWire {
    value: Whole<i32>,
}

impl ReadingWire<'_> {
    fn meaning(self) -> Result<(Whole<u32>, ServerContent), String> {
        let Some((name, ValueWire { value: Whole(value) })) = self.reading.into_iter().next() else {
            return Err(String::from("a reading without a value"));
        };
        let Some((kind, spelling)) = InputKind::from_name(&name) else {
            return Err(format!("a reading of the unknown input {:?}", quoted(&name)));
        };
        let (device, feature) = (DeviceIndex(self.device_index.0), FeatureIndex(self.feature_index.0));
        Ok((self.id, ServerContent::InputReading(InputReading { device, feature, kind, spelling, value })))
    }
}
