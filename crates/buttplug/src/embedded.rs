//! The server in the same process: no other program, no port, no JSON on the way.
//!
//! The server lives as long as the program wants: [`Server::shut_down`] stops the devices and ends it in order. Dropping
//! its last handle ends it, too, but in the background, where nobody waits until the devices are at rest. What hardware
//! it finds is decided by the buses it is given.
//!
//! ```
//! use buttplug::{Client, Event, embedded::{self, Server}};
//! use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttplug::Error> {
//! # tokio::time::timeout(std::time::Duration::from_secs(30), example()).await.expect("a device within 30 s")
//! # }
//! # async fn example() -> Result<(), buttplug::Error> {
//! let toy = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:desk");
//! let server = Server::builder().bus(Arc::new(SimulatedBus::new([toy.clone()]))).start();
//!
//! let client = Client::new("Example");
//! let mut events = client.events();
//! client.connect(embedded::connector(&server)).await?;
//! client.start_scanning().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::DeviceAdded(device) = event {
//!         device.vibrate(0.5).await?;
//!         device.stop().await?;
//!         break;
//!     }
//! }
//! client.disconnect().await;
//! server.shut_down().await;
//! assert!(toy.is_at_rest());
//! # Ok(())
//! # }
//! ```

#[doc(inline)]
pub use buttplug_connector_inprocess::{InProcessConnector, MAX_WAITING_MESSAGES};
/// What hardware understands: the catalogue of protocols and models.
pub use buttplug_protocols as protocols;
#[doc(inline)]
pub use buttplug_server::*;

use std::sync::Arc;

/// The way of a client to a server in the same process.
pub fn connector(server: &Server) -> InProcessConnector {
    InProcessConnector::new(Arc::new(server.clone()))
}
