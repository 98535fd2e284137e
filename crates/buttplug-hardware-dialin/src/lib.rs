//! The device port: hardware that dials in over WebSocket and says who it is.
//!
//! Where things are: `greeting.rs` reads the first message, `line.rs` is a socket with the task that reads it,
//! `version0.rs` is a device that is its own transport, `bridge.rs` one that another program reaches, `bus.rs` keeps who
//! is there. Knows no protocols; sockets and their limits are buttplug-websocket's.
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

mod bridge;
mod bus;
mod greeting;
mod limits;
mod line;
mod roster;
mod speech;
mod version0;

pub use bus::DialInBus;
pub use buttplug_websocket::{BindError, Gate, ListenerLimits, Rules, SocketLimits};
pub use limits::{
    ANSWER_TIME, BRIDGED_BLUETOOTH_GAP, DialInLimits, GREETING_TIME, LOST_AFTER, MAX_BRIDGE_MESSAGE_BYTES,
    MAX_DEVICES, MAX_GREETING_BYTES, MAX_LINES, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_QUEUED_BYTES,
    MAX_REPLACED, MAX_REQUESTS, MESSAGE_GAP, PENDING_TIME, PING_AFTER, WRITE_TIME,
};
