//! The first exchange on a connection.

use crate::error::{Error, HandshakeFailure};
use crate::session::HANDSHAKE_ID;
use buttplug_core::connector::ClientConnection;
use buttplug_core::message::{
    ClientMessage, ClientRequest, RequestServerInfo, ServerContent, ServerInfo, ServerMessage, VersionRequest,
};
use buttplug_core::{ErrorClass, PROTOCOL_VERSION_MAJOR, PROTOCOL_VERSION_MINOR};

/// Introduces the client. Returns what the server says about itself; messages that came right behind stay in `batch`.
pub(crate) async fn handshake(
    connection: &mut dyn ClientConnection,
    client_name: &str,
    batch: &mut Vec<ServerMessage>,
) -> Result<ServerInfo, Error> {
    let version = VersionRequest::Protocol { major: PROTOCOL_VERSION_MAJOR, minor: PROTOCOL_VERSION_MINOR };
    let request = RequestServerInfo { client_name: client_name.to_owned(), version };
    let request = ClientRequest::RequestServerInfo(request);
    connection.send(ClientMessage { id: HANDSHAKE_ID, request })?;
    loop {
        connection.receive(batch).await?;
        // What comes before the reply belongs to no session: some servers report a device that came too early.
        let Some(position) = batch.iter().position(|message| message.id == HANDSHAKE_ID) else {
            batch.clear();
            continue;
        };
        let reply = batch.drain(..=position).next_back().map(|message| message.content);
        return match reply {
            Some(ServerContent::ServerInfo(info)) => check_version(info),
            // Not about the handshake: a server that is full, or just ending.
            Some(ServerContent::Error(error)) if error.class == ErrorClass::Unknown => {
                Err(Error::reported(HANDSHAKE_ID, error))
            }
            Some(ServerContent::Error(error)) => {
                Err(HandshakeFailure::Refused { message: error.message }.into())
            }
            _ => Err(HandshakeFailure::UnexpectedReply.into()),
        };
    }
}

fn check_version(info: ServerInfo) -> Result<ServerInfo, Error> {
    if info.major == PROTOCOL_VERSION_MAJOR {
        return Ok(info);
    }
    Err(HandshakeFailure::Version { server: info.major, client: PROTOCOL_VERSION_MAJOR }.into())
}
