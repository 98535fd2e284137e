//! Announces the port for clients on the network by multicast DNS, so that programs on other machines find it. Only what
//! they can reach is announced.

use crate::frontend::Advertised;
use crate::random;
use mdns_sd::{IfKind, IfPredicate, ServiceDaemon, ServiceInfo};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

/// What kind of service this is, as programs ask for it.
const SERVICE_TYPE: &str = "_intiface_engine._tcp";

/// Where on the port clients find it: key and value.
const PATH: (&str, &str) = ("path", "/");

/// How long the word that the service is gone may take to leave. It is one packet for each network.
const MAX_GOODBYE: Duration = Duration::from_millis(200);

/// Bytes of a name, as the protocol has it.
const MAX_NAME_BYTES: usize = 63;

/// Letters and digits of a name that make it another one at each start.
const RANDOM_CHARS: usize = 6;

/// Interfaces that lead to no network of the house: this machine itself, and the mobile networks of phones.
const NO_NETWORK: [&str; 7] = ["lo", "rmnet", "ccmni", "pdp_ip", "wwan", "clat", "v4-"];

/// A port that is announced until this is withdrawn. Dropping it would leave it in the lists of other machines for a while.
pub(crate) struct Announcement {
    daemon: ServiceDaemon,
    full_name: String,
    advertised: Advertised,
}

impl Announcement {
    /// Begins to announce the port on these addresses. `None`: it can't be, which the log tells; clients who know the
    /// address are served all the same.
    pub(crate) fn begin(bound: &[SocketAddr], suffix: &str) -> Option<Self> {
        if bound.iter().all(|address| address.ip().is_loopback()) {
            tracing::warn!(
                "not announced on the network: clients are served on this machine only; pass \
                 --websocket-use-all-interfaces with --websocket-port"
            );
            return None;
        }
        match Self::announce(bound, suffix) {
            Ok(announcement) => {
                let Advertised { instance_name, port, .. } = &announcement.advertised;
                tracing::info!(name = instance_name, port, "announced on the network");
                Some(announcement)
            }
            Err(error) => {
                tracing::warn!(%error, "not announced on the network");
                None
            }
        }
    }

    fn announce(bound: &[SocketAddr], suffix: &str) -> Result<Self, mdns_sd::Error> {
        let random = random_word(random::bits());
        let instance_name = instance_name(&random, suffix);
        let port = bound.first().map_or(0, SocketAddr::port);
        // A host name of its own: the machine's may be looked after by the system, and two can't announce the same.
        let host = format!("intiface-{}.local.", random.to_ascii_lowercase());
        let service_type = format!("{SERVICE_TYPE}.local.");
        let mut service = ServiceInfo::new(&service_type, &instance_name, &host, (), port, &[PATH][..])?
            // Networks come and go.
            .enable_addr_auto();
        let bound = bound.to_vec();
        service.set_interfaces(vec![IfKind::Predicate(IfPredicate::new(move |interface| {
            is_reachable(&interface.name, interface.ip(), &bound)
        }))]);
        let full_name = service.get_fullname().to_owned();
        let daemon = ServiceDaemon::new()?;
        daemon.register(service)?;
        let advertised = Advertised {
            service_type: SERVICE_TYPE.into(),
            instance_name,
            port,
            txt_records: vec![format!("{}={}", PATH.0, PATH.1)],
        };
        Ok(Self { daemon, full_name, advertised })
    }

    /// What the network is told.
    pub(crate) fn advertised(&self) -> &Advertised {
        &self.advertised
    }

    /// Tells the network that the port is gone. Takes no longer than [`MAX_GOODBYE`].
    pub(crate) async fn withdraw(self) {
        let goodbye = async {
            // Whoever can't be told forgets it in time.
            if let Ok(gone) = self.daemon.unregister(&self.full_name) {
                let _ = gone.recv_async().await;
            }
            if let Ok(ended) = self.daemon.shutdown() {
                let _ = ended.recv_async().await;
            }
        };
        if timeout(MAX_GOODBYE, goodbye).await.is_err() {
            tracing::debug!("the network may not have learnt that the port is gone");
        }
    }
}

/// Whether clients on a network reach the port by this address of this machine.
fn is_reachable(interface: &str, address: IpAddr, bound: &[SocketAddr]) -> bool {
    let leads_out = !NO_NETWORK.iter().any(|prefix| interface.starts_with(prefix));
    let may_be_told = match address {
        // 192.0.0.0/24 stands for ways through an IPv6 network, not for a place.
        IpAddr::V4(v4) => v4.octets()[..3] != [192, 0, 0],
        IpAddr::V6(_) => true,
    };
    let ordinary = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast();
    let listens = |bound: &SocketAddr| {
        let ip = bound.ip();
        ip == address || ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4()
    };
    leads_out && may_be_told && ordinary && bound.iter().any(listens)
}

/// What people see in lists. A suffix that is too long for it is cut.
fn instance_name(random: &str, suffix: &str) -> String {
    let suffix = suffix.trim();
    let mut name = format!("Intiface {random}");
    if !suffix.is_empty() {
        name.push(' ');
        name.push_str(suffix);
    }
    while name.len() > MAX_NAME_BYTES {
        name.pop();
    }
    name
}

/// Letters and digits.
fn random_word(mut bits: u64) -> String {
    const CHARS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut word = String::new();
    for _ in 0..RANDOM_CHARS {
        let number = usize::try_from(bits % 62).unwrap_or(0);
        word.push(CHARS.get(number).copied().unwrap_or(b'0').into());
        bits /= 62;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_programs_look_for() {
        for (suffix, name) in [
            ("", "Intiface tTnWk6"),
            ("  ", "Intiface tTnWk6"),
            ("attic", "Intiface tTnWk6 attic"),
            (" a b ", "Intiface tTnWk6 a b"),
        ] {
            assert_eq!(instance_name("tTnWk6", suffix), name);
        }
        let long = instance_name("tTnWk6", &"ä".repeat(40));
        assert!(long.len() == 62 && long.ends_with('ä'), "whole letters: {long}");
        let word = random_word(u64::MAX);
        assert!(word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{word}");
        assert_ne!(word, random_word(1));
    }

    #[test]
    fn only_addresses_that_clients_reach_are_announced() {
        let bound = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let everywhere = bound(&["0.0.0.0:5", "[::]:5"]);
        for (interface, address, reachable) in [
            ("eth0", "192.168.1.5", true),
            ("wlan0", "fe80::1", true),
            ("eth0", "127.0.0.1", false),
            ("eth0", "192.0.0.4", false),
            ("lo", "10.0.0.1", false),
            ("rmnet_data0", "10.0.0.1", false),
            ("v4-rmnet0", "10.0.0.1", false),
            ("wwan0", "10.0.0.1", false),
            ("eth0", "224.0.0.1", false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(is_reachable(interface, address, &everywhere), reachable, "{interface} {address}");
        }
        let one = bound(&["192.168.1.5:5", "127.0.0.1:5"]);
        for (address, reachable) in [("192.168.1.5", true), ("192.168.1.6", false), ("fe80::1", false)] {
            assert_eq!(is_reachable("eth0", address.parse().unwrap(), &one), reachable, "{address}");
        }
        let v4 = bound(&["0.0.0.0:5"]);
        assert!(!is_reachable("eth0", "fe80::1".parse().unwrap(), &v4), "IPv6 is not listened on");
    }

    #[tokio::test]
    async fn a_port_for_this_machine_only_is_not_announced() {
        let bound: Vec<SocketAddr> = vec!["127.0.0.1:5".parse().unwrap(), "[::1]:5".parse().unwrap()];
        assert!(Announcement::begin(&bound, "").is_none());
    }
}
