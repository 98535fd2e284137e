//! Checks the definitions in `devices/` with the code that reads a person's own, and packs them into the build folder:
//! an index of the match rules, and each protocol by itself. Writes nowhere else.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the modules are the crate's own, and the build needs a part of them"
)]

use definition::rules::check_together;
use definition::{DefinitionFile, parse};
use matching::Index;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

#[path = "src/definition/mod.rs"]
mod definition;
#[path = "src/frame.rs"]
mod frame;
#[path = "src/matching.rs"]
mod matching;
#[path = "src/notation/mod.rs"]
mod notation;
#[path = "src/protocol.rs"]
mod protocol;
#[path = "src/sighting.rs"]
mod sighting;

fn main() -> ExitCode {
    match pack() {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                // Cargo shows these even where it hides what a build script prints.
                println!("cargo::error={error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn pack() -> Result<(), Vec<String>> {
    let one = |error: &dyn std::fmt::Display| vec![error.to_string()];
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let files = read(&root).map_err(|error| one(&error))?;
    let mut definitions: Vec<DefinitionFile> = Vec::new();
    let mut errors: Vec<String> = Vec::new();
    for (name, text) in &files {
        match parse(name, text) {
            Ok(file) => {
                if let Some(code) = file.definition.code.as_ref().filter(|code| !has_code(&root, code)) {
                    errors.push(format!("{name}:1:1: there is no code `src/special/{code}.rs`"));
                }
                definitions.push(file);
            }
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    errors.extend(check_together(&definitions).iter().map(ToString::to_string));
    if !errors.is_empty() {
        return Err(errors);
    }
    // Equals are tried in the order of their ids, which is not that of the file names: `a-b.toml` comes before `a.toml`.
    definitions.sort_by(|a, b| a.definition.id.cmp(&b.definition.id));
    let mut packed = Vec::new();
    let mut sizes = Vec::new();
    for file in &definitions {
        let bytes = postcard::to_allocvec(&file.definition).map_err(|error| one(&error))?;
        sizes.push((file.definition.id.as_str(), u32::try_from(bytes.len()).map_err(|error| one(&error))?));
        packed.extend(bytes);
    }
    let index: Index<&str> = Index::of(&definitions.iter().map(|file| &file.definition).collect::<Vec<_>>());
    let index = postcard::to_allocvec(&(index, sizes)).map_err(|error| one(&error))?;
    fs::write(out.join("index.bin"), index).map_err(|error| one(&error))?;
    fs::write(out.join("protocols.bin"), packed).map_err(|error| one(&error))
}

fn has_code(root: &Path, code: &str) -> bool {
    let special = root.join("src/special");
    special.join(format!("{code}.rs")).is_file() || special.join(code).join("mod.rs").is_file()
}

/// The definitions, with names as a person would open them from the workspace.
fn read(root: &Path) -> std::io::Result<Vec<(String, String)>> {
    for path in ["devices", "build.rs", "src"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("devices"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".toml") {
            files.push((format!("crates/buttplug-protocols/devices/{name}"), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
