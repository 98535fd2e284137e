//! Where devices are looked for.

use super::SettingsError;
use crate::cli::{SearchFlags, Subcommand};
use buttplug_hardware_lovense::DongleKind;
use std::net::{SocketAddr, ToSocketAddrs};

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
    pub(super) fn new(flags: &SearchFlags, subcommand: Subcommand) -> Result<Self, SettingsError> {
        let named = Self::named(flags)?;
        let nowhere = named.is_nowhere() && !flags.use_device_websocket_server;
        Ok(if nowhere && subcommand == Subcommand::Typed { Self::usual() } else { named })
    }

    /// Whether who types `serve` with these flags names no place, and gets the usual ones.
    pub(crate) fn is_usual(flags: &SearchFlags) -> bool {
        // An address is a place, and is not resolved to say so.
        flags.lovense_connect_address.is_none()
            && Self::new(flags, Subcommand::Typed).is_ok_and(|search| search.usual)
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
    pub(super) fn is_nowhere(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeFlags;
    use crate::settings::tests::{old_way, settings};
    use crate::settings::{Listen, Settings, Surroundings};

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
    fn the_older_dongle_is_looked_for_by_whoever_types_serve_and_not_by_habit() {
        let serial = |flags: &mut ServeFlags| flags.search.use_lovense_dongle_serial = true;
        let notice = |settings: &Settings| {
            settings
                .notices
                .iter()
                .any(|notice| notice.starts_with("--use-lovense-dongle-serial has no effect"))
        };
        let typed = settings(serial).unwrap();
        assert_eq!((&typed.search.dongles[..], notice(&typed)), (&[DongleKind::Serial][..], false));
        let habit = old_way(serial).unwrap();
        assert!(habit.search.is_nowhere() && notice(&habit), "{:?}", habit.notices);
        let with_the_newer = old_way(|flags| {
            serial(flags);
            flags.search.use_lovense_dongle_hid = true;
        });
        let with_the_newer = with_the_newer.unwrap();
        assert_eq!(
            (&with_the_newer.search.dongles[..], notice(&with_the_newer)),
            (&[DongleKind::Hid][..], true)
        );
        let both = old_way(|flags| {
            serial(flags);
            flags.search.use_lovense_dongle = true;
        });
        let both = both.unwrap();
        assert_eq!((both.search.dongles.len(), notice(&both)), (2, false));
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
}
