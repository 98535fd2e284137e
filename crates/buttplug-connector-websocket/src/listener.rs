//! The server's half: listens for clients and hands their connections to a server.

use crate::server::WebSocketServerConnection;
use buttplug_core::connector::AcceptConnection;
use buttplug_core::limits::MAX_FRAME_BYTES;
use buttplug_websocket::{BindError, CloseCode, Listener, ListenerLimits, Socket, SocketLimits};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Clients connected at the same time. A person has a handful of programs; a server that serves one client at a time
/// refuses the others itself.
pub const MAX_CONNECTIONS: usize = 64;

/// Bounds of a [`WebSocketListener`].
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// See [`MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// Bounds of the port and of the sockets.
    pub listener: ListenerLimits,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        let socket = SocketLimits { max_message: MAX_FRAME_BYTES, ..SocketLimits::default() };
        let listener = ListenerLimits { socket, ..ListenerLimits::default() };
        Self { max_connections: MAX_CONNECTIONS, listener }
    }
}

/// Listens for clients. The ports are open from [`bind`](Self::bind) on; clients are served in [`run`](Self::run).
#[derive(Debug)]
pub struct WebSocketListener {
    listener: Listener,
    max_connections: usize,
}

impl WebSocketListener {
    /// Opens the ports. Port 0 takes any free port, the same one for all addresses with port 0. IPv6 loopback and IPv6
    /// on all interfaces are left out, if something else remains, on machines without IPv6.
    ///
    /// # Errors
    /// One of the ports can't be opened; then none is. The error names it and what to do.
    pub async fn bind(addresses: &[SocketAddr], limits: WebSocketLimits) -> Result<Self, BindError> {
        let listener = Listener::bind(addresses, limits.listener).await?;
        Ok(Self { listener, max_connections: limits.max_connections })
    }

    /// Where it listens, with the ports chosen for port 0.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listener.local_addresses()
    }

    /// Hands connections to `server` until `stop`. Returns when the ports are closed and its own tasks, which upgrade
    /// connections and refuse them, have ended. Sessions are the server's and go on.
    pub async fn run(self, server: Arc<dyn AcceptConnection>, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let max = self.max_connections;
        self.listener
            .run(stop, move |socket, peer| serve(socket, peer, Arc::clone(&server), Arc::clone(&places), max))
            .await;
    }
}

async fn serve(
    mut socket: Socket,
    peer: SocketAddr,
    server: Arc<dyn AcceptConnection>,
    places: Arc<Semaphore>,
    max: usize,
) {
    let Ok(place) = places.try_acquire_owned() else {
        tracing::warn!(%peer, max, "refusing a connection: as many as may be are open");
        return socket.close(CloseCode::Again, &format!("{max} connections are open, no more may be")).await;
    };
    let (connection, mut refused) = WebSocketServerConnection::new(socket, peer.to_string(), Some(place));
    if let Err(reason) = server.accept(Box::new(connection)) {
        tracing::debug!(%peer, %reason, "refusing a connection");
        if let Ok(mut socket) = refused.try_recv() {
            socket.close(CloseCode::Again, &reason).await;
        }
    }
}
