//! What a person decided about their devices, from the file in which they keep it.

pub(crate) mod earlier;
mod keeper;
mod own;
mod pair;
mod store;

pub(crate) use earlier::CatalogueFile;
pub(crate) use keeper::Keeper;
pub(crate) use own::{MAX_RUN, MIN_RUN, place as position};
pub(crate) use pair::{Opened, UserFiles, read_beside};
pub(crate) use store::{check_writable, others_read, read_text, replace};

use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::Addition;
use buttplug_server::configuration::{KnownDevice, UserConfiguration};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// All that such a file says, as far as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    /// Device by device.
    pub(crate) configuration: UserConfiguration,
    /// Hardware and models of their own, in the order of the file.
    pub(crate) additions: Vec<Addition>,
    /// Simulated devices.
    pub(crate) simulated: Vec<SimulatedEntry>,
    /// What could not be applied, for people. It stays in the file as it is.
    pub(crate) notices: Vec<String>,
}

/// Where such a file is unless a person says otherwise; `None` where the system knows no folder of settings.
pub(crate) fn usual_path() -> Option<PathBuf> {
    Some(settings_folder()?.join("devices.toml"))
}

/// Where the program keeps what a person decided; `None` where the system knows no folder of settings.
pub(crate) fn settings_folder() -> Option<PathBuf> {
    Some(persons_folder()?.join("buttplug"))
}

/// The folder in which the system keeps a person's settings.
pub(crate) fn persons_folder() -> Option<PathBuf> {
    // A program that is started with another folder in its environment is meant to use that. Other systems' calls go by it.
    #[cfg(windows)]
    if let Some(folder) = std::env::var_os("APPDATA").map(PathBuf::from).filter(|folder| folder.is_absolute())
    {
        return Some(folder);
    }
    dirs::config_dir()
}

/// A simulated device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimulatedEntry {
    /// What it is, for example `simulated-2vibe`.
    pub(crate) archetype: String,
    /// Its address; none for one that is made up.
    pub(crate) address: Option<String>,
    /// What it is called.
    pub(crate) display_name: Option<String>,
}

/// Why a file of decisions is of no use.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum UserFileError {
    /// The system does not let it be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It is a folder, a pipe, a device or the like.
    #[error("it is no regular file; name one, or a path where there is nothing yet")]
    NotRegular,
    /// The system does not let it be written.
    #[error("it can't be written: {0}")]
    Unwritable(String),
    /// It was there, and is not any more.
    #[error("it is gone")]
    Gone,
    /// It is too long.
    #[error("it is longer than {} bytes", store::MAX_USER_FILE_BYTES)]
    TooLong,
    /// It is no text.
    #[error("line {line}: it is not UTF-8 text")]
    NotText {
        /// The line with the first byte that is none.
        line: usize,
    },
    /// It is not of the form that such files have.
    #[error("line {line}, column {column}: {reason}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What was found there.
        reason: String,
    },
    /// A later engine wrote it.
    #[error("it is of version {version}, and this program knows versions up to {newest}", newest = earlier::NEWEST_GENERATION)]
    TooNew {
        /// Its version.
        version: u32,
    },
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// TOML.
    Own,
    /// The JSON of earlier engines.
    Earlier,
    /// TOML, whatever it says: what goes with a file of an earlier engine.
    Beside,
}

impl Format {
    /// By what a file says; where it says nothing, by its name.
    fn of(path: &Path, text: &str) -> Self {
        let json = match text.trim_start_matches('\u{feff}').trim_start().chars().next() {
            Some(first) => first == '{',
            None => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")),
        };
        if json { Self::Earlier } else { Self::Own }
    }

    fn read(self, path: &Path, text: &str) -> Result<Decisions, UserFileError> {
        match self {
            Self::Own | Self::Beside => own::read(&path.display().to_string(), text).map_err(|error| {
                let own::Malformed { line, column, reason } = error;
                UserFileError::Malformed { line, column, reason }
            }),
            Self::Earlier => {
                let mut decisions = earlier::read(text, &Catalogue::builtin())?.into_decisions();
                for notice in &mut decisions.notices {
                    notice.insert_str(0, &format!("{}: ", path.display()));
                }
                Ok(decisions)
            }
        }
    }

    /// The text with every device that has connected in it.
    fn with_known(self, text: Option<&str>, known: &[Arc<KnownDevice>]) -> WithKnown {
        match self {
            Self::Own | Self::Beside => {
                let header = if self == Self::Own { own::HEADER } else { own::HEADER_BESIDE };
                let text = own::with_known(text.unwrap_or(header), known);
                WithKnown { text, left: Vec::new() }
            }
            // What is no user file has not been read, and is not written.
            Self::Earlier => {
                earlier::with_known(text.unwrap_or(earlier::NEW_FILE), known, &Catalogue::builtin())
                    .unwrap_or_default()
            }
        }
    }
}

/// A file's text with every device that has connected in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct WithKnown {
    /// The text; none if they stand there already.
    text: Option<String>,
    /// The devices whose indexes have no place in it.
    left: Vec<Arc<KnownDevice>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_book_are_understood() {
        let chapter = include_str!("../../../docs/src/user-configuration.md");
        let blocks: Vec<&str> =
            chapter.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() >= 2);
        for block in blocks {
            let decisions = own::read("book", block).unwrap_or_else(|error| panic!("{error:?}: {block}"));
            assert_eq!(decisions.notices, [""; 0], "{block}");
            let mut catalogue = Catalogue::builtin();
            for addition in &decisions.additions {
                catalogue.extend(addition).unwrap_or_else(|error| panic!("{error}: {block}"));
            }
        }
    }
}
