//! Which of several sources counts. Pure.

use super::key::{Keys, Kind, word};
use buttplug_connector_websocket::shown_url;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Settings that are addresses, in which there may be a token.
const ADDRESSES: [&str; 2] = ["websocket-client-address", "repeater-remote-address"];

/// Where a setting is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By a flag.
    Flag,
    /// In this variable of the environment.
    Variable(String),
    /// In this line of this file.
    File(PathBuf, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "environment, {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// One value of a setting. Not to be printed: it may be secret.
pub(super) struct Given {
    pub(super) key: usize,
    /// As it would be typed behind the flag; `true` or `false` for a switch.
    pub(super) value: OsString,
    pub(super) place: Place,
}

impl Given {
    /// Whether anything is asked for: a switch may be off.
    pub(super) fn is_on(&self, keys: &Keys) -> bool {
        keys[self.key].kind != Kind::Switch || self.value == "true"
    }

    /// Whether nobody else may see it.
    pub(super) fn is_secret(&self, keys: &Keys) -> bool {
        let key = &keys[self.key];
        let has_secret = |text: &str| shown_url(text) != text;
        key.is_secret()
            || ADDRESSES.contains(&key.name.as_str()) && self.value.to_str().is_some_and(has_secret)
    }

    /// What would have to be typed; nothing for a switch that is off.
    pub(super) fn word(&self, keys: &Keys) -> Option<OsString> {
        let key = &keys[self.key];
        match key.kind {
            Kind::Switch => self.is_on(keys).then(|| format!("--{}", key.name).into()),
            _ => Some(word(&key.name, &self.value)),
        }
    }
}

/// The settings of two sources, of which the first counts more: what it says is not said by the second any more, nor what
/// can't be together with that. Lists add up.
pub(super) fn merge(keys: &Keys, [first, second]: [Vec<Given>; 2]) -> Vec<Given> {
    let mut merged = first;
    let decided = merged.len();
    for given in second {
        let before = merged.get(..decided).unwrap_or_default();
        let list = keys[given.key].list;
        let said = before.iter().any(|other| other.key == given.key && (!list || other.value == given.value));
        let excluded = given.is_on(keys)
            && before.iter().any(|other| other.is_on(keys) && keys.exclude(other.key, given.key));
        if !said && !excluded {
            merged.push(given);
        }
    }
    merged
}
