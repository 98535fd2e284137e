//! Buttplug for applications: find haptic devices and drive them, from one crate whose features pick the parts. What
//! stands here comes from the crates behind it; its own are the choice of a server and the calls that wait.
//!
//! | feature | what | default |
//! |---|---|---|
//! | `client` | [`Client`], [`Device`], [`Feature`], [`Event`]: everything an application calls | yes |
//! | `websocket` | [`websocket`]: reach a server that runs already, or offer one | yes |
//! | `tls` | servers at `wss` URLs, as behind a reverse proxy | no |
//! | `embedded` | `buttplug::embedded`: the server in the same process | no |
//! | `bluetooth` | `buttplug::bluetooth`: devices on Bluetooth Low Energy, for that server | no |
//! | `blocking` | `buttplug::blocking`: calls that wait, for scripts without async | no |
//!
//! [`choice`] connects a client to a server that runs already, to an embedded one, or to the first and else the second.
//!
//! With a server that runs already, on this machine or another:
//!
//! ```no_run
//! use buttplug::{Client, Event, websocket::WebSocketClientConnector};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttplug::Error> {
//! let client = Client::new("Example");
//! let mut events = client.events();
//! client.connect(WebSocketClientConnector::new("ws://127.0.0.1:12345")).await?;
//! client.start_scanning().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::DeviceAdded(device) = event {
//!         device.vibrate(0.5).await?;
//!         break;
//!     }
//! }
//! client.disconnect().await;
//! # Ok(())
//! # }
//! ```
//!
//! Without one, see `buttplug::embedded`; with whichever there is, see [`choice`].

#![deny(missing_docs)]

pub use buttplug_core as core;

#[cfg(feature = "client")]
#[doc(inline)]
pub use buttplug_client::*;

/// Clients and servers over the network.
#[cfg(feature = "websocket")]
pub mod websocket {
    #[doc(inline)]
    pub use buttplug_connector_websocket::*;
}

#[cfg(feature = "embedded")]
pub mod embedded;

/// The bus of Bluetooth devices, for the embedded server.
#[cfg(feature = "bluetooth")]
pub mod bluetooth {
    #[doc(inline)]
    pub use buttplug_hardware_bluetooth::*;
}

#[cfg(all(feature = "client", any(feature = "websocket", feature = "embedded")))]
pub mod choice;

#[cfg(feature = "blocking")]
pub mod blocking;

/// The README's example, compiled.
#[cfg(all(doctest, feature = "websocket"))]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
