//! Game controllers that rumble.
//!
//! The operating system is asked in its own way: through the kernel's input devices on Linux, XInput on Windows, and on
//! Windows and macOS by writing to the pads themselves where the makers' reports are known. `system/` has these; `motors.rs`
//! and `hold.rs` decide, without I/O and without a clock, what a frame means and how a rumble is kept going; `finder.rs` and
//! `driver.rs` are the threads that look for pads and that own one, `bus.rs` and `hardware.rs` what the server sees.
//!
//! A pad has a thread of its own, so that one that hangs in the operating system holds up no other.

mod bus;
mod driver;
mod finder;
mod hardware;
mod hold;
mod limits;
mod motors;
mod pad;
mod system;

#[cfg(test)]
mod tests;

pub use bus::GamepadBus;
pub use limits::{
    BATTERY_TRIES, CHECK_TIME, FIND_TIME, HOLD_TIME, MAX_NAME_BYTES, MAX_PADS, MAX_REQUESTS, MESSAGE_GAP,
    REPEAT_TIME, WRITE_TIME,
};
pub use motors::{Motors, Rumble};
pub use pad::{Pad, PadError, PadInfo, Pads};
