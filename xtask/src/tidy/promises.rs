//! The rule that every promise names tests that exist. Knows the tables of docs/src/promises.md and the names of tests;
//! whether a test proves its promise is for its readers.

use std::collections::BTreeSet;

use super::statements::tests_in;
use super::{files, read};
use crate::run::{Outcome, root};

/// Where the promises are listed.
const PAGE: &str = "docs/src/promises.md";

/// What is missing, as `file: what`.
pub(super) fn check() -> Outcome<Vec<String>> {
    let mut tests = BTreeSet::new();
    for path in files(root(), &["rs"])? {
        tests.extend(tests_in(&read(&path)?).into_iter().map(str::to_owned));
    }
    Ok(unproved(&read(&root().join(PAGE))?, &tests))
}

/// The rows whose last cell names no test, or one that is not there.
fn unproved(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let last = row.rsplit(" | ").next().unwrap_or(row);
        if last == "tests" {
            continue;
        }
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            found.push(format!("{PAGE}:{}: a promise without a test", number + 1));
        }
        for missing in names.into_iter().filter(|name| !tests.contains(*name)) {
            found.push(format!("{PAGE}:{}: there is no test {missing}", number + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_names_tests_that_exist() {
        assert_eq!(check().unwrap(), [""; 0]);
    }

    #[test]
    fn promises_without_a_test_are_named() {
        let page =
            "| what | tests |\n|---|---|\n| a | `one`, `two` |\n| b `c` | `three` |\n| d | by itself |\n";
        let tests = ["one", "three"].map(str::to_owned).into();
        assert_eq!(
            unproved(page, &tests),
            [
                "docs/src/promises.md:3: there is no test two",
                "docs/src/promises.md:5: a promise without a test"
            ]
        );
    }
}
