//! A way to a server on which messages of the client go wrong. A client library does not make mistakes such as these,
//! so an example that shows how a server answers them has to make them behind its back.

use async_trait::async_trait;
use buttplug::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug::core::message::{ClientMessage, ServerMessage};

/// What becomes of a message: another one, or none.
type Spoil = fn(ClientMessage) -> Option<ClientMessage>;

/// Another connector, whose client's messages are changed or lost on their way. Replies arrive unharmed.
pub struct Spoiled<C> {
    connector: C,
    spoil: Spoil,
}

impl<C: ClientConnector> Spoiled<C> {
    /// The way of `connector`, with `spoil` in it.
    pub fn new(connector: C, spoil: Spoil) -> Self {
        Self { connector, spoil }
    }
}

#[async_trait]
impl<C: ClientConnector> ClientConnector for Spoiled<C> {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        let connection = self.connector.connect().await?;
        Ok(Box::new(SpoiledConnection { connection, spoil: self.spoil }))
    }

    fn address(&self) -> String {
        self.connector.address()
    }
}

struct SpoiledConnection {
    connection: Box<dyn ClientConnection>,
    spoil: Spoil,
}

#[async_trait]
impl ClientConnection for SpoiledConnection {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        match (self.spoil)(message) {
            Some(message) => self.connection.send(message),
            None => Ok(()),
        }
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.connection.receive(batch).await
    }

    async fn close(&mut self) {
        self.connection.close().await;
    }
}
