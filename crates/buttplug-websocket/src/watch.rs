//! Decides when a peer is pinged and when it is given up. Knows no socket and no clock; `socket.rs` does.

use crate::limits::SocketLimits;
use tokio::time::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing: there was life since the deadline was asked for.
    Nothing,
    /// When to ping a silent peer.
    Ping,
    /// When to give up a peer that did not answer the ping.
    Silent,
    /// When to give up a peer that does not read.
    Stalled,
}

/// What is known of a peer's life.
#[derive(Debug)]
pub(crate) struct Watch {
    heard: Instant,
    pinged: Option<Instant>,
    blocked: Option<Blocked>,
}

#[derive(Debug)]
struct Blocked {
    since: Instant,
    written: u64,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, pinged: None, blocked: None }
    }

    /// Bytes came from the peer.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Not everything could be written; `written` tells progress.
    pub(crate) fn blocked(&mut self, now: Instant, written: u64) {
        if self.blocked.as_ref().is_none_or(|blocked| blocked.written != written) {
            self.blocked = Some(Blocked { since: now, written });
        }
    }

    /// Everything is written.
    pub(crate) fn drained(&mut self) {
        self.blocked = None;
    }

    /// When to ask for what is due. Later life moves it, so that asking again is cheaper than being told each time.
    pub(crate) fn deadline(&self, limits: &SocketLimits) -> Instant {
        let quiet = match self.pinged {
            None => self.heard + limits.ping_after,
            // Counted from the ping, not from the last sign of life: the owner may have been busy and pinged late.
            Some(at) => at + limits.lost_after.saturating_sub(limits.ping_after),
        };
        match &self.blocked {
            Some(blocked) => quiet.min(blocked.since + limits.stall_after),
            None => quiet,
        }
    }

    /// What is due now.
    pub(crate) fn expire(&mut self, now: Instant, limits: &SocketLimits) -> Due {
        if self.deadline(limits) > now {
            return Due::Nothing;
        }
        if self.blocked.as_ref().is_some_and(|blocked| blocked.since + limits.stall_after <= now) {
            return Due::Stalled;
        }
        if self.pinged.is_some() {
            return Due::Silent;
        }
        self.pinged = Some(now);
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Rig {
        start: Instant,
        watch: Watch,
        limits: SocketLimits,
    }

    impl Rig {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, watch: Watch::new(start), limits: SocketLimits::default() }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn expire(&mut self, seconds: u64) -> Due {
            let now = self.at(seconds);
            self.watch.expire(now, &self.limits)
        }

        fn deadline(&self) -> u64 {
            (self.watch.deadline(&self.limits) - self.start).as_secs()
        }
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let mut rig = Rig::new();
        assert_eq!((rig.deadline(), rig.expire(4)), (5, Due::Nothing));
        assert_eq!((rig.expire(5), rig.deadline()), (Due::Ping, 10));
        assert_eq!((rig.expire(9), rig.expire(10)), (Due::Nothing, Due::Silent));
    }

    #[test]
    fn any_sign_of_life_begins_anew() {
        let mut rig = Rig::new();
        rig.watch.heard(rig.at(3));
        assert_eq!((rig.expire(5), rig.deadline()), (Due::Nothing, 8));
        assert_eq!(rig.expire(8), Due::Ping);
        rig.watch.heard(rig.at(9));
        assert_eq!((rig.expire(13), rig.expire(14)), (Due::Nothing, Due::Ping));
    }

    #[test]
    fn a_late_ping_still_leaves_time_for_the_answer() {
        let mut rig = Rig::new();
        assert_eq!((rig.expire(60), rig.deadline()), (Due::Ping, 65));
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up_though_it_talks() {
        let mut rig = Rig::new();
        rig.watch.blocked(rig.at(1), 100);
        rig.watch.heard(rig.at(4));
        rig.watch.blocked(rig.at(4), 100);
        assert_eq!((rig.deadline(), rig.expire(6)), (6, Due::Stalled));
    }

    #[test]
    fn slow_progress_is_progress() {
        let mut rig = Rig::new();
        rig.watch.blocked(rig.at(1), 100);
        rig.watch.blocked(rig.at(4), 101);
        rig.watch.heard(rig.at(5));
        assert_eq!((rig.expire(8), rig.deadline()), (Due::Nothing, 9));
        rig.watch.drained();
        assert_eq!(rig.deadline(), 10);
    }
}
