//! `cargo xtask tidy`: the rules of the tree that no compiler checks. Each rule looks and returns what it found; none
//! changes a file. The tests below run them, so that `cargo test` does.

mod limits;
mod promises;
mod statements;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Context as _, Outcome, cargo, root};

/// Which crates of the workspace a crate may use, besides in its tests: what stands below it in the picture of the
/// rooms in docs/src/architecture.md. `*` stands for all libraries. Who is missing here is a failure, so that a new
/// crate gets its place.
const MAY_USE: &[(&str, &[&str])] = &[
    ("buttplug-core", &[]),
    ("buttplug-sleep", &[]),
    ("buttplug-websocket", &[]),
    ("buttplug-protocols", &["buttplug-core"]),
    ("buttplug-server", &["buttplug-core", "buttplug-protocols"]),
    ("buttplug-client", &["buttplug-core"]),
    ("buttplug-connector-inprocess", &["buttplug-core", "buttplug-client", "buttplug-server"]),
    (
        "buttplug-connector-websocket",
        &["buttplug-core", "buttplug-client", "buttplug-server", "buttplug-websocket"],
    ),
    (
        "buttplug-hardware-dialin",
        &["buttplug-core", "buttplug-protocols", "buttplug-server", "buttplug-websocket"],
    ),
    ("buttplug-hardware-gamepad", &["buttplug-core", "buttplug-protocols", "buttplug-server"]),
    ("buttplug-hardware-lovense", &["buttplug-core", "buttplug-protocols", "buttplug-server"]),
    ("buttplug-hardware-simulated", &["buttplug-core", "buttplug-protocols", "buttplug-server"]),
    ("buttplug-hardware-blocking", &["buttplug-protocols", "buttplug-server"]),
    ("buttplug-hardware-hid", &["buttplug-protocols", "buttplug-server", "buttplug-hardware-blocking"]),
    ("buttplug-hardware-serial", &["buttplug-protocols", "buttplug-server", "buttplug-hardware-blocking"]),
    ("buttplug-hardware-bluetooth", &["buttplug-protocols", "buttplug-server"]),
    (
        "buttplug",
        &[
            "buttplug-core",
            "buttplug-client",
            "buttplug-protocols",
            "buttplug-server",
            "buttplug-connector-inprocess",
            "buttplug-connector-websocket",
            "buttplug-hardware-bluetooth",
            "buttplug-hardware-dialin",
            "buttplug-hardware-simulated",
        ],
    ),
    ("buttplug-engine", &["*"]),
    ("buttplug-examples", &["*"]),
    ("fuzz-properties", &["*"]),
    // The tasks see the product from outside only.
    ("xtask", &[]),
];

/// Words that mark unfinished work, and paths out of the repository. In halves, so that this file passes.
const FORBIDDEN: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("../", "shared"),
];

/// Files whose text is looked at for forbidden words.
const TEXT: &[&str] = &["rs", "toml", "md", "py", "js", "cjs", "yml", "sh"];

pub(crate) fn run(_: &[String]) -> Outcome {
    let found = check()?;
    for complaint in &found {
        println!("{complaint}");
    }
    match found.len() {
        0 => Ok(()),
        count => Err(format!("{count} to mend")),
    }
}

/// All rules; what each found, as `file: what`.
fn check() -> Outcome<Vec<String>> {
    let mut found = purpose_lines()?;
    found.extend(forbidden_words()?);
    found.extend(reasons_of_dependencies()?);
    found.extend(borders_of_crates()?);
    found.extend(versions_that_are_fuzzed()?);
    found.extend(promises::check()?);
    found.extend(limits::check()?);
    found.extend(statements::check()?);
    Ok(found)
}

/// Every Rust file opens with what it is for.
fn purpose_lines() -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for path in files(root(), &["rs"])? {
        let text = read(&path)?;
        if !text.starts_with("//! ") {
            found.push(format!("{}: the first line is no `//!` line saying what it is for", short(&path)));
        }
    }
    Ok(found)
}

fn forbidden_words() -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for path in files(root(), TEXT)? {
        for (number, line) in read(&path)?.lines().enumerate() {
            for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{}: `{word}`", short(&path), number + 1));
            }
        }
    }
    Ok(found)
}

/// Every dependency from outside has its line in the book, and every line its dependency.
fn reasons_of_dependencies() -> Outcome<Vec<String>> {
    let manifest = read(&root().join("Cargo.toml"))?;
    // A workspace of its own, with a table of its own.
    let of_fuzz = read(&root().join("fuzz/Cargo.toml"))?;
    let book = read(&root().join("docs/src/dependencies.md"))?;
    let mut names = foreign_dependencies(&manifest, "[workspace.dependencies]");
    names.extend(foreign_dependencies(&of_fuzz, "[dependencies]"));
    Ok(unmatched_reasons(&names, &book))
}

/// Compares names with the first column of the book's table.
fn unmatched_reasons(names: &[&str], book: &str) -> Vec<String> {
    let rows: Vec<&str> = book
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next())
        .map(|cell| cell.trim().trim_matches('`'))
        .skip_while(|cell| !cell.starts_with("--"))
        .skip(1)
        .collect();
    let missing = names.iter().filter(|name| !rows.contains(name));
    let surplus = rows.iter().filter(|row| !names.contains(row));
    missing
        .map(|name| format!("docs/src/dependencies.md: no line about `{name}`"))
        .chain(surplus.map(|row| format!("docs/src/dependencies.md: `{row}` is not used any more")))
        .collect()
}

/// The names under this heading that are no crate of this repository.
fn foreign_dependencies<'a>(manifest: &'a str, heading: &str) -> Vec<&'a str> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.contains("path = ") && !line.starts_with('#'))
        .filter_map(|line| line.split_once(['=', '.']).map(|(name, _)| name.trim()))
        .collect()
}

/// What is fuzzed is what is shipped: a library has the same version in both lock files.
fn versions_that_are_fuzzed() -> Outcome<Vec<String>> {
    let (ours, of_fuzz) = (read(&root().join("Cargo.lock"))?, read(&root().join("fuzz/Cargo.lock"))?);
    Ok(different_versions(&ours, &of_fuzz))
}

fn different_versions(ours: &str, of_fuzz: &str) -> Vec<String> {
    let ours = locked(ours);
    let of_ours = |name: &str| ours.iter().filter(|(ours, _)| *ours == name).count();
    let different = |package: &(&str, &str)| of_ours(package.0) > 0 && !ours.contains(package);
    let said =
        |(name, version)| format!("fuzz/Cargo.lock: `{name}` is {version} there, not as in Cargo.lock");
    locked(of_fuzz).into_iter().filter(different).map(said).collect()
}

/// The names and versions of a lock file.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    let mut lines = lock.lines();
    let mut packages = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("name = ").map(|name| name.trim_matches('"'));
        let version = name.and_then(|_| lines.next()?.strip_prefix("version = "));
        packages.extend(name.zip(version.map(|version| version.trim_matches('"'))));
    }
    packages
}

/// No crate uses one that stands beside or above it. Tests may: nobody who uses a crate builds its tests.
fn borders_of_crates() -> Outcome<Vec<String>> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .context("can't start cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .context(&format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(crossings(&metadata))
}

fn crossings(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(of, _)| *of == name) else {
            found.push(format!("xtask/src/tidy.rs: `{name}` has no place in the table of borders"));
            continue;
        };
        for dependency in package["dependencies"].as_array().map_or(&[][..], Vec::as_slice) {
            let used = dependency["name"].as_str().unwrap_or_default();
            let ours = !dependency["path"].is_null();
            let in_tests_only = dependency["kind"] == "dev";
            if ours && !in_tests_only && !allowed.contains(&used) && !allowed.contains(&"*") {
                found.push(format!("{name}: uses `{used}`, which does not stand below it"));
            }
        }
    }
    found
}

/// Files with one of these extensions, in order, without what is built or fetched.
fn files(folder: &Path, extensions: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).context(&short(&folder))? {
            let path = entry.context(&short(&folder))?.path();
            if path.is_dir() {
                if !is_foreign(&path) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|end| extensions.iter().any(|one| end == *one)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Folders that git ignores, and git's own.
fn is_foreign(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let built = folder.parent() == Some(root()) && name.starts_with("target");
    let ignored = ["docs/book", "fuzz/artifacts", "fuzz/coverage", "fuzz/target"];
    built
        || ignored.iter().any(|ignored| folder == root().join(ignored))
        || [".git", "node_modules", "__pycache__"].contains(&&*name)
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).context(&short(path))
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nothing(found: Outcome<Vec<String>>) {
        assert_eq!(found, Ok(Vec::new()));
    }

    #[test]
    fn every_rust_file_opens_with_what_it_is_for() {
        nothing(purpose_lines());
    }

    #[test]
    fn nothing_is_left_unfinished_and_nothing_refers_out_of_the_repository() {
        nothing(forbidden_words());
    }

    #[test]
    fn every_dependency_has_its_reason_in_the_book() {
        nothing(reasons_of_dependencies());
    }

    #[test]
    fn a_dependency_without_reason_and_a_reason_without_dependency_are_named() {
        let book =
            "Words | about\n| library | what for |\n|---|---|\n| bytes | frames |\n| `toml` | files |\n";
        assert!(unmatched_reasons(&["bytes", "toml"], book).is_empty());
        assert_eq!(
            unmatched_reasons(&["bytes", "serde"], book),
            [
                "docs/src/dependencies.md: no line about `serde`",
                "docs/src/dependencies.md: `toml` is not used any more",
            ]
        );
    }

    #[test]
    fn what_is_fuzzed_is_what_is_shipped() {
        nothing(versions_that_are_fuzzed());
        let lock = |version: &str| format!("[[package]]\nname = \"toml\"\nversion = \"{version}\"\n");
        let engine = "[[package]]\nname = \"libfuzzer-sys\"\nversion = \"1.0.0\"\n";
        assert!(different_versions(&lock("1.0.0"), &(lock("1.0.0") + engine)).is_empty());
        assert_eq!(
            different_versions(&lock("1.0.0"), &lock("1.0.1")),
            ["fuzz/Cargo.lock: `toml` is 1.0.1 there, not as in Cargo.lock"]
        );
    }

    #[test]
    fn every_crate_uses_only_what_stands_below_it() {
        nothing(borders_of_crates());
    }

    #[test]
    fn a_crossed_border_and_an_unknown_crate_are_named() {
        let of_ours = |name: &str, kind: Value| json!({ "name": name, "path": "/somewhere", "kind": kind });
        let metadata = json!({ "packages": [
            { "name": "buttplug-core", "dependencies": [{ "name": "serde", "kind": null }] },
            { "name": "buttplug-client", "dependencies": [
                of_ours("buttplug-server", Value::Null), of_ours("buttplug-engine", json!("dev")),
            ] },
            { "name": "buttplug-kitchen", "dependencies": [] },
        ] });
        assert_eq!(
            crossings(&metadata),
            [
                "buttplug-client: uses `buttplug-server`, which does not stand below it",
                "xtask/src/tidy.rs: `buttplug-kitchen` has no place in the table of borders",
            ]
        );
    }

    #[test]
    fn the_table_of_borders_has_no_circle() {
        // Each line may name only lines above it, apart from the star.
        for (place, (name, allowed)) in MAY_USE.iter().enumerate() {
            let above: Vec<&str> = MAY_USE[..place].iter().map(|(name, _)| *name).collect();
            for used in allowed.iter().filter(|used| **used != "*") {
                assert!(above.contains(used), "{name} uses {used}, which comes later");
            }
        }
    }

    #[test]
    fn foreign_dependencies_are_those_without_a_path() {
        let manifest = "[workspace]\n[workspace.dependencies]\nours = { path = \"crates/ours\" }\n# a remark = 1\n\
                        bytes = \"1\"\ntoml.version = \"1\"\n[profile.dev]\ndebug = 1\n";
        assert_eq!(foreign_dependencies(manifest, "[workspace.dependencies]"), ["bytes", "toml"]);
    }
}
