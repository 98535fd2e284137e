//! Finds haptic devices through a Buttplug server and drives them.
//!
//! A [`Client`] connects through a connector, keeps the table of [`Device`]s and tells what happens as [`Event`]s. A
//! device has [`Feature`]s; a feature has outputs, which move, and inputs, which tell. Messages, ids and pings are not
//! an application's business, and so is nothing of the server's: this crate knows the protocol and no device.
//!
//! ```
//! use buttplug_client::{Client, Error, Event, core::connector::ClientConnector};
//!
//! async fn buzz(connector: impl ClientConnector) -> Result<(), Error> {
//!     let client = Client::new("Example");
//!     let mut events = client.events();
//!     client.connect(connector).await?;
//!     client.start_scanning().await?;
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::DeviceAdded(device) => {
//!                 println!("{} is here", device.label());
//!                 device.vibrate(0.5).await?;
//!             }
//!             Event::Disconnected(reason) => {
//!                 println!("{reason}");
//!                 break;
//!             }
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`Batch`] sets several outputs at once, and [`Reconnect`] keeps a client connected.
//!
//! # What holds everywhere
//!
//! - Handles are cheap to clone and may be used from any task. Only [`Client`] handles keep the connection open.
//! - A call that talks to the server ends when the reply is there, after [`ClientBuilder::request_timeout`] at the
//!   latest, and at once when the connection ends. Its future may be dropped at any time.
//! - Calls go out in the order in which they are first polled.
//! - `Ok` on an output means that the server has taken the value, not that the device has finished moving.
//! - When the connection ends, the server stops every device of this client.
//!
//! Calls need a tokio runtime around them that has its timers enabled. In a web page (`wasm32-unknown-unknown`) they need
//! none: tasks and timers are the page's, and the connector is one of your own around its `WebSocket`.

#![deny(missing_docs)]

mod batch;
mod client;
mod device;
mod error;
mod event;
mod feature;
mod handshake;
mod link;
mod mailbox;
mod output;
mod reconnect;
mod runtime;
mod session;
mod slot;
mod subscription;
mod table;
mod task;

/// Kinds, ranges, indexes, error classes and connector traits, as this crate uses them.
pub use buttplug_core as core;

pub use batch::Batch;
pub use client::{Client, ClientBuilder, DEFAULT_CONNECT_TIMEOUT, DEFAULT_REQUEST_TIMEOUT};
pub use device::{Device, StopWhat};
pub use error::{Error, HandshakeFailure, InvalidCommand, ServerReport, Target};
pub use event::{DisconnectReason, Event, Events, MAX_WAITING_EVENTS, MAX_WAITING_READINGS};
pub use feature::Feature;
pub use link::{MAX_REQUESTS_IN_FLIGHT, MAX_STOPS_IN_FLIGHT};
pub use output::{Output, Value};
pub use reconnect::{DEFAULT_FIRST_PAUSE, DEFAULT_LONGEST_PAUSE, Reconnect, ReconnectEnd, SHORTEST_PAUSE};
pub use subscription::Readings;
pub use task::{CLOSE_WAIT, STOP_WAIT};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// No lock here is held over a call that could panic half-way through a change, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
