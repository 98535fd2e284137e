//! The server's half: listens for clients and hands their connections to a server.

use crate::places::{Full, Places};
use crate::server::{WebSocketServerConnection, frame};
use buttplug_core::connector::{AcceptConnection, ClientFrame};
use buttplug_core::limits::MAX_FRAME_BYTES;
#[cfg(feature = "tls-server")]
use buttplug_websocket::Identity;
use buttplug_websocket::{
    BindError, CloseCode, Gate, Listener, ListenerLimits, Socket, SocketError, SocketLimits,
};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Clients connected at the same time. A person has a handful of programs; a server that serves one client at a time
/// refuses the others itself.
pub const MAX_CONNECTIONS: usize = 64;

/// As [`MAX_CONNECTIONS`], from one address (a /64 of IPv6), so that no one can keep out all others.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 32;

/// How long a client may take for its first message. Until then its connection is unfinished and bounded as such, the
/// oldest making room for a newer one; then it takes one of the [`MAX_CONNECTIONS`].
pub const FIRST_MESSAGE_TIME: Duration = Duration::from_secs(10);

/// Bounds of a [`WebSocketListener`].
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// See [`MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// See [`MAX_CONNECTIONS_PER_ADDRESS`].
    pub max_connections_per_address: usize,
    /// See [`FIRST_MESSAGE_TIME`].
    pub first_message_time: Duration,
    /// Bounds of the port and of the sockets.
    pub listener: ListenerLimits,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        let socket = SocketLimits { max_message: MAX_FRAME_BYTES, ..SocketLimits::default() };
        let listener = ListenerLimits { socket, ..ListenerLimits::default() };
        Self {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            first_message_time: FIRST_MESSAGE_TIME,
            listener,
        }
    }
}

/// Listens for clients. The ports are open from [`bind`](Self::bind) on; clients are served in [`run`](Self::run).
#[derive(Debug)]
pub struct WebSocketListener {
    listener: Listener,
    places: Arc<Places>,
    first_message_time: Duration,
}

impl WebSocketListener {
    /// Opens the ports. Port 0 takes any free port, the same one for all addresses with port 0. IPv6 loopback and IPv6
    /// on all interfaces are left out, if something else remains, on machines without IPv6.
    ///
    /// # Errors
    /// One of the ports can't be opened; then none is. The error names it and what to do.
    pub async fn bind(addresses: &[SocketAddr], limits: WebSocketLimits) -> Result<Self, BindError> {
        let listener = Listener::bind(addresses, limits.listener).await?;
        let places = Places::new(limits.max_connections, limits.max_connections_per_address);
        Ok(Self { listener, places, first_message_time: limits.first_message_time })
    }

    /// The same with another gate. Without one, programs and pages of this machine are let in, see
    /// [`Rules`](crate::Rules).
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.listener = self.listener.with_gate(gate);
        self
    }

    /// The same with encryption: other machines have to use it, programs of this one may.
    #[cfg(feature = "tls-server")]
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.listener = self.listener.with_identity(identity);
        self
    }

    /// Where it listens, with the ports chosen for port 0.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listener.local_addresses()
    }

    /// Hands connections to `server` until `stop`, each with its first message. Returns when the ports are closed and its
    /// own tasks, which upgrade connections, wait for their first message and refuse them, have ended. Sessions are the
    /// server's and go on.
    pub async fn run(self, server: Arc<dyn AcceptConnection>, stop: impl Future<Output = ()>) {
        let Self { listener, places, first_message_time } = self;
        let serve = move |socket, peer| {
            let newcomer = Newcomer { socket, peer, places: Arc::clone(&places) };
            newcomer.serve(Arc::clone(&server), first_message_time)
        };
        listener.run(stop, serve).await;
    }
}

/// A connection that is unfinished until its client has said something.
struct Newcomer {
    socket: Socket,
    peer: SocketAddr,
    places: Arc<Places>,
}

impl Newcomer {
    async fn serve(mut self, server: Arc<dyn AcceptConnection>, first_message_time: Duration) {
        let peer = self.peer;
        // Whoever only connects, and waits, is told at once.
        if let Err(full) = self.places.look(peer.ip()) {
            return self.refuse(full).await;
        }
        let first = match timeout(first_message_time, first_messages(&mut self.socket)).await {
            Ok(Ok(first)) => first,
            Ok(Err(error)) => {
                tracing::info!(%peer, reason = %error, "a client left before its first message");
                // It has time to read which rule it broke.
                return self.socket.close(CloseCode::Policy, "").await;
            }
            Err(_) => {
                let seconds = first_message_time.as_secs_f32();
                tracing::info!(%peer, "a client said nothing for {seconds} s and is let go");
                return self.socket.close(CloseCode::Normal, "").await;
            }
        };
        let place = match self.places.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => return self.refuse(full).await,
        };
        let (connection, mut refused) =
            WebSocketServerConnection::new(self.socket, peer.to_string(), Some(place), first);
        if let Err(reason) = server.accept(Box::new(connection)) {
            tracing::debug!(%peer, %reason, "refusing a connection");
            if let Ok(mut socket) = refused.try_recv() {
                socket.close(CloseCode::Again, &reason).await;
            }
        }
    }

    async fn refuse(mut self, full: Full) {
        tracing::warn!(peer = %self.peer, "refusing a connection: {full}");
        self.socket.close(CloseCode::Again, &full.to_string()).await;
    }
}

/// The first message, and what has come together with it.
async fn first_messages(socket: &mut Socket) -> Result<Vec<ClientFrame>, SocketError> {
    let mut first = Vec::new();
    while first.is_empty() {
        socket.receive(|message| first.extend(frame(message))).await?;
    }
    Ok(first)
}
