//! The server's half of the upgrade from HTTP to WebSocket: any path, no sub-protocol, no compression. Who comes without
//! wanting to upgrade, or may not, gets a short answer in HTTP.

use crate::gate::{Gate, Refusal, Visit};
use crate::limits::{ListenerLimits, MAX_REQUEST_BYTES};
use crate::socket::{Socket, linger};
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

/// What is asked for to find out whether somebody is there, again and again by whoever looks after a service.
const HEALTH_PATH: &str = "/healthz";

/// Why an upgrade failed.
#[derive(Debug, Error)]
pub(crate) enum UpgradeError {
    #[error("the connection broke: {0}")]
    Lost(#[from] io::Error),
    #[error("the peer left without a word")]
    SaidNothing,
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
    #[error("the request is no upgrade to WebSocket: it only asks whether somebody is there")]
    OnlyAsks,
    #[error("it took longer than {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error("the request is not complete after {} s", .0.as_secs_f32())]
    Incomplete(Duration),
    #[error("other machines have to connect with encryption: use wss:// in place of ws://")]
    NotEncrypted,
    #[error("{}", .0.text)]
    Refused(Refusal),
}

impl UpgradeError {
    /// Status line and further headers of the answer, where one is useful.
    fn answer(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Lost(_) | Self::SaidNothing | Self::Left | Self::NotHttp | Self::TooSlow(_) => None,
            Self::Incomplete(_) => Some(("408 Request Timeout", "")),
            Self::TooLong => Some(("431 Request Header Fields Too Large", "")),
            Self::Malformed(_) => Some(("400 Bad Request", "")),
            Self::NoUpgrade(_) | Self::OnlyAsks => {
                Some(("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"))
            }
            Self::Refused(Refusal { wants_token: true, .. }) => {
                Some(("401 Unauthorized", "WWW-Authenticate: Bearer\r\n"))
            }
            Self::NotEncrypted | Self::Refused(Refusal { wants_token: false, .. }) => {
                Some(("403 Forbidden", ""))
            }
        }
    }

    /// Whether a person is to read of it. Not of those who look whether somebody is there, nor of a link that broke; of a
    /// refusal the gate has told.
    pub(crate) fn is_noteworthy(&self) -> bool {
        match self {
            // What wants to be encrypted, and is not.
            Self::Lost(error) => error.kind() == io::ErrorKind::InvalidData,
            Self::SaidNothing | Self::OnlyAsks | Self::Refused(_) => false,
            Self::Left
            | Self::NotHttp
            | Self::TooLong
            | Self::Malformed(_)
            | Self::NoUpgrade(_)
            | Self::TooSlow(_)
            | Self::Incomplete(_)
            | Self::NotEncrypted => true,
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

/// What an upgrade has to pass.
pub(crate) struct Upgrade<'l> {
    pub(crate) peer: SocketAddr,
    pub(crate) gate: &'l dyn Gate,
    pub(crate) limits: &'l ListenerLimits,
    /// The peer should have encrypted, and has not.
    pub(crate) must_encrypt: bool,
}

impl Upgrade<'_> {
    /// Upgrades whom the gate lets in. Waits for the peer no longer than the limit says; the gate may take its time.
    pub(crate) async fn run<S>(self, mut stream: S) -> Result<Socket<S>, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = self.limits;
        match self.respond(&mut stream).await {
            Ok(rest) => Ok(Socket::server(stream, rest, limits.socket).await),
            Err(error) => {
                if let Some((status, headers)) = error.answer() {
                    let body = error.text() + "\n";
                    let answer = format!(
                        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\
                         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    write(&mut stream, answer.as_bytes(), limits.upgrade_time).await?;
                    linger(&mut stream, limits.socket.close_time).await;
                }
                Err(error)
            }
        }
    }

    /// Reads the request, asks the gate and writes the response; returns what followed the request.
    async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
    ) -> Result<Vec<u8>, UpgradeError> {
        let limit = self.limits.upgrade_time;
        let mut head = Vec::with_capacity(1024);
        let rest = match timeout(limit, read(stream, &mut head)).await {
            Ok(rest) => rest?,
            Err(_) if head.is_empty() => return Err(UpgradeError::TooSlow(limit)),
            Err(_) => return Err(UpgradeError::Incomplete(limit)),
        };
        let Some((_, request)) = Request::try_parse(&head)? else {
            return Err(UpgradeError::Malformed(String::from("it ends too soon")));
        };
        let mut response = Vec::with_capacity(256);
        let upgrade = create_response(&request).map_err(|error| match error.into() {
            UpgradeError::NoUpgrade(_) if request.uri().path() == HEALTH_PATH => UpgradeError::OnlyAsks,
            error => error,
        });
        write_response(&mut response, &upgrade?)?;
        if self.must_encrypt {
            return Err(UpgradeError::NotEncrypted);
        }
        let visit = Visit::new(self.peer, request.uri(), request.headers());
        self.gate.admit(&visit).await.map_err(UpgradeError::Refused)?;
        write(stream, &response, limit).await?;
        Ok(rest)
    }
}

/// Writes, and out: an encrypted stream keeps what it is given until then.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
    limit: Duration,
) -> Result<(), UpgradeError> {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    Ok(timeout(limit, write).await.map_err(|_| UpgradeError::TooSlow(limit))??)
}

/// Reads a request; returns what followed it.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, head: &mut Vec<u8>) -> Result<Vec<u8>, UpgradeError> {
    let end = loop {
        // The end may have come in two pieces.
        let from = head.len().saturating_sub(END_OF_HEAD.len() - 1);
        head.reserve(512);
        if stream.read_buf(head).await? == 0 {
            return Err(if head.is_empty() { UpgradeError::SaidNothing } else { UpgradeError::Left });
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
    Ok(head.split_off(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Admission, Rules};
    use tokio::time::{Instant, sleep};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// What a peer gets for its request.
    async fn answer(gate: &dyn Gate, must_encrypt: bool) -> String {
        let (mut ours, theirs) = tokio::io::duplex(4096);
        ours.write_all(REQUEST).await.unwrap();
        let limits = ListenerLimits::default();
        let peer = "192.0.2.1:5".parse().unwrap();
        let socket = Upgrade { peer, gate, limits: &limits, must_encrypt }.run(theirs).await;
        drop(socket);
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_encrypt_and_does_not_is_told_so() {
        let answer = answer(&Rules::default(), true).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("wss://"), "{answer}");
    }

    /// Why a peer that sends this, and then nothing more, is not upgraded.
    async fn failure(bytes: &[u8]) -> UpgradeError {
        let (mut ours, theirs) = tokio::io::duplex(4096);
        ours.write_all(bytes).await.unwrap();
        ours.shutdown().await.unwrap();
        let (gate, limits) = (Rules::default(), ListenerLimits::default());
        let peer = "192.0.2.1:5".parse().unwrap();
        Upgrade { peer, gate: &gate, limits: &limits, must_encrypt: false }.run(theirs).await.err().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_only_looks_whether_somebody_is_there_is_no_news_and_others_are() {
        let page = [REQUEST.strip_suffix(b"\r\n").unwrap(), b"Origin: https://page.example\r\n\r\n"].concat();
        for (bytes, is_news) in [
            (&b""[..], false),
            (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false),
            (&page, false),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            (b"GET / HT", true),
            (b"\x16\x03\x01", true),
        ] {
            let failure = failure(bytes).await;
            assert_eq!(failure.is_noteworthy(), is_news, "{failure}");
        }
    }

    #[derive(Debug)]
    struct Slow;

    impl Gate for Slow {
        fn admit<'a>(&'a self, _: &'a Visit) -> Admission<'a> {
            Box::pin(async {
                sleep(Duration::from_secs(60)).await;
                Ok(())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_may_take_longer_than_a_peer() {
        let start = Instant::now();
        assert!(answer(&Slow, false).await.starts_with("HTTP/1.1 101 "));
        assert_eq!(start.elapsed().as_secs(), 60);
    }
}
