//! What a device shall do: one slot per output, and who set it. A newer value replaces an older one in place, so
//! nothing can back up. Knows no hardware, no protocol and no clock.

use crate::session::SessionId;
use buttplug_core::{FeatureIndex, OutputCommand, OutputKind};
use buttplug_protocols::protocol::Outputs;

/// The wanted state of one device, shared by its clients and its task.
#[derive(Debug)]
pub(crate) struct Wanted {
    outputs: Outputs,
    /// Beside each slot: who set it in motion.
    owners: Vec<Option<SessionId>>,
    /// Beside each slot: whether it holds its feature's latest command. Another output of the same feature may have
    /// driven it elsewhere since, and then the same value is news again.
    latest: Vec<bool>,
    /// Beside each slot: value and duration as the task last took them.
    taken: Vec<(i32, u32)>,
}

impl Wanted {
    pub(crate) fn at_rest(outputs: impl IntoIterator<Item = (FeatureIndex, OutputKind)>) -> Self {
        let outputs = Outputs::at_rest(outputs);
        let count = outputs.slots().len();
        Self { outputs, owners: vec![None; count], latest: vec![false; count], taken: vec![(0, 0); count] }
    }

    /// Sets one output on behalf of `owner`. False: the feature already has it, or the device has no such output.
    pub(crate) fn set(&mut self, feature: FeatureIndex, command: OutputCommand, owner: SessionId) -> bool {
        let Some(at) = self.position(feature, command.kind()) else { return false };
        let slot = &mut self.outputs.slots_mut()[at];
        let repeated =
            self.latest[at] && slot.value == command.value() && slot.duration_ms == command.duration_ms();
        slot.value = command.value();
        slot.duration_ms = command.duration_ms();
        slot.changed |= !repeated;
        self.owners[at] = (command.value() != 0).then_some(owner);
        for (other, latest) in self.latest.iter_mut().enumerate() {
            if self.outputs.slots()[other].feature == feature {
                *latest = other == at;
            }
        }
        !repeated
    }

    /// Sets the outputs in scope to zero, whatever they were. Positions stay where they are, and a position that the
    /// device has not been told yet is not told any more.
    pub(crate) fn stop(&mut self, scope: Option<FeatureIndex>) {
        self.zero(|feature, _| scope.is_none_or(|only| only == feature));
        for (at, slot) in self.outputs.slots_mut().iter_mut().enumerate() {
            if slot.changed && !slot.kind.is_stoppable() && scope.is_none_or(|only| only == slot.feature) {
                (slot.value, slot.duration_ms) = self.taken[at];
                slot.changed = false;
                self.latest[at] = false;
            }
        }
    }

    /// Sets to zero what `owner` set in motion. False: nothing.
    pub(crate) fn release(&mut self, owner: SessionId) -> bool {
        self.zero(|_, slot_owner| slot_owner == Some(owner))
    }

    fn zero(&mut self, in_scope: impl Fn(FeatureIndex, Option<SessionId>) -> bool) -> bool {
        let mut any = false;
        for (at, slot) in self.outputs.slots_mut().iter_mut().enumerate() {
            if slot.kind.is_stoppable() && in_scope(slot.feature, self.owners[at]) {
                slot.value = 0;
                slot.duration_ms = 0;
                slot.changed = true;
                self.owners[at] = None;
                any = true;
            }
        }
        any
    }

    /// Whether there is something to send.
    pub(crate) fn has_changed(&self) -> bool {
        self.outputs.changed().next().is_some()
    }

    /// Copies the state to `sent` and counts it as sent from now on.
    pub(crate) fn take(&mut self, sent: &mut Outputs) {
        sent.clone_from(&self.outputs);
        for (slot, taken) in self.outputs.slots_mut().iter_mut().zip(&mut self.taken) {
            slot.changed = false;
            *taken = (slot.value, slot.duration_ms);
        }
    }

    /// What `sent` should have brought to the device did not arrive: it is to be sent again, unless it is newer now
    /// and will be sent anyway.
    pub(crate) fn not_sent(&mut self, sent: &Outputs) {
        for (slot, sent) in self.outputs.slots_mut().iter_mut().zip(sent.slots()) {
            slot.changed |= sent.changed;
        }
    }

    /// Whether any output that a stop would set to zero is in motion.
    #[cfg(test)]
    fn is_at_rest(&self) -> bool {
        self.outputs.slots().iter().all(|slot| slot.value == 0 || !slot.kind.is_stoppable())
    }

    fn position(&self, feature: FeatureIndex, kind: OutputKind) -> Option<usize> {
        self.outputs.slots().iter().position(|slot| slot.feature == feature && slot.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputKind::{HwPositionWithDuration, Oscillate, Position, Vibrate};

    const F0: FeatureIndex = FeatureIndex(0);
    const F1: FeatureIndex = FeatureIndex(1);
    const ALICE: SessionId = SessionId(1);
    const BOB: SessionId = SessionId(2);

    fn two_motors() -> Wanted {
        Wanted::at_rest([(F0, Vibrate), (F1, Vibrate)])
    }

    fn vibrate(value: i32) -> OutputCommand {
        OutputCommand::new(Vibrate, value)
    }

    fn taken(wanted: &mut Wanted) -> Vec<(u32, i32)> {
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        sent.changed().map(|slot| (slot.feature.0, slot.value)).collect()
    }

    #[test]
    fn a_newer_value_replaces_an_older_one_in_place() {
        let mut wanted = two_motors();
        for value in 1..=1000 {
            wanted.set(F0, vibrate(value % 20), ALICE);
        }
        wanted.set(F1, vibrate(3), ALICE);
        assert_eq!(taken(&mut wanted), [(0, 0), (1, 3)]);
        assert!(!wanted.has_changed());
    }

    #[test]
    fn the_first_zero_counts_and_a_repetition_does_not() {
        let mut wanted = two_motors();
        assert!(wanted.set(F0, vibrate(0), ALICE));
        assert_eq!(taken(&mut wanted), [(0, 0)]);
        assert!(!wanted.set(F0, vibrate(0), ALICE));
        assert!(!wanted.has_changed());
    }

    #[test]
    fn the_same_value_is_news_after_another_output_of_the_feature() {
        let mut wanted = Wanted::at_rest([(F0, Oscillate), (F0, Position)]);
        assert!(wanted.set(F0, OutputCommand::new(Position, 9), ALICE));
        assert!(wanted.set(F0, OutputCommand::new(Oscillate, 5), ALICE));
        assert!(wanted.set(F0, OutputCommand::new(Position, 9), ALICE));
    }

    #[test]
    fn a_timed_position_with_another_duration_is_news() {
        let mut wanted = Wanted::at_rest([(F0, HwPositionWithDuration)]);
        assert!(wanted.set(F0, OutputCommand::timed_position(9, 100), ALICE));
        assert!(!wanted.set(F0, OutputCommand::timed_position(9, 100), ALICE));
        assert!(wanted.set(F0, OutputCommand::timed_position(9, 200), ALICE));
    }

    #[test]
    fn stop_always_writes_zeros_even_at_rest() {
        let mut wanted = two_motors();
        wanted.stop(None);
        assert_eq!(taken(&mut wanted), [(0, 0), (1, 0)]);
        wanted.stop(None);
        assert_eq!(taken(&mut wanted), [(0, 0), (1, 0)]);
    }

    #[test]
    fn stop_of_one_feature_leaves_the_others_and_positions_stay() {
        let mut wanted = Wanted::at_rest([(F0, Vibrate), (F1, Oscillate), (F1, Position)]);
        wanted.set(F0, vibrate(7), ALICE);
        wanted.set(F1, OutputCommand::new(Position, 50), ALICE);
        taken(&mut wanted);
        wanted.stop(Some(F1));
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        assert_eq!(sent.changed().map(|slot| slot.kind).collect::<Vec<_>>(), [Oscillate]);
        assert_eq!(sent.get(F0, Vibrate).map(|slot| slot.value), Some(7));
        assert_eq!(sent.get(F1, Position).map(|slot| slot.value), Some(50));
    }

    #[test]
    fn stop_calls_off_a_position_that_has_not_been_sent() {
        let mut wanted = Wanted::at_rest([(F0, Oscillate), (F0, Position)]);
        wanted.set(F0, OutputCommand::new(Position, 30), ALICE);
        taken(&mut wanted);
        wanted.set(F0, OutputCommand::new(Position, 80), ALICE);
        wanted.stop(None);
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        assert_eq!(sent.changed().map(|slot| slot.kind).collect::<Vec<_>>(), [Oscillate]);
        assert_eq!(sent.get(F0, Position).map(|slot| slot.value), Some(30));
        assert!(wanted.set(F0, OutputCommand::new(Position, 80), ALICE), "asked again it counts");
    }

    #[test]
    fn the_end_of_a_client_stops_only_what_it_set_last() {
        let mut wanted = two_motors();
        wanted.set(F0, vibrate(5), ALICE);
        wanted.set(F1, vibrate(5), ALICE);
        wanted.set(F1, vibrate(8), BOB);
        taken(&mut wanted);
        assert!(wanted.release(ALICE));
        assert_eq!(taken(&mut wanted), [(0, 0)]);
        assert!(!wanted.release(ALICE));
        assert!(wanted.release(BOB));
        assert!(wanted.is_at_rest());
    }

    #[test]
    fn what_did_not_arrive_is_sent_again_with_the_newest_value() {
        let mut wanted = two_motors();
        wanted.set(F0, vibrate(5), ALICE);
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        wanted.set(F0, vibrate(6), ALICE);
        wanted.not_sent(&sent);
        assert_eq!(taken(&mut wanted), [(0, 6)]);
        wanted.take(&mut sent);
        assert_eq!(sent.changed().count(), 0);
    }
}
