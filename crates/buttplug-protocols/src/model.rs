//! A model as the catalogue knows it: its features and their ranges, before a person's own settings.

use crate::definition;
use buttplug_core::{FeatureIndex, InputCommands, InputKind, OutputKind, StepRange};
use std::time::Duration;

/// One entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name, for people.
    pub name: String,
    /// Which of the protocol's forms it uses, where the protocol has several.
    pub variant: Option<String>,
    /// The least time between writes, where it differs from the bus's.
    pub message_gap: Option<Duration>,
    /// What it has, in the order of the indexes.
    pub features: Vec<ModelFeature>,
}

impl Model {
    /// All outputs with the features they belong to, in the order of the indexes.
    pub fn outputs(&self) -> impl Iterator<Item = (FeatureIndex, &ModelOutput)> {
        self.features.iter().flat_map(|feature| feature.outputs.iter().map(|output| (feature.index, output)))
    }
}

impl Model {
    /// The model as its definition has it.
    pub(crate) fn from_definition(name: &str, group: &definition::Group) -> Self {
        Self {
            name: name.to_owned(),
            variant: group.variant.clone(),
            message_gap: group.gap_ms.map(|ms| Duration::from_millis(u64::from(ms))),
            features: group.features.iter().map(ModelFeature::from_definition).collect(),
        }
    }
}

impl ModelFeature {
    /// The feature as its definition has it.
    pub(crate) fn from_definition(feature: &definition::Feature) -> Self {
        let range = |(least, greatest)| StepRange::new(least, greatest);
        let output = |output: &definition::Output| ModelOutput {
            kind: output.kind,
            range: range(output.range),
            duration_ms: output.duration.map(range),
        };
        let input = |input: &definition::Input| ModelInput {
            kind: input.kind,
            ranges: vec![range(input.range)],
            commands: InputCommands { read: input.read, subscribe: input.subscribe },
        };
        Self {
            index: FeatureIndex(feature.index),
            label: feature.label.clone(),
            outputs: feature.outputs.iter().map(output).collect(),
            inputs: feature.inputs.iter().map(input).collect(),
        }
    }
}

/// One thing a model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFeature {
    /// Its number.
    pub index: FeatureIndex,
    /// What it is, for people; may be empty.
    pub label: String,
    /// What it can do.
    pub outputs: Vec<ModelOutput>,
    /// What it can tell.
    pub inputs: Vec<ModelInput>,
}

/// One output of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelOutput {
    /// Its kind.
    pub kind: OutputKind,
    /// The values the hardware understands.
    pub range: StepRange,
    /// The durations it understands in milliseconds, for timed positions.
    pub duration_ms: Option<StepRange>,
}

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInput {
    /// Its kind.
    pub kind: InputKind,
    /// The values it gives, one range per dimension.
    pub ranges: Vec<StepRange>,
    /// What may be asked of it.
    pub commands: InputCommands,
}
