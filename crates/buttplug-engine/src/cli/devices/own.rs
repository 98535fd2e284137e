//! Definitions of a person's own, for `list` and `show` beside what is built in, and for `check`.

use crate::cli::complain;
use crate::definitions::{self, FolderError, Wrong};
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::DefinitionFile;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What is known beside what is built in.
#[derive(Debug, Default, clap::Args)]
pub(super) struct OwnFlags {
    /// Know the definitions in this folder, too, or in this file
    #[arg(long, value_name = "DIR")]
    device_definitions: Option<PathBuf>,
}

impl OwnFlags {
    /// All that is known. Files that are wrong are reported and left out, as `serve` does.
    pub(super) fn catalogue(&self) -> Result<Catalogue, FolderError> {
        let mut catalogue = Catalogue::builtin();
        if let Some(path) = &self.device_definitions {
            let right = files(path)?.into_iter().filter_map(|file| check(&file));
            let definitions: Vec<_> = right.map(|file| Arc::new(file.definition)).collect();
            if let Err(error) = catalogue.add_definitions(definitions) {
                complain(error);
            }
        }
        Ok(catalogue)
    }
}

/// The definitions in a folder, or the one file that is named.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    if path.is_dir() { Ok(definitions::list(path)?.into_iter().collect()) } else { Ok(vec![path.to_owned()]) }
}

/// Checks a file, and says what is wrong with it.
pub(super) fn check(path: &Path) -> Option<DefinitionFile> {
    match definitions::check(path, &definitions::read(path), Instant::now()) {
        Ok(file) => return Some(file),
        Err(Wrong::Unreadable(reason)) => {
            complain(format_args!("{} can't be read: {reason}", path.display()));
        }
        Err(Wrong::Errors(errors)) => {
            for error in errors {
                // Nobody reads what is wrong: the exit code says it too.
                let _ = writeln!(io::stderr(), "{error}");
            }
        }
    }
    None
}
