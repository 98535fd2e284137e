//! `buttplug devices check`: whether definitions of a person's own are right, their examples hold, and who else claims the
//! same hardware.

use super::{own, print};
use crate::cli::complain;
use crate::definitions::{counted, models, replaces};
use crate::exit::Exit;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::DefinitionFile;
use buttplug_protocols::definition::overlap::{Overlap, overlaps};
use std::fmt::Write;
use std::path::PathBuf;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 if all is well. What is wrong is said as FILE:LINE:COLUMN: WHAT.\n\
    How definitions are written is in the book's chapter \"Adding a device\".")]
pub(crate) struct CheckFlags {
    /// Definitions, or folders with some; a file is named after its protocol, for example mine.toml
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks each file by itself, and then those that are right together.
pub(super) fn run(flags: &CheckFlags) -> Exit {
    let mut exit = Exit::Orderly;
    let mut right = Vec::new();
    for path in &flags.files {
        match own::files(path) {
            Ok(files) => {
                if files.is_empty() {
                    complain(format_args!("there are no definitions (*.toml) in {}", path.display()));
                    exit = Exit::Mend;
                }
                for file in files {
                    match own::check(&file) {
                        Some(checked) => right.push(checked),
                        None => exit = Exit::Mend,
                    }
                }
            }
            Err(error) => {
                complain(error);
                exit = Exit::Mend;
            }
        }
    }
    for (file, other) in pairs(&right).filter(|(file, other)| each_before_the_other(file, other)) {
        let (a, b) = (&file.definition.id, &other.definition.id);
        complain(format_args!("{}: `{a}` and `{b}` are each to be tried before the other", file.file));
        exit = Exit::Mend;
    }
    let mut text = String::new();
    for (place, file) in right.iter().enumerate() {
        text.push_str(&summary(file));
        against_built_in(file, &mut text);
        for other in right.iter().skip(place + 1) {
            against_another(file, other, &mut text);
        }
    }
    print(&text, exit)
}

fn pairs(files: &[DefinitionFile]) -> impl Iterator<Item = (&DefinitionFile, &DefinitionFile)> {
    let with_others = |(place, file)| files.iter().skip(place + 1).map(move |other| (file, other));
    files.iter().enumerate().flat_map(with_others)
}

fn each_before_the_other(file: &DefinitionFile, other: &DefinitionFile) -> bool {
    let (a, b) = (&file.definition, &other.definition);
    a.id != b.id && a.before.contains(&b.id) && b.before.contains(&a.id)
}

fn summary(file: &DefinitionFile) -> String {
    format!(
        "{}: all is well: {}, {}{}\n",
        file.file,
        counted(models(&file.definition), "model"),
        counted(file.vectors.len(), "example"),
        if replaces(&file.definition) { "; it replaces the built-in protocol of this name" } else { "" },
    )
}

/// Says which built-in protocols claim the same hardware.
fn against_built_in(file: &DefinitionFile, text: &mut String) {
    let catalogue = Catalogue::builtin();
    let others = catalogue.protocols().into_iter().filter(|id| *id != file.definition.id);
    for other in others.filter_map(|id| catalogue.protocol(id)) {
        let found: Vec<Overlap> = overlaps(&file.definition, other.definition()).collect();
        if let Some(claims) = claims(file, found.iter()) {
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "  {claims} also claimed by the built-in {}; yours is tried first",
                other.protocol()
            );
        }
    }
}

/// Says what another file claims, too, and which of them is tried first.
fn against_another(file: &DefinitionFile, other: &DefinitionFile, text: &mut String) {
    // Writing to a string can't fail.
    if file.definition.id == other.definition.id {
        let _ = writeln!(text, "  {} has the same name; only one of them can be used at a time", other.file);
        return;
    }
    let found: Vec<Overlap> = overlaps(&file.definition, &other.definition).collect();
    let mut ways: Vec<_> = found.iter().map(|overlap| (overlap.first, overlap.why)).collect();
    ways.sort_unstable();
    ways.dedup();
    for (first, why) in ways {
        let like = found.iter().filter(|overlap| (overlap.first, overlap.why) == (first, why));
        if let Some(claims) = claims(file, like) {
            let winner = if first { &file.file } else { &other.file };
            let _ =
                writeln!(text, "  {claims} also claimed by {}; {winner} is tried first: {why}", other.file);
        }
    }
}

/// ``mine.toml:4: `X` is``, or how many more are.
fn claims<'o>(file: &DefinitionFile, overlaps: impl Iterator<Item = &'o Overlap>) -> Option<String> {
    let overlaps: Vec<&Overlap> = overlaps.collect();
    let (first, more) = overlaps.split_first()?;
    let line = file.rule_lines.get(first.rule).copied().unwrap_or(1);
    let verb = match more.len() {
        0 => String::from("is"),
        more => format!("and {more} more are"),
    };
    Some(format!("{}:{line}: {} {verb}", file.file, first.claim))
}
