//! Devices that were lost in use are sought by address, for a bounded time, whether a client searches or not. Pure.

use crate::limits::{MAX_SOUGHT, SEEK_EAGERLY, SEEK_LISTENS, SEEK_RESTS, SEEK_TIME};
use buttplug_protocols::sighting::Sighting;
use std::time::Instant;

/// The devices that are sought.
#[derive(Debug, Default)]
pub(crate) struct Seek {
    sought: Vec<Sought>,
}

#[derive(Debug)]
struct Sought {
    /// As it was when it was opened, so that it becomes the same device again.
    sighting: Sighting,
    lost: Instant,
}

impl Seek {
    /// The link to a device in use has ended.
    pub(crate) fn lost(&mut self, now: Instant, sighting: Sighting) {
        self.found(&sighting.address);
        if self.sought.len() >= MAX_SOUGHT {
            self.sought.remove(0);
        }
        self.sought.push(Sought { sighting, lost: now });
    }

    /// The device is there again, or nobody wants it any more.
    pub(crate) fn found(&mut self, address: &str) {
        self.sought.retain(|sought| sought.sighting.address != address);
    }

    /// Gives everything up.
    pub(crate) fn end(&mut self) {
        self.sought.clear();
    }

    /// Gives up what has been sought for long enough; answers what that is.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Sighting> {
        let (over, sought) =
            std::mem::take(&mut self.sought).into_iter().partition(|sought| now >= sought.lost + SEEK_TIME);
        self.sought = sought;
        let over: Vec<Sought> = over;
        over.into_iter().map(|sought| sought.sighting).collect()
    }

    /// The sought device at this address, as it was.
    pub(crate) fn sighting(&self, address: &str) -> Option<&Sighting> {
        self.sought.iter().map(|sought| &sought.sighting).find(|sighting| sighting.address == address)
    }

    /// Whether the device at this address is sought, and all the time.
    pub(crate) fn is_eager(&self, now: Instant, address: &str) -> bool {
        let mut sought = self.sought.iter().filter(|sought| sought.sighting.address == address);
        sought.any(|sought| now < sought.lost + SEEK_EAGERLY)
    }

    /// Whether anything is sought.
    pub(crate) fn is_on(&self) -> bool {
        !self.sought.is_empty()
    }

    /// Whether the radio shall listen now.
    pub(crate) fn listens(&self, now: Instant) -> bool {
        self.sought.iter().any(|sought| match now.checked_duration_since(sought.lost + SEEK_EAGERLY) {
            None => true,
            Some(later) => {
                let within = later.as_millis() % (SEEK_RESTS + SEEK_LISTENS).as_millis();
                within >= SEEK_RESTS.as_millis()
            }
        })
    }

    /// When that may change, or something is to be given up.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.sought.iter().map(|sought| sought.deadline(now)).min()
    }
}

impl Sought {
    fn deadline(&self, now: Instant) -> Instant {
        let end = self.lost + SEEK_TIME;
        let eager = self.lost + SEEK_EAGERLY;
        let Some(later) = now.checked_duration_since(eager) else { return eager };
        let cycle = (SEEK_RESTS + SEEK_LISTENS).as_millis();
        let within = later.as_millis() % cycle;
        let rests = SEEK_RESTS.as_millis();
        let left = if within < rests { rests - within } else { cycle - within };
        // At most one cycle.
        let left = std::time::Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
        (now + left).min(end).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::sighting::Advertisement;
    use std::time::Duration;

    fn toy(address: &str) -> Sighting {
        let advertisement = Advertisement::Bluetooth {
            name: "LVS-Z001".into(),
            manufacturer_data: Vec::new(),
            services: Vec::new(),
        };
        Sighting::new(address, advertisement)
    }

    #[test]
    fn a_lost_device_is_sought_at_once_and_as_what_it_was() {
        let (start, mut seek) = (Instant::now(), Seek::default());
        assert!(!seek.is_on() && !seek.listens(start));
        seek.lost(start, toy("AA"));
        assert!(seek.is_on() && seek.listens(start));
        assert_eq!(seek.sighting("AA"), Some(&toy("AA")));
        assert_eq!(seek.sighting("BB"), None);
        seek.found("AA");
        assert!(!seek.is_on() && seek.deadline(start).is_none());
    }

    #[test]
    fn the_radio_listens_less_and_less_and_then_no_more() {
        let (start, mut seek) = (Instant::now(), Seek::default());
        seek.lost(start, toy("AA"));
        let mut now = start;
        let mut listened = Duration::ZERO;
        let mut wakes = 0;
        while let Some(at) = seek.deadline(now) {
            if seek.listens(now) {
                listened += at - now;
            }
            assert!(at > now, "every deadline leads on");
            now = at;
            wakes += 1;
            if !seek.expire(now).is_empty() {
                break;
            }
        }
        assert_eq!(now - start, SEEK_TIME);
        assert_eq!(listened, SEEK_EAGERLY + (SEEK_TIME - SEEK_EAGERLY) / 3);
        assert!(wakes < 50, "{wakes}");
        assert!(!seek.is_on());
    }

    #[test]
    fn losing_a_device_again_begins_anew_and_the_number_is_bounded() {
        let (start, mut seek) = (Instant::now(), Seek::default());
        seek.lost(start, toy("AA"));
        seek.lost(start + SEEK_TIME / 2, toy("AA"));
        assert_eq!(seek.expire(start + SEEK_TIME), []);
        for n in 0..2 * MAX_SOUGHT {
            seek.lost(start, toy(&n.to_string()));
        }
        assert_eq!(seek.sought.len(), MAX_SOUGHT);
    }
}
