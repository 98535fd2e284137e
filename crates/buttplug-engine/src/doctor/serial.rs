//! Serial ports: are those that are named there, and may they be opened?

use super::{Check, named};
use buttplug_protocols::definition::PortRule;
use buttplug_protocols::sighting::UsbIds;

const ABOUT: &str = "serial";

/// A port of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) usb: Option<UsbIds>,
    /// It may be opened.
    pub(super) usable: bool,
    /// The group that may, where there are groups.
    pub(super) group: Option<String>,
}

impl Port {
    fn fits(&self, rule: &PortRule) -> bool {
        match rule {
            PortRule::Named(name) => *name == self.name,
            PortRule::Usb(ids) => self.usb.is_some_and(|usb| ids.contains(&usb)),
        }
    }
}

/// `rules`: which ports are looked at.
pub(super) fn examine(rules: &[PortRule], ports: &[Port]) -> Vec<Check> {
    let mut checks = Vec::new();
    let (wanted, others): (Vec<&Port>, Vec<&Port>) =
        ports.iter().partition(|port| rules.iter().any(|rule| port.fits(rule)));
    for port in &wanted {
        checks.push(if port.usable {
            Check::ok(ABOUT, format!("{} is there and may be opened", port.name))
        } else {
            Check::problem(ABOUT, format!("{} may not be opened by you", port.name), join(port))
        });
    }
    let missing: Vec<&str> = rules
        .iter()
        .filter_map(|rule| match rule {
            PortRule::Named(name) if !wanted.iter().any(|port| port.fits(rule)) => Some(name.as_str()),
            PortRule::Named(_) | PortRule::Usb(_) => None,
        })
        .collect();
    if !missing.is_empty() {
        checks.push(Check::attention(
            ABOUT,
            format!("not there: {}", named(missing.into_iter())),
            "plug the adapter in, or correct the name in your file of devices; `buttplug scan` lists the ports",
        ));
    }
    let closed: Vec<&Port> = others.iter().copied().filter(|port| !port.usable).collect();
    if let Some(first) = closed.first() {
        let names = named(closed.iter().map(|port| port.name.as_str()));
        let says = format!("not looked at, and you may not open them: {names}");
        checks.push(Check::attention(ABOUT, says, join(first)));
    }
    if checks.is_empty() {
        let names = named(others.iter().map(|port| port.name.as_str()));
        let says = if others.is_empty() {
            "no port is there".into()
        } else {
            format!("{names}: not looked at before your file of devices names one")
        };
        checks.push(Check::ok(ABOUT, says));
    }
    checks
}

fn join(port: &Port) -> String {
    match &port.group {
        Some(group) => format!("sudo usermod -aG {group} $USER, then log in anew"),
        None => "see who may open it, and whether another program has it".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing::{Attention, Ok, Problem};

    fn port(name: &str, usb: Option<UsbIds>, usable: bool) -> Port {
        Port { name: name.into(), usb, usable, group: Some("dialout".into()) }
    }

    #[test]
    fn what_is_said_of_ports() {
        let ch340 = Some((0x1a86, 0x7523));
        let by_name = || vec![PortRule::Named("/dev/ttyUSB0".into())];
        let by_adapter = || vec![PortRule::Usb(vec![(0x1a86, 0x7523)])];
        for (rules, ports, expected) in [
            (vec![], vec![], vec![(Ok, "no port is there")]),
            (vec![], vec![port("/dev/ttyS0", None, true)], vec![(Ok, "/dev/ttyS0: not looked at")]),
            (
                vec![],
                vec![port("/dev/ttyS0", None, false)],
                vec![(Attention, "you may not open them: /dev/ttyS0")],
            ),
            (by_name(), vec![], vec![(Attention, "not there: /dev/ttyUSB0")]),
            (by_name(), vec![port("/dev/ttyUSB0", None, true)], vec![(Ok, "/dev/ttyUSB0 is there")]),
            (by_name(), vec![port("/dev/ttyUSB0", None, false)], vec![(Problem, "/dev/ttyUSB0 may not be")]),
            (
                by_adapter(),
                vec![port("/dev/ttyUSB7", ch340, false)],
                vec![(Problem, "/dev/ttyUSB7 may not be")],
            ),
            (
                by_name(),
                vec![port("/dev/ttyS0", None, false)],
                vec![(Attention, "not there: /dev/ttyUSB0"), (Attention, "may not open them: /dev/ttyS0")],
            ),
        ] {
            let checks = examine(&rules, &ports);
            assert_eq!(checks.len(), expected.len(), "{checks:?}");
            for (check, (standing, says)) in checks.iter().zip(expected) {
                assert!(check.standing == standing && check.says.contains(says), "{says}: {check:?}");
            }
        }
        let advice = examine(&by_name(), &[port("/dev/ttyUSB0", None, false)]).remove(0).advice.unwrap();
        assert!(advice.contains("usermod -aG dialout"), "{advice}");
    }
}
