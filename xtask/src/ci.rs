//! `cargo xtask ci`: what a change must pass, cheapest first. `.ci/run` prepares a bare machine and calls this.

use crate::run::{Outcome, Steps, cargo, target};
use crate::{bluetooth, book, cross, fuzz, interop, test};

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
    // The programs that fuzz are a workspace of their own; libFuzzer itself need not be built for this.
    steps.command("fmt of fuzz", &mut cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    let mut clippy =
        cargo(&["clippy", "--manifest-path", "fuzz/Cargo.toml", "--no-default-features", "--locked"]);
    clippy.arg("--target-dir").arg(target()).args(["--", "-D", "warnings"]);
    steps.command("clippy of fuzz", &mut clippy)?;
    steps.command(
        "doc",
        cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    steps.step("book", book::all)?;
    test::all(steps)?;
    steps.step("fuzz", fuzz::short)?;
    cross::in_ci(steps)?;
    steps.step("bluetooth", bluetooth::all)?;
    steps.step("interop", interop::all)
}
