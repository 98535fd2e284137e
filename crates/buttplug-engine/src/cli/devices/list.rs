//! `buttplug devices`: one line for each model, for people and for `grep`, or all as JSON or as a page.

use super::models::{self, Listed};
use super::own::OwnFlags;
use super::{page, print};
use crate::cli::complain;
use crate::definitions::counted;
use crate::exit::Exit;
use buttplug_protocols::definition::kind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How the list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Markdown,
}

/// Lists the models that all words fit.
pub(super) fn run(words: &[String], form: Form, own: &OwnFlags) -> Exit {
    let catalogue = match own.catalogue() {
        Ok(catalogue) => catalogue,
        Err(error) => {
            complain(error);
            return Exit::Mend;
        }
    };
    let mut models = models::all(&catalogue);
    models.retain(|listed| words.iter().all(|word| listed.fits(word)));
    let exit = if models.is_empty() { Exit::Mend } else { Exit::Orderly };
    if form == Form::Json {
        return print(&format!("{:#}\n", as_json(&models)), exit);
    }
    if models.is_empty() {
        let words = words.join(" ");
        complain(format_args!("no known device fits `{words}`; `buttplug devices` lists all"));
        return exit;
    }
    let text = if form == Form::Markdown { page::page(&models) } else { as_text(&models) };
    print(&text, exit)
}

/// How many protocols, models and models that are not driven there are.
fn counts(models: &[Listed]) -> (usize, usize, usize) {
    let protocols: BTreeSet<&str> = models.iter().map(|listed| listed.candidate.protocol()).collect();
    let not_driven = models.iter().filter(|listed| listed.entry.not_driven.is_some()).count();
    (protocols.len(), models.len(), not_driven)
}

/// Columns that are as wide as they have to be, and the counts.
fn as_text(models: &[Listed]) -> String {
    let row = |listed: &Listed| {
        let buses: Vec<String> = listed.buses.iter().map(ToString::to_string).collect();
        let own = if listed.own { " (own)" } else { "" };
        [listed.entry.model.name.clone(), format!("{}{own}", listed.candidate.protocol()), buses.join(" ")]
    };
    let rows: Vec<[String; 3]> = models.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [first, second, third] = [width(0), width(1), width(2)];
    let mut text = String::new();
    for ([name, protocol, buses], listed) in rows.iter().zip(models) {
        let abilities = listed.abilities();
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name:<first$}  {protocol:<second$}  {buses:<third$}  {abilities}");
    }
    let (protocols, models, not_driven) = counts(models);
    let _ = write!(text, "\n{}, {}", counted(protocols, "protocol"), counted(models, "model"));
    if not_driven > 0 {
        let _ = write!(text, "; {not_driven} of these known, but not driven");
    }
    text.push('\n');
    text
}

fn as_json(models: &[Listed]) -> Value {
    let (protocols, count, not_driven) = counts(models);
    json!({
        "models": models.iter().map(model_as_json).collect::<Vec<_>>(),
        "counts": { "protocols": protocols, "models": count, "not_driven": not_driven },
    })
}

fn model_as_json(listed: &Listed) -> Value {
    let features = listed.entry.model.features.iter().map(|feature| {
        let outputs = feature.outputs.iter().map(|output| {
            let range = [output.range.min(), output.range.max()];
            let mut value = json!({ "kind": kind::output_name(output.kind), "range": range });
            if let Some(duration) = output.duration_ms {
                value["duration_ms"] = json!([duration.min(), duration.max()]);
            }
            value
        });
        let inputs = feature.inputs.iter().map(|input| {
            let ranges: Vec<_> = input.ranges.iter().map(|range| [range.min(), range.max()]).collect();
            json!({
                "kind": kind::input_name(input.kind),
                "ranges": ranges,
                "read": input.commands.read,
                "subscribe": input.commands.subscribe,
            })
        });
        json!({
            "index": feature.index.0,
            "label": feature.label,
            "outputs": outputs.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": listed.entry.model.name,
        "protocol": listed.candidate.protocol(),
        "own": listed.own,
        "buses": listed.buses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "identifiers": listed.entry.identifiers,
        "features": features.collect::<Vec<_>>(),
        "not_driven": listed.entry.not_driven,
    })
}
