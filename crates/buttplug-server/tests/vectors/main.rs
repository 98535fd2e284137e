//! Every vector of every definition holds for the whole server, too: hardware is sighted and connected, a client says what
//! happens, and the device's task writes. What can't be compared like that stands in a list.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "the helpers of tests fail as tests do"
)]

mod introduction;
mod own;
mod recorder;
#[path = "../rig/mod.rs"]
mod rig;
mod stage;

use buttplug_protocols::catalogue::{Candidate, Catalogue};
use buttplug_protocols::definition::{self, Act, Vector, VectorStep};
use buttplug_protocols::rehearsal::{Course, Happening, Moment, course};
use introduction::{Introduced, driven, introduce};
use stage::{Played, Told, play};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A way in which vectors can't be compared with what the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    /// No hardware that leads to the protocol is advertised like this.
    Unseen,
    /// While it is connected it is told random letters of the server's: all but the bytes is the same.
    Random,
    /// It sets what an output has already, and the server does not write that once more. What is news is compared.
    Repeats,
    /// It stands in the definition without what has been before. What comes with it is compared.
    Before,
}

/// Where there are limits: of which vectors, by their protocols, and why.
const LIMITS: &[(Limit, &str, &str)] = &[
    (Limit::Unseen, "thehandy-v3", "a name without a part that tells the model is none of its hardware's"),
    (Limit::Unseen, "umove", "a name that is too short to tell the model is none of its hardware's"),
    (Limit::Random, "fluffer", "a part of the greeting that it enciphers"),
    (Limit::Random, "vibcrafter", "the letters that the hardware is greeted with"),
    (Limit::Random, "vibio", "the letters that the hardware is greeted with"),
    (Limit::Repeats, "fredorch-rotary", "a speed that it has takes no step"),
    (Limit::Repeats, "joyhub", "a switch that is on is shown on once more, together with motors"),
    (
        Limit::Repeats,
        "lovehoney-desire",
        "one of two motors goes on as it was, and both together have one frame",
    ),
    (Limit::Repeats, "svakom-sam", "a pump that is on is shown on once more, together with a motor"),
    (Limit::Repeats, "vorze-sa", "the same way once more is the same frame once more"),
    (Limit::Before, "fredorch-rotary", "a stop before the steps that are due at once"),
    (Limit::Before, "umove", "its frames count, and the zeros that keep it listening are the first"),
];

/// What comes of a vector when the server plays it: what is different, and what can't be compared.
#[derive(Default)]
struct Found {
    differences: Vec<String>,
    limits: BTreeSet<Limit>,
}

async fn compare(catalogue: &Catalogue, candidate: &Candidate, vector: &Vector, others: &[Vector]) -> Found {
    let mut found = Found::default();
    let Some(introduced) = introduce(catalogue, candidate, vector, others) else {
        found.limits.insert(Limit::Unseen);
        return found;
    };
    let course = course(candidate, &introduced.vector, Instant::now());
    if let Some(error) = course.error {
        found.differences.push(error);
        return found;
    }
    let own =
        Some(introduced.sighting.name()).filter(|name| candidate.definition().own_names && !name.is_empty());
    let model = driven(candidate, introduced.vector.model.as_deref()).map(|model| own.unwrap_or(model));
    if introduced.repeats {
        found.limits.insert(Limit::Repeats);
    } else if !is_as_in_the_definition(vector, &introduced, &course) {
        found.limits.insert(Limit::Before);
    }
    let Played { turns, readings, device, refusals } = play(catalogue, &introduced, &course).await;
    let expected = with_waits(&introduced, course.turns.iter().map(|moments| told(moments)));
    let connect = vec![Vec::new(); introduced.connecting - 1].into_iter().chain(turns);
    let turns = with_waits(&introduced, connect);
    let texts = introduced.vector.turns.iter().skip(introduced.connecting).step_by(2);
    let texts = ["connecting"].into_iter().chain(texts.map(|turn| turn.text.as_str()));
    for (place, (text, expected)) in texts.zip(expected).enumerate() {
        let mut told = turns.get(place).cloned().unwrap_or_default();
        if model.is_none() {
            // What other protocols say to what this one leaves to them is another matter.
            told.truncate(expected.len());
        }
        if told == expected {
            continue;
        }
        if place == 0 && told.iter().map(shape).eq(expected.iter().map(shape)) {
            found.limits.insert(Limit::Random);
            continue;
        }
        found.differences.push(format!("`{text}`: told {}; expected {}", list(&told), list(&expected)));
    }
    found.differences.extend(refusals);
    if readings != course.readings {
        found.differences.push(format!("the readings are {readings:?}; expected {:?}", course.readings));
    }
    if model.is_some() && device.as_deref() != model {
        found.differences.push(format!("it is {device:?}; expected {model:?}"));
    }
    found
}

fn told(moments: &[Moment]) -> Vec<Told> {
    let step = |moment: &Moment| match &moment.what {
        // Nothing is told meanwhile, so that it shows in when the next thing is.
        Happening::Told(VectorStep::Wait(_)) | Happening::Answers(_) | Happening::Notifies(..) => None,
        Happening::Told(step) => Some((moment.at, step.clone())),
    };
    moments.iter().filter_map(step).collect()
}

/// The connecting as one, and each turn with the wait that follows.
fn with_waits(introduced: &Introduced, turns: impl Iterator<Item = Vec<Told>>) -> Vec<Vec<Told>> {
    let mut turns = turns.collect::<Vec<_>>();
    let rest = turns.split_off(introduced.connecting.min(turns.len()));
    let connect = turns.concat();
    [connect].into_iter().chain(rest.chunks(2).map(<[_]>::concat)).collect()
}

/// What is told, but for the bytes.
fn shape((at, step): &Told) -> (Duration, String) {
    let shape = match step {
        VectorStep::Write(frame) => format!("{} bytes to {}", frame.data.len(), frame.endpoint),
        step => step.to_string(),
    };
    (*at, shape)
}

/// Whether what the complete vector tells the hardware stands in the definition.
fn is_as_in_the_definition(vector: &Vector, introduced: &Introduced, course: &Course) -> bool {
    let steps = |moments: &[Moment]| -> Vec<VectorStep> {
        let steps = moments.iter().filter_map(|moment| match &moment.what {
            Happening::Told(step) => Some(step.clone()),
            Happening::Answers(_) | Happening::Notifies(..) => None,
        });
        steps.collect()
    };
    let shown = |act: Act| vector.turns.iter().find(|turn| turn.act == act).map(|turn| &turn.told);
    let first = [Act::Identify, Act::Connect].into_iter().zip(&course.turns);
    let mut first = first.map(|(act, moments)| shown(act).is_none_or(|told| *told == steps(moments)));
    // All but the stop at the end and the wait after it.
    let rest =
        course.turns.get(introduced.connecting..course.turns.len().saturating_sub(2)).unwrap_or_default();
    let turns = vector.turns.iter().filter(|turn| !matches!(turn.act, Act::Identify | Act::Connect));
    first.all(|same| same) && steps(&rest.concat()).iter().eq(turns.flat_map(|turn| &turn.told))
}

fn list(told: &[Told]) -> String {
    let one = |(at, step): &Told| format!("{} ms: {step}", at.as_millis());
    told.iter().map(one).collect::<Vec<_>>().join(" | ")
}

/// The definitions that are built in: file names and texts.
fn definitions() -> Vec<(String, String)> {
    let devices = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buttplug-protocols/devices");
    let mut paths: Vec<PathBuf> = fs::read_dir(devices).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

#[tokio::test(start_paused = true)]
async fn every_vector_holds_through_the_server() {
    let builtin = Catalogue::builtin();
    let mut differences = Vec::new();
    let mut limits = BTreeSet::new();
    for (name, text) in definitions() {
        let file = definition::parse(&name, &text).unwrap();
        let id = &file.definition.id;
        let candidate = builtin.protocol(id).unwrap();
        for (number, vector) in file.vectors.iter().enumerate() {
            let found = if vector.features.is_empty() {
                compare(&builtin, &candidate, vector, &file.vectors).await
            } else {
                let (catalogue, file) = own::definition(&builtin, &name, &text, number);
                let candidate = catalogue.protocol(id).unwrap();
                compare(&catalogue, &candidate, &file.vectors[0], &file.vectors).await
            };
            let place = vector.place.line;
            differences
                .extend(found.differences.iter().map(|different| format!("{name}:{place}: {different}")));
            limits.extend(found.limits.into_iter().map(|limit| (limit, id.clone())));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let listed: BTreeSet<_> = LIMITS.iter().map(|(limit, id, _)| (*limit, String::from(*id))).collect();
    assert_eq!(limits, listed, "what can't be compared, and what is listed");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_hardware_something_else_is_found_out() {
    let (name, text) = definitions().into_iter().find(|(name, _)| name == "aneros.toml").unwrap();
    let file = definition::parse(&name, &text).unwrap();
    let builtin = Catalogue::builtin();
    let candidate = builtin.protocol("aneros").unwrap();
    let mut others = builtin.clone();
    let (wrong, examples) = text.split_once("[[example]]").unwrap();
    let wrong = wrong.replace("f1+feature", "e1+feature");
    others.add_definition(&name, &format!("{wrong}[[example]]{}", examples.replace("\"f", "\"e"))).unwrap();
    for (catalogue, right) in [(&builtin, true), (&others, false)] {
        for vector in &file.vectors {
            let found = compare(catalogue, &candidate, vector, &file.vectors).await;
            assert_eq!(found.differences.is_empty(), right, "{:?}", found.differences);
        }
    }
}
