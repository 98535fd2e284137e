//! Lovense toys that are reached neither by this machine's Bluetooth nor by a cable of their own: [`DongleBus`] is the maker's
//! USB stick with a radio in it, [`ConnectBus`] the app Lovense Connect on a phone or another machine.
//!
//! Both are opened only when asked for. Where things are: `dongle/machine.rs` and `connect/toys.rs` decide, without I/O and
//! without a clock; the other files of these folders are the shells around them. Neither knows what the toys understand: a toy
//! behind the dongle is seen as what it is, one on Bluetooth, and the catalogue knows toys behind the app as a protocol of
//! their own.

mod connect;
mod dongle;

pub use connect::{
    COMMAND_GAP, ConnectBus, ConnectSettings, ConnectTimes, DIRECTORY_TIME, LIST_TIME, MAX_ANSWER_BYTES,
    MAX_HOSTS, MAX_NAME_BYTES, MAX_SILENCES, MAX_TOYS, MAX_WAITING_WRITES, PASS_TIME, POLL_TIME, WRITE_TIME,
};
pub use dongle::{
    CONNECT_TIME, DONGLE_WRITE_TIME, DongleBus, DongleKind, FIND_TIME, MAX_LINE_BYTES, MAX_REQUESTS,
    MAX_RESENDS, MESSAGE_GAP, PROBE_TIME, Port, PortError, Ports, READ_TIME, RESEND_PAUSE, SETTLE_TIME,
};
