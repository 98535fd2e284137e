//! The one field that every message has, for messages that have no other.

use super::numbers::Whole;
use serde::{Deserialize, Serialize};

/// To be written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IdOut {
    pub(super) id: u32,
}

/// As read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IdWire {
    pub(super) id: Whole<u32>,
}
