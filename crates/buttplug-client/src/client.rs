//! The handle an application begins with: connect, devices, events, scan, stop, disconnect. Owns no message and no
//! connection; the task behind `link.rs` does.

use crate::device::{Device, StopWhat};
use crate::error::{Error, HandshakeFailure};
use crate::event::{Events, Hub};
use crate::handshake::handshake;
use crate::link::Link;
use crate::runtime::{Instant, spawn, timeout_at};
use crate::session::Session;
use crate::slot::{Connection, Held, Place, Slot};
use crate::table::Table;
use crate::task::{Task, Wish};
use buttplug_core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_core::message::{
    ClientRequest, DeviceIndex, ServerContent, ServerInfo, ServerMessage, StopScope,
};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for its reply, unless [`ClientBuilder::request_timeout`] says otherwise. Reading from a
/// device over a bad radio link takes seconds.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`Client::connect`] may take, unless [`ClientBuilder::connect_timeout`] says otherwise.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of a Buttplug server: one handle of possibly many.
///
/// It makes one connection at a time and as many after one another as you like. Dropping the last handle closes the
/// connection without waiting; the server then stops the devices. [`disconnect`](Self::disconnect) does it politely.
///
/// ```
/// use buttplug_client::{Client, Error, core::connector::ClientConnector};
///
/// async fn list(connector: impl ClientConnector) -> Result<(), Error> {
///     let client = Client::new("Example");
///     let server = client.connect(connector).await?;
///     println!("connected to {}", server.name);
///     for device in client.devices() {
///         println!("{}: {}", device.index(), device.label());
///     }
///     client.disconnect().await;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    request_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    hub: Arc<Hub>,
    /// The stream that was there from the beginning, until somebody takes it.
    first_events: Mutex<Option<Events>>,
    slot: Slot,
}

/// How a [`Client`] shall behave. Made by [`Client::builder`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    name: String,
    request_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
}

impl ClientBuilder {
    /// How long a request waits for its reply; `None` for as long as the connection lasts.
    #[must_use]
    pub fn request_timeout(self, limit: Option<Duration>) -> Self {
        Self { request_timeout: limit, ..self }
    }

    /// How long [`Client::connect`] may take, from opening the connection to the first device list; `None` for as long
    /// as the server likes.
    #[must_use]
    pub fn connect_timeout(self, limit: Option<Duration>) -> Self {
        Self { connect_timeout: limit, ..self }
    }

    /// The client, not yet connected. Its events are kept from now on.
    pub fn build(self) -> Client {
        let Self { name, request_timeout, connect_timeout } = self;
        let hub = Arc::new(Hub::default());
        let first_events = Mutex::new(Some(hub.subscribe()));
        let slot = Slot::default();
        Client {
            shared: Arc::new(Shared { name, request_timeout, connect_timeout, hub, first_events, slot }),
        }
    }
}

impl Client {
    /// A client with the usual time limits. The name is for the server's logs and displays.
    pub fn new(name: impl Into<String>) -> Self {
        Self::builder(name).build()
    }

    /// A client with time limits of your choice.
    ///
    /// ```
    /// use buttplug_client::Client;
    /// use std::time::Duration;
    ///
    /// let client = Client::builder("Example").request_timeout(Some(Duration::from_secs(3))).build();
    /// assert!(!client.is_connected());
    /// ```
    pub fn builder(name: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            name: name.into(),
            request_timeout: Some(DEFAULT_REQUEST_TIMEOUT),
            connect_timeout: Some(DEFAULT_CONNECT_TIMEOUT),
        }
    }

    /// Connects, introduces the client and fetches the device list. When it returns, [`devices`](Self::devices) is
    /// filled, and [`Event::Connected`](crate::Event::Connected) and then an
    /// [`Event::DeviceAdded`](crate::Event::DeviceAdded) for each device are queued.
    ///
    /// Must be called in a tokio runtime: it spawns the task that owns the connection. Pings are sent from now on, if
    /// the server wants them. Dropping the future closes what was opened.
    ///
    /// # Errors
    /// [`Error::AlreadyConnected`] leaves the session alone. [`Error::Connector`] if nobody answers at the address,
    /// [`Error::Handshake`] if server and client don't come together in time, [`Error::Unknown`] if the server takes no
    /// more clients now, [`Error::NotConnected`] if [`disconnect`](Self::disconnect) was called meanwhile; nothing stays
    /// open then, and the client may try again.
    pub async fn connect(&self, mut connector: impl ClientConnector) -> Result<ServerInfo, Error> {
        self.connect_through(&mut connector).await
    }

    /// [`connect`](Self::connect) with a connector that stays yours, to use it again after a disconnect.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_through(&self, connector: &mut dyn ClientConnector) -> Result<ServerInfo, Error> {
        self.connect_unless_left(connector, None).await
    }

    /// [`connect_through`](Self::connect_through), but if `leaves` are given, only if `disconnect` was not called since
    /// there were so many; [`Error::NotConnected`] otherwise.
    pub(crate) async fn connect_unless_left(
        &self,
        connector: &mut dyn ClientConnector,
        leaves: Option<u64>,
    ) -> Result<ServerInfo, Error> {
        let place = self.shared.slot.reserve(leaves)?;
        if let Some(before) = place.before() {
            // Its last events come before the first of the new connection.
            place.unless_given_up(before.ended()).await?;
        }
        let limit = self.shared.connect_timeout.unwrap_or(Duration::MAX);
        let deadline = Deadline { at: Instant::now().checked_add(limit), limit };
        let opened = place.unless_given_up(self.shared.open(connector, &deadline)).await??;
        let info = opened.info.clone();
        let held = self.shared.begin(opened, place)?;
        first_list(held.link(), &deadline).await?;
        held.keep()?;
        tracing::info!(server = info.name, address = connector.address(), "connected");
        Ok(info)
    }

    /// Whether there is a connection now: from the handshake on, just before the first devices come.
    pub fn is_connected(&self) -> bool {
        self.link().is_ok()
    }

    /// The name given at construction.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What the server told about itself: name, protocol version, longest time between pings. `None` while there is no
    /// connection.
    pub fn server(&self) -> Option<ServerInfo> {
        self.shared.slot.read(|connection| connection.info.clone())
    }

    /// What happens, as a stream.
    ///
    /// Events are kept from the client's construction on; the first stream gets them all. Every further stream begins
    /// when it is opened. Streams go on over disconnections. Handling an event may call anything of the client.
    pub fn events(&self) -> Events {
        crate::lock(&self.shared.first_events).take().unwrap_or_else(|| self.shared.hub.subscribe())
    }

    /// The devices that are there now, in the order of their indexes.
    pub fn devices(&self) -> Vec<Device> {
        self.shared.slot.read(|connection| connection.table.snapshot()).unwrap_or_default()
    }

    /// The device with this index, if it is there now.
    pub fn device(&self, index: DeviceIndex) -> Option<Device> {
        self.shared.slot.read(|connection| connection.table.device(index)).flatten()
    }

    /// Lets the server look for devices until told to stop. They come as
    /// [`Event::DeviceAdded`](crate::Event::DeviceAdded); devices may also come without a search.
    ///
    /// # Errors
    /// The connection, the server or the time limit. That a bus is missing at the server is no error.
    pub async fn start_scanning(&self) -> Result<(), Error> {
        self.link()?.perform(ClientRequest::StartScanning).await
    }

    /// Ends the search. Succeeds also when there was none.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn stop_scanning(&self) -> Result<(), Error> {
        self.link()?.perform(ClientRequest::StopScanning).await
    }

    /// Whether this client has started a search and has not heard of its end.
    pub fn is_scanning(&self) -> bool {
        self.link().is_ok_and(|link| link.is_scanning())
    }

    /// Stops every device and ends every subscription.
    ///
    /// Goes out behind what was called before it and waits for no reply to that. Stops have places of their own: only
    /// [`MAX_STOPS_IN_FLIGHT`](crate::MAX_STOPS_IN_FLIGHT) unanswered stops make one fail with [`Error::Busy`], no
    /// number of other commands.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn stop_all(&self) -> Result<(), Error> {
        self.stop_all_with(StopWhat::ALL).await
    }

    /// Stops outputs, subscriptions or both, of every device.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn stop_all_with(&self, what: StopWhat) -> Result<(), Error> {
        self.link()?.perform(what.request(StopScope::All)).await
    }

    /// Asks the server for a sign of life, if it is one that expects pings; otherwise nothing is sent. Needed for
    /// nothing: pings are automatic.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn ping(&self) -> Result<(), Error> {
        let link = self.link()?;
        if self.server().is_none_or(|server| server.max_ping_ms == 0) {
            // Some servers end the session over a ping that they don't expect.
            return Ok(());
        }
        link.perform(ClientRequest::Ping).await
    }

    /// Stops everything and closes the connection. Takes at most [`STOP_WAIT`](crate::STOP_WAIT) and
    /// [`CLOSE_WAIT`](crate::CLOSE_WAIT), whatever the server does, and succeeds in any case; without a connection it
    /// does nothing. A [`connect`](Self::connect) that is under way gives up when it is next polled. Dropping the
    /// future does not keep the connection open.
    pub async fn disconnect(&self) {
        if let Some(link) = self.shared.slot.leave() {
            link.ended().await;
        }
    }

    fn link(&self) -> Result<Arc<Link>, Error> {
        self.shared.slot.link()
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.shared.slot
    }

    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.shared))
    }
}

/// A client that does not keep its connection open.
#[derive(Clone)]
pub(crate) struct WeakClient(Weak<Shared>);

impl WeakClient {
    /// The client, if any handle of it is left.
    pub(crate) fn upgrade(&self) -> Option<Client> {
        self.0.upgrade().map(|shared| Client { shared })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.shared.name)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn open(&self, connector: &mut dyn ClientConnector, deadline: &Deadline) -> Result<Opened, Error> {
        let opened = deadline.bounds(connector.connect()).await;
        let mut connection = opened.unwrap_or_else(|| {
            let reason = format!("no answer within {:?}", deadline.limit);
            Err(ConnectorError::Refused { address: connector.address(), reason })
        })?;
        let mut batch = Vec::new();
        let info = deadline
            .bounds(handshake(&mut *connection, &self.name, &mut batch))
            .await
            .unwrap_or_else(|| Err(deadline.missed("RequestServerInfo")))?;
        Ok(Opened { connection, info, batch })
    }

    /// Fills the place and lets the connection run.
    fn begin<'a>(&self, opened: Opened, place: Place<'a>) -> Result<Held<'a>, Error> {
        let Opened { connection, info, batch } = opened;
        let (link, commands) = Link::new(self.request_timeout);
        let (link, table) = (Arc::new(link), Arc::new(Table::default()));
        let (wish, wishes) = watch::channel(Wish::Stay);
        let hub = Arc::clone(&self.hub);
        let session = Session::new(Instant::now(), info.clone(), Arc::clone(&link), Arc::clone(&table), hub);
        // Before the task runs: a handler of its first event may call anything of the client.
        let held = place.fill(Connection { link, table, info, wish })?;
        // Ends by itself when `wish` is dropped, at the latest with the client.
        spawn(Task { connection, session, commands, wish: wishes, batch }.run());
        Ok(held)
    }
}

/// A connection after its handshake.
struct Opened {
    connection: Box<dyn ClientConnection>,
    info: ServerInfo,
    /// Messages that came together with the handshake's reply.
    batch: Vec<ServerMessage>,
}

async fn first_list(link: &Link, deadline: &Deadline) -> Result<(), Error> {
    let request = "RequestDeviceList";
    match deadline.bounds(link.ask(ClientRequest::RequestDeviceList, None)).await {
        Some(Ok(ServerContent::DeviceList(_))) => Ok(()),
        Some(Ok(_)) => Err(HandshakeFailure::UnexpectedReply.into()),
        None | Some(Err(Error::Timeout { .. })) => Err(deadline.missed(request)),
        Some(Err(error)) => Err(error),
    }
}

/// Until when connecting has to be done. Without a time if that is beyond what a clock can tell.
struct Deadline {
    at: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    async fn bounds<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.at {
            Some(at) => timeout_at(at, work).await.ok(),
            None => Some(work.await),
        }
    }

    fn missed(&self, request: &'static str) -> Error {
        HandshakeFailure::NoAnswer { request, after: self.limit }.into()
    }
}
