//! `cargo xtask fuzz`: builds the programs in `fuzz/` with libFuzzer and runs them, one after another. What they hold
//! against their inputs stands in `fuzz/properties`; this knows how they are built and what became of a run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{Context as _, Outcome, Tally, cargo, root, shown, target};

/// Seconds of a run, all targets together, if nothing else is asked for.
const DEFAULT_SECONDS: u64 = 60;

/// Of a run in CI: enough for the corpus and some thousands of new inputs for each target.
const CI_SECONDS: u64 = 25;

/// Longer inputs find nothing that shorter ones don't: what is long is made of what is short.
const MAX_INPUT_BYTES: u32 = 4096;

/// An input that takes longer is a finding. They take milliseconds; a definition may be checked for a second, or for some
/// here, where everything is counted.
const MAX_INPUT_SECONDS: u32 = 25;

/// Memory beyond which an input is a finding. A run has less than a tenth of it.
const MAX_MEGABYTES: u32 = 1024;

/// How the compiler counts which code was reached, as cargo-fuzz asks for it. Works on stable; the sanitizers, which do
/// not, look for what `unsafe` code does, and there is none.
const COUNTING: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Lines of libFuzzer's report that are shown of a run that found something.
const LAST_LINES: usize = 40;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    seconds: u64,
    targets: Vec<String>,
    /// Run these and nothing else.
    inputs: Vec<PathBuf>,
}

/// `[--seconds N] [TARGET..]` shares N seconds among the targets, all of them if none is named. `TARGET FILE..` runs
/// inputs again and shows what they mean.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let wish = Wish::read(arguments, &targets()?)?;
    let programs = build()?;
    if let [target] = wish.targets.as_slice() {
        if !wish.inputs.is_empty() {
            return again(&programs.join(target), &wish.inputs);
        }
    }
    let mut tally = Tally::default();
    let outcome = all(&programs, &wish, &mut tally);
    tally.close(outcome)
}

/// The short run; also a step of `ci`.
pub(crate) fn short(tally: &mut Tally) -> Outcome {
    let wish = Wish { seconds: CI_SECONDS, targets: targets()?, inputs: Vec::new() };
    all(&build()?, &wish, tally)
}

/// The targets, in order: a program each.
fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context("fuzz/fuzz_targets")? {
        let path = entry.context("fuzz/fuzz_targets")?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

impl Wish {
    fn read(arguments: &[String], known: &[String]) -> Outcome<Self> {
        let mut wish = Self { seconds: DEFAULT_SECONDS, targets: Vec::new(), inputs: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--seconds" {
                let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                wish.seconds = seconds.filter(|seconds| *seconds > 0).ok_or("--seconds needs a number")?;
            } else if known.contains(argument) {
                wish.targets.push(argument.clone());
            } else if Path::new(argument).is_file() {
                wish.inputs.push(PathBuf::from(argument));
            } else {
                let known = known.join(", ");
                return Err(format!("`{argument}` is neither a target ({known}) nor a file"));
            }
        }
        if !wish.inputs.is_empty() && wish.targets.len() != 1 {
            return Err("name the one target that the files are inputs of".to_owned());
        }
        if wish.targets.is_empty() {
            wish.targets = known.to_vec();
        }
        Ok(wish)
    }
}

/// Builds all programs; returns the folder they lie in.
fn build() -> Outcome<PathBuf> {
    if cfg!(windows) {
        return Err("fuzzing needs Linux or macOS".to_owned());
    }
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let version =
        Command::new(&compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        return Err(format!(
            "there is no C++ compiler `{compiler}`, and libFuzzer is C++: install one (Debian: apt-get install g++), \
             or name yours in the variable CXX"
        ));
    }
    let host = host()?;
    // A folder of its own: nothing that is built so fits what is built otherwise.
    let folder = target().join("fuzz");
    let mut command = cargo(&["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // With a target named, the flags hold for what runs and not for what runs while building.
    command.args(["--target", &host, "--target-dir"]).arg(&folder);
    command.env("RUSTFLAGS", COUNTING.join(" "));
    println!("$ {}", shown(&command));
    let status = command.status().context("can't start cargo")?;
    if !status.success() {
        return Err(format!("the fuzz targets do not build ({status})"));
    }
    Ok(folder.join(host).join("release"))
}

/// The platform that is compiled for.
fn host() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("can't start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say for which platform it compiles".to_owned())
}

fn all(programs: &Path, wish: &Wish, tally: &mut Tally) -> Outcome {
    let share =
        Duration::from_secs(wish.seconds) / u32::try_from(wish.targets.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = Vec::new();
    for target in &wish.targets {
        match fuzz(programs, target, share.as_secs().max(1)) {
            Ok(summary) => {
                println!("{target}: {summary}");
                tally.passed += 1;
            }
            Err(failure) => {
                println!("{target}: {failure}");
                tally.failed += 1;
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("found something: {}", failed.join(", "))) }
}

/// Runs one target; what it did in a line, or what it found.
fn fuzz(programs: &Path, name: &str, seconds: u64) -> Outcome<String> {
    let folder = |path: PathBuf| -> Outcome<PathBuf> {
        fs::create_dir_all(&path).context(&path.display().to_string())?;
        Ok(path)
    };
    // What a run finds worth keeping goes to the first; it stays for the next run, and out of the repository.
    let grown = folder(target().join("fuzz/corpus").join(name))?;
    let artifacts = folder(root().join("fuzz/artifacts").join(name))?;
    let log = target().join("fuzz").join(format!("{name}.log"));
    let report = File::create(&log).context(&log.display().to_string())?;
    let mut command = Command::new(programs.join(name));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_INPUT_BYTES}"))
        .arg(format!("-timeout={MAX_INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MAX_MEGABYTES}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    let words = root().join("fuzz/dictionaries").join(name);
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    command.arg(grown).arg(root().join("fuzz/corpus").join(name));
    if name == "definitions" {
        command.arg(root().join("crates/buttplug-protocols/devices"));
    }
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(report);
    let status = command.status().context(&format!("can't start {name}"))?;
    let report = fs::read(&log).context(&log.display().to_string())?;
    let report = String::from_utf8_lossy(&report);
    if status.success() {
        return Ok(summary(&report).unwrap_or_else(|| format!("no summary in {}", log.display())));
    }
    let lines: Vec<&str> = report.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n");
    let input =
        report.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
    let advice = input.map_or_else(String::new, |input| {
        format!(
            "\nagain, with what the input means: cargo xtask fuzz {name} {input}\n\
             when it is mended, keep it under a name that says what it was: fuzz/corpus/{name}/"
        )
    });
    Err(format!("ended with {status}; all of it in {}\n{last}{advice}", log.display()))
}

/// What libFuzzer says last of a run that found nothing: `#123 DONE cov: 4 ft: 5 corp: 6/7b lim: 8 exec/s: 9 rss: 10Mb`.
fn summary(report: &str) -> Option<String> {
    let line = report.lines().find(|line| line.contains("DONE"))?;
    let inputs = line.strip_prefix('#')?.split_ascii_whitespace().next()?;
    let after = |what: &str| line.split_once(what)?.1.split_ascii_whitespace().next();
    let (places, kept, speed) = (after("cov: ")?, after("corp: ")?, after("exec/s: ")?);
    let kept = kept.split('/').next()?;
    Some(format!(
        "{inputs} inputs, {speed} a second, reached {places} places in the code, kept {kept} inputs"
    ))
}

/// Runs inputs once more, with what they mean.
fn again(program: &Path, inputs: &[PathBuf]) -> Outcome {
    let mut command = Command::new(program);
    command.args(inputs).env("FUZZ_SHOW", "1").env("RUST_BACKTRACE", "1");
    println!("$ {}", shown(&command));
    let status = command.status().context("can't start it")?;
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Outcome<Wish> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Wish::read(&arguments, &["frames".to_owned(), "ports".to_owned()])
    }

    #[test]
    fn without_a_name_all_targets_are_meant() {
        let wish = read(&["--seconds", "10"]).unwrap();
        assert_eq!((wish.seconds, wish.targets), (10, vec!["frames".to_owned(), "ports".to_owned()]));
        assert_eq!(read(&["ports"]).unwrap().targets, ["ports"]);
    }

    #[test]
    fn what_is_neither_a_target_nor_a_file_is_named() {
        let failure = read(&["nothing"]).unwrap_err();
        assert_eq!(failure, "`nothing` is neither a target (frames, ports) nor a file");
        assert!(read(&["--seconds"]).is_err() && read(&["--seconds", "0"]).is_err());
        let file = root().join("Cargo.toml").display().to_string();
        assert!(read(&[&file]).is_err(), "an input of which target?");
        assert_eq!(read(&["ports", &file]).unwrap().inputs, [PathBuf::from(file)]);
    }

    #[test]
    fn a_run_that_found_nothing_is_one_line() {
        let report =
            "#2\tINITED cov: 1 ft: 1\n#123\tDONE   cov: 4 ft: 5 corp: 6/7b lim: 8 exec/s: 9 rss: 10Mb\n";
        let expected = "123 inputs, 9 a second, reached 4 places in the code, kept 6 inputs";
        assert_eq!(summary(report).as_deref(), Some(expected));
    }

    #[test]
    fn there_are_targets() {
        assert!(targets().unwrap().contains(&"versions".to_owned()));
    }
}
