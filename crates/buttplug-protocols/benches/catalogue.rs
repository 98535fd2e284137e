//! What the catalogue costs: recognising hardware, unpacking what speaks to it, and putting commands into frames. Prints
//! figures line by line, for `cargo xtask bench` to set beside their targets; asserts none.
#![allow(clippy::print_stdout, reason = "a program of figures talks to its terminal")]
#![allow(clippy::unwrap_used, reason = "what is built in is there")]

use buttplug_protocols::catalogue::{Candidate, Catalogue, Setup};
use buttplug_protocols::frame::Frames;
use buttplug_protocols::model::Model;
use buttplug_protocols::protocol::{Outputs, Protocol};
use buttplug_protocols::sighting::{Advertisement, Sighting, Uuid};
use std::hint::black_box;
use std::time::Instant;

/// How often each figure is taken; the median counts, because other work comes in between.
const ROUNDS: usize = 101;

/// How often a thing is done in a round, so that the clock's own time does not count.
const TIMES: u32 = 200;

fn main() {
    let begun = Instant::now();
    let catalogue = Catalogue::builtin();
    figure("unpack the index", begun.elapsed().as_nanos() as f64 / 1000.0, "us");
    unpacking(&catalogue);
    matching(&catalogue);
    encoding(&catalogue);
    let index = include_bytes!(concat!(env!("OUT_DIR"), "/index.bin")).len();
    let protocols = include_bytes!(concat!(env!("OUT_DIR"), "/protocols.bin")).len();
    figure("packed index", index as f64 / 1000.0, "kB");
    figure("packed protocols", protocols as f64 / 1000.0, "kB");
}

fn figure(what: &str, value: f64, unit: &str) {
    println!("{what}\t{value}\t{unit}");
}

/// Nanoseconds that a thing takes: the median of all rounds.
fn nanoseconds(mut thing: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..TIMES).for_each(|_| thing());
            begun.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Each protocol is unpacked once in the life of a program: when the first hardware that may speak it is seen.
fn unpacking(catalogue: &Catalogue) {
    let unpack = |id| {
        let begun = Instant::now();
        black_box(catalogue.protocol(id));
        (begun.elapsed().as_nanos() as f64 / 1000.0, id)
    };
    let mut times: Vec<(f64, &str)> = catalogue.protocols().into_iter().map(unpack).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    figure("unpack a protocol, median", times[times.len() / 2].0, "us");
    let (greatest, id) = times[times.len() - 1];
    figure(&format!("unpack a protocol, longest ({id})"), greatest, "us");
}

fn matching(catalogue: &Catalogue) {
    let bluetooth = |name: &str, manufacturer_data: &[(u16, &[u8])], services: &[u128]| {
        Sighting::new(
            "00:11:22:33:44:55",
            Advertisement::Bluetooth {
                name: name.into(),
                manufacturer_data: manufacturer_data.iter().map(|(id, data)| (*id, data.to_vec())).collect(),
                services: services.iter().copied().map(Uuid).collect(),
            },
        )
    };
    let phone = bluetooth("", &[(76, &[0x10, 0x07, 0x33, 0x1f, 0x5a, 0x81, 0x20, 0x58])], &[]);
    let beacon =
        bluetooth("Somebody's Headphones", &[(224, &[1, 2])], &[0x0000_180f_0000_1000_8000_0080_5f9b_34fb]);
    let lovense = 0x6e40_0001_b5a3_f393_e0a9_e50e_24dc_ca9e;
    let serial = Advertisement::Serial { port: String::from("/dev/ttyUSB0"), usb: None };
    let cases = [
        ("nothing fits, a nameless phone", phone),
        ("nothing fits, with name and service", beacon),
        ("nothing fits, a serial port", Sighting::new("/dev/ttyUSB0", serial)),
        ("an exact name", bluetooth("Massage Demo", &[], &[])),
        ("the beginning of a name", bluetooth("LVS-Z001", &[], &[])),
        ("manufacturer data", bluetooth("", &[(93, &[0, 0, 0x27, 0x16])], &[])),
        ("name, data and service", bluetooth("LVS-Z001", &[(620, &[0xff, 0x21])], &[lovense])),
    ];
    for (what, sighting) in cases {
        let time = nanoseconds(|| {
            black_box(catalogue.candidates(black_box(&sighting)));
        });
        figure(&format!("match: {what}"), time, "ns");
    }
}

/// One command, one output with a new value, for every model of every protocol that is data.
fn encoding(catalogue: &Catalogue) {
    let mut times = Vec::new();
    for id in catalogue.protocols() {
        let candidate = catalogue.protocol(id).unwrap();
        if candidate.definition().code.is_some() {
            continue;
        }
        for entry in candidate.entries().iter().filter(|entry| entry.not_driven.is_none()) {
            let identifier = entry.identifiers.first().map(String::as_str);
            times.extend(one_model(&candidate, identifier, &entry.model).map(|time| (time, id)));
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let sum: f64 = times.iter().map(|(time, _)| time).sum();
    figure("encode: mean of all models", sum / times.len() as f64, "ns");
    figure("encode: median of all models", times[times.len() / 2].0, "ns");
    figure("encode: 99 of 100 models", times[times.len() * 99 / 100].0, "ns");
    let (slowest, id) = times[times.len() - 1];
    figure(&format!("encode: slowest model ({id})"), slowest, "ns");
}

/// Nanoseconds per command, the outputs taking turns; `None` for a model that has none.
fn one_model(candidate: &Candidate, identifier: Option<&str>, model: &Model) -> Option<f64> {
    let advertisement = Advertisement::Simulated { archetype: String::new() };
    let sighting = Sighting::new("", advertisement);
    let setup = Setup { identifier, model, sighting: &sighting, endpoints: &[], seed: 0 };
    let mut protocol = candidate.build(setup).ok()?;
    let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
    let greatest: Vec<i32> = outputs
        .slots()
        .iter()
        .filter_map(|slot| {
            let mut listed = model.outputs();
            listed.find(|(feature, output)| (*feature, output.kind) == (slot.feature, slot.kind))
        })
        .map(|(_, output)| output.range.max())
        .collect();
    let (mut frames, now) = (Frames::new(), Instant::now());
    let mut turn = 0;
    let mut command = |protocol: &mut dyn Protocol| {
        let slots = outputs.slots_mut();
        let place = turn % slots.len();
        slots[place].value = (slots[place].value + 1) % (greatest[place] + 1);
        slots[place].changed = true;
        protocol.frames(now, &outputs, &mut frames);
        outputs.slots_mut()[place].changed = false;
        black_box(&frames);
        frames.clear();
        turn += 1;
    };
    (!greatest.is_empty()).then(|| nanoseconds(|| command(&mut *protocol)))
}
