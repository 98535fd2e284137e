//! Asks over HTTP: apps in the local network as they are, the directory with encryption. One connection for each question, no
//! redirects, no proxy, and an answer has an end. Dropping a question ends its connection.

use super::limits::MAX_ANSWER_BYTES;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Where apps tell that they are there, and on which address.
const DIRECTORY: &str = "api.lovense.com";

/// The directory's port.
const DIRECTORY_PORT: u16 = 443;

/// What the directory is asked for.
const DIRECTORY_PATH: &str = "/api/lan/getToys";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum WebError {
    #[error("{host} can't be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("{host} does not speak HTTP: {reason}")]
    NoHttp { host: String, reason: String },
    #[error("{host} answers with status {status}")]
    Status { host: String, status: u16 },
    #[error("the path {0:?} can't be asked for")]
    BadPath(String),
}

/// Who is asked. A trait, so that tests can answer.
#[async_trait]
pub(crate) trait Web: Send + Sync {
    /// Where the directory knows apps, as it says it.
    async fn directory(&self) -> Result<Vec<u8>, WebError>;

    /// Asks an app for a path and returns the answer.
    async fn get(&self, host: SocketAddr, path: &str) -> Result<Vec<u8>, WebError>;

    /// Asks an app for a path. Any answer will do.
    async fn tell(&self, host: SocketAddr, path: &str) -> Result<(), WebError>;
}

/// The network.
#[derive(Debug, Default)]
pub(crate) struct Network;

#[async_trait]
impl Web for Network {
    async fn directory(&self) -> Result<Vec<u8>, WebError> {
        let unreachable = |reason: String| WebError::Unreachable { host: DIRECTORY.into(), reason };
        let stream = TcpStream::connect((DIRECTORY, DIRECTORY_PORT)).await;
        let stream = stream.map_err(|error| unreachable(error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(trust().await.map_err(unreachable)?));
        let name = ServerName::try_from(DIRECTORY).map_err(|error| unreachable(error.to_string()))?;
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| unreachable(format!("no trusted connection: {error}")))?;
        ask(stream, DIRECTORY, DIRECTORY_PATH, Wanted::Body).await
    }

    async fn get(&self, host: SocketAddr, path: &str) -> Result<Vec<u8>, WebError> {
        let stream = connect(host).await?;
        ask(stream, &host.to_string(), path, Wanted::Body).await
    }

    async fn tell(&self, host: SocketAddr, path: &str) -> Result<(), WebError> {
        let stream = connect(host).await?;
        ask(stream, &host.to_string(), path, Wanted::AnyAnswer).await.map(|_| ())
    }
}

async fn connect(host: SocketAddr) -> Result<TcpStream, WebError> {
    let unreachable =
        |error: std::io::Error| WebError::Unreachable { host: host.to_string(), reason: error.to_string() };
    let stream = TcpStream::connect(host).await.map_err(unreachable)?;
    // A command is one small packet, and a stop must not wait for a second one.
    stream.set_nodelay(true).map_err(unreachable)?;
    // A command that is given up must not be sent again by the system and arrive behind a stop.
    stream.set_zero_linger().map_err(unreachable)?;
    Ok(stream)
}

/// What this machine trusts.
async fn trust() -> Result<ClientConfig, String> {
    // Reads files.
    let native = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let native = native.map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    let provider = Arc::new(crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What of an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// All of it, and only of a good one.
    Body,
    /// That there is one.
    AnyAnswer,
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
    wanted: Wanted,
) -> Result<Vec<u8>, WebError> {
    let no_http =
        |error: &dyn std::fmt::Display| WebError::NoHttp { host: host.into(), reason: error.to_string() };
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| WebError::BadPath(path.into()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| no_http(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| no_http(&error))?;
        if wanted == Wanted::AnyAnswer {
            return Ok(Vec::new());
        }
        if answer.status() != StatusCode::OK {
            return Err(WebError::Status { host: host.into(), status: answer.status().as_u16() });
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|error| no_http(&error))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It ends first where the other side closes right behind its answer; what is lost then, the answer tells.
        _ = &mut connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Somebody who answers one question with these bytes. Returns what was asked.
    async fn asked<T>(
        answer: &[u8],
        ask: impl AsyncFnOnce(SocketAddr) -> Result<T, WebError>,
    ) -> (String, Result<T, WebError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                question.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            String::from_utf8(question).unwrap()
        };
        tokio::join!(serve, ask(host))
    }

    #[tokio::test]
    async fn a_path_is_asked_for_as_it_is_and_the_answer_read_to_its_end() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n{}",
        ] {
            let (question, answer) = asked(answer, async |host| Network.get(host, "/GetToys").await).await;
            assert!(question.starts_with("GET /GetToys HTTP/1.1\r\nhost: 127.0.0.1:"), "{question}");
            assert_eq!(answer, Ok(b"{}".to_vec()));
        }
    }

    #[tokio::test]
    async fn only_a_good_answer_is_a_list_and_any_answer_is_enough_for_a_command() {
        let bad = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let (_, answer) = asked(bad, async |host| Network.get(host, "/GetToys").await).await;
        assert!(matches!(answer, Err(WebError::Status { status: 404, .. })), "{answer:?}");
        let path = "/Vibrate1?v=10&t=d0f00baa1234";
        let (question, answer) = asked(bad, async |host| Network.tell(host, path).await).await;
        assert!(question.starts_with("GET /Vibrate1?v=10&t=d0f00baa1234 HTTP/1.1\r\n"), "{question}");
        assert_eq!(answer, Ok(()));
    }

    #[tokio::test]
    async fn an_answer_without_end_and_one_in_another_language_are_errors() {
        let long = [b"HTTP/1.0 200 OK\r\n\r\n", &vec![b' '; MAX_ANSWER_BYTES + 1][..]].concat();
        for answer in [&long[..], b"SSH-2.0-OpenSSH\r\n", b""] {
            let (_, answer) = asked(answer, async |host| Network.get(host, "/GetToys").await).await;
            assert!(matches!(answer, Err(WebError::NoHttp { .. })), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn nobody_there_and_a_path_that_is_none_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        assert_eq!(Network.tell(host, "/a b\r\n").await, Err(WebError::BadPath(String::from("/a b\r\n"))));
        drop(listener);
        assert!(matches!(Network.tell(host, "/").await, Err(WebError::Unreachable { .. })));
    }
}
