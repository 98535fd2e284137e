//! Human interface devices on USB. Keyboards are such devices, too: only those are looked at whose pair of numbers
//! a rule of the catalogue names.
//!
//! A frame is one output report, and its first byte the number of the report: 0 where a device does not number
//! them. What a device says is passed on as `rx`, a report at a time. A device that nobody wants to hear is not
//! read, since there are some that a read disturbs; that one is gone is seen by looking for it, every second.
//!
//! Where things are: `find.rs` makes sightings of what the system lists, `system.rs` is the system, behind a trait
//! so that tests can play one, `bus.rs` is what the server sees. Threads, bounded writes and searching are
//! buttplug-hardware-blocking's. Knows no protocol.
//!
//! ```
//! use buttplug_hardware_hid::HidBus;
//!
//! let bus = HidBus::new([(0x1f54, 0x0001)]);
//! # drop(bus);
//! ```

mod bus;
mod error;
mod find;
mod system;

pub use bus::{HidBus, MAX_DEVICES, OPEN_TIME, SEARCH_PAUSE};
pub use error::HidError;
pub use find::HidEntry;
pub use system::HidSystem;
