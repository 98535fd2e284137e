//! Pads that are written to themselves, as HID devices: the only way on macOS without its frameworks, and on Windows the way
//! to pads that XInput does not know.

use super::reports::{Family, Link};
use crate::motors::{Motors, Rumble};
use crate::pad::{Pad, PadError, PadInfo, Pads};
use hidapi::{BusType, DeviceInfo, HidApi, HidDevice};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The usage page and usage of gamepads among the things that a HID device may be.
const GAMEPAD: (u16, u16) = (0x01, 0x05);

/// The longest report that pads send, and a byte for its number.
const REPORT_BYTES: usize = 128;

/// How long a report is waited for that may tell of the battery. Pads send hundreds a second.
const REPORT_TIME: Duration = Duration::from_millis(50);

/// The pads that are known by their makers' reports.
#[derive(Default)]
pub(super) struct HidPads {
    api: Mutex<Option<HidApi>>,
    /// Pads that are reached in another way.
    left_out: Option<Family>,
}

fn address(info: &DeviceInfo) -> String {
    match info.serial_number().map(str::trim) {
        Some(number) if !number.is_empty() => number.into(),
        _ => info.path().to_string_lossy().into_owned(),
    }
}

impl HidPads {
    /// All but a family that is reached in another way.
    #[cfg(any(windows, test))]
    pub(super) fn without(family: Family) -> Self {
        Self { left_out: Some(family), ..Self::default() }
    }

    fn family(&self, info: &DeviceInfo) -> Option<Family> {
        let usage = (info.usage_page(), info.usage());
        // Not every system tells what it is.
        let fits = usage == GAMEPAD || usage == (0, 0);
        let family = Family::of(info.vendor_id(), info.product_id());
        family.filter(|family| fits && self.left_out != Some(*family))
    }

    fn with_api<T>(&self, look: impl FnOnce(&HidApi) -> Result<T, PadError>) -> Result<T, PadError> {
        let list = |error: hidapi::HidError| PadError::List(error.to_string());
        let mut api = self.api.lock().unwrap_or_else(PoisonError::into_inner);
        let api = match &mut *api {
            Some(api) => {
                api.refresh_devices().map_err(list)?;
                api
            }
            none => none.insert(HidApi::new().map_err(list)?),
        };
        look(api)
    }
}

impl Pads for HidPads {
    fn list(&self) -> Result<Vec<PadInfo>, PadError> {
        self.with_api(|api| {
            let pads = api.device_list().filter(|info| self.family(info).is_some());
            let pad = |info: &DeviceInfo| PadInfo::new(address(info), info.product_string().unwrap_or(""));
            let mut pads: Vec<PadInfo> = pads.map(pad).collect();
            pads.sort();
            pads.dedup_by(|a, b| a.address == b.address);
            Ok(pads)
        })
    }

    fn open(&self, wanted: &str) -> Result<Box<dyn Pad>, PadError> {
        self.with_api(|api| {
            let mut pads = api.device_list().filter_map(|info| Some((info, self.family(info)?)));
            let found = pads.find(|(info, _)| address(info) == wanted);
            let gone = || PadError::Lost(String::from("it is not there any more"));
            let (info, family) = found.ok_or_else(gone)?;
            let device = info.open_device(api).map_err(|error| PadError::Open {
                place: info.path().to_string_lossy().into_owned(),
                reason: error.to_string(),
                hint: "",
            })?;
            let link = match info.bus_type() {
                BusType::Bluetooth => Link::Bluetooth,
                _ => Link::Usb,
            };
            Ok(Box::new(HidPad { device, family, link, count: 0 }) as Box<dyn Pad>)
        })
    }
}

/// A pad that is open.
struct HidPad {
    device: HidDevice,
    family: Family,
    link: Link,
    count: u8,
}

impl Pad for HidPad {
    fn motors(&self) -> Motors {
        self.family.motors()
    }

    fn rumble(&mut self, rumble: Rumble, _time: Duration) -> Result<(), PadError> {
        let report = self.family.report(self.link, rumble, self.count);
        self.count = self.count.wrapping_add(1);
        self.device.write(&report).map(|_| ()).map_err(|error| PadError::Lost(error.to_string()))
    }

    fn battery(&mut self) -> Result<Option<u8>, PadError> {
        let wait = i32::try_from(REPORT_TIME.as_millis()).unwrap_or(i32::MAX);
        let mut report = [0; REPORT_BYTES];
        let read = self.device.read_timeout(&mut report, wait);
        let count = read.map_err(|error| PadError::Lost(error.to_string()))?;
        Ok(self.family.battery(report.get(..count).unwrap_or(&report)))
    }

    fn is_connected(&mut self) -> bool {
        // A pad that is gone fails a read; one with nothing to say does not.
        self.device.read_timeout(&mut [0; REPORT_BYTES], 0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_such_pads_lists_none_and_opens_none() {
        // Where the machine of this test has no HID devices at all, that is no list but an error, and as good.
        let pads = HidPads::without(Family::Xbox);
        let listed = pads.list().unwrap_or_default();
        assert!(listed.iter().all(|pad| pad.address != "no such pad"));
        assert!(pads.open("no such pad").is_err());
    }
}
