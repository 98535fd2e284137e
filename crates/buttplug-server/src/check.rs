//! From what a client asks to what a device is told: the only place for kinds, ranges and limits.

use buttplug_core::message::{DeviceDescription, Feature, InputCmd, OutputCmd};
use buttplug_core::{DeviceError, FeatureIndex, OutputCommand, OutputKind};

/// An output that exists, with a value that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckedOutput {
    pub(crate) feature: FeatureIndex,
    pub(crate) command: OutputCommand,
}

impl CheckedOutput {
    /// Checks feature, kind and range. A duration outside its range is moved to the nearest one inside.
    pub(crate) fn new(cmd: &OutputCmd, device: &DeviceDescription) -> Result<Self, DeviceError> {
        let feature = checked_feature(cmd.feature, device)?;
        let (kind, value) = (cmd.command.kind(), cmd.command.value());
        let output = feature.output(kind).ok_or_else(|| DeviceError::NoSuchOutput {
            device: device.index,
            name: device.name.clone(),
            feature: feature.index,
            kind,
        })?;
        if !output.range.contains(value) {
            return Err(DeviceError::OutOfRange {
                device: device.index,
                name: device.name.clone(),
                feature: feature.index,
                kind,
                value,
                range: output.range,
            });
        }
        let command = if kind == OutputKind::HwPositionWithDuration {
            let asked = i32::try_from(cmd.command.duration_ms()).unwrap_or(i32::MAX);
            let duration = output.duration_ms.map_or(asked, |range| range.clamp(asked));
            OutputCommand::timed_position(value, u32::try_from(duration).unwrap_or(0))
        } else {
            cmd.command
        };
        Ok(Self { feature: feature.index, command })
    }
}

/// The feature with this index.
pub(crate) fn checked_feature(
    index: FeatureIndex,
    device: &DeviceDescription,
) -> Result<&Feature, DeviceError> {
    device.feature(index).ok_or_else(|| DeviceError::NoSuchFeature {
        device: device.index,
        name: device.name.clone(),
        feature: index,
    })
}

/// Checks that the input exists and supports the action.
pub(crate) fn check_input(cmd: &InputCmd, device: &DeviceDescription) -> Result<(), DeviceError> {
    let feature = checked_feature(cmd.feature, device)?;
    let (device, name) = (device.index, &device.name);
    let input = feature.input(cmd.kind).ok_or_else(|| DeviceError::NoSuchInput {
        device,
        name: name.clone(),
        feature: feature.index,
        kind: cmd.kind,
    })?;
    if input.commands.allow(cmd.action) {
        return Ok(());
    }
    Err(DeviceError::ActionNotSupported {
        device,
        name: name.clone(),
        feature: feature.index,
        kind: cmd.kind,
        action: cmd.action,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::message::{InputDescription, OutputDescription};
    use buttplug_core::{DeviceIndex, InputAction, InputCommands, InputKind, RssiSpelling, StepRange};

    fn device() -> DeviceDescription {
        let output = |kind, min, max, duration: Option<(i32, i32)>| OutputDescription {
            kind,
            range: StepRange::new(min, max),
            duration_ms: duration.map(|(min, max)| StepRange::new(min, max)),
        };
        let battery = InputDescription {
            kind: InputKind::Battery,
            spelling: RssiSpelling::Camel,
            ranges: vec![StepRange::new(0, 100)],
            commands: InputCommands { read: true, subscribe: false },
        };
        DeviceDescription {
            index: DeviceIndex(4),
            name: String::from("Combo"),
            display_name: None,
            message_gap_ms: 0,
            features: vec![
                Feature {
                    index: FeatureIndex(0),
                    outputs: vec![
                        output(OutputKind::Vibrate, 0, 20, None),
                        output(OutputKind::Rotate, -20, 20, None),
                    ],
                    inputs: vec![battery],
                    ..Feature::default()
                },
                Feature {
                    index: FeatureIndex(3),
                    outputs: vec![output(OutputKind::HwPositionWithDuration, 0, 999, Some((0, 99_999)))],
                    ..Feature::default()
                },
            ],
        }
    }

    fn check(feature: u32, command: OutputCommand) -> Result<OutputCommand, String> {
        let cmd = OutputCmd { device: DeviceIndex(4), feature: FeatureIndex(feature), command };
        CheckedOutput::new(&cmd, &device()).map(|checked| checked.command).map_err(|error| error.to_string())
    }

    #[test]
    fn values_inside_the_range_pass_and_others_say_what_the_range_is() {
        for (kind, value) in [(OutputKind::Vibrate, 0), (OutputKind::Vibrate, 20), (OutputKind::Rotate, -20)]
        {
            assert_eq!(check(0, OutputCommand::new(kind, value)), Ok(OutputCommand::new(kind, value)));
        }
        for (kind, value) in [(OutputKind::Vibrate, 21), (OutputKind::Vibrate, -1), (OutputKind::Rotate, -21)]
        {
            let text = check(0, OutputCommand::new(kind, value)).expect_err("out of range");
            assert!(text.contains("it takes") && text.contains("Combo"), "{text}");
        }
    }

    #[test]
    fn missing_features_and_outputs_are_named() {
        let text = check(9, OutputCommand::new(OutputKind::Vibrate, 1)).expect_err("no such feature");
        assert_eq!(text, "device 4 (Combo) has no feature 9");
        let text = check(3, OutputCommand::new(OutputKind::Vibrate, 1)).expect_err("no such output");
        assert_eq!(text, "feature 3 of device 4 (Combo) has no output Vibrate");
    }

    #[test]
    fn durations_are_moved_into_their_range() {
        for (asked, given) in [(0, 0), (300, 300), (200_000, 99_999), (u32::MAX, 99_999)] {
            assert_eq!(
                check(3, OutputCommand::timed_position(750, asked)),
                Ok(OutputCommand::timed_position(750, given))
            );
        }
    }

    #[test]
    fn inputs_allow_only_the_listed_actions() {
        let cmd = |feature, kind, action| InputCmd {
            device: DeviceIndex(4),
            feature: FeatureIndex(feature),
            kind,
            spelling: RssiSpelling::Camel,
            action,
        };
        assert!(check_input(&cmd(0, InputKind::Battery, InputAction::Read), &device()).is_ok());
        for (feature, kind, action) in [
            (0, InputKind::Battery, InputAction::Subscribe),
            (0, InputKind::Battery, InputAction::Unsubscribe),
            (0, InputKind::Button, InputAction::Read),
            (3, InputKind::Battery, InputAction::Read),
            (9, InputKind::Battery, InputAction::Read),
        ] {
            assert!(check_input(&cmd(feature, kind, action), &device()).is_err());
        }
    }
}
