//! Fredorch's rotary machine: it can be told to stop, to go a step faster and a step slower, and never says how fast it is.
//! So the steps are counted. Connecting and the stop are data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::OutputKind;
use std::time::{Duration, Instant};

const FASTER: [u8; 5] = [0x55, 0x03, 0x01, 0x04, 0xaa];
const SLOWER: [u8; 5] = [0x55, 0x03, 0x02, 0x05, 0xaa];

/// The steps from rest to the greatest speed.
const MAX_SPEED: u8 = 20;

/// How soon a step is tried again that the hardware has refused.
const AGAIN: Duration = Duration::from_millis(100);

/// What the definition can't say.
pub(crate) struct FredorchRotary;

impl Code for FredorchRotary {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Machine { speed: 0, wanted: 0, due: None, stepped: None }))
    }
}

/// One machine.
struct Machine {
    /// The steps above rest that have been written.
    speed: u8,
    wanted: u8,
    /// When the next step is due; `None`: it is as fast as it shall be.
    due: Option<Instant>,
    /// When the last step was written.
    stepped: Option<Instant>,
}

impl Overlay for Machine {
    /// A stop is written at once, and whatever steps were left are not taken any more. Other speeds are reached step by
    /// step, each of which lets a stop in between.
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let Some(slot) = outputs.changed().find(|slot| slot.kind == OutputKind::Oscillate) else { return };
        self.wanted = u8::try_from(slot.value.max(0)).unwrap_or(MAX_SPEED).min(MAX_SPEED);
        if self.wanted == 0 {
            (self.speed, self.due) = (0, None);
            data.frames(now, outputs, out);
        } else {
            self.due = (self.wanted != self.speed).then_some(now);
        }
    }

    /// A step that was refused was not taken, and the count goes back. A stop needs no count.
    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
        let lost = |step: &[u8]| frames.iter().any(|frame| &frame.data[..] == step);
        let speed = match (lost(&FASTER), lost(&SLOWER)) {
            (true, _) => self.speed.saturating_sub(1),
            (_, true) => self.speed.saturating_add(1).min(MAX_SPEED),
            _ => return,
        };
        self.speed = speed;
        self.due = self.stepped.map(|at| at + AGAIN);
    }

    fn counts(&self, data: &dyn Protocol, frame: &Frame) -> bool {
        frame.data[..] == FASTER || frame.data[..] == SLOWER || data.counts(frame)
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self, _data: &mut dyn Protocol, now: Instant, _outputs: &Outputs, out: &mut Frames) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.stepped = Some(now);
        if self.wanted > self.speed {
            self.speed += 1;
            out.push(Frame::new(Endpoint::Tx, &FASTER));
        } else if self.wanted < self.speed {
            self.speed -= 1;
            out.push(Frame::new(Endpoint::Tx, &SLOWER));
        }
        self.due = (self.wanted != self.speed).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Setup};
    use crate::definition::Vector;
    use buttplug_core::FeatureIndex;

    fn set(machine: &mut dyn Protocol, value: i32) -> Frames {
        let mut outputs = Outputs::at_rest([(FeatureIndex(0), OutputKind::Oscillate)]);
        outputs.slots_mut().iter_mut().for_each(|slot| (slot.value, slot.changed) = (value, true));
        let mut frames = Frames::new();
        machine.frames(Instant::now(), &outputs, &mut frames);
        frames
    }

    /// Takes up to so many steps: how many it took.
    fn steps(machine: &mut dyn Protocol, most: usize) -> usize {
        let mut frames = Frames::new();
        for _ in 0..most {
            let Some(due) = machine.next_tick() else { break };
            machine.tick(due, &Outputs::default(), &mut frames);
        }
        frames.len()
    }

    fn machine() -> Box<dyn Protocol> {
        let candidate = Catalogue::builtin().protocol("fredorch-rotary").unwrap();
        let (sighting, model) = (Vector::default().sighting(), candidate.model(None).unwrap());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        candidate.build(setup).unwrap()
    }

    #[test]
    fn a_stop_between_two_steps_is_the_last_word_and_a_new_way_begins_at_rest() {
        let mut machine = machine();
        for speed in [20, i32::MAX] {
            assert!(set(&mut *machine, speed).is_empty());
            assert_eq!(steps(&mut *machine, 7), 7);
            assert_eq!(set(&mut *machine, 0), [Frame::new(Endpoint::Tx, &[0x55, 3, 0x24, 0x27, 0xaa])]);
            assert_eq!(machine.next_tick(), None);
            assert_eq!(set(&mut *machine, i32::MIN).len(), 1);
        }
        set(&mut *machine, i32::MAX);
        assert_eq!(steps(&mut *machine, 1000), 20);
    }

    #[test]
    fn steps_count_and_stops_do_not() {
        let machine = machine();
        for (bytes, counts) in [(FASTER, true), (SLOWER, true), ([0x55, 3, 0x24, 0x27, 0xaa], false)] {
            assert_eq!(machine.counts(&Frame::new(Endpoint::Tx, &bytes)), counts);
        }
    }

    #[test]
    fn a_step_that_was_refused_is_taken_again_after_a_moment() {
        let mut machine = machine();
        set(&mut *machine, 3);
        assert_eq!(steps(&mut *machine, 2), 2);
        let due = machine.next_tick().unwrap();
        machine.not_written(&[Frame::new(Endpoint::Tx, &FASTER)]);
        assert_eq!(machine.next_tick(), Some(due + AGAIN));
        assert_eq!(steps(&mut *machine, 1000), 2);
        set(&mut *machine, 1);
        assert_eq!(steps(&mut *machine, 1000), 2);
        machine.not_written(&[Frame::new(Endpoint::Tx, &SLOWER)]);
        assert_eq!(steps(&mut *machine, 1000), 1);
        // After a stop nothing is counted.
        set(&mut *machine, 0);
        machine.not_written(&[Frame::new(Endpoint::Tx, &[0x55, 3, 0x24, 0x27, 0xaa])]);
        assert_eq!(machine.next_tick(), None);
    }
}
