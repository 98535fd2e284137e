//! Version 2: step counts in the list, and readings of battery and signal strength. The brands' commands are gone.

use super::features::{Drive, first_readable, readable};
use super::old::{OldVersion, Plain, answer, frame, plain_if, refused};
use super::{Devices, ReadingForm, Request, v0, v1};
use buttplug_core::message::json::{BadMessage, Element, Whole};
use buttplug_core::message::{DeviceDescription, InputCmd, ServerInfo};
use buttplug_core::{ButtplugError, DeviceIndex, InputAction, InputKind, MessageId, RssiSpelling};
use serde::{Deserialize, Serialize};

pub(super) struct Edge;

impl OldVersion for Edge {
    const VERSION: u32 = 2;

    fn command(element: &Element<'_>, devices: &dyn Devices) -> Option<Result<Request, BadMessage>> {
        v1::motor_command(element, devices).or_else(|| raw_command(element)).or_else(|| {
            let level =
                |form| element.fields().and_then(|cmd: LevelCmd| answer(element, cmd.up(form, devices)));
            Some(match &*element.name {
                "BatteryLevelCmd" => level(ReadingForm::BatteryLevel),
                "RSSILevelCmd" => level(ReadingForm::RssiLevel),
                "RequestLog" => v0::request_log(element),
                _ => return None,
            })
        })
    }

    fn device_messages(device: &DeviceDescription) -> impl Serialize {
        DeviceMessages {
            vibrate: Steps::of(Drive::Vibrate, device),
            rotate: Steps::of(Drive::Rotate, device),
            linear: Steps::of(Drive::Linear, device),
            battery_level: plain_if(readable(device, InputKind::Battery).next().is_some()),
            rssi_level: plain_if(readable(device, InputKind::Rssi).next().is_some()),
            stop: Plain {},
        }
    }

    fn server_info(id: MessageId, info: &ServerInfo) -> String {
        server_info(id, info)
    }
}

/// Bytes for the device, past its protocol: refused. Versions 2 and 3 have them.
pub(super) fn raw_command(element: &Element<'_>) -> Option<Result<Request, BadMessage>> {
    matches!(&*element.name, "RawWriteCmd" | "RawReadCmd" | "RawSubscribeCmd" | "RawUnsubscribeCmd")
        .then(|| refused(element))
}

/// The reply to the handshake in versions 2 and 3.
pub(super) fn server_info(id: MessageId, info: &ServerInfo) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct ServerInfoOut<'a> {
        id: u32,
        server_name: &'a str,
        message_version: u32,
        max_ping_time: u32,
    }
    let info = ServerInfoOut {
        id: id.0,
        server_name: &info.name,
        message_version: info.major,
        max_ping_time: info.max_ping_ms,
    };
    frame("ServerInfo", &info)
}

#[derive(Serialize)]
struct DeviceMessages {
    #[serde(rename = "VibrateCmd", skip_serializing_if = "Option::is_none")]
    vibrate: Option<Steps>,
    #[serde(rename = "RotateCmd", skip_serializing_if = "Option::is_none")]
    rotate: Option<Steps>,
    #[serde(rename = "LinearCmd", skip_serializing_if = "Option::is_none")]
    linear: Option<Steps>,
    #[serde(rename = "BatteryLevelCmd", skip_serializing_if = "Option::is_none")]
    battery_level: Option<Plain>,
    #[serde(rename = "RSSILevelCmd", skip_serializing_if = "Option::is_none")]
    rssi_level: Option<Plain>,
    #[serde(rename = "StopDeviceCmd")]
    stop: Plain,
}

/// How many motors a command addresses, and how many steps each has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Steps {
    feature_count: usize,
    step_count: Vec<i32>,
}

impl Steps {
    fn of(drive: Drive, device: &DeviceDescription) -> Option<Self> {
        let step_count: Vec<_> = drive.actuators(device).map(|actuator| actuator.steps).collect();
        (!step_count.is_empty()).then_some(Self { feature_count: step_count.len(), step_count })
    }
}

/// Reads the battery or the strength of the signal.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LevelCmd {
    device_index: Whole<u32>,
}

impl LevelCmd {
    fn up(&self, form: ReadingForm, devices: &dyn Devices) -> Result<Request, ButtplugError> {
        let (kind, command) = match form {
            ReadingForm::RssiLevel => (InputKind::Rssi, "RSSILevelCmd"),
            _ => (InputKind::Battery, "BatteryLevelCmd"),
        };
        let device = devices.get(DeviceIndex(self.device_index.0))?;
        let feature = first_readable(&device, kind, command)?;
        let (action, spelling) = (InputAction::Read, RssiSpelling::default());
        Ok(Request::Read(InputCmd { device: device.index, feature, kind, spelling, action }, form))
    }
}

/// The battery as a fraction.
pub(super) fn battery_level_reading(id: MessageId, device: DeviceIndex, percent: i32) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct BatteryLevelReading {
        id: u32,
        device_index: u32,
        battery_level: f64,
    }
    let battery_level = f64::from(percent.clamp(0, 100)) / 100.0;
    frame("BatteryLevelReading", &BatteryLevelReading { id: id.0, device_index: device.0, battery_level })
}

/// The strength of the signal in dBm.
pub(super) fn rssi_level_reading(id: MessageId, device: DeviceIndex, dbm: i32) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct RssiLevelReading {
        id: u32,
        device_index: u32,
        #[serde(rename = "RSSILevel")]
        rssi_level: i32,
    }
    frame("RSSILevelReading", &RssiLevelReading { id: id.0, device_index: device.0, rssi_level: dbm })
}
