//! What a bridge can fail with while its hardware is there.

use buttplug_server::hardware::HardwareError;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Why a bridge has not done what it was asked for. `request` is what was asked, by its name on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BridgeError {
    #[error("the bridge at {peer} did not answer a {request} within {} s", .after.as_secs_f32())]
    NotAnswered { peer: SocketAddr, request: &'static str, after: Duration },
    #[error("the bridge at {peer} reports a failed {request}: {reason}")]
    Refused { peer: SocketAddr, request: &'static str, reason: String },
    #[error("the bridge at {peer} answered a {request} with {came} where {wanted} is due")]
    Unfitting { peer: SocketAddr, request: &'static str, came: &'static str, wanted: &'static str },
    #[error("the bridge at {peer} has left {limit} requests unanswered, it is asked for no more")]
    Busy { peer: SocketAddr, limit: usize },
}

impl From<BridgeError> for HardwareError {
    fn from(error: BridgeError) -> Self {
        let text = error.to_string();
        match error {
            BridgeError::NotAnswered { .. } | BridgeError::Unfitting { .. } => Self::Unconfirmed(text),
            BridgeError::Refused { .. } | BridgeError::Busy { .. } => Self::Failed(text),
        }
    }
}
