//! Keeps a rumble going: pads stop by themselves, and systems do not pass on what they have passed on before. So what runs is
//! set again ten times a second, every other time a hair's breadth beside the wanted strength.

use crate::limits::REPEAT_TIME;
use crate::motors::Rumble;
use std::time::Instant;

/// The motors of a pad, in pairs that the systems set together.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    main: Pair,
    triggers: Pair,
}

/// Two motors.
#[derive(Debug, Default)]
struct Pair {
    wanted: (u16, u16),
    /// When to set them again; `None` at rest.
    again: Option<Instant>,
    /// Whether the last time was beside what is wanted.
    beside: bool,
}

impl Hold {
    /// The motors were set to this.
    pub(crate) fn set(&mut self, now: Instant, rumble: Rumble) {
        self.main.set(now, (rumble.low, rumble.high));
        self.triggers.set(now, (rumble.left, rumble.right));
    }

    /// When something is to be set again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.main.again.into_iter().chain(self.triggers.again).min()
    }

    /// What is to be set now, if something is due.
    pub(crate) fn repeat(&mut self, now: Instant) -> Option<Rumble> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let ((low, high), (left, right)) = (self.main.repeat(now), self.triggers.repeat(now));
        Some(Rumble { low, high, left, right })
    }
}

impl Pair {
    fn set(&mut self, now: Instant, wanted: (u16, u16)) {
        self.wanted = wanted;
        self.again = (wanted != (0, 0)).then(|| now + REPEAT_TIME);
        self.beside = false;
    }

    fn repeat(&mut self, now: Instant) -> (u16, u16) {
        if self.again.is_some() {
            self.again = Some(now + REPEAT_TIME);
            self.beside = !self.beside;
        }
        let (first, second) = self.wanted;
        match (self.beside, first, second) {
            (false, ..) => self.wanted,
            // The least strength has nothing beside it but rest.
            (true, 2.., _) => (first ^ 1, second),
            (true, _, 2..) => (first, second ^ 1),
            (true, ..) => self.wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What is set in each of the next tenths of a second.
    fn repeats(rumble: [u16; 4], count: u32) -> Vec<[u16; 4]> {
        let start = Instant::now();
        let [low, high, left, right] = rumble;
        let mut hold = Hold::default();
        hold.set(start, Rumble { low, high, left, right });
        let mut set = Vec::new();
        for number in 1..=count {
            let now = start + REPEAT_TIME * number;
            assert_eq!(hold.repeat(now - Duration::from_millis(1)), None);
            let repeated = hold.repeat(now);
            set.extend(repeated.map(|rumble| [rumble.low, rumble.high, rumble.left, rumble.right]));
        }
        set
    }

    #[test]
    fn what_runs_is_set_again_every_other_time_beside_what_is_wanted() {
        assert_eq!(
            repeats([32768, 32767, 0, 0], 3),
            [[32769, 32767, 0, 0], [32768, 32767, 0, 0], [32769, 32767, 0, 0]]
        );
        assert_eq!(repeats([0, 65535, 0, 0], 2), [[0, 65534, 0, 0], [0, 65535, 0, 0]]);
    }

    #[test]
    fn each_pair_is_beside_by_itself() {
        assert_eq!(repeats([100, 0, 0, 200], 2), [[101, 0, 0, 201], [100, 0, 0, 200]]);
        assert_eq!(repeats([0, 0, 7, 9], 2), [[0, 0, 6, 9], [0, 0, 7, 9]]);
    }

    #[test]
    fn the_least_strength_never_becomes_rest() {
        assert_eq!(repeats([1, 0, 0, 1], 2), [[1, 0, 0, 1], [1, 0, 0, 1]]);
        assert_eq!(repeats([1, 5, 0, 0], 2), [[1, 4, 0, 0], [1, 5, 0, 0]]);
    }

    #[test]
    fn at_rest_nothing_is_repeated_and_a_new_strength_begins_anew() {
        assert!(repeats([0; 4], 5).is_empty());
        let now = Instant::now();
        let mut hold = Hold::default();
        let strength = |low| Rumble { low, ..Rumble::REST };
        hold.set(now, strength(10));
        assert_eq!(hold.repeat(now + REPEAT_TIME), Some(strength(11)));
        hold.set(now + REPEAT_TIME, strength(10));
        assert_eq!(hold.repeat(now + 2 * REPEAT_TIME), Some(strength(11)), "the first repeat differs");
        hold.set(now + 2 * REPEAT_TIME, Rumble::REST);
        assert_eq!(hold.due(), None);
    }
}
