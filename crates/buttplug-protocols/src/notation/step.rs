//! Steps of a conversation with the hardware.

use super::frame::{Condition, Template};
use super::pattern::Pattern;
use crate::frame::Endpoint;
use serde::{Deserialize, Serialize};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTemplate {
    /// When it is taken.
    pub condition: Condition,
    /// What is done.
    pub action: Action,
}

/// What is done in a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Write a frame.
    Write(Template),
    /// Let an endpoint notify.
    Subscribe(Endpoint),
    /// Let it notify no longer.
    Unsubscribe(Endpoint),
    /// Let so many milliseconds pass.
    Wait(u32),
    /// Read at most so many bytes, which have to look like this.
    Read(Endpoint, u16, Pattern),
    /// Wait for a notification that looks like this, at most so many milliseconds. Others are passed over.
    Expect(Endpoint, Pattern, u32),
    /// Wait for any notification, at most so many milliseconds. None is fine, too.
    Listen(u32),
}

/// The longest a step may wait, in milliseconds.
pub const MAX_WAIT_MS: u32 = 60_000;

/// How many bytes are asked for where a definition says nothing: as much as any attribute of Bluetooth has.
pub const READ_LENGTH: u16 = 512;
