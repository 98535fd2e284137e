//! `buttplug devices show`: what a device would be told, in the notation of the examples.

use super::models::{self, Listed, features_by_index};
use super::own::OwnFlags;
use super::print;
use crate::cli::complain;
use crate::exit::Exit;
use buttplug_core::FeatureIndex;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{Act, Place, Said, Seen, Vector, VectorStep, VectorTurn, kind};
use buttplug_protocols::model::{Model, ModelOutput};
use buttplug_protocols::rehearsal::{Told, play};
use std::fmt::Write;
use std::time::Instant;

/// What `show` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example: buttplug devices show lovense \"vibrate 0 20\" \"wait 500 ms\" stop\n\
    How turns and frames are written is in the book's chapter \"Adding a device\", under \"Examples\".")]
pub(crate) struct ShowFlags {
    /// A protocol, or a model: its name, an identifier, or words that fit only one
    #[arg(value_name = "PROTOCOL-OR-MODEL")]
    device: String,

    /// What is done, each in quotes: "vibrate 0 20, vibrate 1 100", stop, connect, "wait 500 ms", "read battery 1"
    /// [default: each output at its greatest value, then stop]
    turns: Vec<String>,

    /// What the hardware says when it is read or waited for: "rx: 55", or silence; again for what it says next
    #[arg(long, value_name = "TEXT")]
    hears: Vec<String>,

    #[command(flatten)]
    own: OwnFlags,
}

/// How long a timed position takes where nobody says it, in milliseconds, if the model can.
const USUAL_DURATION_MS: i32 = 500;

/// How many models are named where several fit.
const MAX_NAMED: usize = 12;

/// Shows it.
pub(super) fn run(flags: &ShowFlags) -> Exit {
    let catalogue = flags.own.catalogue().map_err(|error| error.to_string());
    let shown = catalogue.and_then(|catalogue| {
        let listed = find(&catalogue, &flags.device)?;
        let vector = vector(&listed, flags)?;
        Ok((play(&listed.candidate, &vector, Instant::now()), listed, vector))
    });
    match shown {
        Ok((told, listed, vector)) => {
            let exit = if told.error.is_some() { Exit::Mend } else { Exit::Orderly };
            let exit = print(&as_text(&listed, &vector, &told), exit);
            if let Some(error) = told.error {
                // It fails in the last turn it came to, if it came to one.
                let turn = told.turns.len().checked_sub(1).and_then(|last| vector.turns.get(last));
                match turn {
                    Some(turn) => complain(format_args!("`{}`: {error}", turn.text)),
                    None => complain(error),
                }
            }
            exit
        }
        Err(reason) => {
            complain(reason);
            Exit::Mend
        }
    }
}

/// The model that is meant.
fn find(catalogue: &Catalogue, wanted: &str) -> Result<Listed, String> {
    if let Some(candidate) = catalogue.protocol(wanted) {
        let mut of_protocol = models::of(&candidate);
        let driven = |listed: &Listed| listed.entry.not_driven.is_none();
        let place = of_protocol.iter().position(|listed| listed.entry.is_fallback() && driven(listed));
        if let Some(place) = place {
            return Ok(of_protocol.swap_remove(place));
        }
        if of_protocol.iter().any(driven) {
            of_protocol.retain(driven);
        }
        return only(of_protocol, wanted);
    }
    let mut all = models::all(catalogue);
    if let Some(place) = only_place(&all, |listed| is_called(listed, wanted)) {
        return Ok(all.swap_remove(place));
    }
    let exact = all.iter().any(|listed| is_called(listed, wanted));
    all.retain(|listed| match exact {
        true => is_called(listed, wanted),
        false => wanted.split_whitespace().all(|word| names(listed, word)),
    });
    only(all, wanted)
}

fn only_place(models: &[Listed], fits: impl Fn(&Listed) -> bool) -> Option<usize> {
    let mut places = models.iter().enumerate().filter(|(_, listed)| fits(listed)).map(|(place, _)| place);
    places.next().filter(|_| places.next().is_none())
}

/// Whether this is the model's whole name or identifier, perhaps with its protocol before it.
fn is_called(listed: &Listed, wanted: &str) -> bool {
    let of_protocol =
        wanted.strip_prefix(listed.candidate.protocol()).and_then(|rest| rest.strip_prefix(' '));
    [Some(wanted), of_protocol].into_iter().flatten().any(|wanted| {
        listed.entry.model.name.eq_ignore_ascii_case(wanted) || listed.names.iter().any(|name| name == wanted)
    })
}

/// Whether a word is part of the model's name, of what its hardware calls itself, or of its protocol.
fn names(listed: &Listed, word: &str) -> bool {
    let word = word.to_lowercase();
    let names = listed.names.iter().map(String::as_str);
    let mut texts = names.chain([listed.entry.model.name.as_str(), listed.candidate.protocol()]);
    texts.any(|text| text.to_lowercase().contains(&word))
}

fn only(mut models: Vec<Listed>, wanted: &str) -> Result<Listed, String> {
    match (models.pop(), models.len()) {
        (None, _) => Err(format!("no known device fits `{wanted}`; `buttplug devices` lists all")),
        (Some(only), 0) => Ok(only),
        (Some(last), others) => {
            models.push(last);
            let mut text = format!("several models fit `{wanted}`; name one of them:");
            for listed in models.iter().take(MAX_NAMED) {
                let identifier = listed.entry.identifiers.first().unwrap_or(&listed.entry.model.name);
                let (protocol, name) = (listed.candidate.protocol(), &listed.entry.model.name);
                // Writing to a string can't fail.
                let _ = write!(text, "\n  \"{protocol} {identifier}\"  {name} ({})", listed.abilities());
            }
            if others + 1 > MAX_NAMED {
                let _ = write!(text, "\n  and {} more", others + 1 - MAX_NAMED);
            }
            Err(text)
        }
    }
}

/// What is played.
fn vector(listed: &Listed, flags: &ShowFlags) -> Result<Vector, String> {
    let model = &listed.entry.model;
    let mut texts = flags.turns.clone();
    // What is not driven can be recognised nevertheless.
    let only_found = !texts.is_empty() && texts.iter().all(|text| text == "identify");
    if let Some(reason) = listed.entry.not_driven.as_ref().filter(|_| !only_found) {
        return Err(format!("{} is known, but not driven: {reason}", model.name));
    }
    if texts.is_empty() {
        texts = usual_turns(model);
        if texts.is_empty() {
            return Err(format!(
                "{} has no outputs; say what is done, such as \"read battery 0\"",
                model.name
            ));
        }
    }
    let turn = |text: &String| {
        let act: Act = text.parse().map_err(|error| format!("{error} (each turn in quotes of its own)"))?;
        allowed(model, &act)?;
        Ok(VectorTurn { text: text.clone(), place: Place::default(), act, told: Vec::new() })
    };
    let said = |text: &String| text.parse::<Said>().map_err(|error| format!("--hears {text:?}: {error}"));
    Ok(Vector {
        model: listed.entry.identifiers.first().cloned(),
        turns: texts.iter().map(turn).collect::<Result<_, String>>()?,
        hears: flags.hears.iter().map(said).collect::<Result<_, String>>()?,
        ..Vector::default()
    })
}

/// Each output at its greatest value, then a stop.
fn usual_turns(model: &Model) -> Vec<String> {
    let mut turns: Vec<String> = model
        .outputs()
        .map(|(feature, output)| {
            let (name, greatest) = (kind::output_name(output.kind), output.range.max());
            let duration = output.duration_ms.map(|range| USUAL_DURATION_MS.clamp(range.min(), range.max()));
            let duration = duration.map(|ms| format!(" in {ms} ms")).unwrap_or_default();
            format!("{name} {} {greatest}{duration}", feature.0)
        })
        .collect();
    if !turns.is_empty() {
        turns.push(String::from("stop"));
    }
    turns
}

/// Refuses what a server would never let a device do.
fn allowed(model: &Model, act: &Act) -> Result<(), String> {
    let missing = |name: &str, feature: FeatureIndex| {
        let (model_name, has) = (&model.name, features_by_index(model));
        format!("feature {} of {model_name} has no `{name}`; it has {has}", feature.0)
    };
    let set = match act {
        Act::Set(set) => set,
        Act::Read(input) | Act::Subscribe(input) | Act::Unsubscribe(input) => {
            let mut of_feature = model.features.iter().filter(|feature| feature.index == input.feature);
            let has = of_feature.any(|feature| feature.inputs.iter().any(|has| has.kind == input.kind));
            return if has { Ok(()) } else { Err(missing(kind::input_name(input.kind), input.feature)) };
        }
        _ => return Ok(()),
    };
    for Seen { feature, kind, value, duration_ms } in set {
        let name = kind::output_name(*kind);
        let mut outputs = model.outputs();
        let output = outputs.find(|(index, output)| index == feature && output.kind == *kind);
        let Some((_, ModelOutput { range, duration_ms: durations, .. })) = output else {
            return Err(missing(name, *feature));
        };
        if !(range.min()..=range.max()).contains(value) {
            let (least, greatest) = (range.min(), range.max());
            return Err(format!("`{name} {}` goes from {least} to {greatest}, not to {value}", feature.0));
        }
        let duration = i32::try_from(*duration_ms).unwrap_or(i32::MAX);
        if let Some(range) = durations.filter(|range| !(range.min()..=range.max()).contains(&duration)) {
            let (least, greatest) = (range.min(), range.max());
            return Err(format!("`{name} {}` takes {least} to {greatest} ms, not {duration}", feature.0));
        }
    }
    Ok(())
}

fn as_text(listed: &Listed, vector: &Vector, told: &Told) -> String {
    let model = &listed.entry.model;
    // Writing to a string can't fail.
    let mut text =
        format!("# {}: {} ({})\n", listed.candidate.protocol(), model.name, features_by_index(model));
    for (turn, steps) in vector.turns.iter().zip(&told.turns) {
        let _ = writeln!(text, "{}", turn.text);
        if steps.is_empty() {
            text.push_str("  []\n");
        }
        for step in steps {
            let _ = writeln!(text, "  {step}{}", readable(step));
        }
    }
    for reading in &told.readings {
        let _ = writeln!(text, "reading: {reading}");
    }
    text
}

/// What a frame says, where it is text.
fn readable(step: &VectorStep) -> String {
    let VectorStep::Write(frame) = step else { return String::new() };
    let readable = frame.data.len() > 2 && frame.data.iter().all(|byte| (b' '..=b'~').contains(byte));
    let text = || format!("  # {}", String::from_utf8_lossy(&frame.data));
    if readable { text() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(wanted: &str) -> Result<(String, String), String> {
        let found = find(&Catalogue::builtin(), wanted)?;
        Ok((found.candidate.protocol().to_owned(), found.entry.model.name))
    }

    fn shown(device: &str, turns: &[&str]) -> Result<String, String> {
        let listed = find(&Catalogue::builtin(), device)?;
        let turns = turns.iter().map(ToString::to_string).collect();
        let flags = ShowFlags { device: device.into(), turns, hears: Vec::new(), own: OwnFlags::default() };
        let vector = vector(&listed, &flags)?;
        let told = play(&listed.candidate, &vector, Instant::now());
        assert_eq!(told.error, None, "{device}");
        Ok(as_text(&listed, &vector, &told))
    }

    #[test]
    fn a_model_is_found_by_protocol_name_identifier_or_words_that_fit_only_one() {
        let vivi = Ok((String::from("aneros"), String::from("Aneros Vivi")));
        for wanted in ["aneros", "aneros vivi", "Massage Demo", "aneros Massage Demo", "anero viv"] {
            assert_eq!(named(wanted), vivi, "{wanted}");
        }
        assert_eq!(named("kiiroo-v21 Pearl2.1").unwrap().1, "Kiiroo Pearl 2.1");
        assert!(named("kiiroo-v21").unwrap_err().contains("\"kiiroo-v21 Cliona\""));
        assert!(named("no such device").unwrap_err().contains("`buttplug devices`"));
    }

    #[test]
    fn frames_are_written_as_in_examples() {
        assert_eq!(
            shown("aneros", &["vibrate 0 20, vibrate 1 100", "stop"]).unwrap(),
            "# aneros: Aneros Vivi (0: vibrate 127; 1: vibrate 127)\n\
             vibrate 0 20, vibrate 1 100\n  f1 14\n  f2 64\nstop\n  f1 00\n  f2 00\n"
        );
        let text = shown("lovense", &[]).unwrap();
        assert!(text.contains("vibrate 0 20\n  56 69 62 72 61 74 65 3a 32 30 3b  # Vibrate:20;\n"), "{text}");
    }

    #[test]
    fn what_a_server_would_refuse_is_refused() {
        for (turn, reason) in [
            ("vibrate 0 128", "`vibrate 0` goes from 0 to 127, not to 128"),
            ("vibrate 0 -1", "goes from 0 to 127"),
            (
                "vibrate 7 1",
                "feature 7 of Aneros Vivi has no `vibrate`; it has 0: vibrate 127; 1: vibrate 127",
            ),
            ("rotate 0 1", "has no `rotate`"),
            ("read battery 0", "feature 0 of Aneros Vivi has no `battery`"),
            ("dance", "each turn in quotes"),
        ] {
            let error = shown("aneros", &[turn]).unwrap_err();
            assert!(error.contains(reason), "{turn}: {error}");
        }
    }

    #[test]
    fn every_model_that_is_driven_can_be_shown_without_saying_how() {
        let now = Instant::now();
        let mut count = 0;
        for listed in models::all(&Catalogue::builtin()) {
            let model = &listed.entry.model;
            if listed.entry.not_driven.is_some() || model.outputs().next().is_none() {
                continue;
            }
            let (turns, hears) = (Vec::new(), Vec::new());
            let flags = ShowFlags { device: String::new(), turns, hears, own: OwnFlags::default() };
            let vector = vector(&listed, &flags).unwrap();
            let told = play(&listed.candidate, &vector, now);
            assert_eq!(told.error, None, "{} {}", listed.candidate.protocol(), model.name);
            count += 1;
        }
        assert!(count > 100);
    }
}
