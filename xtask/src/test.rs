//! `cargo xtask test`: everything that needs no network. The rules of `tidy` are among xtask's own tests.

use crate::run::{Outcome, Steps, cargo};

/// How many tests of a program run at a time.
const THREADS: &str = "RUST_TEST_THREADS";

/// The least of that, whatever the machine.
const LEAST_AT_A_TIME: usize = 4;

pub(crate) fn run(_: &[String]) -> Outcome {
    let mut steps = Steps::new();
    let outcome = all(&mut steps);
    steps.close(outcome)
}

/// The tests as a step, also of `ci`.
pub(crate) fn all(steps: &mut Steps) -> Outcome {
    // Not `--all-targets`: it leaves out the examples in the documentation, and builds the programs in `examples/` as
    // tests only, while a test there runs them.
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    // Those of the program mostly wait for it.
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        tests.env(THREADS, cores.max(LEAST_AT_A_TIME).to_string());
    }
    steps.command("test", &mut tests)
}
