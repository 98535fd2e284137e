//! systemd, as far as a service talks with it: a datagram to the socket in `NOTIFY_SOCKET`, and how often it wants one.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The shortest time between two signs of life.
const SHORTEST_RHYTHM: Duration = Duration::from_millis(10);

/// The socket to tell it.
pub(super) struct Socket {
    ours: UnixDatagram,
    theirs: SocketAddr,
}

impl Socket {
    /// The one that the environment names; `None` if it names none.
    pub(super) fn of_environment() -> io::Result<Option<Self>> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
        let theirs = address(name.as_encoded_bytes())?;
        let ours = UnixDatagram::unbound()?;
        // A reader who hangs must not hold up anything.
        ours.set_nonblocking(true)?;
        Ok(Some(Self { ours, theirs }))
    }

    pub(super) fn send(&self, text: &str) {
        if let Err(error) = self.ours.send_to_addr(text.as_bytes(), &self.theirs) {
            tracing::debug!(%error, "systemd does not hear {}", text.trim_end());
        }
    }
}

/// The address by this name: a path, or behind an `@` a name that is in no folder.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
    match name {
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a path nor begins with @")),
    }
}

/// How often it wants to hear from this process; half of the time after which it gives it up.
pub(super) fn rhythm_of_environment() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    rhythm(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), std::process::id())
}

fn rhythm(microseconds: Option<&str>, meant: Option<&str>, process: u32) -> Option<Duration> {
    // Another process is meant if there is a guard that has left it in the environment of its engine.
    if meant.is_some_and(|meant| meant != process.to_string()) {
        return None;
    }
    let patience = microseconds?.parse().ok().filter(|patience| *patience > 0)?;
    Some((Duration::from_micros(patience) / 2).max(SHORTEST_RHYTHM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hears_twice_in_the_time_that_it_waits_and_only_from_whom_it_means() {
        for (microseconds, meant, expected) in [
            (Some("30000000"), None, Some(15_000)),
            (Some("30000000"), Some("7"), Some(15_000)),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some("x"), None),
            (Some("1"), None, Some(10)),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
        ] {
            let rhythm = rhythm(microseconds, meant, 7);
            assert_eq!(rhythm, expected.map(Duration::from_millis), "{microseconds:?} {meant:?}");
        }
    }

    #[test]
    fn a_socket_is_a_path_or_a_name_behind_an_at_sign() {
        assert_eq!(address(b"/run/x").unwrap().as_pathname(), Some(std::path::Path::new("/run/x")));
        assert_eq!(address(b"@x/y").unwrap().as_abstract_name(), Some(&b"x/y"[..]));
        for other in [&b""[..], b"vsock:2:1", b"run/x", b"/with\0zero", &[b'/'; 200]] {
            assert!(address(other).is_err(), "{other:?}");
        }
    }
}
