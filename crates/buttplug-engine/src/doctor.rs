//! How things stand on this machine with what devices need, and what to do about it. One file for each thing that is
//! examined, each a pure function of facts; only `system.rs` and `ports.rs` look at the machine.

mod gamepads;
mod hid;
mod own;
mod ports;
mod serial;
mod system;

pub(crate) use own::{definitions, user_file};
pub(crate) use ports::{Holder, examine as port, look as look_at_port};

use crate::settings::Search;
use buttplug_protocols::catalogue::Catalogue;
use serde_json::json;
use std::fmt::Write;

/// Things of one sort that are named in a line; more are counted.
const MAX_NAMED: usize = 5;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// As it should be.
    Ok,
    /// Works, or is not needed; a person may want to know.
    Attention,
    /// Keeps something from working that was asked for.
    Problem,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Attention => "attention",
            Self::Problem => "problem",
        }
    }
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// What it is about.
    about: &'static str,
    standing: Standing,
    /// How it is.
    says: String,
    /// What to do, if there is something to be done.
    advice: Option<String>,
}

impl Check {
    fn ok(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, standing: Standing::Ok, says: says.into(), advice: None }
    }

    fn attention(about: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, standing: Standing::Attention, says: says.into(), advice: Some(advice.into()) }
    }

    fn problem(about: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, standing: Standing::Problem, says: says.into(), advice: Some(advice.into()) }
    }

    /// One whose words say what to do themselves.
    #[cfg(feature = "bluetooth")]
    pub(crate) fn bluetooth(state: &buttplug_hardware_bluetooth::BluetoothState) -> Self {
        use buttplug_hardware_bluetooth::BluetoothState;
        let standing = match state {
            BluetoothState::Ready(_) => Standing::Ok,
            BluetoothState::Unknown
            | BluetoothState::Unusable(_)
            | BluetoothState::NoAdapter
            | BluetoothState::Off(_) => Standing::Problem,
        };
        Self { about: "Bluetooth", standing, says: state.to_string(), advice: None }
    }
}

/// What of this machine a search needs, apart from Bluetooth.
pub(crate) fn buses(search: &Search, catalogue: &Catalogue) -> Vec<Check> {
    let mut checks = Vec::new();
    if search.serial {
        let rules = catalogue.serial_ports();
        checks.extend(serial::examine(&rules, &system::serial_ports(&rules)));
    }
    if search.hid {
        checks.extend(hid::examine(&catalogue.hid_ids(), &system::hid_devices()));
    }
    if search.gamepads || search.usual {
        checks.extend(gamepads::examine(&system::gamepads(), search.gamepads));
    }
    checks
}

/// The worst of them.
pub(crate) fn worst(checks: &[Check]) -> Standing {
    checks.iter().map(|check| check.standing).max().unwrap_or(Standing::Ok)
}

/// A line for each, with another for what to do.
pub(crate) fn text(checks: &[Check]) -> String {
    const WIDTH: usize = "attention".len();
    let mut text = String::new();
    for Check { about, standing, says, advice } in checks {
        // Writing to a string can't fail. What files and devices say must not look like lines of this program.
        let _ = writeln!(text, "{:WIDTH$}  {about}: {}", standing.word(), one_line(says));
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:WIDTH$}    {}", "", one_line(advice));
        }
    }
    text
}

/// One document.
pub(crate) fn json(checks: &[Check]) -> String {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "about": check.about,
                "standing": check.standing.word(),
                "says": check.says,
                "advice": check.advice,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "checks": checks }))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Names of several things, the first few of them.
fn named<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut text = names.take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        // Writing to a string can't fail.
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_what_to_do_below_what_is_wrong_and_the_worst_counts() {
        let checks = [
            Check::ok("a", "well"),
            Check::attention("b", "so\nso", "look"),
            Check::problem("c", "ill", "mend"),
        ];
        assert_eq!(
            text(&checks),
            "ok         a: well\nattention  b: so so\n             look\nproblem    c: ill\n             mend\n"
        );
        assert_eq!(worst(&checks), Standing::Problem);
        assert_eq!(worst(&checks[..2]), Standing::Attention);
        assert_eq!(worst(&[]), Standing::Ok);
        let json: serde_json::Value = serde_json::from_str(&json(&checks)).unwrap();
        assert_eq!(json["checks"][2]["advice"], "mend");
        assert_eq!(json["checks"][0]["standing"], "ok");
    }

    #[test]
    fn long_lists_end() {
        assert_eq!(named(["a", "b"].into_iter()), "a, b");
        assert_eq!(named(["a"; 7].into_iter()), "a, a, a, a, a and 2 more");
    }

    #[cfg(feature = "bluetooth")]
    #[test]
    fn bluetooth_is_well_only_if_it_is_ready() {
        use buttplug_hardware_bluetooth::BluetoothState;
        for (state, standing) in [
            (BluetoothState::Ready(vec!["hci0".into()]), Standing::Ok),
            (BluetoothState::Off(vec!["hci0".into()]), Standing::Problem),
            (BluetoothState::NoAdapter, Standing::Problem),
            (BluetoothState::Unusable("no D-Bus".into()), Standing::Problem),
        ] {
            assert_eq!(Check::bluetooth(&state).standing, standing, "{state}");
        }
    }
}
