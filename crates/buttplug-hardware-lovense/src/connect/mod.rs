//! The app Lovense Connect: it owns the toys' Bluetooth, and is asked for everything over HTTP in the local network.
//!
//! `answers.rs` reads what the app says, `toys.rs` keeps which toys are where, `web.rs` asks, `bus.rs` is the loop around
//! them, `hardware.rs` one toy as the server sees it.

mod answers;
mod bus;
mod hardware;
mod limits;
mod toys;
mod web;

#[cfg(test)]
mod tests;

pub use bus::{ConnectBus, ConnectSettings};
pub use limits::{
    COMMAND_GAP, ConnectTimes, DIRECTORY_TIME, LIST_TIME, MAX_ANSWER_BYTES, MAX_HOSTS, MAX_NAME_BYTES,
    MAX_SILENCES, MAX_TOYS, MAX_WAITING_WRITES, PASS_TIME, POLL_TIME, WRITE_TIME,
};
