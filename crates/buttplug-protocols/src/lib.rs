//! What haptic hardware understands.
//!
//! The catalogue knows which hardware speaks which protocol; most protocols are pages of data (`devices/`), read by an
//! interpreter, and the few that need code stand behind the same trait. Everything here is pure: no runtime, no
//! sockets, no sessions, no clock.

pub mod catalogue;
pub mod frame;
pub mod model;
pub mod protocol;
pub mod sighting;
