//! What clients of old versions see of a device. What is listed to a client and what its indexes mean comes from the
//! same functions here, so that the two can't differ.

use buttplug_core::message::{DeviceDescription, Feature, InputDescription, OutputCmd};
use buttplug_core::{DeviceError, DeviceIndex, FeatureIndex, InputKind, OutputCommand, OutputKind};

/// Kinds that `ScalarCmd` drives, in the order that they have in a list. Typed clients of version 3 drop a whole list
/// over names that they don't know, so lights, heating and sprays are not among them.
const SCALAR_KINDS: [OutputKind; 5] = [
    OutputKind::Constrict,
    OutputKind::Oscillate,
    OutputKind::Position,
    OutputKind::Rotate,
    OutputKind::Vibrate,
];

/// An output that an old command can address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actuator<'a> {
    pub(super) feature: &'a Feature,
    pub(super) kind: OutputKind,
    /// The largest step, at least 1.
    pub(super) steps: i32,
}

impl Actuator<'_> {
    /// The command that sets it to `value` steps.
    pub(super) fn set(&self, device: DeviceIndex, value: i32) -> OutputCmd {
        OutputCmd { device, feature: self.feature.index, command: OutputCommand::new(self.kind, value) }
    }

    /// The command that moves it to `value` steps in time.
    pub(super) fn reach(&self, device: DeviceIndex, value: i32, duration_ms: u32) -> OutputCmd {
        let command = OutputCommand::timed_position(value, duration_ms);
        OutputCmd { device, feature: self.feature.index, command }
    }
}

/// What an old command drives, and how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drive {
    /// Vibrators.
    Vibrate,
    /// What turns both ways.
    Rotate,
    /// What moves to a position in a given time.
    Linear,
    /// Everything that has a strength, each output of a feature by itself.
    Scalar,
}

impl Drive {
    /// What it drives of this device, in the order of its indexes.
    pub(super) fn actuators(self, device: &DeviceDescription) -> impl Iterator<Item = Actuator<'_>> {
        let kinds: &[OutputKind] = match self {
            Self::Vibrate => &[OutputKind::Vibrate],
            Self::Rotate => &[OutputKind::Rotate],
            Self::Linear => &[OutputKind::HwPositionWithDuration],
            Self::Scalar => &SCALAR_KINDS,
        };
        device.features.iter().flat_map(move |feature| {
            kinds.iter().filter_map(move |kind| {
                let range = feature.output(*kind)?.range;
                let both_ways = range.min() < 0;
                let fits = range.max() > 0 && (self != Self::Rotate || both_ways);
                fits.then_some(Actuator { feature, kind: *kind, steps: range.max() })
            })
        })
    }

    /// All of them; at least one.
    pub(super) fn every<'a>(
        self,
        device: &'a DeviceDescription,
        command: &'static str,
    ) -> Result<Vec<Actuator<'a>>, DeviceError> {
        let all: Vec<_> = self.actuators(device).collect();
        if all.is_empty() {
            return Err(DeviceError::CannotFollow {
                device: device.index,
                name: device.name.clone(),
                command,
            });
        }
        Ok(all)
    }

    /// The one with this index.
    pub(super) fn at<'a>(
        self,
        index: u32,
        device: &'a DeviceDescription,
        command: &'static str,
    ) -> Result<Actuator<'a>, DeviceError> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(actuator) = self.actuators(device).nth(place) {
            return Ok(actuator);
        }
        let count = self.every(device, command)?.len();
        Err(DeviceError::NoSuchIndex {
            device: device.index,
            name: device.name.clone(),
            command,
            index,
            count,
        })
    }
}

/// Inputs of this kind that can be read, in the order of their features.
pub(super) fn readable(
    device: &DeviceDescription,
    kind: InputKind,
) -> impl Iterator<Item = (&Feature, &InputDescription)> {
    device.features.iter().filter_map(move |feature| {
        let input = feature.input(kind).filter(|input| input.commands.read)?;
        Some((feature, input))
    })
}

/// The feature whose input of this kind answers a command that names none.
pub(super) fn first_readable(
    device: &DeviceDescription,
    kind: InputKind,
    command: &'static str,
) -> Result<FeatureIndex, DeviceError> {
    readable(device, kind).next().map(|(feature, _)| feature.index).ok_or_else(|| DeviceError::CannotFollow {
        device: device.index,
        name: device.name.clone(),
        command,
    })
}
