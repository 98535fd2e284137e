//! Version 3: one command for everything that has a strength, and sensors that can be read. Message gap and display name
//! are shown.

use super::features::{Actuator, Drive, first_readable, readable};
use super::numbers::{Fraction, position_rounded_up, rounded_up};
use super::old::{OldVersion, Plain, answer, empty, frame};
use super::{Devices, ReadingForm, Request, v1, v2};
use buttplug_core::limits::quoted;
use buttplug_core::message::json::{BadMessage, Element, Object, Whole};
use buttplug_core::message::{DeviceDescription, InputCmd, OutputCmd, ServerInfo};
use buttplug_core::{
    ButtplugError, DeviceError, DeviceIndex, InputAction, InputKind, MessageId, OutputKind, RssiSpelling,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) struct Edge;

impl OldVersion for Edge {
    const VERSION: u32 = 3;
    const SHOWS_SETTINGS: bool = true;

    /// `VibrateCmd` is not of this version; clients send it, and what it means is clear.
    fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>> {
        v1::motor_command(element, devices).or_else(|| v2::raw_command(element)).or_else(|| {
            Some(match &*element.name {
                "ScalarCmd" => {
                    element.fields().and_then(|cmd: ScalarCmd<'_>| answer(element, cmd.up(devices)))
                }
                "SensorReadCmd" => {
                    element.fields().and_then(|cmd: SensorCmd<'_>| answer(element, cmd.read(devices)))
                }
                "SensorSubscribeCmd" | "SensorUnsubscribeCmd" => {
                    element.fields().and_then(|cmd: SensorCmd<'_>| answer(element, cmd.refuse(devices)))
                }
                _ => return None,
            })
        })
    }

    fn device_messages(device: &DeviceDescription) -> impl Serialize {
        DeviceMessages {
            scalar: attributes(Drive::Scalar, device),
            rotate: attributes(Drive::Rotate, device),
            linear: attributes(Drive::Linear, device),
            sensor_read: readable(device, InputKind::Battery)
                .map(|(feature, input)| SensorAttributes {
                    feature_descriptor: &feature.description,
                    sensor_type: InputKind::Battery.name(),
                    sensor_range: input.ranges.iter().map(|range| (range.min(), range.max())).collect(),
                })
                .collect(),
            stop: Plain {},
        }
    }

    fn server_info(id: MessageId, info: &ServerInfo) -> String {
        v2::server_info(id, info)
    }
}

#[derive(Serialize)]
struct DeviceMessages<'a> {
    #[serde(rename = "ScalarCmd", skip_serializing_if = "Vec::is_empty")]
    scalar: Vec<ActuatorAttributes<'a>>,
    #[serde(rename = "RotateCmd", skip_serializing_if = "Vec::is_empty")]
    rotate: Vec<ActuatorAttributes<'a>>,
    #[serde(rename = "LinearCmd", skip_serializing_if = "Vec::is_empty")]
    linear: Vec<ActuatorAttributes<'a>>,
    #[serde(rename = "SensorReadCmd", skip_serializing_if = "Vec::is_empty")]
    sensor_read: Vec<SensorAttributes<'a>>,
    #[serde(rename = "StopDeviceCmd")]
    stop: Plain,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ActuatorAttributes<'a> {
    feature_descriptor: &'a str,
    step_count: i32,
    actuator_type: &'static str,
}

fn attributes(drive: Drive, device: &DeviceDescription) -> Vec<ActuatorAttributes<'_>> {
    let attributes = |Actuator { feature, kind, steps }| ActuatorAttributes {
        feature_descriptor: &feature.description,
        step_count: steps,
        actuator_type: actuator_type(kind),
    };
    drive.actuators(device).map(attributes).collect()
}

/// The name of a kind of output in this version.
fn actuator_type(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::HwPositionWithDuration => OutputKind::Position.name(),
        kind => kind.name(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SensorAttributes<'a> {
    feature_descriptor: &'a str,
    sensor_type: &'static str,
    sensor_range: Vec<(i32, i32)>,
}

/// Sets strengths.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalarCmd<'a> {
    device_index: Whole<u32>,
    #[serde(borrow)]
    scalars: Vec<Object<Scalar<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scalar<'a> {
    index: Whole<u32>,
    scalar: f64,
    #[serde(borrow)]
    actuator_type: Cow<'a, str>,
}

impl ScalarCmd<'_> {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        if self.scalars.is_empty() {
            return Err(empty("ScalarCmd", "Scalars"));
        }
        v1::for_each(devices, self.device_index, &self.scalars, |device, scalar| scalar.up(device))
    }
}

impl Scalar<'_> {
    fn up(&self, device: &DeviceDescription) -> Result<OutputCmd, DeviceError> {
        let listed = Drive::Scalar.at(self.index.0, device, "ScalarCmd")?;
        let kind = OutputKind::from_name(&self.actuator_type)
            .ok_or_else(|| DeviceError::UnknownOutput(quoted(&self.actuator_type)))?;
        // Some clients name another output of the same feature; then that one is meant.
        let actuator = if kind == listed.kind {
            listed
        } else {
            let same_feature = |other: &Actuator<'_>| other.feature.index == listed.feature.index;
            Drive::Scalar
                .actuators(device)
                .find(|other| same_feature(other) && other.kind == kind)
                .ok_or_else(|| DeviceError::NoSuchOutput {
                    device: device.index,
                    name: device.name.clone(),
                    feature: listed.feature.index,
                    kind,
                })?
        };
        if !(0.0..=1.0).contains(&self.scalar) {
            let (name, value) = (device.name.clone(), quoted(&self.scalar.to_string()));
            return Err(DeviceError::NoFraction { device: device.index, name, kind, value });
        }
        let scalar = Fraction(self.scalar);
        let value = match kind {
            OutputKind::Position => position_rounded_up(scalar, actuator.steps),
            _ => rounded_up(scalar, actuator.steps),
        };
        Ok(actuator.set(device.index, value))
    }
}

/// Reads a sensor, or follows it, which this version's lists never offer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SensorCmd<'a> {
    device_index: Whole<u32>,
    sensor_index: Whole<u32>,
    #[serde(borrow)]
    sensor_type: Cow<'a, str>,
}

impl SensorCmd<'_> {
    fn read(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let kind = InputKind::Battery;
        match InputKind::from_name(&self.sensor_type) {
            Some((InputKind::Battery, _)) => {}
            Some(_) => {
                let (name, command) = (device.name.clone(), "a SensorReadCmd of anything but its battery");
                return Err(DeviceError::CannotFollow { device: device.index, name, command }.into());
            }
            None => return Err(DeviceError::UnknownInput(quoted(&self.sensor_type)).into()),
        }
        let index = self.sensor_index.0;
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let feature = match readable(&device, kind).nth(place) {
            Some((feature, _)) => feature.index,
            // Other servers never looked at the index.
            None => first_readable(&device, kind, "SensorReadCmd")?,
        };
        let (action, spelling) = (InputAction::Read, RssiSpelling::default());
        let cmd = InputCmd { device: device.index, feature, kind, spelling, action };
        Ok(Request::Read(cmd, ReadingForm::Sensor { index }))
    }

    fn refuse(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let (name, command) = (device.name.clone(), "subscriptions of version 3");
        Err(DeviceError::CannotFollow { device: device.index, name, command }.into())
    }
}

/// The reply to a read of the battery.
pub(super) fn sensor_reading(id: MessageId, device: DeviceIndex, index: u32, value: i32) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct SensorReading {
        id: u32,
        device_index: u32,
        sensor_index: u32,
        sensor_type: &'static str,
        data: [i32; 1],
    }
    let sensor_type = InputKind::Battery.name();
    frame(
        "SensorReading",
        &SensorReading { id: id.0, device_index: device.0, sensor_index: index, sensor_type, data: [value] },
    )
}
