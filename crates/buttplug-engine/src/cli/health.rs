//! `buttplug health`: whether the engine on this machine answers. For containers and the like, which have no other program to
//! ask with. That its port is open says nothing: the system keeps it open for an engine that hangs.

use super::{complain, print};
use crate::exit::Exit;
use crate::settings::{DEFAULT_CLIENT_PORT, Listen};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long each step may take. It is on this machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the answer that are of interest: `HTTP/1.1 200`.
const STATUS_LINE: u64 = 12;

/// What `health` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with 0 if it answers, with 1 if not. Where the port for clients is encrypted, ask the REST API."
)]
pub(crate) struct HealthFlags {
    /// The port for clients [default: 12345]
    #[arg(long, value_name = "PORT")]
    websocket_port: Option<u16>,

    /// Ask the REST API on this port instead
    #[arg(long, value_name = "PORT", conflicts_with = "websocket_port")]
    rest_api_port: Option<u16>,
}

/// Asks, and says what came of it.
pub(super) fn run(flags: &HealthFlags) -> Exit {
    let port = flags.rest_api_port.or(flags.websocket_port).unwrap_or(DEFAULT_CLIENT_PORT);
    let mut trouble = None;
    for address in Listen::Loopback(port).addresses() {
        match ask(address) {
            Ok(status) if is_well(status) => return print("the engine answers\n", Exit::Orderly),
            Ok(status) => {
                trouble = Some(format!("{address}: it answers with {status}, which is no good sign"));
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

/// Whether an engine that answers so does its work. Whoever asks like this is refused by the port for clients, and without a
/// token by both.
fn is_well(status: u16) -> bool {
    (200..500).contains(&status)
}

/// The status of the answer to a question that every port for HTTP or WebSocket answers.
fn ask(address: SocketAddr) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut line = Vec::new();
    stream.take(STATUS_LINE).read_to_end(&mut line).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other("it does not answer in time; it hangs, or is another program")
        }
        _ => error,
    })?;
    status(&line)
        .ok_or_else(|| io::Error::other("its answer is no HTTP; it is encrypted, or another program"))
}

fn status(line: &[u8]) -> Option<u16> {
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200"), Some(200));
        assert_eq!(status(b"HTTP/1.1 426"), Some(426));
        for other in [&b""[..], b"HTTP/1.1", b"SSH-2.0-Open", b"\x15\x03\x03\x00\x02", b"HTTP/1.1 2xx"] {
            assert_eq!(status(other), None, "{other:?}");
        }
        for (code, well) in [(200, true), (401, true), (426, true), (500, false), (503, false), (100, false)]
        {
            assert_eq!(is_well(code), well, "{code}");
        }
    }
}
