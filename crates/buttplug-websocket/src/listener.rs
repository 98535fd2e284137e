//! The accept loop: always open, one task per connection until its owner has it, nobody holds up anybody.

use crate::bind::{BindError, bind_all};
use crate::gate::{Gate, Rules};
#[cfg(feature = "tls-server")]
use crate::identity::{Identity, wants_encryption};
use crate::limits::ListenerLimits;
use crate::socket::Socket;
use crate::stream::ServerStream;
use crate::unfinished::Unfinished;
use crate::upgrade::{Upgrade, UpgradeError};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// How long accepting pauses when the system refuses, typically for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Open ports on which WebSocket connections are accepted.
#[derive(Debug)]
pub struct Listener {
    listeners: Vec<TcpListener>,
    door: Arc<Door>,
}

/// What every connection has to pass.
#[derive(Clone, Debug)]
struct Door {
    limits: ListenerLimits,
    gate: Arc<dyn Gate>,
    #[cfg(feature = "tls-server")]
    identity: Option<Identity>,
}

impl Listener {
    /// Opens the ports. From now on connections queue up in the operating system. Port 0 takes any free port, the same
    /// one for all addresses with port 0. IPv6 loopback and IPv6 on all interfaces are left out, if something else
    /// remains, on machines without IPv6.
    ///
    /// # Errors
    /// One of the ports can't be opened; then none is.
    pub async fn bind(addresses: &[SocketAddr], limits: ListenerLimits) -> Result<Self, BindError> {
        let door = Door {
            limits,
            gate: Arc::new(Rules::default()),
            #[cfg(feature = "tls-server")]
            identity: None,
        };
        Ok(Self { listeners: bind_all(addresses)?, door: Arc::new(door) })
    }

    /// The same with another gate. Without one, programs and pages of this machine are let in, see [`Rules`].
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        Arc::make_mut(&mut self.door).gate = gate;
        self
    }

    /// The same with encryption: other machines have to use it, programs of this one may.
    #[cfg(feature = "tls-server")]
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        Arc::make_mut(&mut self.door).identity = Some(identity);
        self
    }

    /// Where it listens, with the ports chosen for port 0.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Accepts until `stop`. `serve` is run in the connection's own task; until it returns the connection counts as
    /// unfinished and may be dropped for a newer one, so it hands a connection that is worth it to another task.
    /// Returns when the ports are closed and all tasks have ended.
    pub async fn run<F, Fut>(self, stop: impl Future<Output = ()>, serve: F)
    where
        F: Fn(Socket, SocketAddr) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self { listeners, door } = self;
        let limits = door.limits;
        let mut stop = pin!(stop);
        // Owned here; what has not finished at the end is dropped and awaited.
        let mut tasks: JoinSet<()> = JoinSet::new();
        let mut unfinished = Unfinished::new();
        let mut turn = 0;
        let mut resume: Option<Instant> = None;
        let mut complained = false;
        loop {
            let full = unfinished.is_full(&limits);
            let oldest_settles = unfinished.oldest_settles(&limits).unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => {
                            if error.is_panic() {
                                tracing::error!("a connection's task panicked");
                            }
                            error.id()
                        }
                    };
                    unfinished.remove(&id);
                }
                () = sleep_until(oldest_settles), if full => drop_one(unfinished.take_oldest()),
                () = sleep_until(resume.unwrap_or_else(Instant::now)), if resume.is_some() => resume = None,
                accepted = accept(&listeners, &mut turn), if !full && resume.is_none() => match accepted {
                    Ok((stream, peer)) => {
                        complained = false;
                        let now = Instant::now();
                        drop_one(unfinished.crowded_out(now, peer.ip(), &limits));
                        let handle = tasks.spawn(finish(stream, peer, Arc::clone(&door), serve.clone()));
                        unfinished.add(now, handle.id(), peer.ip(), (handle, peer));
                    }
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(error) => {
                        if !complained {
                            tracing::warn!(%error, "can't accept connections, trying again until it works");
                            complained = true;
                        }
                        // Strangers who have sent nothing hold no descriptors that others need.
                        let now = Instant::now();
                        while let Some(handle) = unfinished.take_settled(now, &limits) {
                            drop_one(Some(handle));
                        }
                        resume = Some(now + PAUSE);
                    }
                },
            }
        }
        drop(listeners);
        tasks.shutdown().await;
    }
}

fn drop_one(oldest: Option<(AbortHandle, SocketAddr)>) {
    if let Some((handle, peer)) = oldest {
        tracing::info!(%peer, "dropping the oldest unfinished connection for a newer one");
        handle.abort();
    }
}

async fn finish<F, Fut>(stream: TcpStream, peer: SocketAddr, door: Arc<Door>, serve: F)
where
    F: Fn(Socket, SocketAddr) -> Fut,
    Fut: Future<Output = ()>,
{
    // Fails only on a connection that is gone.
    let _ = stream.set_nodelay(true);
    // Boxed: it is over when the socket's life begins, and would make its task larger.
    match Box::pin(door.pass(stream, peer)).await {
        Ok(socket) => serve(socket, peer).await,
        // Not as an error: programs that start this one show people lines with that word.
        Err(reason) if reason.is_noteworthy() => tracing::info!(%peer, %reason, "refusing a connection"),
        Err(reason) => tracing::debug!(%peer, %reason, "no upgrade"),
    }
}

impl Door {
    async fn pass(&self, stream: TcpStream, peer: SocketAddr) -> Result<Socket, UpgradeError> {
        let upgrade = Upgrade { peer, gate: &*self.gate, limits: &self.limits, must_encrypt: false };
        #[cfg(feature = "tls-server")]
        if let Some(identity) = &self.identity {
            return encrypted(stream, identity, upgrade).await;
        }
        upgrade.run(ServerStream::Plain(stream)).await
    }
}

#[cfg(feature = "tls-server")]
async fn encrypted(
    stream: TcpStream,
    identity: &Identity,
    upgrade: Upgrade<'_>,
) -> Result<Socket, UpgradeError> {
    let limit = upgrade.limits.upgrade_time;
    let encrypt = async {
        if wants_encryption(&stream).await? {
            identity.accept(stream).await
        } else {
            Ok(ServerStream::Plain(stream))
        }
    };
    let stream = tokio::time::timeout(limit, encrypt).await.map_err(|_| UpgradeError::TooSlow(limit))??;
    // What stays on this machine nobody can listen to.
    let open = matches!(stream, ServerStream::Plain(_)) && !upgrade.peer.ip().to_canonical().is_loopback();
    Upgrade { must_encrypt: open, ..upgrade }.run(stream).await
}

/// Accepts on all listeners, each in its turn.
async fn accept(listeners: &[TcpListener], turn: &mut usize) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        let (after, before) = listeners.split_at(*turn % listeners.len().max(1));
        for listener in before.iter().chain(after) {
            *turn = turn.wrapping_add(1);
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
