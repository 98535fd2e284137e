//! How long an output may run on what it was told last. Pure: time is an argument.

use buttplug_core::{FeatureIndex, OutputCommand, OutputKind};
use std::time::{Duration, Instant};

/// The outputs of one device that run, and until when they may: an entry per output at most.
#[derive(Debug)]
pub(crate) struct RunLimit {
    /// `None`: for ever.
    max: Option<Duration>,
    running: Vec<(FeatureIndex, OutputKind, Instant)>,
}

impl RunLimit {
    pub(crate) fn new(max: Option<Duration>) -> Self {
        Self { max, running: Vec::new() }
    }

    /// The output gets this command, perhaps once more: its time begins anew. A position ends by itself.
    pub(crate) fn told(&mut self, feature: FeatureIndex, command: OutputCommand, now: Instant) {
        let until = self.max.and_then(|max| now.checked_add(max));
        let Some(until) = until.filter(|_| command.kind().is_stoppable()) else { return };
        let known = self.running.iter().position(|(at, kind, _)| (*at, *kind) == (feature, command.kind()));
        match known {
            Some(at) if command.value() == 0 => drop(self.running.swap_remove(at)),
            Some(at) => self.running[at].2 = until,
            None if command.value() == 0 => {}
            None => self.running.push((feature, command.kind(), until)),
        }
    }

    /// When the time of the next output is over. It may have been stopped by then.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.running.iter().map(|(_, _, until)| *until).min()
    }

    /// Takes out an output whose time is over.
    pub(crate) fn pop_overdue(&mut self, now: Instant) -> Option<(FeatureIndex, OutputKind)> {
        let at = self.running.iter().position(|(_, _, until)| *until <= now)?;
        let (feature, kind, _) = self.running.swap_remove(at);
        Some((feature, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::OutputKind::{Oscillate, Position, Vibrate};

    const F0: FeatureIndex = FeatureIndex(0);
    const F1: FeatureIndex = FeatureIndex(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_output_that_is_told_again_has_its_time_anew() {
        let start = Instant::now();
        let mut limit = RunLimit::new(Some(10 * SECOND));
        limit.told(F0, OutputCommand::new(Vibrate, 5), start);
        limit.told(F1, OutputCommand::new(Vibrate, 5), start);
        limit.told(F0, OutputCommand::new(Vibrate, 5), start + 4 * SECOND);
        assert_eq!(limit.deadline(), Some(start + 10 * SECOND));
        assert_eq!(limit.pop_overdue(start + 9 * SECOND), None);
        assert_eq!(limit.pop_overdue(start + 10 * SECOND), Some((F1, Vibrate)));
        assert_eq!(limit.pop_overdue(start + 10 * SECOND), None);
        assert_eq!(limit.deadline(), Some(start + 14 * SECOND));
    }

    #[test]
    fn outputs_of_one_feature_have_their_own_time_and_a_zero_ends_it() {
        let start = Instant::now();
        let mut limit = RunLimit::new(Some(10 * SECOND));
        limit.told(F0, OutputCommand::new(Vibrate, 5), start);
        limit.told(F0, OutputCommand::new(Oscillate, -5), start + SECOND);
        limit.told(F0, OutputCommand::new(Vibrate, 0), start + 2 * SECOND);
        limit.told(F1, OutputCommand::new(Vibrate, 0), start);
        assert_eq!(limit.deadline(), Some(start + 11 * SECOND));
        assert_eq!(limit.pop_overdue(start + 60 * SECOND), Some((F0, Oscillate)));
        assert_eq!(limit.deadline(), None);
    }

    #[test]
    fn positions_and_devices_without_a_limit_have_all_the_time() {
        let start = Instant::now();
        let mut limit = RunLimit::new(Some(SECOND));
        limit.told(F0, OutputCommand::new(Position, 5), start);
        limit.told(F0, OutputCommand::timed_position(5, 60_000), start);
        assert_eq!(limit.deadline(), None);
        let mut limit = RunLimit::new(None);
        limit.told(F0, OutputCommand::new(Vibrate, 5), start);
        assert_eq!(limit.deadline(), None);
    }
}
