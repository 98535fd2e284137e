//! `cargo xtask bluetooth`: the real engine against the real Bluetooth of Linux, without hardware. A virtual machine runs
//! kernel, D-Bus and bluetoothd; its controller is a program outside, on whose radio emulated devices speak the
//! catalogue's protocols; the engine reaches the machine's D-Bus over TCP. What is played is in `scenarios.rs`.

mod client;
mod fetch;
mod machine;
mod radio;
mod scenarios;
mod world;

use crate::run::{Outcome, Tally, build_engine};

/// `arguments` may name the scenarios to play; else it is all of them.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut tally = Tally::default();
    let outcome = play(arguments, &mut tally);
    tally.close(outcome)
}

/// All scenarios as a step of `ci`.
pub(crate) fn all(tally: &mut Tally) -> Outcome {
    play(&[], tally)
}

fn play(only: &[String], tally: &mut Tally) -> Outcome {
    let parts = fetch::parts()?;
    let engine = build_engine(&[])?;
    let mut world = world::World::new(&parts, engine)?;
    scenarios::play(&mut world, only, tally)
}
