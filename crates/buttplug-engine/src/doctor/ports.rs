//! The ports for clients and devices: free, or who has them?

use super::Check;
use crate::answer::{ask, ask_as_client};
use buttplug_client::Client;
use buttplug_connector_websocket::WebSocketClientConnector;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How long whoever has a port may take to introduce itself. It is on this machine.
const MAX_INTRODUCTION: Duration = Duration::from_secs(2);

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody.
    Free,
    /// An engine that calls itself so.
    Engine(String),
    /// An engine that tells nobody its name who does not have this.
    Closed(Option<&'static str>),
    /// A program that does not say that it is an engine.
    Other,
    /// The system does not let it be opened, for this reason.
    Refused(String),
}

/// What is to be said of a port. `flag`: the one that chooses another.
pub(crate) fn examine(about: &'static str, address: SocketAddr, holder: &Holder, flag: &str) -> Check {
    match holder {
        Holder::Free => Check::ok(about, format!("{address} is free")),
        Holder::Engine(_) | Holder::Closed(_) => {
            let which = match holder {
                Holder::Engine(name) => format!("called {name:?}"),
                Holder::Closed(Some(wanted)) => format!("that wants {wanted}"),
                _ => "that did not tell its name".into(),
            };
            Check::attention(
                about,
                format!("{address} is in use by an engine {which}"),
                format!(
                    "use that one, or end it before you start another, or choose another port with --{flag}"
                ),
            )
        }
        Holder::Other => Check::problem(
            about,
            format!("{address} is in use by another program"),
            format!("end that program, or choose another port with --{flag}"),
        ),
        Holder::Refused(reason) => Check::problem(
            about,
            format!("{address} can't be opened: {reason}"),
            format!("choose another port with --{flag}"),
        ),
    }
}

/// Sees who has the port. An address that this machine does not have is no reason to refuse the others.
pub(crate) async fn look(addresses: &[SocketAddr], is_for_clients: bool) -> Holder {
    for address in addresses.iter().filter(|address| address.port() != 0) {
        match TcpListener::bind(address).map_err(|error| (error.kind(), error)) {
            Ok(_) | Err((ErrorKind::AddrNotAvailable | ErrorKind::Unsupported, _)) => {}
            Err((ErrorKind::AddrInUse, _)) => return holder(local(*address), is_for_clients).await,
            // The system has no such sort of address.
            Err((_, error)) if error.raw_os_error().is_some_and(is_no_family) => {}
            Err((_, error)) => return Holder::Refused(error.to_string()),
        }
    }
    Holder::Free
}

/// Whether the system means that it knows no IPv6 at all, or no IPv4.
fn is_no_family(code: i32) -> bool {
    // Linux, macOS, Windows.
    [97, 47, 10047].contains(&code)
}

/// Where an address that is in use can be asked from this machine.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whoever does not tell its name may still be an engine, which answers to a plain question.
async fn holder(address: SocketAddr, is_for_clients: bool) -> Holder {
    let plain =
        spawn_blocking(move || ask(address).is_ok_and(|answer| answer.is_websocket() || answer.is_rest()));
    let (name, plain) = tokio::join!(introduction(address, is_for_clients), plain);
    if let Some(name) = name {
        return Holder::Engine(name);
    }
    // A task that fails has found nothing out.
    if !plain.unwrap_or_default() {
        return Holder::Other;
    }
    if !is_for_clients {
        return Holder::Closed(None);
    }
    let refusal = spawn_blocking(move || ask_as_client(address).map(|answer| answer.status)).await;
    Holder::Closed(match refusal {
        Ok(Ok(401)) => Some("a token"),
        // Other machines are told that; this one may be one by its own address.
        Ok(Ok(403)) => Some("encryption"),
        _ => None,
    })
}

/// The name of an engine. Only the port for clients asks for none and tells one.
async fn introduction(address: SocketAddr, is_for_clients: bool) -> Option<String> {
    if !is_for_clients {
        return None;
    }
    let url = format!("ws://{address}");
    let client = Client::builder("buttplug doctor").connect_timeout(Some(MAX_INTRODUCTION)).build();
    let met = client.connect(WebSocketClientConnector::new(url)).await;
    client.disconnect().await;
    met.ok().map(|server| server.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing::{Attention, Ok, Problem};

    #[test]
    fn what_is_said_of_a_port() {
        let address = "127.0.0.1:12345".parse().unwrap();
        for (holder, standing, says) in [
            (Holder::Free, Ok, "127.0.0.1:12345 is free"),
            (
                Holder::Engine("Mine".into()),
                Attention,
                "127.0.0.1:12345 is in use by an engine called \"Mine\"",
            ),
            (
                Holder::Closed(Some("a token")),
                Attention,
                "127.0.0.1:12345 is in use by an engine that wants a token",
            ),
            (
                Holder::Closed(None),
                Attention,
                "127.0.0.1:12345 is in use by an engine that did not tell its name",
            ),
            (Holder::Other, Problem, "127.0.0.1:12345 is in use by another program"),
            (Holder::Refused("no".into()), Problem, "127.0.0.1:12345 can't be opened: no"),
        ] {
            let check = examine("client port", address, &holder, "websocket-port");
            assert_eq!((check.standing, check.says.as_str()), (standing, says));
            assert_eq!(check.advice.is_some_and(|text| text.contains("--websocket-port")), standing != Ok);
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_has_is_free_and_one_of_a_program_that_is_no_engine_is_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        // Whoever asks is left without an answer, and the port is free after that.
        let asked = std::thread::spawn(move || taken.accept().is_ok());
        assert_eq!(look(&[address], false).await, Holder::Other);
        assert!(asked.join().unwrap());
        assert_eq!(look(&[address], true).await, Holder::Free);
        assert_eq!(look(&["127.0.0.1:0".parse().unwrap()], true).await, Holder::Free);
    }
}
