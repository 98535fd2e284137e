//! Nothing that comes from outside can make the parser or the interpreter panic, and no frame is lost or grows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_protocols::catalogue::{Catalogue, Setup};
use buttplug_protocols::definition::{self, Vector};
use buttplug_protocols::frame::Frames;
use buttplug_protocols::notation::{
    Context, MAX_FRAME_BYTES, expression::Scope, parse_frame, parse_pattern, parse_step,
};
use buttplug_protocols::protocol::{Heard, Outputs, Topic};
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
            let slot = buttplug_protocols::notation::expression::Slot {
                feature: 1,
                kind: buttplug_core::OutputKind::Vibrate,
                value,
                duration_ms: value.unsigned_abs(),
                distance: value.unsigned_abs(),
            };
            let scope = Scope { slots: &[slot, slot], this: Some(slot), counter: 200, constants: &[] };
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
    fn any_value_of_any_model_becomes_frames(values in prop::collection::vec(any::<(i32, u32)>(), 8)) {
        let catalogue = Catalogue::builtin();
        for id in catalogue.protocols() {
            let candidate = catalogue.protocol(id).unwrap();
            for group in &candidate.definition().groups {
                let model_id = group.names.first().and_then(|(_, ids)| ids.first()).cloned();
                let vector = Vector { model: model_id, ..Vector::default() };
                let (sighting, model) = (vector.sighting(), vector.model(&candidate).unwrap());
                let identifier = vector.model.as_deref();
                let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
                let mut protocol = candidate.build(setup).unwrap();
                let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
                let (now, mut frames) = (Instant::now(), Frames::new());
                for (slot, (value, duration)) in outputs.slots_mut().iter_mut().zip(&values) {
                    (slot.value, slot.duration_ms, slot.changed) = (*value, *duration, true);
                }
                protocol.frames(now, &outputs, &mut frames);
                protocol.keepalive_frames(now, &outputs, &mut frames);
                prop_assert!(frames.iter().all(|frame| (1..=64).contains(&frame.data.len())), "{id}: {frames:?}");
                // What fits in place is in place.
                prop_assert!(frames.iter().all(|frame| frame.data.len() > 24 || !frame.data.spilled()), "{id}");
            }
        }
    }

    #[test]
    fn no_answer_of_the_hardware_upsets_a_conversation(
        answers in prop::collection::vec((0u8..6, prop::collection::vec(any::<u8>(), 0..32)), 0..40),
    ) {
        let catalogue = Catalogue::builtin();
        for id in catalogue.protocols() {
            let candidate = catalogue.protocol(id).unwrap();
            let group = &candidate.definition().groups[0];
            let model_id = group.names.first().and_then(|(_, ids)| ids.first()).cloned();
            let vector = Vector { model: model_id, ..Vector::default() };
            let (sighting, model) = (vector.sighting(), vector.model(&candidate).unwrap());
            let identifier = vector.model.as_deref();
            let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
            let mut protocol = candidate.build(setup).unwrap();
            let mut identification = candidate.identification(&sighting).unwrap();
            let _ = (protocol.converse(Topic::Connect, Heard::Start), identification.next(Heard::Start));
            for (kind, data) in &answers {
                let heard = match kind {
                    0 => Heard::Start,
                    1 => Heard::Done,
                    2 => Heard::Data(data),
                    3 => Heard::Notified(buttplug_protocols::frame::Endpoint::Rx, data),
                    4 => Heard::Silence,
                    _ => Heard::Failed("lost"),
                };
                let _ = (protocol.converse(Topic::Connect, heard), identification.next(heard));
            }
        }
    }
}
