//! The strokers: Solace (`H`) oscillates, Solace Pro (`BA`) also goes to positions.
//!
//! `FSetSite` is a jump, so a movement that shall take a while is a row of points. What is not known is where the stroker
//! stands at connect and after an oscillation; the last point it was sent to is taken for it.

use super::command;
use crate::frame::{Frame, Frames};
use crate::protocol::Outputs;
use crate::special::motion::Motion;
use buttplug_core::OutputKind;
use std::time::Instant;

/// The stroke range that goes with an oscillation: all of it.
const FULL_STROKE: u32 = 20;

/// The far end of the stroke; the near one is 0.
const MAX_POSITION: u32 = 100;

/// A stroking machine.
#[derive(Debug)]
pub(super) struct Stroker {
    /// The stroke range in the command that ends an oscillation.
    stroke_at_rest: u32,
    oscillating: bool,
    motion: Motion,
}

impl Stroker {
    pub(super) fn solace() -> Self {
        Self { stroke_at_rest: 0, oscillating: false, motion: Motion::default() }
    }

    pub(super) fn solace_pro() -> Self {
        Self { stroke_at_rest: FULL_STROKE, ..Self::solace() }
    }

    /// An oscillation ends a movement, and a movement ends an oscillation: it is one body on one rail. Of two changes
    /// in one call the oscillation counts, since its zero may be a stop, and after a stop nothing may move.
    pub(super) fn frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let changed = |kind| outputs.changed().find(|slot| slot.kind == kind);
        if let Some(slot) = changed(OutputKind::Oscillate) {
            self.motion.freeze();
            out.push(self.oscillate(slot.value.max(0).unsigned_abs()));
        } else if let Some(slot) = changed(OutputKind::HwPositionWithDuration) {
            if self.oscillating {
                out.push(self.oscillate(0));
            }
            let goal = slot.value.max(0).unsigned_abs().min(MAX_POSITION);
            self.motion.go(now, goal, slot.duration_ms);
        }
    }

    /// If the end of an oscillation did not arrive, the next movement has to write it again.
    pub(super) fn not_written(&mut self, frames: &[Frame]) {
        self.oscillating |= frames.iter().any(|frame| frame.data.starts_with(b"Mply:"));
    }

    /// Ends a movement where it is.
    pub(super) fn halt(&mut self) {
        self.motion.freeze();
    }

    /// When the next point of a movement is due.
    pub(super) fn next_point(&self) -> Option<Instant> {
        self.motion.next_point()
    }

    /// The next point of a movement, if it is due.
    pub(super) fn point(&mut self, now: Instant) -> Option<Frame> {
        self.motion.advance(now).map(|position| command(format_args!("FSetSite:{position}")))
    }

    fn oscillate(&mut self, speed: u32) -> Frame {
        self.oscillating = speed > 0;
        let stroke = if self.oscillating { FULL_STROKE } else { self.stroke_at_rest };
        command(format_args!("Mply:{speed}:{stroke}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputKind::{HwPositionWithDuration, Oscillate};
    use buttplug_core::FeatureIndex;
    use proptest::prelude::*;
    use std::time::Duration;

    const F0: FeatureIndex = FeatureIndex(0);

    /// A stroker, what it shall do, a clock, and what is written when: milliseconds and text.
    struct World {
        stroker: Stroker,
        outputs: Outputs,
        start: Instant,
        now: Instant,
        written: Vec<(u128, String)>,
    }

    impl World {
        fn new(stroker: Stroker) -> Self {
            let start = Instant::now();
            let outputs = Outputs::at_rest([(F0, Oscillate), (F0, HwPositionWithDuration)]);
            Self { stroker, outputs, start, now: start, written: Vec::new() }
        }

        fn set(&mut self, kind: OutputKind, value: i32, duration_ms: u32) -> &mut Self {
            if let Some(slot) = self.outputs.get_mut(F0, kind) {
                (slot.value, slot.duration_ms, slot.changed) = (value, duration_ms, true);
            }
            self
        }

        /// Hands over what is set.
        fn commit(&mut self) -> &mut Self {
            let mut out = Frames::new();
            self.stroker.frames(self.now, &self.outputs, &mut out);
            self.outputs.slots_mut().iter_mut().for_each(|slot| slot.changed = false);
            self.note(&out);
            self
        }

        fn oscillate(&mut self, speed: i32) -> &mut Self {
            self.set(Oscillate, speed, 0).commit()
        }

        fn go(&mut self, position: i32, duration_ms: u32) -> &mut Self {
            self.set(HwPositionWithDuration, position, duration_ms).commit()
        }

        /// Lets time pass, with the points that come due.
        fn pass(&mut self, ms: u64) -> &mut Self {
            let until = self.now + Duration::from_millis(ms);
            while let Some(due) = self.stroker.next_point().filter(|due| *due < until) {
                self.now = self.now.max(due);
                let point: Frames = self.stroker.point(self.now).into_iter().collect();
                self.note(&point);
            }
            self.now = until;
            self
        }

        fn note(&mut self, frames: &[Frame]) {
            let at = self.now.duration_since(self.start).as_millis();
            let text = |frame: &Frame| String::from_utf8_lossy(&frame.data).into_owned();
            self.written.extend(frames.iter().map(|frame| (at, text(frame))));
        }

        fn texts(&self) -> Vec<&str> {
            self.written.iter().map(|(_, text)| text.as_str()).collect()
        }

        /// When points were written and where they went; other commands are left out.
        fn points(&self) -> Vec<(u128, u32)> {
            let point = |text: &str| text.strip_prefix("FSetSite:")?.strip_suffix(';')?.parse().ok();
            self.written.iter().filter_map(|(at, text)| Some((*at, point(text)?))).collect()
        }

        fn at_rest(&self) -> bool {
            self.stroker.next_point().is_none()
        }
    }

    fn pro() -> World {
        World::new(Stroker::solace_pro())
    }

    #[test]
    fn after_a_stop_nothing_moves() {
        let mut world = pro();
        world.go(100, 1000).pass(250).oscillate(0).pass(5000);
        assert_eq!(world.texts(), ["FSetSite:10;", "FSetSite:20;", "FSetSite:30;", "Mply:0:20;"]);
        assert!(world.at_rest());
        // From there on it goes on when it is told to.
        world.go(40, 0).pass(5000);
        assert_eq!(world.texts()[4..], ["FSetSite:40;"]);
        world.go(80, 1000).pass(50).stroker.halt();
        world.pass(5000);
        assert_eq!(world.texts()[5..], ["FSetSite:44;"]);
    }

    #[test]
    fn a_stop_overrules_a_movement_that_was_asked_for_in_the_same_moment() {
        let mut world = pro();
        world.set(HwPositionWithDuration, 50, 300).oscillate(0).pass(5000);
        assert_eq!(world.texts(), ["Mply:0:20;"]);
    }

    #[test]
    fn every_stop_is_written() {
        let mut world = pro();
        world.oscillate(0).oscillate(0);
        assert_eq!(world.texts(), ["Mply:0:20;", "Mply:0:20;"]);
        let mut world = World::new(Stroker::solace());
        world.oscillate(0).oscillate(9).oscillate(0).oscillate(-5);
        assert_eq!(world.texts(), ["Mply:0:0;", "Mply:9:20;", "Mply:0:0;", "Mply:0:0;"]);
    }

    #[test]
    fn an_oscillation_ends_a_movement_and_a_movement_an_oscillation() {
        let mut world = pro();
        world.go(50, 500).pass(150).oscillate(9).pass(500).go(30, 200).pass(500).go(20, 0).pass(100);
        let expected = ["FSetSite:10;", "FSetSite:20;", "Mply:9:20;", "Mply:0:20;", "FSetSite:25;"];
        assert_eq!(world.texts(), [&expected[..], &["FSetSite:30;", "FSetSite:20;"]].concat());
    }

    #[test]
    fn an_oscillation_that_did_not_end_is_ended_by_the_next_movement() {
        let mut world = pro();
        world.oscillate(9).go(50, 0);
        world.stroker.not_written(&[Frame::new(crate::frame::Endpoint::Tx, b"Mply:0:20;")]);
        world.go(50, 0).pass(200);
        assert_eq!(world.texts(), ["Mply:9:20;", "Mply:0:20;", "Mply:0:20;", "FSetSite:50;"]);
    }

    #[test]
    fn movements_go_through_these_points() {
        type Moves = &'static [(i32, u32)];
        let cases: &[(Moves, &[u32])] = &[
            (&[(100, 500)], &[20, 40, 60, 80, 100]),
            (&[(100, 500), (3, 0)], &[20, 40, 60, 80, 100, 3]),
            (&[(50, 300), (7, 450)], &[16, 32, 48, 50, 40, 30, 20, 10, 7]),
            (&[(3, 1000)], &[1, 2, 3]),
            (&[(55, 1000)], &[5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]),
            // Strides of 1 would take twice the time.
            (&[(19, 1000)], &[2, 4, 6, 8, 10, 12, 14, 16, 17, 18, 19]),
            (&[(50, 99)], &[50]),
            (&[(50, 199)], &[50]),
            (&[(50, 200)], &[25, 50]),
            (&[(0, 1000)], &[]),
            (&[(50, 0), (50, 1000)], &[50]),
            (&[(1000, 0), (-1000, 0)], &[100, 0]),
            (&[(i32::MAX, 0), (i32::MIN, 100)], &[100, 0]),
            (&[(2, u32::MAX)], &[1, 2]),
        ];
        for (moves, points) in cases {
            let mut world = pro();
            for &(position, duration_ms) in *moves {
                world.go(position, duration_ms).pass(20_000);
                assert!(world.at_rest(), "{moves:?}");
            }
            let gone: Vec<u32> = world.points().into_iter().map(|(_, position)| position).collect();
            assert_eq!(gone, *points, "{moves:?}");
        }
    }

    #[test]
    fn the_first_point_is_written_at_once_and_the_others_each_tenth_of_a_second() {
        let mut world = pro();
        world.pass(33).go(100, 500).pass(1000);
        assert_eq!(world.points(), [(33, 20), (133, 40), (233, 60), (333, 80), (433, 100)]);
    }

    #[test]
    fn a_new_goal_takes_over_at_the_next_point() {
        let mut world = pro();
        world.go(100, 1000).pass(250).go(0, 300).pass(1000);
        assert_eq!(world.points(), [(0, 10), (100, 20), (200, 30), (300, 20), (400, 10), (500, 0)]);
    }

    #[test]
    fn another_time_for_the_same_goal_counts_and_the_same_command_does_not() {
        let mut world = pro();
        world.go(100, 1000).pass(50).go(100, 1000).pass(100).go(100, 200).pass(1000);
        assert_eq!(world.points(), [(0, 10), (100, 20), (200, 60), (300, 100)]);
    }

    #[test]
    fn a_goal_where_it_stands_ends_the_movement() {
        let mut world = pro();
        world.go(100, 1000).pass(150).go(20, 1000).pass(1000);
        assert_eq!(world.points(), [(0, 10), (100, 20)]);
    }

    #[test]
    fn a_late_point_keeps_the_rhythm_and_a_very_late_one_begins_a_new() {
        let mut world = pro();
        world.go(100, 1000);
        for (at, position) in [(10, 10), (130, 20), (290, 30), (390, 40)] {
            let now = world.start + Duration::from_millis(at);
            assert_eq!(world.stroker.motion.advance(now), Some(position), "{at} ms");
            assert_eq!(world.stroker.motion.advance(now), None, "{at} ms");
        }
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Go(i32, u32),
        Oscillate(i32),
        Pass(u64),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            4 => (-20..120, 0_u32..2000).prop_map(|(position, time)| Deed::Go(position, time)),
            1 => any::<(i32, u32)>().prop_map(|(position, time)| Deed::Go(position, time)),
            1 => (-1..20).prop_map(Deed::Oscillate),
            6 => (0_u64..700).prop_map(Deed::Pass),
        ];
        prop::collection::vec(deed, 0..40)
    }

    proptest! {
        #[test]
        fn points_stay_on_the_rail_keep_their_distance_in_time_and_end_with_a_stop(deeds in deeds()) {
            let mut world = pro();
            for deed in deeds {
                match deed {
                    Deed::Go(position, duration_ms) => world.go(position, duration_ms),
                    Deed::Oscillate(speed) => {
                        world.oscillate(speed);
                        prop_assert!(world.at_rest());
                        continue;
                    }
                    Deed::Pass(ms) => world.pass(ms),
                };
            }
            let points = world.points();
            prop_assert!(points.iter().all(|(_, position)| *position <= MAX_POSITION));
            prop_assert!(points.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 100));
            world.oscillate(0);
            let before = world.written.len();
            world.pass(1_000_000);
            prop_assert_eq!(world.written.len(), before);
        }

        #[test]
        fn movements_arrive_in_time_and_never_turn_back(from in 0..=100, to in 0..=100, duration_ms in 0_u32..20_000) {
            let mut world = pro();
            world.go(from, 0).pass(1000);
            let before = world.points().len();
            world.go(to, duration_ms).pass(30_000);
            prop_assert!(world.at_rest());
            let points = world.points().split_off(before);
            let way: Vec<_> = std::iter::once(from.unsigned_abs()).chain(points.iter().map(|(_, at)| *at)).collect();
            prop_assert_eq!(way.last().copied(), Some(to.unsigned_abs()));
            prop_assert!(way.is_sorted() || way.iter().rev().is_sorted());
            prop_assert!(points.last().is_none_or(|(at, _)| at - 1000 <= u128::from(duration_ms)));
        }
    }
}
