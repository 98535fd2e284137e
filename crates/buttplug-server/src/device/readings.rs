//! Readings on their way to one client: bounded, thinning to the newest of each input when the client is slow.

use buttplug_core::message::InputReading;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Readings that wait for one client. A sensor with 100 readings a second fills it in two and a half seconds.
pub(crate) const MAX_WAITING_READINGS: usize = 256;

/// The readings that wait for one client.
#[derive(Debug, Default)]
pub(crate) struct WaitingReadings {
    queue: Mutex<VecDeque<InputReading>>,
    wake: Notify,
}

impl WaitingReadings {
    /// Adds a reading. When the queue is full, the oldest reading of the same input makes room, else the oldest.
    pub(crate) fn push(&self, reading: InputReading) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() == MAX_WAITING_READINGS {
            let same = |old: &InputReading| {
                (old.device, old.feature, old.kind) == (reading.device, reading.feature, reading.kind)
            };
            let oldest = queue.iter().position(same).unwrap_or(0);
            queue.remove(oldest);
        }
        queue.push_back(reading);
        drop(queue);
        self.wake.notify_one();
    }

    /// Waits until there is a reading.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Takes the oldest reading.
    pub(crate) fn pop(&self) -> Option<InputReading> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Forgets the readings for which `ended` holds: their subscriptions are over.
    pub(crate) fn forget(&self, ended: impl Fn(&InputReading) -> bool) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).retain(|reading| !ended(reading));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::{DeviceIndex, FeatureIndex, InputKind, RssiSpelling};

    fn reading(kind: InputKind, value: i32) -> InputReading {
        InputReading {
            device: DeviceIndex(0),
            feature: FeatureIndex(0),
            kind,
            spelling: RssiSpelling::Camel,
            value,
        }
    }

    #[test]
    fn a_full_queue_thins_the_chatty_input_and_keeps_the_quiet_one() {
        let waiting = WaitingReadings::default();
        waiting.push(reading(InputKind::Button, 1));
        for value in 0..1000 {
            waiting.push(reading(InputKind::Pressure, value));
        }
        let all: Vec<_> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(all.len(), MAX_WAITING_READINGS);
        assert_eq!(all[0].kind, InputKind::Button);
        assert_eq!(all.last().map(|reading| reading.value), Some(999));
    }
}
