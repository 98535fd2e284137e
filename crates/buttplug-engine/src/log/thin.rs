//! Keeps one talkative place in the program, and one peer, from filling a disk: so many lines in a while, then it is left
//! out.

use buttplug_connector_websocket::source;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Lines that one place in the program may write in a [`WHILE`]. The busiest that is no fault are 500 devices that
/// connect at once.
const MAX_LINES_PER_SOURCE: u32 = 1000;

/// How long what was written counts.
const WHILE: Duration = Duration::from_secs(10);

/// Lines about one peer in a [`PEERS_WHILE`]. A browser that tries again and again does so a few times in a second.
pub(crate) const MAX_LINES_PER_PEER: u32 = 50;

/// How long what was written about a peer counts.
const PEERS_WHILE: Duration = Duration::from_secs(1);

/// Peers that are counted by themselves. More in one second count as one.
const MAX_PEERS: usize = 1024;

/// Leaves out lines of places that write too many, and counts them. Debug and trace are for those who want them all.
pub(super) struct Thin {
    max_lines_per_peer: u32,
    counted: Mutex<Counted>,
    /// Where they are counted: in each place to which lines go.
    left_out: Vec<Arc<AtomicU64>>,
}

#[derive(Default)]
struct Counted {
    /// One entry for each place that has written; there are only so many in a program.
    places: HashMap<Identifier, Allowance>,
    /// `None` for those that are counted together.
    peers: HashMap<Option<IpAddr>, Allowance>,
}

impl Thin {
    pub(super) fn new(max_lines_per_peer: u32, left_out: Vec<Arc<AtomicU64>>) -> Self {
        Self { max_lines_per_peer, counted: Mutex::default(), left_out }
    }
}

/// Whom the lines in a span are about.
struct Peer(IpAddr);

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Thin {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut reader = Reader::default();
        attributes.record(&mut reader);
        if let (Some(peer), Some(span)) = (reader.peer, context.span(id)) {
            span.extensions_mut().insert(Peer(peer));
        }
    }

    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let now = Instant::now();
        let mut reader = Reader::default();
        event.record(&mut reader);
        let peer = reader.peer.or_else(|| {
            let mut spans = context.event_scope(event).into_iter().flatten();
            spans.find_map(|span| span.extensions().get::<Peer>().map(|peer| peer.0))
        });
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        // First the peer: what it says too much is not counted against the place, which others need.
        let allowed = peer.is_none_or(|peer| counted.take_peer(peer, now, self.max_lines_per_peer))
            && counted.take_place(metadata.callsite(), now);
        if !allowed {
            for counter in &self.left_out {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        allowed
    }
}

impl Counted {
    fn take_place(&mut self, place: Identifier, now: Instant) -> bool {
        self.places.entry(place).or_insert(Allowance::new(now)).take(now, WHILE, MAX_LINES_PER_SOURCE)
    }

    fn take_peer(&mut self, peer: IpAddr, now: Instant, max: u32) -> bool {
        let mut peer = Some(source(peer));
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, allowance| !allowance.is_over(now, PEERS_WHILE));
            if self.peers.len() >= MAX_PEERS {
                peer = None;
            }
        }
        self.peers.entry(peer).or_insert(Allowance::new(now)).take(now, PEERS_WHILE, max)
    }
}

/// Reads the address in the field for it, with a port or without.
#[derive(Default)]
struct Reader {
    peer: Option<IpAddr>,
}

impl Visit for Reader {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "peer" {
            let address = value.parse::<SocketAddr>().map(|address| address.ip());
            self.peer = address.or_else(|_| value.parse()).ok();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "peer" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// What was written in this while.
#[derive(Debug)]
struct Allowance {
    since: Instant,
    lines: u32,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { since: now, lines: 0 }
    }

    fn is_over(&self, now: Instant, time: Duration) -> bool {
        now.saturating_duration_since(self.since) >= time
    }

    /// Whether one more line may be written now.
    fn take(&mut self, now: Instant, time: Duration, max: u32) -> bool {
        if self.is_over(now, time) {
            *self = Self::new(now);
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_place_may_write_again_after_a_while() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let mut take = |now| allowance.take(now, WHILE, 3);
        for _ in 0..3 {
            assert!(take(start));
        }
        assert!(!take(start));
        assert!(!take(start + WHILE - Duration::from_millis(1)));
        assert!(take(start + WHILE));
    }

    #[test]
    fn only_the_talkative_place_is_left_out_and_debug_never() {
        let left_out = Arc::new(AtomicU64::new(0));
        let subscriber = tracing_subscriber::registry().with(Thin::new(2, vec![Arc::clone(&left_out)]));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..MAX_LINES_PER_SOURCE + 5 {
                tracing::info!("talkative");
                tracing::debug!("wanted");
            }
            tracing::info!("another");
        });
        assert_eq!(left_out.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_talkative_peer_is_left_out_and_others_are_not() {
        let left_out = Arc::new(AtomicU64::new(0));
        let subscriber = tracing_subscriber::registry().with(Thin::new(2, vec![Arc::clone(&left_out)]));
        tracing::subscriber::with_default(subscriber, || {
            for port in 0..5_u16 {
                let peer = SocketAddr::from(([192, 0, 2, 1], port));
                tracing::warn!(%peer, "refused");
                tracing::warn!(peer = peer.to_string(), "refused elsewhere");
                tracing::info!("others");
            }
            tracing::warn!(peer = "192.0.2.2:5", "refused");
        });
        assert_eq!(left_out.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn what_is_said_in_a_span_about_a_peer_counts_as_said_about_it() {
        let left_out = Arc::new(AtomicU64::new(0));
        let subscriber = tracing_subscriber::registry().with(Thin::new(2, vec![Arc::clone(&left_out)]));
        tracing::subscriber::with_default(subscriber, || {
            let peer = IpAddr::from([192, 0, 2, 1]);
            let of_peer = || tracing::error_span!("device", %peer);
            for _ in 0..3 {
                of_peer().in_scope(|| tracing::info!("a device came"));
                of_peer().in_scope(|| tracing::info_span!("inner").in_scope(|| tracing::warn!("it left")));
                tracing::error_span!("device", peer = "192.0.2.2:5")
                    .in_scope(|| tracing::info!(%peer, "of the nearest"));
                tracing::error_span!("device").in_scope(|| tracing::info!("of nobody"));
            }
        });
        assert_eq!(left_out.load(Ordering::Relaxed), 9 - 2);
    }

    #[test]
    fn a_crowd_of_peers_is_counted_as_one() {
        let now = Instant::now();
        let mut counted = Counted::default();
        for n in 0..u32::try_from(MAX_PEERS).unwrap() {
            assert!(counted.take_peer(IpAddr::from(n.to_be_bytes()), now, 1));
        }
        let other = |n: u8| IpAddr::from([200, 0, 0, n]);
        assert!(counted.take_peer(other(1), now, 1));
        assert!(!counted.take_peer(other(2), now, 1));
        assert!(counted.take_peer(other(2), now + PEERS_WHILE, 1));
        assert!(counted.peers.len() <= 2, "those of before are forgotten");
    }
}
