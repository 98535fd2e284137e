//! Settings from variables of the environment.

use super::key::{Key, Keys, Kind};
use super::merge::{Given, Place};
use std::ffi::{OsStr, OsString};

/// How the variables begin.
pub(super) const PREFIX: &str = "BUTTPLUG_";

/// The variables that begin like those of settings.
#[derive(Default)]
pub(super) struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let known = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self(known.filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        Self(variables.iter().map(owned).collect())
    }

    /// The settings. An empty variable is as none.
    pub(super) fn read(
        &self,
        keys: &Keys,
        problems: &mut Vec<String>,
        notices: &mut Vec<String>,
    ) -> Vec<Given> {
        let mut all = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let variable = key.variable();
            let Some((_, text)) = self.0.iter().find(|(name, _)| *name == variable) else { continue };
            if text.is_empty() {
                continue;
            }
            for value in values(key, text) {
                match key.check(&value) {
                    Ok(()) => {
                        let value = if key.kind == Kind::Switch { switch(&value) } else { value };
                        all.push(Given { key: number, value, place: Place::Variable(variable.clone()) });
                    }
                    Err(reason) if key.is_secret() => problems.push(format!("{variable}: {reason}")),
                    Err(reason) => {
                        problems.push(format!(
                            "{variable}: {:?} is of no use: {reason}",
                            value.to_string_lossy()
                        ));
                    }
                }
            }
        }
        for (name, _) in &self.0 {
            if keys.iter().any(|key| key.variable() == *name) {
                continue;
            }
            // What is like none of them may be another program's.
            if let Some(nearest) = name.strip_prefix(PREFIX).and_then(|name| keys.nearest(name)) {
                notices.push(format!("{name} has no effect; is {} meant?", nearest.variable()));
            }
        }
        all
    }
}

/// Lists stand in one variable, with spaces or commas between their entries.
fn values(key: &Key, text: &OsStr) -> Vec<OsString> {
    match text.to_str() {
        Some(text) if key.list => {
            let entries = text.split(|c: char| c == ',' || c.is_whitespace());
            entries.filter(|entry| !entry.is_empty()).map(OsString::from).collect()
        }
        _ => vec![text.to_owned()],
    }
}

/// One spelling for the many that are understood.
fn switch(value: &OsStr) -> OsString {
    let on = ["y", "yes", "t", "true", "on", "1"];
    let is_on = value.to_str().is_some_and(|value| on.contains(&value.to_ascii_lowercase().as_str()));
    if is_on { "true".into() } else { "false".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and value of each setting, problems, notices.
    fn read(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>, Vec<String>) {
        let keys = Keys::of_serve();
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let given = Environment::of(variables).read(&keys, &mut problems, &mut notices);
        let shown =
            |given: &Given| (keys[given.key].name.clone(), given.value.to_string_lossy().into_owned());
        (given.iter().map(shown).collect(), problems, notices)
    }

    #[test]
    fn every_kind_of_setting_has_its_form() {
        for (variable, value, settings) in [
            ("BUTTPLUG_WEBSOCKET_PORT", "0", &["0"][..]),
            ("BUTTPLUG_SERVER_NAME", "My --server", &["My --server"]),
            ("BUTTPLUG_SERVER_NAME", "", &[]),
            ("BUTTPLUG_GUARD", "1", &["true"]),
            ("BUTTPLUG_GUARD", "Yes", &["true"]),
            ("BUTTPLUG_GUARD", "false", &["false"]),
            ("BUTTPLUG_GUARD", "off", &["false"]),
            ("BUTTPLUG_ALLOW_ORIGIN", "https://a.example, null any", &["https://a.example", "null", "any"]),
            ("BUTTPLUG_TOKEN_FILE", "../token", &["../token"]),
            ("BUTTPLUG_CONFIG", "x.toml", &["x.toml"]),
        ] {
            let (given, problems, notices) = read(&[(variable, value)]);
            let values: Vec<_> = given.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(values, settings, "{variable}={value}");
            assert!(problems.is_empty() && notices.is_empty(), "{problems:?} {notices:?}");
        }
    }

    #[test]
    fn a_bad_value_names_its_variable_and_a_token_is_not_shown() {
        for (variable, value, reason) in [
            ("BUTTPLUG_WEBSOCKET_PORT", "70000", "\"70000\" is of no use: 70000 is not in 0..=65535"),
            ("BUTTPLUG_MAX_RUN", "x", "\"x\" is of no use: "),
            ("BUTTPLUG_GUARD", "maybe", "there are true and false"),
            ("BUTTPLUG_LOG", "loud", "not a log level"),
            ("BUTTPLUG_ALLOW_ORIGIN", "https://a.example,nonsense", "\"nonsense\""),
            ("BUTTPLUG_TOKEN", "short", "16 to 512"),
        ] {
            let (_, problems, _) = read(&[(variable, value)]);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(&format!("{variable}: ")), "{problems:?}");
            assert!(problems[0].contains(reason), "{problems:?}");
            assert!(!problems[0].contains("short"), "{problems:?}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_a_notice_and_other_programs_variables_are_none() {
        let (given, problems, notices) =
            read(&[("BUTTPLUG_WEBSOKET_PORT", "1"), ("BUTTPLUG_URL", "ws://127.0.0.1"), ("BUTTPLUG_X", "y")]);
        assert!(given.is_empty() && problems.is_empty(), "{problems:?}");
        assert_eq!(notices, ["BUTTPLUG_WEBSOKET_PORT has no effect; is BUTTPLUG_WEBSOCKET_PORT meant?"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_text_and_everything_else_must() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'/', 0xff]);
        let keys = Keys::of_serve();
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let given = Environment(vec![("BUTTPLUG_TOKEN_FILE".into(), odd.clone())]);
        assert_eq!(given.read(&keys, &mut problems, &mut notices)[0].value, odd);
        let given = Environment(vec![("BUTTPLUG_SERVER_NAME".into(), odd)]);
        assert!(given.read(&keys, &mut problems, &mut notices).is_empty());
        assert!(
            problems[0].starts_with("BUTTPLUG_SERVER_NAME: ") && problems[0].contains("UTF-8"),
            "{problems:?}"
        );
    }
}
