//! Readings of a subscribed input, as a stream. Who listens to what is the session's affair.

use crate::event::MAX_WAITING_READINGS;
use crate::link::Link;
use crate::mailbox::{Buffer, Mailbox};
use buttplug_core::input::InputKind;
use buttplug_core::message::{DeviceIndex, FeatureIndex};
use futures_util::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) type ReadingBox = Mailbox<ReadingBuffer>;

/// One input of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubscriptionKey {
    pub(crate) device: DeviceIndex,
    pub(crate) feature: FeatureIndex,
    pub(crate) kind: InputKind,
}

/// The readings of one input, in the unit of its [`InputKind`], as a stream.
///
/// It ends when the device leaves, the connection ends, or the input is stopped or unsubscribed. Dropping the last
/// stream of an input unsubscribes at the server, without waiting for it. A reader that stalls finds the newest
/// [`MAX_WAITING_READINGS`].
#[derive(Debug)]
pub struct Readings {
    readings: Arc<ReadingBox>,
    key: SubscriptionKey,
    link: Arc<Link>,
}

impl Readings {
    pub(crate) fn new(key: SubscriptionKey, link: Arc<Link>) -> Self {
        Self { readings: Arc::default(), key, link }
    }

    pub(crate) fn mailbox(&self) -> &Arc<ReadingBox> {
        &self.readings
    }

    /// The next reading; `None` when the subscription has ended. Safe to cancel: no reading is lost.
    pub async fn next(&mut self) -> Option<i32> {
        std::future::poll_fn(|context| self.readings.poll_next(context)).await
    }

    /// The input.
    pub fn kind(&self) -> InputKind {
        self.key.kind
    }
}

impl Stream for Readings {
    type Item = i32;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<i32>> {
        self.readings.poll_next(context)
    }
}

impl Drop for Readings {
    fn drop(&mut self) {
        if !self.readings.is_closed() {
            self.readings.close();
            self.link.dropped(self.key);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct ReadingBuffer(VecDeque<i32>);

impl Buffer for ReadingBuffer {
    type Item = i32;

    fn push(&mut self, value: i32) {
        if self.0.len() == MAX_WAITING_READINGS {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    fn pop(&mut self) -> Option<i32> {
        self.0.pop_front()
    }
}
