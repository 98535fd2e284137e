//! Running other programs and saying how it went: steps with their time, counted tests, one closing line. Decides
//! nothing about what is run.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a task comes to. The error is a sentence for a person.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Puts what was being done in front of what went wrong.
pub(crate) trait Context<T> {
    /// The same result; an error becomes `doing: error`.
    fn context(self, doing: &str) -> Outcome<T>;
}

impl<T, E: std::fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: &str) -> Outcome<T> {
        self.map_err(|error| format!("{doing}: {error}"))
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds, and where these tasks put what they fetch.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs this, in the workspace's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Builds the program `buttplug` and returns where it lies. `profile` is empty or `--release`.
pub(crate) fn build_engine(profile: &[&str]) -> Outcome<PathBuf> {
    let mut command = cargo(&["build", "--package", "buttplug-engine", "--bin", "buttplug"]);
    command.args(["--message-format", "json-render-diagnostics"]).args(profile);
    println!("$ {}", shown(&command));
    let output = command.stderr(Stdio::inherit()).output().context("can't start cargo")?;
    if !output.status.success() {
        return Err(format!("the engine does not build ({})", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "buttplug")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo built no program `buttplug`".to_owned())
}

/// Runs a command whose output matters only if it fails; the error then carries its end.
pub(crate) fn quietly(command: &mut Command) -> Outcome {
    let text = shown(command);
    println!("$ {text}");
    let output = command.stdin(Stdio::null()).output().context(&format!("can't start `{text}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().take(15).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("`{text}` failed ({}):\n{}", output.status, last.join("\n")))
}

/// The command as one would type it, without its environment.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

/// How many checks held and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Prints, as the last line of all, `N passed, N failed`, and before it what failed. A failure without a failed
    /// check counts as one. The error that is returned has no words left.
    pub(crate) fn close(mut self, outcome: Outcome) -> Outcome {
        if let Err(failure) = &outcome {
            println!("\n{failure}");
            self.failed = self.failed.max(1);
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        outcome.map_err(|_| String::new())
    }

    /// Adds what a line of a test program's output says, if it is its result line.
    fn add_result_line(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let count = |what: &str| {
            let before = counts.split(what).next().filter(|before| before.len() < counts.len())?;
            before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
    }

    /// The two counts together.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A task of several steps: says what it runs, how long each step took, and in the end what it came to.
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
    tally: Tally,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { done: Vec::new(), tally: Tally::default() }
    }

    /// Runs one command to its end; test results it prints are counted.
    pub(crate) fn command(&mut self, name: &'static str, command: &mut Command) -> Outcome {
        self.step(name, |tally| {
            let text = shown(command);
            println!("$ {text}");
            let mut child = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .context(&format!("can't start `{text}`"))?;
            if let Some(output) = child.stdout.take() {
                let mut terminal = std::io::stdout().lock();
                for line in BufReader::new(output).lines() {
                    let line = line.context("can't read its output")?;
                    tally.add_result_line(&line);
                    writeln!(terminal, "{line}").context("can't print")?;
                }
            }
            let status = child.wait().context("can't wait for it")?;
            if status.success() { Ok(()) } else { Err(format!("`{text}` failed ({status})")) }
        })
    }

    /// Runs one step in this process. It counts its checks in the tally that it is handed.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce(&mut Tally) -> Outcome) -> Outcome {
        println!("\n== {name}");
        let started = Instant::now();
        let mut tally = Tally::default();
        let outcome = run(&mut tally);
        let took = started.elapsed();
        self.tally.add(tally);
        self.done.push((name, took));
        let word = if outcome.is_ok() { "done" } else { "FAILED" };
        println!("== {name}: {word} in {:.1} s", took.as_secs_f64());
        outcome.map_err(|failure| format!("stopped at step `{name}`: {failure}"))
    }

    /// Prints the times and closes with the counts.
    pub(crate) fn close(self, outcome: Outcome) -> Outcome {
        println!();
        for (name, took) in &self.done {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        self.tally.close(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_test_programs_are_counted_and_other_lines_are_not() {
        let mut tally = Tally::default();
        for line in [
            "running 12 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s",
            "the message `7 passed` of somebody else",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            tally.add_result_line(line);
        }
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--workspace"]).env("SECRET", "1");
        assert_eq!(shown(&command), "cargo test --workspace");
    }

    #[test]
    fn a_failed_step_names_itself_and_its_reason() {
        let failure = Steps::new().step("clippy", |_| Err("two warnings".to_owned()));
        assert_eq!(failure, Err("stopped at step `clippy`: two warnings".to_owned()));
    }
}
