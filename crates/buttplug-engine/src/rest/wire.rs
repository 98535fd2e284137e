//! Devices as JSON. A device has small letters and a feature capital ones because that is how earlier engines write
//! them.

use buttplug_core::StepRange;
use buttplug_core::message::{DeviceDescription, Feature};
use serde::Serialize;
use std::collections::BTreeMap;

/// A device, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceOut {
    index: u32,
    name: String,
    display_name: Option<String>,
    features: BTreeMap<u32, FeatureOut>,
}

/// A feature: what it is, what it can do, what it can tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FeatureOut {
    feature_index: u32,
    feature_description: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    output: BTreeMap<&'static str, OutputOut>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    input: BTreeMap<&'static str, InputOut>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OutputOut {
    value: (i32, i32),
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<(i32, i32)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InputOut {
    value: Vec<(i32, i32)>,
    command: Vec<&'static str>,
}

impl From<&DeviceDescription> for DeviceOut {
    fn from(device: &DeviceDescription) -> Self {
        Self {
            index: device.index.0,
            name: device.name.clone(),
            display_name: device.display_name.clone(),
            features: features(device),
        }
    }
}

/// The features of a device by their indexes.
pub(crate) fn features(device: &DeviceDescription) -> BTreeMap<u32, FeatureOut> {
    device.features.iter().map(|feature| (feature.index.0, feature.into())).collect()
}

impl From<&Feature> for FeatureOut {
    fn from(feature: &Feature) -> Self {
        let ends = |range: StepRange| (range.min(), range.max());
        let output = |output: &buttplug_core::message::OutputDescription| {
            let out = OutputOut { value: ends(output.range), duration: output.duration_ms.map(ends) };
            (output.kind.name(), out)
        };
        let input = |input: &buttplug_core::message::InputDescription| {
            let commands = [(input.commands.read, "Read"), (input.commands.subscribe, "Subscribe")];
            let command = commands.into_iter().filter_map(|(there, name)| there.then_some(name)).collect();
            (input.kind.name(), InputOut { value: input.ranges.iter().copied().map(ends).collect(), command })
        };
        Self {
            feature_index: feature.index.0,
            feature_description: feature.description.clone(),
            output: feature.outputs.iter().map(output).collect(),
            input: feature.inputs.iter().map(input).collect(),
        }
    }
}
