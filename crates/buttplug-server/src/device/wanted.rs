//! What a device shall do: one slot per output, and who set it. A newer value replaces an older one in place, so
//! nothing can back up. Knows no hardware, no protocol and no clock.

use crate::session::SessionId;
use buttplug_core::{FeatureIndex, OutputCommand, OutputKind};
use buttplug_protocols::protocol::Outputs;

/// The wanted state of one device, shared by its clients and its task.
#[derive(Debug)]
pub(crate) struct Wanted {
    outputs: Outputs,
    /// Beside each slot of `outputs`.
    marks: Vec<Mark>,
    /// Counts the stops, so that a write that fails afterwards is known to be from before.
    stops: u64,
    /// How many stops there had been when the state was last taken.
    stops_when_taken: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Who set it in motion, or sent it to a position.
    owner: Option<SessionId>,
    /// It holds its feature's latest command. Another output of the same feature may have driven it elsewhere since,
    /// and then the same value is news again.
    latest: bool,
    /// A zero is to be written before anything else, even if a newer value stands in the slot by now.
    zero: bool,
    /// A movement to a position is to end where it is; the task has not been told yet.
    halted: bool,
    /// A movement to it may have ended elsewhere, so that the same goal is news again.
    ended: bool,
    /// Value and duration that the device got last.
    arrived: (i32, u32),
}

impl Wanted {
    pub(crate) fn at_rest(outputs: impl IntoIterator<Item = (FeatureIndex, OutputKind)>) -> Self {
        let outputs = Outputs::at_rest(outputs);
        let marks = vec![Mark::default(); outputs.slots().len()];
        Self { outputs, marks, stops: 0, stops_when_taken: 0 }
    }

    /// Sets one output on behalf of `owner`. False: the feature already has it, or the device has no such output.
    pub(crate) fn set(&mut self, feature: FeatureIndex, command: OutputCommand, owner: SessionId) -> bool {
        let Some(at) = self.position(feature, command.kind()) else { return false };
        let slot = &mut self.outputs.slots_mut()[at];
        // A spray is over when it is written, and the next one is one more.
        let repeated = self.marks[at].latest
            && !self.marks[at].ended
            && command.kind() != OutputKind::Spray
            && slot.value == command.value()
            && slot.duration_ms == command.duration_ms();
        slot.value = command.value();
        slot.duration_ms = command.duration_ms();
        slot.changed |= !repeated;
        // Zero is rest, except for a position: there it is a place like any other.
        let moves = command.value() != 0 || !command.kind().is_stoppable();
        self.marks[at].owner = moves.then_some(owner);
        // What is set after a stop is not stopped by it.
        (self.marks[at].halted, self.marks[at].ended) = (false, false);
        for (other, (slot, mark)) in self.outputs.slots().iter().zip(&mut self.marks).enumerate() {
            if slot.feature == feature {
                mark.latest = other == at;
            }
        }
        !repeated
    }

    /// Sets the outputs in scope to zero, whatever they were. Positions stay where they are, and a position that the
    /// device has not been told yet is not told any more.
    pub(crate) fn stop(&mut self, scope: Option<FeatureIndex>) {
        self.halt(|feature, _, _| scope.is_none_or(|only| only == feature));
    }

    /// Ends what `owner` set in motion, as a stop does; a machine on its way to a position of the owner's is halted
    /// where it has an output for that, unless somebody else drives it. False: there was nothing.
    pub(crate) fn release(&mut self, owner: SessionId) -> bool {
        let owned: Vec<FeatureIndex> = self
            .outputs
            .slots()
            .iter()
            .zip(&self.marks)
            .filter(|(_, mark)| mark.owner == Some(owner))
            .map(|(slot, _)| slot.feature)
            .collect();
        if owned.is_empty() {
            return false;
        }
        self.halt(|feature, stoppable, slot_owner| match slot_owner {
            Some(other) => other == owner,
            None => stoppable && owned.contains(&feature),
        })
    }

    /// Sets one output to zero, as a stop does. False: it is at rest, or there is none.
    pub(crate) fn rest(&mut self, feature: FeatureIndex, kind: OutputKind) -> bool {
        let Some(at) = self.position(feature, kind) else { return false };
        let slot = &mut self.outputs.slots_mut()[at];
        if slot.value == 0 || !kind.is_stoppable() {
            return false;
        }
        (slot.value, slot.duration_ms, slot.changed) = (0, 0, false);
        (self.marks[at].owner, self.marks[at].zero) = (None, true);
        true
    }

    fn halt(&mut self, in_scope: impl Fn(FeatureIndex, bool, Option<SessionId>) -> bool) -> bool {
        self.stops += 1;
        let mut any = false;
        for (slot, mark) in self.outputs.slots_mut().iter_mut().zip(&mut self.marks) {
            let stoppable = slot.kind.is_stoppable();
            if !in_scope(slot.feature, stoppable, mark.owner) {
                continue;
            }
            mark.owner = None;
            if stoppable {
                (slot.value, slot.duration_ms, slot.changed) = (0, 0, false);
                mark.zero = true;
                any = true;
                continue;
            }
            // Another output of the feature has ended its movement already.
            if mark.latest {
                (mark.halted, mark.ended) = (true, true);
                any = true;
            }
            if slot.changed {
                (slot.value, slot.duration_ms) = mark.arrived;
                slot.changed = false;
                mark.latest = false;
            }
        }
        any
    }

    /// The features whose movements are to end where they are.
    pub(crate) fn take_halted(&mut self) -> impl Iterator<Item = FeatureIndex> {
        let slots = self.outputs.slots().iter().zip(&mut self.marks);
        slots.filter_map(|(slot, mark)| std::mem::take(&mut mark.halted).then_some(slot.feature))
    }

    /// Whether this output has a value that has not been sent.
    pub(crate) fn is_waiting(&self, feature: FeatureIndex, kind: OutputKind) -> bool {
        self.outputs.get(feature, kind).is_some_and(|slot| slot.changed)
    }

    /// Whether there is something to send.
    pub(crate) fn has_changed(&self) -> bool {
        self.has_zeros() || self.outputs.changed().next().is_some()
    }

    /// Whether zeros are to be sent, which go before everything else.
    pub(crate) fn has_zeros(&self) -> bool {
        self.marks.iter().any(|mark| mark.zero)
    }

    /// Copies what is to be sent to `sent`, and counts it as sent from now on. If there are zeros, it is those and
    /// nothing else: newer values wait for their turn.
    pub(crate) fn take(&mut self, sent: &mut Outputs) {
        self.stops_when_taken = self.stops;
        let zeros = self.has_zeros();
        sent.clone_from(&self.outputs);
        let slots = self.outputs.slots_mut().iter_mut().zip(sent.slots_mut());
        for ((slot, sent), mark) in slots.zip(&mut self.marks) {
            if !zeros {
                slot.changed = false;
            } else if mark.zero {
                (sent.value, sent.duration_ms, sent.changed) = (0, 0, true);
                mark.zero = false;
            } else {
                (sent.value, sent.duration_ms) = mark.arrived;
                sent.changed = false;
            }
        }
    }

    /// The device got what was taken last.
    pub(crate) fn arrived(&mut self, sent: &Outputs) {
        for (mark, sent) in self.marks.iter_mut().zip(sent.slots()) {
            mark.arrived = (sent.value, sent.duration_ms);
        }
    }

    /// What was taken last did not arrive: it is to be sent again, unless it is newer now and will be sent anyway.
    /// What a stop has called off meanwhile is not.
    pub(crate) fn not_sent(&mut self, sent: &Outputs) {
        let stopped = self.stops != self.stops_when_taken;
        for ((slot, sent), mark) in self.outputs.slots_mut().iter_mut().zip(sent.slots()).zip(&mut self.marks)
        {
            if !sent.changed {
                continue;
            }
            if slot.kind.is_stoppable() {
                if sent.value == 0 {
                    mark.zero = true;
                } else if !mark.zero {
                    slot.changed = true;
                }
            } else if !stopped {
                slot.changed = true;
            } else if !slot.changed {
                (slot.value, slot.duration_ms) = mark.arrived;
                mark.latest = false;
            }
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
    use buttplug_core::OutputKind::{HwPositionWithDuration, Oscillate, Position, Spray, Vibrate};

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
        wanted.arrived(&sent);
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
    fn a_zero_goes_out_before_a_newer_value() {
        let mut wanted = two_motors();
        wanted.set(F0, vibrate(9), ALICE);
        wanted.set(F1, vibrate(4), ALICE);
        wanted.stop(Some(F0));
        wanted.set(F0, vibrate(5), BOB);
        assert_eq!(taken(&mut wanted), [(0, 0)]);
        assert_eq!(taken(&mut wanted), [(0, 5), (1, 4)]);
        assert!(!wanted.has_changed());
    }

    #[test]
    fn a_zero_that_did_not_arrive_stays_first() {
        let mut wanted = two_motors();
        wanted.set(F0, vibrate(9), ALICE);
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        wanted.arrived(&sent);
        wanted.stop(None);
        wanted.take(&mut sent);
        wanted.set(F0, vibrate(5), ALICE);
        wanted.not_sent(&sent);
        assert_eq!(taken(&mut wanted), [(0, 0), (1, 0)]);
        assert_eq!(taken(&mut wanted), [(0, 5)]);
    }

    #[test]
    fn a_value_on_its_way_when_a_stop_comes_is_not_sent_again() {
        let mut wanted = Wanted::at_rest([(F0, Vibrate), (F1, Position)]);
        wanted.set(F0, vibrate(9), ALICE);
        wanted.set(F1, OutputCommand::new(Position, 70), ALICE);
        let mut sent = Outputs::default();
        wanted.take(&mut sent);
        wanted.stop(None);
        wanted.not_sent(&sent);
        wanted.take(&mut sent);
        assert_eq!(sent.changed().map(|slot| (slot.kind, slot.value)).collect::<Vec<_>>(), [(Vibrate, 0)]);
        assert_eq!(sent.get(F1, Position).map(|slot| slot.value), Some(0));
        assert!(!wanted.has_changed());
    }

    #[test]
    fn a_machine_on_its_way_to_a_position_halts_when_its_client_is_gone() {
        let mut wanted = Wanted::at_rest([(F0, Oscillate), (F0, HwPositionWithDuration)]);
        wanted.set(F0, OutputCommand::timed_position(100, 100_000), ALICE);
        taken(&mut wanted);
        assert!(wanted.release(ALICE));
        assert_eq!(taken(&mut wanted), [(0, 0)]);
        wanted.set(F0, OutputCommand::timed_position(100, 100_000), ALICE);
        wanted.set(F0, OutputCommand::new(Oscillate, 3), BOB);
        taken(&mut wanted);
        assert!(!wanted.release(ALICE), "by now it is another's");
    }

    #[test]
    fn a_stop_ends_movements_to_positions_and_the_same_goal_is_news_afterwards() {
        let mut wanted =
            Wanted::at_rest([(F0, HwPositionWithDuration), (F1, Position), (F1, HwPositionWithDuration)]);
        let go = |wanted: &mut Wanted, feature| {
            let news = wanted.set(feature, OutputCommand::timed_position(100, 9_000), ALICE);
            taken(wanted);
            news
        };
        let halted = |wanted: &mut Wanted| wanted.take_halted().collect::<Vec<_>>();
        assert!(go(&mut wanted, F0) && go(&mut wanted, F1) && !go(&mut wanted, F1));
        wanted.stop(Some(F1));
        assert_eq!(halted(&mut wanted), [F1]);
        assert_eq!(halted(&mut wanted), []);
        assert!(!wanted.has_changed(), "there is nothing to write");
        assert!(go(&mut wanted, F1) && !go(&mut wanted, F1) && !go(&mut wanted, F0));
        assert!(!wanted.release(BOB));
        assert!(wanted.release(ALICE));
        assert_eq!(halted(&mut wanted), [F0, F1]);
    }

    #[test]
    fn an_output_that_is_put_to_rest_gets_its_zero_first_and_no_other_does() {
        let mut wanted = Wanted::at_rest([(F0, Vibrate), (F0, Position), (F1, Vibrate)]);
        wanted.set(F0, vibrate(5), ALICE);
        wanted.set(F0, OutputCommand::new(Position, 5), ALICE);
        wanted.set(F1, vibrate(6), ALICE);
        taken(&mut wanted);
        assert!(wanted.rest(F0, Vibrate) && !wanted.rest(F0, Vibrate) && !wanted.rest(F0, Position));
        wanted.set(F1, vibrate(7), BOB);
        assert_eq!(taken(&mut wanted), [(0, 0)]);
        assert_eq!(taken(&mut wanted), [(1, 7)]);
        assert!(wanted.set(F0, vibrate(5), ALICE), "the same value is news afterwards");
    }

    #[test]
    fn every_spray_is_news() {
        let mut wanted = Wanted::at_rest([(F0, Spray)]);
        for _ in 0..3 {
            assert!(wanted.set(F0, OutputCommand::new(Spray, 1), ALICE));
            assert_eq!(taken(&mut wanted), [(0, 1)]);
        }
    }

    #[test]
    fn a_position_that_waits_is_called_off_when_its_client_is_gone() {
        let mut wanted = Wanted::at_rest([(F0, Position)]);
        wanted.set(F0, OutputCommand::new(Position, 0), ALICE);
        wanted.release(ALICE);
        assert!(!wanted.has_changed());
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
