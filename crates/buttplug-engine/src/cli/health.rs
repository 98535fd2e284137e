//! `buttplug health`: whether the engine on this machine answers. For containers and the like, which have no other program to
//! ask with. That its port is open says nothing: the system keeps it open for an engine that hangs.

use super::{GivenFlags, SourceFlags, Subcommand, complain, print, serve};
use crate::exit::Exit;
use crate::settings::{Door, Listen};
use crate::sources::{Around, settle};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long each step may take. It is on this machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the answer that are read. An engine's has a few hundred.
const MAX_ANSWER: usize = 8192;

/// What `health` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a port it asks where `serve` listens by the settings in the environment and in the file: at the \
        port for clients, or at the REST API if there is no such port. Ends with 0 if an engine answers, with 1 if not."
)]
pub(crate) struct HealthFlags {
    // The first, because it only looks, and the others take.
    #[command(flatten)]
    given: GivenFlags,

    /// The port for clients
    #[arg(long, value_name = "PORT")]
    websocket_port: Option<u16>,

    /// Ask the REST API on this port instead
    #[arg(long, value_name = "PORT", conflicts_with = "websocket_port")]
    rest_api_port: Option<u16>,

    #[command(flatten)]
    #[allow(dead_code, reason = "read as one of those that were given")]
    sources: SourceFlags,
}

/// Asks, and says what came of it.
pub(super) fn run(flags: &HealthFlags) -> Exit {
    let door = match door(flags) {
        Ok(door) => door,
        Err(exit) => return exit,
    };
    let mut trouble = None;
    for address in door.addresses() {
        if address.port() == 0 {
            complain(
                "the settings take any free port (0), so the engine can't be found; pass --websocket-port or --rest-api-port",
            );
            return Exit::Mend;
        }
        match ask(address) {
            Ok(answer) if answer.is_well(&door) => return print("the engine answers\n", Exit::Orderly),
            Ok(Answer { status, .. }) => {
                trouble = Some(format!(
                    "{address}: it answers with {status}, which is no good sign, or another program's"
                ));
            }
            // What one address says counts for more than that nobody is at the other.
            Err(error) => {
                trouble.get_or_insert(format!("{address}: {error}"));
            }
        }
    }
    complain(format_args!("no engine answers: {}", trouble.unwrap_or_default()));
    Exit::Mend
}

/// Where to ask. Whoever names a port is asked for nothing else.
fn door(flags: &HealthFlags) -> Result<Door, Exit> {
    if let Some(port) = flags.websocket_port {
        return Ok(Door::Clients(Listen::Loopback(port)));
    }
    if let Some(port) = flags.rest_api_port {
        return Ok(Door::Rest(Listen::Loopback(port)));
    }
    let settled =
        settle(&flags.given, Subcommand::Typed, &Around::usual()).map_err(|error| serve::wrong(&error))?;
    let mend = |text: String| {
        complain(text);
        Exit::Mend
    };
    let door = Door::of(&settled.flags).map_err(|error| mend(settled.explain(&error.to_string())))?;
    door.ok_or_else(|| {
        mend("by its settings the engine has no port to ask at; give it --rest-api-port".into())
    })
}

/// What somebody at a port answers.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Some(Self { status, body: body.unwrap_or_default() })
    }

    /// Whether it is an engine's that does its work. The port for clients, also one that is encrypted, tells whoever is no
    /// client what it is for; the REST API says how it is, or that it wants a token.
    fn is_well(&self, door: &Door) -> bool {
        match door {
            Door::Clients(_) => self.status == 426 && self.body.starts_with("This port speaks WebSocket"),
            Door::Rest(_) => {
                let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
                match self.status {
                    200 => body["status"] == "ok",
                    401 => body["error"]["code"] == "token-needed",
                    _ => false,
                }
            }
        }
    }
}

/// The answer to a question that every port for HTTP or WebSocket answers.
fn ask(address: SocketAddr) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
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
        let clients = Door::Clients(Listen::Loopback(1));
        let rest = Door::Rest(Listen::Loopback(1));
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
            assert_eq!(
                (answer.is_well(&clients), answer.is_well(&rest)),
                (as_clients, as_rest),
                "{status} {body}"
            );
        }
        for other in [&b""[..], b"HTTP/1.1", b"SSH-2.0-Open", b"\x15\x03\x03\x00\x02", b"HTTP/1.1 2xx"] {
            assert!(Answer::parse(other).is_none(), "{other:?}");
        }
    }
}
