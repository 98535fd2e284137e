//! `buttplug completions` and `buttplug man`: what a shell and a manual should know, made from the flags themselves.

use super::{Cli, complain, print};
use crate::exit::Exit;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};

/// What `completions` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example, for bash:\n    \
        buttplug completions bash > ~/.local/share/bash-completion/completions/buttplug\n\
    for zsh, into a folder of its $fpath:\n    \
        buttplug completions zsh > ~/.zfunc/_buttplug\n\
    for fish:\n    \
        buttplug completions fish > ~/.config/fish/completions/buttplug.fish")]
pub(super) struct CompletionsFlags {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints what makes a shell complete the flags.
pub(super) fn completions(flags: &CompletionsFlags) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "buttplug", &mut script);
    print(&String::from_utf8_lossy(&script), Exit::Orderly)
}

/// What `man` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example: buttplug man serve | man -l -\n\
    or, for good: buttplug man --output ~/.local/share/man/man1")]
pub(super) struct ManFlags {
    /// The page of this subcommand, for example `serve` or `config show`
    subcommand: Vec<String>,

    /// Write all pages into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "subcommand")]
    output: Option<PathBuf>,
}

/// Prints a page of the manual, or writes all of them.
pub(super) fn man(flags: &ManFlags) -> Exit {
    if let Some(folder) = &flags.output {
        return match write_all(folder) {
            Ok(()) => Exit::Orderly,
            Err(error) => {
                complain(format_args!("the pages can't be written to {}: {error}", folder.display()));
                Exit::Mend
            }
        };
    }
    match page(&flags.subcommand) {
        Some(page) => print(&page, Exit::Orderly),
        None => {
            complain(format_args!("there is no subcommand `{}`", flags.subcommand.join(" ")));
            Exit::Mend
        }
    }
}

/// The program with all its subcommands, each named in full.
fn program() -> Command {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    program
}

fn page(subcommand: &[String]) -> Option<String> {
    let program = program();
    let mut command = &program;
    for name in subcommand {
        command = command.find_subcommand(name)?;
    }
    let mut text = Vec::new();
    manual(command).render(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn manual(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("buttplug ", env!("CARGO_PKG_VERSION")))
}

fn write_all(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let program = program();
    let mut commands = vec![&program];
    while let Some(command) = commands.pop() {
        manual(command).generate_to(folder)?;
        commands.extend(command.get_subcommands());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_learns_every_flag() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "buttplug", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["websocket-listen-address", "max-log-lines", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn each_subcommand_has_a_page_with_its_flags() {
        let page = |names: &[&str]| page(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let top = page(&[]).unwrap();
        assert!(top.contains(".TH buttplug 1 ") && top.contains("buttplug\\-serve(1)"), "{top}");
        let serve = page(&["serve"]).unwrap();
        for flag in super::super::serve_flags() {
            let name = flag.get_long().unwrap().replace('-', "\\-");
            assert_eq!(serve.contains(&format!("\\-\\-{name}")), !flag.is_hide_set(), "{name}");
        }
        assert!(page(&["config", "show"]).unwrap().contains(".TH buttplug-config-show 1 "));
        assert_eq!(page(&["serv"]), None);
    }
}
