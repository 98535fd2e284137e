//! `cargo xtask ci`: what a change must pass, cheapest first. `.ci/run` prepares a bare machine and calls this.

use crate::run::{Outcome, Steps, cargo};
use crate::{book, interop, test};

pub(crate) fn run(_: &[String]) -> Outcome {
    let mut steps = Steps::new();
    let outcome = all(&mut steps);
    steps.close(outcome)
}

fn all(steps: &mut Steps) -> Outcome {
    steps.command("fmt", &mut cargo(&["fmt", "--all", "--check"]))?;
    steps.command(
        "clippy",
        &mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    steps.command(
        "doc",
        cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    steps.step("book", book::all)?;
    test::all(steps)?;
    steps.step("interop", interop::all)
}
