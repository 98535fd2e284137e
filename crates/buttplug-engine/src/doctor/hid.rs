//! Human interface devices: may they be opened, and are the rules of udev in place that allow it?

use super::{Check, named};
use crate::definitions::counted;
use buttplug_protocols::sighting::UsbIds;

const ABOUT: &str = "HID";

/// What the system tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Devices of any make.
    pub(super) devices: Vec<Device>,
    /// What stands in the files of rules; `None` where the system needs none.
    pub(super) rules: Option<String>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) path: String,
    pub(super) ids: UsbIds,
    /// It may be opened.
    pub(super) usable: bool,
}

/// `known`: the makes that are looked at.
pub(super) fn examine(known: &[UsbIds], facts: &Facts) -> Vec<Check> {
    const INSTALL: &str = "`buttplug devices udev-rules` prints the rules, and how to install them";
    let mut checks = Vec::new();
    let without = facts.rules.as_deref().map(|rules| {
        known.iter().filter(|ids| !rules.lines().any(|line| is_about(line, **ids))).collect::<Vec<_>>()
    });
    let here: Vec<&Device> = facts.devices.iter().filter(|device| known.contains(&device.ids)).collect();
    for Device { path, ids, usable } in &here {
        let (vendor, product) = ids;
        let what = format!("{path} ({vendor:04x}:{product:04x})");
        checks.push(match &without {
            _ if *usable => Check::ok(ABOUT, format!("{what} is there and may be opened")),
            Some(without) if !without.contains(&ids) => Check::problem(
                ABOUT,
                format!("{what} may not be opened by you, although there is a rule for it"),
                "plug it in anew; on a machine that nobody sits at, be in the group plugdev",
            ),
            _ => Check::problem(ABOUT, format!("{what} may not be opened by you"), INSTALL),
        });
    }
    match without {
        Some(without) if !without.is_empty() => {
            let makes: Vec<String> =
                without.iter().map(|(vendor, product)| format!("{vendor:04x}:{product:04x}")).collect();
            let says = format!(
                "no udev rule for {} of {}: {}",
                makes.len(),
                counted(known.len(), "known make"),
                named(makes.iter().map(String::as_str))
            );
            checks.push(Check::attention(ABOUT, says, INSTALL));
        }
        Some(_) => checks.push(Check::ok(ABOUT, "there is a udev rule for every known make")),
        None => {}
    }
    if checks.is_empty() {
        checks.push(Check::ok(ABOUT, "no device of a known make is there"));
    }
    checks
}

/// Whether a line of a file of rules lets people at devices of this make.
fn is_about(line: &str, (vendor, product): UsbIds) -> bool {
    let line = line.trim_start().to_ascii_lowercase();
    let says = |ids: u16| line.contains(&format!("\"{ids:04x}\""));
    !line.starts_with('#') && line.contains("hidraw") && says(vendor) && says(product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::udev_rules;
    use crate::doctor::Standing::{self, Attention, Ok, Problem};

    const TOY: UsbIds = (0x1f54, 1);

    fn check(rules: Option<&str>, devices: &[(UsbIds, bool)]) -> Vec<(Standing, String)> {
        let device = |&(ids, usable)| Device { path: "/dev/hidraw3".into(), ids, usable };
        let facts = Facts { devices: devices.iter().map(device).collect(), rules: rules.map(str::to_owned) };
        examine(&[TOY], &facts).into_iter().map(|check| (check.standing, check.says)).collect()
    }

    #[test]
    fn what_is_said_of_devices_and_rules() {
        let rules = udev_rules(&[TOY]);
        let all = || (Ok, "there is a udev rule for every known make".to_owned());
        let none = || (Attention, "no udev rule for 1 of 1 known make: 1f54:0001".to_owned());
        assert_eq!(check(Some(&rules), &[]), [all()]);
        assert_eq!(check(Some(""), &[((9, 9), false)]), [none()]);
        assert_eq!(check(None, &[]), [(Ok, "no device of a known make is there".to_owned())]);
        let there = "/dev/hidraw3 (1f54:0001) is there and may be opened".to_owned();
        assert_eq!(check(Some(&rules), &[(TOY, true)]), [(Ok, there.clone()), all()]);
        assert_eq!(check(None, &[(TOY, true)]), [(Ok, there)]);
        let closed = "/dev/hidraw3 (1f54:0001) may not be opened by you".to_owned();
        assert_eq!(check(Some(""), &[(TOY, false)]), [(Problem, closed.clone()), none()]);
        let although = format!("{closed}, although there is a rule for it");
        assert_eq!(check(Some(&rules), &[(TOY, false)]), [(Problem, although), all()]);
    }

    #[test]
    fn a_rule_is_one_for_raw_devices_and_no_comment() {
        let rule = udev_rules(&[TOY]);
        let line = rule.lines().last().unwrap();
        assert!(is_about(line, TOY) && !is_about(line, (0x1f54, 2)));
        assert!(!is_about(&format!("# {line}"), TOY) && !is_about(&line.replace("hidraw", "input"), TOY));
    }
}
