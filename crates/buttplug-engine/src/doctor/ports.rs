//! The ports for clients and devices: free, or who has them?

use super::Check;
use buttplug_client::Client;
use buttplug_connector_websocket::WebSocketClientConnector;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// How long whoever has a port may take to introduce itself. It is on this machine.
const MAX_INTRODUCTION: Duration = Duration::from_secs(2);

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody.
    Free,
    /// An engine that calls itself so.
    Engine(String),
    /// A program that does not say that it is an engine.
    Other,
    /// The system does not let it be opened, for this reason.
    Refused(String),
}

/// What is to be said of a port. `flag`: the one that chooses another.
pub(crate) fn examine(about: &'static str, address: SocketAddr, holder: &Holder, flag: &str) -> Check {
    match holder {
        Holder::Free => Check::ok(about, format!("{address} is free")),
        Holder::Engine(name) => Check::attention(
            about,
            format!("{address} is in use by an engine called {name:?}"),
            format!("use that one, or end it before you start another, or choose another port with --{flag}"),
        ),
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
            Err((ErrorKind::AddrInUse, _)) if is_for_clients => return introduction(*address).await,
            Err((ErrorKind::AddrInUse, _)) => return Holder::Other,
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

async fn introduction(address: SocketAddr) -> Holder {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("ws://{}", SocketAddr::new(ip, address.port()));
    let client = Client::builder("buttplug doctor").connect_timeout(Some(MAX_INTRODUCTION)).build();
    let met = client.connect(WebSocketClientConnector::new(url)).await;
    client.disconnect().await;
    met.map_or(Holder::Other, |server| Holder::Engine(server.name))
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
        assert_eq!(look(&[address], false).await, Holder::Other);
        drop(taken);
        assert_eq!(look(&[address], true).await, Holder::Free);
        assert_eq!(look(&["127.0.0.1:0".parse().unwrap()], true).await, Holder::Free);
    }
}
