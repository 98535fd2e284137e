//! `buttplug devices check`: whether definitions of a person's own are right, and their examples hold.

use super::print;
use crate::cli::complain;
use crate::exit::Exit;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{DefinitionError, DefinitionFile, MAX_DEFINITION_BYTES};
use buttplug_protocols::rehearsal;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 if all is well. What is wrong is said as FILE:LINE:COLUMN: WHAT.\n\
    How definitions are written is in the book's chapter \"Adding a device\".")]
pub(crate) struct CheckFlags {
    /// Definitions; a file is named after its protocol, for example mine.toml
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks each file by itself.
pub(super) fn run(flags: &CheckFlags) -> Exit {
    let mut exit = Exit::Orderly;
    for path in &flags.files {
        match check(path) {
            Ok(file) => exit = print(&summary(path, &file), exit),
            Err(Wrong::Unreadable(error)) => {
                complain(format_args!("{} can't be read: {error}", path.display()));
                exit = Exit::Mend;
            }
            Err(Wrong::Definition(errors)) => {
                for error in errors {
                    // Nobody reads what is wrong: the exit code says it too.
                    let _ = writeln!(io::stderr(), "{error}");
                }
                exit = Exit::Mend;
            }
        }
    }
    exit
}

enum Wrong {
    Unreadable(io::Error),
    Definition(Vec<DefinitionError>),
}

fn check(path: &Path) -> Result<DefinitionFile, Wrong> {
    let name = path.to_string_lossy();
    let mut bytes = Vec::new();
    // One byte more than a definition may have, so that a longer one is refused as such.
    let limit = u64::try_from(MAX_DEFINITION_BYTES + 1).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(Wrong::Unreadable)?;
    let text = if bytes.len() > MAX_DEFINITION_BYTES {
        // The text plays no part any more, and its end may be half a character.
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        String::from_utf8(bytes).map_err(|error| Wrong::Definition(vec![no_text(&name, &error)]))?
    };
    rehearsal::check(&name, &text, Instant::now()).map_err(Wrong::Definition)
}

/// Points at the first byte that belongs to no character.
fn no_text(file: &str, error: &std::string::FromUtf8Error) -> DefinitionError {
    let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let good = String::from_utf8_lossy(good);
    DefinitionError {
        file: file.into(),
        line: good.matches('\n').count() + 1,
        column: good.chars().rev().take_while(|c| *c != '\n').count() + 1,
        message: "a definition is UTF-8 text, and this is none".into(),
    }
}

fn summary(path: &Path, file: &DefinitionFile) -> String {
    let groups = file.definition.groups.iter();
    let models: usize = groups.map(|group| group.names.len() + usize::from(group.fallback.is_some())).sum();
    let examples = file.vectors.len();
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let replaced = Catalogue::builtin().protocol(&file.definition.id).is_some();
    let replaced = if replaced { "; it replaces the built-in protocol of this name" } else { "" };
    format!(
        "{}: all is well: {models} model{}, {examples} example{}{replaced}\n",
        path.display(),
        s(models),
        s(examples)
    )
}
