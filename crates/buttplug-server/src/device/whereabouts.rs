//! Where the features of a device may be that move to positions, as far as that follows from what they were told. Pure:
//! knows no hardware, and time is an argument.

use buttplug_core::{FeatureIndex, OutputCommand};
use std::time::{Duration, Instant};

/// The features that were sent to a position: an entry per feature at most.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    journeys: Vec<(FeatureIndex, Journey)>,
}

/// The way of one feature.
#[derive(Clone, Copy, Debug)]
struct Journey {
    /// The places between which it may be until it arrives; `None` if it set out from nobody knows where.
    between: Option<(i32, i32)>,
    to: i32,
    /// `None`: something came in between, and it may never get there.
    arrives: Option<Instant>,
}

impl Journey {
    fn between(&self, now: Instant) -> Option<(i32, i32)> {
        match self.arrives {
            Some(arrives) if now >= arrives => Some((self.to, self.to)),
            _ => self.between,
        }
    }
}

impl Whereabouts {
    /// The feature gets this command, within `delay`.
    pub(crate) fn told(
        &mut self,
        feature: FeatureIndex,
        command: OutputCommand,
        now: Instant,
        delay: Duration,
    ) {
        let known = self.journeys.iter().position(|(other, _)| *other == feature);
        if command.kind().is_stoppable() {
            // Something else moves it, nobody knows where to.
            if let Some(at) = known {
                self.journeys.swap_remove(at);
            }
            return;
        }
        let to = command.value();
        let from = known.and_then(|at| self.journeys[at].1.between(now));
        let journey = Journey {
            between: from.map(|(low, high)| (low.min(to), high.max(to))),
            to,
            arrives: now.checked_add(delay + Duration::from_millis(command.duration_ms().into())),
        };
        match known {
            Some(at) => self.journeys[at].1 = journey,
            None => self.journeys.push((feature, journey)),
        }
    }

    /// A stop came: what is on its way may go on, halt, or not have set out yet.
    pub(crate) fn stopped(&mut self, scope: Option<FeatureIndex>, now: Instant) {
        for (feature, journey) in &mut self.journeys {
            let in_scope = scope.is_none_or(|only| only == *feature);
            if in_scope && journey.arrives.is_some_and(|arrives| now < arrives) {
                journey.arrives = None;
            }
        }
    }

    /// How many steps the feature may be away from a position, at most; `None` if nobody knows where it is.
    pub(crate) fn way(&self, feature: FeatureIndex, target: i32, now: Instant) -> Option<u32> {
        let (_, journey) = self.journeys.iter().find(|(other, _)| *other == feature)?;
        let (low, high) = journey.between(now)?;
        Some(low.abs_diff(target).max(high.abs_diff(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::OutputKind::{Oscillate, Position};

    const F0: FeatureIndex = FeatureIndex(0);
    const F1: FeatureIndex = FeatureIndex(1);
    const GAP: Duration = Duration::from_millis(100);

    /// Tells a feature one thing after another and asks how far 50 is.
    struct Stroker {
        whereabouts: Whereabouts,
        now: Instant,
    }

    impl Stroker {
        fn new() -> Self {
            Self { whereabouts: Whereabouts::default(), now: Instant::now() }
        }

        fn goes(&mut self, to: i32, duration_ms: u32) -> Option<u32> {
            self.whereabouts.told(F0, OutputCommand::timed_position(to, duration_ms), self.now, GAP);
            self.way()
        }

        fn after(&mut self, ms: u64) -> Option<u32> {
            self.now += Duration::from_millis(ms);
            self.way()
        }

        fn way(&self) -> Option<u32> {
            self.whereabouts.way(F0, 50, self.now)
        }
    }

    #[test]
    fn nobody_knows_where_a_feature_is_until_it_has_arrived_somewhere() {
        let mut stroker = Stroker::new();
        assert_eq!(stroker.way(), None);
        assert_eq!(stroker.goes(40, 1000), None);
        assert_eq!(stroker.after(1099), None);
        assert_eq!(stroker.after(1), Some(10));
        assert_eq!(stroker.whereabouts.way(F1, 50, stroker.now), None);
    }

    #[test]
    fn until_it_arrives_it_may_be_anywhere_on_its_ways() {
        let mut stroker = Stroker::new();
        stroker.goes(0, 0);
        assert_eq!(stroker.after(100), Some(50));
        assert_eq!(stroker.goes(60, 1000), Some(50));
        assert_eq!(stroker.after(500), Some(50));
        // Sent elsewhere before it arrived: it may be anywhere from 0 to 120.
        assert_eq!(stroker.goes(120, 200), Some(70));
        assert_eq!(stroker.goes(55, 200), Some(70));
        assert_eq!(stroker.after(300), Some(5));
    }

    #[test]
    fn after_a_stop_on_the_way_it_may_be_anywhere_on_its_way_for_good() {
        let mut stroker = Stroker::new();
        stroker.goes(0, 0);
        stroker.after(100);
        stroker.whereabouts.stopped(None, stroker.now);
        assert_eq!(stroker.way(), Some(50), "it had arrived");
        stroker.goes(60, 1000);
        stroker.whereabouts.stopped(Some(F1), stroker.now);
        assert_eq!(stroker.after(1100), Some(10), "another feature was stopped");
        stroker.goes(0, 1000);
        stroker.whereabouts.stopped(Some(F0), stroker.now);
        assert_eq!(stroker.after(9000), Some(50));
    }

    #[test]
    fn another_output_of_the_feature_takes_it_nobody_knows_where() {
        let mut stroker = Stroker::new();
        stroker.whereabouts.told(F0, OutputCommand::new(Position, 40), stroker.now, Duration::ZERO);
        assert_eq!(stroker.way(), Some(10));
        stroker.whereabouts.told(F0, OutputCommand::new(Oscillate, 3), stroker.now, Duration::ZERO);
        assert_eq!(stroker.way(), None);
    }
}
