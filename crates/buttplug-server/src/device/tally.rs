//! Counts what devices are told. One for all devices of a server, so that nothing is lost with a device that leaves.

use crate::statistics::{Statistics, WRITE_TIME_STEPS, WriteTimes};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counters. Each stands alone, so that none needs an order with the others.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    outputs: AtomicU64,
    repeated: AtomicU64,
    coalesced: AtomicU64,
    failed_writes: AtomicU64,
    write_steps: [AtomicU64; WRITE_TIME_STEPS.len()],
    longer_writes: AtomicU64,
    write_micros: AtomicU64,
}

/// What a value for an output came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It is to be written.
    Fresh,
    /// The output has it already.
    Repeated,
    /// It is to be written in place of another.
    Coalesced,
}

impl Tally {
    pub(crate) fn output(&self, came: Came) {
        add(&self.outputs, 1);
        match came {
            Came::Fresh => {}
            Came::Repeated => add(&self.repeated, 1),
            Came::Coalesced => add(&self.coalesced, 1),
        }
    }

    pub(crate) fn written(&self, took: Duration) {
        let step = WRITE_TIME_STEPS.iter().position(|step| took <= *step);
        add(step.and_then(|step| self.write_steps.get(step)).unwrap_or(&self.longer_writes), 1);
        add(&self.write_micros, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn write_failed(&self) {
        add(&self.failed_writes, 1);
    }

    /// Puts the numbers where they belong.
    pub(crate) fn report(&self, statistics: &mut Statistics) {
        statistics.outputs = read(&self.outputs);
        statistics.repeated_outputs = read(&self.repeated);
        statistics.coalesced_outputs = read(&self.coalesced);
        statistics.failed_writes = read(&self.failed_writes);
        statistics.writes = WriteTimes {
            steps: std::array::from_fn(|step| self.write_steps.get(step).map_or(0, read)),
            longer: read(&self.longer_writes),
            total: Duration::from_micros(read(&self.write_micros)),
        };
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_counts_in_the_first_step_that_it_fits() {
        let tally = Tally::default();
        for ms in [0, 1, 3, 5, 4999, 5001] {
            tally.written(Duration::from_millis(ms));
        }
        let mut statistics = Statistics::default();
        tally.report(&mut statistics);
        let WriteTimes { steps, longer, total } = &statistics.writes;
        assert_eq!((steps, *longer), (&[2, 0, 2, 0, 0, 0, 0, 0, 0, 1], 1));
        assert_eq!(*total, Duration::from_millis(10_009));
        assert_eq!(statistics.writes.count(), 6);
    }
}
