//! Hardware that the server had no use for is reported again after growing pauses: to be opened may mean to be reset. Pure.

use buttplug_protocols::sighting::Sighting;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that hardware waits for its next report.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// What has been refused, of what is there.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<String, Refused>);

#[derive(Debug)]
struct Refused {
    times: u32,
    until: Instant,
}

impl Refusals {
    /// The server has no use for this hardware. The first pause is `pause`; it doubles with each refusal that follows soon.
    pub(crate) fn refused(&mut self, now: Instant, address: &str, pause: Duration) {
        let before = self.0.get(address).filter(|before| now < before.until + LONGEST_PAUSE);
        let times = before.map_or(0, |before| before.times.saturating_add(1));
        // The exponent stays small.
        let until = now + (pause * 2_u32.pow(times.min(10))).min(LONGEST_PAUSE);
        self.0.insert(address.to_owned(), Refused { times, until });
    }

    /// Whether this hardware may be reported.
    pub(crate) fn is_due(&self, now: Instant, address: &str) -> bool {
        self.0.get(address).is_none_or(|refused| now >= refused.until)
    }

    /// This is all that is there: what is not, begins anew when it comes back.
    pub(crate) fn keep(&mut self, found: &[Sighting]) {
        self.0.retain(|address, _| found.iter().any(|sighting| sighting.address == *address));
    }

    /// All of it may be reported once more; what is refused then waits for longer still.
    pub(crate) fn are_due(&mut self, now: Instant) {
        self.0.values_mut().for_each(|refused| refused.until = refused.until.min(now));
    }

    /// A new search begins, and everything with it.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
