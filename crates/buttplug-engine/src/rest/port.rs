//! The port: accepts, serves each connection in a task of its own, and lets nobody hold up another. What is asked is
//! not known here.

use super::answer::{self, Held};
use super::api::Api;
use super::crowd::{Crowd, Requests, Room};
use super::events::MAX_EVENT_STREAMS;
use super::lease::Leased;
use super::patient::Patient;
use super::problem::Problem;
use crate::gatekeeper::Gatekeeper;
use buttplug_client::{MAX_STOPS_IN_FLIGHT, Reconnect, ReconnectEnd};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_server::Server;
use buttplug_websocket::{BindError, bind_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Connections that may be open. For one more, the oldest that asks for nothing is closed.
pub(crate) const MAX_CONNECTIONS: usize = 48;

/// The fewest that may be wanted: streams of events leave room for others.
pub(crate) const FEWEST_CONNECTIONS: usize = MAX_EVENT_STREAMS + 1;

/// The most that may be wanted: fewer than the stops that the client library has places for, so that each may carry one.
pub(crate) const MOST_CONNECTIONS: usize = MAX_STOPS_IN_FLIGHT - 1;
const _: () = assert!(FEWEST_CONNECTIONS <= MAX_CONNECTIONS && MAX_CONNECTIONS <= MOST_CONNECTIONS);

/// Bytes of a request's head. A browser sends a few hundred, plus all cookies of the host, whatever the port.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long a head may take, and how long a connection may be silent between two requests.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Bytes of a body. The longest that means something has fifty.
pub(crate) const MAX_BODY_BYTES: usize = 4096;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// How long a write may make no progress.
const STALL_TIME: Duration = Duration::from_secs(5);

/// How long the connections have at the end to take what is on its way to them.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// How long accepting pauses when the system refuses, typically for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause before the session is begun again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Bounds of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestLimits {
    /// See [`MAX_CONNECTIONS`].
    pub(crate) max_connections: usize,
    /// See [`HEAD_TIME`].
    pub(crate) head_time: Duration,
    /// See [`BODY_TIME`].
    pub(crate) body_time: Duration,
}

impl Default for RestLimits {
    fn default() -> Self {
        Self { max_connections: MAX_CONNECTIONS, head_time: HEAD_TIME, body_time: BODY_TIME }
    }
}

/// The open port of the API.
pub(crate) struct RestPort {
    listeners: Vec<TcpListener>,
    limits: RestLimits,
}

/// All that can wake the port.
enum Wake {
    Stop,
    Over(Vec<Leased>),
    Ended(Id),
    Resume,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Unconnected(ReconnectEnd),
}

/// A connection as the port knows it.
struct Seat {
    task: AbortHandle,
    /// Its stream once more, to look at.
    beside: io::Result<std::net::TcpStream>,
}

impl Seat {
    /// Whether its peer has said something that its task has not read. Its end is nothing that anybody says.
    fn has_unread(&self) -> bool {
        // A stream that can't be looked at is taken for one that is silent.
        self.beside.as_ref().is_ok_and(|stream| stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0))
    }
}

/// The same stream once more. It does not wait either.
fn beside(stream: &TcpStream) -> io::Result<std::net::TcpStream> {
    #[cfg(unix)]
    let stream = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    #[cfg(windows)]
    let stream = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned()?;
    Ok(stream.into())
}

impl RestPort {
    /// Opens the port. From now on connections queue up in the operating system.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn bind(addresses: &[SocketAddr], limits: RestLimits) -> Result<Self, BindError> {
        Ok(Self { listeners: bind_all(addresses)?, limits })
    }

    /// Where it listens.
    pub(crate) fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves whom the gate lets in, until `stop`. Returns when the port is closed, what was set in motion here is stopped, and every task has
    /// ended. Dropping it stops what was set in motion, too.
    pub(crate) async fn run(self, server: Server, gate: Gatekeeper, stop: impl Future<Output = ()>) {
        let Self { listeners, limits } = self;
        let mut stop = pin!(stop);
        let api = Arc::new(Api::new(server.clone(), gate, limits.body_time));
        let mut connector = InProcessConnector::new(Arc::new(server));
        if let Err(error) = api.client().connect_through(&mut connector).await {
            tracing::warn!(%error, "the REST API is not connected yet");
        }
        let keeping = Reconnect::new(api.client()).longest_pause(LONGEST_PAUSE);
        let mut keeping = pin!(keeping.run(&mut connector));
        let mut is_kept = true;
        let (ending, _) = watch::channel(false);
        // Owned here; awaited at the end.
        let mut tasks: JoinSet<()> = JoinSet::new();
        let mut crowd = Crowd::new(limits.max_connections);
        // No more than there are features.
        let mut stops = FuturesUnordered::new();
        let mut resume: Option<Instant> = None;
        let mut complained = false;
        loop {
            let pause = resume.max(crowd.wait_until(Instant::now()));
            let wake = tokio::select! {
                biased;
                () = &mut stop => Wake::Stop,
                over = api.next_over() => Wake::Over(over),
                Some(()) = stops.next() => continue,
                Some(ended) = tasks.join_next_with_id() => Wake::Ended(ended_id(ended)),
                end = &mut keeping, if is_kept => Wake::Unconnected(end),
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => Wake::Resume,
                accepted = accept(&listeners), if pause.is_none() => Wake::Accepted(accepted),
            };
            match wake {
                Wake::Stop => break,
                Wake::Over(over) => stops.extend(over.into_iter().map(|leased| api.end_lease(leased))),
                Wake::Ended(id) => crowd.remove(&id),
                Wake::Unconnected(end) => {
                    is_kept = false;
                    tracing::error!("the REST API can do nothing more: {end}");
                }
                Wake::Resume => resume = None,
                Wake::Accepted(Ok((stream, peer))) => {
                    complained = false;
                    match crowd.room(Instant::now(), Seat::has_unread) {
                        Room::Free => {}
                        Room::InPlaceOf(idle) => idle.task.abort(),
                        Room::None => {
                            let full = Problem::TooManyConnections(limits.max_connections);
                            tracing::warn!(%peer, reason = %full, "refusing a connection to the REST API");
                            // Whoever does not get it sees the end of the connection.
                            let _ = stream.try_write(answer::in_short(&full).as_bytes());
                            continue;
                        }
                    }
                    let requests = Requests::default();
                    let beside = beside(&stream);
                    let visit = Visit { peer, head_time: limits.head_time, requests: requests.clone() };
                    let serving = serve(stream, visit, Arc::clone(&api), ending.subscribe());
                    let task = tasks.spawn(serving);
                    crowd.add(task.id(), Seat { task, beside }, requests, Instant::now());
                }
                Wake::Accepted(Err(error)) => {
                    if !std::mem::replace(&mut complained, true) {
                        tracing::warn!(%error, "can't accept connections to the REST API, trying again");
                    }
                    resume = Some(Instant::now() + PAUSE);
                }
            }
        }
        drop((listeners, crowd));
        ending.send_replace(true);
        // Stops, and ends the streams of events.
        api.client().disconnect().await;
        while tasks.join_next().await.is_some() {}
    }
}

fn ended_id(ended: Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((id, ())) => id,
        Err(error) => {
            if error.is_panic() {
                tracing::error!("a connection's task panicked");
            }
            error.id()
        }
    }
}

/// Accepts on whichever listener has somebody.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until the port ends.
async fn told(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// One connection.
struct Visit {
    peer: SocketAddr,
    head_time: Duration,
    requests: Requests,
}

/// Serves one connection until it or the port ends.
async fn serve(stream: TcpStream, visit: Visit, api: Arc<Api>, mut ending: watch::Receiver<bool>) {
    let Visit { peer, head_time, requests } = visit;
    // Fails only on a connection that is gone.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Patient::new(stream, STALL_TIME, requests.clone()));
    let service = service_fn(move |request| {
        let (api, request_here) = (Arc::clone(&api), requests.begin());
        let mut answer =
            Box::pin(
                async move { api.answer(peer, request).await.map(|body| Held::new(body, request_here)) },
            );
        // Begun here, and not when the answer is wanted: the connection may have broken behind the request, and it may be a
        // stop.
        let at_once = answer.as_mut().now_or_never();
        async move {
            Ok::<_, Infallible>(match at_once {
                Some(answer) => answer,
                None => answer.await,
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(MAX_HEAD_BYTES);
    let connection = builder.serve_connection(stream, service);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        () = told(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            timeout(CLOSE_TIME, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection to the REST API ended");
    }
}
