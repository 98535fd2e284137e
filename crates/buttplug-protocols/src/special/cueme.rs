//! Cueme: only one of several motors can run at a time, so they take turns.
//!
//! Models and the frame of a motor are data. Whoever is set anew has its turn at once; whoever is stopped in its turn gives it
//! on at once. When nothing runs any more, a single zero says so.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::OutputKind;
use std::time::{Duration, Instant};

/// How long a turn lasts.
const TURN: Duration = Duration::from_millis(500);

/// What the definition can't say.
pub(crate) struct Cueme;

impl Code for Cueme {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device { turn: None }))
    }
}

/// One device.
struct Device {
    /// Whose turn it is, by its place among the outputs, and when it ends. `None`: nothing runs.
    turn: Option<(usize, Instant)>,
}

impl Device {
    /// Gives the turn to the output at `place`.
    fn give(
        &mut self,
        data: &mut dyn Protocol,
        place: usize,
        now: Instant,
        outputs: &Outputs,
        out: &mut Frames,
    ) {
        self.turn = Some((place, now + TURN));
        let mut alone = outputs.clone();
        for (other, slot) in alone.slots_mut().iter_mut().enumerate() {
            slot.changed = other == place;
        }
        data.frames(now, &alone, out);
    }

    /// Gives the turn to the next output that runs, or says that none does.
    fn give_on(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let count = outputs.slots().len();
        let after = self.turn.map_or(0, |(place, _)| place + 1);
        let runs = |place: &usize| outputs.slots().get(*place).is_some_and(|slot| slot.value > 0);
        match (after..after + count).map(|place| place % count).find(runs) {
            Some(place) => self.give(data, place, now, outputs, out),
            None => {
                self.turn = None;
                out.push(Frame::new(Endpoint::Tx, &[0]));
            }
        }
    }
}

impl Overlay for Device {
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let slots = outputs.slots();
        if slots.iter().all(|slot| !slot.changed) {
            return;
        }
        let fresh = slots.iter().position(|slot| slot.changed && slot.value > 0);
        let in_turn = self.turn.and_then(|(place, _)| slots.get(place));
        match fresh {
            Some(place) => self.give(data, place, now, outputs, out),
            // It stays with whoever has it.
            None if in_turn.is_some_and(|slot| slot.value > 0) => {}
            None => self.give_on(data, now, outputs, out),
        }
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.turn.map(|(_, end)| end)
    }

    fn tick(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        if self.turn.is_some_and(|(_, end)| end <= now) {
            self.give_on(data, now, outputs, out);
        }
    }
}
