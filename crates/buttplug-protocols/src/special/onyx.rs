//! Kiiroo's first Onyx: a ring with five places that goes to one at once, and relaxes unless it hears of it again.
//!
//! Connecting, and all of the Pearl, are data. Code is the walk from place to place in the time that is asked for, and holding
//! the last one. The places count from the other end. A stop ends the walk where it is.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::{FeatureIndex, OutputKind};
use std::time::{Duration, Instant};

/// The place at the far end; the near one is 0.
const FAR: i32 = 4;

/// The parts of a place in which a walk is measured.
const PARTS: i64 = 1000;

/// The time between two looks at a walk. More often than this floods the link.
const STEP: Duration = Duration::from_millis(50);

/// How soon the ring hears of its place again.
const HOLD: Duration = Duration::from_millis(500);

/// What the definition can't say.
pub(crate) struct Onyx;

impl Code for Onyx {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        kind != OutputKind::HwPositionWithDuration
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device { ring: Ring::default() }))
    }
}

/// One device.
struct Device {
    ring: Ring,
}

/// Where the ring is and where it is going.
#[derive(Debug, Default)]
struct Ring {
    /// In parts of a place.
    at: i64,
    /// The place that was told last: 0 while connecting.
    told: i64,
    /// When it was told; `None` until somebody moves the ring.
    told_at: Option<Instant>,
    walk: Option<Walk>,
}

/// A walk that has not arrived.
#[derive(Clone, Copy, Debug)]
struct Walk {
    from: i64,
    goal: i64,
    begun: Instant,
    duration_ms: u32,
    /// When to look at it next.
    due: Instant,
}

impl Walk {
    /// Where it has come to, in parts of a place.
    fn at(&self, now: Instant) -> i64 {
        let all = i64::from(self.duration_ms);
        let gone = now.saturating_duration_since(self.begun).as_millis();
        let gone = i64::try_from(gone).unwrap_or(all).min(all);
        self.from + (self.goal - self.from) * gone / all.max(1)
    }
}

/// The nearest place.
fn nearest(parts: i64) -> i64 {
    (parts + PARTS / 2) / PARTS
}

impl Ring {
    fn go(&mut self, now: Instant, value: i32, duration_ms: u32) -> Option<Frame> {
        let goal = i64::from(FAR - value.clamp(0, FAR)) * PARTS;
        // The same once more must not begin its time anew.
        if self.walk.is_some_and(|walk| (walk.goal, walk.duration_ms) == (goal, duration_ms)) {
            return None;
        }
        self.at = self.walk.map_or(self.at, |walk| walk.at(now));
        if duration_ms == 0 {
            (self.at, self.walk) = (goal, None);
            return Some(self.tell(now));
        }
        // From the first command on, it is held.
        self.told_at = self.told_at.or(Some(now));
        self.walk = Some(Walk { from: self.at, goal, begun: now, duration_ms, due: now + STEP });
        None
    }

    /// What is due: a new place of the walk, or the last one again.
    fn pass(&mut self, now: Instant) -> Option<Frame> {
        let mut arrived = false;
        if let Some(walk) = self.walk.as_mut().filter(|walk| walk.due <= now) {
            self.at = walk.at(now);
            walk.due = now + STEP;
            if nearest((walk.goal - self.at).abs()) == 0 {
                (self.at, self.walk) = (walk.goal, None);
                arrived = true;
            }
        }
        let again = self.told_at.is_some_and(|at| at + HOLD <= now);
        (arrived || again || nearest(self.at) != self.told).then(|| self.tell(now))
    }

    fn tell(&mut self, now: Instant) -> Frame {
        self.told = nearest(self.at).clamp(0, i64::from(FAR));
        self.told_at = Some(now);
        Frame::new(Endpoint::Tx, &[b'0' + self.told as u8, b',', b'\n'])
    }

    /// Ends the walk at the place that was told last: where it was on the way to the next one, the ring has never heard of.
    fn halt(&mut self) {
        (self.at, self.walk) = (self.told * PARTS, None);
    }

    fn due(&self) -> Option<Instant> {
        let again = self.told_at.map(|at| at + HOLD);
        self.walk.map(|walk| walk.due).into_iter().chain(again).min()
    }
}

impl Overlay for Device {
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        data.frames(now, outputs, out);
        if let Some(slot) = outputs.changed().find(|slot| slot.kind == OutputKind::HwPositionWithDuration) {
            out.extend(self.ring.go(now, slot.value, slot.duration_ms));
        }
    }

    fn halt(&mut self, _data: &mut dyn Protocol, _feature: FeatureIndex) {
        self.ring.halt();
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.ring.due()
    }

    fn tick(&mut self, _data: &mut dyn Protocol, now: Instant, _outputs: &Outputs, out: &mut Frames) {
        out.extend(self.ring.pass(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The places that are told within `ms` after `start`, each once, with their times.
    fn told(ring: &mut Ring, start: Instant, from: u64, ms: u64) -> Vec<(u64, u8)> {
        let end = start + Duration::from_millis(from + ms);
        let mut told: Vec<(u64, u8)> = Vec::new();
        while let Some(due) = ring.due().filter(|due| *due <= end) {
            let at = u64::try_from(due.duration_since(start).as_millis()).unwrap();
            told.extend(ring.pass(due).map(|frame| (at, frame.data[0] - b'0')));
        }
        told.dedup_by_key(|(_, place)| *place);
        told
    }

    #[test]
    fn a_walk_takes_its_time_and_a_new_one_begins_where_it_is() {
        let (mut ring, start) = (Ring::default(), Instant::now());
        assert_eq!(ring.due(), None, "nobody has moved it");
        ring.go(start, 1, 500);
        assert_eq!(told(&mut ring, start, 0, 300), [(100, 1), (250, 2)]);
        // At 1.8 of the way to 3, back to 0 in as many tenths of a second.
        ring.go(start + Duration::from_millis(300), 4, 1800);
        assert_eq!(told(&mut ring, start, 300, 1700), [(650, 1), (1650, 0)]);
        let at_once = ring.go(start + Duration::from_millis(2000), 0, 0).map(|frame| frame.data.to_vec());
        assert_eq!(at_once.as_deref(), Some(&b"4,\n"[..]));
    }

    #[test]
    fn the_same_once_more_does_not_begin_the_time_anew() {
        let (mut ring, start) = (Ring::default(), Instant::now());
        for again in 0..10 {
            ring.go(start + Duration::from_millis(20 * again), 0, 400);
        }
        let places = told(&mut ring, start, 0, 5000);
        assert_eq!(places, [(50, 1), (150, 2), (250, 3), (350, 4)]);
    }

    #[test]
    fn a_stop_between_two_places_leaves_the_ring_at_the_one_that_it_was_told() {
        let (mut ring, start) = (Ring::default(), Instant::now());
        ring.go(start, 0, 2001);
        assert_eq!(told(&mut ring, start, 0, 251), []);
        // Half of the way to the first place has just been passed when it is sent elsewhere, and stopped at once.
        ring.go(start + Duration::from_millis(251), 0, 1);
        ring.halt();
        assert!(told(&mut ring, start, 251, 20_000).iter().all(|(_, place)| *place == 0));
        ring.go(start + Duration::from_secs(30), 0, 400);
        assert_eq!(told(&mut ring, start, 30_000, 1000).last(), Some(&(30_350, 4)), "it can go on");
    }

    #[test]
    fn the_last_place_is_held_also_on_a_slow_walk() {
        let (mut ring, start) = (Ring::default(), Instant::now());
        ring.go(start, 0, 0);
        ring.go(start, 3, u32::MAX);
        let mut last = start;
        for _ in 0..200 {
            let due = ring.due().unwrap();
            if ring.pass(due).is_some() {
                assert_eq!(due.duration_since(last), HOLD);
                last = due;
            }
        }
        assert!(last > start + Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn places_are_on_the_ring_and_after_a_stop_none_is_new(
            moves in prop::collection::vec((any::<i32>(), prop_oneof![0u32..3000, any::<u32>()], 0u64..4000), 1..10),
        ) {
            let (mut ring, start, mut from) = (Ring::default(), Instant::now(), 0);
            for (value, duration_ms, ms) in moves {
                ring.go(start + Duration::from_millis(from), value, duration_ms);
                let places = told(&mut ring, start, from, ms);
                prop_assert!(places.iter().all(|(_, place)| *place <= 4), "{places:?}");
                from += ms;
            }
            ring.halt();
            let here = ring.told;
            let places = told(&mut ring, start, from, 20_000);
            prop_assert!(places.iter().all(|(_, place)| i64::from(*place) == here), "{places:?} {here}");
        }
    }
}
