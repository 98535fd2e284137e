//! Lovense Connect: every command is the path of a web address and ends with the toy's address, which no definition knows.
//! A rotating head's direction is remembered, as for toys on Bluetooth. Paths and models are data.

use super::Code;
use super::overlay::{Overlay, over};
use super::rotator::Rotator;
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Step, Topic, Turn};
use buttplug_core::OutputKind;
use std::time::Instant;

/// What the definition can't say.
pub(crate) struct LovenseConnect;

impl Code for LovenseConnect {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        let address = setup.sighting.address.as_bytes().to_vec();
        let change = addressed(Frame::new(Endpoint::Tx, b"RotateChange?t="), &address);
        Ok(over(data, Device { rotator: Rotator::new(b"Rotate?", change), address }))
    }
}

/// One toy.
struct Device {
    address: Vec<u8>,
    rotator: Rotator,
}

fn addressed(mut frame: Frame, address: &[u8]) -> Frame {
    frame.data.extend_from_slice(address);
    frame
}

impl Overlay for Device {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        match data.converse(topic, heard) {
            Turn::Do(Step::Write(frame)) => Turn::Do(Step::Write(addressed(frame, &self.address))),
            turn => turn,
        }
    }

    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let first = out.len();
        data.frames(now, outputs, out);
        self.address_from(first, out);
        self.rotator.turn(outputs, first, out);
    }

    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
        self.rotator.not_written(frames);
    }

    fn counts(&self, data: &dyn Protocol, frame: &Frame) -> bool {
        self.rotator.counts(frame) || data.counts(frame)
    }

    fn keepalive_frames(
        &mut self,
        data: &mut dyn Protocol,
        now: Instant,
        outputs: &Outputs,
        out: &mut Frames,
    ) {
        let first = out.len();
        data.keepalive_frames(now, outputs, out);
        self.address_from(first, out);
    }
}

impl Device {
    fn address_from(&self, first: usize, out: &mut Frames) {
        for frame in out.iter_mut().skip(first) {
            frame.data.extend_from_slice(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::definition::Vector;

    #[test]
    fn a_change_of_direction_that_did_not_arrive_is_written_again() {
        let candidate = Catalogue::builtin().protocol("lovense-connect-service").unwrap();
        let vector = Vector { model: Some("Nora".into()), address: Some("d0".into()), ..Vector::default() };
        let (sighting, model) = (vector.sighting(), candidate.model(Some("Nora")).unwrap());
        let setup =
            Setup { identifier: Some("Nora"), model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let mut protocol = candidate.build(setup).unwrap();
        let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
        let slot = outputs.slots_mut().iter_mut().find(|slot| slot.kind == OutputKind::Rotate).unwrap();
        (slot.value, slot.changed) = (-3, true);
        let mut rotate = || {
            let mut out = Frames::new();
            protocol.frames(Instant::now(), &outputs, &mut out);
            protocol.not_written(&out);
            let counting: Vec<_> = out.iter().map(|frame| protocol.counts(frame)).collect();
            assert_eq!(counting, [true, false], "left and right must not be mixed up");
            out.iter().map(|frame| String::from_utf8_lossy(&frame.data).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(rotate(), ["RotateChange?t=d0", "Rotate?v=3&t=d0"]);
        assert_eq!(rotate(), ["RotateChange?t=d0", "Rotate?v=3&t=d0"]);
    }

    #[test]
    fn a_model_of_ones_own_with_an_output_that_has_no_command_is_refused() {
        let candidate = Catalogue::builtin().protocol("lovense-connect-service").unwrap();
        let sighting = Vector::default().sighting();
        let mut model = candidate.model(None).unwrap();
        model.features[0].outputs[0].kind = OutputKind::Led;
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let refused = candidate.build(setup).err().unwrap_or_default();
        assert!(refused.contains("no command for Led"), "{refused}");
    }
}
