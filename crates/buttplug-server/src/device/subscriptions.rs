//! Who wants which readings of one device, and whether the hardware has been told. Pure: the task compares the two and
//! tells the hardware one input at a time.

use super::readings::WaitingReadings;
use super::{Answer, RequestFailure};
use crate::session::SessionId;
use buttplug_core::{DeviceIndex, FeatureIndex, RssiSpelling};
use buttplug_protocols::protocol::{Input, Topic};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A client that wants an input's readings.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) owner: SessionId,
    pub(super) spelling: RssiSpelling,
    pub(super) readings: Arc<WaitingReadings>,
}

#[derive(Debug)]
struct Entry {
    input: Input,
    subscribers: Vec<Subscriber>,
    /// What the hardware has been told last.
    notifying: bool,
    waiters: Vec<oneshot::Sender<Answer<()>>>,
}

/// The subscriptions of one device: an entry per input that anyone has ever subscribed, so never more than inputs.
#[derive(Debug)]
pub(super) struct Subscriptions {
    device: DeviceIndex,
    entries: Vec<Entry>,
}

impl Subscriptions {
    pub(super) fn new(device: DeviceIndex) -> Self {
        Self { device, entries: Vec::new() }
    }

    /// Adds a subscriber; a client that has subscribed already stays subscribed once.
    pub(super) fn add(&mut self, input: Input, subscriber: Subscriber, answer: oneshot::Sender<Answer<()>>) {
        let entry = self.entry(input);
        entry.subscribers.retain(|known| known.owner != subscriber.owner);
        entry.subscribers.push(subscriber);
        entry.waiters.push(answer);
        entry.settle();
    }

    /// Removes a subscriber; the answer comes when the hardware is set.
    pub(super) fn remove(&mut self, input: Input, owner: SessionId, answer: oneshot::Sender<Answer<()>>) {
        let device = self.device;
        let entry = self.entry(input);
        entry.unsubscribe(|subscriber| subscriber == owner, device);
        entry.waiters.push(answer);
        entry.settle();
    }

    /// Removes a client's subscriptions in scope.
    pub(super) fn remove_all(&mut self, owner: SessionId, scope: Option<FeatureIndex>) {
        for entry in &mut self.entries {
            if scope.is_none_or(|feature| feature == entry.input.feature) {
                entry.unsubscribe(|subscriber| subscriber == owner, self.device);
            }
        }
    }

    /// Removes all subscriptions: the device is gone.
    pub(super) fn end(&mut self) {
        for mut entry in std::mem::take(&mut self.entries) {
            entry.unsubscribe(|_| true, self.device);
        }
    }

    /// Who wants this input's readings.
    pub(super) fn subscribers(&self, input: Input) -> &[Subscriber] {
        self.entries.iter().find(|entry| entry.input == input).map_or(&[], |entry| &entry.subscribers)
    }

    /// What to tell the hardware next.
    pub(super) fn next(&self) -> Option<Topic> {
        self.entries.iter().find_map(|entry| match (entry.subscribers.is_empty(), entry.notifying) {
            (false, false) => Some(Topic::Subscribe(entry.input)),
            (true, true) => Some(Topic::Unsubscribe(entry.input)),
            _ => None,
        })
    }

    /// The hardware has been told to notify or not to, or that failed. After a failure the subscribers are let go, so
    /// that it is not tried for ever.
    pub(super) fn told(&mut self, input: Input, notifying: bool, outcome: Answer<()>) {
        let entry = self.entry(input);
        entry.notifying = notifying;
        if let Err(failure) = outcome {
            if notifying {
                entry.notifying = false;
                entry.subscribers.clear();
            }
            entry.answer(&Err(failure));
        }
        entry.settle();
    }

    fn entry(&mut self, input: Input) -> &mut Entry {
        let at = self.entries.iter().position(|entry| entry.input == input).unwrap_or_else(|| {
            self.entries.push(Entry {
                input,
                subscribers: Vec::new(),
                notifying: false,
                waiters: Vec::new(),
            });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }
}

impl Entry {
    fn unsubscribe(&mut self, ends: impl Fn(SessionId) -> bool, device: DeviceIndex) {
        let input = self.input;
        self.subscribers.retain(|subscriber| {
            let ends = ends(subscriber.owner);
            if ends {
                // After the end of a subscription the client hears nothing more of it, not even what is on its way.
                subscriber.readings.forget(|reading| {
                    (reading.device, reading.feature, reading.kind) == (device, input.feature, input.kind)
                });
            }
            !ends
        });
    }

    /// Answers the waiters if the hardware is as the subscribers want it.
    fn settle(&mut self) {
        if self.subscribers.is_empty() != self.notifying {
            self.answer(&Ok(()));
        }
    }

    fn answer(&mut self, outcome: &Answer<()>) {
        for waiter in self.waiters.drain(..) {
            let _: Result<(), Result<(), RequestFailure>> = waiter.send(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::InputKind;
    use buttplug_core::message::InputReading;

    const PRESSURE: Input = Input { feature: FeatureIndex(6), kind: InputKind::Pressure };
    const ALICE: SessionId = SessionId(1);
    const BOB: SessionId = SessionId(2);

    fn add(subscriptions: &mut Subscriptions, owner: SessionId) -> oneshot::Receiver<Answer<()>> {
        let (answer, receiver) = oneshot::channel();
        let subscriber = Subscriber { owner, spelling: RssiSpelling::Camel, readings: Arc::default() };
        subscriptions.add(PRESSURE, subscriber, answer);
        receiver
    }

    fn remove(subscriptions: &mut Subscriptions, owner: SessionId) -> oneshot::Receiver<Answer<()>> {
        let (answer, receiver) = oneshot::channel();
        subscriptions.remove(PRESSURE, owner, answer);
        receiver
    }

    #[test]
    fn the_hardware_is_told_once_for_the_first_and_once_for_the_last_subscriber() {
        let mut subscriptions = Subscriptions::new(DeviceIndex(0));
        let mut first = add(&mut subscriptions, ALICE);
        assert_eq!(subscriptions.next(), Some(Topic::Subscribe(PRESSURE)));
        assert!(first.try_recv().is_err(), "answered before the hardware was told");
        subscriptions.told(PRESSURE, true, Ok(()));
        assert_eq!(first.try_recv(), Ok(Ok(())));
        assert_eq!(add(&mut subscriptions, BOB).try_recv(), Ok(Ok(())));
        assert_eq!(add(&mut subscriptions, BOB).try_recv(), Ok(Ok(())));
        assert_eq!(subscriptions.subscribers(PRESSURE).len(), 2);
        assert_eq!(remove(&mut subscriptions, ALICE).try_recv(), Ok(Ok(())));
        assert_eq!(subscriptions.next(), None);
        subscriptions.remove_all(BOB, None);
        assert_eq!(subscriptions.next(), Some(Topic::Unsubscribe(PRESSURE)));
        subscriptions.told(PRESSURE, false, Ok(()));
        assert_eq!(subscriptions.next(), None);
    }

    #[test]
    fn unsubscribing_what_is_not_subscribed_is_fine() {
        let mut subscriptions = Subscriptions::new(DeviceIndex(0));
        assert_eq!(remove(&mut subscriptions, ALICE).try_recv(), Ok(Ok(())));
        assert_eq!(subscriptions.next(), None);
    }

    #[test]
    fn a_failed_subscription_lets_its_clients_go_and_is_not_tried_for_ever() {
        let mut subscriptions = Subscriptions::new(DeviceIndex(0));
        let mut answer = add(&mut subscriptions, ALICE);
        let failure = RequestFailure::Failed(String::from("no such endpoint"));
        subscriptions.told(PRESSURE, true, Err(failure.clone()));
        assert_eq!(answer.try_recv(), Ok(Err(failure)));
        assert_eq!(subscriptions.next(), None);
    }

    #[test]
    fn after_the_end_of_a_subscription_nothing_of_it_is_left_on_its_way() {
        nothing_is_left_after(|subscriptions| drop(remove(subscriptions, ALICE)));
        nothing_is_left_after(|subscriptions| subscriptions.remove_all(ALICE, None));
    }

    #[test]
    fn after_the_end_of_a_device_nothing_of_it_is_left_on_its_way() {
        nothing_is_left_after(Subscriptions::end);
    }

    fn nothing_is_left_after(end: impl Fn(&mut Subscriptions)) {
        let mut subscriptions = Subscriptions::new(DeviceIndex(3));
        let (answer, _receiver) = oneshot::channel();
        let readings = Arc::new(WaitingReadings::default());
        let subscriber =
            Subscriber { owner: ALICE, spelling: RssiSpelling::Camel, readings: Arc::clone(&readings) };
        subscriptions.add(PRESSURE, subscriber, answer);
        for device in [3, 4] {
            readings.push(InputReading {
                device: DeviceIndex(device),
                feature: PRESSURE.feature,
                kind: PRESSURE.kind,
                spelling: RssiSpelling::Camel,
                value: 212,
            });
        }
        end(&mut subscriptions);
        assert_eq!(readings.pop().map(|reading| reading.device), Some(DeviceIndex(4)));
        assert_eq!(readings.pop(), None);
    }
}
