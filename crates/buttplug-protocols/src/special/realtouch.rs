//! RealTouch: belts that run for a time, where positions are asked for. Which way and how fast follows from where
//! they were before; a stop has a command of its own.
//!
//! Models, recognition and connecting are data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::{FeatureIndex, OutputKind};
use std::time::{Duration, Instant};

/// A report: its number, which is 0, and 64 bytes.
const REPORT_BYTES: usize = 65;

const STOP: [u8; 3] = [0, 0x01, 0x60];
const MOVE: [u8; 2] = [0, 0x02];
const BOTH_BELTS_INWARDS: u8 = 0x20;
const BOTH_BELTS_OUTWARDS: u8 = 0xa0;

/// The furthest position.
const FAR: f64 = 99.0;

/// Below this the belts hardly move.
const LEAST_MAGNITUDE: f64 = 40.0;

/// How soon a stop is written again that did not arrive.
const AGAIN: Duration = Duration::from_millis(50);

/// What the definition can't say.
pub(crate) struct RealTouch;

impl Code for RealTouch {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        kind != OutputKind::HwPositionWithDuration
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Belts { at: 0, before: 0, course: None, stop_due: None, stop_again: None }))
    }
}

/// The belts of one device.
#[derive(Debug)]
struct Belts {
    /// Where they are, or will be when they have run.
    at: i32,
    /// Where they were before the last move.
    before: i32,
    /// The last move; `None`: there was none, or it was stopped.
    course: Option<Course>,
    /// When a stop is to be written.
    stop_due: Option<Instant>,
    /// When the stop that was just made is due again if it does not arrive.
    stop_again: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Course {
    from: i32,
    begun: Instant,
    duration_ms: u16,
}

impl Belts {
    fn go(&mut self, now: Instant, goal: i32, duration_ms: u32, out: &mut Frames) {
        if goal == self.at {
            return;
        }
        // A move of no time would be none, and a longer one than this can't be told.
        let duration_ms = u16::try_from(duration_ms).unwrap_or(u16::MAX).max(1);
        let belts = if goal < self.at { BOTH_BELTS_OUTWARDS } else { BOTH_BELTS_INWARDS };
        let [low, high] = duration_ms.to_le_bytes();
        let magnitude = magnitude(self.at.abs_diff(goal), duration_ms);
        out.push(report(&[MOVE[0], MOVE[1], belts, magnitude, low, high]));
        self.course = Some(Course { from: self.at, begun: now, duration_ms });
        (self.before, self.at) = (self.at, goal);
        // It takes the place of whatever was to be stopped.
        self.stop_due = None;
    }

    /// Where the belts have come to, if their move ends here.
    fn cut_short(&mut self, now: Instant) {
        if let Some(Course { from, begun, duration_ms }) = self.course.take() {
            let gone = now.saturating_duration_since(begun).as_secs_f64() * 1000.0;
            let part = (gone / f64::from(duration_ms)).min(1.0);
            self.at = from + (f64::from(self.at - from) * part) as i32;
        }
    }
}

/// How strongly the belts run for a way of `distance` steps in `duration_ms`: a power law, as for other strokers.
fn magnitude(distance: u32, duration_ms: u16) -> u8 {
    let distance = (f64::from(distance) / FAR).min(1.0);
    let speed = 250.0 * ((f64::from(duration_ms) * 90.0) / (distance * 100.0)).powf(-1.05);
    // Cut to a whole number, as the conversion does.
    (LEAST_MAGNITUDE + (f64::from(u8::MAX) - LEAST_MAGNITUDE) * speed.min(1.0)) as u8
}

fn report(start: &[u8]) -> Frame {
    let mut bytes = [0; REPORT_BYTES];
    bytes[..start.len()].copy_from_slice(start);
    Frame::new(Endpoint::Tx, &bytes)
}

impl Overlay for Belts {
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        for slot in outputs.changed().filter(|slot| slot.kind == OutputKind::HwPositionWithDuration) {
            self.go(now, slot.value, slot.duration_ms, out);
        }
        data.frames(now, outputs, out);
    }

    /// What was to be moved is asked for again; a stop comes again by itself.
    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        let lost = |start: &[u8]| frames.iter().any(|frame| frame.data.starts_with(start));
        if lost(&MOVE) {
            self.at = self.before;
            self.course = None;
        }
        if lost(&STOP) {
            self.stop_due = self.stop_again;
        }
        data.not_written(frames);
    }

    fn halt(&mut self, data: &mut dyn Protocol, feature: FeatureIndex) {
        // Due at once: since the move began.
        self.stop_due = self.course.map(|course| course.begun).or(self.stop_due);
        data.halt(feature);
    }

    fn next_tick(&self, data: &dyn Protocol) -> Option<Instant> {
        self.stop_due.into_iter().chain(data.next_tick()).min()
    }

    fn tick(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        if self.stop_due.take_if(|due| *due <= now).is_some() {
            self.cut_short(now);
            self.stop_again = Some(now + AGAIN);
            out.push(report(&STOP));
        }
        if data.next_tick().is_some_and(|due| due <= now) {
            data.tick(now, outputs, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::definition::Vector;

    const F0: FeatureIndex = FeatureIndex(0);

    struct World {
        protocol: Box<dyn Protocol>,
        outputs: Outputs,
        start: Instant,
    }

    impl World {
        fn new() -> Self {
            let candidate = Catalogue::builtin().protocol("realtouch").unwrap();
            let (sighting, model) = (Vector::default().sighting(), candidate.model(None).unwrap());
            let setup =
                Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
            let protocol = candidate.build(setup).unwrap();
            let outputs = Outputs::at_rest([(F0, OutputKind::HwPositionWithDuration)]);
            Self { protocol, outputs, start: Instant::now() }
        }

        fn go(&mut self, at_ms: u64, value: i32, duration_ms: u32) -> Frames {
            let slot = self.outputs.get_mut(F0, OutputKind::HwPositionWithDuration).unwrap();
            (slot.value, slot.duration_ms, slot.changed) = (value, duration_ms, true);
            let mut frames = Frames::new();
            self.protocol.frames(self.start + Duration::from_millis(at_ms), &self.outputs, &mut frames);
            frames
        }

        fn tick(&mut self, at_ms: u64) -> Frames {
            let now = self.start + Duration::from_millis(at_ms);
            let mut frames = Frames::new();
            if self.protocol.next_tick().is_some_and(|due| due <= now) {
                self.protocol.tick(now, &self.outputs, &mut frames);
            }
            frames
        }
    }

    fn starts(frames: &Frames) -> Vec<[u8; 4]> {
        frames.iter().map(|frame| [frame.data[1], frame.data[2], frame.data[4], frame.data[5]]).collect()
    }

    const STOPPED: [[u8; 4]; 1] = [[0x01, 0x60, 0, 0]];

    #[test]
    fn a_stop_is_written_once_and_again_if_it_did_not_arrive() {
        let mut world = World::new();
        world.protocol.halt(F0);
        assert!(world.tick(0).is_empty(), "at rest there is nothing to stop");
        world.go(0, 99, 1000);
        assert!(world.tick(100).is_empty());
        world.protocol.halt(F0);
        let stop = world.tick(200);
        assert_eq!(starts(&stop), STOPPED);
        world.protocol.not_written(&stop);
        assert!(world.tick(249).is_empty(), "not without a pause");
        assert_eq!(starts(&world.tick(250)), STOPPED);
        assert!(world.tick(10_000).is_empty());
    }

    #[test]
    fn after_a_stop_the_way_begins_where_the_belts_have_come_to() {
        let mut world = World::new();
        world.go(0, 80, 1000);
        world.protocol.halt(F0);
        world.tick(500);
        assert_eq!(starts(&world.go(600, 80, 1000)), [[0x02, 0x20, 0xe8, 0x03]], "half of the way is left");
        world.protocol.halt(F0);
        world.tick(1600);
        assert!(world.go(1700, 80, 1000).is_empty(), "they have arrived");
    }

    #[test]
    fn a_move_that_did_not_arrive_is_made_when_it_is_asked_for_again() {
        let mut world = World::new();
        let lost = world.go(0, 99, 1000);
        world.protocol.not_written(&lost);
        assert_eq!(world.go(100, 99, 1000), lost);
    }

    #[test]
    fn no_number_is_too_much() {
        let mut world = World::new();
        for (value, duration) in [(99, 0), (0, u32::MAX), (i32::MAX, 1), (0, 65_536)] {
            assert_eq!(world.go(0, value, duration).len(), 1, "{value} in {duration} ms");
        }
    }
}
