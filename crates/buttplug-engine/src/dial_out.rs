//! Calls a client that waits for servers, again and again, with pauses in between. What is said on a connection is the
//! server's affair.

use crate::random;
use buttplug_connector_websocket::{WebSocketDialer, shown_url};
use buttplug_core::connector::{AcceptConnection, ConnectorError};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The pause before the second attempt, doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// No pause is longer. A person who starts their application waits no longer than this, and asking so seldom costs nobody
/// anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that held so long was a good one: what follows begins with the first pause again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// By how much of itself a pause may be longer, so that many engines do not come back at the same moment.
const JITTER: f64 = 0.2;

/// How long to wait until the next attempt.
#[derive(Debug, Default, PartialEq, Eq)]
struct BackOff {
    /// Attempts since the last good connection.
    attempts: u32,
}

impl BackOff {
    /// The pause after an attempt whose connection, if there was one, held for `held`. `chance` is from 0 to 1.
    fn pause(&mut self, held: Option<Duration>, chance: f64) -> Duration {
        if held.is_some_and(|held| held >= GOOD_CONNECTION) {
            self.attempts = 0;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        self.attempts = self.attempts.saturating_add(1);
        doubled.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)).min(LONGEST_PAUSE)
    }
}

/// Calls the client and has `server` serve it, until `stop`. A session that is going on then is the server's to end.
pub(crate) async fn run(
    dialer: WebSocketDialer,
    server: Arc<dyn AcceptConnection>,
    stop: impl Future<Output = ()>,
) {
    repeat(&shown_url(dialer.url()), || dialer.serve_once(&*server), stop).await;
}

/// Makes attempts until `stop`. Each returns when its connection is over, or why there is none.
async fn repeat<Attempt>(url: &str, attempt: impl Fn() -> Attempt, stop: impl Future<Output = ()>)
where
    Attempt: Future<Output = Result<(), ConnectorError>>,
{
    let mut stop = pin!(stop);
    let mut back_off = BackOff::default();
    let mut last_reason = None;
    loop {
        let began = Instant::now();
        let outcome = tokio::select! {
            biased;
            () = &mut stop => return,
            outcome = attempt() => outcome,
        };
        let held = outcome.is_ok().then(|| began.elapsed());
        let pause = back_off.pause(held, chance());
        match outcome {
            Ok(()) => tracing::info!(url, ?pause, "the connection to the client is over, dialling again"),
            // The same reason again and again is no news.
            Err(reason) if last_reason.as_ref() == Some(&reason) => {
                tracing::debug!(%reason, ?pause, "dialling again");
            }
            Err(reason) => {
                tracing::warn!(%reason, ?pause, "no client yet, dialling until there is one");
                last_reason = Some(reason);
            }
        }
        if held.is_some() {
            last_reason = None;
        }
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = sleep(pause) => {}
        }
    }
}

/// A number from 0 to 1, another one each time.
fn chance() -> f64 {
    f64::from(u32::try_from(random::bits() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn pauses(held: &[Option<u64>], chance: f64) -> Vec<u128> {
        let mut back_off = BackOff::default();
        held.iter().map(|held| back_off.pause(held.map(Duration::from_secs), chance).as_millis()).collect()
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_after_a_good_connection() {
        let refused = [None; 8];
        assert_eq!(pauses(&refused, 0.0), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(pauses(&refused[..3], 1.0), [600, 1200, 2400]);
        assert_eq!(pauses(&[None, None, Some(10), None], 0.0), [500, 1000, 500, 1000]);
        assert_eq!(pauses(&[Some(0), Some(9), Some(3)], 0.0), [500, 1000, 2000], "short ones are no good");
        assert_eq!(pauses(&[None; 100], 1.0).last(), Some(&30000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_there_is_asked_three_times_in_three_seconds() {
        let began = Instant::now();
        let attempts = Mutex::new(Vec::new());
        let refuse = || async {
            attempts.lock().unwrap().push(began.elapsed());
            Err(ConnectorError::Refused { address: String::new(), reason: String::new() })
        };
        repeat("ws://x", refuse, sleep(Duration::from_secs(3))).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3), "it ends when told to");
        assert_eq!(attempts.lock().unwrap().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_never_ends_is_left_when_told_to_stop() {
        repeat("ws://x", std::future::pending, sleep(Duration::from_secs(1))).await;
    }
}
