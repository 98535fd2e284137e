//! Linux: the kernel's input devices. What they are is read from `/sys`, which needs no rights and opens nothing; a pad is
//! opened as `/dev/input/event*`. The kernel's drivers know the pads, and set them to rest when a program is gone.

use crate::motors::{Motors, Rumble};
use crate::pad::{Pad, PadError, PadInfo, Pads};
use evdev::{Device, FFEffect, FFEffectData, FFEffectKind, FFReplay, FFTrigger};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The bit of devices that rumble among their force feedback effects.
const FF_RUMBLE: usize = 0x50;

/// The buttons of joysticks and gamepads among all keys.
const PAD_BUTTONS: std::ops::Range<usize> = 0x120..0x140;

/// Input devices that rumble.
pub(super) struct InputDevices {
    /// What the kernel says of its devices.
    about: PathBuf,
    /// Where they are opened.
    devices: PathBuf,
}

impl Default for InputDevices {
    fn default() -> Self {
        Self { about: PathBuf::from("/sys/class/input"), devices: PathBuf::from("/dev/input") }
    }
}

impl InputDevices {
    /// The pads with the names of their event devices, by their addresses.
    fn find(&self) -> Result<BTreeMap<String, (String, String)>, PadError> {
        let entries = match fs::read_dir(&self.about) {
            Ok(entries) => entries,
            // A machine without any input device has no such folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => {
                return Err(PadError::List(format!("{} can't be read: {error}", self.about.display())));
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut events: Vec<String> = names.filter(|name| name.starts_with("event")).collect();
        events.sort_by_key(|name| (name.len(), name.clone()));
        let mut found = BTreeMap::new();
        for event in events {
            let about = self.about.join(&event).join("device");
            if !is_pad(&about) {
                continue;
            }
            let name = read(&about.join("name"));
            // A radio address or serial number is the pad's own, a place at least its port's. Two that say the same are
            // told apart by their event devices.
            let own = [read(&about.join("uniq")), read(&about.join("phys"))];
            let own = own.into_iter().find(|own| !own.is_empty());
            let address = own.filter(|own| !found.contains_key(own)).unwrap_or_else(|| event.clone());
            found.insert(address, (event, name));
        }
        Ok(found)
    }
}

impl Pads for InputDevices {
    fn list(&self) -> Result<Vec<PadInfo>, PadError> {
        let found = self.find()?;
        Ok(found.into_iter().map(|(address, (_, name))| PadInfo::new(address, &name)).collect())
    }

    fn open(&self, address: &str) -> Result<Box<dyn Pad>, PadError> {
        let mut found = self.find()?;
        let gone = || PadError::Lost(String::from("it is not there any more"));
        let (event, _) = found.remove(address).ok_or_else(gone)?;
        let path = self.devices.join(&event);
        let device = Device::open(&path).map_err(|error| cannot_open(&path, &error))?;
        let about = self.about.join(&event).join("device");
        Ok(Box::new(InputDevice { device, effect: None, about }))
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> PadError {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give this user the right to it, for example with a udev rule for gamepads or the group input"
        }
        _ => "",
    };
    PadError::Open { place: path.display().to_string(), reason: error.to_string(), hint }
}

/// What a file of `/sys` says; nothing if it can't be read.
fn read(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn is_pad(about: &Path) -> bool {
    let rumbles = has_bits(&read(&about.join("capabilities/ff")), FF_RUMBLE..FF_RUMBLE + 1);
    rumbles && has_bits(&read(&about.join("capabilities/key")), PAD_BUTTONS)
}

/// Whether one of these bits is set in words of hex, the highest first.
fn has_bits(words: &str, mut bits: std::ops::Range<usize>) -> bool {
    let width = usize::BITS as usize;
    let words: Vec<usize> =
        words.split_whitespace().rev().map(|word| usize::from_str_radix(word, 16).unwrap_or(0)).collect();
    bits.any(|bit| words.get(bit / width).is_some_and(|word| word >> (bit % width) & 1 == 1))
}

/// A pad that is open.
struct InputDevice {
    device: Device,
    /// There after the first rumble. The kernel keeps a number of effects; one is enough.
    effect: Option<FFEffect>,
    about: PathBuf,
}

impl Pad for InputDevice {
    fn motors(&self) -> Motors {
        // The kernel knows no others.
        Motors::Main
    }

    fn rumble(&mut self, rumble: Rumble, time: Duration) -> Result<(), PadError> {
        let lost = |error: io::Error| PadError::Lost(error.to_string());
        if rumble == Rumble::REST {
            return match &mut self.effect {
                Some(effect) => effect.stop().map_err(lost),
                None => Ok(()),
            };
        }
        let data = FFEffectData {
            direction: 0,
            trigger: FFTrigger::default(),
            replay: FFReplay { length: u16::try_from(time.as_millis()).unwrap_or(u16::MAX), delay: 0 },
            kind: FFEffectKind::Rumble { strong_magnitude: rumble.low, weak_magnitude: rumble.high },
        };
        let effect = match &mut self.effect {
            Some(effect) => {
                effect.update(data).map_err(lost)?;
                effect
            }
            none => none.insert(self.device.upload_ff_effect(data).map_err(lost)?),
        };
        effect.play(1).map_err(lost)
    }

    fn battery(&mut self) -> Result<Option<u8>, PadError> {
        let supplies = fs::read_dir(self.about.join("device/power_supply"));
        let mut supplies = supplies.map_err(|_| PadError::NoBattery)?.filter_map(Result::ok);
        let level = supplies.find_map(|supply| read(&supply.path().join("capacity")).parse::<u8>().ok());
        level.map(|level| Some(level.min(100))).ok_or(PadError::NoBattery)
    }

    fn is_connected(&mut self) -> bool {
        // Any question will do: the kernel answers none about a device that is gone.
        self.device.get_key_state().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as `/sys/class/input`, gone with the test.
    struct Sys(PathBuf);

    impl Sys {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("buttplug-gamepads-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn add(&self, event: &str, files: &[(&str, &str)]) {
            for (file, text) in files {
                let path = self.0.join(event).join("device").join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, format!("{text}\n")).unwrap();
            }
        }

        fn pads(&self) -> InputDevices {
            InputDevices { about: self.0.clone(), devices: self.0.clone() }
        }

        fn listed(&self) -> Vec<(String, String)> {
            let listed = self.pads().list().unwrap();
            listed.into_iter().map(|pad| (pad.address, pad.name)).collect()
        }
    }

    impl Drop for Sys {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn bits(set: &[usize]) -> String {
        let width = usize::BITS as usize;
        let words = (0..=0x2ff / width).rev();
        let of = |word: usize| {
            set.iter().filter(|bit| *bit / width == word).fold(0, |w, bit| w | 1usize << (bit % width))
        };
        let words: Vec<String> =
            words.map(|word| format!("{:x}", of(word))).skip_while(|word| word == "0").collect();
        words.join(" ")
    }

    #[test]
    fn input_devices_with_pad_buttons_that_rumble_are_pads() {
        let sys = Sys::new("kinds");
        let add = |event: &str, name: &str, uniq: &str, keys: &[usize], effects: &[usize]| {
            let (keys, effects) = (bits(keys), bits(effects));
            let capabilities = [("capabilities/key", &*keys), ("capabilities/ff", &*effects)];
            sys.add(event, &[("name", name), ("uniq", uniq), ("phys", "usb-1/input0")]);
            sys.add(event, &capabilities);
        };
        let (pad, rumble): (&[usize], &[usize]) = (&[0x130, 0x131], &[0x50, 0x51, 0x60]);
        add("event0", "Keyboard", "", &[1, 30, 200], &[]);
        add("event1", "Wireless Controller", "d4:2f:4b:00:00:01", pad, rumble);
        add("event2", "Wireless Controller Motion", "d4:2f:4b:00:00:01", &[], &[]);
        add("event3", "Wheel", "", pad, &[0x52]);
        add("event4", "Phone", "", &[116], rumble);
        add("event10", "Old Pad", "", &[0x120], rumble);
        add("event9", "Other Pad", "", pad, rumble);
        add("js0", "Wireless Controller", "", pad, rumble);
        let pair = |address: &str, name: &str| (String::from(address), String::from(name));
        assert_eq!(
            sys.listed(),
            [
                pair("d4:2f:4b:00:00:01", "Wireless Controller"),
                pair("event10", "Old Pad"),
                pair("usb-1/input0", "Other Pad"),
            ]
        );
    }

    #[test]
    fn a_machine_without_input_devices_has_no_pads() {
        let missing = InputDevices { about: PathBuf::from("/no/such/folder"), devices: PathBuf::new() };
        assert_eq!(missing.list(), Ok(Vec::new()));
        assert!(matches!(missing.open("usb-1/input0"), Err(PadError::Lost(_))));
    }

    #[test]
    fn a_pad_that_can_not_be_opened_is_named_with_what_to_do() {
        let sys = Sys::new("open");
        sys.add(
            "event7",
            &[("uniq", "aa"), ("capabilities/key", &bits(&[0x130])), ("capabilities/ff", &bits(&[0x50]))],
        );
        assert_eq!(sys.listed(), [(String::from("aa"), String::from("Gamepad aa"))]);
        let error = sys.pads().open("aa").err().unwrap().to_string();
        assert!(error.contains("event7"), "{error}");
        let forbidden =
            cannot_open(Path::new("/dev/input/event7"), &io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(forbidden.to_string().contains("udev"), "{forbidden}");
    }
}
