//! The program `buttplug`: a Buttplug server to start and leave running, and a demonstration of it.
//!
//! Puts the parts together and talks with the person who starts it; has no rules that a library would need.

mod answer;
mod buses;
mod cli;
mod definitions;
mod dial_out;
mod doctor;
mod exit;
mod frontend;
mod gatekeeper;
mod guard;
#[cfg(feature = "tls")]
mod identity;
mod known;
mod life;
mod log;
mod mdns;
mod parent;
mod random;
mod repeater;
mod rescue;
mod rest;
mod running;
mod settings;
mod signals;
mod sleep;
mod sources;
mod stop_first;
mod supervisor;
#[cfg(test)]
mod test_folder;
mod user;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Panics of tasks are dealt with where the tasks are; this one is for the thread that waits for them.
    let ended = std::panic::catch_unwind(|| cli::run(std::env::args_os().collect()));
    ended.unwrap_or(exit::Exit::Internal).into()
}
