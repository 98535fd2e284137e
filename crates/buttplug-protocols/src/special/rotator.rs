//! The direction of a rotating head. The device can only be told to change it and never says which one it has, so every
//! change counts: with one too few or too many, left is right from then on.

use crate::frame::{Frame, Frames};
use crate::protocol::Outputs;
use buttplug_core::OutputKind;

/// A rotating head.
#[derive(Debug)]
pub(super) struct Rotator {
    /// How a rotation begins.
    rotation: &'static [u8],
    /// What changes the direction.
    change: Frame,
    /// It turns against the direction with which it powers up.
    reversed: bool,
}

impl Rotator {
    /// A fresh one, whose rotations begin with `rotation` and which `change` turns round.
    pub(super) fn new(rotation: &'static [u8], change: Frame) -> Self {
        Self { rotation, change, reversed: false }
    }

    /// Puts a change of direction, if one is due, right before the rotation among the frames from `first` on.
    pub(super) fn turn(&mut self, outputs: &Outputs, first: usize, out: &mut Frames) {
        let rotation = outputs.changed().find(|slot| slot.kind == OutputKind::Rotate);
        // Zero has no direction: a stop leaves it as it is.
        let Some(slot) = rotation.filter(|slot| slot.value != 0 && (slot.value < 0) != self.reversed) else {
            return;
        };
        self.reversed = slot.value < 0;
        let at = out.iter().skip(first).position(|frame| frame.data.starts_with(self.rotation)).unwrap_or(0);
        out.insert(first + at, self.change.clone());
    }

    /// A change of direction counts.
    pub(super) fn counts(&self, frame: &Frame) -> bool {
        *frame == self.change
    }

    /// A change of direction that did not arrive has not happened, and is due again with the next rotation.
    pub(super) fn not_written(&mut self, frames: &[Frame]) {
        self.reversed ^= frames.contains(&self.change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Endpoint;
    use crate::protocol::OutputSlot;
    use OutputKind::{Rotate, Vibrate};
    use buttplug_core::FeatureIndex;

    fn change() -> Frame {
        Frame::new(Endpoint::Tx, b"RotateChange;")
    }

    fn rotator() -> Rotator {
        Rotator::new(b"Rotate:", change())
    }

    /// What is written for rotations one after another, beside the frames of the definition.
    fn turns(rotations: &[(i32, bool)]) -> Vec<String> {
        let mut rotator = rotator();
        let mut outputs = Outputs::at_rest([(FeatureIndex(0), Vibrate), (FeatureIndex(1), Rotate)]);
        let mut out = vec![Frame::new(Endpoint::Tx, b"earlier;")];
        for &(value, changed) in rotations {
            outputs.slots_mut()[0].changed = true;
            let slot = OutputSlot { value, changed, ..outputs.slots()[1] };
            outputs.slots_mut()[1] = slot;
            let first = out.len();
            out.push(Frame::new(Endpoint::Tx, b"Vibrate;"));
            out.push(Frame::new(Endpoint::Tx, b"Rotate:;"));
            rotator.turn(&outputs, first, &mut out);
        }
        let text = |frame: &Frame| String::from_utf8_lossy(&frame.data).into_owned();
        out.iter().map(text).collect()
    }

    #[test]
    fn the_direction_changes_right_before_a_rotation_the_other_way() {
        assert_eq!(turns(&[(-5, true)]), ["earlier;", "Vibrate;", "RotateChange;", "Rotate:;"]);
    }

    #[test]
    fn the_direction_changes_with_the_sign_and_never_otherwise() {
        let cases: &[(&[i32], usize)] = &[
            (&[12], 0),
            (&[12, -5], 1),
            (&[12, -5, 0, -8], 1),
            (&[12, -5, 0, -8, 3], 2),
            (&[0, 0, 0], 0),
            (&[-1, 0, 1], 2),
            (&[-1, 1, -1, 1], 4),
            (&[i32::MIN, i32::MAX], 2),
        ];
        for (rotations, changes) in cases {
            let rotations: Vec<_> = rotations.iter().map(|value| (*value, true)).collect();
            let written = turns(&rotations);
            assert_eq!(
                written.iter().filter(|text| *text == "RotateChange;").count(),
                *changes,
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_change_of_direction_that_did_not_arrive_is_written_again() {
        let mut rotator = rotator();
        let mut outputs = Outputs::at_rest([(FeatureIndex(1), Rotate)]);
        outputs.slots_mut()[0] = OutputSlot { value: -5, changed: true, ..outputs.slots()[0] };
        let changes = |rotator: &mut Rotator| {
            let mut out = vec![Frame::new(Endpoint::Tx, b"Rotate:5;")];
            rotator.turn(&outputs, 0, &mut out);
            out.len() - 1
        };
        assert_eq!(changes(&mut rotator), 1);
        rotator.not_written(&[change(), Frame::new(Endpoint::Tx, b"Rotate:5;")]);
        assert_eq!(changes(&mut rotator), 1);
        // This time only the rotation fails.
        rotator.not_written(&[Frame::new(Endpoint::Tx, b"Rotate:5;")]);
        assert_eq!(changes(&mut rotator), 0);
    }

    #[test]
    fn a_rotation_that_nobody_changed_changes_no_direction() {
        assert!(!turns(&[(-5, false)]).contains(&String::from("RotateChange;")));
    }
}
