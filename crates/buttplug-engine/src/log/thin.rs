//! Keeps one talkative place in the program from filling a disk: so many lines in a while, then it is left out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that one place in the program may write in a [`WHILE`]. The busiest that is no fault are 500 devices that
/// connect at once.
const MAX_LINES_PER_SOURCE: u32 = 1000;

/// How long what was written counts.
const WHILE: Duration = Duration::from_secs(10);

/// Leaves out lines of places that write too many, and counts them. Debug and trace are for those who want them all.
pub(super) struct Thin {
    /// One entry for each place that has written; there are only so many in a program.
    sources: Mutex<HashMap<Identifier, Allowance>>,
    left_out: Arc<AtomicU64>,
}

impl Thin {
    pub(super) fn new(left_out: Arc<AtomicU64>) -> Self {
        Self { sources: Mutex::default(), left_out }
    }
}

impl<S: Subscriber> Layer<S> for Thin {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let now = Instant::now();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = sources.entry(metadata.callsite()).or_insert(Allowance { since: now, lines: 0 });
        let allowed = allowance.take(now);
        if !allowed {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        allowed
    }
}

/// What one place has written in this while.
#[derive(Debug)]
struct Allowance {
    since: Instant,
    lines: u32,
}

impl Allowance {
    /// Whether one more line may be written now.
    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= WHILE {
            *self = Self { since: now, lines: 0 };
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= MAX_LINES_PER_SOURCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_place_may_write_again_after_a_while() {
        let start = Instant::now();
        let mut allowance = Allowance { since: start, lines: 0 };
        for _ in 0..MAX_LINES_PER_SOURCE {
            assert!(allowance.take(start));
        }
        assert!(!allowance.take(start));
        assert!(!allowance.take(start + WHILE - Duration::from_millis(1)));
        assert!(allowance.take(start + WHILE));
    }

    #[test]
    fn only_the_talkative_place_is_left_out_and_debug_never() {
        let left_out = Arc::new(AtomicU64::new(0));
        let subscriber = tracing_subscriber::registry().with(Thin::new(Arc::clone(&left_out)));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..MAX_LINES_PER_SOURCE + 5 {
                tracing::info!("talkative");
                tracing::debug!("wanted");
            }
            tracing::info!("another");
        });
        assert_eq!(left_out.load(Ordering::Relaxed), 5);
    }
}
