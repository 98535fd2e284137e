//! Which of the wanted ports are there. Opens nothing.

use buttplug_protocols::definition::PortRule;
use buttplug_protocols::sighting::{Advertisement, Sighting, UsbIds};
use std::collections::BTreeSet;

/// A serial port as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemPort {
    /// Its name.
    pub name: String,
    /// Of which USB adapter it is, if it is of one.
    pub usb: Option<UsbIds>,
}

/// The ports that the system lists, in the order of their names. May block for long. What can't be listed is left out.
pub fn system_ports() -> Vec<SystemPort> {
    let mut ports = system::ports();
    ports.sort();
    ports
}

/// Of all ports those that a rule wants, in the order of their names. `exists` tells of a name that is not listed
/// whether there is such a port all the same: a link to one, or a terminal that is no hardware.
pub(crate) fn wanted(
    rules: &[PortRule],
    listed: &[SystemPort],
    exists: impl Fn(&str) -> bool,
) -> Vec<Sighting> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for rule in rules {
        match rule {
            PortRule::Named(name) => {
                if listed.iter().any(|port| port.name == *name) || exists(name) {
                    found.insert(name);
                }
            }
            PortRule::Usb(ids) => {
                let fitting =
                    listed.iter().filter(|port| port.usb.as_ref().is_some_and(|usb| ids.contains(usb)));
                found.extend(fitting.map(|port| port.name.as_str()));
            }
        }
    }
    let sighting = |name: &str| {
        let usb = listed.iter().find(|port| port.name == name).and_then(|port| port.usb);
        Sighting::new(name, Advertisement::Serial { port: name.into(), usb })
    };
    found.into_iter().map(sighting).collect()
}

/// Whether a name that is not listed leads to a terminal.
#[cfg(unix)]
pub(crate) fn exists(name: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(name).is_ok_and(|metadata| metadata.file_type().is_char_device())
}

#[cfg(not(unix))]
pub(crate) fn exists(_name: &str) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod system {
    //! The kernel's own files: no library and no daemon is needed.

    use super::SystemPort;
    use buttplug_protocols::sighting::UsbIds;
    use std::fs;
    use std::path::Path;

    const TERMINALS: &str = "/sys/class/tty";

    /// How far above a terminal its adapter stands: interface, port of the driver, adapter.
    const MAX_CLIMB: usize = 6;

    pub(super) fn ports() -> Vec<SystemPort> {
        ports_in(Path::new(TERMINALS))
    }

    /// Every terminal with hardware behind it.
    pub(super) fn ports_in(folder: &Path) -> Vec<SystemPort> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut ports = Vec::new();
        for entry in entries.flatten() {
            let name = format!("/dev/{}", entry.file_name().to_string_lossy());
            if let Ok(hardware) = fs::canonicalize(entry.path().join("device")) {
                ports.push(SystemPort { name, usb: usb_ids(&hardware) });
            }
        }
        ports
    }

    fn usb_ids(hardware: &Path) -> Option<UsbIds> {
        let id = |folder: &Path, file: &str| {
            let text = fs::read_to_string(folder.join(file)).ok()?;
            u16::from_str_radix(text.trim(), 16).ok()
        };
        let ids = |folder: &Path| Some((id(folder, "idVendor")?, id(folder, "idProduct")?));
        hardware.ancestors().take(MAX_CLIMB).find_map(ids)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! As the library knows it.

    use super::SystemPort;
    use serialport::SerialPortType;

    pub(super) fn ports() -> Vec<SystemPort> {
        let listed = serialport::available_ports().unwrap_or_else(|error| {
            tracing::debug!(%error, "serial ports can't be listed");
            Vec::new()
        });
        let port = |port: serialport::SerialPortInfo| {
            let usb = match port.port_type {
                SerialPortType::UsbPort(usb) => Some((usb.vid, usb.pid)),
                SerialPortType::PciPort | SerialPortType::BluetoothPort | SerialPortType::Unknown => None,
            };
            SystemPort { name: port.port_name, usb }
        };
        // macOS lists each port twice; the other one waits for a carrier.
        let second = |port: &SystemPort| cfg!(target_os = "macos") && port.name.starts_with("/dev/tty.");
        listed.into_iter().map(port).filter(|port| !second(port)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, usb: Option<UsbIds>) -> SystemPort {
        SystemPort { name: name.into(), usb }
    }

    fn found(rules: &[PortRule]) -> Vec<(String, Option<UsbIds>)> {
        let listed = [
            port("COM1", None),
            port("COM5", Some((0x1a86, 0x7523))),
            port("COM6", Some((0x1a86, 0x7523))),
            port("COM7", Some((0x0403, 0x6001))),
        ];
        let sightings = wanted(rules, &listed, |name| name == "/dev/pts/7");
        let told = |sighting: Sighting| match sighting.advertisement {
            Advertisement::Serial { port, usb } if port == sighting.address => (port, usb),
            other => panic!("{other:?}"),
        };
        sightings.into_iter().map(told).collect()
    }

    #[test]
    fn nothing_is_seen_that_nobody_wants() {
        assert_eq!(found(&[]), []);
        assert_eq!(found(&[PortRule::Named("default".into()), PortRule::Usb(vec![(1, 2)])]), []);
    }

    #[test]
    fn ports_are_found_by_name_listed_or_not() {
        let rules = ["/dev/pts/7", "COM1", "COM9"].map(|name| PortRule::Named(name.into()));
        assert_eq!(found(&rules), [("/dev/pts/7".into(), None), ("COM1".into(), None)]);
    }

    #[test]
    fn ports_are_found_by_the_ids_of_their_adapter_and_each_only_once() {
        let ch340 = (0x1a86, 0x7523);
        let rules = [PortRule::Usb(vec![(9, 9), ch340]), PortRule::Named("COM6".into())];
        assert_eq!(found(&rules), [("COM5".into(), Some(ch340)), ("COM6".into(), Some(ch340))]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernels_files_tell_ports_with_hardware_and_their_ids() {
        use std::fs;
        use std::os::unix::fs::symlink;
        let root = std::env::temp_dir().join(format!("buttplug-ports-{}", std::process::id()));
        let terminals = root.join("class");
        let adapter = root.join("usb1/1-1");
        for (terminal, hardware) in [
            ("ttyUSB0", Some(adapter.join("1-1:1.0/ttyUSB0"))),
            ("ttyACM0", Some(root.join("usb2/2-1/2-1:1.0"))),
            ("ttyS0", Some(root.join("serial8250/serial0"))),
            ("console", None),
        ] {
            fs::create_dir_all(terminals.join(terminal)).unwrap();
            if let Some(hardware) = hardware {
                fs::create_dir_all(&hardware).unwrap();
                symlink(&hardware, terminals.join(terminal).join("device")).unwrap();
            }
        }
        for (file, text) in [
            (adapter.join("idVendor"), "1a86\n"),
            (adapter.join("idProduct"), "7523\n"),
            // A file that is no id.
            (root.join("usb2/2-1/idVendor"), "what\n"),
            (root.join("usb2/2-1/idProduct"), "0001\n"),
        ] {
            fs::write(file, text).unwrap();
        }
        let mut ports = super::system::ports_in(&terminals);
        ports.sort();
        fs::remove_dir_all(&root).unwrap();
        let expected = [
            port("/dev/ttyACM0", None),
            port("/dev/ttyS0", None),
            port("/dev/ttyUSB0", Some((0x1a86, 0x7523))),
        ];
        assert_eq!(ports, expected);
        assert_eq!(super::system::ports_in(&root), []);
    }
}
