//! What is said on a line, in the two versions of the port. No sockets, no clock: messages in, what they mean out.

use crate::bridge::Bridge;
use crate::version0::Hearing;
use buttplug_protocols::frame::Endpoint;
use buttplug_websocket::{CloseCode, Received};
use bytes::Bytes;

/// One version of the port, with what it has to remember of one line.
pub(crate) enum Speech {
    Version0(Hearing),
    /// Boxed: most lines are not bridges.
    Bridge(Box<Bridge>),
}

/// What a message means for the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing, or it has been seen to.
    Nothing,
    /// The hardware says something that somebody has subscribed to.
    Notification { endpoint: Endpoint, data: Bytes },
    /// The line ends, for this reason.
    End { code: CloseCode, reason: String },
}

impl Speech {
    pub(crate) fn hear(&mut self, message: Received) -> Heard {
        match self {
            Self::Version0(hearing) => hearing.hear(message),
            Self::Bridge(bridge) => bridge.hear(&message),
        }
    }

    /// What is to be said once the server speaks this protocol to the hardware.
    pub(crate) fn accept(&mut self, protocol: &str) -> Option<String> {
        match self {
            Self::Version0(_) => None,
            Self::Bridge(bridge) => bridge.accept(protocol),
        }
    }

    /// What is to be said before the server closes the socket.
    pub(crate) fn last_words(&self, reason: &str) -> Option<String> {
        match self {
            Self::Version0(_) => None,
            Self::Bridge(bridge) => Some(bridge.last_words(reason)),
        }
    }

    /// The line has ended: nothing that was asked will be answered.
    pub(crate) fn ended(&mut self) {
        match self {
            Self::Version0(_) => {}
            Self::Bridge(bridge) => bridge.ended(),
        }
    }
}
