//! Writes what servers say: compact, one message per frame, never null, nothing beyond the listed fields. Published
//! clients drop a whole frame for less.

use super::id::IdOut;
use crate::message::{
    DeviceDescription, Feature, InputDescription, OutputDescription, ServerContent, ServerMessage,
};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use std::io::Write;
use std::sync::Arc;

/// Appends a frame with this one message.
pub fn write_server_message(message: &ServerMessage, out: &mut Vec<u8>) {
    if message.content == ServerContent::Ok {
        // Nearly every reply is one of these.
        let _ = write!(out, r#"[{{"Ok":{{"Id":{}}}}}]"#, message.id);
        return;
    }
    // Writing to memory fails only for keys that are no strings, and there are none.
    let _ = serde_json::Serializer::new(out).collect_seq([WriteMessage(message)]);
}

struct WriteMessage<'a>(&'a ServerMessage);

impl Serialize for WriteMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = self.0.id.0;
        let mut message = serializer.serialize_map(Some(1))?;
        match &self.0.content {
            ServerContent::Ok => message.serialize_entry("Ok", &IdOut { id })?,
            ServerContent::ScanningFinished => message.serialize_entry("ScanningFinished", &IdOut { id })?,
            ServerContent::Error(error) => {
                let error = ErrorOut { id, error_message: &error.message, error_code: error.class.code() };
                message.serialize_entry("Error", &error)?;
            }
            ServerContent::ServerInfo(info) => message.serialize_entry(
                "ServerInfo",
                &ServerInfoOut {
                    id,
                    server_name: &info.name,
                    max_ping_time: info.max_ping_ms,
                    protocol_version_major: info.major,
                    protocol_version_minor: info.minor,
                },
            )?,
            ServerContent::DeviceList(devices) => {
                message.serialize_entry("DeviceList", &DeviceListOut { id, devices: DevicesOut(devices) })?;
            }
            ServerContent::InputReading(reading) => message.serialize_entry(
                "InputReading",
                &ReadingOut {
                    id,
                    device_index: reading.device.0,
                    feature_index: reading.feature.0,
                    reading: NamedValue { name: reading.spelling.name(reading.kind), value: reading.value },
                },
            )?,
        }
        message.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorOut<'a> {
    id: u32,
    error_message: &'a str,
    error_code: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerInfoOut<'a> {
    id: u32,
    server_name: &'a str,
    max_ping_time: u32,
    protocol_version_major: u32,
    protocol_version_minor: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReadingOut {
    id: u32,
    device_index: u32,
    feature_index: u32,
    reading: NamedValue,
}

struct NamedValue {
    name: &'static str,
    value: i32,
}

impl Serialize for NamedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Value {
            value: i32,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &Value { value: self.value })?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceListOut<'a> {
    id: u32,
    devices: DevicesOut<'a>,
}

struct DevicesOut<'a>(&'a [Arc<DeviceDescription>]);

impl Serialize for DevicesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for device in self.0 {
            map.serialize_entry(&device.index.0, &DeviceOut::new(device))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceOut<'a> {
    device_index: u32,
    device_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_display_name: Option<&'a str>,
    device_message_timing_gap: u32,
    device_features: FeaturesOut<'a>,
}

impl<'a> DeviceOut<'a> {
    fn new(device: &'a DeviceDescription) -> Self {
        Self {
            device_index: device.index.0,
            device_name: &device.name,
            device_display_name: device.display_name.as_deref(),
            device_message_timing_gap: device.message_gap_ms,
            device_features: FeaturesOut(&device.features),
        }
    }
}

struct FeaturesOut<'a>(&'a [Feature]);

impl Serialize for FeaturesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for feature in self.0 {
            map.serialize_entry(&feature.index.0, &FeatureOut::new(feature))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FeatureOut<'a> {
    feature_index: u32,
    feature_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<OutputsOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<InputsOut<'a>>,
}

impl<'a> FeatureOut<'a> {
    fn new(feature: &'a Feature) -> Self {
        Self {
            feature_index: feature.index.0,
            feature_description: &feature.description,
            output: (!feature.outputs.is_empty()).then_some(OutputsOut(&feature.outputs)),
            input: (!feature.inputs.is_empty()).then_some(InputsOut(&feature.inputs)),
        }
    }
}

struct OutputsOut<'a>(&'a [OutputDescription]);

impl Serialize for OutputsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Ranges {
            value: (i32, i32),
            #[serde(skip_serializing_if = "Option::is_none")]
            duration: Option<(i32, i32)>,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for output in self.0 {
            let ranges = Ranges {
                value: (output.range.min(), output.range.max()),
                duration: output.duration_ms.map(|range| (range.min(), range.max())),
            };
            map.serialize_entry(output.kind.name(), &ranges)?;
        }
        map.end()
    }
}

struct InputsOut<'a>(&'a [InputDescription]);

impl Serialize for InputsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for input in self.0 {
            map.serialize_entry(input.spelling.name(input.kind), &InputOut(input))?;
        }
        map.end()
    }
}

struct InputOut<'a>(&'a InputDescription);

impl Serialize for InputOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct RangesOut<'a>(&'a InputDescription);
        impl Serialize for RangesOut<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.ranges.iter().map(|range| (range.min(), range.max())))
            }
        }
        struct CommandsOut<'a>(&'a InputDescription);
        impl Serialize for CommandsOut<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                if self.0.commands.read {
                    list.serialize_element("Read")?;
                }
                if self.0.commands.subscribe {
                    list.serialize_element("Subscribe")?;
                }
                list.end()
            }
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("Value", &RangesOut(self.0))?;
        map.serialize_entry("Command", &CommandsOut(self.0))?;
        map.end()
    }
}
