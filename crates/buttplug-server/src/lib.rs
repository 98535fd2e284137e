//! The Buttplug server: who may do what, and when bytes go to devices.
//!
//! A server is given connections by connectors and hardware by buses. Each client is a session, a pure state machine
//! in a task of its own; each device has a task that owns its hardware. Between the two stands the device's wanted
//! state, one slot per output: a newer value replaces an older one in place, so nothing can back up, and a stop
//! overtakes everything.
//!
//! Knows no WebSocket and no concrete bus. The two traits that a bus implements are in [`hardware`].

mod check;
pub mod configuration;
mod device;
pub mod hardware;
mod limits;
mod places;
mod present;
mod registry;
mod run;
mod server;
mod session;
pub mod sightings;
mod statistics;
mod version;

pub use limits::{ClientLimits, MAX_PENDING_READS, MAX_SUBSCRIPTIONS};
pub use present::{Present, PresentDevice};
pub use registry::{MAX_DEVICES, RUNNING_BEFORE_SEARCH};
pub use server::{DEFAULT_MAX_CLIENTS, Server, ServerBuilder};
pub use statistics::{Statistics, WRITE_TIME_STEPS, WriteTimes};
