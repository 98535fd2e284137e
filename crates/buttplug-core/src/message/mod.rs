//! The messages of the current protocol version, as values. [`json`] turns them into frames and back.

mod client;
pub mod json;
mod server;

pub use client::{
    ClientMessage, ClientRequest, InputCmd, NamedOutputCmd, OutputCmd, RequestServerInfo, StopCmd, StopScope,
    VersionRequest,
};
pub use server::{
    DeviceDescription, Feature, InputDescription, InputReading, OutputDescription, ServerContent,
    ServerError, ServerInfo, ServerMessage,
};

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The number that ties a reply to its request: 1 or more, chosen by the client; 0 marks an event.
    MessageId
}
number! {
    /// A device's number on its server. It stays with the hardware over reconnections.
    DeviceIndex
}
number! {
    /// A feature's number on its device. Numbers may have gaps and need not begin at 0.
    FeatureIndex
}

impl MessageId {
    /// The id of everything a server says on its own initiative.
    pub const EVENT: Self = Self(0);
}
