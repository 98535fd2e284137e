//! Whether the machine has slept, by two of its clocks: one goes on meanwhile, the other does not. Every timer of this program
//! goes by the other.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A shorter sleep than this is none: the clocks are not read at the same moment.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

/// What they show, each from a beginning of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The time for which the machine was awake.
    pub(super) awake: Duration,
    /// That and the time for which it slept.
    pub(super) all: Duration,
}

/// Reads them. On systems where only one of them can be read, the machine never sleeps.
pub(super) fn now() -> Clocks {
    /// The first look. What the standard library counts from it stands still while the machine sleeps.
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let awake = START.elapsed();
    #[cfg(target_os = "linux")]
    let going_on = rustix::time::ClockId::Boottime;
    #[cfg(target_vendor = "apple")]
    let going_on = rustix::time::ClockId::Monotonic;
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    let all = Duration::try_from(rustix::time::clock_gettime(going_on)).unwrap_or_default();
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    let all = awake;
    Clocks { awake, all }
}

/// Notices that the machine has slept. Pure.
#[derive(Debug)]
pub(super) struct Slept {
    /// How long it had slept when it was looked at last.
    asleep: Duration,
}

impl Slept {
    pub(super) fn new(clocks: Clocks) -> Self {
        Self { asleep: clocks.all.saturating_sub(clocks.awake) }
    }

    /// Whether it has slept since the last look.
    pub(super) fn look(&mut self, clocks: Clocks) -> bool {
        let before = std::mem::replace(self, Self::new(clocks)).asleep;
        self.asleep.saturating_sub(before) >= SHORTEST_SLEEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_goes_on_while_the_other_stands_is_a_sleep() {
        let at = |awake, all| Clocks { awake: Duration::from_millis(awake), all: Duration::from_millis(all) };
        let mut slept = Slept::new(at(1000, 5000));
        for (awake, all, expected) in [
            (3000, 7000, false),
            (3000, 7001, false),
            (5000, 12_000, true),
            (7000, 14_000, false),
            (9000, 14_000, false),
            (11_000, 18_500, true),
        ] {
            assert_eq!(slept.look(at(awake, all)), expected, "{awake} {all}");
        }
    }

    #[test]
    fn a_machine_that_is_awake_is_not_taken_for_one_that_slept() {
        let mut slept = Slept::new(now());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!slept.look(now()));
    }

    #[test]
    fn the_clocks_go_on() {
        let before = now();
        std::thread::sleep(Duration::from_millis(20));
        let after = now();
        assert!(after.awake > before.awake && after.all > before.all);
    }
}
