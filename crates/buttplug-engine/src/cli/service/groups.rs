//! The groups to which hardware belongs, as far as this machine has them: a service with one that is missing does not start.

/// Serial ports on most systems and on Arch's, gamepads, human interface devices by the rules that
/// `buttplug devices udev-rules` prints, and Bluetooth: some systems' rules for D-Bus let a service talk with it only as a
/// member of that group. Debian 12 lets everybody.
const OF_HARDWARE: [&str; 5] = ["dialout", "uucp", "input", "plugdev", "bluetooth"];

/// The system's list of groups; empty where there is none.
pub(super) fn file() -> String {
    std::fs::read_to_string("/etc/group").unwrap_or_default()
}

/// Those of hardware in this list. Where both groups of serial ports exist the first one has them.
pub(super) fn of_hardware(list: &str) -> Vec<&'static str> {
    let listed = |group: &str| list.lines().any(|line| line.split(':').next() == Some(group));
    let mut groups: Vec<&str> = OF_HARDWARE.into_iter().filter(|group| listed(group)).collect();
    if groups.starts_with(&["dialout", "uucp"]) {
        groups.remove(1);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_hardware_that_there_are() {
        let debian =
            "root:x:0:\nuucp:x:10:\ndialout:x:20:someone\nplugdev:x:46:\ninput:x:105:\nbluetooth:x:111:\n";
        assert_eq!(of_hardware(debian), ["dialout", "input", "plugdev", "bluetooth"]);
        assert_eq!(of_hardware("uucp:x:986:\ninput:x:994:\n"), ["uucp", "input"]);
        assert_eq!(of_hardware("inputs:x:1:\nx:input:2:\n"), [""; 0]);
        assert_eq!(of_hardware(""), [""; 0]);
    }
}
