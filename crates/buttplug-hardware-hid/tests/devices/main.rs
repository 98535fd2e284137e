//! The bus of human interface devices, on a system that is played.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod played;
mod through_the_server;
