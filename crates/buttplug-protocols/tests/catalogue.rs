//! Every vector of every definition holds, and all definitions keep the rules they share.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_core::{InputKind, OutputKind, StepRange};
use buttplug_protocols::catalogue::{Candidate, Catalogue, CatalogueError, Setup, Wiring};
use buttplug_protocols::definition::{self, Act, DefinitionFile, Group, Output, Vector, kind};
use buttplug_protocols::frame::{Endpoint, Frame, Frames};
use buttplug_protocols::notation::{MAX_FRAME_BYTES, MAX_NOTATION_BYTES};
use buttplug_protocols::protocol::Outputs;
use buttplug_protocols::rehearsal::rehearse;
use buttplug_protocols::sighting::{Advertisement, Sighting, Uuid};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
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
                differences.push(format!("{}:{difference}", file.file));
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
    let mut ids: Vec<&str> = definitions.iter().map(|(_, file)| file.definition.id.as_str()).collect();
    // The order of file names is another one.
    ids.sort_unstable();
    assert_eq!(catalogue.protocols(), ids);
    for (_, file) in &definitions {
        assert_eq!(catalogue.protocol(&file.definition.id).unwrap().definition(), &file.definition);
    }
}

/// What vectors set, as `kind`, `(feature, value)`.
fn shown(vectors: &[&Vector], kind: OutputKind) -> BTreeSet<(u32, i32)> {
    let turns = vectors.iter().flat_map(|vector| &vector.turns);
    let set = turns.filter_map(|turn| match &turn.act {
        Act::Set(set) => Some(set),
        _ => None,
    });
    set.flatten().filter(|seen| seen.kind == kind).map(|seen| (seen.feature.0, seen.value)).collect()
}

/// What is missing among the vectors of models that are all alike.
fn not_shown(outputs: &[(u32, Output)], vectors: &[&Vector]) -> Vec<String> {
    let mut missing = Vec::new();
    let stopped = vectors.iter().flat_map(|vector| &vector.turns).any(|turn| turn.act == Act::Stop);
    for (feature, output) in outputs {
        let name = kind::output_name(output.kind);
        let shown = shown(vectors, output.kind);
        // What one motor does, the others of its kind and range do.
        let alike = |index: u32| {
            outputs
                .iter()
                .any(|(other, o)| *other == index && (o.kind, o.range) == (output.kind, output.range))
        };
        let values: BTreeSet<i32> =
            shown.iter().filter(|(index, _)| alike(*index)).map(|(_, value)| *value).collect();
        let rest = values.contains(&0) || (output.kind.is_stoppable() && stopped);
        let between = values.iter().any(|value| 0 < *value && *value < output.range.1);
        // A range of two values has nothing between.
        if !rest || !values.contains(&output.range.1) || !(between || output.range.1 == 1) {
            missing.push(format!("{name} {feature} at zero, between and at {}", output.range.1));
        }
        if output.range.0 < 0 && !values.iter().any(|value| *value < 0) {
            missing.push(format!("{name} {feature} below zero"));
        }
        if !shown.iter().any(|(index, _)| index == feature) {
            missing.push(format!("{name} {feature}"));
        }
    }
    let several = outputs.iter().any(|(feature, _)| *feature != outputs[0].0);
    let together = vectors.iter().flat_map(|vector| &vector.turns).any(|turn| match &turn.act {
        Act::Set(set) => set.len() > 1,
        _ => false,
    });
    if several && !together {
        missing.push(String::from("two features together"));
    }
    if !stopped && outputs.iter().any(|(_, output)| output.kind.is_stoppable()) {
        missing.push(String::from("stop"));
    }
    missing
}

#[test]
fn every_output_of_models_that_differ_is_shown_at_its_ends_and_between_and_stopped() {
    let mut missing = Vec::new();
    for (_, file) in definitions() {
        let definition = &file.definition;
        let outputs = |group: &Group| -> Vec<(u32, Output)> {
            let of = |feature: &definition::Feature| {
                let index = feature.index;
                feature.outputs.iter().map(|output| (index, *output)).collect::<Vec<_>>()
            };
            group.features.iter().flat_map(of).collect()
        };
        // Models with the same outputs in the same form are told the same, but for constants.
        let mut kinds: Vec<_> =
            definition.groups.iter().map(|group| (outputs(group), group.variant.as_deref())).collect();
        kinds.dedup();
        for (listed, variant) in kinds.iter().filter(|(listed, _)| !listed.is_empty()) {
            let about = |vector: &&Vector| {
                let named = vector.model.as_deref().and_then(|id| definition.named(id));
                named.or_else(|| definition.fallback()).is_some_and(|(group, _)| {
                    vector.features.is_empty()
                        && group.variant.as_deref() == *variant
                        && outputs(group) == *listed
                })
            };
            let vectors: Vec<&Vector> = file.vectors.iter().filter(about).collect();
            let names: Vec<String> = listed
                .iter()
                .map(|(_, output)| format!("{}={:?}", kind::output_name(output.kind), output.range))
                .collect();
            let found = not_shown(listed, &vectors);
            missing.extend(
                found
                    .iter()
                    .map(|what| format!("{} [{}] {variant:?}: {what}", definition.id, names.join(" "))),
            );
        }
    }
    assert!(missing.is_empty(), "vectors are missing:\n{}", missing.join("\n"));
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
        let asks = definition.forms.iter().any(|form| !form.asks_for().is_empty());
        if asks && file.vectors.iter().all(|vector| vector.endpoints.is_none()) {
            missing.push(format!("{id}: hardware without some endpoints"));
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

/// A fresh device of a model, and what it is written when its outputs are set one after another in these states.
fn written(
    candidate: &Candidate,
    identifier: Option<&str>,
    endpoints: &[Endpoint],
    states: &[&[(OutputKind, u32, i32)]],
) -> Vec<Frames> {
    let (sighting, model) = (Vector::default().sighting(), candidate.model(identifier).unwrap());
    let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints, seed: 0 };
    let mut protocol = candidate.build(setup).unwrap();
    let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
    let mut turn = |state: &&[(OutputKind, u32, i32)]| {
        for slot in outputs.slots_mut() {
            let set =
                state.iter().find(|(kind, feature, _)| (*kind, *feature) == (slot.kind, slot.feature.0));
            slot.changed = set.is_some();
            slot.value = set.map_or(slot.value, |(.., value)| *value);
        }
        let mut frames = Frames::new();
        protocol.frames(Instant::now(), &outputs, &mut frames);
        frames
    };
    states.iter().map(&mut turn).collect()
}

/// Frames of a stop that motion has, too, and that don't move anything by themselves: protocol and frame.
const HARMLESS: [(&str, &str); 1] = [
    // Which way round, next to a speed of zero.
    ("hismith-mini", "tx: cc 01 c0 c1"),
];

/// What is wrong with how a model is stopped: with all outputs at their greatest or least, a stop has to write what
/// zeros write, and nothing of what makes any output move. What comes with every change, before what matters, is no motion.
fn wrong_with_stop(
    candidate: &Candidate,
    identifier: Option<&str>,
    endpoints: &[Endpoint],
) -> Option<String> {
    let model = candidate.model(identifier).unwrap();
    let outputs = || model.outputs().map(|(feature, output)| (output.kind, feature.0, output.range));
    let rest: Vec<_> = outputs()
        .filter(|(kind, ..)| kind.is_stoppable())
        .map(|(kind, feature, _)| (kind, feature, 0))
        .collect();
    let mut motion: Vec<Frames> = Vec::new();
    for (kind, feature, range) in outputs() {
        for value in [range.min(), range.max(), range.max() / 2].into_iter().filter(|value| *value != 0) {
            motion.extend(written(candidate, identifier, endpoints, &[&[(kind, feature, value)]]));
        }
    }
    let extremes = [
        |range: StepRange| range.max(),
        |range: StepRange| if range.min() == 0 { range.max() } else { range.min() },
    ];
    for extreme in extremes {
        let full: Vec<_> = outputs().map(|(kind, feature, range)| (kind, feature, extreme(range))).collect();
        // As many commands, so that what counts them has counted as far.
        let at_rest = |(kind, feature, value): &(OutputKind, u32, i32)| {
            (*kind, *feature, if kind.is_stoppable() { 0 } else { *value })
        };
        let still: Vec<_> = full.iter().map(at_rest).collect();
        let moving = written(candidate, identifier, endpoints, &[&full, &rest]);
        let resting = written(candidate, identifier, endpoints, &[&still, &rest]);
        let (stop, zero) = (&moving[1], &resting[1]);
        if stop != zero {
            return Some(format!("stop writes {stop:?}, zero {zero:?}"));
        }
        // A spray ends by itself, and a protocol may have nothing to say to one at rest.
        let silent = rest.iter().all(|(kind, ..)| *kind == OutputKind::Spray);
        if stop.is_empty() && !silent || rest.is_empty() && !stop.is_empty() {
            return Some(format!("stop writes {stop:?}"));
        }
        let moved = full.iter().any(|(kind, _, value)| kind.is_stoppable() && *value != 0);
        let harmless = |frame: &Frame| HARMLESS.contains(&(candidate.protocol(), &frame.to_string()));
        let turns: Vec<&Frames> = motion.iter().chain(Some(&moving[0]).filter(|_| moved)).collect();
        for (place, frame) in stop.iter().enumerate().filter(|(_, frame)| !harmless(frame)) {
            let preparation = turns.iter().all(|turn| turn.contains(frame)) && place + 1 < stop.len();
            if turns.iter().any(|turn| turn.contains(frame)) && !preparation {
                return Some(format!("stop writes {frame}, which is motion"));
            }
        }
    }
    None
}

/// The endpoints of hardware that has no more than it must, of such that has all, and of such that has all but one.
fn some_and_all_endpoints(candidate: &Candidate) -> Vec<Vec<Endpoint>> {
    let Wiring::Bluetooth(services) = candidate.wiring() else { return vec![Vec::new()] };
    let all: Vec<Endpoint> = services.values().flat_map(|endpoints| endpoints.keys().copied()).collect();
    let asked = candidate.definition().forms.iter().flat_map(definition::Form::asks_for);
    let without = |missing: Endpoint| all.iter().copied().filter(|endpoint| *endpoint != missing).collect();
    asked.map(without).chain([Vec::new(), all.clone()]).collect()
}

/// Hardware with a single switch: what stops it while it runs would start it at rest, so that what a stop writes depends on
/// what was written before. That it is the right thing is proved beside the code.
const SWITCHED: &[&str] = &["fmachine"];

#[test]
fn stop_writes_what_zeros_write_for_every_model_and_nothing_that_moves() {
    let catalogue = Catalogue::builtin();
    for (_, file) in definitions() {
        if SWITCHED.contains(&file.definition.id.as_str()) {
            continue;
        }
        let candidate = catalogue.protocol(&file.definition.id).unwrap();
        let driven = || file.definition.groups.iter().filter(|group| group.not_driven.is_none());
        let ids = driven().flat_map(|group| &group.names).flat_map(|(_, ids)| ids);
        let fallback = driven().any(|group| group.fallback.is_some()).then_some(None);
        for identifier in ids.map(|id| Some(id.as_str())).chain(fallback) {
            for endpoints in some_and_all_endpoints(&candidate) {
                let wrong = wrong_with_stop(&candidate, identifier, &endpoints);
                assert_eq!(wrong, None, "{} {identifier:?} {endpoints:?}", file.file);
            }
        }
    }
}

#[test]
fn a_stop_that_does_not_stop_is_found_out() {
    let cases = [
        ("[\"if value=0: f1 64\", \"else: f1 value\"]", true),
        ("[\"f0 vibrate0\", \"f1 #100\"]", true),
        ("[\"if value=0: f0 distance\", \"else: f1 value\"]", true),
        ("[\"if value=0: f0 counter\", \"else: f1 value counter\"]", false),
        ("[\"f1 #100\", \"f0 vibrate0\"]", false),
        ("\"f1+feature value\"", false),
    ];
    for (write, wrong) in cases {
        let text = format!(
            "write = {write}\n[[websocket]]\nnames = [\"x\"]\n[[model]]\nfallback = \"X\"\n\
            features = [{{ vibrate = 100 }}]\n[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"\n"
        );
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("stops.toml", &text).unwrap();
        let found = wrong_with_stop(&catalogue.protocol("stops").unwrap(), None, &[]);
        assert_eq!(found.is_some(), wrong, "{write}: {found:?}");
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
fn a_definition_of_ones_own_replaces_the_built_in_one_of_its_name() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("devices/aneros.toml")).unwrap();
    let own = text.replace("Aneros Vivi", "My Own").replace("Massage Demo", "Mine");
    let mut catalogue = Catalogue::builtin();
    assert!(!catalogue.is_own("aneros"));
    catalogue.add_definition("aneros.toml", &own).unwrap();
    assert!(catalogue.is_own("aneros") && !catalogue.is_own("lovense"));
    assert_eq!(catalogue.protocols(), Catalogue::builtin().protocols());
    for (advertised, names) in [("Mine", vec!["My Own"]), ("Massage Demo", vec![])] {
        let sighting = Vector { model: Some(advertised.into()), ..Vector::default() }.sighting();
        let candidates = catalogue.candidates(&sighting);
        let found: Vec<_> = candidates.iter().filter_map(|c| c.model(None)).map(|model| model.name).collect();
        assert_eq!(found, names, "{advertised}");
    }
}

#[test]
fn definitions_that_have_been_read_are_added_all_or_none() {
    let read = |file: &str, code: &str| {
        let text = format!(
            "{code}\nwrite = \"value\"\n[[websocket]]\nnames = [\"it\"]\n[[model]]\nfallback = \"X\"\n\
            features = [{{ vibrate = 9 }}]\n[[example]]\ndo = \"stop\"\nwrite = \"00\"\n"
        );
        Arc::new(definition::parse(file, &text).unwrap().definition)
    };
    let advertisement = Advertisement::WebSocket { identifier: "it".into() };
    let sighting = Sighting::new("it", advertisement);
    let mut catalogue = Catalogue::builtin();
    let (good, bad) = (read("b.toml", ""), read("a.toml", "code = \"no-such-code\""));
    let error = catalogue.add_definitions([Arc::clone(&good), bad]).unwrap_err();
    assert!(error.to_string().contains("no-such-code"), "{error}");
    assert!(catalogue.candidates(&sighting).is_empty());
    catalogue.add_definitions([good, read("a.toml", "")]).unwrap();
    let ids: Vec<String> = catalogue.candidates(&sighting).iter().map(|c| c.protocol().to_owned()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn hardware_that_calls_itself_like_anothers_is_known_by_its_service() {
    let found = |services: &[&str]| -> Vec<String> {
        let advertisement = Advertisement::Bluetooth {
            name: "LVS-S001".into(),
            manufacturer_data: Vec::new(),
            services: services.iter().map(|service| service.parse::<Uuid>().unwrap()).collect(),
        };
        let sighting = Sighting::new("it", advertisement);
        let candidates = Catalogue::builtin().candidates(&sighting);
        candidates.iter().map(|candidate| candidate.protocol().to_owned()).collect()
    };
    assert_eq!(found(&["00001320-0000-1000-8000-00805f9b34fb"]), ["adrienlastic", "lovense"]);
    assert_eq!(found(&[]), ["lovense"]);
}

#[test]
fn a_gamepad_is_shown_under_its_own_name_and_one_that_is_named_has_its_own_protocol() {
    let catalogue = Catalogue::builtin();
    let found = |name: &str| -> Vec<(String, String)> {
        let advertisement = Advertisement::Gamepad { name: name.into() };
        let sighting = Sighting::new("it", advertisement);
        let candidates = catalogue.candidates(&sighting);
        let shown = |candidate: &Candidate| candidate.model_of(&sighting, None).unwrap().name;
        candidates.iter().map(|candidate| (candidate.protocol().to_owned(), shown(candidate))).collect()
    };
    let pair = |protocol: &str, name: &str| (String::from(protocol), String::from(name));
    assert_eq!(found("Eight Buttons"), [pair("sdl-gamepad", "Eight Buttons")]);
    assert_eq!(found(""), [pair("sdl-gamepad", "SDL Gamepad")]);
    let named = found("XInputController2");
    assert_eq!(named[0], pair("xinput", "XBox (XInput) Compatible Gamepad"));
    assert_eq!(named[1].0, "sdl-gamepad");
}

#[test]
fn a_websocket_rule_of_ones_own_comes_first() {
    let mut catalogue = Catalogue::builtin();
    let advertisement = Advertisement::WebSocket { identifier: "me".into() };
    let sighting = Sighting::new("me", advertisement);
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

#[test]
fn the_book_names_everything_that_has_a_name() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/adding-a-device.md");
    let book = fs::read_to_string(book).unwrap();
    let words: BTreeSet<&str> = book.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    let kinds =
        OutputKind::ALL.map(kind::output_name).into_iter().chain(InputKind::ALL.map(kind::input_name));
    let notation = "value feature duration distance count counter abs min max and or each if else answer sum negsum xor \
        crc16-modbus crc16-xmodem vorze-speed kiiroo-speed u8 i8 u16be u16le i16be i32le dec dec3 subscribe unsubscribe \
        wait read expect within listen with without response";
    let limits = [
        definition::MAX_DEFINITION_BYTES / 1024,
        definition::MAX_GROUPS,
        definition::MAX_FEATURES,
        definition::MAX_RULES,
        definition::MAX_VARIANTS,
        definition::MAX_STEPS,
        definition::MAX_CONSTANTS,
        definition::MAX_EXAMPLES,
        definition::MAX_LABEL_BYTES,
        MAX_NOTATION_BYTES,
        MAX_FRAME_BYTES,
    ]
    .map(|limit| limit.to_string());
    for word in kinds.chain(notation.split_whitespace()).chain(limits.iter().map(String::as_str)) {
        assert!(words.contains(word), "`{word}` is not in the book");
    }
}

#[test]
fn a_battery_is_called_what_the_catalogue_calls_it() {
    for (_, file) in definitions() {
        let features = file.definition.groups.iter().flat_map(|group| &group.features);
        for feature in features.filter(|feature| feature.inputs.iter().any(|i| i.kind == InputKind::Battery))
        {
            let label = if file.definition.id == "sdl-gamepad" { "Battery level" } else { "battery Level" };
            assert_eq!(feature.label, label, "{}", file.file);
        }
    }
}
