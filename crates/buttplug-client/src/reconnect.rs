//! Keeps a client connected: connects, waits for the loss, pauses, connects again. Apart from the client, which never
//! connects by itself, and nothing but its caller; what it decides is how long to pause and when trying is in vain.

use crate::client::{Client, WeakClient};
use crate::error::Error;
use crate::event::DisconnectReason;
use crate::runtime::{Instant, sleep};
use buttplug_core::connector::{ClientConnector, ConnectorError};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// The pause before the first attempt to connect again, unless [`Reconnect::first_pause`] says otherwise. A server that
/// is started anew is back in about that time.
pub const DEFAULT_FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause between two attempts, unless [`Reconnect::longest_pause`] says otherwise. Whoever switches a
/// server on waits no longer than this.
pub const DEFAULT_LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// No pause is shorter, whatever is asked for: attempts without a pause would keep a processor busy.
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Keeps a client connected until it is told to disconnect.
///
/// After a failed attempt or a loss it pauses, each time twice as long, up to a longest pause. A connection that has
/// lasted as long as that begins with the first pause again.
///
/// It restores nothing: a server stops the devices when the connection is lost, and what moved before does not move
/// again by itself. Each connection begins with an [`Event::Connected`](crate::Event::Connected), and then devices are
/// announced anew, with new handles. Subscriptions and the search for devices have ended; that event is the time to
/// begin a search again.
///
/// It holds no handle of the client while it waits, so the client goes on to close its connection when its last handle
/// is dropped.
///
/// ```
/// use buttplug_client::{Client, Error, Event, Reconnect, core::connector::ClientConnector};
/// use std::time::Duration;
///
/// async fn follow(mut connector: impl ClientConnector + 'static) {
///     let client = Client::new("Example");
///     let mut events = client.events();
///     let keeping = Reconnect::new(&client).longest_pause(Duration::from_secs(10));
///     tokio::spawn(async move {
///         let end = keeping.run(&mut connector).await;
///         println!("no more connections: {end}");
///     });
///     while let Some(event) = events.next().await {
///         match event {
///             Event::Connected(_) => {
///                 if let Err(error) = client.start_scanning().await {
///                     println!("no search: {error}");
///                 }
///             }
///             Event::DeviceAdded(device) => println!("{} is here", device.label()),
///             Event::Disconnected(reason) => println!("{reason}; connecting again"),
///             _ => {}
///         }
///     }
/// }
/// ```
#[must_use = "nothing is connected until it is run"]
pub struct Reconnect {
    client: WeakClient,
    leaves: watch::Receiver<u64>,
    /// How many there were at the beginning.
    left_before: u64,
    first_pause: Duration,
    longest_pause: Duration,
}

/// Why a client is not connected again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReconnectEnd {
    /// [`Client::disconnect`] was called since [`Reconnect::new`].
    Requested,
    /// The last handle of the client was dropped.
    ClientDropped,
    /// Trying again is in vain: the address is none, or server and client don't come together in the handshake.
    Failed(Error),
}

impl fmt::Display for ReconnectEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("the client disconnected"),
            Self::ClientDropped => f.write_str("the client was dropped"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Reconnect {
    /// With the usual pauses. From now on a [`Client::disconnect`] ends it, also before it runs.
    pub fn new(client: &Client) -> Self {
        let leaves = client.slot().leaves();
        let left_before = *leaves.borrow();
        Self {
            client: client.downgrade(),
            leaves,
            left_before,
            first_pause: DEFAULT_FIRST_PAUSE,
            longest_pause: DEFAULT_LONGEST_PAUSE,
        }
    }

    /// The pause after the first failure, [`SHORTEST_PAUSE`] at least. Each further one is twice as long.
    pub fn first_pause(self, pause: Duration) -> Self {
        Self { first_pause: pause, ..self }
    }

    /// The longest pause, [`SHORTEST_PAUSE`] at least.
    pub fn longest_pause(self, pause: Duration) -> Self {
        Self { longest_pause: pause, ..self }
    }

    /// Connects the client, unless it is connected, and again whenever the connection is lost. Returns when it is
    /// asked to disconnect, when it is dropped, or when trying again is in vain.
    ///
    /// Dropping the future leaves a connection as it is and makes no new one.
    pub async fn run(mut self, connector: &mut dyn ClientConnector) -> ReconnectEnd {
        let mut pauses = Pauses::new(self.first_pause, self.longest_pause);
        loop {
            let Some(client) = self.client.upgrade() else { return ReconnectEnd::ClientDropped };
            let outcome = client.connect_unless_left(connector, Some(self.left_before)).await;
            let link = client.slot().last_link();
            drop(client);
            let pause = match (outcome, link) {
                (Ok(_) | Err(Error::AlreadyConnected), Some(link)) => {
                    let begun = Instant::now();
                    link.ended().await;
                    if let Some(DisconnectReason::Requested) = link.reason() {
                        let dropped = self.client.upgrade().is_none();
                        return if dropped { ReconnectEnd::ClientDropped } else { ReconnectEnd::Requested };
                    }
                    pauses.after_connection(begun.elapsed())
                }
                (Err(Error::NotConnected), _) => return ReconnectEnd::Requested,
                (Err(error), _) if is_in_vain(&error) => return ReconnectEnd::Failed(error),
                (outcome, _) => {
                    let pause = pauses.after_failure();
                    if let Err(error) = outcome {
                        tracing::info!(%error, ?pause, "not connected; trying again after a pause");
                    }
                    pause
                }
            };
            let left_before = self.left_before;
            tokio::select! {
                biased;
                left = self.leaves.wait_for(|leaves| *leaves != left_before) => {
                    return if left.is_ok() { ReconnectEnd::Requested } else { ReconnectEnd::ClientDropped };
                }
                () = sleep(pause) => {}
            }
        }
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("first_pause", &self.first_pause)
            .field("longest_pause", &self.longest_pause)
            .finish_non_exhaustive()
    }
}

/// Whether an attempt that failed like this would fail again. What a transport or a busy server does may pass.
fn is_in_vain(error: &Error) -> bool {
    match error {
        Error::Connector(ConnectorError::BadAddress { .. }) => true,
        // Another task connects the client, or the server went away in the middle.
        Error::Connector(_) | Error::AlreadyConnected | Error::Ping(_) => false,
        // The server has no place now, or is just ending.
        Error::Unknown(_) => false,
        _ => true,
    }
}

/// How long to pause. Knows no clock.
#[derive(Debug)]
struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    fn new(first: Duration, longest: Duration) -> Self {
        let longest = longest.max(SHORTEST_PAUSE);
        let first = first.clamp(SHORTEST_PAUSE, longest);
        Self { first, longest, next: first }
    }

    fn after_failure(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }

    /// A connection that ends soon is another failure: a server that lets everybody in and out again gets no peace
    /// otherwise.
    fn after_connection(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.longest {
            self.next = self.first;
        }
        self.after_failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn r30_pauses_double_up_to_the_longest_and_begin_anew_after_a_lasting_connection() {
        let mut pauses = Pauses::new(ms(500), ms(3000));
        let first: Vec<_> = (0..5).map(|_| pauses.after_failure()).collect();
        assert_eq!(first, [ms(500), ms(1000), ms(2000), ms(3000), ms(3000)]);
        assert_eq!(pauses.after_connection(ms(2999)), ms(3000));
        assert_eq!(pauses.after_connection(ms(3000)), ms(500));
        assert_eq!(pauses.after_failure(), ms(1000));
    }

    #[test]
    fn r30_no_pause_is_shorter_than_the_shortest_or_longer_than_the_longest() {
        for (first, longest, expected) in [
            (Duration::ZERO, ms(25), [ms(10), ms(20), ms(25)]),
            (Duration::ZERO, Duration::ZERO, [ms(10); 3]),
            (ms(500), ms(100), [ms(100); 3]),
            (Duration::MAX, Duration::MAX, [Duration::MAX; 3]),
        ] {
            let mut pauses = Pauses::new(first, longest);
            assert_eq!([(); 3].map(|()| pauses.after_failure()), expected);
        }
    }
}
