//! Outputs that end unless they are renewed. Over REST nothing tells that a program has gone, so one that wants its
//! devices to stop with it takes a lease and renews it. The table is pure: time is an argument, and the stops are
//! somebody else's.

use buttplug_core::{DeviceIndex, FeatureIndex};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A shorter lease would end between two requests of a program that does its best.
pub(crate) const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// A longer lease would protect nobody.
pub(crate) const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// What is leased.
pub(crate) type Leased = (DeviceIndex, FeatureIndex);

/// When the leases of features end. Holds no more than there are features: only those that exist are leased.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    table: Mutex<HashMap<Leased, Instant>>,
    earlier: Notify,
}

/// The leases before a command, for the case that it is refused.
#[derive(Debug)]
pub(crate) struct Before {
    until: Instant,
    leases: Vec<(Leased, Option<Instant>)>,
}

impl Leases {
    /// Leases features until then. To be done before the command that sets them in motion goes out, so that no motion is
    /// without its end, even if whoever asked is gone before the answer.
    pub(crate) fn lease(&self, features: &[Leased], until: Instant) -> Before {
        let mut table = self.table();
        let leases = features.iter().map(|leased| (*leased, table.insert(*leased, until))).collect();
        drop(table);
        self.earlier.notify_one();
        Before { until, leases }
    }

    /// Puts back what was there before a command that was refused, unless another has come since.
    pub(crate) fn undo(&self, before: Before) {
        let mut table = self.table();
        for (leased, earlier) in before.leases {
            if table.get(&leased) != Some(&before.until) {
                continue;
            }
            match earlier {
                Some(earlier) => table.insert(leased, earlier),
                None => table.remove(&leased),
            };
        }
        drop(table);
        self.earlier.notify_one();
    }

    /// The leases there are now, to be [forgotten](Self::forget) when a command without one, or a stop, has been carried
    /// out.
    pub(crate) fn standing(&self, of: impl Fn(Leased) -> bool) -> Vec<(Leased, Instant)> {
        let table = self.table();
        table.iter().filter(|(leased, _)| of(**leased)).map(|(leased, until)| (*leased, *until)).collect()
    }

    /// Ends leases without a stop, unless they have been renewed.
    pub(crate) fn forget(&self, standing: &[(Leased, Instant)]) {
        let mut table = self.table();
        for (leased, until) in standing {
            if table.get(leased) == Some(until) {
                table.remove(leased);
            }
        }
    }

    /// Takes out what is over, in order.
    pub(crate) fn take_over(&self, now: Instant) -> Vec<Leased> {
        let mut over = Vec::new();
        self.table().retain(|leased, until| {
            let stays = *until > now;
            if !stays {
                over.push(*leased);
            }
            stays
        });
        over.sort_unstable();
        over
    }

    /// Waits until the first lease is over. Safe to cancel.
    pub(crate) async fn wait(&self) {
        loop {
            let next = self.table().values().min().copied();
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep => return,
                () = self.earlier.notified() => {}
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Leased, Instant>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOTOR: Leased = (DeviceIndex(0), FeatureIndex(0));
    const OTHER: Leased = (DeviceIndex(0), FeatureIndex(1));

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_over_in_time_and_once() {
        let (leases, start) = (Leases::default(), Instant::now());
        leases.lease(&[MOTOR, OTHER], at(start, 500));
        leases.lease(&[MOTOR], at(start, 900));
        assert_eq!(leases.take_over(at(start, 499)), []);
        assert_eq!(leases.take_over(at(start, 500)), [OTHER]);
        assert_eq!(leases.take_over(at(start, 2000)), [MOTOR]);
        assert_eq!(leases.take_over(at(start, 9000)), []);
    }

    #[test]
    fn a_refused_command_leaves_the_lease_as_it_was_unless_another_came() {
        let (leases, start) = (Leases::default(), Instant::now());
        leases.lease(&[MOTOR], at(start, 500));
        let before = leases.lease(&[MOTOR, OTHER], at(start, 5000));
        leases.undo(before);
        assert_eq!(leases.take_over(at(start, 9000)), [MOTOR]);
        let before = leases.lease(&[MOTOR], at(start, 10_000));
        leases.lease(&[MOTOR], at(start, 10_500));
        leases.undo(before);
        assert_eq!(leases.take_over(at(start, 10_400)), []);
        assert_eq!(leases.take_over(at(start, 10_500)), [MOTOR]);
    }

    #[test]
    fn what_was_stopped_has_no_lease_unless_it_was_renewed_meanwhile() {
        let (leases, start) = (Leases::default(), Instant::now());
        leases.lease(&[MOTOR, OTHER], at(start, 500));
        let standing = leases.standing(|_| true);
        leases.lease(&[OTHER], at(start, 600));
        leases.forget(&standing);
        assert_eq!(leases.take_over(at(start, 9000)), [OTHER]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_with_the_first_lease_also_if_it_came_later() {
        let leases = Leases::default();
        let start = Instant::now();
        leases.lease(&[MOTOR], at(start, 5000));
        let late = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            leases.lease(&[OTHER], at(start, 400));
        };
        tokio::join!(leases.wait(), late);
        assert_eq!(start.elapsed(), Duration::from_millis(400));
    }
}
