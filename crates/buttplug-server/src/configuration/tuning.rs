//! From a model and what its owner decided to what clients see, and back from what they ask to what the hardware gets.

use super::DeviceConfiguration;
use buttplug_core::message::{Feature, InputDescription, OutputDescription};
use buttplug_core::{FeatureIndex, OutputCommand, OutputKind, RssiSpelling, StepRange};
use buttplug_protocols::model::{Model, ModelFeature, ModelOutput};

/// The outputs whose values are other ones on the hardware. Nearly always there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tuning {
    outputs: Vec<(FeatureIndex, OutputKind, Shift)>,
}

/// How the values that clients see lie on the hardware's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shift {
    lower: i32,
    upper: i32,
    reverse: bool,
}

/// A model with its owner's decisions applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tuned {
    /// What clients see.
    pub(crate) features: Vec<Feature>,
    pub(crate) tuning: Tuning,
    /// What could not be done as decided, for the owner.
    pub(crate) notices: Vec<String>,
}

impl Tuning {
    /// What the hardware gets for a command that was checked.
    pub(crate) fn on_hardware(&self, feature: FeatureIndex, command: OutputCommand) -> OutputCommand {
        let kind = command.kind();
        let Some((_, _, shift)) = self.outputs.iter().find(|(other, of, _)| (*other, *of) == (feature, kind))
        else {
            return command;
        };
        let value = shift.on_hardware(kind, command.value());
        if kind == OutputKind::HwPositionWithDuration {
            OutputCommand::timed_position(value, command.duration_ms())
        } else {
            OutputCommand::new(kind, value)
        }
    }
}

impl Shift {
    fn on_hardware(self, kind: OutputKind, value: i32) -> i32 {
        if kind.is_stoppable() {
            // Zero is rest, wherever the limits lie.
            return value.signum() * (value.abs() + if value == 0 { 0 } else { self.lower });
        }
        if self.reverse { self.upper - value } else { self.lower + value }
    }
}

/// Applies what was decided about a device. What can't be done as decided is done so that the hardware does less, never
/// more: an output whose limit makes no sense is left out.
pub(crate) fn tune(model: &Model, decided: Option<&DeviceConfiguration>) -> Tuned {
    let mut tuned = Tuned { features: Vec::new(), tuning: Tuning::default(), notices: Vec::new() };
    let nothing = DeviceConfiguration::default();
    let decided = decided.unwrap_or(&nothing);
    for missing in decided.outputs.iter().filter(|output| {
        !model.outputs().any(|(feature, listed)| (feature, listed.kind) == (output.feature, output.kind))
    }) {
        tuned
            .notices
            .push(format!("{} has no {} at feature {}", model.name, missing.kind, missing.feature.0));
    }
    for feature in &model.features {
        let feature = tuned.feature(feature, decided);
        if !(feature.outputs.is_empty() && feature.inputs.is_empty()) {
            tuned.features.push(feature);
        }
    }
    tuned
}

impl Tuned {
    fn feature(&mut self, feature: &ModelFeature, decided: &DeviceConfiguration) -> Feature {
        let inputs = feature.inputs.iter().map(|input| InputDescription {
            kind: input.kind,
            spelling: RssiSpelling::Camel,
            ranges: input.ranges.clone(),
            commands: input.commands,
        });
        let mut outputs = Vec::new();
        for output in &feature.outputs {
            let mut named = decided.outputs.iter().rev();
            let own = named.find(|own| (own.feature, own.kind) == (feature.index, output.kind));
            if own.is_some() || !decided.only_named.contains(&output.kind) {
                outputs.extend(self.output(feature.index, output, own));
            }
        }
        Feature {
            index: feature.index,
            description: feature.label.clone(),
            outputs,
            inputs: inputs.collect(),
            ..Feature::default()
        }
    }

    /// One output as clients see it; `None` if they do not.
    fn output(
        &mut self,
        feature: FeatureIndex,
        output: &ModelOutput,
        decided: Option<&super::OutputConfiguration>,
    ) -> Option<OutputDescription> {
        let kind = output.kind;
        let duration = output.duration_ms.map(announced);
        let Some(decided) = decided else {
            return Some(OutputDescription { kind, range: announced(output.range), duration_ms: duration });
        };
        if decided.disabled {
            return None;
        }
        let most = output.range.max();
        let limits = match decided.limit.map(|limit| within(limit, most)) {
            None => Some((0, most)),
            Some(limits) => limits,
        };
        let durations = match (duration, decided.duration_ms) {
            (Some(range), Some(limit)) => {
                within(limit, range.max()).map(|(low, high)| Some(StepRange::new(low, high)))
            }
            (range, _) => Some(range),
        };
        let (Some((lower, upper)), Some(duration_ms)) = (limits, durations) else {
            let about = if limits.is_none() { "limit" } else { "limit of its duration" };
            self.notices.push(format!(
                "{kind} of feature {} is left out: its {about} leaves nothing of it",
                feature.0
            ));
            return None;
        };
        let reverse = decided.reverse && !kind.is_stoppable();
        if decided.reverse && !reverse {
            self.notices
                .push(format!("{kind} of feature {} can't be reversed, only positions can", feature.0));
        }
        if lower != 0 || reverse {
            self.tuning.outputs.push((feature, kind, Shift { lower, upper, reverse }));
        }
        let steps = upper - lower;
        let range = StepRange::new(if output.range.min() < 0 { -steps } else { 0 }, steps);
        Some(OutputDescription { kind, range, duration_ms })
    }
}

/// A limit as far as the hardware goes; `None` if nothing is left between its ends.
fn within((lower, upper): (u32, u32), most: i32) -> Option<(i32, i32)> {
    let lower = i32::try_from(lower).ok()?;
    let upper = i32::try_from(upper).unwrap_or(most).min(most);
    (lower < upper).then_some((lower, upper))
}

/// Clients always get a zero that means rest: a range from 37 to 42 is announced as 0 to 42, and one with a negative
/// side is the same to both sides.
fn announced(range: StepRange) -> StepRange {
    let most = range.max();
    StepRange::new(if range.min() < 0 { -most } else { 0 }, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::OutputConfiguration;
    use buttplug_core::OutputKind::{HwPositionWithDuration, Position, Rotate, Temperature, Vibrate};

    const F0: FeatureIndex = FeatureIndex(0);

    fn model(kind: OutputKind, min: i32, max: i32) -> Model {
        let duration_ms = (kind == HwPositionWithDuration).then(|| StepRange::new(0, 99_999));
        let output = ModelOutput { kind, range: StepRange::new(min, max), duration_ms };
        let feature =
            ModelFeature { index: F0, label: String::new(), outputs: vec![output], inputs: Vec::new() };
        Model { name: "Mine".into(), variant: None, message_gap: None, features: vec![feature] }
    }

    fn decided(output: OutputConfiguration) -> DeviceConfiguration {
        DeviceConfiguration { outputs: vec![output], ..DeviceConfiguration::default() }
    }

    fn limited(kind: OutputKind, limit: (u32, u32), reverse: bool) -> DeviceConfiguration {
        decided(OutputConfiguration { limit: Some(limit), reverse, ..OutputConfiguration::new(F0, kind) })
    }

    fn command(kind: OutputKind, value: i32) -> OutputCommand {
        match kind {
            HwPositionWithDuration => OutputCommand::timed_position(value, 500),
            kind => OutputCommand::new(kind, value),
        }
    }

    #[test]
    fn without_decisions_everything_is_as_the_model_has_it_with_a_zero() {
        for (kind, min, max, announced_min) in
            [(Vibrate, 0, 20, 0), (Rotate, -20, 20, -20), (Temperature, 37, 42, 0), (Rotate, -5, 20, -20)]
        {
            let tuned = tune(&model(kind, min, max), None);
            assert_eq!(tuned.features[0].outputs[0].range, StepRange::new(announced_min, max));
            assert_eq!(tuned.tuning, Tuning::default());
            assert_eq!(tuned.tuning.on_hardware(F0, command(kind, max)), command(kind, max));
        }
    }

    #[test]
    fn a_limit_moves_the_range_and_leaves_rest_at_rest() {
        type Case = (OutputKind, (i32, i32), (u32, u32), bool, (i32, i32), &'static [(i32, i32)]);
        let cases: &[Case] = &[
            (Vibrate, (0, 15), (5, 10), false, (0, 5), &[(0, 0), (1, 6), (5, 10)]),
            (Vibrate, (0, 20), (0, 12), false, (0, 12), &[(0, 0), (1, 1), (12, 12)]),
            (Rotate, (-99, 99), (10, 50), false, (-40, 40), &[(0, 0), (1, 11), (-1, -11), (-40, -50)]),
            (Temperature, (37, 42), (38, 40), false, (0, 2), &[(0, 0), (1, 39), (2, 40)]),
            (Position, (0, 99), (20, 60), false, (0, 40), &[(0, 20), (40, 60)]),
            (Position, (0, 99), (0, 99), true, (0, 99), &[(0, 99), (99, 0)]),
            (HwPositionWithDuration, (0, 99), (20, 60), true, (0, 40), &[(0, 60), (1, 59), (40, 20)]),
            // More than the hardware has is no limit.
            (Vibrate, (0, 15), (5, 4_000_000_000), false, (0, 10), &[(10, 15)]),
        ];
        for (kind, range, limit, reverse, announced, values) in cases {
            let tuned = tune(&model(*kind, range.0, range.1), Some(&limited(*kind, *limit, *reverse)));
            assert_eq!(
                tuned.features[0].outputs[0].range,
                StepRange::new(announced.0, announced.1),
                "{kind} {limit:?}"
            );
            assert!(tuned.notices.is_empty());
            for (asked, got) in *values {
                assert_eq!(
                    tuned.tuning.on_hardware(F0, command(*kind, *asked)),
                    command(*kind, *got),
                    "{kind} {limit:?} {asked}"
                );
            }
        }
    }

    #[test]
    fn what_a_client_can_ask_never_leaves_the_limit() {
        for kind in [Vibrate, Rotate, Position, HwPositionWithDuration] {
            for (lower, upper) in [(0, 1), (0, 20), (3, 4), (7, 20), (19, 20), (5, 100)] {
                for reverse in [false, true] {
                    let least = if kind == Rotate { -20 } else { 0 };
                    let tuned = tune(&model(kind, least, 20), Some(&limited(kind, (lower, upper), reverse)));
                    let range = tuned.features[0].outputs[0].range;
                    for asked in range.min()..=range.max() {
                        let got = tuned.tuning.on_hardware(F0, command(kind, asked)).value();
                        let rests = kind.is_stoppable() && asked == 0;
                        assert!(
                            if rests {
                                got == 0
                            } else {
                                (lower..=upper.min(20)).contains(&got.unsigned_abs())
                            },
                            "{kind} {lower}..{upper}: {asked} became {got}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_that_leaves_nothing_leaves_the_output_out() {
        for limit in [(20, 20), (5, 5), (12, 3), (21, 40), (4_000_000_000, 4_000_000_001)] {
            let tuned = tune(&model(Vibrate, 0, 20), Some(&limited(Vibrate, limit, false)));
            assert!(tuned.features.is_empty(), "{limit:?}");
            assert_eq!(tuned.notices, ["Vibrate of feature 0 is left out: its limit leaves nothing of it"]);
        }
    }

    #[test]
    fn what_is_disabled_is_not_announced() {
        let off = OutputConfiguration { disabled: true, ..OutputConfiguration::new(F0, Vibrate) };
        let tuned = tune(&model(Vibrate, 0, 20), Some(&decided(off)));
        assert!(tuned.features.is_empty() && tuned.notices.is_empty());
    }

    #[test]
    fn of_a_kind_of_which_only_the_named_count_nothing_else_is_announced() {
        let named = OutputConfiguration { limit: Some((0, 5)), ..OutputConfiguration::new(F0, Vibrate) };
        let decided = |outputs| DeviceConfiguration {
            outputs,
            only_named: vec![Vibrate],
            ..DeviceConfiguration::default()
        };
        assert!(tune(&model(Vibrate, 0, 20), Some(&decided(vec![]))).features.is_empty());
        for (kind, most) in [(Vibrate, 5), (Rotate, 20)] {
            let tuned = tune(&model(kind, 0, 20), Some(&decided(vec![named.clone()])));
            assert_eq!(tuned.features[0].outputs[0].range.max(), most, "{kind}");
        }
    }

    #[test]
    fn durations_are_limited_as_they_are() {
        let output = OutputConfiguration {
            duration_ms: Some((100, 5000)),
            ..OutputConfiguration::new(F0, HwPositionWithDuration)
        };
        let tuned = tune(&model(HwPositionWithDuration, 0, 99), Some(&decided(output)));
        assert_eq!(tuned.features[0].outputs[0].duration_ms, Some(StepRange::new(100, 5000)));
    }

    #[test]
    fn what_does_not_fit_the_model_is_said() {
        let elsewhere =
            OutputConfiguration { disabled: true, ..OutputConfiguration::new(FeatureIndex(7), Vibrate) };
        let tuned = tune(&model(Vibrate, 0, 20), Some(&decided(elsewhere)));
        assert_eq!(tuned.notices, ["Mine has no Vibrate at feature 7"]);
        let turned = OutputConfiguration { reverse: true, ..OutputConfiguration::new(F0, Vibrate) };
        let tuned = tune(&model(Vibrate, 0, 20), Some(&decided(turned)));
        assert_eq!(tuned.notices, ["Vibrate of feature 0 can't be reversed, only positions can"]);
        assert_eq!(tuned.features[0].outputs[0].range, StepRange::new(0, 20));
    }
}
