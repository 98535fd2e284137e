//! The handle an application begins with: connect, devices, events, scan, stop, disconnect. Owns no message and no
//! connection; the task behind `link.rs` does.

use crate::device::{Device, Stop};
use crate::error::{Error, HandshakeFailure};
use crate::event::{DisconnectReason, Events, Hub};
use crate::handshake::handshake;
use crate::link::Link;
use crate::session::Session;
use crate::table::Table;
use crate::task::{Task, Wish};
use buttplug_core::connector::{ClientConnector, ConnectorError};
use buttplug_core::message::{ClientRequest, DeviceIndex, ServerContent, ServerInfo, StopScope};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

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
    slot: Mutex<Slot>,
}

/// The one place for a connection.
enum Slot {
    Empty,
    Connecting,
    /// Stays after the connection has ended, for the reason.
    Taken(Connection),
}

struct Connection {
    link: Arc<Link>,
    table: Arc<Table>,
    info: ServerInfo,
    /// Dropping it closes the connection.
    wish: watch::Sender<Wish>,
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
        let slot = Mutex::new(Slot::Empty);
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
    /// filled and an [`Event::DeviceAdded`](crate::Event::DeviceAdded) is queued for each device.
    ///
    /// Must be called in a tokio runtime: it spawns the task that owns the connection. Pings are sent from now on, if
    /// the server wants them. Dropping the future closes what was opened.
    ///
    /// # Errors
    /// [`Error::AlreadyConnected`] leaves the session alone. [`Error::Connector`] if nobody answers at the address,
    /// [`Error::Handshake`] if server and client don't come together in time; nothing stays open then, and the
    /// client may try again.
    pub async fn connect(&self, mut connector: impl ClientConnector) -> Result<ServerInfo, Error> {
        self.connect_through(&mut connector).await
    }

    /// [`connect`](Self::connect) with a connector that stays yours, to use it again after a disconnect.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_through(&self, connector: &mut dyn ClientConnector) -> Result<ServerInfo, Error> {
        let place = self.shared.reserve()?;
        if let Some(before) = &place.before {
            // Its last events come before the first of the new connection.
            before.link.ended().await;
        }
        let connection = self.shared.open(connector).await?;
        let info = connection.info.clone();
        place.fill(connection);
        tracing::info!(server = info.name, address = connector.address(), "connected");
        Ok(info)
    }

    /// Whether there is a connection now.
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
        self.shared.with_connection(|connection| connection.info.clone())
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
        self.shared.with_connection(|connection| connection.table.snapshot()).unwrap_or_default()
    }

    /// The device with this index, if it is there now.
    pub fn device(&self, index: DeviceIndex) -> Option<Device> {
        self.shared.with_connection(|connection| connection.table.device(index)).flatten()
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

    /// Stops every device and ends every subscription. Never waits behind other commands.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn stop_all(&self) -> Result<(), Error> {
        self.stop_all_with(Stop::ALL).await
    }

    /// Stops outputs, subscriptions or both, of every device.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub async fn stop_all_with(&self, stop: Stop) -> Result<(), Error> {
        self.link()?.perform(stop.request(StopScope::All)).await
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
    /// does nothing. Dropping the future does not keep the connection open.
    pub async fn disconnect(&self) {
        let link = match &*crate::lock(&self.shared.slot) {
            Slot::Taken(connection) => {
                connection.link.end(DisconnectReason::Requested);
                // Nobody there to hear it means that the connection has ended already.
                let _ = connection.wish.send(Wish::Leave);
                Arc::clone(&connection.link)
            }
            Slot::Empty | Slot::Connecting => return,
        };
        link.ended().await;
    }

    fn link(&self) -> Result<Arc<Link>, Error> {
        match &*crate::lock(&self.shared.slot) {
            Slot::Taken(connection) => {
                connection.link.check_open()?;
                Ok(Arc::clone(&connection.link))
            }
            Slot::Empty | Slot::Connecting => Err(Error::NotConnected),
        }
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
    fn with_connection<T>(&self, read: impl FnOnce(&Connection) -> T) -> Option<T> {
        match &*crate::lock(&self.slot) {
            Slot::Taken(connection) if connection.link.check_open().is_ok() => Some(read(connection)),
            _ => None,
        }
    }

    fn reserve(&self) -> Result<Place<'_>, Error> {
        let mut slot = crate::lock(&self.slot);
        match std::mem::replace(&mut *slot, Slot::Connecting) {
            Slot::Empty => Ok(Place { shared: self, before: None, filled: false }),
            Slot::Taken(before) if before.link.check_open().is_err() => {
                Ok(Place { shared: self, before: Some(before), filled: false })
            }
            taken => {
                *slot = taken;
                Err(Error::AlreadyConnected)
            }
        }
    }

    async fn open(&self, connector: &mut dyn ClientConnector) -> Result<Connection, Error> {
        let limit = self.connect_timeout.unwrap_or(Duration::MAX);
        let deadline = Instant::now().checked_add(limit);
        let silent = |request| HandshakeFailure::NoAnswer { request, after: limit };

        let opened = within(deadline, connector.connect()).await;
        let mut connection = opened.unwrap_or_else(|| {
            let reason = format!("no answer within {limit:?}");
            Err(ConnectorError::Refused { address: connector.address(), reason })
        })?;
        let mut batch = Vec::new();
        let info = within(deadline, handshake(&mut *connection, &self.name, &mut batch))
            .await
            .unwrap_or_else(|| Err(silent("RequestServerInfo").into()))?;

        let (link, commands) = Link::new(self.request_timeout);
        let (link, table) = (Arc::new(link), Arc::new(Table::default()));
        let (wish, wishes) = watch::channel(Wish::Stay);
        let session =
            Session::new(Instant::now(), &info, Arc::clone(&link), Arc::clone(&table), Arc::clone(&self.hub));
        // Ends by itself when `wish` is dropped, at the latest with the client.
        tokio::spawn(Task { connection, session, commands, wish: wishes, batch }.run());

        let connection = Connection { link, table, info, wish };
        let list = within(deadline, connection.link.ask(ClientRequest::RequestDeviceList, None)).await;
        match list {
            Some(Ok(ServerContent::DeviceList(_))) => Ok(connection),
            Some(Ok(_)) => Err(HandshakeFailure::UnexpectedReply.into()),
            None | Some(Err(Error::Timeout { .. })) => Err(silent("RequestDeviceList").into()),
            Some(Err(error)) => Err(error),
        }
    }
}

/// The slot while a connection is being made. It is empty again if that fails or is given up.
struct Place<'a> {
    shared: &'a Shared,
    before: Option<Connection>,
    filled: bool,
}

impl Place<'_> {
    fn fill(mut self, connection: Connection) {
        *crate::lock(&self.shared.slot) = Slot::Taken(connection);
        self.filled = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.filled {
            *crate::lock(&self.shared.slot) = Slot::Empty;
        }
    }
}

async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}
