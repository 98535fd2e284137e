//! A server behind a port of this machine, as `buttplug serve` would be. For examples and tests that need the way over
//! a socket, or a server that they can end.

use buttplug::embedded::Server;
use buttplug::websocket::{BindError, WebSocketLimits, WebSocketListener};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server, the port that leads to it, and the task that listens there.
pub struct Host {
    /// The server.
    pub server: Server,
    /// Where clients connect.
    pub url: String,
    stop: oneshot::Sender<()>,
    listening: JoinHandle<()>,
}

impl Host {
    /// Opens a port of loopback that leads to `server`; port 0 takes a free one.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn start(server: Server, port: u16) -> Result<Self, BindError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = WebSocketListener::bind(&[address], WebSocketLimits::default()).await?;
        let url = listener.local_addresses().iter().map(|address| format!("ws://{address}")).collect();
        let (stop, stopped) = oneshot::channel();
        let listening = tokio::spawn(listener.run(Arc::new(server.clone()), async {
            // Also when the sender is dropped.
            let _ = stopped.await;
        }));
        Ok(Self { server, url, stop, listening })
    }

    /// Closes the port, then ends the server, which stops its devices.
    pub async fn end(self) {
        drop(self.stop);
        // The only failure is a panic of the listener, and then the port is closed as well.
        let _ = self.listening.await;
        self.server.shut_down().await;
    }
}
