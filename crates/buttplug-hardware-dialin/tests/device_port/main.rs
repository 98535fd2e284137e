//! The device port against devices and bridges of all kinds, on real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod bridge;
mod bridges;
mod conformance;
mod rig;
mod through_the_server;
mod version0;
