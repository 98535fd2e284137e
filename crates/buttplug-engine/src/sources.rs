//! Where settings come from: flags, the environment, a file, in this order, and what `serve` takes for granted.
//!
//! Whatever the source, a setting ends as a flag and is read by the parser of the flags, so that each rule about values
//! stands once. The table of settings is made from what that parser knows; there is no second list.

mod environment;
mod file;
mod handover;
mod key;
mod merge;
mod show;

pub(crate) use handover::Handover;

use crate::cli::{GivenFlags, ServeFlags, Subcommand};
use crate::user;
use clap::{Args, FromArgMatches};
use environment::Environment;
use file::ConfigFile;
use key::{Keys, Role};
use merge::{Given, Place, merge};
use std::ffi::OsString;
use std::path::PathBuf;

/// What is around the program, of which settings can come.
#[derive(Default)]
pub(crate) struct Around {
    environment: Environment,
    /// The file that is read unless another is named, if it is there.
    usual_file: Option<PathBuf>,
}

impl Around {
    /// The environment of this process, and the file of the person who started it.
    pub(crate) fn usual() -> Self {
        Self {
            environment: Environment::of_process(),
            usual_file: user::settings_folder().map(|folder| folder.join("config.toml")),
        }
    }
}

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// The flags are wrong, and nothing but flags is to blame.
    Flags(Box<clap::Error>),
    /// These are the reasons, one a line.
    Problems(Vec<String>),
}

/// All settings, each from the first source that has it.
pub(crate) struct Settled {
    /// As if all had been flags.
    pub(crate) flags: ServeFlags,
    /// What the person should know about the sources.
    pub(crate) notices: Vec<String>,
    keys: Keys,
    given: Vec<Given>,
    file: Looked,
}

/// What has been looked for as the file.
enum Looked {
    /// It was read.
    Read(PathBuf),
    /// It would have been, if it had been there.
    Absent(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Finds out what is set. The environment and the file count only for who types `serve`: programs that know earlier engines
/// pass flags alone, and get what those say.
pub(crate) fn settle(
    typed: &GivenFlags,
    subcommand: Subcommand,
    around: &Around,
) -> Result<Settled, SourceError> {
    let keys = Keys::of_serve();
    let mut given = keys.typed(typed);
    let mut notices = Vec::new();
    let mut problems = Vec::new();
    let mut file = Looked::Nowhere;
    if subcommand == Subcommand::Typed {
        let from_environment = around.environment.read(&keys, &mut problems, &mut notices);
        given = merge(&keys, [given, from_environment]);
        if let Some(config) = file_to_read(&keys, &given, around, &mut problems) {
            file = config.looked;
            notices.extend(config.notices);
            problems.extend(config.problems);
            given = merge(&keys, [given, config.given]);
        }
    }
    if !problems.is_empty() {
        return Err(SourceError::Problems(problems));
    }
    let mut settled = Settled { flags: ServeFlags::default(), notices, keys, given, file };
    settled.flags = settled.read(typed)?;
    Ok(settled)
}

/// What the file says that the flags or the environment name, or the usual one.
fn file_to_read(
    keys: &Keys,
    given: &[Given],
    around: &Around,
    problems: &mut Vec<String>,
) -> Option<ConfigFile> {
    let named = |name: &str| given.iter().find(|given| keys[given.key].name == name && given.is_on(keys));
    if named("no-config").is_some() {
        return None;
    }
    let (path, from) = match named("config") {
        Some(given) => (PathBuf::from(&given.value), Some(given.place.to_string())),
        None => (around.usual_file.clone()?, None),
    };
    let config = ConfigFile::read(keys, path);
    if let (Some(from), Looked::Absent(path)) = (from, &config.looked) {
        problems.push(format!("there is no file {} ({from})", path.display()));
    }
    Some(config)
}

impl Settled {
    /// Reads it all as flags.
    fn read(&self, typed: &GivenFlags) -> Result<ServeFlags, SourceError> {
        self.parse(typed, None).map_err(|error| {
            if self.given.iter().all(|given| given.place == Place::Flag) {
                return SourceError::Flags(Box::new(error));
            }
            let text = key::complaint(&error);
            // Who wants what is missing is not named: it is what there is no complaint without.
            let culprits =
                (0..self.given.len()).filter(|left_out| self.parse(typed, Some(*left_out)).is_ok());
            let culprits = culprits.filter_map(|culprit| self.given.get(culprit));
            let involved = culprits.map(|given| format!(" --{}", self.keys[given.key].name));
            let involved = text.clone() + &involved.collect::<String>();
            SourceError::Problems(vec![self.explain_with(&text, &involved)])
        })
    }

    fn parse(&self, typed: &GivenFlags, left_out: Option<usize>) -> Result<ServeFlags, clap::Error> {
        let settings = self.given.iter().enumerate().filter(|(number, _)| Some(*number) != left_out);
        let settings = settings.filter_map(|(_, given)| given.word(&self.keys));
        // What is no setting was typed.
        let others = typed.iter().filter(|(id, _)| !self.keys.iter().any(|key| key.id == **id));
        let serve = ServeFlags::augment_args(clap::Command::new("buttplug serve"));
        let others = others.flat_map(|(id, values)| key::words_of(&serve, id, values));
        let words: Vec<OsString> = others.chain(settings).collect();
        ServeFlags::from_arg_matches(&serve.clone().no_binary_name(true).try_get_matches_from(words)?)
    }

    /// The text, with where those settings are made that it names by their flags.
    pub(crate) fn explain(&self, text: &str) -> String {
        self.explain_with(text, text)
    }

    fn explain_with(&self, text: &str, involved: &str) -> String {
        let names = |name: &str| {
            let flag = format!("--{name}");
            involved.match_indices(&flag).any(|(at, _)| {
                let next = involved.get(at + flag.len()..).and_then(|rest| rest.chars().next());
                !next.is_some_and(|next| next == '-' || next.is_ascii_alphanumeric())
            })
        };
        let mut places = Vec::new();
        for place in self.places().chain(self.flags.guarding.told_by.iter().cloned()) {
            let name = place.split(':').next().unwrap_or_default();
            if names(name) && !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() { text.to_owned() } else { format!("{text} ({})", places.join("; ")) }
    }

    /// Each setting that is made elsewhere than by a flag, with where.
    fn places(&self) -> impl Iterator<Item = String> {
        let given = self.given.iter().filter(|given| given.place != Place::Flag);
        given.map(|given| format!("{}: {}", self.keys[given.key].name, given.place))
    }

    /// What another process of this program has to be told to have the same settings.
    pub(crate) fn handover(&self) -> Handover {
        let (secrets, open): (Vec<_>, Vec<_>) = self
            .given
            .iter()
            .filter(|given| self.keys[given.key].role == Role::Setting)
            .partition(|given| given.is_secret(&self.keys));
        Handover {
            arguments: open.iter().filter_map(|given| given.word(&self.keys)).collect(),
            places: self.places().map(|place| key::word("told-by", place.as_ref())).collect(),
            secrets: secrets
                .iter()
                .map(|given| (self.keys[given.key].variable(), given.value.clone()))
                .collect(),
            variables: self.keys.iter().map(key::Key::variable).collect(),
        }
    }

    /// All settings as the text of a file, each with where it comes from.
    pub(crate) fn show(&self) -> String {
        show::text(self)
    }
}

#[cfg(test)]
mod tests;
