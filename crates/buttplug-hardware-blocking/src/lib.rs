//! Hardware whose drivers block, made into hardware that never does: what the serial and the HID bus have in common.
//!
//! Where things are: `driver.rs` is what a bus brings, `link.rs` is the hardware that the server gets, `threads.rs` are
//! the two threads behind it, `search.rs` looks again and again for what is there. Knows no bus, no protocol and no
//! session.

mod driver;
mod link;
mod refusals;
mod search;
mod threads;

pub use driver::{DriverError, Halves, ReadWhen, Sink, Source};
pub use link::{CLOSE_TIME, Link, LinkHandle, MAX_UNREAD_CHUNKS, MAX_WAITING_WRITES, READ_TIME, WRITE_TIME};
pub use search::{Finder, Search};
pub use threads::{MAX_CARRY_TIME, MAX_CHUNK_BYTES, POLL_TIME};
