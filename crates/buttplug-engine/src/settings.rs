//! Turns what was typed, and the files it names, into what is meant. Every bad value is named here, before anything
//! is opened.

mod access;
mod limits;

pub(crate) use access::{Port, pages_gate};
pub(crate) use limits::Limits;

use crate::cli::{OwnFlags, SearchFlags, ServeFlags, Subcommand};
use crate::gatekeeper::{AllowedPages, Desk};
#[cfg(feature = "tls")]
use crate::identity::{TlsError, identity};
use crate::repeater;
use crate::user::{self, CatalogueFile, Decisions, UserFile, UserFileError};
use access::{Access, Way};
#[cfg(feature = "tls")]
use buttplug_connector_websocket::Identity;
use buttplug_connector_websocket::{TokenError, WebSocketDialer};
use buttplug_core::connector::ConnectorError;
use buttplug_hardware_lovense::DongleKind;
use buttplug_protocols::definition::Addition;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Where clients connect unless told otherwise.
pub(crate) const DEFAULT_CLIENT_PORT: u16 = 12345;

/// Where devices dial in unless told otherwise.
pub(crate) const DEFAULT_DEVICE_PORT: u16 = 54817;

/// What the server calls itself unless told otherwise.
pub(crate) const DEFAULT_SERVER_NAME: &str = "Buttplug Server";

/// What the program finds around it: places where things are unless a person says otherwise, and the person.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// Where the program keeps things; `None` where the system knows no place for them.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only a certificate is kept by this path"))]
    pub(crate) settings_folder: Option<PathBuf>,
    /// What they decided about their devices; `None` where the system knows no place for it.
    pub(crate) user_file: Option<PathBuf>,
    /// The web pages that they allowed; the same.
    pub(crate) allowed_pages: Option<AllowedPages>,
    /// Where they can be asked.
    pub(crate) desk: Option<Desk>,
}

impl Surroundings {
    /// Those of the person who started the program, of whom nothing is asked.
    pub(crate) fn usual() -> Self {
        Self {
            settings_folder: user::settings_folder(),
            user_file: user::usual_path(),
            allowed_pages: AllowedPages::usual().ok(),
            desk: None,
        }
    }
}

/// What `serve` shall do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the server calls itself; may be empty.
    pub(crate) server_name: String,
    /// The longest time between a client's pings; `None`: none are needed.
    pub(crate) max_ping_time: Option<Duration>,
    /// How long an output may run on what it was told last; `None`: what the user file says, or for ever.
    pub(crate) max_run: Option<Duration>,
    /// The bounds of each part.
    pub(crate) limits: Limits,
    /// Where clients connect, if they do.
    pub(crate) clients: Option<Listen>,
    /// Where the REST API is, if it is wanted.
    pub(crate) rest: Option<Listen>,
    /// The client that is dialled instead.
    pub(crate) dial_out: Option<WebSocketDialer>,
    /// The port for clients is announced on the network, with this added to its name.
    pub(crate) announce: Option<String>,
    /// Where devices dial in, if they may.
    pub(crate) devices: Option<Listen>,
    /// Who may come in.
    pub(crate) access: Access,
    /// By what the ports are encrypted, if they are.
    #[cfg(feature = "tls")]
    pub(crate) identity: Option<Identity>,
    /// Where devices are looked for.
    pub(crate) search: Search,
    /// The folder with the person's own definitions.
    pub(crate) device_definitions: Option<PathBuf>,
    /// What a catalogue file of an earlier engine adds.
    pub(crate) catalogue_additions: Vec<Addition>,
    /// Where the person keeps what they decided about their devices.
    pub(crate) user_file: Option<UserFile>,
    /// What it says.
    pub(crate) decisions: Decisions,
    /// Where it is kept which devices run, and was kept by an engine before; `None`: nowhere.
    pub(crate) running_file: Option<PathBuf>,
    /// What the person should know.
    pub(crate) notices: Vec<String>,
}

/// Where devices are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// Bluetooth Low Energy.
    #[cfg(feature = "bluetooth")]
    pub(crate) bluetooth: bool,
    /// Serial ports.
    pub(crate) serial: bool,
    /// Human interface devices.
    pub(crate) hid: bool,
    /// Game controllers.
    pub(crate) gamepads: bool,
    /// Lovense dongles, of these sorts.
    pub(crate) dongles: Vec<DongleKind>,
    /// Lovense Connect: at these addresses, or wherever it is found if there are none.
    pub(crate) lovense_connect: Option<Vec<SocketAddr>>,
    /// These are the usual places, because nobody named any: that one of them is not there is no fault.
    pub(crate) usual: bool,
}

impl Search {
    /// What the flags mean: the usual places if they name none and nobody relies on that meaning nowhere.
    fn new(flags: &SearchFlags, subcommand: Subcommand) -> Result<Self, SettingsError> {
        let named = Self::named(flags)?;
        let nowhere = named.is_nowhere() && !flags.use_device_websocket_server;
        Ok(if nowhere && subcommand == Subcommand::Typed { Self::usual() } else { named })
    }

    /// Where devices are looked for unless a person says otherwise.
    fn usual() -> Self {
        Self {
            #[cfg(feature = "bluetooth")]
            bluetooth: true,
            serial: true,
            hid: true,
            usual: true,
            ..Self::default()
        }
    }

    /// Where the flags say.
    fn named(flags: &SearchFlags) -> Result<Self, SettingsError> {
        let address = flags.lovense_connect_address.as_deref();
        let named = address.map(lovense_connect_address).transpose()?;
        Ok(Self {
            #[cfg(feature = "bluetooth")]
            bluetooth: flags.use_bluetooth_le,
            serial: flags.use_serial,
            hid: flags.use_hid,
            gamepads: flags.use_gamepads || flags.use_sdl_gamepad || flags.use_xinput,
            dongles: [
                (DongleKind::Hid, flags.use_lovense_dongle_hid),
                (DongleKind::Serial, flags.use_lovense_dongle_serial),
            ]
            .into_iter()
            .filter_map(|(kind, wanted)| (wanted || flags.use_lovense_dongle).then_some(kind))
            .collect(),
            lovense_connect: named.or_else(|| flags.use_lovense_connect.then(Vec::new)),
            usual: false,
        })
    }

    /// Whether devices are looked for nowhere.
    fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }
}

/// The addresses that `address:port` stands for.
fn lovense_connect_address(value: &str) -> Result<Vec<SocketAddr>, SettingsError> {
    let bad = |reason: String| SettingsError::BadApp { value: value.into(), reason };
    let addresses: Vec<_> = value.to_socket_addrs().map_err(|error| bad(error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(bad("the name has no addresses".into()));
    }
    Ok(addresses)
}

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
    fn is_wide(&self) -> bool {
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

/// What is wrong with what was typed, or with a file it names.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum SettingsError {
    /// Two flags that exclude one another.
    #[error("--{0} and --{1} can't be combined; leave one of them out")]
    Conflict(&'static str, &'static str),
    /// No address, or one that nobody knows.
    #[error(
        "--{flag}: {value:?} is not an address to listen on ({reason}); give one such as 127.0.0.1:12345 or [::1]:12345"
    )]
    BadAddress {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No URL, or one that can't be dialled.
    #[error("--{flag}: {error}")]
    BadUrl {
        /// The flag.
        flag: &'static str,
        /// What is wrong with its value.
        error: ConnectorError,
    },
    /// A repeater without a server.
    #[error(
        "--repeater needs --repeater-remote-address, the server to repeat, for example 192.168.1.5:12345"
    )]
    NothingToRepeat,
    /// No address of an app.
    #[error(
        "--lovense-connect-address: {value:?} is not where an app can be ({reason}); give an address such as \
         192.168.1.44:34567, as the app shows it"
    )]
    BadApp {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One port for two purposes.
    #[error("--{one} and --{other} can't share {address}; pass another port for one of them")]
    SharedPort {
        /// What they share.
        address: SocketAddr,
        /// A flag that chooses a port.
        one: &'static str,
        /// Another such flag.
        other: &'static str,
    },
    /// The catalogue file of an earlier engine is of no use.
    #[error("the catalogue file {} is of no use: {error}; mend it, or leave out --device-config-file: the catalogue is built in", path.display())]
    CatalogueFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: UserFileError,
    },
    /// Others could drive the devices.
    #[error(
        "--{flag} lets everybody on the network use your devices; pass --token-file FILE with a token in it that only \
         those know who may, or --no-token if everybody may"
    )]
    NoToken {
        /// The flag that opens the port.
        flag: &'static str,
    },
    /// The file with the token can't be read.
    #[error("the token file {} can't be read: {reason} (--token-file)", path.display())]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// What is in it is no token.
    #[error("there is no token in {}: {error} (--token-file)", path.display())]
    BadToken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: TokenError,
    },
    /// There is no certificate to encrypt with.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The user file is of no use. Starting without it could lose what its owner decided.
    #[error("the user file {} is of no use: {error}; mend it, or pass --ignore-bad-user-config to start without it", path.display())]
    UserFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: UserFileError,
    },
}

impl Settings {
    /// Finds out what is meant. Reads the files that the flags name, makes a certificate if one is
    /// wanted that is not there, and resolves host names, nothing else.
    pub(crate) fn new(
        flags: &ServeFlags,
        subcommand: Subcommand,
        around: Surroundings,
    ) -> Result<Self, SettingsError> {
        let mut notices: Vec<String> = flags.absent.notices().collect();
        notices.append(&mut repeater::notices(flags));
        let dial_out = dial_out(flags, &mut notices)?;
        let clients = if dial_out.is_some() { None } else { clients(flags)? };
        let announce = announce(flags, clients.is_some(), &mut notices);
        let search = Search::new(&flags.search, subcommand)?;
        let devices = devices(flags, &search)?;
        let rest = flags.rest_api_port.map(Listen::Loopback);
        check_ports(&[
            ("websocket-port", &clients),
            ("device-websocket-server-port", &devices),
            ("rest-api-port", &rest),
        ])?;
        if clients.is_none() && dial_out.is_none() {
            notices.push(
                "no port for clients is opened, only the REST API: pass --websocket-port to have both".into(),
            );
        }
        let way = Way::of(flags, subcommand);
        let rules = access::rules(flags, way, clients.as_ref(), devices.as_ref(), &mut notices)?;
        if devices.is_none() && search.is_nowhere() {
            notices.push(
                "no device can be found: pass --use-device-websocket-server to let devices dial in, or flags such \
                 as --use-bluetooth-le to look for them (buttplug serve --help lists all)"
                    .into(),
            );
        }
        let catalogue_additions = catalogue_additions(flags, &mut notices)?;
        let (user_file, decisions) = user_file(&flags.own, around.user_file, &mut notices)?;
        Ok(Self {
            server_name: flags.server_name.clone().unwrap_or_else(|| DEFAULT_SERVER_NAME.into()),
            max_ping_time: Some(flags.max_ping_time)
                .filter(|ms| *ms > 0)
                .map(|ms| Duration::from_millis(ms.into())),
            max_run: flags.max_run.map(|seconds| Duration::from_secs(seconds.into())),
            limits: Limits::new(flags),
            clients,
            rest,
            dial_out,
            announce,
            devices,
            access: Access::new(way, rules, around.allowed_pages, around.desk),
            #[cfg(feature = "tls")]
            identity: identity(&flags.tls, around.settings_folder.as_deref())?,
            search,
            device_definitions: flags.own.device_definitions.clone(),
            catalogue_additions,
            user_file,
            decisions,
            running_file: flags.stop_first.clone(),
            notices,
        })
    }
}

/// What a catalogue file of an earlier engine adds to what is built in.
fn catalogue_additions(
    flags: &ServeFlags,
    notices: &mut Vec<String>,
) -> Result<Vec<Addition>, SettingsError> {
    let Some(path) = &flags.launch.device_config_file else { return Ok(Vec::new()) };
    let file = CatalogueFile::open(path)
        .map_err(|error| SettingsError::CatalogueFile { path: path.clone(), error })?;
    notices.push(format!(
        "the catalogue is built in; of {} only that is used which is not in it",
        path.display()
    ));
    notices.extend(file.notices);
    Ok(file.additions)
}

/// The file with what a person decided, and what that is. A file of no use is left alone: starting without it could let
/// a device in that is denied, so that has to be asked for.
fn user_file(
    flags: &OwnFlags,
    usual: Option<PathBuf>,
    notices: &mut Vec<String>,
) -> Result<(Option<UserFile>, Decisions), SettingsError> {
    let Some(path) = flags.user_device_config_file.clone().or(usual) else {
        return Ok((None, Decisions::default()));
    };
    match UserFile::open(&path) {
        Ok((file, Some(mut decisions))) => {
            notices.append(&mut decisions.notices);
            Ok((Some(file), decisions))
        }
        Ok((file, None)) => {
            if flags.user_device_config_file.is_some() {
                notices.push(format!(
                    "there is no user file {}; it is made when the first device connects",
                    path.display()
                ));
            }
            Ok((Some(file), Decisions::default()))
        }
        Err(error) if flags.ignore_bad_user_config => {
            notices.push(format!(
                "the user file {} is of no use: {error}; started without it, what it denies is not denied",
                path.display()
            ));
            Ok((None, Decisions::default()))
        }
        Err(error) => Err(SettingsError::UserFile { path, error }),
    }
}

const LISTEN: &str = "websocket-listen-address";
const DEVICES_LISTEN: &str = "device-websocket-listen-address";
const ALL_INTERFACES: &str = "websocket-use-all-interfaces";

/// Checks that no two ports want the same address.
fn check_ports(ports: &[(&'static str, &Option<Listen>)]) -> Result<(), SettingsError> {
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
fn clients(flags: &ServeFlags) -> Result<Option<Listen>, SettingsError> {
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

/// The client to dial. Whoever names a port too is served there and nowhere else, as by earlier engines.
fn dial_out(flags: &ServeFlags, notices: &mut Vec<String>) -> Result<Option<WebSocketDialer>, SettingsError> {
    const DIAL: &str = "websocket-client-address";
    let Some(url) = &flags.launch.websocket_client_address else { return Ok(None) };
    if flags.websocket_port.is_some() || flags.websocket_listen_address.is_some() {
        notices.push(format!("--{DIAL} has no effect: a port for clients was given too"));
        return Ok(None);
    }
    WebSocketDialer::new(url).map(Some).map_err(|error| SettingsError::BadUrl { flag: DIAL, error })
}

/// What is added to the name that is announced, if one is.
fn announce(flags: &ServeFlags, listens: bool, notices: &mut Vec<String>) -> Option<String> {
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

fn devices(flags: &ServeFlags, search: &Search) -> Result<Option<Listen>, SettingsError> {
    if !flags.search.use_device_websocket_server && !search.usual {
        return Ok(None);
    }
    let port = flags.search.device_websocket_server_port.unwrap_or(DEFAULT_DEVICE_PORT);
    Ok(Some(match &flags.search.device_websocket_listen_address {
        Some(_) if flags.search.device_websocket_server_port.is_some() => {
            return Err(SettingsError::Conflict(DEVICES_LISTEN, "device-websocket-server-port"));
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

    pub(super) fn settings(change: impl FnOnce(&mut ServeFlags)) -> Result<Settings, SettingsError> {
        let mut flags = ServeFlags::default();
        change(&mut flags);
        Settings::new(&flags, Subcommand::Typed, Surroundings::default())
    }

    pub(super) fn old_way(change: impl FnOnce(&mut ServeFlags)) -> Result<Settings, SettingsError> {
        let mut flags = ServeFlags::default();
        change(&mut flags);
        Settings::new(&flags, Subcommand::Implied, Surroundings::default())
    }

    #[test]
    fn without_flags_it_listens_for_clients_on_loopback_and_warns_that_it_finds_nothing() {
        let settings = old_way(|_| ()).unwrap();
        assert_eq!(settings.clients, Some(Listen::Loopback(12345)));
        assert_eq!(
            settings.clients.unwrap().addresses(),
            ["127.0.0.1:12345".parse().unwrap(), "[::1]:12345".parse().unwrap()]
        );
        assert_eq!(settings.devices, None);
        assert_eq!(settings.server_name, "Buttplug Server");
        assert_eq!(settings.max_ping_time, None);
        assert!(settings.notices[0].starts_with("no device can be found"));
        assert!(settings.search.is_nowhere());
    }

    #[test]
    fn flags_mean_what_they_meant_before() {
        let settings = old_way(|flags| {
            flags.websocket_port = Some(1);
            flags.websocket_use_all_interfaces = true;
            flags.search.use_device_websocket_server = true;
            flags.max_ping_time = 1500;
            flags.max_run = Some(10);
            flags.server_name = Some(String::new());
        })
        .unwrap();
        assert_eq!(settings.clients, Some(Listen::AllInterfaces(1)));
        assert_eq!(settings.devices, Some(Listen::AllInterfaces(54817)));
        assert_eq!(settings.max_ping_time, Some(Duration::from_millis(1500)));
        assert_eq!(settings.max_run, Some(Duration::from_secs(10)));
        assert_eq!(settings.server_name, "");
        assert_eq!(settings.notices.len(), 1, "{:?}", settings.notices);
        assert!(settings.notices[0].contains("everybody on the network"));
    }

    #[test]
    fn the_device_port_opens_only_when_asked_for() {
        let port = |on| {
            old_way(|flags| {
                flags.search.use_device_websocket_server = on;
                flags.search.device_websocket_server_port = Some(7);
            })
        };
        assert_eq!(port(false).unwrap().devices, None);
        assert_eq!(port(true).unwrap().devices, Some(Listen::Loopback(7)));
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
    fn devices_are_looked_for_where_that_is_asked_for() {
        let search = |change: fn(&mut SearchFlags)| {
            let settings = old_way(|flags| change(&mut flags.search)).unwrap();
            assert_eq!(settings.notices.is_empty(), !settings.search.is_nowhere());
            settings.search
        };
        assert_eq!(search(|_| ()), Search::default());
        assert_eq!(search(|flags| flags.use_serial = true), Search { serial: true, ..Search::default() });
        assert_eq!(search(|flags| flags.use_hid = true), Search { hid: true, ..Search::default() });
        let pads = Search { gamepads: true, ..Search::default() };
        for flag in [
            |flags: &mut SearchFlags| flags.use_gamepads = true,
            |flags: &mut SearchFlags| flags.use_sdl_gamepad = true,
            |flags: &mut SearchFlags| flags.use_xinput = true,
        ] {
            assert_eq!(search(flag), pads);
        }
        let dongles = |change| search(change).dongles;
        assert_eq!(dongles(|flags| flags.use_lovense_dongle_hid = true), [DongleKind::Hid]);
        assert_eq!(dongles(|flags| flags.use_lovense_dongle_serial = true), [DongleKind::Serial]);
        assert_eq!(dongles(|flags| flags.use_lovense_dongle = true), [DongleKind::Hid, DongleKind::Serial]);
        assert_eq!(search(|flags| flags.use_lovense_connect = true).lovense_connect, Some(Vec::new()));
        let at = |flags: &mut SearchFlags| flags.lovense_connect_address = Some("192.168.1.44:34567".into());
        assert_eq!(search(at).lovense_connect, Some(vec!["192.168.1.44:34567".parse().unwrap()]));
    }

    #[test]
    fn whoever_types_serve_and_names_no_place_gets_the_usual_ones() {
        let typed = |change: fn(&mut SearchFlags)| {
            let mut flags = ServeFlags::default();
            change(&mut flags.search);
            let settings = Settings::new(&flags, Subcommand::Typed, Surroundings::default()).unwrap();
            assert!(settings.notices.is_empty(), "{:?}", settings.notices);
            (settings.search, settings.devices)
        };
        let (usual, devices) = typed(|_| ());
        assert!(usual.serial && usual.hid && usual.usual && !usual.gamepads);
        #[cfg(feature = "bluetooth")]
        assert!(usual.bluetooth);
        assert_eq!(devices, Some(Listen::Loopback(54817)));
        let (same, devices) = typed(|flags| flags.device_websocket_server_port = Some(7));
        assert_eq!((same, devices), (usual, Some(Listen::Loopback(7))));
        let named = Search { hid: true, ..Search::default() };
        assert_eq!(typed(|flags| flags.use_hid = true), (named, None));
        let port = typed(|flags| flags.use_device_websocket_server = true);
        assert_eq!(port, (Search::default(), Some(Listen::Loopback(54817))));
        let app = typed(|flags| flags.lovense_connect_address = Some("127.0.0.1:1".into()));
        assert_eq!((app.0.usual, app.1), (false, None));
    }

    #[test]
    fn an_address_where_no_app_can_be_is_named() {
        let at = |address: &str| {
            settings(|flags| flags.search.lovense_connect_address = Some(address.into())).unwrap_err()
        };
        for address in ["192.168.1.44", "no such host:1", ""] {
            let error = at(address).to_string();
            assert!(error.contains("--lovense-connect-address") && error.contains(address), "{error}");
        }
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
    fn a_missing_user_file_is_a_notice() {
        let settings =
            settings(|flags| flags.own.user_device_config_file = Some("/no/such/file.json".into())).unwrap();
        assert!(settings.notices.iter().any(|notice| notice.contains("/no/such/file.json")));
    }

    #[test]
    fn an_unusable_user_file_is_named_with_the_reason() {
        let directory = std::env::temp_dir();
        let error =
            settings(|flags| flags.own.user_device_config_file = Some(directory.clone())).unwrap_err();
        assert!(error.to_string().contains(&directory.display().to_string()), "{error}");
    }
}
