//! The client against a server that follows a script: every test plays both ends of a connection and names the
//! statement of the client's requirements that it checks.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod batches;
mod connecting;
mod ending;
mod frames;
mod inputs;
mod logging;
mod outputs;
mod reconnecting;
mod replies;
mod rig;
mod table;
mod words;
