//! `buttplug config`: what the settings are, and from files of earlier engines to the program's own.

use super::{Subcommand, TypedFlags, complain, print, serve};
use crate::exit::Exit;
use crate::sources::{Around, settle};
use crate::user::earlier::{Converted, convert};
use crate::user::{read_beside, read_text, replace};
use buttplug_protocols::catalogue::Catalogue;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What `config` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFlags {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Prints all settings that `buttplug serve` has with the same flags, each with where it comes from, as a file that can
    /// be kept
    Show(Box<TypedFlags>),

    /// Converts a user file of an earlier engine, of whatever version, with what is kept beside it, and leaves both as they
    /// are
    Import(ImportFlags),
}

/// What `import` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "What can't be converted is named, and stays in the new file as a comment.\n\
    For example: buttplug config import buttplug-user-device-config-v5.json --output devices.toml")]
struct ImportFlags {
    /// The file to convert
    file: PathBuf,

    /// Where to write it; it is printed otherwise
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the output if it is there already
    #[arg(long, requires = "output")]
    force: bool,
}

/// Does what `config` was told.
pub(super) fn run(flags: &ConfigFlags) -> Exit {
    match &flags.task {
        Task::Show(typed) => show(typed),
        Task::Import(flags) => import(flags),
    }
}

fn show(typed: &TypedFlags) -> Exit {
    let settled = match settle(&typed.given, Subcommand::Typed, &Around::usual()) {
        Ok(settled) => settled,
        Err(error) => return serve::wrong(&error),
    };
    for notice in &settled.notices {
        complain(notice);
    }
    print(&settled.show(), Exit::Orderly)
}

fn import(flags: &ImportFlags) -> Exit {
    let ImportFlags { file, output, force } = flags;
    let beside = match read_beside(file) {
        (_, Ok(decisions)) => decisions,
        (beside, Err(error)) => {
            complain(format_args!("{}, which goes with it, can't be converted: {error}", beside.display()));
            return Exit::Mend;
        }
    };
    let read = read_text(file)
        .and_then(|read| read.map(|(text, _)| convert(&text, beside, &Catalogue::builtin())).transpose());
    let Converted { text, devices, notices } = match read {
        Ok(Some(converted)) => converted,
        Ok(None) => {
            complain(format_args!("there is no file {}", file.display()));
            return Exit::Mend;
        }
        Err(error) => {
            complain(format_args!("{} can't be converted: {error}", file.display()));
            return Exit::Mend;
        }
    };
    let exit = match output {
        None => print(&text, Exit::Orderly),
        Some(output) => match write(file, output, &text, *force) {
            Ok(()) => {
                let s = if devices == 1 { "" } else { "s" };
                print(&format!("{}: {devices} device{s}\n", output.display()), Exit::Orderly)
            }
            Err(error) => {
                complain(format_args!("{} can't be written: {error}", output.display()));
                Exit::Mend
            }
        },
    };
    for notice in notices {
        complain(format_args!("not converted: {notice}"));
    }
    exit
}

/// Writes the output as a whole or not at all.
fn write(input: &Path, output: &Path, text: &str, force: bool) -> io::Result<()> {
    let refuse = |reason: &str| Err(io::Error::other(reason));
    if output.try_exists()? {
        if fs::canonicalize(input)? == fs::canonicalize(output)? {
            return refuse("it is the file that is converted");
        }
        if !force {
            return refuse("it is there already; pass --force to replace it");
        }
    }
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    replace(output, text, input).map(|_| ())
}
