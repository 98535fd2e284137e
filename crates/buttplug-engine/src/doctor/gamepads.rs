//! Game controllers: may those that rumble be told to?

use super::{Check, named};

const ABOUT: &str = "gamepads";

/// A controller that rumbles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gamepad {
    pub(super) name: String,
    /// Where commands go.
    pub(super) path: String,
    /// It may be written to.
    pub(super) usable: bool,
}

/// `wanted`: somebody asked for them.
pub(super) fn examine(gamepads: &[Gamepad], wanted: bool) -> Vec<Check> {
    let (usable, closed): (Vec<&Gamepad>, Vec<&Gamepad>) = gamepads.iter().partition(|pad| pad.usable);
    let names = |pads: &[&Gamepad]| {
        let names: Vec<String> = pads.iter().map(|pad| format!("{} ({})", pad.name, pad.path)).collect();
        named(names.iter().map(String::as_str))
    };
    let mut checks = Vec::new();
    if !closed.is_empty() {
        let says = format!("may not be written to by you: {}", names(&closed));
        let advice = "sit at the machine, or be in the group that the file has: sudo usermod -aG input $USER, then log in \
                      anew";
        checks.push(match wanted {
            true => Check::problem(ABOUT, says, advice),
            false => Check::attention(ABOUT, says, advice),
        });
    }
    if !usable.is_empty() {
        checks.push(Check::ok(ABOUT, format!("ready: {}", names(&usable))));
    }
    if checks.is_empty() {
        checks.push(Check::ok(ABOUT, "none that rumbles is there"));
    }
    checks
}

/// The files of the controllers that rumble, with their names, from what Linux lists in `/proc/bus/input/devices`.
#[cfg(any(target_os = "linux", test))]
pub(super) fn in_list(list: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for device in list.split("\n\n") {
        let field = |start: &str| device.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
        let rumbles = field("B: FF=")
            .is_some_and(|effects| effects.split(' ').any(|word| !word.trim_matches('0').is_empty()));
        let handler =
            field("H: Handlers=").and_then(|all| all.split(' ').find(|one| one.starts_with("event")));
        if let (true, Some(handler)) = (rumbles, handler) {
            let name = field("N: Name=").unwrap_or_default().trim_matches('"');
            found.push((name.to_owned(), format!("/dev/input/{handler}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing::{Attention, Ok, Problem};

    #[test]
    fn controllers_that_rumble_are_told_from_other_devices() {
        let list = "I: Bus=0011 Vendor=0001\nN: Name=\"AT keyboard\"\nH: Handlers=sysrq kbd event0 leds\nB: EV=120013\n\n\
                    I: Bus=0003 Vendor=045e\nN: Name=\"Xbox 360 Controller\"\nH: Handlers=event5 js0 \nB: EV=20000b\n\
                    B: FF=107030000 0\n\n\
                    N: Name=\"No motors\"\nH: Handlers=event6 js1\nB: FF=0 0\n";
        assert_eq!(in_list(list), [("Xbox 360 Controller".into(), "/dev/input/event5".into())]);
        assert_eq!(in_list(""), []);
    }

    #[test]
    fn what_is_said_of_controllers() {
        let pad = |usable| Gamepad { name: "Pad".into(), path: "/dev/input/event5".into(), usable };
        for (pads, wanted, standing, says) in [
            (vec![], true, Ok, "none that rumbles is there"),
            (vec![pad(true)], false, Ok, "ready: Pad (/dev/input/event5)"),
            (vec![pad(false)], false, Attention, "may not be written to by you: Pad (/dev/input/event5)"),
            (vec![pad(false)], true, Problem, "may not be written to by you: Pad (/dev/input/event5)"),
        ] {
            let checks = examine(&pads, wanted);
            assert_eq!((checks.len(), checks[0].standing, checks[0].says.as_str()), (1, standing, says));
        }
    }
}
