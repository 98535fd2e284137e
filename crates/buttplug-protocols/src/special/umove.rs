//! Umove: movements in time, and a counter of four bytes in the frame that carries motor and position.
//!
//! Match rules, models and the frame of the temperature are data. A movement is a row of points, which a stop ends where it
//! is; a position without a time is a jump.

use super::Code;
use super::motion::Motion;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::{FeatureIndex, OutputKind};
use std::time::Instant;

/// What the definition can't say.
pub(crate) struct Umove;

impl Code for Umove {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        !matches!(kind, OutputKind::Vibrate | OutputKind::Position | OutputKind::HwPositionWithDuration)
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device { motion: Motion::default(), vibrate: 0, counter: 0, begun: false }))
    }
}

/// One device.
struct Device {
    motion: Motion,
    vibrate: u16,
    /// The number of frames with motor and position so far.
    counter: u32,
    /// Something has been told: from then on a frame is no surprise to whoever is on the machine.
    begun: bool,
}

impl Device {
    /// The frame with motor and position.
    fn frame(&mut self) -> Frame {
        let mut bytes = [0x5a, 0xa5, 0x55, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[4..6].copy_from_slice(&self.vibrate.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.counter.to_le_bytes());
        bytes[12..].copy_from_slice(&self.motion.position().to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        self.begun = true;
        Frame::new(Endpoint::Tx, &bytes)
    }
}

impl Overlay for Device {
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let changed = |kind| outputs.changed().find(|slot| slot.kind == kind);
        let mut news = false;
        if let Some(slot) = changed(OutputKind::Vibrate) {
            self.vibrate = u16::try_from(slot.value.max(0)).unwrap_or(u16::MAX);
            news = true;
        }
        // Of a jump and a movement in one call, nobody knows which was asked for last: the one that ends at once.
        if let Some(slot) = changed(OutputKind::Position) {
            self.motion.jump(now, slot.value.max(0).unsigned_abs());
            news = true;
        } else if let Some(slot) = changed(OutputKind::HwPositionWithDuration) {
            self.motion.go(now, slot.value.max(0).unsigned_abs(), slot.duration_ms);
        }
        if news {
            out.push(self.frame());
        }
        data.frames(now, outputs, out);
    }

    fn halt(&mut self, _data: &mut dyn Protocol, _feature: FeatureIndex) {
        self.motion.freeze();
    }

    fn keepalive_frames(
        &mut self,
        _data: &mut dyn Protocol,
        _now: Instant,
        _outputs: &Outputs,
        out: &mut Frames,
    ) {
        if self.begun {
            out.push(self.frame());
        }
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.motion.next_point()
    }

    fn tick(&mut self, _data: &mut dyn Protocol, now: Instant, _outputs: &Outputs, out: &mut Frames) {
        if self.motion.advance(now).is_some() {
            out.push(self.frame());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::{Catalogue, Setup};
    use crate::definition::Vector;
    use crate::frame::Frames;
    use crate::protocol::Outputs;
    use buttplug_core::{FeatureIndex, OutputKind};
    use std::time::{Duration, Instant};

    const F1: FeatureIndex = FeatureIndex(1);

    #[test]
    fn a_stop_ends_a_movement_where_it_is_and_the_next_one_begins_there() {
        let candidate = Catalogue::builtin().protocol("umove").unwrap();
        let vector = Vector { model: Some("Vx".into()), ..Vector::default() };
        let (sighting, model) = (vector.sighting(), vector.model(&candidate).unwrap());
        let setup =
            Setup { identifier: Some("Vx"), model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let mut protocol = candidate.build(setup).unwrap();
        let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
        let start = Instant::now();
        let mut places: Vec<Vec<u32>> = Vec::new();
        let mut go = |now: u64, goal: Option<(i32, u32)>| {
            let now = start + Duration::from_millis(now);
            let mut frames = Frames::new();
            match goal {
                Some((value, duration_ms)) => {
                    let slot = outputs.get_mut(F1, OutputKind::HwPositionWithDuration).unwrap();
                    (slot.value, slot.duration_ms, slot.changed) = (value, duration_ms, true);
                    protocol.frames(now, &outputs, &mut frames);
                }
                None => protocol.halt(F1),
            }
            for _ in 0..20 {
                let due = protocol.next_tick().unwrap_or(now);
                protocol.tick(due.min(now + Duration::from_millis(250)), &outputs, &mut frames);
            }
            places.push(
                frames
                    .iter()
                    .map(|frame| u32::from(frame.data[12]) | u32::from(frame.data[13]) << 8)
                    .collect(),
            );
        };
        go(0, Some((700, 700)));
        go(250, None);
        go(5000, Some((300, 100)));
        go(6000, Some((400, 0)));
        let expected = [vec![100, 200, 300], vec![], vec![], vec![400]];
        assert_eq!(places, expected);
    }
}
