//! What haptic hardware understands.
//!
//! The catalogue knows which hardware speaks which protocol; most protocols are pages of data (`devices/`), read by an
//! interpreter, and the few that need code stand behind the same trait. Everything here is pure: no runtime, no
//! sockets, no sessions, no clock.
//!
//! A bus shows the [`catalogue`] a [`sighting`] and gets candidates; the one that fits makes a [`protocol`], which turns
//! what the device shall do into [`frame`]s. How definitions are written is in [`definition`] and [`notation`]; that
//! they do what their examples say is proved by [`rehearsal`]. What there is can be looked through with [`listing`].

pub mod catalogue;
pub mod definition;
pub mod frame;
mod identification;
mod interpreter;
pub mod listing;
pub mod matching;
pub mod model;
pub mod notation;
pub mod protocol;
pub mod rehearsal;
pub mod sighting;
mod special;
