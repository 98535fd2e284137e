//! What has to hold whatever comes in: the bodies of the fuzz targets, one module each. A property that does not hold is
//! a panic. Knows libFuzzer neither as a crate nor as a program, so that the test in `tests/` can run the committed corpus
//! in the ordinary test suite.
//!
//! Where things are: [`client_frames`] and [`definitions`] are about pure functions. [`versions`] and [`sessions`] hold a whole
//! server against their input, with what stands in `world` and `client`; `expectation` says which replies a frame gets,
//! `vocabulary` what a server may say, and `grammar` makes frames out of bytes. [`device_port`] listens on a real port. [`client_sessions`]
//! holds the client library against a server's words.
#![allow(clippy::expect_used, clippy::panic, reason = "a property that does not hold is a panic")]

mod client;
pub mod client_frames;
pub mod client_sessions;
pub mod definitions;
pub mod device_port;
mod expectation;
mod grammar;
mod script;
pub mod sessions;
pub mod versions;
mod vocabulary;
mod world;

/// A property that is held against every input.
pub type Property = fn(&[u8]);

/// The targets by name, which is also the name of the program in `fuzz/fuzz_targets/` and of the folder in
/// `fuzz/corpus/`.
pub const TARGETS: &[(&str, Property)] = &[
    ("client_frames", client_frames::hold),
    ("client_sessions", client_sessions::hold),
    ("definitions", definitions::hold),
    ("device_port", device_port::hold),
    ("sessions", sessions::hold),
    ("versions", versions::hold),
];

/// Prints what an input means, where it is asked for by the environment variable `FUZZ_SHOW`: what a fuzzer makes can't be
/// read as it is.
#[allow(clippy::print_stderr, reason = "libFuzzer's own reports go there")]
fn show(meaning: &dyn std::fmt::Display) {
    if std::env::var_os("FUZZ_SHOW").is_some() {
        eprintln!("{meaning}");
    }
}
