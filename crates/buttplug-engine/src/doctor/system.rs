//! Looks at the machine, opens nothing: whoever opens a serial port may reset what is behind it.

use super::gamepads::Gamepad;
use super::{hid, serial};
use buttplug_hardware_serial::system_ports;
use buttplug_protocols::definition::PortRule;
use std::path::Path;

/// The ports of this machine, and those of other names that a rule wants.
pub(super) fn serial_ports(rules: &[PortRule]) -> Vec<serial::Port> {
    let mut ports: Vec<serial::Port> = system_ports()
        .into_iter()
        .map(|port| serial::Port {
            usable: may_use(Path::new(&port.name)),
            group: group(Path::new(&port.name)),
            name: port.name,
            usb: port.usb,
        })
        .collect();
    for rule in rules {
        let PortRule::Named(name) = rule else { continue };
        let path = Path::new(name);
        if path.exists() && ports.iter().all(|port| port.name != *name) {
            let (usable, group) = (may_use(path), group(path));
            ports.push(serial::Port { name: name.clone(), usb: None, usable, group });
        }
    }
    ports
}

#[cfg(unix)]
fn may_use(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// Other systems tell when it is opened.
#[cfg(not(unix))]
fn may_use(_path: &Path) -> bool {
    true
}

/// The group of a file, by name, if it has a say.
#[cfg(unix)]
fn group(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let id = std::fs::metadata(path).ok()?.gid();
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let group = groups.lines().find(|line| line.split(':').nth(2) == Some(&id.to_string()))?;
    let name = group.split(':').next()?;
    // Nobody becomes a member of that one to use a port.
    (name != "root").then(|| name.to_owned())
}

#[cfg(not(unix))]
fn group(_path: &Path) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
pub(super) use linux::{gamepads, hid_devices};

#[cfg(target_os = "linux")]
mod linux {
    use super::{Gamepad, hid, may_use};
    use crate::doctor::gamepads::in_list;
    use std::fs;
    use std::path::Path;

    /// Where udev looks for rules.
    const RULES: [&str; 4] =
        ["/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d"];

    /// Bytes of one file of rules that are read. The longest known one has a tenth of it.
    const MAX_RULES_BYTES: u64 = 1024 * 1024;

    pub(in crate::doctor) fn hid_devices() -> hid::Facts {
        let mut devices = Vec::new();
        for entry in fs::read_dir("/sys/class/hidraw").into_iter().flatten().flatten() {
            let told = fs::read_to_string(entry.path().join("device/uevent")).unwrap_or_default();
            let ids = told.lines().find_map(|line| ids(line.strip_prefix("HID_ID=")?));
            if let Some(ids) = ids {
                let path = format!("/dev/{}", entry.file_name().to_string_lossy());
                let usable = may_use(Path::new(&path));
                devices.push(hid::Device { path, ids, usable });
            }
        }
        devices.sort_by(|a, b| a.path.cmp(&b.path));
        hid::Facts { devices, rules: Some(rules()) }
    }

    /// `0003:00001F54:00000001`: bus, maker, product.
    fn ids(text: &str) -> Option<(u16, u16)> {
        let mut numbers = text.split(':').skip(1).map(|number| u32::from_str_radix(number, 16).ok());
        let (vendor, product) = (numbers.next()??, numbers.next()??);
        Some((u16::try_from(vendor).ok()?, u16::try_from(product).ok()?))
    }

    fn rules() -> String {
        let mut text = String::new();
        for folder in RULES {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let is_short = fs::metadata(&path).is_ok_and(|file| file.len() <= MAX_RULES_BYTES);
                if is_short && path.extension().is_some_and(|extension| extension == "rules") {
                    text += &fs::read_to_string(&path).unwrap_or_default();
                    text.push('\n');
                }
            }
        }
        text
    }

    pub(in crate::doctor) fn gamepads() -> Vec<Gamepad> {
        let list = fs::read_to_string("/proc/bus/input/devices").unwrap_or_default();
        let found = in_list(&list).into_iter();
        found.map(|(name, path)| Gamepad { usable: may_use(Path::new(&path)), name, path }).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::ids;

        #[test]
        fn the_kernel_tells_makes_in_its_own_form() {
            assert_eq!(ids("0003:00001F54:00000001"), Some((0x1f54, 1)));
            for bad in ["", "0003", "0003:x:1", "0003:00011F54:00000001"] {
                assert_eq!(ids(bad), None, "{bad}");
            }
        }
    }
}

/// Other systems let everybody at these devices.
#[cfg(not(target_os = "linux"))]
pub(super) fn hid_devices() -> hid::Facts {
    hid::Facts::default()
}

/// Other systems let everybody at these devices.
#[cfg(not(target_os = "linux"))]
pub(super) fn gamepads() -> Vec<Gamepad> {
    Vec::new()
}
