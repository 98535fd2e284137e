//! Windows: XInput for Xbox pads and what poses as one, in the four places that it has; and HID for those it does not know.

use super::hid::HidPads;
use super::reports::Family;
use crate::motors::{Motors, Rumble};
use crate::pad::{Pad, PadError, PadInfo, Pads};
use rusty_xinput::{BatteryLevel, BatteryType, XInputHandle, XInputUsageError};
use std::sync::OnceLock;
use std::time::Duration;

/// The places that XInput has.
const PLACES: u32 = 4;

/// Both ways to pads.
pub(super) struct XInputAndHid {
    xinput: OnceLock<Option<XInputHandle>>,
    hid: HidPads,
}

impl Default for XInputAndHid {
    fn default() -> Self {
        Self { xinput: OnceLock::new(), hid: HidPads::without(Family::Xbox) }
    }
}

fn address(place: u32) -> String {
    format!("xinput-{}", place + 1)
}

impl XInputAndHid {
    /// `None`: this Windows has none.
    fn xinput(&self) -> Option<&XInputHandle> {
        self.xinput.get_or_init(|| XInputHandle::load_default().ok()).as_ref()
    }
}

impl Pads for XInputAndHid {
    fn list(&self) -> Result<Vec<PadInfo>, PadError> {
        let there = |place: &u32| self.xinput().is_some_and(|xinput| xinput.get_state(*place).is_ok());
        let pad = |place| PadInfo::new(address(place), &format!("Xbox Gamepad {}", place + 1));
        let mut pads: Vec<PadInfo> = (0..PLACES).filter(there).map(pad).collect();
        match self.hid.list() {
            Ok(others) => pads.extend(others),
            Err(error) if pads.is_empty() => return Err(error),
            Err(error) => tracing::debug!(%error, "gamepads beside XInput"),
        }
        Ok(pads)
    }

    fn open(&self, wanted: &str) -> Result<Box<dyn Pad>, PadError> {
        let Some(place) = (0..PLACES).find(|place| address(*place) == wanted) else {
            return self.hid.open(wanted);
        };
        let gone = || PadError::Lost(String::from("it is not there any more"));
        let xinput = self.xinput().ok_or_else(gone)?.clone();
        Ok(Box::new(XInputPad { xinput, place }))
    }
}

/// A pad that is open.
struct XInputPad {
    xinput: XInputHandle,
    place: u32,
}

impl Pad for XInputPad {
    fn motors(&self) -> Motors {
        Motors::Main
    }

    fn rumble(&mut self, rumble: Rumble, _time: Duration) -> Result<(), PadError> {
        let set = self.xinput.set_state(self.place, rumble.low, rumble.high);
        set.map_err(|error| PadError::Lost(format!("{error:?}")))
    }

    fn battery(&mut self) -> Result<Option<u8>, PadError> {
        let battery = self.xinput.get_gamepad_battery_information(self.place);
        let battery = battery.map_err(|_| PadError::NoBattery)?;
        match (battery.battery_type, battery.battery_level) {
            (BatteryType::ALKALINE | BatteryType::NIMH, BatteryLevel::EMPTY) => Ok(Some(0)),
            (BatteryType::ALKALINE | BatteryType::NIMH, BatteryLevel::LOW) => Ok(Some(33)),
            (BatteryType::ALKALINE | BatteryType::NIMH, BatteryLevel::MEDIUM) => Ok(Some(66)),
            (BatteryType::ALKALINE | BatteryType::NIMH, BatteryLevel::FULL) => Ok(Some(100)),
            _ => Err(PadError::NoBattery),
        }
    }

    fn is_connected(&mut self) -> bool {
        !matches!(self.xinput.get_state(self.place), Err(XInputUsageError::DeviceNotConnected))
    }
}
