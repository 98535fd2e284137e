//! Driving a device takes nothing from the heap, and neither does passing over hardware that is not known.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use allocation_counter::measure;
use buttplug_protocols::catalogue::{Candidate, Catalogue, Setup, Wiring};
use buttplug_protocols::definition::Vector;
use buttplug_protocols::frame::{Endpoint, Frame, FrameBytes, Frames};
use buttplug_protocols::protocol::{Outputs, Protocol};
use buttplug_protocols::sighting::{Advertisement, Sighting, Uuid};
use std::time::Instant;

/// As many frames as the busiest model writes at once. Whoever drives a device keeps the list and with it its room.
const ROOM: usize = 64;

/// A device of a model on hardware that has all endpoints, and all its outputs at rest.
fn device(candidate: &Candidate, identifier: Option<&str>) -> (Box<dyn Protocol>, Outputs) {
    let endpoints: Vec<Endpoint> = match candidate.wiring() {
        Wiring::Bluetooth(services) => services.values().flat_map(|found| found.keys().copied()).collect(),
        Wiring::Serial(_) | Wiring::Direct => Vec::new(),
    };
    let (sighting, model) = (Vector::default().sighting(), candidate.model(identifier).unwrap());
    let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &endpoints, seed: 0 };
    let outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
    (candidate.build(setup).unwrap(), outputs)
}

/// How often memory is allocated while a protocol makes frames of these outputs, and the frames.
fn allocations(protocol: &mut dyn Protocol, outputs: &Outputs, room: usize) -> (u64, Frames) {
    let (mut frames, now) = (Frames::with_capacity(room), Instant::now());
    let counted = measure(|| protocol.frames(now, outputs, &mut frames));
    (counted.count_total, frames)
}

fn fit(frames: &[Frame]) -> bool {
    frames.iter().all(|frame| frame.data.len() <= FrameBytes::new().inline_size())
}

#[test]
fn frames_that_fit_in_place_are_made_without_the_heap() {
    let catalogue = Catalogue::builtin();
    let (mut made, mut wrong) = (0, Vec::new());
    for id in catalogue.protocols() {
        let candidate = catalogue.protocol(id).unwrap();
        if candidate.definition().code.is_some() {
            continue;
        }
        for entry in candidate.entries().iter().filter(|entry| entry.not_driven.is_none()) {
            let identifier = entry.identifiers.first().map(String::as_str);
            let (mut protocol, mut outputs) = device(&candidate, identifier);
            let count = outputs.slots().len();
            for value in [0, 1, 7, 100, i32::MAX] {
                // Each output by itself, and all together.
                for place in 0..=count {
                    for (at, slot) in outputs.slots_mut().iter_mut().enumerate() {
                        slot.changed = at == place || place == count;
                        if slot.changed {
                            (slot.value, slot.duration_ms) = (value, 250);
                        }
                    }
                    let (allocated, frames) = allocations(&mut *protocol, &outputs, ROOM);
                    if fit(&frames) {
                        made += frames.len();
                        if allocated > 0 {
                            wrong
                                .push(format!("{id} {identifier:?}: {allocated} allocations for {frames:?}"));
                        }
                    }
                }
            }
        }
    }
    assert!(made > 1000, "only {made} frames");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_allocation_is_noticed() {
    let catalogue = Catalogue::builtin();
    let (mut protocol, mut outputs) = device(&catalogue.protocol("aneros").unwrap(), None);
    outputs.slots_mut()[0].changed = true;
    // Without room for the frame the list has to grow.
    assert_eq!(allocations(&mut *protocol, &outputs, 0).0, 1);
}

#[test]
fn hardware_that_is_not_known_is_passed_over_without_the_heap() {
    let catalogue = Catalogue::builtin();
    let advertisements = [
        Advertisement::Bluetooth {
            name: String::from("Somebody's Headphones"),
            manufacturer_data: vec![(76, vec![1, 2, 3])],
            services: vec![Uuid(0x0000_180f_0000_1000_8000_0080_5f9b_34fb)],
        },
        Advertisement::Serial { port: String::from("/dev/ttyUSB0"), usb: Some((1, 2)) },
        Advertisement::Hid { vendor_id: 1, product_id: 2, product: String::from("Toy") },
    ];
    for advertisement in advertisements {
        let sighting = Sighting::new("00:11:22:33:44:55", advertisement);
        let counted = measure(|| assert!(catalogue.candidates(&sighting).is_empty()));
        assert_eq!(counted.count_total, 0, "{sighting:?}");
    }
}
