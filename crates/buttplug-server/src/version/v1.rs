//! Version 1: speeds and positions for each motor. What version 0 has, it has too.

use super::features::Drive;
use super::numbers::{Fraction, Milliseconds, rounded_down, rounded_up};
use super::old::{OldVersion, Plain, answer, empty, plain_if};
use super::{Devices, Request, v0};
use buttplug_core::message::json::{BadMessage, Element, Whole};
use buttplug_core::message::{DeviceDescription, OutputCmd, ServerInfo};
use buttplug_core::{ButtplugError, DeviceError, DeviceIndex, MessageId};
use serde::{Deserialize, Serialize};

pub(super) struct Edge;

impl OldVersion for Edge {
    const VERSION: u32 = 1;

    fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>> {
        motor_command(element, devices).or_else(|| v0::command(element, devices))
    }

    fn device_messages(device: &DeviceDescription) -> impl Serialize {
        let follows = |command| plain_if(v0::brand_commands(device).any(|name| name == command));
        DeviceMessages {
            vibrate: Count::of(Drive::Vibrate, device),
            rotate: Count::of(Drive::Rotate, device),
            linear: Count::of(Drive::Linear, device),
            single_motor_vibrate: follows(v0::SINGLE_MOTOR_VIBRATE),
            fleshlight_launch: follows(v0::FLESHLIGHT_LAUNCH_FW12),
            vorze_cyclone: follows(v0::VORZE_A10_CYCLONE),
            stop: Plain {},
        }
    }

    fn server_info(id: MessageId, info: &ServerInfo) -> String {
        v0::server_info(id, info)
    }
}

/// The commands that versions 1 to 3 have for motors.
pub(super) fn motor_command(
    element: &Element<'_>,
    devices: &dyn Devices,
) -> Option<Result<Request, BadMessage>> {
    Some(match &*element.name {
        "VibrateCmd" => element.fields().and_then(|cmd: VibrateCmd| answer(element, cmd.up(devices))),
        "RotateCmd" => element.fields().and_then(|cmd: RotateCmd| answer(element, cmd.up(devices))),
        "LinearCmd" => element.fields().and_then(|cmd: LinearCmd| answer(element, cmd.up(devices))),
        _ => return None,
    })
}

#[derive(Serialize)]
struct DeviceMessages {
    #[serde(rename = "VibrateCmd", skip_serializing_if = "Option::is_none")]
    vibrate: Option<Count>,
    #[serde(rename = "RotateCmd", skip_serializing_if = "Option::is_none")]
    rotate: Option<Count>,
    #[serde(rename = "LinearCmd", skip_serializing_if = "Option::is_none")]
    linear: Option<Count>,
    #[serde(rename = "SingleMotorVibrateCmd", skip_serializing_if = "Option::is_none")]
    single_motor_vibrate: Option<Plain>,
    #[serde(rename = "FleshlightLaunchFW12Cmd", skip_serializing_if = "Option::is_none")]
    fleshlight_launch: Option<Plain>,
    #[serde(rename = "VorzeA10CycloneCmd", skip_serializing_if = "Option::is_none")]
    vorze_cyclone: Option<Plain>,
    #[serde(rename = "StopDeviceCmd")]
    stop: Plain,
}

/// How many motors a command addresses.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Count {
    feature_count: usize,
}

impl Count {
    fn of(drive: Drive, device: &DeviceDescription) -> Option<Self> {
        let feature_count = drive.actuators(device).count();
        (feature_count > 0).then_some(Self { feature_count })
    }
}

/// Sets the speeds of vibrators.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VibrateCmd {
    device_index: Whole<u32>,
    speeds: Vec<Speed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Speed {
    index: Whole<u32>,
    speed: Fraction,
}

impl VibrateCmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        if self.speeds.is_empty() {
            return Err(empty("VibrateCmd", "Speeds"));
        }
        for_each(devices, self.device_index, &self.speeds, |device, Speed { index, speed }| {
            let motor = Drive::Vibrate.at(index.0, device, "VibrateCmd")?;
            Ok(motor.set(device.index, rounded_up(*speed, motor.steps)))
        })
    }
}

/// Sets speeds and directions of what turns both ways.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RotateCmd {
    device_index: Whole<u32>,
    rotations: Vec<Rotation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rotation {
    index: Whole<u32>,
    speed: Fraction,
    clockwise: bool,
}

impl RotateCmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        if self.rotations.is_empty() {
            return Err(empty("RotateCmd", "Rotations"));
        }
        for_each(
            devices,
            self.device_index,
            &self.rotations,
            |device, Rotation { index, speed, clockwise }| {
                let motor = Drive::Rotate.at(index.0, device, "RotateCmd")?;
                let steps = rounded_up(*speed, motor.steps);
                Ok(motor.set(device.index, if *clockwise { steps } else { -steps }))
            },
        )
    }
}

/// Sends strokers to positions, each in a time of its own. Without any it does nothing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LinearCmd {
    device_index: Whole<u32>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vector {
    index: Whole<u32>,
    duration: Milliseconds,
    position: Fraction,
}

impl LinearCmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        for_each(devices, self.device_index, &self.vectors, |device, Vector { index, duration, position }| {
            let stroker = Drive::Linear.at(index.0, device, "LinearCmd")?;
            Ok(stroker.reach(device.index, rounded_down(*position, stroker.steps), duration.0))
        })
    }
}

/// The outputs that the parts of a command mean: all of them, or the error of the first that means nothing. In the order
/// of features; of several values for one the last stays.
pub(super) fn for_each<P>(
    devices: &dyn Devices,
    device: Whole<u32>,
    parts: &[P],
    up: impl Fn(&DeviceDescription, &P) -> Result<OutputCmd, DeviceError>,
) -> Result<Request, ButtplugError> {
    let device = devices.get(DeviceIndex(device.0))?;
    let mut outputs = parts.iter().map(|part| up(&device, part)).collect::<Result<Vec<_>, _>>()?;
    outputs.sort_by_key(|output| output.feature);
    Ok(Request::Outputs(device.index, outputs))
}
