//! The server's half of the upgrade from HTTP to WebSocket: any path, any origin, no sub-protocol, no compression.
//! Who comes without wanting to upgrade gets a short answer in HTTP.

use crate::limits::{MAX_REQUEST_BYTES, SocketLimits};
use crate::socket::{Socket, linger};
use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
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
}

impl UpgradeError {
    /// Status line and further headers of the answer, where one is useful.
    fn answer(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Lost(_) | Self::Left | Self::NotHttp => None,
            Self::TooLong => Some(("431 Request Header Fields Too Large", "")),
            Self::Malformed(_) => Some(("400 Bad Request", "")),
            Self::NoUpgrade(_) => {
                Some(("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"))
            }
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

/// Upgrades. The caller limits the time.
pub(crate) async fn upgrade<S>(mut stream: S, limits: SocketLimits) -> Result<Socket<S>, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match respond(&mut stream).await {
        Ok(rest) => Ok(Socket::server(stream, rest, limits).await),
        Err(error) => {
            if let Some((status, headers)) = error.answer() {
                let body = format!("This port speaks WebSocket: {error}.\n");
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: \
                     {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await?;
                linger(&mut stream, limits.close_time).await;
            }
            Err(error)
        }
    }
}

/// Reads the request and writes the response; returns what followed the request.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<Vec<u8>, UpgradeError> {
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
    let response = response(&head)?;
    stream.write_all(&response).await?;
    Ok(rest)
}

fn response(head: &[u8]) -> Result<Vec<u8>, UpgradeError> {
    let Some((_, request)) = Request::try_parse(head)? else {
        return Err(UpgradeError::Malformed(String::from("it ends too soon")));
    };
    let mut response = Vec::with_capacity(256);
    write_response(&mut response, &create_response(&request)?)?;
    Ok(response)
}
