//! What somebody at a port of this machine answers to a plain question: is it an engine of ours?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long each step may take. It is on this machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the answer that are read. An engine's has a few hundred.
const MAX_ANSWER: usize = 8192;

/// What somebody at a port answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Some(Self { status, body: body.unwrap_or_default() })
    }

    /// Whether it is the port for clients, or for devices, of an engine that does its work. Also one that is encrypted tells
    /// whoever is no client what it is for.
    pub(crate) fn is_websocket(&self) -> bool {
        self.status == 426 && self.body.starts_with("This port speaks WebSocket")
    }

    /// Whether it is the REST API of an engine that does its work. It says how it is, or that it wants a token.
    pub(crate) fn is_rest(&self) -> bool {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        match self.status {
            200 => body["status"] == "ok",
            401 => body["error"]["code"] == "token-needed",
            _ => false,
        }
    }
}

/// The answer to a question that every port for HTTP or WebSocket answers.
pub(crate) fn ask(address: SocketAddr) -> io::Result<Answer> {
    send(address, "/healthz", "")
}

/// The answer to whoever wants to be a client. The connection ends with it.
pub(crate) fn ask_as_client(address: SocketAddr) -> io::Result<Answer> {
    let headers =
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    send(address, "/", headers)
}

fn send(address: SocketAddr, path: &str, headers: &str) -> io::Result<Answer> {
    let connection = if headers.is_empty() { "close" } else { "Upgrade" };
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n{headers}\r\n")
            .as_bytes(),
    )?;
    Answer::parse(&read(&mut stream)?)
        .ok_or_else(|| io::Error::other("its answer is no HTTP; it is another program"))
}

/// What comes, up to the end of the connection.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < MAX_ANSWER {
        // No time at all would be refused.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(io::Error::other("it does not answer in time; it hangs, or is another program"));
            }
            // Whoever leaves without having heard us out may still have said something.
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_engines_own_answers_are_well() {
        let ours = "This port speaks WebSocket: the request is no upgrade.";
        for (status, body, as_clients, as_rest) in [
            ("426 Upgrade Required", ours, true, false),
            ("426 Upgrade Required", "", false, false),
            ("200 OK", ours, false, false),
            ("200 OK", r#"{"status": "ok"}"#, false, true),
            ("200 OK", "<html>", false, false),
            ("401 Unauthorized", r#"{"error": {"code": "token-needed", "message": "x"}}"#, false, true),
            ("401 Unauthorized", "", false, false),
            ("403 Forbidden", ours, false, false),
            ("404 Not Found", "<html>", false, false),
            ("503 Service Unavailable", r#"{"status": "ok"}"#, false, false),
        ] {
            let answer =
                Answer::parse(format!("HTTP/1.1 {status}\r\nA: b\r\n\r\n{body}").as_bytes()).unwrap();
            assert_eq!((answer.is_websocket(), answer.is_rest()), (as_clients, as_rest), "{status} {body}");
        }
        for other in [&b""[..], b"HTTP/1.1", b"SSH-2.0-Open", b"\x15\x03\x03\x00\x02", b"HTTP/1.1 2xx"] {
            assert!(Answer::parse(other).is_none(), "{other:?}");
        }
    }
}
