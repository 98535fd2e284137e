//! The server's half of the upgrade from HTTP to WebSocket: any path, no sub-protocol, no compression. Who comes without
//! wanting to upgrade, or may not, gets a short answer in HTTP.

use crate::gate::{Gate, Refusal, Visit};
use crate::limits::{ListenerLimits, MAX_REQUEST_BYTES};
use crate::socket::{Socket, linger};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, error::ProtocolError};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Why an upgrade failed.
#[derive(Debug, Error)]
pub(crate) enum UpgradeError {
    #[error("the connection broke: {0}")]
    Lost(#[from] io::Error),
    #[error("the peer left before its request was complete")]
    Left,
    #[error("what came is not HTTP")]
    NotHttp,
    #[error("the request is longer than {MAX_REQUEST_BYTES} bytes")]
    TooLong,
    #[error("the request is malformed: {0}")]
    Malformed(String),
    #[error("the request is no upgrade to WebSocket: {0}")]
    NoUpgrade(ProtocolError),
    #[error("it took longer than {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error("{}", .0.text)]
    Refused(Refusal),
}

impl UpgradeError {
    /// Status line and further headers of the answer, where one is useful.
    fn answer(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Lost(_) | Self::Left | Self::NotHttp | Self::TooSlow(_) => None,
            Self::TooLong => Some(("431 Request Header Fields Too Large", "")),
            Self::Malformed(_) => Some(("400 Bad Request", "")),
            Self::NoUpgrade(_) => {
                Some(("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"))
            }
            Self::Refused(Refusal { wants_token: true, .. }) => {
                Some(("401 Unauthorized", "WWW-Authenticate: Bearer\r\n"))
            }
            Self::Refused(Refusal { wants_token: false, .. }) => Some(("403 Forbidden", "")),
        }
    }

    /// What a person reads who gets this answer.
    fn text(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.text.clone(),
            other => format!("This port speaks WebSocket: {other}."),
        }
    }
}

impl From<WebSocketError> for UpgradeError {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::Protocol(ProtocolError::HttparseError(error)) => {
                Self::Malformed(error.to_string())
            }
            WebSocketError::Protocol(error) => Self::NoUpgrade(error),
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// Upgrades whom the gate lets in. Waits for the peer no longer than the limit says; the gate may take its time.
pub(crate) async fn upgrade<S>(
    mut stream: S,
    peer: SocketAddr,
    gate: &dyn Gate,
    limits: &ListenerLimits,
) -> Result<Socket<S>, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match respond(&mut stream, peer, gate, limits.upgrade_time).await {
        Ok(rest) => Ok(Socket::server(stream, rest, limits.socket).await),
        Err(error) => {
            if let Some((status, headers)) = error.answer() {
                let body = error.text() + "\n";
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                within(limits.upgrade_time, stream.write_all(answer.as_bytes())).await?;
                linger(&mut stream, limits.socket.close_time).await;
            }
            Err(error)
        }
    }
}

/// Reads the request, asks the gate and writes the response; returns what followed the request.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    peer: SocketAddr,
    gate: &dyn Gate,
    limit: Duration,
) -> Result<Vec<u8>, UpgradeError> {
    let (head, rest) = timeout(limit, read(stream)).await.map_err(|_| UpgradeError::TooSlow(limit))??;
    let Some((_, request)) = Request::try_parse(&head)? else {
        return Err(UpgradeError::Malformed(String::from("it ends too soon")));
    };
    let mut response = Vec::with_capacity(256);
    write_response(&mut response, &create_response(&request)?)?;
    gate.admit(&Visit::new(peer, &request)).await.map_err(UpgradeError::Refused)?;
    within(limit, stream.write_all(&response)).await?;
    Ok(rest)
}

async fn within(limit: Duration, write: impl Future<Output = io::Result<()>>) -> Result<(), UpgradeError> {
    Ok(timeout(limit, write).await.map_err(|_| UpgradeError::TooSlow(limit))??)
}

/// Reads a request; returns it and what followed it.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Vec<u8>, Vec<u8>), UpgradeError> {
    let mut head = Vec::with_capacity(1024);
    let end = loop {
        // The end may have come in two pieces.
        let from = head.len().saturating_sub(END_OF_HEAD.len() - 1);
        head.reserve(512);
        if stream.read_buf(&mut head).await? == 0 {
            return Err(UpgradeError::Left);
        }
        // Spares those who speak TLS to this port the wait.
        if !head.first().is_some_and(u8::is_ascii_uppercase) {
            return Err(UpgradeError::NotHttp);
        }
        let fresh = head.get(from..).unwrap_or_default();
        let end = fresh.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
        let end = end.map(|at| from + at + END_OF_HEAD.len());
        if end.unwrap_or(head.len()) > MAX_REQUEST_BYTES {
            return Err(UpgradeError::TooLong);
        }
        if let Some(end) = end {
            break end;
        }
    };
    let rest = head.split_off(end);
    Ok((head, rest))
}
