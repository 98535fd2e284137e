//! The bounds of the gamepad bus, decided in one place.

use std::time::Duration;

/// The least time between two writes to a pad. About what pads on a radio take between two reports; it bounds what a flood
/// costs.
pub const MESSAGE_GAP: Duration = Duration::from_millis(10);

/// How often pads are looked for during a search.
pub const FIND_TIME: Duration = Duration::from_secs(1);

/// How often it is asked whether a pad is still there.
pub const CHECK_TIME: Duration = Duration::from_millis(500);

/// How often a rumble is set again that goes on. Some pads stop by themselves otherwise.
pub const REPEAT_TIME: Duration = Duration::from_millis(100);

/// How long a rumble lasts that is not set again, where the system knows an end: a program that hangs leaves no pad
/// rumbling. Long enough for a busy machine to be twenty repeats late.
pub const HOLD_TIME: Duration = Duration::from_secs(2);

/// How long a call waits for a pad's thread.
pub const WRITE_TIME: Duration = Duration::from_secs(2);

/// How long the end of a thread is waited for. The operating system may hold it up in a call.
pub(crate) const END_TIME: Duration = Duration::from_millis(1500);

/// Pads that are found and driven at the same time.
pub const MAX_PADS: usize = 32;

/// How often a pad is asked how full it is until it says so. In between it may be told to rest.
pub const BATTERY_TRIES: u32 = 8;

/// Requests that wait for a pad's thread: as many writes as hardware has to take, and what else there is.
pub const MAX_REQUESTS: usize = 72;

/// Bytes of a name; what is longer is cut.
pub const MAX_NAME_BYTES: usize = 128;
