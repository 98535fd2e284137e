//! Definition files: any text is read or refused with errors that say where, and what is accepted makes protocols whose
//! frames are bounded, that write when a device is stopped, and whose conversations with any hardware end.

use buttplug_core::OutputKind;
use buttplug_protocols::catalogue::{Candidate, Catalogue, CatalogueError, Setup};
use buttplug_protocols::definition::rules::check_together;
use buttplug_protocols::definition::{self, DefinitionError, DefinitionFile, Vector};
use buttplug_protocols::frame::{Endpoint, Frames};
use buttplug_protocols::model::Model;
use buttplug_protocols::notation::MAX_FRAME_BYTES;
use buttplug_protocols::protocol::{Heard, Input, Outputs, Protocol, Reading, Step, Topic, Turn};
use buttplug_protocols::rehearsal::rehearse;
use std::time::{Duration, Instant};

/// The name of the file that an input plays.
const FILE: &str = "mine.toml";

/// Errors of one file: those that are collected, and a word that there are more.
const MAX_ERRORS: usize = 51;

/// Characters of an error's text, what it quotes of the file included.
const MAX_ERROR_CHARS: usize = 8 * 1024;

/// Models of one file that are tried.
const MAX_MODELS: usize = 12;

/// Steps after which a conversation is one that never ends; a definition has at most 64 of them, each of which may pass
/// over 64 notifications.
const MAX_STEPS: usize = 10_000;

/// Reads `data` as a definition file and, if it is one, uses it.
pub fn hold(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match definition::parse(FILE, text) {
        Ok(file) => accepted(&file, text),
        Err(errors) => refused(&errors, text),
    }
}

fn refused(errors: &[DefinitionError], text: &str) {
    assert!((1..=MAX_ERRORS).contains(&errors.len()), "{} errors", errors.len());
    let lines = text.split('\n').count();
    for error in errors {
        assert!((1..=lines).contains(&error.line), "an error in line {} of {lines}: {error}", error.line);
        let line = text.split('\n').nth(error.line - 1).unwrap_or_default().chars().count();
        assert!((1..=line + 1).contains(&error.column), "an error beyond the {line} characters: {error}");
        let length = error.message.chars().count();
        assert!((1..=MAX_ERROR_CHARS).contains(&length), "an error of {length} characters: {error}");
    }
}

fn accepted(file: &DefinitionFile, text: &str) {
    check_together(std::slice::from_ref(file));
    let mut catalogue = Catalogue::builtin();
    match catalogue.add_definition(FILE, text) {
        Ok(()) => {}
        Err(CatalogueError::UnknownCode { .. }) => return,
        Err(error) => panic!("read once, refused another time: {error}"),
    }
    let candidate = catalogue.protocol(&file.definition.id).expect("what was added is there");
    let now = Instant::now();
    for vector in &file.vectors {
        // What it says may be wrong; how it is run may not.
        let _ = rehearse(&candidate, vector, now);
        let found = catalogue.candidates(&vector.sighting());
        assert!(found.len() <= catalogue.protocols().len() * definition::MAX_RULES, "{}", found.len());
    }
    for identifier in identifiers(&candidate).into_iter().take(MAX_MODELS) {
        let Some(model) = candidate.model(identifier.as_deref()) else {
            panic!("no model {identifier:?}, which the definition names");
        };
        for endpoints in [&[][..], &[Endpoint::Tx, Endpoint::Rx, Endpoint::TxMode, Endpoint::Whitelist]] {
            drive(&candidate, identifier.as_deref(), &model, endpoints, text.as_bytes());
        }
    }
}

/// An identifier of each group's first model, and none for the fallback.
fn identifiers(candidate: &Candidate) -> Vec<Option<String>> {
    let groups = &candidate.definition().groups;
    let named = groups.iter().filter_map(|group| Some(Some(group.names.first()?.1.first()?.clone())));
    let fallback = groups.iter().any(|group| group.fallback.is_some()).then_some(None);
    named.chain(fallback).collect()
}

fn drive(
    candidate: &Candidate,
    identifier: Option<&str>,
    model: &Model,
    endpoints: &[Endpoint],
    noise: &[u8],
) {
    let sighting = Vector::default().sighting();
    let setup = Setup { identifier, model, sighting: &sighting, endpoints, seed: 0 };
    // Code that is built in may refuse a model that is not made for it.
    let Ok(mut protocol) = candidate.build(setup) else { return };
    let mut hardware = Hardware { noise, at: 0 };
    hardware.talks(|heard| protocol.converse(Topic::Connect, heard));
    outputs(&mut *protocol, model, &mut hardware);
    inputs(&mut *protocol, model, &mut hardware);
}

fn outputs(protocol: &mut dyn Protocol, model: &Model, hardware: &mut Hardware<'_>) {
    let now = Instant::now();
    let listed: Vec<(_, OutputKind)> =
        model.outputs().map(|(feature, output)| (feature, output.kind)).collect();
    let ranges: Vec<_> = model.outputs().map(|(_, output)| output.range).collect();
    let mut outputs = Outputs::at_rest(listed);
    for round in 0..3 {
        for (slot, range) in outputs.slots_mut().iter_mut().zip(&ranges) {
            slot.value = match round {
                0 => range.max(),
                1 => range.min(),
                _ => range.clamp(i32::from(hardware.byte())),
            };
            (slot.duration_ms, slot.changed) = (u32::from(hardware.byte()) * 10, true);
        }
        let mut frames = Frames::new();
        protocol.frames(now, &outputs, &mut frames);
        protocol.keepalive_frames(now, &outputs, &mut frames);
        if protocol.next_tick().is_some() {
            protocol.tick(now, &outputs, &mut frames);
        }
        bounded(&frames);
    }
    let mut stoppable = false;
    for slot in outputs.slots_mut().iter_mut() {
        slot.changed = slot.kind.is_stoppable();
        if slot.changed {
            (slot.value, stoppable) = (0, true);
        }
    }
    let mut frames = Frames::new();
    protocol.frames(now, &outputs, &mut frames);
    assert!(!stoppable || !frames.is_empty(), "a stop of {} that writes nothing", model.name);
    bounded(&frames);
}

fn inputs(protocol: &mut dyn Protocol, model: &Model, hardware: &mut Hardware<'_>) {
    let listed = model.features.iter().flat_map(|feature| {
        let index = feature.index;
        feature.inputs.iter().map(move |input| (Input { feature: index, kind: input.kind }, input.ranges[0]))
    });
    for (input, range) in listed {
        let value = hardware.talks(|heard| protocol.converse(Topic::Read(input), heard));
        assert!(value.is_none_or(|value| range.contains(value)), "{input:?} is {value:?} of {range}");
        hardware.talks(|heard| protocol.converse(Topic::Subscribe(input), heard));
        let (mut readings, mut frames) = (Vec::<Reading>::new(), Frames::new());
        for length in [0, 1, 4, 20] {
            let (endpoint, data) = (hardware.endpoint(), hardware.bytes(length));
            protocol.notified(Instant::now(), endpoint, data, &mut readings, &mut frames);
        }
        for reading in readings.iter().filter(|reading| reading.input == input) {
            assert!(range.contains(reading.value), "{reading:?} of {range}");
        }
        bounded(&frames);
        hardware.talks(|heard| protocol.converse(Topic::Unsubscribe(input), heard));
    }
}

fn bounded(frames: &Frames) {
    assert!(frames.len() <= 2 * definition::MAX_FRAMES * definition::MAX_FEATURES, "{} frames", frames.len());
    for frame in frames {
        assert!(frame.data.len() <= MAX_FRAME_BYTES, "a frame of {} bytes", frame.data.len());
    }
}

/// Hardware that answers with whatever stands in the input.
struct Hardware<'a> {
    noise: &'a [u8],
    at: usize,
}

impl<'a> Hardware<'a> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.noise.get(self.at % self.noise.len().max(1)).copied().unwrap_or_default()
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let start = usize::from(self.byte()).min(self.noise.len());
        self.noise.get(start..start + length).unwrap_or_default()
    }

    fn endpoint(&mut self) -> Endpoint {
        match self.byte() % 4 {
            0 => Endpoint::RxBleBattery,
            1 => Endpoint::RxPressure,
            _ => Endpoint::Rx,
        }
    }

    /// A conversation with it, to its end, which has to come.
    fn talks(&mut self, mut next: impl FnMut(Heard<'_>) -> Turn<Option<i32>>) -> Option<i32> {
        let mut turn = next(Heard::Start);
        for _ in 0..MAX_STEPS {
            let step = match turn {
                Turn::Do(step) => step,
                Turn::Done(value) => return value,
                Turn::Fail(_) => return None,
            };
            if let Step::Write(frame) = &step {
                assert!(frame.data.len() <= MAX_FRAME_BYTES, "a frame of {} bytes", frame.data.len());
            }
            if let Step::Listen(time) | Step::Pause(time) = &step {
                assert!(*time <= Duration::from_secs(60), "{step:?}");
            }
            let choice = self.byte();
            turn = match &step {
                _ if choice % 16 == 0 => next(Heard::Failed("lost")),
                Step::Read { .. } => next(Heard::Data(self.bytes(usize::from(choice % 24)))),
                Step::Listen(_) if choice % 16 == 1 => next(Heard::Silence),
                Step::Listen(_) => {
                    let (endpoint, data) = (self.endpoint(), self.bytes(usize::from(choice % 24)));
                    next(Heard::Notified(endpoint, data))
                }
                _ => next(Heard::Done),
            };
        }
        panic!("a conversation that never ends");
    }
}
