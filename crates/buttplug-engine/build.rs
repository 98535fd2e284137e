//! Packs the ids by which user files of earlier engines name models, from `data/` into the build folder. Writes nowhere
//! else.

use packed::{Id, PublishedModel, PublishedProtocol};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

#[path = "src/user/earlier/published/packed.rs"]
mod packed;

const FILE: &str = "data/published-ids.txt";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FILE}");
    println!("cargo::rerun-if-changed=src/user/earlier/published/packed.rs");
    match pack() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={FILE}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack() -> Result<(), String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let text = fs::read_to_string(root.join(FILE)).map_err(|error| error.to_string())?;
    let packed = postcard::to_allocvec(&parse(&text)?).map_err(|error| error.to_string())?;
    fs::write(out.join("published-ids.bin"), packed).map_err(|error| error.to_string())
}

fn parse(text: &str) -> Result<Vec<PublishedProtocol>, String> {
    let mut protocols: Vec<PublishedProtocol> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(protocol) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            protocols.push(PublishedProtocol { protocol: protocol.to_owned(), models: Vec::new() });
            continue;
        }
        let (protocol, model) = protocols
            .last_mut()
            .zip(model(line))
            .ok_or_else(|| format!("line {number} is not understood"))?;
        protocol.models.push(model);
    }
    Ok(protocols)
}

fn model(line: &str) -> Option<PublishedModel> {
    let (model, rest) = line.split_once(' ')?;
    let (features, name) = rest.split_once(' ')?;
    let features = match features {
        "=" => None,
        "-" => Some(Vec::new()),
        listed => Some(listed.split(',').map(feature).collect::<Option<_>>()?),
    };
    Some(PublishedModel { name: (name != "*").then(|| name.to_owned()), id: id(model)?, features })
}

fn feature(text: &str) -> Option<(u32, Id)> {
    let (index, feature) = text.split_once(':')?;
    Some((index.parse().ok()?, id(feature)?))
}

fn id(text: &str) -> Option<Id> {
    let digits = text.replace('-', "");
    let whole = digits.len() == 32;
    u128::from_str_radix(&digits, 16).ok().filter(|_| whole).map(u128::to_be_bytes)
}
