//! The numbered statements C1 to C98 of the wire (see docs/src/conformance.md), each a test of the whole server: over
//! WebSocket on the loopback interface, over a connection in memory with a paused clock, and as values in the same
//! process where the statement is not about JSON. Knows the server from outside only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken world fails the test")]

mod client;
mod frames;
mod link;
mod transport;
mod world;

mod framing;
mod handshake;
mod leaving;
mod mistakes;
mod ping;
mod scanning;
mod v0;
mod v1;
mod v2;
mod v3;
mod v4_inputs;
mod v4_list;
mod v4_outputs;
mod v4_stop;
