//! Opens listening sockets, with errors that say which port and what to do.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use thiserror::Error;
use tokio::net::TcpListener;

/// Connections that the operating system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Why a port could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// No address was given.
    #[error("no address was given to listen on")]
    NoAddress,
    /// Another program has the port.
    #[error(
        "port {} on {} is in use (another engine?); stop that program or choose another port",
        .address.port(), .address.ip()
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The operating system keeps the port for privileged programs.
    #[error("port {} on {} may not be opened by this user; choose a port above 1023", .address.port(), .address.ip())]
    NotAllowed {
        /// The address.
        address: SocketAddr,
    },
    /// The address is none of this machine's.
    #[error(
        "port {} can't be opened on {}, which is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all \
         interfaces",
        .address.port(), .address.ip()
    )]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// Something else.
    #[error("port {} on {} can't be opened: {reason}", .address.port(), .address.ip())]
    Failed {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// Opens all addresses. Port 0 takes any free port, the same one for all addresses with port 0. IPv6 loopback and
/// IPv6 on all interfaces are left out, if something else remains, on machines without IPv6.
///
/// # Errors
/// One of them can't be opened; then none is.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut skipped = None;
    let mut chosen = 0;
    for &wanted in addresses {
        let mut address = wanted;
        if address.port() == 0 {
            address.set_port(chosen);
        }
        match listen(address) {
            Ok(listener) => {
                if wanted.port() == 0 {
                    chosen = listener.local_addr().map_or(0, |address| address.port());
                }
                listeners.push(listener);
            }
            Err(error) if is_general_ipv6(address) && means_no_ipv6(&error) => {
                tracing::info!(%address, "not listening there: this machine has no IPv6");
                skipped = Some(explain(address, &error));
            }
            Err(error) => return Err(explain(address, &error)),
        }
    }
    if listeners.is_empty() { Err(skipped.unwrap_or(BindError::NoAddress)) } else { Ok(listeners) }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Or else [::] would take IPv4's share and 0.0.0.0 beside it would fail, on some systems.
        socket.set_only_v6(true)?;
    }
    // A port whose last connections are still fading can be taken again at once. On Windows the option means that a port
    // can be taken away from whoever has it. What would forbid that there, SO_EXCLUSIVEADDRUSE, neither the standard library
    // nor socket2 can set, and this program has no unsafe code: a program of the same user that asks for it can listen beside
    // this one.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn is_general_ipv6(address: SocketAddr) -> bool {
    let SocketAddr::V6(address) = address else { return false };
    *address.ip() == Ipv6Addr::LOCALHOST || *address.ip() == Ipv6Addr::UNSPECIFIED
}

fn means_no_ipv6(error: &io::Error) -> bool {
    // What `socket` says where the kernel has no IPv6 has no kind of its own.
    const NO_SUCH_FAMILY: &[i32] = &[97, 47, 10047];
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error().is_some_and(|code| NO_SUCH_FAMILY.contains(&code))
}

fn explain(address: SocketAddr, error: &io::Error) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::NotAllowed { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
        _ => BindError::Failed { address, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind_all(&[address("127.0.0.1:0")]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let error = bind_all(&[taken]).unwrap_err();
        assert_eq!(error, BindError::InUse { address: taken });
        assert!(error.to_string().contains(&taken.port().to_string()), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        // 192.0.2.0/24 is for documentation.
        let error = bind_all(&[address("192.0.2.1:12345")]).unwrap_err();
        assert_eq!(error, BindError::NotOurs { address: address("192.0.2.1:12345") });
        assert_eq!(bind_all(&[]).unwrap_err(), BindError::NoAddress);
    }

    #[tokio::test]
    async fn both_loopbacks_share_a_free_port() {
        let listeners = bind_all(&[address("127.0.0.1:0"), address("[::1]:0")]).unwrap();
        let ports: Vec<u16> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert_ne!(ports[0], 0);
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }

    #[tokio::test]
    async fn all_interfaces_of_both_families_fit_beside_each_other() {
        let first = bind_all(&[address("0.0.0.0:0")]).unwrap();
        let port = first[0].local_addr().unwrap().port();
        drop(first);
        assert!(bind_all(&[address(&format!("[::]:{port}")), address(&format!("0.0.0.0:{port}"))]).is_ok());
    }
}
