//! `cargo xtask cross`: whether everything compiles for the systems that this machine is not, and with the oldest
//! compiler that is promised. Nothing is linked, so neither their linkers nor a C compiler for them is needed.

pub(crate) mod compiler;

use std::fs;
use std::process::Command;

use compiler::{Compiler, Wanted};

use crate::run::{Context as _, Outcome, Steps, Tally, root, shown, target};

/// The oldest compiler for Windows and macOS: btleplug uses there what came with it. On Linux it is the workspace's
/// `rust-version`.
const OLDEST_ELSEWHERE: &str = "1.88";

/// A system, and what of the workspace is for it.
struct System {
    name: &'static str,
    target: &'static str,
    parts: &'static [&'static str],
}

const SYSTEMS: &[System] = &[
    System { name: "windows", target: WINDOWS, parts: PRODUCT },
    System { name: "windows-tests", target: WINDOWS, parts: &["--workspace", "--all-targets"] },
    System { name: "macos", target: "aarch64-apple-darwin", parts: PRODUCT },
    System {
        name: "web",
        target: "wasm32-unknown-unknown",
        parts: &[
            "--package=buttplug-core",
            "--package=buttplug-protocols",
            "--package=buttplug-client",
            "--package=buttplug",
            "--no-default-features",
            "--features=buttplug/client",
        ],
    },
];

const WINDOWS: &str = "x86_64-pc-windows-msvc";

/// What people build who use it.
const PRODUCT: &[&str] = &["--workspace", "--lib", "--bins", "--examples"];

/// The check with the oldest compiler.
const OLDEST: &str = "oldest";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    /// Places in [`SYSTEMS`].
    systems: Vec<usize>,
    oldest: bool,
}

/// `arguments` may name what to check; else it is everything.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let wish = Wish::read(arguments)?;
    let mut steps = Steps::new();
    let outcome = check(&wish, &mut steps);
    steps.close(outcome)
}

/// What `ci` checks. Not everything, for the sake of its time: the workflow builds and tests on Windows and macOS, and checks
/// with the oldest compilers; clippy knows those, too.
const IN_CI: [&str; 2] = ["windows", "web"];

/// The steps of `ci`.
pub(crate) fn in_ci(steps: &mut Steps) -> Outcome {
    check(&Wish::read(&IN_CI.map(str::to_owned))?, steps)
}

impl Wish {
    fn read(arguments: &[String]) -> Outcome<Self> {
        if arguments.is_empty() {
            return Ok(Self { systems: (0..SYSTEMS.len()).collect(), oldest: true });
        }
        let mut wish = Self::default();
        for argument in arguments {
            match SYSTEMS.iter().position(|system| system.name == argument) {
                Some(system) => wish.systems.push(system),
                None if argument == OLDEST => wish.oldest = true,
                None => {
                    let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).chain([OLDEST]).collect();
                    return Err(format!("`{argument}` is none of {}", known.join(", ")));
                }
            }
        }
        Ok(wish)
    }
}

fn check(wish: &Wish, steps: &mut Steps) -> Outcome {
    if !wish.systems.is_empty() {
        let compiler = newest(wish, steps)?;
        for system in wish.systems.iter().filter_map(|&system| SYSTEMS.get(system)) {
            steps.step(system.name, |tally| succeeds(&mut check_system(&compiler, system), tally))?;
        }
    }
    if wish.oldest {
        steps.step(OLDEST, check_oldest)?;
    }
    Ok(())
}

/// The newest compiler, with the standard libraries that are wanted.
fn newest(wish: &Wish, steps: &mut Steps) -> Outcome<Compiler> {
    let mut fetched = None;
    steps.step("compiler", |_| {
        let folder = target().join("cross/newest");
        let compiler = fetched.insert(Compiler::fetch(&folder, Wanted::Newest(OLDEST_ELSEWHERE))?);
        let systems = wish.systems.iter().filter_map(|&system| SYSTEMS.get(system));
        compiler.add_targets(&systems.map(|system| system.target).collect::<Vec<_>>())
    })?;
    fetched.ok_or_else(|| "the compiler was not fetched".to_owned())
}

fn check_system(compiler: &Compiler, system: &System) -> Command {
    let mut command = compiler.cargo(&["check", "--locked", "--keep-going", "--target", system.target]);
    command.args(system.parts);
    without_c(&mut command, &format!("_{}", system.target.replace('-', "_")));
    // For the target only, and there only for what is ours.
    command.env("RUSTFLAGS", "-D warnings");
    command
}

/// Warnings are the newest compiler's affair.
fn check_oldest(tally: &mut Tally) -> Outcome {
    let manifest = root().join("Cargo.toml");
    let manifest = fs::read_to_string(&manifest).context("Cargo.toml")?;
    let version = rust_version(&manifest).ok_or("Cargo.toml has no rust-version")?;
    let compiler = Compiler::fetch(&target().join("cross/oldest"), Wanted::Exactly(version))?;
    let mut command = compiler.cargo(&["check", "--locked", "--keep-going"]);
    command.args(PRODUCT);
    without_c(&mut command, "");
    succeeds(&mut command, tally)
}

/// The oldest compiler that is promised.
fn rust_version(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version"))?;
    line.split('"').nth(1)
}

/// Lets build scripts believe that they have compiled their C. `ending` is that of the variables' names.
fn without_c(command: &mut Command, ending: &str) {
    let stand_in = root().join("xtask/cross/no-c.sh");
    for tool in ["CC", "CXX", "AR"] {
        command.env(format!("{tool}{ending}"), &stand_in);
    }
}

/// Runs a check and counts it.
fn succeeds(command: &mut Command, tally: &mut Tally) -> Outcome {
    let text = shown(command);
    println!("$ {text}");
    let status = command.status().context(&format!("can't start `{text}`"))?;
    if status.success() {
        tally.passed += 1;
        return Ok(());
    }
    tally.failed += 1;
    Err(format!("`{text}` failed ({status})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Outcome<Wish> {
        Wish::read(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_name_everything_is_checked() {
        assert_eq!(read(&[]).unwrap(), Wish { systems: vec![0, 1, 2, 3], oldest: true });
        assert_eq!(read(&["macos"]).unwrap(), Wish { systems: vec![2], oldest: false });
        assert_eq!(read(&["oldest"]).unwrap(), Wish { systems: vec![], oldest: true });
    }

    #[test]
    fn a_system_that_is_not_known_is_named_with_those_that_are() {
        assert_eq!(
            read(&["amiga"]).unwrap_err(),
            "`amiga` is none of windows, windows-tests, macos, web, oldest"
        );
    }

    #[test]
    fn the_promised_compiler_is_the_workspace_s() {
        let manifest = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.85\"\n";
        assert_eq!(rust_version(manifest), Some("1.85"));
        assert_eq!(rust_version("[package]\nname = \"rust-version\"\n"), None);
        assert!(rust_version(&fs::read_to_string(root().join("Cargo.toml")).unwrap()).is_some());
    }

    #[test]
    fn what_the_book_says_of_compilers_is_what_is_checked() {
        let book = fs::read_to_string(root().join("docs/src/systems.md")).unwrap();
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        for version in [OLDEST_ELSEWHERE, rust_version(&manifest).unwrap()] {
            assert!(
                book.contains(&format!("Rust {version}")),
                "docs/src/systems.md does not name Rust {version}"
            );
        }
        for system in SYSTEMS {
            assert!(book.contains(&format!("`{}`", system.target)), "docs/src/systems.md: {}", system.target);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_stand_in_for_c_makes_the_library_that_is_looked_for() {
        let folder = target().join("cross/no-c");
        fs::create_dir_all(&folder).unwrap();
        for (argument, library) in [("-OUT:one.lib", "one.lib"), ("two.a", "two.a")] {
            let _ = fs::remove_file(folder.join(library));
            let mut command = Command::new(root().join("xtask/cross/no-c.sh"));
            let status = command.current_dir(&folder).args(["cq", argument, "object.o"]).status().unwrap();
            assert!(status.success() && folder.join(library).exists(), "{library}");
        }
        assert!(!folder.join("object.o").exists());
    }
}
