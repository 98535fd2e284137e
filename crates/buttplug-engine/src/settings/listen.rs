//! Where to listen: for clients, for devices, or for nobody because a client is dialled.

use super::{Limits, Search, SettingsError};
use crate::cli::ServeFlags;
use crate::repeater;
use buttplug_connector_websocket::WebSocketDialer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Where clients connect unless told otherwise.
pub(crate) const DEFAULT_CLIENT_PORT: u16 = 12345;

/// Where devices dial in unless told otherwise.
const DEFAULT_DEVICE_PORT: u16 = 54817;

pub(super) const LISTEN: &str = "websocket-listen-address";
pub(super) const DEVICES_LISTEN: &str = "device-websocket-listen-address";
pub(super) const DEVICES_PORT: &str = "device-websocket-server-port";
pub(super) const ALL_INTERFACES: &str = "websocket-use-all-interfaces";
const DIAL: &str = "websocket-client-address";

/// Flags that say in different ways where clients or devices are. One on the command line stands for those that are said
/// elsewhere, in a file for example.
pub(crate) const ALTERNATIVES: &[(&str, &str)] = &[
    (LISTEN, "websocket-port"),
    (LISTEN, ALL_INTERFACES),
    (DIAL, "websocket-port"),
    (DIAL, LISTEN),
    (DEVICES_LISTEN, DEVICES_PORT),
];

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// On this machine only, by IPv4 and IPv6, whichever of them it has.
    Loopback(u16),
    /// On all interfaces, by IPv4 and IPv6, whichever of them it has.
    AllInterfaces(u16),
    /// On all of these and no others.
    Exactly(Vec<SocketAddr>),
}

impl Listen {
    /// The addresses to bind.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let both = |v4: Ipv4Addr, v6: Ipv6Addr, port| {
            vec![SocketAddr::new(IpAddr::V4(v4), port), SocketAddr::new(IpAddr::V6(v6), port)]
        };
        match self {
            Self::Loopback(port) => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, *port),
            Self::AllInterfaces(port) => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, *port),
            Self::Exactly(addresses) => addresses.clone(),
        }
    }

    /// Whether others than the programs of this machine get there.
    pub(super) fn is_wide(&self) -> bool {
        self.addresses().iter().any(|address| !address.ip().to_canonical().is_loopback())
    }

    /// Whether two ports want the same address. Port 0 is a different one each time.
    fn collides(&self, other: &Self) -> Option<SocketAddr> {
        let same = |a: &SocketAddr, b: &SocketAddr| {
            let overlap = a.ip() == b.ip()
                || (a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified()));
            a.port() != 0 && a.port() == b.port() && overlap
        };
        let others = other.addresses();
        self.addresses().into_iter().find(|a| others.iter().any(|b| same(a, b)))
    }
}

/// Checks that no two ports want the same address.
pub(super) fn check_ports(ports: &[(&'static str, &Option<Listen>)]) -> Result<(), SettingsError> {
    for (at, (one, listen)) in ports.iter().enumerate() {
        for (other, others) in ports.iter().skip(at + 1) {
            let shared = listen.as_ref().zip(others.as_ref()).and_then(|(a, b)| a.collides(b));
            if let Some(address) = shared {
                return Err(SettingsError::SharedPort { address, one, other });
            }
        }
    }
    Ok(())
}

/// Programs that ask for the REST API alone got nothing else from earlier engines, and the usual port may be another
/// engine's.
pub(super) fn clients(flags: &ServeFlags) -> Result<Option<Listen>, SettingsError> {
    let unwanted = flags.websocket_port.is_none()
        && flags.websocket_listen_address.is_none()
        && !flags.websocket_use_all_interfaces;
    if flags.rest_api_port.is_some() && unwanted {
        return Ok(None);
    }
    let port = flags.websocket_port.unwrap_or(DEFAULT_CLIENT_PORT);
    match &flags.websocket_listen_address {
        Some(_) if flags.websocket_port.is_some() => Err(SettingsError::Conflict(LISTEN, "websocket-port")),
        Some(_) if flags.websocket_use_all_interfaces => Err(SettingsError::Conflict(LISTEN, ALL_INTERFACES)),
        Some(value) => resolve(LISTEN, value).map(Some),
        None if flags.websocket_use_all_interfaces => Ok(Some(Listen::AllInterfaces(port))),
        None => Ok(Some(Listen::Loopback(port))),
    }
}

/// Where an engine with such flags can be asked whether it serves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// At the port for clients.
    Clients(Listen),
    /// At the REST API, where there is no such port.
    Rest(Listen),
}

impl Door {
    /// The one of an engine with these flags, or of a repeater; `None` if it has none.
    pub(crate) fn of(flags: &ServeFlags) -> Result<Option<Self>, SettingsError> {
        if repeater::is_one(flags) {
            let port = flags.launch.repeater_port.unwrap_or(DEFAULT_CLIENT_PORT);
            return Ok(Some(Self::Clients(Listen::Loopback(port))));
        }
        let dials = dial_out(flags, &mut Vec::new())?.is_some();
        let clients = if dials { None } else { clients(flags)? };
        let rest = || flags.rest_api_port.map(Listen::Loopback);
        Ok(clients.map(Self::Clients).or_else(|| rest().map(Self::Rest)))
    }

    /// Its addresses, from this machine.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let (Self::Clients(listen) | Self::Rest(listen)) = self;
        let mut addresses = listen.addresses();
        for address in &mut addresses {
            if address.ip().is_unspecified() {
                let v6 = address.is_ipv6();
                address.set_ip(if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() });
            }
        }
        addresses
    }
}

/// The client to dial. Whoever names a port too is served there and nowhere else, as by earlier engines.
pub(super) fn dial_out(
    flags: &ServeFlags,
    notices: &mut Vec<String>,
) -> Result<Option<WebSocketDialer>, SettingsError> {
    let Some(url) = &flags.launch.websocket_client_address else { return Ok(None) };
    if flags.websocket_port.is_some() || flags.websocket_listen_address.is_some() {
        notices.push(format!("--{DIAL} has no effect: a port for clients was given too"));
        return Ok(None);
    }
    let dialer = WebSocketDialer::new(url).map_err(|error| SettingsError::BadUrl { flag: DIAL, error })?;
    Ok(Some(dialer.with_limits(Limits::new(flags).clients.listener.socket)))
}

/// What is added to the name that is announced, if one is.
pub(super) fn announce(flags: &ServeFlags, listens: bool, notices: &mut Vec<String>) -> Option<String> {
    let suffix = flags.launch.mdns_suffix.clone();
    if !flags.launch.broadcast_server_mdns {
        if suffix.is_some() {
            notices.push("--mdns-suffix has no effect without --broadcast-server-mdns".into());
        }
        return None;
    }
    if !listens {
        notices.push("--broadcast-server-mdns has no effect: there is no port for clients".into());
    }
    listens.then(|| suffix.unwrap_or_default())
}

pub(super) fn devices(
    flags: &ServeFlags,
    search: &Search,
    notices: &mut Vec<String>,
) -> Result<Option<Listen>, SettingsError> {
    if !flags.search.use_device_websocket_server && !search.usual {
        let given = [
            (DEVICES_LISTEN, flags.search.device_websocket_listen_address.is_some()),
            (DEVICES_PORT, flags.search.device_websocket_server_port.is_some()),
        ];
        let ineffective = given.iter().filter(|(_, given)| *given);
        notices.extend(
            ineffective
                .map(|(flag, _)| format!("--{flag} has no effect without --use-device-websocket-server")),
        );
        return Ok(None);
    }
    let port = flags.search.device_websocket_server_port.unwrap_or(DEFAULT_DEVICE_PORT);
    Ok(Some(match &flags.search.device_websocket_listen_address {
        Some(_) if flags.search.device_websocket_server_port.is_some() => {
            return Err(SettingsError::Conflict(DEVICES_LISTEN, DEVICES_PORT));
        }
        Some(value) => resolve(DEVICES_LISTEN, value)?,
        None if flags.websocket_use_all_interfaces => Listen::AllInterfaces(port),
        None => Listen::Loopback(port),
    }))
}

/// Reads `address:port`; a host name stands for all its addresses.
fn resolve(flag: &'static str, value: &str) -> Result<Listen, SettingsError> {
    let bad = |reason: String| SettingsError::BadAddress { flag, value: value.into(), reason };
    let mut addresses: Vec<_> = value.to_socket_addrs().map_err(|error| bad(error.to_string()))?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(bad("the name has no addresses".into()));
    }
    Ok(Listen::Exactly(addresses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::{old_way, settings};
    use buttplug_connector_websocket::SocketLimits;
    use std::time::Duration;

    #[test]
    fn the_device_port_opens_only_when_asked_for() {
        let port = |on| {
            old_way(|flags| {
                flags.search.use_device_websocket_server = on;
                flags.search.device_websocket_server_port = Some(7);
            })
        };
        let shut = port(false).unwrap();
        assert_eq!(shut.devices, None);
        let notice = "--device-websocket-server-port has no effect without --use-device-websocket-server";
        assert!(shut.notices.iter().any(|other| other == notice), "{:?}", shut.notices);
        let open = port(true).unwrap();
        assert_eq!(open.devices, Some(Listen::Loopback(7)));
        assert!(open.notices.iter().all(|notice| !notice.contains("no effect")), "{:?}", open.notices);
        let elsewhere = settings(|flags| {
            flags.search.use_serial = true;
            flags.search.device_websocket_listen_address = Some("0.0.0.0:7".into());
        });
        let notice = "--device-websocket-listen-address has no effect without --use-device-websocket-server";
        assert!(elsewhere.unwrap().notices.iter().any(|other| other == notice));
        let usual = settings(|flags| flags.search.device_websocket_server_port = Some(7)).unwrap();
        assert_eq!(usual.devices, Some(Listen::Loopback(7)));
        assert!(usual.notices.iter().all(|notice| !notice.contains("no effect")), "{:?}", usual.notices);
    }

    #[test]
    fn a_listen_address_is_taken_as_it_is_and_host_names_are_resolved() {
        let listen = |address: &str| {
            settings(|flags| {
                flags.websocket_listen_address = Some(address.into());
                flags.no_token = true;
            })
        };
        let exactly = |address: &str| Some(Listen::Exactly(vec![address.parse().unwrap()]));
        assert_eq!(listen("[::1]:5").unwrap().clients, exactly("[::1]:5"));
        assert_eq!(listen("0.0.0.0:5").unwrap().clients, exactly("0.0.0.0:5"));
        let localhost = listen("localhost:5").unwrap().clients.unwrap().addresses();
        assert!(!localhost.is_empty() && localhost.iter().all(|address| address.ip().is_loopback()));
        for bad in ["", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"] {
            let error = listen(bad).unwrap_err().to_string();
            assert!(error.starts_with("--websocket-listen-address: ") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn flags_that_exclude_one_another_are_named() {
        let with_listen = |change: fn(&mut ServeFlags)| {
            settings(|flags| {
                flags.websocket_listen_address = Some("127.0.0.1:5".into());
                change(flags);
            })
            .unwrap_err()
            .to_string()
        };
        let error = with_listen(|flags| flags.websocket_port = Some(1));
        assert!(error.starts_with("--websocket-listen-address and --websocket-port can't"), "{error}");
        let error = with_listen(|flags| flags.websocket_use_all_interfaces = true);
        assert!(error.contains("--websocket-use-all-interfaces"), "{error}");
    }

    #[test]
    fn a_client_is_dialled_unless_there_is_a_port_for_it() {
        let dial = |url: &str, port: Option<u16>| {
            settings(|flags| {
                flags.launch.websocket_client_address = Some(url.into());
                flags.websocket_port = port;
            })
        };
        for url in ["ws://127.0.0.1:9000/a?b", "wss://example.org"] {
            let settings = dial(url, None).unwrap();
            assert_eq!(settings.dial_out.unwrap().url(), url);
            assert_eq!(settings.clients, None, "nothing listens then");
        }
        let both = dial("127.0.0.1:9000", Some(1)).unwrap();
        assert_eq!((both.dial_out, both.clients), (None, Some(Listen::Loopback(1))));
        assert!(both.notices[0].starts_with("--websocket-client-address has no effect"));
        let error = dial("127.0.0.1:9000", None).unwrap_err().to_string();
        assert!(error.starts_with("--websocket-client-address: ") && error.contains("ws://"), "{error}");
    }

    #[test]
    fn the_limits_of_connections_hold_for_the_client_that_is_dialled() {
        let url = "ws://127.0.0.1:9000";
        let settings = settings(|flags| {
            flags.launch.websocket_client_address = Some(url.into());
            flags.limits.max_message_size = 5000;
            flags.limits.max_idle_time = Some(3000);
        });
        let limits = SocketLimits {
            max_message: 5000,
            ping_after: Duration::from_millis(1500),
            lost_after: Duration::from_millis(3000),
            ..SocketLimits::default()
        };
        let expected = WebSocketDialer::new(url).unwrap().with_limits(limits);
        assert_eq!(settings.unwrap().dial_out, Some(expected));
    }

    #[test]
    fn a_port_is_announced_when_asked_for() {
        let announced = |change: fn(&mut ServeFlags)| {
            let settings = settings(change).unwrap();
            (settings.announce, settings.notices.into_iter().find(|notice| notice.contains("mdns")))
        };
        assert_eq!(announced(|_| ()), (None, None));
        assert_eq!(announced(|flags| flags.launch.broadcast_server_mdns = true), (Some(String::new()), None));
        let (announce, notice) = announced(|flags| flags.launch.mdns_suffix = Some("attic".into()));
        assert!(announce.is_none() && notice.is_some(), "{notice:?}");
        let (announce, notice) = announced(|flags| {
            flags.launch.broadcast_server_mdns = true;
            flags.launch.websocket_client_address = Some("ws://x".into());
        });
        assert!(announce.is_none() && notice.is_some(), "{notice:?}");
    }

    #[test]
    fn each_purpose_needs_a_port_of_its_own() {
        let ports = |clients: u16, devices: u16, rest: u16| {
            settings(|flags| {
                flags.websocket_port = Some(clients);
                flags.search.use_device_websocket_server = true;
                flags.search.device_websocket_server_port = Some(devices);
                flags.rest_api_port = Some(rest);
            })
        };
        for (shared, flags) in [
            (ports(5, 5, 6), "--websocket-port and --device-websocket-server-port"),
            (ports(5, 6, 5), "--websocket-port and --rest-api-port"),
            (ports(6, 5, 5), "--device-websocket-server-port and --rest-api-port"),
        ] {
            let error = shared.unwrap_err().to_string();
            assert!(error.starts_with(flags) && error.contains("127.0.0.1:5"), "{error}");
        }
        assert!(ports(5, 6, 7).is_ok() && ports(0, 0, 0).is_ok());
    }

    #[test]
    fn the_rest_api_alone_opens_no_port_for_clients() {
        let clients = |change: fn(&mut ServeFlags)| {
            let settings = settings(|flags| {
                flags.rest_api_port = Some(8);
                flags.no_token = true;
                change(flags);
            });
            let settings = settings.unwrap();
            assert_eq!(settings.rest, Some(Listen::Loopback(8)));
            let told = settings.notices.iter().any(|notice| notice.contains("no port for clients"));
            assert_eq!(told, settings.clients.is_none());
            settings.clients
        };
        assert_eq!(clients(|_| ()), None);
        assert_eq!(clients(|flags| flags.websocket_port = Some(5)), Some(Listen::Loopback(5)));
        assert_eq!(
            clients(|flags| flags.websocket_use_all_interfaces = true),
            Some(Listen::AllInterfaces(12345))
        );
    }

    #[test]
    fn an_engine_is_asked_at_its_port_for_clients_and_else_at_the_rest_api() {
        let door = |change: fn(&mut ServeFlags)| {
            let mut flags = ServeFlags::default();
            change(&mut flags);
            Door::of(&flags).unwrap()
        };
        let clients = |port| Some(Door::Clients(Listen::Loopback(port)));
        assert_eq!(door(|_| ()), clients(12345));
        let both = |flags: &mut ServeFlags| {
            flags.websocket_port = Some(5);
            flags.rest_api_port = Some(6);
        };
        assert_eq!(door(both), clients(5));
        let rest = Some(Door::Rest(Listen::Loopback(6)));
        assert_eq!(door(|flags| flags.rest_api_port = Some(6)), rest);
        let dials = |flags: &mut ServeFlags| {
            flags.launch.websocket_client_address = Some("ws://127.0.0.1:9000".into());
        };
        assert_eq!(door(dials), None);
        let repeats = |flags: &mut ServeFlags| {
            flags.launch.repeater = true;
            flags.launch.repeater_port = Some(7);
            flags.launch.repeater_remote_address = Some("phone".into());
        };
        assert_eq!(door(repeats), clients(7));
        let wide = |address: &str| Door::Clients(Listen::Exactly(vec![address.parse().unwrap()])).addresses();
        for (listens, asked) in
            [("0.0.0.0:5", "127.0.0.1:5"), ("[::]:5", "[::1]:5"), ("192.0.2.1:5", "192.0.2.1:5")]
        {
            assert_eq!(wide(listens), [asked.parse().unwrap()]);
        }
    }
}
