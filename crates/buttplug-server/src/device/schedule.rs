//! When bytes go to a device: gap, keepalive, retry. Pure; the task holds the one timer that [`Schedule::next`] asks
//! for.

use std::time::{Duration, Instant};

/// Failed writes in a row after which a device counts as gone, if they have gone on for [`MIN_FAILING_TIME`]: stops are
/// tried without a pause, and several of them in a moment say little about the device.
pub(crate) const MAX_FAILED_WRITES: u32 = 6;

/// How long writes must have failed before a device counts as gone.
pub(crate) const MIN_FAILING_TIME: Duration = Duration::from_millis(1500);

/// The pause after the first failed write; it doubles with each further one.
pub(crate) const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What can become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// When to write the newest wanted state: after the gap since the last write, or after the pause since a failure.
    Write,
    /// When to write something although nothing changed, so that the device goes on listening.
    Keepalive,
}

/// The timers of one device.
#[derive(Debug)]
pub(crate) struct Schedule {
    gap: Duration,
    keepalive: Option<Duration>,
    last_write: Option<Instant>,
    /// When something was last sent, be it beside the wanted state.
    last_sent: Option<Instant>,
    failed_writes: u32,
    failing_since: Option<Instant>,
}

impl Schedule {
    pub(crate) fn new(gap: Duration, keepalive: Option<Duration>) -> Self {
        Self { gap, keepalive, last_write: None, last_sent: None, failed_writes: 0, failing_since: None }
    }

    /// When the wanted state may be written: at once on a device at rest, else when the gap is over.
    pub(crate) fn write_at(&self, now: Instant) -> Instant {
        let pause = match self.failed_writes {
            0 => self.gap,
            // Nothing arrived, so there is no gap to keep. The exponent stays small: about two seconds at most.
            failed => FIRST_RETRY_PAUSE * 2_u32.pow(failed.min(MAX_FAILED_WRITES) - 1),
        };
        self.last_write.map_or(now, |last| last + pause)
    }

    /// The next timer and when it fires. `changed`: whether there is something to send. Then no keepalive is due: what
    /// the device heard last is out of date, above all when that is a stop whose write has failed.
    pub(crate) fn next(&self, now: Instant, changed: bool) -> Option<(Instant, Timer)> {
        if changed {
            return Some((self.write_at(now), Timer::Write));
        }
        let (interval, written, sent) = (self.keepalive?, self.last_write?, self.last_sent?);
        Some(((sent + interval).max(written + self.gap), Timer::Keepalive))
    }

    /// The device took what was written.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.last_write = Some(now);
        self.last_sent = Some(now);
        self.failed_writes = 0;
        self.failing_since = None;
    }

    /// Whether the last write failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failed_writes > 0
    }

    /// The device took something that stands beside the wanted state: no gap follows, but it needs no keepalive for a while.
    pub(crate) fn wrote_beside(&mut self, now: Instant) {
        self.last_sent = Some(now);
    }

    /// A write failed. True: so many have failed in a row that the device counts as gone.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.last_write = Some(now);
        self.last_sent = Some(now);
        self.failed_writes = self.failed_writes.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        self.failed_writes >= MAX_FAILED_WRITES && now - since >= MIN_FAILING_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_device_at_rest_is_written_at_once_and_a_busy_one_after_the_gap() {
        let start = Instant::now();
        let mut schedule = Schedule::new(75 * MS, None);
        assert_eq!(schedule.next(start, false), None);
        assert_eq!(schedule.next(start, true), Some((start, Timer::Write)));
        schedule.wrote(start);
        assert_eq!(schedule.next(start + 10 * MS, true), Some((start + 75 * MS, Timer::Write)));
        let later = start + 500 * MS;
        assert!(schedule.write_at(later) <= later);
    }

    #[test]
    fn only_writes_restart_the_keepalive() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::ZERO, Some(500 * MS));
        assert_eq!(schedule.next(start, false), None);
        schedule.wrote(start);
        assert_eq!(schedule.next(start + 300 * MS, false), Some((start + 500 * MS, Timer::Keepalive)));
        schedule.wrote(start + 400 * MS);
        assert_eq!(schedule.next(start + 450 * MS, false), Some((start + 900 * MS, Timer::Keepalive)));
    }

    #[test]
    fn no_keepalive_comes_before_what_has_not_been_sent() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::ZERO, Some(93 * MS));
        schedule.wrote(start);
        schedule.failed(start);
        schedule.failed(start);
        assert_eq!(schedule.next(start + 95 * MS, true), Some((start + 100 * MS, Timer::Write)));
    }

    #[test]
    fn what_is_written_beside_the_wanted_state_puts_the_keepalive_off_and_makes_no_gap() {
        let start = Instant::now();
        let mut schedule = Schedule::new(75 * MS, Some(500 * MS));
        schedule.wrote(start);
        schedule.wrote_beside(start + 400 * MS);
        assert_eq!(schedule.next(start + 400 * MS, false), Some((start + 900 * MS, Timer::Keepalive)));
        assert!(schedule.write_at(start + 400 * MS) <= start + 400 * MS);
    }

    #[test]
    fn a_keepalive_that_failed_is_not_due_at_once_again() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::ZERO, Some(500 * MS));
        schedule.wrote(start);
        schedule.failed(start + 500 * MS);
        assert_eq!(schedule.next(start + 500 * MS, false), Some((start + 1000 * MS, Timer::Keepalive)));
    }

    #[test]
    fn a_keepalive_never_comes_sooner_than_the_gap() {
        let start = Instant::now();
        let mut schedule = Schedule::new(100 * MS, Some(93 * MS));
        schedule.wrote(start);
        assert_eq!(schedule.next(start, false), Some((start + 100 * MS, Timer::Keepalive)));
    }

    #[test]
    fn failed_writes_are_retried_after_growing_pauses_until_the_device_counts_as_gone() {
        let mut now = Instant::now();
        let mut schedule = Schedule::new(Duration::ZERO, None);
        let mut pauses = Vec::new();
        while !schedule.failed(now) {
            let at = schedule.write_at(now);
            pauses.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800]);
        schedule.wrote(now);
        assert_eq!(schedule.write_at(now), now);
    }

    #[test]
    fn many_stops_in_a_moment_of_weakness_do_not_cost_the_device() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::ZERO, None);
        for _ in 0..100 {
            assert!(!schedule.failed(start + 300 * MS));
        }
        assert!(schedule.write_at(start) <= start + 3000 * MS);
        assert!(schedule.failed(start + 1800 * MS));
    }
}
