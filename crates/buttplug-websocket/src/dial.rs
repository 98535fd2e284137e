//! The calling half: from a URL to an open socket.

use crate::limits::SocketLimits;
use crate::meter::Meter;
use crate::socket::Socket;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, error::ProtocolError};

/// How long one address may take while others remain to be tried.
const ATTEMPT_TIME: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// The URL can't be used.
    #[error("{reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered.
    #[error("{reason}")]
    Refused {
        /// What the system said.
        reason: String,
    },
    /// Somebody answered, but did not open a WebSocket.
    #[error("{reason}")]
    Declined {
        /// What the other side said or did.
        reason: String,
    },
}

/// Opens a connection to a URL such as `ws://127.0.0.1:12345`. A name that stands for several addresses is tried with
/// all of them. There is no limit of time for the whole; the caller sets one.
///
/// # Errors
/// The URL can't be used, or nobody answers there in WebSocket.
pub async fn dial(url: &str, limits: SocketLimits) -> Result<Socket, DialError> {
    let target = Target::parse(url, Scheme::Ws)?;
    dial_each(&target, |address| {
        let request = target.request.clone();
        async move { upgrade(connect(address).await?, request, limits).await }
    })
    .await
}

/// Finds out whether a URL can be dialled, without doing so. Whether anybody answers is another matter.
///
/// # Errors
/// The URL can't be used.
pub fn check_url(url: &str) -> Result<(), DialError> {
    #[cfg(feature = "tls")]
    if is_encrypted(url) {
        return Target::parse(url, Scheme::Wss).map(drop);
    }
    Target::parse(url, Scheme::Ws).map(drop)
}

/// Whether a URL asks for encryption, however its scheme is written.
#[cfg(feature = "tls")]
pub fn is_encrypted(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss://"))
}

/// Tries all addresses of a target, one after another.
pub(crate) async fn dial_each<S, Attempt>(
    target: &Target,
    open: impl Fn(SocketAddr) -> Attempt,
) -> Result<Socket<S>, DialError>
where
    Attempt: Future<Output = Result<Socket<S>, Failure>>,
{
    let addresses: Vec<SocketAddr> = lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|error| DialError::Refused { reason: format!("{} is not known: {error}", target.host) })?
        .collect();
    let mut reasons: Vec<String> = Vec::new();
    let mut answered = false;
    for (index, address) in addresses.iter().enumerate() {
        let attempt = open(*address);
        let result = if index + 1 == addresses.len() {
            attempt.await
        } else {
            timeout(ATTEMPT_TIME, attempt)
                .await
                .unwrap_or_else(|_| Err(Failure::NoAnswer(String::from("no answer"))))
        };
        let reason = match result {
            Ok(socket) => return Ok(socket),
            Err(Failure::NoAnswer(reason)) => reason,
            Err(Failure::NoUpgrade(reason)) => {
                answered = true;
                reason
            }
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        reasons.push(format!("{} has no address", target.host));
    }
    let reason = reasons.join("; ");
    Err(if answered { DialError::Declined { reason } } else { DialError::Refused { reason } })
}

/// Why one address gave no connection.
pub(crate) enum Failure {
    NoAnswer(String),
    NoUpgrade(String),
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        Failure::NoAnswer(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => String::from("nothing listens there"),
            _ => error.to_string(),
        })
    })?;
    // Fails only on a connection that is gone.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request,
    limits: SocketLimits,
) -> Result<Socket<S>, Failure> {
    let config = Socket::<TcpStream>::config(&limits);
    match client_async_with_config(request, Meter::new(stream), Some(config)).await {
        Ok((stream, _)) => Ok(Socket::new(stream, limits)),
        Err(error) => Err(Failure::NoUpgrade(explain(&error))),
    }
}

fn explain(error: &WebSocketError) -> String {
    match error {
        WebSocketError::Http(response) => {
            format!("it answers with HTTP status {} instead of WebSocket", response.status())
        }
        WebSocketError::Protocol(ProtocolError::HandshakeIncomplete) => {
            String::from("it closed the connection during the upgrade to WebSocket")
        }
        WebSocketError::Io(error) => format!("the connection broke during the upgrade to WebSocket: {error}"),
        other => format!("it does not speak WebSocket: {other}"),
    }
}

/// What a URL begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Ws,
    #[cfg(feature = "tls")]
    Wss,
}

pub(crate) struct Target {
    pub(crate) host: String,
    port: u16,
    pub(crate) request: Request,
}

impl Target {
    pub(crate) fn parse(url: &str, wanted: Scheme) -> Result<Self, DialError> {
        let bad = |reason: &str| DialError::BadUrl { reason: String::from(reason) };
        // Schemes may be written in any case, but the library knows only one.
        let url = match url.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
            None => String::from(url),
        };
        let uri: Uri = url.parse().map_err(|error| DialError::BadUrl { reason: format!("{error}") })?;
        let default_port = match (uri.scheme_str(), wanted) {
            (Some("ws"), Scheme::Ws) => 80,
            #[cfg(feature = "tls")]
            (Some("wss"), Scheme::Wss) => 443,
            (Some("wss"), _) => {
                return Err(bad("encrypted connections (wss) are not supported by this program; use ws"));
            }
            _ => return Err(bad("it has to begin with ws://, for example ws://127.0.0.1:12345")),
        };
        let host = uri.host().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = match uri.port_u16() {
            Some(port) if port > 0 => port,
            // The library leaves out what is no port.
            None if authority.rsplit('@').next() == Some(host) => default_port,
            _ => return Err(bad("its port has to be a number from 1 to 65535")),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let host = String::from(host);
        let request =
            uri.into_client_request().map_err(|error| DialError::BadUrl { reason: error.to_string() })?;
        Ok(Self { host, port, request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_or_refused_with_a_reason() {
        let cases = [
            ("ws://127.0.0.1:12345", Ok(("127.0.0.1", 12345))),
            ("ws://localhost:12345/some/path?and=more", Ok(("localhost", 12345))),
            ("ws://[::1]:12345/", Ok(("::1", 12345))),
            ("WS://example.org", Ok(("example.org", 80))),
            ("wss://localhost:12345", Err("wss")),
            ("http://localhost:12345", Err("begin with ws://")),
            ("localhost:12345", Err("begin with ws://")),
            ("127.0.0.1:12345", Err("begin with ws://")),
            ("ws://localhost:123456", Err("port")),
            ("ws://:12345", Err("")),
            ("ws://", Err("")),
            ("ws://localhost:0", Err("port")),
            ("ws://localhost:", Err("port")),
            ("ws://me@localhost", Ok(("localhost", 80))),
            ("", Err("")),
            ("ws://a b", Err("")),
            ("ws://[::1", Err("")),
        ];
        for (url, expected) in cases {
            #[cfg(not(feature = "tls"))]
            assert_eq!(check_url(url).is_ok(), expected.is_ok(), "{url}");
            match (Target::parse(url, Scheme::Ws), expected) {
                (Ok(target), Ok((host, port))) => {
                    assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{url}: {error}"),
                (Ok(_), Err(_)) => panic!("{url} is no good"),
                (Err(error), Ok(_)) => panic!("{url}: {error}"),
            }
        }
    }
}
