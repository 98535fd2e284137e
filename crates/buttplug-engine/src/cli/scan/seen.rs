//! What was seen and what came of it, as a table for people and as JSON for programs. Pure.

use crate::definitions::counted;
use buttplug_hardware_serial::SystemPort;
use buttplug_protocols::definition::PortRule;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::sightings::{Outcome, Sighted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Hardware that is listed. A crowded hall has some hundred pieces on the air; the rest is counted.
pub(super) const MAX_LISTED: usize = 1000;

/// All hardware, in the order of the lines.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hardware: BTreeMap<(BusKind, String), Hardware>,
    /// How often something came that found no room.
    left_out: u64,
    /// Why a bus could find nothing.
    troubles: Vec<String>,
}

#[derive(Debug)]
struct Hardware {
    name: String,
    /// How well it was heard last, in dBm, if its bus tells.
    signal_dbm: Option<i16>,
    /// What it looks like: ids of protocols.
    protocols: Vec<String>,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Outcome(Outcome),
    /// A port that no rule is about.
    UnnamedPort,
}

impl Seen {
    /// Takes what a server tells.
    pub(super) fn note(&mut self, Sighted { sighting, outcome }: Sighted) {
        let place = (sighting.bus(), sighting.address.clone());
        if self.hardware.len() >= MAX_LISTED && !self.hardware.contains_key(&place) {
            self.left_out += 1;
            return;
        }
        let hardware = self.hardware.entry(place).or_insert_with(|| Hardware {
            name: String::new(),
            signal_dbm: None,
            protocols: Vec::new(),
            found: Found::Outcome(Outcome::Unknown),
        });
        hardware.signal_dbm = sighting.signal_dbm.or(hardware.signal_dbm);
        if !sighting.name().is_empty() {
            hardware.name = sighting.name().to_owned();
        }
        if let Outcome::Matched(protocols) = &outcome {
            hardware.protocols.clone_from(protocols);
        }
        // What it once was it is, whatever came of it afterwards; and a second try shows no less than the first.
        let told = |found: &Found| match found {
            Found::Outcome(Outcome::Connected { .. }) => 3,
            Found::Outcome(Outcome::Failed(_) | Outcome::Refused(_)) => 2,
            Found::Outcome(Outcome::Matched(_)) => 1,
            Found::Outcome(Outcome::Unknown) | Found::UnnamedPort => 0,
        };
        let found = Found::Outcome(outcome);
        if told(&found) >= told(&hardware.found) {
            hardware.found = found;
        }
    }

    /// Why a bus could find nothing.
    pub(super) fn trouble(&mut self, trouble: String) {
        self.troubles.push(trouble);
    }

    /// Adds the ports of the system that no rule is about: whoever misses one sees what to name.
    pub(super) fn ports(&mut self, listed: &[SystemPort], rules: &[PortRule]) {
        let is_wanted = |port: &SystemPort| {
            rules.iter().any(|rule| match rule {
                PortRule::Named(name) => *name == port.name,
                PortRule::Usb(ids) => port.usb.is_some_and(|usb| ids.contains(&usb)),
            })
        };
        for port in listed.iter().filter(|port| !is_wanted(port)) {
            let usb = port.usb.map(|(vendor, product)| format!("USB {vendor:04x}:{product:04x}"));
            let hardware = Hardware {
                name: usb.unwrap_or_default(),
                signal_dbm: None,
                protocols: Vec::new(),
                found: Found::UnnamedPort,
            };
            if self.hardware.len() < MAX_LISTED {
                self.hardware.entry((BusKind::Serial, port.name.clone())).or_insert(hardware);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Whether any hardware is a device, or looks like one and was not to be connected.
    pub(super) fn has_devices(&self) -> bool {
        let is_device = |hardware: &Hardware| {
            matches!(hardware.found, Found::Outcome(Outcome::Connected { .. } | Outcome::Matched(_)))
        };
        self.hardware.values().any(is_device)
    }

    /// One document.
    pub(super) fn json(&self) -> String {
        let hardware = self.hardware.iter().map(|((bus, address), hardware)| {
            let mut line = hardware.json();
            line["bus"] = bus.to_string().into();
            line["address"] = address.as_str().into();
            line
        });
        let all = json!({
            "hardware": hardware.collect::<Vec<_>>(),
            "left_out": self.left_out,
            "troubles": self.troubles,
        });
        format!("{all:#}\n")
    }
}

impl Hardware {
    fn json(&self) -> Value {
        let (outcome, device, reason) = match &self.found {
            Found::UnnamedPort => ("unnamed", None, None),
            Found::Outcome(Outcome::Unknown) => ("unknown", None, None),
            Found::Outcome(Outcome::Refused(reason)) => ("refused", None, Some(reason)),
            Found::Outcome(Outcome::Matched(_)) => ("matched", None, None),
            Found::Outcome(Outcome::Failed(reason)) => ("failed", None, Some(reason)),
            Found::Outcome(Outcome::Connected { name, protocol, .. }) => {
                ("connected", Some(json!({ "name": name, "protocol": protocol })), None)
            }
        };
        json!({
            "name": self.name,
            "signal_dbm": self.signal_dbm,
            "outcome": outcome,
            "protocols": self.protocols,
            "device": device,
            "reason": reason,
        })
    }

    fn looks_like(&self) -> String {
        format!("looks like {}", self.protocols.join(" or "))
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::UnnamedPort => {
                f.write_str("not looked at: a port has to be named in your file of devices")
            }
            Found::Outcome(Outcome::Unknown) => f.write_str("no known device looks like this"),
            Found::Outcome(Outcome::Refused(reason)) => write!(f, "not connected: {reason}"),
            Found::Outcome(Outcome::Matched(_)) => f.write_str(&self.looks_like()),
            Found::Outcome(Outcome::Failed(reason)) => write!(f, "{}, but {reason}", self.looks_like()),
            Found::Outcome(Outcome::Connected { name, protocol, .. }) => write!(f, "{name} ({protocol})"),
        }
    }
}

/// A line for each piece of hardware, and the sum of them.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 5]> = self
            .hardware
            .iter()
            .map(|((bus, address), hardware)| {
                let signal = hardware.signal_dbm.map(|dbm| format!("{dbm} dBm")).unwrap_or_default();
                [bus.to_string(), address.clone(), signal, hardware.name.clone(), hardware.to_string()]
                    // What hardware says must not look like lines of this program, nor play with the terminal.
                    .map(|text| text.replace(char::is_control, " "))
            })
            .collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let (bus, address, signal, name) = (width(0), width(1), width(2), width(3));
        for [a, b, s, c, what] in &lines {
            write!(f, "{a:bus$}  {b:address$}  ")?;
            if signal > 0 {
                write!(f, "{s:>signal$}  ")?;
            }
            writeln!(f, "{c:name$}  {what}")?;
        }
        let count = |which: fn(&Outcome) -> bool| {
            let those = self.hardware.values();
            those.filter(|one| matches!(&one.found, Found::Outcome(outcome) if which(outcome))).count()
        };
        let seen = self.hardware.len();
        let connected = count(|outcome| matches!(outcome, Outcome::Connected { .. }));
        let matched = count(|outcome| matches!(outcome, Outcome::Matched(_)));
        write!(f, "{} of hardware seen: {}", counted(seen, "piece"), counted(connected, "device"))?;
        if matched > 0 {
            write!(f, ", {matched} that may be one")?;
        }
        writeln!(f)?;
        if self.left_out > 0 {
            writeln!(f, "more than {MAX_LISTED} are not listed")?;
        }
        for trouble in &self.troubles {
            writeln!(f, "{trouble} (buttplug doctor tells more)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::DeviceIndex;
    use buttplug_protocols::sighting::{Advertisement, Sighting};

    fn sighted(address: &str, name: &str, outcome: Outcome) -> Sighted {
        let advertisement = Advertisement::Bluetooth {
            name: name.into(),
            manufacturer_data: Vec::new(),
            services: Vec::new(),
        };
        Sighted { sighting: Sighting::new(address, advertisement), outcome }
    }

    fn hush() -> Outcome {
        Outcome::Connected { index: DeviceIndex(0), name: "Lovense Hush".into(), protocol: "lovense".into() }
    }

    fn matched(protocols: &[&str]) -> Outcome {
        Outcome::Matched(protocols.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn each_piece_of_hardware_has_one_line_that_says_what_came_of_it() {
        let mut seen = Seen::default();
        for (address, name, outcome) in [
            ("B", "", Outcome::Unknown),
            ("A", "LVS-Z001", matched(&["lovense"])),
            ("B", "TV \u{1b}[2J", Outcome::Unknown),
            ("A", "LVS-Z001", hush()),
            ("C", "Odd", matched(&["x", "y"])),
            ("C", "Odd", Outcome::Failed("has no tx".into())),
            ("C", "Odd", matched(&["x", "y"])),
            ("D", "", Outcome::Refused("your configuration denies it".into())),
            ("E", "Nova", matched(&["wevibe"])),
        ] {
            seen.note(sighted(address, name, outcome));
        }
        assert_eq!(
            seen.to_string(),
            "bluetooth  A  LVS-Z001  Lovense Hush (lovense)\n\
             bluetooth  B  TV  [2J   no known device looks like this\n\
             bluetooth  C  Odd       looks like x or y, but has no tx\n\
             bluetooth  D            not connected: your configuration denies it\n\
             bluetooth  E  Nova      looks like wevibe\n\
             5 pieces of hardware seen: 1 device, 1 that may be one\n"
        );
        let json: Value = serde_json::from_str(&seen.json()).unwrap();
        let outcomes: Vec<_> =
            json["hardware"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["connected", "unknown", "failed", "refused", "matched"]);
        assert_eq!(json["hardware"][0]["device"]["name"], "Lovense Hush");
        assert_eq!(json["hardware"][2]["reason"], "has no tx");
    }

    #[test]
    fn how_well_it_is_heard_stands_beside_hardware_on_the_air() {
        let mut seen = Seen::default();
        for (address, signal_dbm) in [("A", Some(-100)), ("A", Some(-61)), ("A", None), ("B", None)] {
            let Sighted { sighting, outcome } = sighted(address, "Nova", Outcome::Unknown);
            seen.note(Sighted { sighting: Sighting { signal_dbm, ..sighting }, outcome });
        }
        assert_eq!(
            seen.to_string(),
            "bluetooth  A  -61 dBm  Nova  no known device looks like this\n\
             bluetooth  B           Nova  no known device looks like this\n\
             2 pieces of hardware seen: 0 devices\n"
        );
        let json: Value = serde_json::from_str(&seen.json()).unwrap();
        assert_eq!(json["hardware"][0]["signal_dbm"], -61);
        assert!(json["hardware"][1]["signal_dbm"].is_null());
    }

    #[test]
    fn ports_that_nobody_named_are_listed_and_those_of_a_rule_are_not() {
        let port = |name: &str, usb| SystemPort { name: name.into(), usb };
        let listed = [port("COM1", None), port("COM2", Some((0x1a86, 0x7523))), port("COM3", Some((1, 2)))];
        let mut seen = Seen::default();
        seen.ports(&listed, &[PortRule::Named("COM1".into()), PortRule::Usb(vec![(1, 2)])]);
        let text = seen.to_string();
        assert!(text.starts_with("serial  COM2  USB 1a86:7523  not looked at: "), "{text}");
        assert!(text.ends_with("\n1 piece of hardware seen: 0 devices\n") && !seen.has_devices(), "{text}");
    }

    #[test]
    fn the_list_has_an_end_and_says_so() {
        let mut seen = Seen::default();
        for number in 0..=MAX_LISTED {
            seen.note(sighted(&number.to_string(), "", Outcome::Unknown));
        }
        seen.trouble("Bluetooth: switched off".into());
        let text = seen.to_string();
        assert_eq!(seen.hardware.len(), MAX_LISTED);
        assert!(text.contains("\nmore than 1000 are not listed\nBluetooth: switched off ("), "{text}");
    }
}
