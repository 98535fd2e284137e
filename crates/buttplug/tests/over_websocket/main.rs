//! The client over a real WebSocket, against a server that follows a script: what reaches the wire, what foreign servers
//! do, and which server a program chooses. Every test names the statement that it checks.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod choosing;
mod commands;
mod connecting;
mod ending;
#[path = "../../../buttplug-client/tests/session/frames.rs"]
mod frames;
mod lists;
mod replies;
mod rig;
mod secure;
#[path = "../../../buttplug-client/tests/session/words.rs"]
mod words;
