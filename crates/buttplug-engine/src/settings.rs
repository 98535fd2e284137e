//! Turns what was typed, and the files it names, into what is meant. Every bad value is named here, before anything
//! is opened.

mod access;
mod error;
mod files;
mod limits;
mod listen;
mod search;

pub(crate) use access::{Port, pages_gate, token, token_notice};
pub(crate) use error::SettingsError;
pub(crate) use limits::{Limits, max_clients, set as set_limits};
pub(crate) use listen::{ALTERNATIVES, DEFAULT_CLIENT_PORT, Door, Listen};
pub(crate) use search::Search;

use crate::cli::{ServeFlags, Subcommand};
use crate::gatekeeper::{AllowedPages, Desk};
#[cfg(feature = "tls")]
use crate::identity::identity;
use crate::repeater;
use crate::user::{self, Decisions, UserFiles};
use access::{Access, Way};
#[cfg(feature = "tls")]
use buttplug_connector_websocket::Identity;
use buttplug_connector_websocket::WebSocketDialer;
use buttplug_protocols::definition::Addition;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::configuration::DeviceIdentity;
use files::{catalogue_additions, user_file};
use listen::{ALL_INTERFACES, announce, check_ports, clients, devices, dial_out};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    pub(crate) user_file: Option<UserFiles>,
    /// What it says.
    pub(crate) decisions: Decisions,
    /// Where it is kept which devices run, and was kept by an engine before; `None`: nowhere.
    pub(crate) running_file: Option<PathBuf>,
    /// What the person should know.
    pub(crate) notices: Vec<String>,
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
        let flags = &as_meant(flags, subcommand, &mut notices);
        let dial_out = dial_out(flags, &mut notices)?;
        let clients = if dial_out.is_some() { None } else { clients(flags)? };
        if clients.is_some() {
            notices.append(&mut limits::notices(flags));
        }
        let announce = announce(flags, clients.is_some(), &mut notices);
        let search = Search::new(&flags.search, subcommand)?;
        let devices = devices(flags, &search, &mut notices)?;
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

impl Settings {
    /// What serves to stop devices and nothing else, as far as it can be found out: the flags may want what can't be had. No
    /// name of a host is looked up, which could take longer than there is time.
    pub(crate) fn only_to_stop(flags: &ServeFlags, subcommand: Subcommand, around: Surroundings) -> Self {
        // All of it has been said.
        let mut said = Vec::new();
        let flags = &without_names(&as_meant(flags, subcommand, &mut said));
        let search = Search::new(&flags.search, subcommand).unwrap_or_default();
        let mut devices = devices(flags, &search, &mut said).unwrap_or_default();
        let way = Way::of(flags, subcommand);
        let rules = access::rules(flags, way, None, devices.as_ref(), &mut said);
        #[cfg(feature = "tls")]
        let identity = identity(&flags.tls, around.settings_folder.as_deref());
        #[cfg(feature = "tls")]
        let is_open = rules.is_ok() && identity.is_ok();
        #[cfg(not(feature = "tls"))]
        let is_open = rules.is_ok();
        if !is_open {
            // Nobody comes in who would not come in otherwise.
            devices = None;
        }
        let decisions = user_file(&flags.own, around.user_file, &mut said);
        Self {
            server_name: DEFAULT_SERVER_NAME.into(),
            max_ping_time: None,
            max_run: None,
            limits: Limits::new(flags),
            clients: None,
            rest: None,
            dial_out: None,
            announce: None,
            devices,
            access: Access::new(way, rules.unwrap_or_default(), around.allowed_pages, None),
            #[cfg(feature = "tls")]
            identity: identity.unwrap_or_default(),
            search,
            device_definitions: flags.own.device_definitions.clone(),
            catalogue_additions: catalogue_additions(flags, &mut said).unwrap_or_default(),
            user_file: None,
            decisions: decisions.map(|(_, decisions)| decisions).unwrap_or_default(),
            running_file: flags.stop_first.clone(),
            notices: Vec::new(),
        }
    }
}

/// What an engine can find. Pure.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    search: Search,
    /// Devices may dial in.
    devices: bool,
}

impl Reach {
    /// The one of an engine with these flags; a repeater finds nothing. No name of a host is looked up.
    pub(crate) fn of(flags: &ServeFlags, subcommand: Subcommand) -> Self {
        if repeater::is_one(flags) {
            return Self::default();
        }
        let flags = &without_names(&as_meant(flags, subcommand, &mut Vec::new()));
        let search = Search::new(&flags.search, subcommand).unwrap_or_default();
        let devices = devices(flags, &search, &mut Vec::new()).is_ok_and(|devices| devices.is_some());
        Self { search, devices }
    }

    /// The one of an engine that searches like this, and has a port for devices or not.
    pub(crate) fn new(search: Search, devices: bool) -> Self {
        Self { search, devices }
    }

    /// Whether this device may be found, as far as flags tell.
    pub(crate) fn includes(&self, device: &DeviceIdentity) -> bool {
        let Self { search, devices } = self;
        match device.bus {
            BusKind::Bluetooth => {
                #[cfg(feature = "bluetooth")]
                let by_itself = search.bluetooth;
                #[cfg(not(feature = "bluetooth"))]
                let by_itself = false;
                by_itself || (device.protocol == "lovense" && !search.dongles.is_empty())
            }
            BusKind::Serial => search.serial,
            BusKind::Hid => search.hid,
            BusKind::Usb => false,
            BusKind::WebSocket => *devices,
            BusKind::Gamepad => search.gamepads,
            BusKind::LovenseConnect => search.lovense_connect.is_some(),
            BusKind::Simulated => true,
        }
    }
}

/// The same flags, without those to which earlier engines gave no effect: programs that start one pass them by habit, and
/// whoever types `serve` means them.
fn as_meant(flags: &ServeFlags, subcommand: Subcommand, notices: &mut Vec<String>) -> ServeFlags {
    let mut flags = flags.clone();
    if subcommand == Subcommand::Typed {
        return flags;
    }
    let has_place = flags.websocket_port.is_some() || flags.websocket_listen_address.is_some();
    if flags.websocket_use_all_interfaces && !has_place {
        flags.websocket_use_all_interfaces = false;
        notices.push(format!(
            "--{ALL_INTERFACES} has no effect without --websocket-port, as with earlier engines: nothing is opened to the \
             network (buttplug serve takes it alone)"
        ));
    }
    if flags.search.use_lovense_dongle_serial && !flags.search.use_lovense_dongle {
        flags.search.use_lovense_dongle_serial = false;
        notices.push(
            "--use-lovense-dongle-serial has no effect, as with earlier engines: it would open every serial port with the \
             chip of that dongle, which resets some boards (buttplug serve takes it)"
                .into(),
        );
    }
    flags
}

/// The same flags, without what has to be looked up: the port for devices is open to this machine then, and the app is sought.
fn without_names(flags: &ServeFlags) -> ServeFlags {
    let is_name = |address: &str| address.parse::<SocketAddr>().is_err();
    let mut flags = flags.clone();
    let search = &mut flags.search;
    search.use_lovense_connect |=
        search.lovense_connect_address.take_if(|address| is_name(address)).is_some();
    if let Some(address) = search.device_websocket_listen_address.as_mut().filter(|address| is_name(address))
    {
        let port = address.rsplit(':').next().unwrap_or_default();
        *address = format!("127.0.0.1:{port}");
    }
    flags
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
    fn a_device_is_within_reach_of_the_flags_that_look_for_it_and_of_no_repeater() {
        let reach = |subcommand, change: fn(&mut ServeFlags)| {
            let mut flags = ServeFlags::default();
            change(&mut flags);
            let reach = Reach::of(&flags, subcommand);
            let device = |bus, protocol: &str| DeviceIdentity {
                bus,
                protocol: protocol.into(),
                identifier: None,
                address: "x".into(),
            };
            let buses = [
                BusKind::Bluetooth,
                BusKind::Serial,
                BusKind::Hid,
                BusKind::WebSocket,
                BusKind::Gamepad,
                BusKind::LovenseConnect,
            ];
            let reached = buses.into_iter().filter(|bus| reach.includes(&device(*bus, "x")));
            let reached: Vec<_> = reached.map(|bus| bus.to_string()).collect();
            (reached.join(" "), reach.includes(&device(BusKind::Bluetooth, "lovense")))
        };
        let old_way = |change| reach(Subcommand::Implied, change).0;
        assert_eq!(old_way(|_| ()), "");
        assert_eq!(old_way(|flags| flags.search.use_serial = true), "serial");
        assert_eq!(old_way(|flags| flags.search.use_hid = true), "hid");
        assert_eq!(old_way(|flags| flags.search.use_xinput = true), "gamepad");
        assert_eq!(old_way(|flags| flags.search.use_device_websocket_server = true), "websocket");
        let app = |flags: &mut ServeFlags| {
            flags.search.lovense_connect_address = Some("no such host:1".into());
        };
        assert_eq!(old_way(app), "lovense-connect");
        let dongle = |flags: &mut ServeFlags| flags.search.use_lovense_dongle_hid = true;
        assert_eq!(reach(Subcommand::Implied, dongle), (String::new(), true));
        let older_dongle = |flags: &mut ServeFlags| flags.search.use_lovense_dongle_serial = true;
        assert_eq!(reach(Subcommand::Implied, older_dongle), (String::new(), false), "it is not looked for");
        assert_eq!(reach(Subcommand::Typed, older_dongle), (String::new(), true));
        #[cfg(feature = "bluetooth")]
        assert_eq!(reach(Subcommand::Typed, |_| ()), ("bluetooth serial hid websocket".into(), true));
        let repeats = |flags: &mut ServeFlags| {
            flags.launch.repeater = true;
            flags.launch.repeater_remote_address = Some("192.168.1.5".into());
        };
        assert_eq!(reach(Subcommand::Typed, repeats), (String::new(), false));
    }

    #[test]
    fn what_had_no_effect_in_earlier_engines_has_none_unless_serve_is_typed() {
        let all = |flags: &mut ServeFlags| {
            flags.websocket_use_all_interfaces = true;
            flags.search.use_device_websocket_server = true;
            flags.no_token = true;
        };
        let notice = |settings: &Settings| {
            settings.notices.iter().any(|notice| notice.contains("without --websocket-port"))
        };
        let (usual, wide) = (Listen::Loopback(54817), Listen::AllInterfaces(54817));
        let alone = old_way(all).unwrap();
        assert_eq!((&alone.clients, &alone.devices), (&Some(Listen::Loopback(12345)), &Some(usual.clone())));
        assert!(notice(&alone), "{:?}", alone.notices);
        let rest = old_way(|flags| {
            all(flags);
            flags.rest_api_port = Some(8);
        });
        let rest = rest.unwrap();
        assert_eq!((&rest.clients, &rest.devices), (&None, &Some(usual)));
        assert!(notice(&rest), "{:?}", rest.notices);
        let typed = settings(all).unwrap();
        assert_eq!(
            (&typed.clients, &typed.devices),
            (&Some(Listen::AllInterfaces(12345)), &Some(wide.clone()))
        );
        assert!(!notice(&typed), "{:?}", typed.notices);
        let port = old_way(|flags| {
            all(flags);
            flags.websocket_port = Some(5);
        });
        let port = port.unwrap();
        assert_eq!((&port.clients, &port.devices), (&Some(Listen::AllInterfaces(5)), &Some(wide)));
        assert!(!notice(&port), "{:?}", port.notices);
        let mut flags = ServeFlags::default();
        all(&mut flags);
        let stops = Settings::only_to_stop(&flags, Subcommand::Implied, Surroundings::default());
        assert_eq!(stops.devices, alone.devices, "as it was when the devices ran");
    }

    #[test]
    fn whoever_only_stops_devices_looks_where_the_flags_say_and_asks_for_no_name() {
        let mut flags = ServeFlags::default();
        flags.search.use_gamepads = true;
        flags.search.use_lovense_dongle = true;
        flags.search.lovense_connect_address = Some("no such host:1".into());
        flags.search.use_device_websocket_server = true;
        flags.search.device_websocket_listen_address = Some("no such host:5".into());
        flags.websocket_listen_address = Some("no such host:5".into());
        flags.own.user_device_config_file = Some(std::env::temp_dir());
        let stops =
            |flags: &ServeFlags| Settings::only_to_stop(flags, Subcommand::Typed, Surroundings::default());
        let settings = stops(&flags);
        assert!(settings.search.gamepads && settings.search.dongles.len() == 2 && !settings.search.usual);
        assert_eq!(settings.search.lovense_connect, Some(Vec::new()));
        assert_eq!((settings.clients, settings.rest), (None, None));
        assert_eq!(settings.devices, Some(Listen::Exactly(vec!["127.0.0.1:5".parse().unwrap()])));
        flags.search.device_websocket_listen_address = Some("0.0.0.0:5".into());
        assert_eq!(stops(&flags).devices, None, "nobody comes in without the token that there should be");
        flags.no_token = true;
        assert!(stops(&flags).devices.is_some());
    }
}
