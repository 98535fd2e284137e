//! `cargo xtask book`: builds the book in `docs/` with a pinned mdbook and fails on whatever a reader would stumble over.
//! Of includes and links that lead nowhere mdbook says little or nothing, so they are looked at here.

mod pages;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Context as _, Outcome, Tally, cargo, quietly, root, shown, target};

/// Newer ones may warn of more; then the book is mended and this is raised, in one change.
const MDBOOK: &str = "0.5.4";

pub(crate) fn run(_: &[String]) -> Outcome {
    let mut tally = Tally::default();
    let outcome = all(&mut tally);
    tally.close(outcome)
}

/// The book as a step, also of `ci`.
pub(crate) fn all(tally: &mut Tally) -> Outcome {
    let docs = root().join("docs");
    let examples = root().join("examples/examples");
    clean("sources", sources::check(&docs.join("src"), &examples)?, tally)?;
    clean("build", build(&docs)?, tally)?;
    clean("links", pages::check(&docs.join("book"))?, tally)
}

/// Counts one check, and fails it if it has found anything.
fn clean(what: &str, found: Vec<String>, tally: &mut Tally) -> Outcome {
    for complaint in &found {
        println!("{complaint}");
    }
    if found.is_empty() {
        println!("{what}: nothing to mend");
        tally.passed += 1;
        return Ok(());
    }
    tally.failed += 1;
    Err(format!("{} to mend in the book's {what}", found.len()))
}

/// Builds the book. What mdbook warns of; it calls a build good that has an include without a file.
fn build(docs: &Path) -> Outcome<Vec<String>> {
    let mut command = Command::new(installed()?);
    command.arg("build").arg(docs).env_remove("RUST_LOG").env_remove("MDBOOK_LOG");
    let text = shown(&command);
    println!("$ {text}");
    let output = command.output().context(&format!("can't start `{text}`"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let found = complaints(&said);
    if output.status.success() || !found.is_empty() {
        return Ok(found);
    }
    Err(format!("`{text}` failed ({}):\n{said}", output.status))
}

fn complaints(said: &str) -> Vec<String> {
    let lines = said.lines().map(str::trim_start);
    lines
        .filter(|line| ["WARN", "ERROR"].iter().any(|level| line.starts_with(level)))
        .map(str::to_owned)
        .collect()
}

/// The program, installed beside the build if it is not there yet: about a minute, once.
fn installed() -> Outcome<PathBuf> {
    let folder = target().join("tools").join(format!("mdbook-{MDBOOK}"));
    let program = folder.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        // Without what serves and watches; and unoptimised, since it is built more often than its speed is felt.
        let mut install = cargo(&["install", "mdbook", "--version", MDBOOK, "--locked"]);
        install.args(["--no-default-features", "--debug", "--root"]).arg(&folder);
        quietly(&mut install)?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_complaints_and_the_rest_is_not() {
        let said = " INFO Book building has started\nERROR no such file\n WARN unclosed tag\n INFO a WARN in words\n";
        assert_eq!(complaints(said), ["ERROR no such file", "WARN unclosed tag"]);
    }
}
