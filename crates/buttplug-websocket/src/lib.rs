//! WebSocket connections that end when they should: what the connector for clients and the device port share.
//!
//! A [`Listener`] accepts and upgrades without ever being held up by one peer; [`dial`] opens a connection; a
//! [`Socket`] carries messages, queues without waiting, and notices a peer that has gone silent or no longer reads.
//! [`bind_all`] opens ports for whoever speaks something else on them. Knows neither messages nor devices.
//!
//! ```
//! use buttplug_websocket::{Listener, ListenerLimits, SocketLimits, Received, dial};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], ListenerLimits::default()).await?;
//! let url = format!("ws://{}", listener.local_addresses()[0]);
//! let echo = listener.run(std::future::pending(), |mut socket, _peer| async move {
//!     let mut texts = Vec::new();
//!     while socket.receive(|message| texts.push(message)).await.is_ok() {
//!         for message in texts.drain(..) {
//!             if let Received::Text(text) = message {
//!                 let _ = socket.send_text(String::from_utf8_lossy(&text).into_owned());
//!             }
//!         }
//!     }
//! });
//! let client = async {
//!     let mut socket = dial(&url, SocketLimits::default()).await.unwrap();
//!     socket.send_text("hello".into()).unwrap();
//!     let mut answer = Vec::new();
//!     while answer.is_empty() {
//!         socket.receive(|message| answer.push(message)).await.unwrap();
//!     }
//!     assert_eq!(answer, [Received::Text("hello".into())]);
//! };
//! tokio::select! { () = echo => unreachable!(), () = client => {} }
//! # Ok::<_, buttplug_websocket::BindError>(())
//! # }).unwrap();
//! ```

mod bind;
mod dial;
mod error;
mod limits;
mod listener;
mod meter;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod unfinished;
mod upgrade;
mod watch;

pub use bind::{BindError, bind_all};
#[cfg(feature = "tls")]
pub use dial::is_encrypted;
pub use dial::{DialError, check_url, dial};
pub use error::SocketError;
pub use limits::{
    CLOSE_TIME, LOST_AFTER, ListenerLimits, MAX_ARRIVING, MAX_BATCH_BYTES, MAX_BATCH_FRAMES,
    MAX_QUEUED_BYTES, MAX_REQUEST_BYTES, MAX_UNFINISHED, MAX_UNFINISHED_PER_SOURCE, PING_AFTER,
    SETTLING_TIME, STALL_AFTER, SocketLimits, UPGRADE_TIME,
};
pub use listener::Listener;
pub use socket::{Received, Socket};
#[cfg(feature = "tls")]
pub use tls::{TlsStream, Trust, dial_tls};
pub use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
