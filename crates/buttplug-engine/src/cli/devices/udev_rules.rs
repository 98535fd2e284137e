//! `buttplug devices udev-rules`: the rules by which Linux lets people at their own devices. Prints them, installs nothing.

use super::print;
use crate::exit::Exit;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::sighting::UsbIds;
use std::fmt::Write;

/// Prints the rules for what is built in.
pub(super) fn run() -> Exit {
    print(&rules(&Catalogue::builtin().hid_ids()), Exit::Orderly)
}

/// The file of rules. Who sits at the machine may open the devices, and so may the group that such devices have on most
/// systems, for a machine that nobody sits at.
pub(crate) fn rules(hid: &[UsbIds]) -> String {
    let mut rules = String::from(
        "# Lets people open the human interface devices that `buttplug` drives. To install this file:\n\
         #\n\
         #   buttplug devices udev-rules | sudo tee /etc/udev/rules.d/70-buttplug.rules\n\
         #   sudo udevadm control --reload && sudo udevadm trigger\n\
         #\n\
         # On a machine that nobody sits at, the user also has to be in the group plugdev.\n",
    );
    for (vendor, product) in hid {
        // Writing to a string can't fail.
        let _ = writeln!(
            rules,
            "SUBSYSTEM==\"hidraw\", ATTRS{{idVendor}}==\"{vendor:04x}\", ATTRS{{idProduct}}==\"{product:04x}\", \
             TAG+=\"uaccess\", GROUP=\"plugdev\", MODE=\"0660\""
        );
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_its_rule_and_everything_else_is_a_comment() {
        let rules = rules(&[(0x1f54, 1), (0x0483, 0x5750)]);
        let lines: Vec<&str> = rules.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "SUBSYSTEM==\"hidraw\", ATTRS{idVendor}==\"1f54\", ATTRS{idProduct}==\"0001\", TAG+=\"uaccess\", \
                 GROUP=\"plugdev\", MODE=\"0660\"",
                "SUBSYSTEM==\"hidraw\", ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"5750\", TAG+=\"uaccess\", \
                 GROUP=\"plugdev\", MODE=\"0660\"",
            ]
        );
    }

    #[test]
    fn the_catalogue_has_devices_that_need_one() {
        assert!(Catalogue::builtin().hid_ids().contains(&(0x1f54, 0x0001)));
    }
}
