//! What the notation reaches: small definitions for the shapes that protocols have, each proved by its vectors, and the
//! errors of definitions that are wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod conversations;
mod errors;
mod frames;
mod models;

use buttplug_protocols::catalogue::{Catalogue, Setup};
use buttplug_protocols::definition::{Vector, parse};
use buttplug_protocols::model::Model;
use buttplug_protocols::rehearsal::rehearse;
use std::time::Instant;

const HARDWARE: &str = r#"
[[bluetooth]]
names = ["X"]
services.ff00 = { tx = "ff01", rx = "ff02", txmode = "ff03", rxblemodel = "2a24", rxpressure = "ff04", whitelist = "ff05" }
services.180f = { rxblebattery = "2a19" }
"#;

/// Runs the examples of a definition with common hardware and one model.
fn check(top: &str, features: &str, rest: &str) {
    let text = format!("{top}\n{HARDWARE}\n[[model]]\nfallback = \"X\"\nfeatures = {features}\n{rest}\n");
    let file = parse("reach.toml", &text).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("reach.toml", &text).unwrap();
    let candidate = catalogue.protocol("reach").unwrap();
    for vector in &file.vectors {
        if let Err(difference) = rehearse(&candidate, vector, Instant::now()) {
            panic!("{difference}\n{text}");
        }
    }
}

/// The first error of a definition whose top is `top`.
fn first_error(top: &str, rest: &str) -> String {
    let text = format!("{top}\n{rest}");
    let errors = parse("wrong.toml", &text).map(|file| file.definition).unwrap_err();
    errors[0].to_string()
}

/// A definition with common hardware, so many `[[model]]`, and an example.
fn with_models(top: &str, models: &str) -> String {
    format!("{top}\n{HARDWARE}{models}\n[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"\n")
}
