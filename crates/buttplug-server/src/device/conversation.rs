//! Carries out the steps of a conversation between a protocol and its hardware.

use crate::hardware::{Hardware, HardwareError, HardwareEvent};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::protocol::{Heard, Step, Turn};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Notifications that one conversation keeps for a later step. More than a handshake ever needs; the oldest go first.
const MAX_KEPT_NOTIFICATIONS: usize = 32;

/// Steps of one conversation. The longest handshakes need a few dozen; the limit ends one that goes round in circles
/// without letting time pass.
const MAX_STEPS: usize = 10_000;

/// Why a conversation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConversationError {
    #[error("the hardware is gone: {0}")]
    Gone(String),
    #[error("{0}")]
    Refused(String),
    #[error("the conversation did not come to an end")]
    Endless,
}

/// Holds a conversation from its start to its end: asks `next` for steps and carries them out. `events` is what the
/// hardware says meanwhile.
pub(crate) async fn hold<T>(
    hardware: &dyn Hardware,
    events: &mut mpsc::Receiver<HardwareEvent>,
    mut next: impl FnMut(Heard<'_>) -> Turn<T>,
) -> Result<T, ConversationError> {
    let mut kept = VecDeque::new();
    let mut turn = next(Heard::Start);
    for _ in 0..MAX_STEPS {
        let step = match turn {
            Turn::Do(step) => step,
            Turn::Done(end) => return Ok(end),
            Turn::Fail(reason) => return Err(ConversationError::Refused(reason)),
        };
        turn = match step {
            Step::Write(frame) => next(outcome(hardware.write(&frame).await)?.as_heard()),
            Step::Subscribe(endpoint) => next(outcome(hardware.subscribe(endpoint).await)?.as_heard()),
            Step::Unsubscribe(endpoint) => next(outcome(hardware.unsubscribe(endpoint).await)?.as_heard()),
            Step::Read { endpoint, length } => match hardware.read(endpoint, length).await {
                Ok(data) => next(Heard::Data(&data)),
                Err(error) => next(outcome(Err(error))?.as_heard()),
            },
            Step::Pause(time) => {
                pause(time, events, &mut kept).await?;
                next(Heard::Done)
            }
            Step::Listen(time) => match listen(time, events, &mut kept).await? {
                Some((endpoint, data)) => next(Heard::Notified(endpoint, &data)),
                None => next(Heard::Silence),
            },
        };
    }
    Err(ConversationError::Endless)
}

enum Outcome {
    Done,
    Failed(String),
}

impl Outcome {
    fn as_heard(&self) -> Heard<'_> {
        match self {
            Self::Done => Heard::Done,
            Self::Failed(reason) => Heard::Failed(reason),
        }
    }
}

fn outcome(result: Result<(), HardwareError>) -> Result<Outcome, ConversationError> {
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(HardwareError::Gone) => Err(ConversationError::Gone(HardwareError::Gone.to_string())),
        Err(error) => Ok(Outcome::Failed(error.to_string())),
    }
}

type Kept = VecDeque<(Endpoint, Bytes)>;

async fn pause(
    time: Duration,
    events: &mut mpsc::Receiver<HardwareEvent>,
    kept: &mut Kept,
) -> Result<(), ConversationError> {
    let until = Instant::now() + time;
    while let Some(notification) = until_notified(until, events).await? {
        if kept.len() == MAX_KEPT_NOTIFICATIONS {
            kept.pop_front();
        }
        kept.push_back(notification);
    }
    Ok(())
}

async fn listen(
    time: Duration,
    events: &mut mpsc::Receiver<HardwareEvent>,
    kept: &mut Kept,
) -> Result<Option<(Endpoint, Bytes)>, ConversationError> {
    if let Some(notification) = kept.pop_front() {
        return Ok(Some(notification));
    }
    until_notified(Instant::now() + time, events).await
}

/// The next notification, or `None` when the time is over.
async fn until_notified(
    until: Instant,
    events: &mut mpsc::Receiver<HardwareEvent>,
) -> Result<Option<(Endpoint, Bytes)>, ConversationError> {
    match tokio::time::timeout_at(until, events.recv()).await {
        Err(_) => Ok(None),
        Ok(Some(HardwareEvent::Notification { endpoint, data })) => Ok(Some((endpoint, data))),
        Ok(Some(HardwareEvent::Gone(reason))) => Err(ConversationError::Gone(reason)),
        Ok(None) => Err(ConversationError::Gone(String::from("its connection ended"))),
    }
}
