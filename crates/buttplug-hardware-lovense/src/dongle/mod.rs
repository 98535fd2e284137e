//! The maker's USB dongle: a stick with a radio that looks for toys by itself, holds one at a time, and speaks JSON.
//!
//! `machine.rs` decides what is said when, `memory.rs` what is said again, `message.rs` is the language, `framing.rs` how it travels in reports and over a
//! serial port, `port.rs` the two sorts of sticks, `thread.rs` the loop that owns one, `bus.rs` and `hardware.rs` what the
//! server sees of it.

mod bus;
mod framing;
mod hardware;
mod limits;
mod machine;
mod memory;
mod message;
mod port;
mod thread;

#[cfg(test)]
mod tests;

pub use bus::{DongleBus, DongleKind};
pub use limits::{
    CONNECT_TIME, DONGLE_WRITE_TIME, FIND_TIME, MAX_LINE_BYTES, MAX_REQUESTS, MAX_RESENDS, MESSAGE_GAP,
    PROBE_TIME, READ_TIME, RESEND_PAUSE, SETTLE_TIME,
};
pub use port::{Port, PortError, Ports};
