//! One definition in a file: read within bounds, checked as it would be used, its examples run.

use buttplug_protocols::definition::{DefinitionError, DefinitionFile, MAX_DEFINITION_BYTES};
use buttplug_protocols::rehearsal;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// These bytes, one more than a definition may have if there are more.
    Bytes(Vec<u8>),
    /// Nothing, for this reason of the system's.
    Unreadable(String),
}

/// Why a file is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It can't be read, for this reason of the system's.
    Unreadable(String),
    /// What it says, and where.
    Errors(Vec<DefinitionError>),
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Content {
    let mut bytes = Vec::new();
    // One byte more than a definition may have, so that a longer one is refused as such.
    let limit = u64::try_from(MAX_DEFINITION_BYTES + 1).unwrap_or(u64::MAX);
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => Content::Bytes(bytes),
        Err(error) => Content::Unreadable(error.to_string()),
    }
}

/// Checks what was read, and runs its examples from `now` on.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn check(path: &Path, content: &Content, now: Instant) -> Result<DefinitionFile, Wrong> {
    let bytes = match content {
        Content::Bytes(bytes) => bytes,
        Content::Unreadable(reason) => return Err(Wrong::Unreadable(reason.clone())),
    };
    let name = path.to_string_lossy();
    let text = if bytes.len() > MAX_DEFINITION_BYTES {
        // The text plays no part any more, and its end may be half a character.
        String::from_utf8_lossy(bytes)
    } else {
        std::str::from_utf8(bytes).map_err(|error| Wrong::Errors(vec![no_text(&name, bytes, error)]))?.into()
    };
    rehearsal::check(&name, &text, now).map_err(Wrong::Errors)
}

/// Points at the first byte that belongs to no character.
fn no_text(file: &str, bytes: &[u8], error: std::str::Utf8Error) -> DefinitionError {
    let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
    DefinitionError {
        file: file.into(),
        line: good.matches('\n').count() + 1,
        column: good.chars().rev().take_while(|c| *c != '\n').count() + 1,
        message: "a definition is UTF-8 text, and this is none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(bytes: &[u8]) -> Vec<String> {
        match check(Path::new("x/mine.toml"), &Content::Bytes(bytes.to_vec()), Instant::now()) {
            Err(Wrong::Errors(errors)) => errors.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_pointed_at() {
        assert_eq!(
            errors(b"a\n\xc3\xa4\xff"),
            ["x/mine.toml:2:2: a definition is UTF-8 text, and this is none"]
        );
        let long = "\u{e4}".repeat(MAX_DEFINITION_BYTES);
        let errors = errors(&long.as_bytes()[..=MAX_DEFINITION_BYTES]);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains(&MAX_DEFINITION_BYTES.to_string()), "{errors:?}");
    }

    #[test]
    fn what_can_not_be_read_is_said_so() {
        let content = read(&std::env::temp_dir());
        assert!(matches!(&content, Content::Unreadable(_)), "{content:?}");
        let checked = check(Path::new("mine.toml"), &content, Instant::now());
        assert!(matches!(checked, Err(Wrong::Unreadable(_))), "{checked:?}");
    }
}
