//! Connects a client and a server in one process: messages go over as values, no JSON on the way. Knows neither the
//! client nor the server, only the connector traits between them.
//!
//! ```
//! use buttplug_connector_inprocess::InProcessConnector;
//! use buttplug_core::connector::{AcceptConnection, ClientConnector, ConnectorError};
//! use std::sync::Arc;
//!
//! async fn hang_up(server: Arc<dyn AcceptConnection>) -> Result<(), ConnectorError> {
//!     let mut connection = InProcessConnector::new(server).connect().await?;
//!     connection.close().await;
//!     Ok(())
//! }
//! ```

mod pipe;

use async_trait::async_trait;
use buttplug_core::connector::{
    AcceptConnection, ClientConnection, ClientConnector, ClientFrame, CloseReason, ConnectorError,
    FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_core::message::{ClientMessage, ServerMessage};
use pipe::Pipe;
use std::fmt;
use std::sync::Arc;

/// Messages that may wait at one end. Some thousands is more than a client may have in flight and than the bursts of
/// readings that a busy program is late for. Queueing never waits, so beyond the limit the connection ends: the sender
/// gets [`ConnectorError::Unresponsive`], the reader [`ConnectorError::Lost`] after the messages that did fit.
pub const MAX_WAITING_MESSAGES: usize = 4096;

/// Where people read it, instead of an address.
const ADDRESS: &str = "the server in this process";

/// A client's way to a server in the same process. Makes any number of connections.
#[derive(Clone)]
pub struct InProcessConnector {
    server: Arc<dyn AcceptConnection>,
}

impl InProcessConnector {
    /// A connector to this server.
    pub fn new(server: Arc<dyn AcceptConnection>) -> Self {
        Self { server }
    }
}

impl fmt::Debug for InProcessConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessConnector").finish_non_exhaustive()
    }
}

#[async_trait]
impl ClientConnector for InProcessConnector {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        let (client, server) = pipe::pair();
        match self.server.accept(Box::new(ServerEnd { pipe: server, arrived: Vec::new() })) {
            Ok(()) => Ok(Box::new(ClientEnd { pipe: client })),
            Err(reason) => Err(ConnectorError::Refused { address: self.address(), reason }),
        }
    }

    fn address(&self) -> String {
        ADDRESS.to_owned()
    }
}

struct ClientEnd {
    pipe: Pipe<ClientMessage, ServerMessage>,
}

#[async_trait]
impl ClientConnection for ClientEnd {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        self.pipe.send(message)
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.pipe.receive(batch).await
    }

    async fn close(&mut self) {
        self.pipe.close("");
    }
}

struct ServerEnd {
    pipe: Pipe<ServerMessage, ClientMessage>,
    /// Between the pipe and the frames that the server wants; empty between calls.
    arrived: Vec<ClientMessage>,
}

#[async_trait]
impl ServerConnection for ServerEnd {
    fn format(&self) -> FrameFormat {
        FrameFormat::Typed
    }

    fn peer(&self) -> String {
        String::from("a client in this process")
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        match frame {
            ServerFrame::Message(message) => self.pipe.send(message),
            ServerFrame::Text(_) => {
                let reason = String::from("text was sent where values are carried");
                self.pipe.close(&reason);
                Err(ConnectorError::Violation { reason })
            }
        }
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        // Nothing is lost on cancellation: the wait has no effect, and what it found is handed on without another.
        self.pipe.receive(&mut self.arrived).await?;
        batch.extend(self.arrived.drain(..).map(ClientFrame::Message));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        self.pipe.close(match reason {
            CloseReason::Done => "",
            CloseReason::Full => "no more clients are taken",
            CloseReason::GoingAway => "the server is ending",
            CloseReason::Violation => "the client broke a rule",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::message::{ClientRequest, MessageId};
    use std::sync::Mutex;
    use std::time::Duration;

    /// A server that only keeps what it is given, or refuses it.
    #[derive(Default)]
    struct Keeper {
        connection: Mutex<Option<Box<dyn ServerConnection>>>,
        refusal: Option<&'static str>,
    }

    impl AcceptConnection for Keeper {
        fn accept(&self, connection: Box<dyn ServerConnection>) -> Result<(), String> {
            if let Some(reason) = self.refusal {
                return Err(reason.to_owned());
            }
            *self.connection.lock().unwrap() = Some(connection);
            Ok(())
        }
    }

    async fn ends() -> (Box<dyn ClientConnection>, Box<dyn ServerConnection>) {
        let keeper = Arc::new(Keeper::default());
        let client = InProcessConnector::new(Arc::<Keeper>::clone(&keeper)).connect().await.unwrap();
        let server = keeper.connection.lock().unwrap().take().unwrap();
        (client, server)
    }

    fn ping(id: u32) -> ClientMessage {
        ClientMessage { id: MessageId(id), request: ClientRequest::Ping }
    }

    fn ok(id: u32) -> ServerFrame {
        ServerFrame::Message(ServerMessage::ok(MessageId(id)))
    }

    async fn server_ids(server: &mut Box<dyn ServerConnection>) -> Result<Vec<u32>, ConnectorError> {
        let mut batch = Vec::new();
        server.receive(&mut batch).await?;
        let id = |frame| match frame {
            ClientFrame::Message(message) => message.id.0,
            ClientFrame::Text(_) => panic!("text in the same process"),
        };
        Ok(batch.into_iter().map(id).collect())
    }

    async fn client_ids(client: &mut Box<dyn ClientConnection>) -> Result<Vec<u32>, ConnectorError> {
        let mut batch = Vec::new();
        client.receive(&mut batch).await?;
        Ok(batch.into_iter().map(|message| message.id.0).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn messages_arrive_as_values_in_order_and_all_that_is_there_at_once() {
        let (mut client, mut server) = ends().await;
        assert_eq!(server.format(), FrameFormat::Typed);
        for id in 1..=3 {
            client.send(ping(id)).unwrap();
            server.send(ok(id)).unwrap();
        }
        assert_eq!(server_ids(&mut server).await.unwrap(), [1, 2, 3]);
        assert_eq!(client_ids(&mut client).await.unwrap(), [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_loses_nothing() {
        let (mut client, mut server) = ends().await;
        for _ in 0..2 {
            let wait = tokio::time::timeout(Duration::from_millis(1), server_ids(&mut server));
            assert!(wait.await.is_err());
        }
        client.send(ping(9)).unwrap();
        assert_eq!(server_ids(&mut server).await.unwrap(), [9]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_end_learns_at_once_that_the_other_one_closed_or_dropped() {
        let closed = |reason: &str| ConnectorError::Closed { reason: reason.to_owned() };

        let (mut client, mut server) = ends().await;
        let waiting = tokio::spawn(async move { client_ids(&mut client).await });
        tokio::task::yield_now().await;
        server.close(CloseReason::GoingAway).await;
        assert_eq!(waiting.await.unwrap(), Err(closed("the server is ending")));

        let (mut client, mut server) = ends().await;
        let waiting = tokio::spawn(async move { server_ids(&mut server).await });
        tokio::task::yield_now().await;
        client.close().await;
        assert_eq!(waiting.await.unwrap(), Err(closed("")));

        let (client, mut server) = ends().await;
        drop(client);
        assert!(matches!(server_ids(&mut server).await, Err(ConnectorError::Lost { .. })));

        let (mut client, server) = ends().await;
        drop(server);
        assert!(matches!(client_ids(&mut client).await, Err(ConnectorError::Lost { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_before_the_end_still_arrives() {
        let (mut client, mut server) = ends().await;
        server.send(ok(7)).unwrap();
        server.close(CloseReason::Done).await;
        assert_eq!(client_ids(&mut client).await.unwrap(), [7]);
        assert_eq!(client_ids(&mut client).await, Err(ConnectorError::Closed { reason: String::new() }));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_end_both_ends_take_nothing_more() {
        let (mut client, mut server) = ends().await;
        client.close().await;
        assert!(client.send(ping(1)).is_err());
        assert!(server.send(ok(1)).is_err());
        assert!(client_ids(&mut client).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_limit_the_connection_ends_with_the_limit_in_the_error() {
        let (mut client, mut server) = ends().await;
        for id in 0..MAX_WAITING_MESSAGES {
            client.send(ping(id as u32)).unwrap();
        }
        for _ in 0..2 {
            let error = client.send(ping(0)).unwrap_err();
            assert!(
                matches!(&error, ConnectorError::Unresponsive { reason } if reason.contains("4096")),
                "{error}"
            );
        }
        assert_eq!(server_ids(&mut server).await.unwrap().len(), MAX_WAITING_MESSAGES);
        let error = server_ids(&mut server).await.unwrap_err();
        assert!(matches!(&error, ConnectorError::Lost { reason } if reason.contains("4096")), "{error}");
        assert!(matches!(client_ids(&mut client).await, Err(ConnectorError::Unresponsive { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_connection_says_why() {
        let keeper = Keeper { refusal: Some("the server is shutting down"), ..Keeper::default() };
        let refused = InProcessConnector::new(Arc::new(keeper)).connect().await;
        let error = refused.err().unwrap().to_string();
        assert_eq!(error, "can't connect to the server in this process: the server is shutting down");
    }

    #[tokio::test(start_paused = true)]
    async fn text_is_refused_by_an_end_that_carries_values() {
        let (mut client, mut server) = ends().await;
        let error = server.send(ServerFrame::Text(String::from("[]"))).unwrap_err();
        assert!(matches!(error, ConnectorError::Violation { .. }));
        assert!(client_ids(&mut client).await.is_err());
    }
}
