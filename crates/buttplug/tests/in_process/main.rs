//! The client and the whole server in one process, with simulated devices and simulated time. Every test names the
//! statement that it checks.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod driving;
mod ending;
mod listing;
mod sensing;
mod world;
