//! Serial ports. A port says nothing of itself, so only ports that a rule names are looked at and opened: by name,
//! or by the ids of their USB adapter. All others are left alone, since opening a port can reset what is behind it.
//!
//! Where things are: `find.rs` tells which of the wanted ports are there, `port.rs` opens one and is its driver,
//! `bus.rs` is what the server sees. Threads, bounded writes and searching are buttplug-hardware-blocking's. Knows
//! no protocol.
//!
//! ```
//! use buttplug_hardware_serial::SerialBus;
//! use buttplug_protocols::definition::PortRule;
//!
//! let bus = SerialBus::new([PortRule::Named("/dev/ttyUSB0".into())]);
//! # drop(bus);
//! ```

mod bus;
mod error;
mod find;
mod port;

pub use bus::{MAX_PORTS, OPEN_TIME, SEARCH_PAUSE, SerialBus};
pub use error::PortError;
pub use find::{SystemPort, system_ports};
