//! The device port: hardware that dials in over WebSocket and says who it is.
//!
//! Where things are: `greeting.rs` reads the first message, `version0.rs` is a device that is its own transport,
//! `bus.rs` keeps who is there. Knows no protocols; sockets and their limits are buttplug-websocket's.
//!
//! ```no_run
//! use buttplug_hardware_dialin::DialInBus;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = DialInBus::bind(&["127.0.0.1:54817".parse()?]).await?;
//! println!("devices may dial in at {:?}", bus.local_addresses());
//! # Ok(())
//! # }
//! ```

mod bus;
mod greeting;
mod limits;
mod roster;
mod version0;

pub use bus::DialInBus;
pub use buttplug_websocket::{BindError, ListenerLimits, SocketLimits};
pub use limits::{
    DialInLimits, GREETING_TIME, LOST_AFTER, MAX_DEVICES, MAX_GREETING_BYTES, MAX_MESSAGE_BYTES,
    MAX_NAME_BYTES, MAX_QUEUED_BYTES, MESSAGE_GAP, PENDING_TIME, PING_AFTER, WRITE_TIME,
};
