//! Runs every committed input through its property, without libFuzzer: what was found once stays found.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use fuzz_properties::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The folder `fuzz/`.
fn home() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a folder above")
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

#[test]
fn what_has_to_hold_holds_for_every_committed_input() {
    // The product catches panics of its tasks; libFuzzer does not let it, and neither does this.
    let panics = Arc::new(Mutex::new(Vec::new()));
    let before = panic::take_hook();
    panic::set_hook({
        let panics = Arc::clone(&panics);
        Box::new(move |info| {
            panics.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            before(info);
        })
    });
    for (name, property) in TARGETS {
        let inputs = files(&home().join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            let data = fs::read(&input).expect("a readable file");
            let outcome = panic::catch_unwind(|| property(&data));
            let panics = std::mem::take(&mut *panics.lock().unwrap_or_else(PoisonError::into_inner));
            assert!(outcome.is_ok() && panics.is_empty(), "{}: {panics:?}", input.display());
        }
    }
}

#[test]
fn every_property_has_its_program_and_every_folder_of_inputs_its_property() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        files(&home().join(folder)).into_iter().filter_map(stem).collect()
    };
    for folder in ["fuzz_targets", "corpus"] {
        let stems = stems(folder);
        assert_eq!(stems.iter().map(String::as_str).collect::<BTreeSet<_>>(), names, "fuzz/{folder}");
    }
    let manifest = fs::read_to_string(home().join("Cargo.toml")).expect("fuzz/Cargo.toml");
    for name in names {
        let program = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&program), "fuzz/Cargo.toml lacks {name}");
        let text = fs::read_to_string(home().join(format!("fuzz_targets/{name}.rs"))).expect(name);
        assert!(text.contains(&format!("fuzz_properties::{name}::hold(data)")), "fuzz_targets/{name}.rs");
    }
}
