//! Who may come in at which port, from the flags and from the way in which the program was started.

use super::listen::{ALL_INTERFACES, DEVICES_LISTEN, LISTEN};
use super::{Listen, SettingsError, Surroundings};
use crate::cli::{ServeFlags, Subcommand};
use crate::gatekeeper::{AllowedPages, Desk, Gatekeeper};
use crate::user::others_read;
use buttplug_connector_websocket::{Rules, Token};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a file with a token that are read. It has one line.
const MAX_TOKEN_FILE_BYTES: u64 = 4096;

/// Which of the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// The one for clients.
    Clients,
    /// The one for devices.
    Devices,
    /// The one for REST.
    Rest,
}

/// How the program was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As programs start earlier engines: by flags alone, one of which opens the port for clients as it did there.
    Earlier,
    /// As this one is.
    Own,
}

impl Way {
    pub(super) fn of(flags: &ServeFlags, subcommand: Subcommand) -> Self {
        let opens = flags.websocket_port.is_some() || flags.websocket_listen_address.is_some();
        if subcommand == Subcommand::Implied && opens { Self::Earlier } else { Self::Own }
    }
}

/// Who may come in.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    rules: Rules,
    /// Whether clients may be pages from anywhere.
    any_page: bool,
    allowed: Option<Arc<AllowedPages>>,
    desk: Option<Arc<Desk>>,
}

impl Access {
    pub(super) fn new(way: Way, rules: Rules, allowed: Option<AllowedPages>, desk: Option<Desk>) -> Self {
        Self {
            any_page: way == Way::Earlier && rules.origins.is_empty(),
            rules,
            allowed: allowed.map(Arc::new),
            desk: desk.map(Arc::new),
        }
    }

    /// Who may come in at this port.
    pub(crate) fn gate(&self, port: Port) -> Gatekeeper {
        Gatekeeper {
            rules: self.rules.clone(),
            // No page is a device unless its owner says so, and in earlier engines no page could read what REST answers.
            any_page: self.any_page && port == Port::Clients,
            allowed: self.allowed.clone(),
            desk: self.desk.clone(),
        }
    }
}

/// Who may come in at the port of a repeater, which only this machine reaches: programs, and pages that the person has
/// allowed, however the program was started. If there is a [`token`], the repeater lets in those who know it instead.
pub(crate) fn pages_gate(flags: &ServeFlags, around: Surroundings) -> Gatekeeper {
    let rules = Rules { origins: flags.allow_origin.clone(), token: None };
    Access::new(Way::Own, rules, around.allowed_pages, around.desk).gate(Port::Clients)
}

/// What whoever comes in has to know, if anything.
///
/// # Errors
/// The file with it can't be read, or what is in it is none.
pub(crate) fn token(flags: &ServeFlags) -> Result<Option<Token>, SettingsError> {
    let Some(path) = &flags.token_file else { return Ok(flags.token.clone()) };
    let failed =
        |error: io::Error| SettingsError::TokenFile { path: path.clone(), reason: error.to_string() };
    let text = read_start(path).map_err(failed)?;
    let token = text.lines().next().unwrap_or_default().trim().parse();
    token.map(Some).map_err(|error| SettingsError::BadToken { path: path.clone(), error })
}

/// What the person should know about the file with the token, if there is one.
pub(crate) fn token_notice(flags: &ServeFlags) -> Option<String> {
    let path = flags.token_file.as_deref().filter(|path| others_read(path))?;
    Some(format!("other people on this machine can read the token in {}; `chmod 600` it", path.display()))
}

fn read_start(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What the flags say about who may come in. Without a token, a port is opened wider than this machine only where
/// programs rely on it.
pub(super) fn rules(
    flags: &ServeFlags,
    way: Way,
    clients: Option<&Listen>,
    devices: Option<&Listen>,
    notices: &mut Vec<String>,
) -> Result<Rules, SettingsError> {
    let rules = Rules { origins: flags.allow_origin.clone(), token: token(flags)? };
    notices.extend(token_notice(flags));
    if way == Way::Earlier && devices.is_some_and(|devices| !devices.is_wide()) {
        notices.push(
            "devices may dial in from this machine only; to let in those on the network pass \
             --device-websocket-listen-address, for example with 0.0.0.0:54817, and --token-file FILE with a token that they \
             have to know, or --no-token if everybody may"
                .into(),
        );
    }
    if rules.token.is_some() || flags.no_token {
        return Ok(rules);
    }
    // No earlier engine had that flag, so nobody relies on it.
    let by_own_flag = flags.search.device_websocket_listen_address.is_some();
    if by_own_flag && devices.is_some_and(Listen::is_wide) {
        return Err(SettingsError::NoToken { flag: DEVICES_LISTEN });
    }
    if clients.is_some_and(Listen::is_wide) || devices.is_some_and(Listen::is_wide) {
        let flag = if flags.websocket_use_all_interfaces { ALL_INTERFACES } else { LISTEN };
        if way == Way::Own {
            return Err(SettingsError::NoToken { flag });
        }
        notices.push(format!(
            "everybody on the network can use the devices (--{flag}), as with earlier engines; --token-file lets in only \
             those who know a token"
        ));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::settings::tests::{old_way, settings};

    /// The flag that is named because it needs a token, if the settings are refused for that.
    fn wants_token(settings: Result<Settings, SettingsError>) -> Option<&'static str> {
        match settings {
            Err(SettingsError::NoToken { flag }) => Some(flag),
            Ok(_) => None,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn whoever_opens_a_port_to_the_network_needs_a_token_or_says_that_none_is_needed() {
        let clients = |flags: &mut ServeFlags| flags.websocket_listen_address = Some("192.0.2.1:5".into());
        let all = |flags: &mut ServeFlags| flags.websocket_use_all_interfaces = true;
        let devices = |flags: &mut ServeFlags| {
            flags.search.use_device_websocket_server = true;
            flags.search.device_websocket_listen_address = Some("0.0.0.0:5".into());
        };
        assert_eq!(wants_token(settings(clients)), Some("websocket-listen-address"));
        assert_eq!(wants_token(settings(all)), Some("websocket-use-all-interfaces"));
        assert_eq!(wants_token(settings(devices)), Some("device-websocket-listen-address"));
        for open in [&clients as &dyn Fn(&mut ServeFlags), &all, &devices] {
            let with = |change: fn(&mut ServeFlags)| {
                settings(|flags| {
                    open(flags);
                    change(flags);
                })
            };
            assert_eq!(wants_token(with(|flags| flags.no_token = true)), None);
            assert_eq!(
                wants_token(with(|flags| flags.token = Some("0123456789abcdef".parse().unwrap()))),
                None
            );
        }
        for loopback in ["127.0.0.1:5", "127.8.8.8:5", "[::1]:5"] {
            let listen = |flags: &mut ServeFlags| flags.websocket_listen_address = Some(loopback.into());
            assert_eq!(wants_token(settings(listen)), None, "{loopback}");
        }
    }

    #[test]
    fn ports_that_are_not_opened_need_no_token() {
        let dials_out = settings(|flags| {
            flags.websocket_use_all_interfaces = true;
            // So that there is no port for devices either.
            flags.search.use_serial = true;
            flags.launch.websocket_client_address = Some("ws://127.0.0.1:9000".into());
        });
        assert_eq!(wants_token(dials_out), None);
    }

    #[test]
    fn programs_that_open_it_as_they_did_earlier_engines_get_it_with_a_warning() {
        let warned = |settings: &Settings| settings.notices.iter().any(|notice| notice.contains("everybody"));
        let all = old_way(|flags| {
            flags.websocket_port = Some(5);
            flags.websocket_use_all_interfaces = true;
            flags.search.use_device_websocket_server = true;
        });
        assert!(warned(&all.unwrap()));
        assert!(warned(&old_way(|flags| flags.websocket_listen_address = Some("0.0.0.0:5".into())).unwrap()));
        let devices = |flags: &mut ServeFlags| {
            flags.websocket_port = Some(5);
            flags.search.use_device_websocket_server = true;
            flags.search.device_websocket_listen_address = Some("0.0.0.0:6".into());
        };
        assert_eq!(wants_token(old_way(devices)), Some("device-websocket-listen-address"));
    }

    #[test]
    fn what_is_advised_to_let_in_devices_of_the_network_works() {
        let advised = old_way(|flags| flags.websocket_port = Some(5)).unwrap();
        let advice = |settings: &Settings| {
            let notices = settings.notices.iter();
            notices.filter(|notice| notice.contains("devices may dial in from this machine")).count()
        };
        assert_eq!(advice(&advised), 0, "there is no port for them");
        let port = |flags: &mut ServeFlags| {
            flags.websocket_port = Some(5);
            flags.search.use_device_websocket_server = true;
        };
        let notices = old_way(port).unwrap().notices;
        let advice = notices.iter().find(|notice| notice.contains("this machine only")).unwrap();
        for flag in ["--device-websocket-listen-address", "0.0.0.0:54817", "--token-file", "--no-token"] {
            assert!(advice.contains(flag), "{advice}");
        }
        let followed = |change: fn(&mut ServeFlags)| {
            old_way(|flags| {
                port(flags);
                flags.search.device_websocket_listen_address = Some("0.0.0.0:54817".into());
                change(flags);
            })
        };
        assert_eq!(wants_token(followed(|_| ())), Some("device-websocket-listen-address"));
        assert_eq!(wants_token(followed(|flags| flags.no_token = true)), None);
        let token = |flags: &mut ServeFlags| flags.token = Some("0123456789abcdef".parse().unwrap());
        assert_eq!(wants_token(followed(token)), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_token_that_others_may_read_is_a_notice() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("buttplug-token-mode-{}", std::process::id()));
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let notices = |mode: u32| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let notices = settings(|flags| flags.token_file = Some(path.clone())).unwrap().notices;
            notices.into_iter().filter(|notice| notice.contains("chmod 600")).collect::<Vec<_>>()
        };
        assert_eq!(notices(0o600), [""; 0]);
        for mode in [0o640, 0o604] {
            let notices = notices(mode);
            assert!(notices.len() == 1 && notices[0].contains(&path.display().to_string()), "{notices:?}");
            assert!(!notices[0].contains("0123456789abcdef"), "{notices:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn any_page_is_a_client_only_for_programs_that_rely_on_it() {
        let any = |settings: Result<Settings, SettingsError>| {
            let settings = settings.unwrap();
            assert!([Port::Devices, Port::Rest].iter().all(|port| !settings.access.gate(*port).any_page));
            settings.access.gate(Port::Clients).any_page
        };
        let port = |flags: &mut ServeFlags| flags.websocket_port = Some(5);
        assert!(any(old_way(port)));
        assert!(!any(settings(port)));
        assert!(!any(old_way(|_| ())), "no earlier engine started without a port");
        assert!(!any(old_way(|flags| flags.websocket_use_all_interfaces = true)), "nor so");
        assert!(!any(old_way(|flags| {
            port(flags);
            flags.allow_origin = vec!["https://example.org".parse().unwrap()];
        })));
    }

    #[test]
    fn a_token_is_the_first_line_of_its_file() {
        let path = std::env::temp_dir().join(format!("buttplug-token-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            settings(|flags| flags.token_file = Some(path.clone()))
                .map(|settings| settings.access.rules.token)
        };
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert_eq!(read("0123456789abcdef\r\n# mine\n").unwrap(), Some(token));
        let error = read("secret\n").unwrap_err().to_string();
        assert!(error.contains("16 to 512") && !error.contains("secret"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = settings(|flags| flags.token_file = Some(path.clone())).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
