//! Version 0: one speed for all motors, two commands named after brands, and messages for tests of clients.
//!
//! The commands of brands whose meaning is clear move what moves alike. Those that carry bytes for one make of device are
//! refused: bytes are the protocols' affair.

use super::features::{Actuator, Drive};
use super::numbers::{Fraction, UpTo, rounded_up};
use super::old::{OldVersion, answer, frame, refused};
use super::{Devices, Request};
use buttplug_core::message::json::{BadMessage, Element, Whole};
use buttplug_core::message::{DeviceDescription, OutputCmd, ServerInfo};
use buttplug_core::{ButtplugError, DeviceIndex, MessageError, MessageId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) struct Edge;

impl OldVersion for Edge {
    const VERSION: u32 = 0;

    fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>> {
        match &*element.name {
            "RawCmd" => Some(refused(element)),
            _ => command(element, devices),
        }
    }

    fn device_messages(device: &DeviceDescription) -> impl Serialize {
        let mut names: Vec<_> = brand_commands(device).collect();
        names.push("StopDeviceCmd");
        names.sort_unstable();
        names
    }

    fn server_info(id: MessageId, info: &ServerInfo) -> String {
        server_info(id, info)
    }
}

/// The commands that versions 0 and 1 have and later ones don't.
pub(super) fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>> {
    Some(match &*element.name {
        "SingleMotorVibrateCmd" => {
            element.fields().and_then(|cmd: SingleMotorVibrateCmd| answer(element, cmd.up(devices)))
        }
        "FleshlightLaunchFW12Cmd" => {
            element.fields().and_then(|cmd: FleshlightLaunchFw12Cmd| answer(element, cmd.up(devices)))
        }
        "VorzeA10CycloneCmd" => {
            element.fields().and_then(|cmd: VorzeA10CycloneCmd| answer(element, cmd.up(devices)))
        }
        "KiirooCmd" | "LovenseCmd" => refused(element),
        "Test" => element.fields().and_then(|test: Test<'_>| answer(element, test.up(element.id))),
        "RequestLog" => request_log(element),
        _ => return None,
    })
}

/// Those of the commands above that the device follows.
pub(super) fn brand_commands(device: &DeviceDescription) -> impl Iterator<Item = &'static str> {
    let commands = [
        (Drive::Vibrate, SINGLE_MOTOR_VIBRATE),
        (Drive::Linear, FLESHLIGHT_LAUNCH_FW12),
        (Drive::Rotate, VORZE_A10_CYCLONE),
    ];
    commands
        .into_iter()
        .filter(|(drive, _)| drive.actuators(device).next().is_some())
        .map(|(_, command)| command)
}

pub(super) const SINGLE_MOTOR_VIBRATE: &str = "SingleMotorVibrateCmd";
pub(super) const FLESHLIGHT_LAUNCH_FW12: &str = "FleshlightLaunchFW12Cmd";
pub(super) const VORZE_A10_CYCLONE: &str = "VorzeA10CycloneCmd";

/// Up to version 1 the server's build is told as well, which is nobody's affair.
pub(super) fn server_info(id: MessageId, info: &ServerInfo) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct ServerInfoOut<'a> {
        id: u32,
        server_name: &'a str,
        major_version: u32,
        minor_version: u32,
        build_version: u32,
        message_version: u32,
        max_ping_time: u32,
    }
    let info = ServerInfoOut {
        id: id.0,
        server_name: &info.name,
        major_version: 0,
        minor_version: 0,
        build_version: 0,
        message_version: info.major,
        max_ping_time: info.max_ping_ms,
    };
    frame("ServerInfo", &info)
}

/// Asks for the server's log, which stays where it is: it tells of other clients. Versions 0 to 2 have it.
pub(super) fn request_log(element: &Element<'_>) -> Result<Request, BadMessage> {
    #[derive(Deserialize)]
    enum LogLevel {
        Off,
        Fatal,
        Error,
        Warn,
        Info,
        Debug,
        Trace,
    }
    #[derive(Deserialize)]
    struct RequestLog {
        #[serde(rename = "LogLevel")]
        _level: LogLevel,
    }
    element.fields().map(|_: RequestLog| Request::Nothing)
}

/// Vibrates with all motors.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SingleMotorVibrateCmd {
    device_index: Whole<u32>,
    speed: Fraction,
}

impl SingleMotorVibrateCmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let motors = Drive::Vibrate.every(&device, SINGLE_MOTOR_VIBRATE)?;
        let set = |motor: &Actuator<'_>| motor.set(device.index, rounded_up(self.speed, motor.steps));
        Ok(Request::Outputs(device.index, motors.iter().map(set).collect()))
    }
}

/// Turns, 0 to 100 of full speed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VorzeA10CycloneCmd {
    device_index: Whole<u32>,
    speed: UpTo<100>,
    clockwise: bool,
}

impl VorzeA10CycloneCmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let speed = Fraction(f64::from(self.speed.0) / 100.0);
        let turn = |motor: &Actuator<'_>| {
            let steps = rounded_up(speed, motor.steps);
            motor.set(device.index, if self.clockwise { steps } else { -steps })
        };
        let motors = Drive::Rotate.every(&device, VORZE_A10_CYCLONE)?;
        Ok(Request::Outputs(device.index, motors.iter().map(turn).collect()))
    }
}

/// Goes to a position, 0 to 99 of the way, at a speed, 0 to 99 of the fastest.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FleshlightLaunchFw12Cmd {
    device_index: Whole<u32>,
    position: UpTo<99>,
    speed: UpTo<99>,
}

impl FleshlightLaunchFw12Cmd {
    fn up(&self, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let strokers = Drive::Linear.every(&device, FLESHLIGHT_LAUNCH_FW12)?;
        let reach = |stroker: &Actuator<'_>| -> OutputCmd {
            let target = i64::from(self.position.0) * i64::from(stroker.steps) / 99;
            let target = i32::try_from(target).unwrap_or(stroker.steps);
            // Where it is unknown, the way may be the whole one. Sent there again, it shall not hurry either.
            let way = match devices.way(device.index, stroker.feature.index, target) {
                None | Some(0) => 1.0,
                Some(steps) => (f64::from(steps) / f64::from(stroker.steps)).min(1.0),
            };
            stroker.reach(device.index, target, launch_duration_ms(way, self.speed.0))
        };
        Ok(Request::Outputs(device.index, strokers.iter().map(reach).collect()))
    }
}

/// How long a Launch takes for this part of its way at this speed: the inverse of the curve that turns distance and time
/// into a speed for it. Speed 0 counts as the slowest, never as "at once".
fn launch_duration_ms(way: f64, speed: u8) -> u32 {
    let speed = f64::from(speed.max(1)) / 99.0;
    let whole_way_ms = (speed / 250.0).powf(-1.0 / 1.05) * 100.0 / 90.0;
    (whole_way_ms * way) as u32
}

/// A client that tests its connection.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Test<'a> {
    #[serde(borrow)]
    test_string: Cow<'a, str>,
}

impl Test<'_> {
    fn up(&self, id: MessageId) -> Result<Request, ButtplugError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct TestOut<'a> {
            id: u32,
            test_string: &'a str,
        }
        if self.test_string == "Error" {
            return Err(MessageError::AskedFor.into());
        }
        Ok(Request::Answer(frame("Test", &TestOut { id: id.0, test_string: &self.test_string })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_gets_the_speed_back_that_was_asked_for() {
        // The way back, as the protocol of the Launch computes it.
        let speed = |way: f64, ms: u32| 250.0 * ((f64::from(ms) * 90.0) / (way * 100.0)).powf(-1.05) * 99.0;
        for asked in 1..=99 {
            for way in [0.25, 0.5, 1.0] {
                // Whole milliseconds: the speed asked for lies between those of this one and the next.
                let ms = launch_duration_ms(way, asked);
                let (faster, slower) = (speed(way, ms), speed(way, ms + 1));
                let asked = f64::from(asked);
                assert!(
                    faster >= asked && asked >= slower,
                    "{asked} over {way}: {ms} ms, {faster} to {slower}"
                );
            }
        }
    }

    #[test]
    fn the_slowest_launch_still_takes_its_time() {
        assert_eq!(launch_duration_ms(1.0, 0), launch_duration_ms(1.0, 1));
        assert!(launch_duration_ms(1.0, 0) > 10_000);
        assert_eq!(launch_duration_ms(0.0, 50), 0);
    }
}
