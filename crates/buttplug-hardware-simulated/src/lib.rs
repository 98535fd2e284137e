//! Devices that live in the process: a bus like any other, whose hardware remembers what it was told.
//!
//! A [`SimulatedDevice`] is a handle that stays with whoever made it. The server finds, opens and drives the device
//! through a [`SimulatedBus`]; the handle shows what really arrived, and plays the owner who presses, unplugs or
//! walks out of range. There are two sorts:
//!
//! * an [`Archetype`] speaks the catalogue's protocol `simulated`, whose frames are words: `0 Vibrate 14`;
//! * any other hardware ([`SimulatedDevice::bluetooth`], [`SimulatedDevice::playing`]) is recognised by what it says
//!   of itself, as the real thing is, and gets the real protocol's bytes.
//!
//! Knows no sessions and, apart from the words of `simulated`, no protocol.
//!
//! ```
//! use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
//!
//! let vibrator = SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:desk");
//! let bus = SimulatedBus::new([vibrator.clone()]);
//! // … a server drives it through the bus …
//! assert!(vibrator.is_at_rest());
//! # drop(bus);
//! ```

mod archetype;
mod bus;
mod device;
mod link;
mod told;

pub use archetype::Archetype;
pub use bus::SimulatedBus;
pub use device::{MAX_LOGGED_WRITES, SimulatedDevice, Write};
pub use link::MAX_WRITE_TIME;
pub use told::Told;
