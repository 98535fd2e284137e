//! The REST API: devices over plain HTTP, for programs that speak no WebSocket. One session of the server like any other
//! client's, behind a port of this machine; knows no bus and no other client.
//!
//! A request goes one way: [`admit`] says whether it may, [`route`] what it asks for, [`api`] does it.

mod admit;
mod answer;
mod api;
mod crowd;
mod events;
mod lease;
mod metrics;
mod openapi;
mod output;
mod patient;
mod port;
mod problem;
mod route;
mod wire;

pub(crate) use port::{FEWEST_CONNECTIONS, MAX_CONNECTIONS, MOST_CONNECTIONS, RestLimits, RestPort};
