//! `buttplug devices`: what is supported, what a device would be told, and whether a definition of one's own is right.

mod check;
mod list;
mod models;
mod own;
mod page;
mod show;
mod udev_rules;

#[cfg(test)]
pub(crate) use udev_rules::rules as udev_rules;

use super::print;
use crate::exit::Exit;

/// What `devices` can be told.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Ends with 0 if something is found, with 1 if nothing is.\n\
        For example: buttplug devices lovense rotate"
)]
pub(crate) struct DevicesFlags {
    #[command(subcommand)]
    task: Option<Task>,

    /// Parts of what is looked for: a model, an advertised name, a protocol, a feature, a bus; all have to fit
    words: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print a page of Markdown, as it stands in the book
    #[arg(long, conflicts_with = "json")]
    markdown: bool,

    #[command(flatten)]
    own: own::OwnFlags,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Prints what a device would be told, to compare it with what another program writes
    Show(show::ShowFlags),
    /// Checks definitions of your own, and runs their examples
    Check(check::CheckFlags),
    /// Prints the rules by which Linux lets you open human interface devices, and how to install them
    UdevRules,
}

/// Lists, shows or checks.
pub(super) fn run(flags: &DevicesFlags) -> Exit {
    match &flags.task {
        None => {
            let form = match (flags.json, flags.markdown) {
                (true, _) => list::Form::Json,
                (false, true) => list::Form::Markdown,
                (false, false) => list::Form::Text,
            };
            list::run(&flags.words, form, &flags.own)
        }
        Some(Task::Show(flags)) => show::run(flags),
        Some(Task::Check(flags)) => check::run(flags),
        Some(Task::UdevRules) => udev_rules::run(),
    }
}
