//! The rule that every numbered statement has a test and every number in a test's name a statement. Knows the tables of
//! docs/src/conformance.md and the names of functions; whether a test proves its statement is for its readers.

use std::collections::BTreeMap;
use std::fmt;

use super::{files, read, short};
use crate::run::{Outcome, root};

/// Where the statements are listed.
const PAGE: &str = "docs/src/conformance.md";

/// The series and their last numbers, so that no row of the page gets lost.
const SERIES: &[(char, u32)] = &[('C', 110), ('R', 30), ('K', 54)];

/// A numbered statement, such as C17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Statement(char, u32);

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

impl Statement {
    /// Reads `C17`, or `c17` if `series` is the letter in lower case; nothing else.
    fn read(text: &str, letter: impl Fn(char) -> char) -> Option<Self> {
        let mut characters = text.chars();
        let series = characters.next()?;
        let (series, _) = SERIES.iter().find(|(upper, _)| letter(*upper) == series)?;
        let number = characters.as_str();
        let plain = number.bytes().all(|digit| digit.is_ascii_digit()) && !number.starts_with('0');
        number.parse().ok().filter(|_| plain).map(|number| Self(*series, number))
    }

    fn in_a_table(text: &str) -> Option<Self> {
        Self::read(text, |upper| upper)
    }

    fn in_a_name(text: &str) -> Option<Self> {
        Self::read(text, |upper| upper.to_ascii_lowercase())
    }
}

/// What is missing or surplus, as `file: what`.
pub(super) fn check() -> Outcome<Vec<String>> {
    let mut tests = Vec::new();
    for path in files(root(), &["rs"])? {
        let file = short(&path);
        tests.extend(tests_in(&read(&path)?).into_iter().map(|name| (file.clone(), name.to_owned())));
    }
    Ok(compare(&read(&root().join(PAGE))?, &tests))
}

/// The names of the functions that are run as tests, in the order of the text. What is ignored is not run.
pub(super) fn tests_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = function(line) {
            if is_test && !is_ignored {
                found.push(name);
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// The name of the function whose head begins this line.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| *word == "async" || word.starts_with("pub"));
    let name = words.next().filter(|word| *word == "fn").and(words.next())?;
    Some(name.split(['(', '<']).next().unwrap_or(name))
}

/// The statements that a test's name begins with: `c93_c94_…` two, `k15_to_k20_…` six.
fn statements_of(name: &str) -> Vec<Statement> {
    let words: Vec<&str> = name.split('_').collect();
    let mut rest = &words[..];
    let mut statements = Vec::new();
    while let Some(first) = rest.first().and_then(|word| Statement::in_a_name(word)) {
        let last = match rest {
            [_, "to", last, ..] => Statement::in_a_name(last),
            _ => None,
        };
        let last = last.filter(|last| last.0 == first.0 && last.1 > first.1);
        rest = &rest[if last.is_some() { 3 } else { 1 }..];
        let numbers = first.1..=last.unwrap_or(first).1;
        statements.extend(numbers.map(|number| Statement(first.0, number)));
    }
    statements
}

/// Compares the page's tables with the series and with the names of tests, each with its file.
fn compare(page: &str, tests: &[(String, String)]) -> Vec<String> {
    let mut tested: BTreeMap<Statement, bool> = SERIES
        .iter()
        .flat_map(|(series, last)| (1..=*last).map(|n| (Statement(*series, n), false)))
        .collect();
    let mut found = Vec::new();
    let rows: Vec<Statement> = page.lines().filter_map(row).collect();
    for (place, statement) in rows.iter().enumerate() {
        if !tested.contains_key(statement) {
            found.push(format!("{PAGE}: there is no statement {statement}"));
        } else if rows[..place].contains(statement) {
            found.push(format!("{PAGE}: {statement} stands there twice"));
        }
    }
    let unlisted = tested.keys().filter(|statement| !rows.contains(statement));
    found.extend(unlisted.map(|statement| format!("{PAGE}: {statement} is missing")));
    for (file, name) in tests {
        for statement in statements_of(name) {
            match tested.get_mut(&statement) {
                Some(tested) => *tested = true,
                None => {
                    found
                        .push(format!("{file}: there is no statement {statement}, of which `{name}` speaks"));
                }
            }
        }
    }
    let untested = tested.iter().filter(|(_, tested)| !**tested);
    found.extend(untested.map(|(statement, _)| format!("{statement}: no test has this number in its name")));
    found
}

/// The statement of a row of a table, which is its first cell and has words in its second.
fn row(line: &str) -> Option<Statement> {
    let (number, words) = line.strip_prefix('|')?.split_once('|')?;
    let said = words.chars().any(char::is_alphabetic);
    Statement::in_a_table(number.trim()).filter(|_| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_has_a_test_and_every_number_a_statement() {
        assert_eq!(check(), Ok(Vec::new()));
    }

    #[test]
    fn numbers_in_front_of_a_name_are_its_statements() {
        let statements =
            |name| statements_of(name).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        for (name, numbers) in [
            ("c50_an_output_moves", "C50"),
            ("c93_c94_old_commands", "C93 C94"),
            ("k15_to_k18_percent", "K15 K16 K17 K18"),
            ("k1_r2_c3_to_c5_k7_all_of_it", "K1 R2 C3 C4 C5 K7"),
            ("r30", "R30"),
            ("k18_to_k15_backwards", "K18"),
            ("k1_to_r3_across", "K1"),
            ("k1_to_the_end", "K1"),
            ("nothing_of_c50", ""),
            ("v4_speaks", ""),
            ("c_5", ""),
            ("c05_padded", ""),
            ("c5a_odd", ""),
            ("C5_shouted", ""),
        ] {
            assert_eq!(statements(name), numbers, "{name}");
        }
    }

    #[test]
    fn only_functions_that_are_run_as_tests_count() {
        let text = "fn c1_helper() {}\n#[test]\nfn c2_test() {\n}\nfn c3_helper() {}\n\
                    #[tokio::test(start_paused = true)]\n#[allow(x)]\n/// Words.\nasync fn c4_later() {}\n\
                    #[test]\n#[ignore = \"slow\"]\nfn c5_ignored() {}\n    #[test]\n    pub(crate) fn c6_inside() {}\n\
                    // #[test]\nfn c7_comment() {}\n";
        assert_eq!(tests_in(text), ["c2_test", "c4_later", "c6_inside"]);
    }

    #[test]
    fn whatever_is_missing_or_surplus_is_named() {
        let everything = |skipped: Statement| {
            let all = SERIES.iter().flat_map(|(series, last)| (1..=*last).map(|n| Statement(*series, n)));
            all.filter(move |statement| *statement != skipped)
        };
        let page = |skipped| everything(skipped).map(|s| format!("| {s} | words |\n")).collect::<String>();
        let tests = |skipped| {
            let test = |s: Statement| (String::from("a.rs"), format!("{s}_words").to_lowercase());
            everything(skipped).map(test).collect::<Vec<_>>()
        };
        let none = Statement('C', 0);
        assert_eq!(compare(&page(none), &tests(none)), [""; 0]);
        assert_eq!(
            compare(&page(none), &tests(Statement('R', 7))),
            ["R7: no test has this number in its name"]
        );
        assert_eq!(
            compare(&page(Statement('K', 54)), &tests(none)),
            ["docs/src/conformance.md: K54 is missing"]
        );
        let page = page(none) + "| C17 | again |\n| C111 | words |\n| C3 to C5 | words |\n| R1 | |\n";
        let mut tests = tests(none);
        tests.push((String::from("b.rs"), String::from("r30_to_r31_words")));
        assert_eq!(
            compare(&page, &tests),
            [
                "docs/src/conformance.md: C17 stands there twice",
                "docs/src/conformance.md: there is no statement C111",
                "b.rs: there is no statement R31, of which `r30_to_r31_words` speaks",
            ]
        );
    }
}
