//! What a repeater shall do, from the flags.

use crate::cli::ServeFlags;
use crate::settings::{
    DEFAULT_CLIENT_PORT, Listen, SettingsError, max_clients, set_limits, token, token_notice,
};
use buttplug_connector_websocket::{Token, shown_url};
use buttplug_core::connector::ConnectorError;
use buttplug_websocket::{ListenerLimits, MAX_QUEUED_BYTES, SocketLimits, check_url, is_encrypted};

/// What `--repeater` shall do.
#[derive(Clone, Debug)]
pub(crate) struct RepeaterSettings {
    /// Where clients connect: on this machine only.
    pub(super) clients: Listen,
    /// The server.
    pub(super) remote: Remote,
    /// What clients have to know. The server's own token is in its address.
    pub(super) token: Option<Token>,
    /// Clients at a time.
    pub(super) max_clients: usize,
    /// Bounds of the port for clients.
    pub(super) limits: ListenerLimits,
    /// What the person should know.
    pub(super) notices: Vec<String>,
}

/// A server that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    url: String,
}

/// Clients at a time, if the flags say nothing. Each may hold a few megabytes for a side that reads slowly, and a person has a
/// handful of pages.
const MAX_CLIENTS: usize = 16;

/// Bytes of a message from the server. Twice as much may wait for the client.
const MAX_SERVER_MESSAGE_BYTES: usize = MAX_QUEUED_BYTES / 2;

const REMOTE: &str = "repeater-remote-address";

impl RepeaterSettings {
    /// What is meant. `None`: the program is an ordinary engine, see [`notices`].
    ///
    /// # Errors
    /// The server's address is missing or can't be used, or there is no token where one should be.
    pub(crate) fn new(flags: &ServeFlags) -> Result<Option<Self>, SettingsError> {
        if !flags.launch.repeater {
            return Ok(None);
        }
        let Some(address) = &flags.launch.repeater_remote_address else {
            return if serves(flags) { Ok(None) } else { Err(SettingsError::NothingToRepeat) };
        };
        let remote = Remote::parse(address).map_err(|error| SettingsError::BadUrl { flag: REMOTE, error })?;
        let clients = Listen::Loopback(flags.launch.repeater_port.unwrap_or(DEFAULT_CLIENT_PORT));
        let notices = flags.absent.notices().chain(token_notice(flags)).chain(of_no_effect(flags)).collect();
        let mut limits = ListenerLimits::default();
        set_limits(&mut limits, &flags.limits);
        let max_clients = max_clients(flags, MAX_CLIENTS);
        Ok(Some(Self { clients, remote, token: token(flags)?, max_clients, limits, notices }))
    }
}

/// Whether the program is a repeater with these flags, or would be if they made sense.
pub(crate) fn is_one(flags: &ServeFlags) -> bool {
    flags.launch.repeater && flags.launch.repeater_remote_address.is_some()
}

/// Whether a port for clients is named. The last engines took `--repeater` beside it and served there as usual.
fn serves(flags: &ServeFlags) -> bool {
    flags.websocket_port.is_some() || flags.websocket_listen_address.is_some()
}

/// What the person should know of flags for an engine: a repeater listens at its own port, which this machine alone reaches,
/// and is neither announced nor encrypted.
fn of_no_effect(flags: &ServeFlags) -> impl Iterator<Item = String> {
    let launch = &flags.launch;
    let mut given = vec![
        ("websocket-port", flags.websocket_port.is_some()),
        ("websocket-listen-address", flags.websocket_listen_address.is_some()),
        ("websocket-use-all-interfaces", flags.websocket_use_all_interfaces),
        ("websocket-client-address", launch.websocket_client_address.is_some()),
        ("rest-api-port", flags.rest_api_port.is_some()),
        ("broadcast-server-mdns", launch.broadcast_server_mdns),
        ("mdns-suffix", launch.mdns_suffix.is_some()),
    ];
    #[cfg(feature = "tls")]
    given.extend([
        ("tls-certificate", flags.tls.tls_certificate.is_some()),
        ("tls-key", flags.tls.tls_key.is_some()),
        ("tls-self-signed", flags.tls.tls_self_signed),
    ]);
    let given = given.into_iter().filter(|(_, given)| *given);
    given.map(|(flag, _)| format!("--{flag} has no effect with --repeater, which is at --repeater-port"))
}

/// What the person should know of an engine that is no repeater.
pub(crate) fn notices(flags: &ServeFlags) -> Vec<String> {
    let launch = &flags.launch;
    let ineffective = |flag, missing| format!("--{flag} has no effect without --{missing}");
    if launch.repeater {
        return vec![ineffective("repeater", REMOTE)];
    }
    let given = [
        ("repeater-port", launch.repeater_port.is_some()),
        (REMOTE, launch.repeater_remote_address.is_some()),
    ];
    given.iter().filter(|(_, given)| *given).map(|(flag, _)| ineffective(flag, "repeater")).collect()
}

/// Bounds of the connection to the server, for clients with these.
pub(super) fn server_limits(client: &SocketLimits) -> SocketLimits {
    SocketLimits {
        max_message: MAX_SERVER_MESSAGE_BYTES,
        max_queued: client.max_queued.max(2 * client.max_message),
        ..*client
    }
}

impl Remote {
    /// Reads `host`, `host:port` or a whole URL. Without a URL the port is the usual one of servers.
    fn parse(address: &str) -> Result<Self, ConnectorError> {
        let url = if address.contains("://") {
            address.to_owned()
        } else {
            let (host, path) = match address.find('/') {
                Some(slash) => address.split_at(slash),
                None => (address, ""),
            };
            // The colons inside of an IPv6 address are before its bracket.
            let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            if has_port {
                format!("ws://{host}{path}")
            } else {
                format!("ws://{host}:{DEFAULT_CLIENT_PORT}{path}")
            }
        };
        check_url(&url).map_err(|error| ConnectorError::BadAddress {
            address: shown_url(address),
            reason: error.to_string(),
        })?;
        Ok(Self { url })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The URL as it may be shown: there may be a token in it.
    pub(super) fn shown(&self) -> String {
        shown_url(&self.url)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        is_encrypted(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(change: impl FnOnce(&mut ServeFlags)) -> ServeFlags {
        let mut flags = ServeFlags::default();
        change(&mut flags);
        flags
    }

    #[test]
    fn a_server_is_named_by_host_port_or_url() {
        for (address, url) in [
            ("192.168.1.5", Some("ws://192.168.1.5:12345")),
            ("phone:1234", Some("ws://phone:1234")),
            ("phone/path", Some("ws://phone:12345/path")),
            ("[::1]", Some("ws://[::1]:12345")),
            ("[::1]:5", Some("ws://[::1]:5")),
            ("ws://phone", Some("ws://phone")),
            ("wss://example.org/x?y", Some("wss://example.org/x?y")),
            ("http://phone", None),
            ("phone:x", None),
            ("", None),
        ] {
            let parsed = Remote::parse(address);
            assert_eq!(parsed.as_ref().map(Remote::url).ok(), url, "{address}: {parsed:?}");
        }
    }

    #[test]
    fn a_repeater_is_asked_for_and_told_where_the_server_is() {
        assert!(matches!(RepeaterSettings::new(&ServeFlags::default()), Ok(None)));
        let repeater = flags(|flags| {
            flags.launch.repeater = true;
            flags.launch.repeater_port = Some(7);
            flags.launch.repeater_remote_address = Some("phone:1234".into());
        });
        let settings = RepeaterSettings::new(&repeater).unwrap().unwrap();
        assert_eq!((settings.clients, settings.remote.url()), (Listen::Loopback(7), "ws://phone:1234"));
        assert_eq!(settings.max_clients, MAX_CLIENTS);
        let aimless = flags(|flags| flags.launch.repeater = true);
        let error = RepeaterSettings::new(&aimless).unwrap_err().to_string();
        assert!(error.contains("--repeater-remote-address"), "{error}");
    }

    #[test]
    fn flags_of_a_repeater_that_have_no_effect_are_named() {
        let beside_a_port = flags(|flags| {
            flags.launch.repeater = true;
            flags.websocket_port = Some(1);
        });
        let as_engine = RepeaterSettings::new(&beside_a_port);
        assert!(matches!(as_engine, Ok(None)), "served as by the last engines");
        assert_eq!(notices(&beside_a_port), ["--repeater has no effect without --repeater-remote-address"]);
        let alone = flags(|flags| flags.launch.repeater_port = Some(1));
        assert_eq!(notices(&alone), ["--repeater-port has no effect without --repeater"]);
        assert!(notices(&ServeFlags::default()).is_empty());
    }

    #[test]
    fn flags_of_an_engine_that_have_no_effect_on_a_repeater_are_named() {
        let told = |change: fn(&mut ServeFlags)| {
            let repeater = flags(|flags| {
                flags.launch.repeater = true;
                flags.launch.repeater_remote_address = Some("phone".into());
                change(flags);
            });
            RepeaterSettings::new(&repeater).unwrap().unwrap().notices
        };
        assert_eq!(told(|_| ()), [""; 0]);
        let of_an_engine = told(|flags| {
            flags.websocket_port = Some(1);
            flags.websocket_listen_address = Some("0.0.0.0:1".into());
            flags.websocket_use_all_interfaces = true;
            flags.launch.websocket_client_address = Some("ws://x".into());
            flags.rest_api_port = Some(2);
            flags.launch.broadcast_server_mdns = true;
            flags.launch.mdns_suffix = Some("attic".into());
        });
        let named = of_an_engine.iter().filter_map(|notice| notice.split(' ').next()).collect::<Vec<_>>();
        assert_eq!(
            named,
            [
                "--websocket-port",
                "--websocket-listen-address",
                "--websocket-use-all-interfaces",
                "--websocket-client-address",
                "--rest-api-port",
                "--broadcast-server-mdns",
                "--mdns-suffix",
            ]
        );
        #[cfg(feature = "tls")]
        {
            let encrypted = told(|flags| {
                flags.tls.tls_certificate = Some("a".into());
                flags.tls.tls_key = Some("b".into());
                flags.tls.tls_self_signed = true;
            });
            assert_eq!(encrypted.len(), 3, "{encrypted:?}");
        }
    }

    #[test]
    fn its_limits_are_moved_by_the_flags_that_move_those_of_an_engine() {
        let repeater = flags(|flags| {
            flags.launch.repeater = true;
            flags.launch.repeater_remote_address = Some("phone".into());
            flags.limits.max_clients = Some(3);
            flags.limits.max_message_size = 8 * 1024 * 1024;
            flags.limits.max_idle_time = Some(4000);
            flags.limits.max_upgrade_time = 700;
        });
        let settings = RepeaterSettings::new(&repeater).unwrap().unwrap();
        let clients = settings.limits.socket;
        let server = server_limits(&clients);
        assert_eq!((settings.max_clients, settings.limits.upgrade_time.as_millis()), (3, 700));
        for socket in [clients, server] {
            assert_eq!((socket.lost_after.as_secs(), socket.ping_after.as_secs()), (4, 2));
        }
        assert_eq!(clients.max_message, 8 * 1024 * 1024);
        assert!(server.max_queued > clients.max_message, "what a client may say can be passed on");
        assert_eq!(server.max_message, MAX_SERVER_MESSAGE_BYTES);
    }
}
