//! Nothing that comes from outside can make the parser or the interpreter panic, and no frame is lost or grows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_core::{InputKind, OutputKind};
use buttplug_protocols::catalogue::{Catalogue, Setup};
use buttplug_protocols::definition::{self, Vector};
use buttplug_protocols::frame::{Endpoint, Frames};
use buttplug_protocols::model::Model;
use buttplug_protocols::notation::expression::{Scope, Slot};
use buttplug_protocols::notation::{
    Context, MAX_FRAME_BYTES, MAX_NOTATION_BYTES, parse_frame, parse_pattern, parse_step,
};
use buttplug_protocols::protocol::{Heard, Input, OutputSlot, Outputs, Protocol, Step, Topic, Turn};
use proptest::prelude::*;
use std::time::Instant;

/// Pieces that look like notation, so that random texts get past the first character.
const PIECES: &[&str] = &[
    "value",
    "value0",
    "feature",
    "each(",
    "(",
    ")",
    "4x(",
    "sum(",
    "xor",
    "'a'",
    "ff",
    "#100",
    "+",
    "-",
    "*",
    "/",
    "<<",
    "?",
    ":",
    ":u16le",
    ":dec3",
    "[",
    "]",
    " ",
    "if ",
    "else:",
    "->",
    "tx",
    ",",
    "with response",
    "max(",
    "=",
    ">",
    "and ",
    "crc16-modbus",
    "read ",
    "expect ",
    "within 5 ms",
    "??",
    "...",
    "wait 5 ms",
    "vorze-speed(",
    "counter",
    "answer",
    "answer6",
    "has-rx",
    "count-vibrate",
    "each-vibrate(",
    "crc16-xmodem(",
    "é",
    "0",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let context = Context { constants: &[], response: false };
        let _ = (parse_frame(&text, context), parse_pattern(&text), parse_step(&text, context));
        let _ = definition::parse("x.toml", &text);
        let _ = definition::parse("x.toml", &format!("write = '''{text}'''"));
    }

    #[test]
    fn any_notation_is_read_or_refused_and_what_is_read_runs(
        pieces in prop::collection::vec(0..PIECES.len(), 0..40),
        value: i32,
    ) {
        let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        let context = Context { constants: &[], response: false };
        let _ = (parse_pattern(&text).map(|pattern| pattern.find(&[1, 2, 3], 0)), parse_step(&text, context));
        if let Ok(template) = parse_frame(&text, context) {
            let slot = Slot {
                feature: 1,
                kind: buttplug_core::OutputKind::Vibrate,
                value,
                duration_ms: value.unsigned_abs(),
                distance: value.unsigned_abs(),
            };
            let scope = Scope { slots: &[slot, slot], this: Some(slot), counter: 200, answer: &[7; 64], ..Scope::default() };
            prop_assert!(template.frame(&scope).0.data.len() <= MAX_FRAME_BYTES);
        }
    }

    #[test]
    fn a_definition_with_any_piece_replaced_is_read_or_refused(
        at in 0usize..600,
        length in 0usize..40,
        piece in 0..PIECES.len(),
    ) {
        let text = include_str!("../devices/svakom-v5.toml");
        let start = (at..).find(|at| text.is_char_boundary(*at)).unwrap_or(0).min(text.len());
        let end = (start + length..).find(|at| text.is_char_boundary(*at) || *at > text.len()).unwrap_or(0);
        let changed = format!("{}{}{}", &text[..start], PIECES[piece], &text[end.min(text.len())..]);
        let _ = definition::parse("x.toml", &changed);
    }

    #[test]
    fn frames_are_as_long_as_they_look_and_never_too_long(
        items in prop::collection::vec(item(), 1..6),
        value in 0i32..=255,
    ) {
        let Shape { text, longest } = Shape::joined(&items);
        let context = Context { constants: &[], response: false };
        let accepted = longest[0] <= MAX_FRAME_BYTES && text.len() <= MAX_NOTATION_BYTES;
        let read = parse_frame(&text, context);
        prop_assert_eq!(read.is_ok(), accepted, "{} {:?}", text, read);
        prop_assert_eq!(parse_step(&text, context).is_ok(), accepted, "{}", text);
        if let Ok(template) = read {
            let kind = buttplug_core::OutputKind::Vibrate;
            let slots = [0, 1, 2].map(|feature| Slot { feature, kind, value, duration_ms: 0, distance: 0 });
            for outputs in [1, 3] {
                let longest = longest[usize::from(outputs == 3)];
                let scope = Scope { slots: &slots[..outputs], this: Some(slots[0]), ..Scope::default() };
                let (frame, fits) = template.frame(&scope);
                prop_assert_eq!(template.extent(outputs).bytes, longest as u64, "{}", text);
                prop_assert_eq!(frame.data.len(), longest.min(MAX_FRAME_BYTES), "{}", text);
                prop_assert_eq!(fits, longest <= MAX_FRAME_BYTES, "{}", text);
            }
        }
    }
}

/// A piece of notation, and how many bytes it makes with one output and with three.
#[derive(Clone, Debug)]
struct Shape {
    text: String,
    longest: [usize; 2],
}

impl Shape {
    fn joined(shapes: &[Self]) -> Self {
        let text = shapes.iter().map(|shape| shape.text.as_str()).collect::<Vec<_>>().join(" ");
        let sum = |place: usize| shapes.iter().map(|shape| shape.longest[place]).sum();
        Self { text, longest: [sum(0), sum(1)] }
    }

    fn wrapped(&self, before: &str, longest: impl Fn(usize, usize) -> usize) -> Self {
        let text = format!("{before}({})", self.text);
        Self { text, longest: [longest(self.longest[0], 1), longest(self.longest[1], 3)] }
    }
}

/// Bytes, long texts and numbers, in groups in groups.
fn group() -> impl Strategy<Value = Shape> {
    let fixed = |text: &str, longest| Just(Shape { text: text.into(), longest: [longest; 2] });
    let long = (1usize..600).prop_map(|n| Shape { text: format!("'{}'", "A".repeat(n)), longest: [n; 2] });
    let leaf = prop_oneof![
        3 => fixed("f1", 1),
        3 => fixed("value", 1),
        1 => fixed("value:u32le", 4),
        1 => fixed("(value + 1):dec3", 3),
        1 => fixed("xor", 1),
        1 => fixed("crc16-modbus:u16le", 2),
        1 => long,
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let inner = prop::collection::vec(inner, 1..3).prop_map(|shapes| Shape::joined(&shapes));
        prop_oneof![
            (inner.clone(), 1usize..=255)
                .prop_map(|(shape, n)| shape.wrapped(&format!("{n}x"), |l, _| l * n)),
            (inner.clone(), 1usize..=4).prop_map(|(shape, n)| shape.wrapped(&format!("{n}x"), |l, _| l * n)),
            inner.prop_map(|shape| shape.wrapped("negsum", |l, _| l + 1)),
        ]
    })
}

fn item() -> impl Strategy<Value = Shape> {
    prop_oneof![3 => group(), 1 => group().prop_map(|shape| shape.wrapped("each", |l, outputs| l * outputs))]
}

/// A device of every group of every built-in protocol, with its fallback where it has one.
fn devices() -> Vec<(String, Model, Box<dyn Protocol>)> {
    let catalogue = Catalogue::builtin();
    let mut devices = Vec::new();
    for id in catalogue.protocols() {
        let candidate = catalogue.protocol(id).unwrap();
        for group in candidate.definition().groups.iter().filter(|group| group.not_driven.is_none()) {
            let named = group.names.first().and_then(|(_, ids)| ids.first()).cloned();
            let fallback = group.fallback.is_some().then_some(None);
            for identifier in named.map(Some).into_iter().chain(fallback) {
                let (sighting, model) =
                    (Vector::default().sighting(), candidate.model(identifier.as_deref()).unwrap());
                let identifier = identifier.as_deref();
                let all = [Endpoint::Tx, Endpoint::Rx, Endpoint::TxMode, Endpoint::Whitelist];
                for endpoints in [&[][..], &all] {
                    let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints, seed: 0 };
                    let protocol = candidate.build(setup).unwrap();
                    devices.push((format!("{id} {identifier:?}"), model.clone(), protocol));
                }
            }
        }
    }
    devices
}

/// What hardware may say: anything, and what looks like an answer.
fn said() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..32),
        1 => prop::collection::vec(any::<u8>(), 500..520),
        3 => "s?-?[0-9]{0,12};?".prop_map(String::into_bytes),
        3 => "s?[0-9]{1,3};".prop_map(String::into_bytes),
        1 => Just(b"OK;".to_vec()),
    ]
}

/// One answer of hostile hardware: which one where there is a choice, and what it says.
type Answer = (u8, Vec<u8>);

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    prop::collection::vec((0u8..8, said()), 1..40)
}

fn endpoint(choice: u8) -> Endpoint {
    [Endpoint::Rx, Endpoint::RxBleBattery, Endpoint::RxPressure, Endpoint::Generic(3)]
        [usize::from(choice % 4)]
}

/// Carries out a conversation with hardware that answers with these over and over again: how it ends. It has to end.
fn talk<T>(mut next: impl FnMut(Heard<'_>) -> Turn<T>, answers: &[Answer]) -> Result<Option<T>, String> {
    let mut turn = next(Heard::Start);
    for (choice, data) in answers.iter().cycle().take(2000) {
        let step = match turn {
            Turn::Do(step) => step,
            Turn::Done(value) => return Ok(Some(value)),
            Turn::Fail(_) => return Ok(None),
        };
        let heard = match (&step, choice) {
            (_, 0) => Heard::Failed("lost"),
            (Step::Read { .. }, _) => Heard::Data(data),
            (Step::Listen(_), 1) => Heard::Silence,
            (Step::Listen(_), choice) => Heard::Notified(endpoint(*choice), data),
            _ => Heard::Done,
        };
        match &step {
            Step::Write(frame) if !(1..=MAX_FRAME_BYTES).contains(&frame.data.len()) => {
                return Err(format!("a frame of {} bytes", frame.data.len()));
            }
            Step::Listen(time) | Step::Pause(time) if time.as_secs() > 60 => return Err(format!("{step:?}")),
            _ => {}
        }
        turn = next(heard);
    }
    Err(String::from("the conversation does not end"))
}

/// The longest frame of all: a report of a human interface device with its number.
const MAX_REPORT_BYTES: usize = 65;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_value_of_any_model_becomes_frames(values in prop::collection::vec(any::<(i32, u32)>(), 8)) {
        for (id, model, mut protocol) in devices() {
            let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
            let (now, mut frames) = (Instant::now(), Frames::new());
            for (slot, (value, duration)) in outputs.slots_mut().iter_mut().zip(&values) {
                (slot.value, slot.duration_ms, slot.changed) = (*value, *duration, true);
            }
            protocol.frames(now, &outputs, &mut frames);
            protocol.keepalive_frames(now, &outputs, &mut frames);
            // What it does by itself may begin a little later.
            for _ in 0..100 {
                let Some(due) = protocol.next_tick().filter(|_| frames.is_empty()) else { break };
                protocol.tick(due.max(now), &outputs, &mut frames);
            }
            // What sprays may have nothing to say at rest, and what is at a position nothing about going there.
            let silent = |slot: &OutputSlot| match slot.kind {
                OutputKind::Spray => true,
                kind => kind == OutputKind::HwPositionWithDuration && slot.value == 0,
            };
            let speaks = outputs.slots().iter().any(|slot| !silent(slot));
            prop_assert!(!frames.is_empty() || !speaks, "{id}");
            prop_assert!(frames.is_empty() || !outputs.slots().is_empty(), "{id}");
            prop_assert!(frames.iter().all(|frame| (1..=MAX_REPORT_BYTES).contains(&frame.data.len())), "{id}: {frames:?}");
            // What fits in place is in place.
            prop_assert!(frames.iter().all(|frame| frame.data.len() > 24 || !frame.data.spilled()), "{id}");
        }
    }

    #[test]
    fn every_conversation_with_hostile_hardware_ends_and_gives_no_reading_out_of_range(answers in answers()) {
        for (id, model, mut protocol) in devices() {
            let end = talk(|heard| protocol.converse(Topic::Connect, heard), &answers);
            prop_assert!(matches!(end, Ok(None | Some(None))), "{id} connect: {end:?}");
            let listed = model.features.iter().flat_map(|feature| {
                let index = feature.index;
                feature.inputs.iter().map(move |input| (Input { feature: index, kind: input.kind }, input.ranges[0]))
            });
            for (input, range) in listed {
                let end = talk(|heard| protocol.converse(Topic::Read(input), heard), &answers);
                let value = end.map_err(|error| TestCaseError::fail(format!("{id} read: {error}")))?;
                let good = |value: Option<i32>| value.is_some_and(|value| range.clamp(value) == value);
                prop_assert!(value.is_none_or(good), "{id} {input:?}: {value:?}");
                for topic in [Topic::Subscribe(input), Topic::Unsubscribe(input), Topic::Subscribe(input)] {
                    let end = talk(|heard| protocol.converse(topic, heard), &answers);
                    prop_assert!(matches!(end, Ok(None | Some(None))), "{id} {topic:?}: {end:?}");
                }
                let (mut readings, mut frames) = (Vec::new(), Frames::new());
                for (choice, data) in &answers {
                    protocol.notified(Instant::now(), endpoint(*choice), data, &mut readings, &mut frames);
                }
                let mine = readings.iter().filter(|reading| reading.input == input);
                prop_assert!(mine.clone().all(|reading| good(Some(reading.value))), "{id}: {readings:?}");
                prop_assert!(frames.is_empty(), "{id}: {frames:?}");
            }
            for kind in InputKind::ALL {
                let nowhere = Input { feature: buttplug_core::FeatureIndex(99), kind };
                let end = talk(|heard| protocol.converse(Topic::Subscribe(nowhere), heard), &answers);
                prop_assert!(end.is_ok(), "{id} {kind}: {end:?}");
            }
        }
    }

    #[test]
    fn what_does_not_follow_upsets_no_conversation(answers in answers(), which in 0u8..4) {
        for (_, model, mut protocol) in devices() {
            let input = model.features.iter().find_map(|feature| {
                feature.inputs.first().map(|input| Input { feature: feature.index, kind: input.kind })
            });
            let topic = match (which, input) {
                (1, Some(input)) => Topic::Read(input),
                (2, Some(input)) => Topic::Subscribe(input),
                (3, Some(input)) => Topic::Unsubscribe(input),
                _ => Topic::Connect,
            };
            for (choice, data) in &answers {
                let heard = match choice {
                    0 => Heard::Start,
                    1 | 6 => Heard::Done,
                    2 | 7 => Heard::Data(data),
                    3 => Heard::Notified(Endpoint::Rx, data),
                    4 => Heard::Silence,
                    _ => Heard::Failed("lost"),
                };
                let _ = protocol.converse(topic, heard);
            }
            // It begins anew as if nothing had been.
            let first = protocol.converse(topic, Heard::Start);
            prop_assert_eq!(protocol.converse(topic, Heard::Start), first);
        }
    }

    #[test]
    fn every_identification_ends_whatever_the_hardware_says(answers in answers()) {
        let catalogue = Catalogue::builtin();
        for id in catalogue.protocols() {
            let candidate = catalogue.protocol(id).unwrap();
            let mut identification = candidate.identification(&Vector::default().sighting()).unwrap();
            let end = talk(|heard| identification.next(heard), &answers);
            let found = end.map_err(|error| TestCaseError::fail(format!("{id}: {error}")))?.flatten();
            prop_assert!(found.is_none_or(|found| found.len() <= 2 * MAX_FRAME_BYTES), "{id}");
        }
    }
}
