//! The bus of serial ports, over pseudo-terminals.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod pty;
mod through_the_server;
