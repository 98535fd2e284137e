//! Which server a program uses, in one place: one that runs already, one of its own, or the first and else the second.
//! Connecting and serving themselves are the affair of the crates behind this one.
//!
//! ```
//! use buttplug::{Client, choice::ServerChoice, embedded::Server};
//! use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), buttplug::Error> {
//! let toy = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:desk");
//! let own = Server::builder().bus(Arc::new(SimulatedBus::new([toy])));
//!
//! // Port 1 stands for an engine that is not running.
//! let choice = ServerChoice::external_or_embedded("ws://127.0.0.1:1", own);
//! let client = Client::new("Example");
//! let connected = choice.connect(&client).await?;
//! assert!(connected.embedded().is_some());
//! client.start_scanning().await?;
//! connected.end().await;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "embedded")]
use crate::embedded::{self, Server, ServerBuilder};
#[cfg(feature = "websocket")]
use crate::websocket::WebSocketClientConnector;
use buttplug_client::{Client, Error};
#[cfg(all(feature = "websocket", feature = "embedded"))]
use buttplug_core::connector::ConnectorError;
use buttplug_core::message::ServerInfo;
use std::fmt;

/// Which server to use. Can be used again after a connection has ended, but an embedded server not by two clients at the
/// same time: each connection starts a server, and a bus serves one. For several clients, start
/// the `embedded::Server` once and connect each with `embedded::connector`.
#[derive(Clone)]
pub struct ServerChoice(Choice);

#[derive(Clone)]
enum Choice {
    #[cfg(feature = "websocket")]
    External(String),
    #[cfg(feature = "embedded")]
    Embedded(ServerBuilder),
    #[cfg(all(feature = "websocket", feature = "embedded"))]
    ExternalOrEmbedded(String, ServerBuilder),
}

impl ServerChoice {
    /// A server that runs already, at a URL such as `ws://127.0.0.1:12345`.
    #[cfg(feature = "websocket")]
    pub fn external(url: impl Into<String>) -> Self {
        Self(Choice::External(url.into()))
    }

    /// A server of this program's own, which is started when connecting.
    #[cfg(feature = "embedded")]
    pub fn embedded(builder: ServerBuilder) -> Self {
        Self(Choice::Embedded(builder))
    }

    /// The server at the URL, or one of this program's own if nobody answers there: nothing listens, the host is not
    /// known or not reached, or [`ClientBuilder::connect_timeout`](crate::ClientBuilder::connect_timeout) passes before
    /// there is a connection.
    ///
    /// Somebody who answers is no reason for another server. If they take no connection
    /// ([`ConnectorError::Declined`]: another program on the port, a server that is busy), refuse the handshake or keep
    /// silent in it, that is the error: two servers would fight for the same hardware.
    #[cfg(all(feature = "websocket", feature = "embedded"))]
    pub fn external_or_embedded(url: impl Into<String>, builder: ServerBuilder) -> Self {
        Self(Choice::ExternalOrEmbedded(url.into(), builder))
    }

    /// Connects the client to the server of choice. Dropping the future closes and ends what was begun.
    ///
    /// # Errors
    /// Those of [`Client::connect`]. Nothing stays open or started then.
    pub async fn connect(&self, client: &Client) -> Result<Connected, Error> {
        match &self.0 {
            #[cfg(feature = "websocket")]
            Choice::External(url) => external(client, url).await,
            #[cfg(feature = "embedded")]
            Choice::Embedded(builder) => embedded(client, builder).await,
            #[cfg(all(feature = "websocket", feature = "embedded"))]
            Choice::ExternalOrEmbedded(url, builder) => match external(client, url).await {
                Err(Error::Connector(ConnectorError::Refused { reason, .. })) => {
                    tracing::info!(url, reason, "no server there; starting the embedded one");
                    embedded(client, builder).await
                }
                outcome => outcome,
            },
        }
    }
}

impl fmt::Debug for ServerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "websocket")]
            Choice::External(url) => f.debug_tuple("External").field(url).finish(),
            #[cfg(feature = "embedded")]
            Choice::Embedded(_) => f.debug_tuple("Embedded").finish_non_exhaustive(),
            #[cfg(all(feature = "websocket", feature = "embedded"))]
            Choice::ExternalOrEmbedded(url, _) => {
                f.debug_tuple("ExternalOrEmbedded").field(url).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(feature = "websocket")]
async fn external(client: &Client, url: &str) -> Result<Connected, Error> {
    let server = client.connect(WebSocketClientConnector::new(url)).await?;
    Ok(Connected {
        client: client.clone(),
        server,
        #[cfg(feature = "embedded")]
        own: None,
    })
}

#[cfg(feature = "embedded")]
async fn embedded(client: &Client, builder: &ServerBuilder) -> Result<Connected, Error> {
    // A second server would take the buses away from the one that the client is connected to.
    if client.is_connected() {
        return Err(Error::AlreadyConnected);
    }
    // From here on whatever happens ends it.
    let own = OwnServer::start(builder);
    match client.connect(embedded::connector(&own.server)).await {
        Ok(server) => Ok(Connected { client: client.clone(), server, own: Some(own) }),
        Err(error) => {
            own.server.shut_down().await;
            Err(error)
        }
    }
}

/// A client's connection to the server of choice, and that server's life if it is this program's own.
///
/// [`end`](Self::end) is the way to end it. Dropping it leaves the connection to the client, but ends an embedded
/// server in the background: the devices stop, then the client hears that the server is gone. The background is the
/// tokio runtime in which it was connected; a runtime that ends first, as at the end of `main`, takes the server away
/// before it has written to the devices. So await [`end`](Self::end) wherever a device may be moving.
#[must_use = "dropping it ends an embedded server"]
pub struct Connected {
    client: Client,
    server: ServerInfo,
    #[cfg(feature = "embedded")]
    own: Option<OwnServer>,
}

impl Connected {
    /// The client. This is one more handle of it, which keeps it connected.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the server told about itself.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// The server, if it is this program's own.
    #[cfg(feature = "embedded")]
    pub fn embedded(&self) -> Option<&Server> {
        self.own.as_ref().map(|own| &own.server)
    }

    /// Ends it in order: the client stops everything and disconnects, then an embedded server stops whatever else may
    /// move and ends. Takes a few seconds at most, whatever server and devices do. Dropping the future is like dropping
    /// [`Connected`].
    pub async fn end(self) {
        self.client.disconnect().await;
        #[cfg(feature = "embedded")]
        if let Some(own) = &self.own {
            own.server.shut_down().await;
        }
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("server", &self.server).finish_non_exhaustive()
    }
}

/// An embedded server that ends when this is dropped.
#[cfg(feature = "embedded")]
struct OwnServer {
    server: Server,
    runtime: tokio::runtime::Handle,
}

#[cfg(feature = "embedded")]
impl OwnServer {
    fn start(builder: &ServerBuilder) -> Self {
        Self { server: builder.clone().start(), runtime: tokio::runtime::Handle::current() }
    }
}

#[cfg(feature = "embedded")]
impl Drop for OwnServer {
    fn drop(&mut self) {
        let server = self.server.clone();
        // Ends with the server, which may have ended already.
        self.runtime.spawn(async move { server.shut_down().await });
    }
}
