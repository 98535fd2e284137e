//! The rule that a constant stands where docs/src/limits.md says. Knows the page's way of naming them, `NAME` in `file.rs`,
//! and nothing of their values.

use super::{files, read, short};
use crate::run::{Outcome, root};

/// Where the limits are listed.
const PAGE: &str = "docs/src/limits.md";

/// What is missing, as `file: what`.
pub(super) fn check() -> Outcome<Vec<String>> {
    let mut sources = Vec::new();
    for path in files(&root().join("crates"), &["rs"])? {
        sources.push((short(&path).replace('\\', "/"), read(&path)?));
    }
    Ok(misplaced(&read(&root().join(PAGE))?, &sources))
}

/// The constants of the page that are not in the file, or crate, that it names; where a chapter says that its limits are
/// from one crate, the file has to be there. `sources`: paths and texts.
fn misplaced(page: &str, sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut of = None;
    for (number, line) in page.lines().enumerate() {
        if line.starts_with('#') {
            of = None;
        } else if line.starts_with("From ") {
            of = only_crate(line);
        }
        for (constant, place) in placed(line) {
            let declaration = format!("const {constant}:");
            let is_there = |(path, text): &(String, String)| {
                is_in(path, place) && of.is_none_or(|of| is_in(path, of)) && text.contains(&declaration)
            };
            if !sources.iter().any(is_there) {
                found.push(format!("{PAGE}:{}: there is no constant {constant} in {place}", number + 1));
            }
        }
    }
    found
}

/// The crate that this line names, unless it names several.
fn only_crate(line: &str) -> Option<&str> {
    let mut crates = line.split('`').skip(1).step_by(2).filter(|code| code.contains('-'));
    crates.next().filter(|_| crates.next().is_none())
}

/// The constants that a line names together with a place, each with that.
fn placed(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut constants: Vec<&str> = Vec::new();
    let mut pieces = line.split('`');
    while let (Some(between), Some(code)) = (pieces.next(), pieces.next()) {
        match between.trim() {
            "," | "and" if is_constant(code) => constants.push(code),
            "in" => found.extend(constants.drain(..).map(|constant| (constant, code))),
            _ => constants.clear(),
        }
        if constants.is_empty() && is_constant(code) {
            constants.push(code);
        }
    }
    found
}

fn is_constant(code: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    code.len() > 1 && code.starts_with(|c: char| c.is_ascii_uppercase()) && code.chars().all(fits)
}

/// Whether a file is meant by this: it is called so below its crate's `src`, or it is of the crate of this name.
fn is_in(path: &str, place: &str) -> bool {
    let Some((of, file)) = path.split_once("/src/") else { return false };
    file == place || of.rsplit('/').next() == Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_stands_where_the_page_says() {
        assert_eq!(check().unwrap(), [""; 0]);
    }

    #[test]
    fn a_limit_that_has_moved_or_is_not_there_is_named() {
        let page = "# Limits\n\
            | a | 1 | `ONE`, `TWO` in `a.rs` | |\n\
            | b | 2 | `THREE` in `b/c.rs`, `ONE` in `c.rs` | `NO_FILE` |\n\
            | d | 3 | `FOUR` in `kitchen`, see `ONE` in the `house` | |\n\
            ## Cellar\nFrom `the-cellar`.\n\
            | e | 4 | `FOUR` in `c.rs` | |\n\
            | f | 1 | `ONE` in `a.rs` | |\n\
            ## Kitchen\n| g | 1 | `ONE` in `a.rs` | |\n";
        let sources = [
            ("crates/kitchen/src/a.rs", "pub const ONE: u8 = 1;\nconst TWO_MORE: u8 = 2;"),
            ("crates/kitchen/src/b/c.rs", "const THREE: u8 = 3;"),
            ("crates/kitchen/tests/a.rs", "const TWO: u8 = 2;"),
            ("crates/the-cellar/src/c.rs", "const FOUR: u8 = 4;"),
        ];
        let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(
            misplaced(page, &sources),
            [
                "docs/src/limits.md:2: there is no constant TWO in a.rs",
                "docs/src/limits.md:3: there is no constant ONE in c.rs",
                "docs/src/limits.md:4: there is no constant FOUR in kitchen",
                "docs/src/limits.md:8: there is no constant ONE in a.rs",
            ]
        );
    }
}
