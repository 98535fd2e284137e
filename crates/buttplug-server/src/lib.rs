//! Server.

pub mod hardware;
