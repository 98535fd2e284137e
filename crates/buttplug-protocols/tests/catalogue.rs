//! Every vector of every definition holds, and all definitions keep the rules they share.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_core::OutputKind;
use buttplug_protocols::catalogue::{Candidate, Catalogue, CatalogueError, Setup, Wiring};
use buttplug_protocols::definition::{self, Act, DefinitionFile, Vector, kind};
use buttplug_protocols::frame::Frames;
use buttplug_protocols::protocol::Outputs;
use buttplug_protocols::rehearsal::rehearse;
use buttplug_protocols::sighting::{Advertisement, Sighting};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

fn definitions() -> Vec<(String, DefinitionFile)> {
    let devices = Path::new(env!("CARGO_MANIFEST_DIR")).join("devices");
    let mut files: Vec<_> = fs::read_dir(devices).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "there are definitions");
    let parse = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = definition::parse(&name, &text).unwrap_or_else(|errors| panic!("{errors:#?}"));
        (text, file)
    };
    files.iter().map(|path| parse(path)).collect()
}

#[test]
fn every_vector_of_every_definition_holds() {
    let catalogue = Catalogue::builtin();
    let mut differences = Vec::new();
    for (_, file) in definitions() {
        let candidate = catalogue.protocol(&file.definition.id).unwrap();
        for vector in &file.vectors {
            if let Err(difference) = rehearse(&candidate, vector, Instant::now()) {
                differences.push(format!("{} {difference}", file.file));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_vector_that_is_wrong_is_found_out() {
    let catalogue = Catalogue::builtin();
    let candidate = catalogue.protocol("aneros").unwrap();
    let wrong = [
        "do = \"vibrate 0 5\"\nwrite = \"f1 06\"",
        "do = \"vibrate 0 5\"",
        "do = \"vibrate 0 5\"\nwrite = [\"f1 05\", \"f1 05\"]",
        "do = \"vibrate 0 5\"\nwrite = \"f1 05, with response\"",
        "do = \"vibrate 0 5\"\nwrite = \"f1 05 -> rx\"",
        "do = \"vibrate 2 5\"\nwrite = \"f3 05\"",
        "do = \"vibrate 0 5\"\nwrite = \"f1 05\"\nhears = \"rx: 00\"",
        "do = \"vibrate 0 5\"\nwrite = \"f1 05\"\nreading = \"battery 0 = 5\"",
        "do = \"identify\"\nidentifier = \"x\"",
        "do = \"read pressure 0\"",
    ];
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("devices/aneros.toml")).unwrap();
    for example in wrong {
        let file = definition::parse("aneros.toml", &format!("{text}\n[[example]]\n{example}\n")).unwrap();
        assert!(rehearse(&candidate, file.vectors.last().unwrap(), Instant::now()).is_err(), "{example}");
    }
}

#[test]
fn what_is_built_in_is_what_the_files_say() {
    let catalogue = Catalogue::builtin();
    let definitions = definitions();
    let ids: Vec<&str> = definitions.iter().map(|(_, file)| file.definition.id.as_str()).collect();
    assert_eq!(catalogue.protocols(), ids);
    for (_, file) in &definitions {
        assert_eq!(catalogue.protocol(&file.definition.id).unwrap().definition(), &file.definition);
    }
}

/// What the vectors of a definition set, as `kind`, `(feature, value)`.
fn shown(vectors: &[Vector], kind: OutputKind) -> BTreeSet<(u32, i32)> {
    let turns = vectors.iter().flat_map(|vector| &vector.turns);
    let set = turns.filter_map(|turn| match &turn.act {
        Act::Set(set) => Some(set),
        _ => None,
    });
    set.flatten().filter(|seen| seen.kind == kind).map(|seen| (seen.feature.0, seen.value)).collect()
}

#[test]
fn every_output_is_shown_at_its_ends_and_between_and_every_protocol_stopped() {
    let mut missing = Vec::new();
    for (_, file) in definitions() {
        let id = &file.definition.id;
        let features = || file.definition.groups.iter().flat_map(|group| &group.features);
        for output in features().flat_map(|feature| &feature.outputs) {
            let name = kind::output_name(output.kind);
            let shown = shown(&file.vectors, output.kind);
            let values: BTreeSet<i32> = shown.iter().map(|(_, value)| *value).collect();
            let mut rest = values.contains(&0);
            rest |= output.kind.is_stoppable() && has(&file.vectors, &Act::Stop);
            if !rest
                || !values.contains(&output.range.1)
                || !values.iter().any(|v| 0 < *v && *v < output.range.1)
            {
                missing
                    .push(format!("{id}: {name} up to {} at zero, between and at its end", output.range.1));
            }
            if output.range.0 < 0 && !values.iter().any(|value| *value < 0) {
                missing.push(format!("{id}: {name} below zero"));
            }
        }
        for feature in features() {
            for output in &feature.outputs {
                let shown = shown(&file.vectors, output.kind);
                if !shown.iter().any(|(index, _)| *index == feature.index) {
                    missing.push(format!(
                        "{id}: {} of feature {}",
                        kind::output_name(output.kind),
                        feature.index
                    ));
                }
            }
        }
        let several = file
            .definition
            .groups
            .iter()
            .any(|group| group.features.iter().filter(|feature| !feature.outputs.is_empty()).count() > 1);
        let together = file.vectors.iter().flat_map(|vector| &vector.turns).any(|turn| match &turn.act {
            Act::Set(set) => set.len() > 1,
            _ => false,
        });
        if several && !together {
            missing.push(format!("{id}: two features together"));
        }
        if !has(&file.vectors, &Act::Stop) {
            missing.push(format!("{id}: stop"));
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "vectors are missing:\n{}", missing.join("\n"));
}

fn has(vectors: &[Vector], act: &Act) -> bool {
    vectors.iter().flat_map(|vector| &vector.turns).any(|turn| turn.act == *act)
}

#[test]
fn conversations_keepalives_and_inputs_are_shown() {
    let mut missing = Vec::new();
    for (_, file) in definitions() {
        let (id, definition) = (&file.definition.id, &file.definition);
        let shows = |test: &dyn Fn(&Act) -> bool| {
            file.vectors.iter().flat_map(|vector| &vector.turns).any(|turn| test(&turn.act))
        };
        if definition.forms.iter().any(|form| !form.connect.is_empty()) && !shows(&|act| *act == Act::Connect)
        {
            missing.push(format!("{id}: connect"));
        }
        if definition.identify != [definition::Identify::Name] && !shows(&|act| *act == Act::Identify) {
            missing.push(format!("{id}: identify"));
        }
        let keepalive = definition.forms.iter().any(|form| form.keepalive.is_some());
        if keepalive && !shows(&|act| matches!(act, Act::Wait(_))) {
            missing.push(format!("{id}: keepalive"));
        }
        let inputs =
            definition.groups.iter().flat_map(|group| &group.features).flat_map(|feature| &feature.inputs);
        for input in inputs {
            let kind = input.kind;
            if input.read && !shows(&|act| matches!(act, Act::Read(input) if input.kind == kind)) {
                missing.push(format!("{id}: read {}", kind::input_name(kind)));
            }
            if input.subscribe && !shows(&|act| matches!(act, Act::Subscribe(input) if input.kind == kind)) {
                missing.push(format!("{id}: subscribe {}", kind::input_name(kind)));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "vectors are missing:\n{}", missing.join("\n"));
}

#[test]
fn stop_writes_something_for_every_model_that_can_move() {
    let catalogue = Catalogue::builtin();
    for (_, file) in definitions() {
        let candidate = catalogue.protocol(&file.definition.id).unwrap();
        let ids = file.definition.groups.iter().flat_map(|group| &group.names).flat_map(|(_, ids)| ids);
        for id in ids {
            let vector = Vector { model: Some(id.clone()), ..Vector::default() };
            let (sighting, model) = (vector.sighting(), candidate.model(Some(id)).unwrap());
            let setup =
                Setup { identifier: Some(id), model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
            let mut protocol = candidate.build(setup).unwrap();
            let mut outputs =
                Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
            let mut stoppable = false;
            for slot in outputs.slots_mut().iter_mut().filter(|slot| slot.kind.is_stoppable()) {
                (slot.changed, stoppable) = (true, true);
            }
            let mut frames = Frames::new();
            protocol.frames(Instant::now(), &outputs, &mut frames);
            assert_eq!(stoppable, !frames.is_empty(), "{} {id}", file.file);
        }
    }
}

#[test]
fn a_definition_of_ones_own_comes_before_what_is_built_in_and_can_be_replaced() {
    let builtin = Catalogue::builtin();
    let mut catalogue = builtin.clone();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("devices/aneros.toml")).unwrap();
    let sighting = Vector { model: Some("Massage Demo".into()), ..Vector::default() }.sighting();
    for name in ["My Own", "My Other"] {
        catalogue.add_definition("somewhere/mine.toml", &text.replace("Aneros Vivi", name)).unwrap();
        let candidates = catalogue.candidates(&sighting);
        let ids: Vec<&str> = candidates.iter().map(Candidate::protocol).collect();
        assert_eq!(ids, ["mine", "aneros"]);
        assert_eq!(candidates[0].model(None).unwrap().name, name);
    }
    assert_eq!(builtin.candidates(&sighting).len(), 1, "other copies know nothing of it");
}

#[test]
fn a_websocket_rule_of_ones_own_comes_first() {
    let mut catalogue = Catalogue::builtin();
    let advertisement = Advertisement::WebSocket { identifier: "me".into() };
    let sighting = Sighting { address: "me".into(), advertisement };
    assert!(catalogue.candidates(&sighting).is_empty());
    catalogue.add_websocket_rule("maxpro", "me").unwrap();
    let candidates = catalogue.candidates(&sighting);
    assert_eq!(candidates[0].protocol(), "maxpro");
    assert_eq!(candidates[0].wiring(), &Wiring::Direct);
    let unknown = CatalogueError::UnknownProtocol("nobody".into());
    assert_eq!(catalogue.add_websocket_rule("nobody", "me"), Err(unknown));
}

#[test]
fn errors_of_ones_own_definition_name_file_and_line() {
    let error = Catalogue::builtin().add_definition("mine.toml", "write = \"zz\"\nwirte = 1\n").unwrap_err();
    let CatalogueError::Definition(errors) = error else { panic!("{error}") };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(errors.contains(&"mine.toml:1:10: nothing is called `zz` here".into()), "{errors:#?}");
    assert!(errors.contains(&"mine.toml:2:1: `wirte` means nothing here".into()), "{errors:#?}");
}

#[test]
fn the_definition_in_the_book_holds() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/adding-a-device.md");
    let book = fs::read_to_string(book).unwrap();
    let blocks = book.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let whole = blocks.filter(|block| block.contains("[[model]]") && block.contains("[[example]]"));
    let mut count = 0;
    for text in whole {
        let file = definition::parse("book.toml", text).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("book.toml", text).unwrap();
        let candidate = catalogue.protocol("book").unwrap();
        for vector in &file.vectors {
            rehearse(&candidate, vector, Instant::now()).unwrap();
            count += 1;
        }
    }
    assert!(count > 0, "the book has an example");
}
