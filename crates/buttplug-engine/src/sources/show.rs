//! All settings as the text of a file.

use super::key::{Key, Keys, Kind, Role};
use super::merge::Given;
use super::{Looked, Settled};
use crate::settings::Search;
use std::fmt::Write;
use std::path::Path;

/// Said where no flag has a default that would say it.
const USUAL_PLACES: &str = if cfg!(feature = "bluetooth") {
    "# No place of devices is set, so the usual ones count: Bluetooth, serial ports, human interface devices, and the port \
     for devices."
} else {
    "# No place of devices is set, so the usual ones count: serial ports, human interface devices, and the port for devices."
};

/// What is set is written so that it can be read back; what is not, as a comment.
pub(super) fn text(settled: &Settled) -> String {
    let mut text = String::from(
        "# What `buttplug serve` makes of its flags, the environment and its file. What is behind # is not set.\n",
    );
    let file = match &settled.file {
        Looked::Read(path) => format!("# The file: {}", path.display()),
        Looked::Absent(path) => format!("# The file: none, there is no {}", path.display()),
        Looked::Nowhere => "# The file: none".into(),
    };
    line(&mut text, &file);
    if Search::is_usual(&settled.flags.search) {
        line(&mut text, USUAL_PLACES);
    }
    for heading in headings(settled) {
        line(&mut text, &format!("\n## {}", heading.unwrap_or("Others")));
        for (number, key) in settled.keys.iter().enumerate() {
            if key.role == Role::Setting && key.heading.as_deref() == heading {
                let given: Vec<_> = settled.given.iter().filter(|given| given.key == number).collect();
                if !(key.hidden && given.is_empty()) {
                    line(&mut text, &setting(&settled.keys, key, &given));
                }
            }
        }
    }
    text
}

/// The headings of the help, in its order, as far as something is under them; what has none comes last.
fn headings(settled: &Settled) -> Vec<Option<&str>> {
    let mut headings = Vec::new();
    for (number, key) in settled.keys.iter().enumerate() {
        let shown = !key.hidden || settled.given.iter().any(|given| given.key == number);
        let heading = key.heading.as_deref();
        if key.role == Role::Setting && shown && !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings.sort_by_key(Option::is_none);
    headings
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn setting(keys: &Keys, key: &Key, given: &[&Given]) -> String {
    let name = &key.name;
    match given {
        [] => unset(key),
        [one, ..] if one.is_secret(keys) => format!("# {name} is set and not shown  # {}", one.place),
        given if key.list => {
            let mut list = format!("{name} = [\n");
            for one in given {
                let value = value(key, one).unwrap_or_default();
                // Writing to a string does not fail.
                let _ = writeln!(list, "    {value},  # {}", one.place);
            }
            list + "]"
        }
        [one, ..] => match value(key, one) {
            Some(value) => format!("{name} = {value}  # {}", one.place),
            None => format!("# {name} is set to what a file can't say: no UTF-8 text  # {}", one.place),
        },
    }
}

/// What counts because nobody says anything.
fn unset(key: &Key) -> String {
    let name = &key.name;
    let usual =
        key.usual.as_ref().map_or_else(|| "default: none".to_owned(), |usual| format!("default: {usual}"));
    let placeholder = &key.placeholder;
    match (key.kind, &key.default) {
        _ if key.list => format!("# {name} = []  # default"),
        (Kind::Switch, _) => format!("# {name} = false  # default"),
        (Kind::Number, Some(default)) => format!("# {name} = {default}  # default"),
        (_, Some(default)) => format!("# {name} = {}  # default", quoted(default)),
        (Kind::Number, None) => format!("# {name} = {placeholder}  # {usual}"),
        (_, None) => format!("# {name} = {}  # {usual}", quoted(placeholder)),
    }
}

/// A value as TOML; `None` if that can't say it.
fn value(key: &Key, given: &Given) -> Option<String> {
    let text = given.value.to_str()?;
    Some(match key.kind {
        Kind::Switch => text.to_owned(),
        Kind::Number => text.parse::<i64>().map_or_else(|_| quoted(text), |number| number.to_string()),
        // Where the text is saved is not known, so paths start at the root.
        Kind::Path => quoted(std::path::absolute(Path::new(text)).ok()?.to_str()?),
        Kind::Secret | Kind::Text => quoted(text),
    })
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
