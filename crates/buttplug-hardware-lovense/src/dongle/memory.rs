//! What the dongle's toy was told last, and when it is told again because the dongle says that something did not arrive.
//! No port, no clock.
//!
//! Which command got lost the dongle does not tell. So the newest of each name are said again, and never older ones: a stop
//! stays a stop.

use super::limits::{MAX_REMEMBERED, MAX_RESENDS, RESEND_CALM, RESEND_PAUSE};
use super::message::Order;
use std::time::Instant;

/// The newest commands of one toy.
#[derive(Debug, Default)]
pub(super) struct Memory {
    toy: String,
    /// The newest command of each name that sets something, the latest last.
    newest: Vec<(String, String)>,
    /// When the next round is due.
    due: Option<Instant>,
    /// When the latest round was.
    latest: Option<Instant>,
    /// Rounds since the last new command.
    rounds: u32,
}

impl Memory {
    /// From now on it is about this toy. What another one was told is nothing to it.
    pub(super) fn begin(&mut self, toy: &str) {
        if self.toy != toy {
            *self = Self { toy: toy.into(), ..Self::default() };
        }
    }

    /// The toy was told something.
    pub(super) fn add(&mut self, text: &str) {
        // What sets something has a name and a value, and may be said twice; a toggle or a question may not.
        let Some((name, _)) = text.split_once(':') else { return };
        self.newest.retain(|(known, _)| known != name);
        if self.newest.len() >= MAX_REMEMBERED {
            self.newest.remove(0);
        }
        self.newest.push((name.into(), text.into()));
        self.rounds = 0;
    }

    /// Nobody wants anything of the toy any more but that it rests. A command without a zero in it is no stop.
    pub(super) fn keep_zeros(&mut self) {
        let has_zero = |text: &str| text.trim_end_matches(';').split(':').skip(1).any(|value| value == "0");
        self.newest.retain(|(_, text)| has_zero(text));
    }

    /// A command did not arrive. However many say so, there is one round for all of them.
    pub(super) fn not_delivered(&mut self, now: Instant) {
        if self.newest.is_empty() || self.due.is_some() {
            return;
        }
        if self.latest.is_none_or(|latest| now >= latest + RESEND_CALM) {
            self.rounds = 0;
        }
        if self.rounds < MAX_RESENDS {
            let pause = self.latest.map_or(now, |latest| latest + RESEND_PAUSE);
            self.due = Some(pause.max(now));
        } else {
            tracing::warn!(toy = self.toy, "the dongle does not deliver commands");
        }
    }

    /// When [`again`](Self::again) has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be said again by now.
    pub(super) fn again(&mut self, now: Instant) -> Vec<Order> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        (self.due, self.latest) = (None, Some(now));
        self.rounds += 1;
        let order =
            |(_, text): &(String, String)| Order::Command { toy: self.toy.clone(), text: text.clone() };
        self.newest.iter().map(order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memory = Memory::default();
        for number in 0..100 {
            memory.add(&format!("{number}:1;"));
        }
        assert_eq!(memory.newest.len(), MAX_REMEMBERED);
    }
}
