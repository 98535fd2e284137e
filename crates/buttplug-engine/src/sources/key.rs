//! The table of settings: one for each flag of `serve`, with its key in the file, its variable and its kind, all from what
//! the parser of the flags knows.

use super::merge::{Given, Place};
use crate::cli::{GivenFlags, ServeFlags};
use buttplug_connector_websocket::Token;
use clap::builder::{BoolishValueParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, Command, Id};
use std::any::TypeId;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::ops::Index;
use std::path::PathBuf;

/// Flags that set nothing: they ask for something else than to serve, or are between a guard and its engine.
const NO_SETTINGS: &[&str] = &[
    "version",
    "server-version",
    "stop-first",
    "guarded",
    "after-death",
    "ask-at-terminal",
    "only-stop",
    "told-by",
];

/// Flags that say which file is read. A file can't say that.
const ABOUT_THE_FILE: &[&str] = &["config", "no-config"];

/// Where a setting can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Everywhere.
    Setting,
    /// Everywhere but in the file.
    AboutTheFile,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On or off.
    Switch,
    /// A whole number.
    Number,
    /// A path. In the file it starts at the file's folder.
    Path,
    /// Text that nobody may see.
    Secret,
    /// Any other text.
    Text,
}

impl Kind {
    fn of(flag: &Arg) -> Self {
        let parser = flag.get_value_parser().type_id();
        let is = |types: &[TypeId]| types.iter().any(|known| parser == *known);
        if !takes_value(flag) {
            Self::Switch
        } else if is(&[
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
        ]) {
            Self::Number
        } else if is(&[TypeId::of::<PathBuf>()]) {
            Self::Path
        } else if is(&[TypeId::of::<Token>()]) {
            Self::Secret
        } else {
            Self::Text
        }
    }
}

fn takes_value(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Set | ArgAction::Append)
}

/// One setting.
pub(super) struct Key {
    pub(super) id: Id,
    /// The flag without its dashes, and the key in the file.
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) kind: Kind,
    /// Whether there may be several values.
    pub(super) list: bool,
    /// Where the help has it.
    pub(super) heading: Option<String>,
    /// Whether the help does not tell of it: another name of a setting, or one without effect.
    pub(super) hidden: bool,
    /// What a value is called.
    pub(super) placeholder: String,
    /// The value if none is given, if it is one that could be given.
    pub(super) default: Option<String>,
    /// The same in words.
    pub(super) usual: Option<String>,
    parser: ValueParser,
}

impl Key {
    fn of(flag: &Arg) -> Option<Self> {
        let name = flag.get_long()?.to_owned();
        if NO_SETTINGS.contains(&name.as_str()) {
            return None;
        }
        let kind = Kind::of(flag);
        let placeholder = flag.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
        let default = flag.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        let usual = help.rsplit_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
        Some(Self {
            id: flag.get_id().clone(),
            role: if ABOUT_THE_FILE.contains(&name.as_str()) { Role::AboutTheFile } else { Role::Setting },
            kind,
            list: matches!(flag.get_action(), ArgAction::Append),
            heading: flag.get_help_heading().map(str::to_owned),
            hidden: flag.is_hide_set(),
            placeholder: placeholder.unwrap_or_default(),
            default,
            usual: usual.map(str::to_owned),
            parser: match kind {
                Kind::Switch => BoolishValueParser::new().into(),
                _ => flag.get_value_parser().clone(),
            },
            name,
        })
    }

    /// The variable of the environment.
    pub(super) fn variable(&self) -> String {
        format!("{}{}", super::environment::PREFIX, self.name.replace('-', "_").to_ascii_uppercase())
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// Whether the value can be this setting's; what is wrong with it if not. Says nothing of a secret value.
    pub(super) fn check(&self, value: &OsStr) -> Result<(), String> {
        let flag = Arg::new("value").long("value").action(ArgAction::Set).value_parser(self.parser.clone());
        let command = Command::new("check").no_binary_name(true).arg(flag);
        match command.try_get_matches_from([word("value", value)]) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::InvalidUtf8 => Err("it is not UTF-8 text".into()),
            Err(error) => Err(match (error.source(), self.words()) {
                _ if self.kind == Kind::Switch => "there are true and false".into(),
                (Some(reason), _) => reason.to_string(),
                (None, words) if words.is_empty() => "it is empty".into(),
                (None, words) => format!("there are {}", words.join(", ")),
            }),
        }
    }

    /// The words of which the value is one, if there are only some.
    pub(super) fn words(&self) -> Vec<String> {
        let words = self.parser.possible_values().into_iter().flatten();
        words.map(|word| word.get_name().to_owned()).collect()
    }
}

/// All settings, in the order of the flags.
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Settings of which only one can be made.
    alternatives: Vec<(usize, usize)>,
}

impl Keys {
    /// Those of `serve`.
    pub(super) fn of_serve() -> Self {
        let serve = ServeFlags::augment_args(Command::new("serve"));
        let keys: Vec<Key> = serve.get_arguments().filter_map(Key::of).collect();
        let place = |id: &Id| keys.iter().position(|key| key.id == *id);
        let named = |name: &str| keys.iter().position(|key| key.name == name);
        let flags = serve.get_arguments();
        let conflicts = flags.flat_map(|flag| {
            let others = serve.get_arg_conflicts_with(flag);
            others.into_iter().map(|other| (place(flag.get_id()), place(other.get_id())))
        });
        let others = crate::settings::ALTERNATIVES.iter().map(|(one, other)| (named(one), named(other)));
        let alternatives = conflicts.chain(others).filter_map(|(one, other)| one.zip(other)).collect();
        Self { alternatives, keys }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The setting with this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.name == name)
    }

    /// Whether only one of two settings can be made.
    pub(super) fn exclude(&self, one: usize, other: usize) -> bool {
        self.alternatives.contains(&(one, other)) || self.alternatives.contains(&(other, one))
    }

    /// What was typed.
    pub(super) fn typed(&self, typed: &GivenFlags) -> Vec<Given> {
        let mut given = Vec::new();
        for (id, values) in typed.iter() {
            let Some(key) = self.keys.iter().position(|key| key.id == *id) else { continue };
            given.extend(values.iter().map(|value| Given { key, value: value.clone(), place: Place::Flag }));
        }
        given
    }

    /// The setting whose name is most like this one, if one is.
    pub(super) fn nearest(&self, name: &str) -> Option<&Key> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let keys = self.keys.iter().filter(|key| !key.hidden);
        let nearest = keys.min_by_key(|key| distance(&name, &key.name))?;
        (distance(&name, &nearest.name) <= (name.len() / 3).max(1)).then_some(nearest)
    }
}

impl Index<usize> for Keys {
    type Output = Key;

    /// Every number of a setting comes from here.
    fn index(&self, key: usize) -> &Key {
        &self.keys[key]
    }
}

/// `--name=value`, which also does for values that begin with a dash.
pub(super) fn word(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// A flag of `serve` as it has to be typed.
pub(super) fn words_of(serve: &Command, id: &Id, values: &[OsString]) -> Vec<OsString> {
    let Some(flag) = serve.get_arguments().find(|flag| flag.get_id() == id) else { return Vec::new() };
    let name = flag.get_long().unwrap_or_default();
    if takes_value(flag) {
        values.iter().map(|value| word(name, value)).collect()
    } else {
        vec![format!("--{name}").into()]
    }
}

/// What the parser of the flags complains of, in a line.
pub(super) fn complaint(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let text = rendered.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How many letters have to be put in, left out or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, theirs) in row.iter().skip(1).zip(&other) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(letter != *theirs));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_letters() {
        for (one, other, letters) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("no-toke", "no-token", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
    }

    #[test]
    fn flags_that_are_excepted_from_the_table_exist() {
        let serve = ServeFlags::augment_args(Command::new("serve"));
        for name in NO_SETTINGS.iter().chain(ABOUT_THE_FILE) {
            assert!(serve.get_arguments().any(|flag| flag.get_long() == Some(name)), "{name}");
        }
        for (one, other) in crate::settings::ALTERNATIVES {
            let keys = Keys::of_serve();
            let place = |name| keys.named(name).unwrap_or_else(|| panic!("no flag {name}"));
            assert!(keys.exclude(place(one), place(other)));
        }
    }

    #[test]
    fn every_other_flag_is_a_setting_with_a_variable_of_its_own() {
        let serve = ServeFlags::augment_args(Command::new("serve"));
        let keys = Keys::of_serve();
        for flag in serve.get_arguments() {
            let name = flag.get_long().expect("only long flags");
            assert!(keys.named(name).is_some() != NO_SETTINGS.contains(&name), "{name}");
            let action = flag.get_action();
            let known = matches!(action, ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
            assert!(known, "{name}: the table does not know {action:?}");
        }
        let mut variables: Vec<_> = keys.iter().map(Key::variable).collect();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!(variables.len(), keys.iter().count());
    }

    #[test]
    fn a_value_that_is_none_of_a_few_words_is_told_them() {
        let flag = Arg::new("form").long("form").action(ArgAction::Set).value_parser(["plain", "json"]);
        let key = Key::of(&flag).unwrap();
        assert_eq!((key.kind, key.words()), (Kind::Text, vec!["plain".to_owned(), "json".to_owned()]));
        assert_eq!(key.check("json".as_ref()), Ok(()));
        assert_eq!(key.check("xml".as_ref()), Err("there are plain, json".into()));
        let file =
            Arg::new("file").long("file").action(ArgAction::Set).value_parser(clap::value_parser!(PathBuf));
        assert_eq!(Key::of(&file).unwrap().check("".as_ref()), Err("it is empty".into()));
    }

    #[test]
    fn the_kinds_come_from_the_flags() {
        let keys = Keys::of_serve();
        for (name, kind, list) in [
            ("websocket-port", Kind::Number, false),
            ("max-connections", Kind::Number, false),
            ("max-run", Kind::Number, false),
            ("guard", Kind::Switch, false),
            ("allow-raw", Kind::Switch, false),
            ("token", Kind::Secret, false),
            ("token-file", Kind::Path, false),
            ("allow-origin", Kind::Text, true),
            ("log", Kind::Text, false),
        ] {
            let key = &keys[keys.named(name).unwrap_or_else(|| panic!("{name}"))];
            assert_eq!((key.kind, key.list), (kind, list), "{name}");
        }
    }
}
