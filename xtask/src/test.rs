//! `cargo xtask test`: everything that needs no network. The rules of `tidy` are among xtask's own tests.

use crate::run::{Outcome, Steps, cargo};

pub(crate) fn run(_: &[String]) -> Outcome {
    let mut steps = Steps::new();
    let outcome = all(&mut steps);
    steps.close(outcome)
}

/// The tests as a step, also of `ci`.
pub(crate) fn all(steps: &mut Steps) -> Outcome {
    // Not `--all-targets`: it leaves out the examples in the documentation, and builds the programs in `examples/` as
    // tests only, while a test there runs them.
    steps.command("test", &mut cargo(&["test", "--workspace", "--locked"]))
}
