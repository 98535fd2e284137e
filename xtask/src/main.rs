//! The project's own tasks: `cargo xtask <task>`. Knows the tree and its tools, and the product only from outside: no
//! crate of the workspace is a dependency.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of tasks talks to its terminal")]

mod bench;
mod bluetooth;
mod book;
mod ci;
mod cross;
mod debian;
mod engine;
mod fuzz;
mod interop;
mod run;
mod test;
mod tidy;
mod wine;

use std::process::ExitCode;

use run::Outcome;

/// One thing that can be asked for. Its file is named after it.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task { name: "test", about: "all tests that need no network, and tidy", run: test::run },
    Task {
        name: "ci",
        about: "what a change must pass: fmt, clippy, docs, book, test, fuzz, cross, bluetooth, interop",
        run: ci::run,
    },
    Task {
        name: "interop",
        about: "published client libraries against the engine (needs node, npm, python3 and their registries)",
        run: interop::run,
    },
    Task {
        name: "bluetooth",
        about: "the engine against the Bluetooth of Linux in a virtual machine, with emulated devices (needs qemu, \
                python3 and their registries)",
        run: bluetooth::run,
    },
    Task {
        name: "cross",
        about: "whether it compiles for other systems and with the oldest compiler: [windows] [macos] [web] [oldest] \
                (needs a Debian and its packages)",
        run: cross::run,
    },
    Task {
        name: "wine",
        about: "the tests of Windows, with Wine: all or ARGUMENTS of cargo test (needs a Debian, its wine64 and \
                gcc-mingw-w64-x86-64)",
        run: wine::run,
    },
    Task { name: "book", about: "builds the book in docs/ and looks for what leads nowhere", run: book::run },
    Task { name: "bench", about: "measures the release program from outside (Linux)", run: bench::run },
    Task {
        name: "fuzz",
        about: "what comes from outside, made up by libFuzzer: [--seconds N] [TARGET..] or TARGET FILE..",
        run: fuzz::run,
    },
    Task { name: "tidy", about: "the rules of the tree that no compiler checks", run: tidy::run },
];

/// Processes that the tasks start of this same program; not for people.
const PARTS: &[Task] = &[
    Task { name: "bench-inner", about: "", run: bench::measure },
    Task { name: "echo-server", about: "", run: bench::echo::serve },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "help".to_owned());
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().chain(PARTS).find(|task| task.name == name) else {
        eprintln!("xtask: there is no task `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    let rest: Vec<String> = arguments.collect();
    match (task.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without words: the task has said it and closed its output.
            if !failure.is_empty() {
                eprintln!("xtask {name}: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <task>\n\nTasks:\n");
    for task in TASKS {
        text.push_str(&format!("  {:9} {}\n", task.name, task.about));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_task_and_no_inner_part() {
        let text = help();
        assert!(TASKS.iter().all(|task| text.contains(task.name) && text.contains(task.about)));
        assert!(PARTS.iter().all(|part| !text.contains(part.name)));
    }
}
