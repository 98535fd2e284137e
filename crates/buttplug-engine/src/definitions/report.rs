//! What a person reads about their definitions, in the log and from `buttplug devices check`.

use super::file::Wrong;
use super::shelf::Change;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::Definition;
use buttplug_protocols::definition::overlap::overlaps;
use std::fmt;

/// Errors of one file that are logged; whoever mends it has `buttplug devices check`.
const MAX_LOGGED_ERRORS: usize = 10;

/// `2 models`
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How many models a definition has.
pub(crate) fn models(definition: &Definition) -> usize {
    definition.groups.iter().map(|group| group.names.len() + usize::from(group.fallback.is_some())).sum()
}

/// Whether a definition takes the place of a built-in one.
pub(crate) fn replaces(definition: &Definition) -> bool {
    Catalogue::builtin().protocol(&definition.id).is_some()
}

/// The built-in protocols that claim some of the same hardware, apart from the one that it replaces.
pub(super) fn preferred_to(definition: &Definition) -> Vec<String> {
    let catalogue = Catalogue::builtin();
    let others = catalogue.protocols().into_iter().filter(|id| *id != definition.id);
    let others = others.filter_map(|id| catalogue.protocol(id));
    let others = others.filter(|other| overlaps(definition, other.definition()).next().is_some());
    others.map(|other| other.protocol().to_owned()).collect()
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    warning: bool,
}

impl Line {
    /// Writes it.
    pub(super) fn log(&self) {
        match self.warning {
            true => tracing::warn!("{}", self.text),
            false => tracing::info!("{}", self.text),
        }
    }
}

/// What is to be logged of what became of a file. Compares it with all that is built in, which takes a while.
pub(super) fn lines(change: &Change) -> Vec<Line> {
    let mut texts = Vec::new();
    if let Change::Wrong { wrong: Wrong::Errors(errors), .. } = change {
        texts.extend(errors.iter().take(MAX_LOGGED_ERRORS).map(ToString::to_string));
    }
    texts.push(change.to_string());
    let warning = matches!(change, Change::Wrong { .. });
    // What a file says must not look like lines of the log.
    texts.into_iter().map(|text| Line { text: text.replace(char::is_control, " "), warning }).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { file, definition, again } => {
                let changed = if *again { " has changed" } else { "" };
                let models = counted(models(definition), "model");
                write!(f, "definition {}{changed}: {models}", file.display())?;
                if replaces(definition) {
                    f.write_str("; it replaces the built-in protocol of this name")?;
                }
                match &preferred_to(definition)[..] {
                    [] => Ok(()),
                    others => write!(f, "; preferred to the built-in {}", others.join(", ")),
                }
            }
            Self::Gone { file } => write!(f, "definition {} is gone and not used any more", file.display()),
            Self::Wrong { file, wrong, kept } => {
                write!(f, "definition {} ", file.display())?;
                match wrong {
                    Wrong::Unreadable(reason) => write!(f, "can't be read ({reason})")?,
                    Wrong::Errors(errors) => {
                        write!(f, "is wrong in {}", counted(errors.len(), "place"))?;
                        if errors.len() > MAX_LOGGED_ERRORS {
                            f.write_str(", which `buttplug devices check` shows")?;
                        }
                    }
                }
                f.write_str(if *kept { "; what it said before stays in use" } else { " and not used" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::definition::{DefinitionError, parse};
    use std::sync::Arc;

    fn taken(file: &str, name: &str, again: bool) -> String {
        let text = format!(
            "write = 'value'\n[[bluetooth]]\nnames = ['{name}']\nservices.ff00 = {{ tx = 'ff01' }}\n[[model]]\n\
             fallback = 'X'\nfeatures = [{{ vibrate = 9 }}]\nnames.Y = 'y'\n[[example]]\ndo = 'stop'\nwrite = '00'\n"
        );
        let definition = Arc::new(parse(file, &text).unwrap().definition);
        Change::Taken { file: file.into(), definition, again }.to_string()
    }

    #[test]
    fn what_becomes_of_a_file_is_one_line() {
        assert_eq!(taken("d/mine.toml", "Nobody", false), "definition d/mine.toml: 2 models");
        assert_eq!(
            taken("d/mine.toml", "LVS-Z*", true),
            "definition d/mine.toml has changed: 2 models; preferred to the built-in lovense"
        );
        assert_eq!(
            taken("d/lovense.toml", "LVS-*", false),
            "definition d/lovense.toml: 2 models; it replaces the built-in protocol of this name"
        );
        let gone = Change::Gone { file: "mine.toml".into() };
        assert_eq!(gone.to_string(), "definition mine.toml is gone and not used any more");
        let error = DefinitionError { file: "mine.toml".into(), line: 1, column: 1, message: "no".into() };
        for (wrong, kept, line) in [
            (Wrong::Unreadable("no".into()), false, "definition mine.toml can't be read (no) and not used"),
            (
                Wrong::Errors(vec![error.clone()]),
                false,
                "definition mine.toml is wrong in 1 place and not used",
            ),
            (
                Wrong::Errors(vec![error; 11]),
                true,
                "definition mine.toml is wrong in 11 places, which `buttplug devices check` shows; what it said \
                 before stays in use",
            ),
        ] {
            assert_eq!(Change::Wrong { file: "mine.toml".into(), wrong, kept }.to_string(), line);
        }
    }
}
