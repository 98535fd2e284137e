//! `cargo xtask wine`: builds the tests for Windows and runs them with Wine, which plays Windows on Linux. What it plays is not
//! all of Windows, and no hardware; the workflow has the real one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::compiler::{Compiler, Wanted};
use crate::debian;
use crate::run::{Context as _, Outcome, Steps, quietly, root, target};

const TARGET: &str = "x86_64-pc-windows-gnu";

/// The oldest compiler that does.
const OLDEST: &str = "1.88";

const LINKER: &str = "x86_64-w64-mingw32-gcc";

/// Tests of what Wine does not play as Windows does.
const NOT_PLAYED: &[&str] = &[
    // A folder is removed whose file is open.
    "log::file::tests::what_can_not_be_written_is_counted_complained_of_once_and_told_when_it_works_again",
    // No service that lists human interface devices.
    "system::tests::whatever_is_no_device_is_not_opened_and_listing_goes_on_without",
    // Connecting takes milliseconds, so that a crowd pushes out whoever comes after it before that has spoken.
    "strangers::a_thousand_connections_keep_out_neither_a_client_nor_a_device",
    // A connection that is reset looks like one that was closed.
    "version0::every_end_is_noticed_with_its_reason",
];

/// `arguments` are for `cargo test`; without any it is the whole workspace.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut steps = Steps::new();
    let outcome = all(arguments, &mut steps);
    steps.close(outcome)
}

fn all(arguments: &[String], steps: &mut Steps) -> Outcome {
    debian::require(LINKER, "gcc-mingw-w64-x86-64")?;
    let wine = wine()?;
    let mut fetched = None;
    steps.step("compiler", |_| {
        let compiler =
            fetched.insert(Compiler::fetch(&target().join("cross/newest"), Wanted::Newest(OLDEST))?);
        compiler.add_whole_target(TARGET)
    })?;
    let compiler = fetched.ok_or("the compiler was not fetched")?;
    let prefix = target().join("wine");
    steps.step("prefix", |_| prepare(&wine, &prefix))?;
    let mut tests = compiler.cargo(&["test", "--locked", "--no-fail-fast", "--target", TARGET]);
    if arguments.is_empty() {
        tests.args(["--workspace", "--exclude", "xtask"]);
    }
    let (of_cargo, of_tests) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[][..]),
    };
    tests.args(of_cargo).arg("--").args(of_tests).args(NOT_PLAYED.iter().flat_map(|test| ["--skip", *test]));
    let in_capitals = TARGET.to_uppercase().replace('-', "_");
    tests
        .env(format!("CARGO_TARGET_{in_capitals}_LINKER"), LINKER)
        .env(format!("CARGO_TARGET_{in_capitals}_RUNNER"), root().join("xtask/wine/run.sh"))
        .env("WINE", &wine)
        .env("WINEPREFIX", &prefix)
        .env("WINEDEBUG", "-all");
    steps.command("tests", &mut tests)
}

/// Debian does not put it where programs are looked for.
fn wine() -> Outcome<PathBuf> {
    let debians = Path::new("/usr/lib/wine/wine64");
    if debians.is_file() {
        return Ok(debians.to_owned());
    }
    debian::require("wine64", "wine64")?;
    Ok(PathBuf::from("wine64"))
}

/// Makes the folders that Wine takes for a Windows machine.
fn prepare(wine: &Path, prefix: &Path) -> Outcome {
    let library = prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
    if library.exists() {
        return Ok(());
    }
    fs::create_dir_all(prefix).context(&prefix.display().to_string())?;
    let mut boot = Command::new(wine);
    quietly(boot.args(["wineboot", "--init"]).env("WINEPREFIX", prefix).env("WINEDEBUG", "-all"))?;
    if library.exists() {
        return Ok(());
    }
    let mut build = Command::new(LINKER);
    build
        .args(["-shared", "-o"])
        .arg(&library)
        .arg(root().join("xtask/wine/bcryptprimitives.c"))
        .arg("-ladvapi32");
    quietly(&mut build)
}
