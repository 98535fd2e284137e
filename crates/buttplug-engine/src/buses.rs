//! The buses on which this machine finds devices by itself, as far as they are asked for, and what they look for: that is
//! what the catalogue can recognise, and nothing else is touched.

use crate::settings::Search;
#[cfg(feature = "bluetooth")]
use buttplug_hardware_bluetooth::{BluetoothBus, BluetoothState};
use buttplug_hardware_gamepad::GamepadBus;
use buttplug_hardware_hid::HidBus;
use buttplug_hardware_lovense::{ConnectBus, ConnectSettings, DongleBus};
use buttplug_hardware_serial::SerialBus;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::hardware::HardwareBus;
use std::sync::Arc;

/// The buses. Copies are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Buses {
    serial: Option<Arc<SerialBus>>,
    hid: Option<Arc<HidBus>>,
    #[cfg(feature = "bluetooth")]
    bluetooth: Option<Arc<BluetoothBus>>,
    /// Those that look for nothing in particular.
    others: Vec<Arc<dyn HardwareBus>>,
}

impl Buses {
    /// Those that are asked for, with what there is to look for now.
    pub(crate) fn new(search: &Search, catalogue: &Catalogue) -> Self {
        let ports = catalogue.serial_ports();
        if search.serial && ports.is_empty() && !search.usual {
            tracing::warn!(
                "--use-serial finds nothing: a port does not say what is behind it, so one has to be named in your \
                 file of devices, as in [[protocol.tcode-v03.serial]]"
            );
        }
        Self {
            serial: search.serial.then(|| Arc::new(SerialBus::new(ports))),
            hid: search.hid.then(|| Arc::new(HidBus::new(catalogue.hid_ids()))),
            #[cfg(feature = "bluetooth")]
            bluetooth: search.bluetooth.then(|| Arc::new(bluetooth(search.usual))),
            others: others(search),
        }
    }

    /// What a person should know about a bus that was searched and can't find anything.
    pub(crate) fn trouble(&self) -> Option<String> {
        #[cfg(feature = "bluetooth")]
        if let Some(state) = self.bluetooth.as_ref().map(|bus| bus.state()) {
            return (!matches!(state, BluetoothState::Ready(_))).then(|| format!("Bluetooth: {state}"));
        }
        None
    }

    /// All of them, for the server.
    pub(crate) fn all(&self) -> Vec<Arc<dyn HardwareBus>> {
        let serial = self.serial.clone().map(|bus| bus as Arc<dyn HardwareBus>);
        let hid = self.hid.clone().map(|bus| bus as Arc<dyn HardwareBus>);
        #[cfg(feature = "bluetooth")]
        let bluetooth = self.bluetooth.clone().map(|bus| bus as Arc<dyn HardwareBus>);
        #[cfg(not(feature = "bluetooth"))]
        let bluetooth = None;
        serial.into_iter().chain(hid).chain(bluetooth).chain(self.others.iter().cloned()).collect()
    }

    /// From now on they look for what this catalogue can recognise.
    pub(crate) fn look_for(&self, catalogue: &Catalogue) {
        if let Some(serial) = &self.serial {
            serial.set_ports(catalogue.serial_ports());
        }
        if let Some(hid) = &self.hid {
            hid.set_ids(catalogue.hid_ids());
        }
    }
}

#[cfg(feature = "bluetooth")]
fn bluetooth(unasked: bool) -> BluetoothBus {
    let bus = BluetoothBus::new();
    if unasked { bus.unasked() } else { bus }
}

/// Says that there is no Bluetooth, to whoever started the program without asking for it.
#[cfg(feature = "bluetooth")]
pub(crate) async fn tell_missing_bluetooth() {
    match buttplug_hardware_bluetooth::survey().await {
        BluetoothState::Ready(_) => {}
        state => tracing::info!("no Bluetooth for now: {state} (buttplug doctor tells more)"),
    }
}

fn others(search: &Search) -> Vec<Arc<dyn HardwareBus>> {
    let mut buses: Vec<Arc<dyn HardwareBus>> = Vec::new();
    if search.gamepads {
        buses.push(Arc::new(GamepadBus::new()));
    }
    for kind in &search.dongles {
        buses.push(Arc::new(DongleBus::new(*kind)));
    }
    if let Some(hosts) = &search.lovense_connect {
        let settings = ConnectSettings { hosts: hosts.clone(), ..ConnectSettings::default() };
        buses.push(Arc::new(ConnectBus::new(settings)));
    }
    buses
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::sighting::BusKind;

    #[test]
    fn buses_are_there_when_they_are_asked_for() {
        let kinds = |serial, hid| {
            let buses = Buses::new(&Search { serial, hid, ..Search::default() }, &Catalogue::builtin());
            buses.all().iter().map(|bus| bus.kind()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(false, false), []);
        assert_eq!(kinds(true, false), [BusKind::Serial]);
        assert_eq!(kinds(false, true), [BusKind::Hid]);
        assert_eq!(kinds(true, true), [BusKind::Serial, BusKind::Hid]);
    }
}
