//! Passes messages between clients on this machine and a server elsewhere, for web pages that may reach only their own
//! machine. Has no devices and reads no message.
//!
//! A connection to the server lives exactly as long as the client's: the end of one side is the end of the other, at once,
//! so that the server stops the devices of a client that is gone.

mod relay;
mod settings;

pub(crate) use settings::{RepeaterSettings, is_one, notices};

use crate::wiring::StartError;
use buttplug_websocket::{CloseCode, Gate, Listener, Rules, Socket, SocketLimits};
use settings::{Remote, server_limits};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A repeater at work.
pub(crate) struct Repeater {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Repeater {
    /// Opens the port, for those who know the token; if there is none, for those whom `gate` lets in. Whether the server can
    /// be reached is found out for each client.
    ///
    /// # Errors
    /// The port can't be opened.
    pub(crate) async fn start(settings: RepeaterSettings, gate: Arc<dyn Gate>) -> Result<Self, StartError> {
        for notice in &settings.notices {
            tracing::warn!("{notice}");
        }
        let gate = match settings.token {
            Some(token) => Arc::new(Rules { origins: Vec::new(), token: Some(token) }),
            None => gate,
        };
        let listener = Listener::bind(&settings.clients.addresses(), settings.limits).await;
        let listener =
            listener.map_err(|error| StartError::Port { error, flag: "repeater-port" })?.with_gate(gate);
        for address in listener.local_addresses() {
            tracing::info!(%address, "listening for clients");
        }
        tracing::info!(server = settings.remote.shown(), "repeating a server; there are no devices here");
        let (stop, stopped) = oneshot::channel();
        // Ends when told to, and is awaited in `shut_down`.
        let server = Server { limits: server_limits(&settings.limits.socket), remote: settings.remote };
        let task = tokio::spawn(run(listener, server, settings.max_clients, async { drop(stopped.await) }));
        Ok(Self { stop, task })
    }

    /// Closes all connections in order, and waits for it.
    pub(crate) async fn shut_down(self) {
        // One that has ended by itself need not be told.
        let _ = self.stop.send(());
        if let Err(failed) = self.task.await {
            tracing::error!(%failed, "the repeater ended badly");
        }
    }
}

/// A client that has arrived.
struct Arrival {
    socket: Socket,
    peer: SocketAddr,
    /// Its place among all.
    place: OwnedSemaphorePermit,
}

/// The server that is repeated.
struct Server {
    remote: Remote,
    limits: SocketLimits,
}

async fn run(listener: Listener, server: Server, max_clients: usize, stop: impl Future<Output = ()>) {
    let (arrive, mut arrivals) = mpsc::channel(1);
    let places = Arc::new(Semaphore::new(max_clients));
    let admit = move |mut socket: Socket, peer: SocketAddr| {
        let (places, arrive) = (Arc::clone(&places), arrive.clone());
        async move {
            match places.try_acquire_owned() {
                Ok(place) => drop(arrive.send(Arrival { socket, peer, place }).await),
                Err(_) => {
                    tracing::warn!(%peer, max = max_clients, "refusing a client: as many as may be are connected");
                    let reason =
                        format!("{max_clients} clients are connected, no more may be (--max-clients)");
                    socket.close(CloseCode::Again, &reason).await;
                }
            }
        }
    };
    let relaying = async {
        let server = Arc::new(server);
        let (end, ending) = watch::channel(());
        let mut relays = JoinSet::new();
        loop {
            tokio::select! {
                Some(ended) = relays.join_next(), if !relays.is_empty() => report(ended),
                arrival = arrivals.recv() => {
                    // The listener is gone: it has been told to stop.
                    let Some(Arrival { socket, peer, place }) = arrival else { break };
                    let (server, mut ending) = (Arc::clone(&server), ending.clone());
                    relays.spawn(async move {
                        // Nothing is ever sent there, so that a change is the end.
                        relay::run(socket, peer, &server, async { drop(ending.changed().await) }).await;
                        drop(place);
                    });
                }
            }
        }
        drop(end);
        while let Some(ended) = relays.join_next().await {
            report(ended);
        }
    };
    tokio::join!(listener.run(stop, admit), relaying);
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = ended {
        tracing::error!(%failed, "a repeated connection ended badly");
    }
}
