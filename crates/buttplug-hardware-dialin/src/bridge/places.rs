//! Where on a bridge's hardware the endpoints of a protocol are. Knows no messages.

use super::greeting::Transport;
use buttplug_protocols::catalogue::{SerialSettings, Wiring};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::Uuid;
use buttplug_server::hardware::HardwareError;
use std::collections::BTreeMap;

/// One place on the hardware, as a bridge calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Characteristic(Uuid),
    Endpoint(Endpoint),
}

/// The places of all endpoints, once a wiring has been found that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Places {
    #[default]
    Unknown,
    /// Bluetooth.
    Characteristics(BTreeMap<Endpoint, Uuid>),
    /// The other buses: the bridge knows endpoints by their names.
    Named(Option<SerialSettings>),
}

impl Places {
    /// The first of the wirings whose endpoints are there, by its place in the list. Of a service that is only partly
    /// there the rest counts: many protocols have models that lack one or the other characteristic.
    pub(crate) fn find(transport: &Transport, wirings: &[&Wiring]) -> Option<(usize, Self)> {
        wirings.iter().enumerate().find_map(|(number, wiring)| Some((number, Self::fit(transport, wiring)?)))
    }

    fn fit(transport: &Transport, wiring: &Wiring) -> Option<Self> {
        match (transport, wiring) {
            (Transport::Bluetooth(there), Wiring::Bluetooth(wanted)) => {
                let mut found = BTreeMap::new();
                for (service, endpoints) in wanted {
                    let Some(characteristics) = there.get(service) else { continue };
                    let present = endpoints.iter().filter(|(_, uuid)| characteristics.contains(uuid));
                    for (endpoint, uuid) in present {
                        found.entry(*endpoint).or_insert(*uuid);
                    }
                }
                found.keys().any(|endpoint| endpoint.tells_protocol()).then_some(Self::Characteristics(found))
            }
            (Transport::Serial, Wiring::Serial(settings)) => Some(Self::Named(Some(*settings))),
            (Transport::Serial | Transport::Usb, Wiring::Direct) => Some(Self::Named(None)),
            (Transport::Bluetooth(_), _) | (Transport::Serial | Transport::Usb, _) => None,
        }
    }

    /// The endpoints found; empty where the bus has no addressable places.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        match self {
            Self::Characteristics(found) => found.keys().copied().collect(),
            Self::Unknown | Self::Named(_) => Vec::new(),
        }
    }

    pub(crate) fn of(&self, endpoint: Endpoint) -> Result<Place, HardwareError> {
        match self {
            Self::Unknown => Err(HardwareError::NoEndpoint(endpoint)),
            Self::Characteristics(found) => {
                let uuid = found.get(&endpoint).copied();
                uuid.map(Place::Characteristic).ok_or(HardwareError::NoEndpoint(endpoint))
            }
            Self::Named(_) => Ok(Place::Endpoint(endpoint)),
        }
    }

    /// How the hardware's port is to be set.
    pub(crate) fn serial(&self) -> Option<SerialSettings> {
        match self {
            Self::Named(settings) => *settings,
            Self::Unknown | Self::Characteristics(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bluetooth(services: &[(u128, &[(Endpoint, u128)])]) -> Wiring {
        let mut wanted: BTreeMap<Uuid, BTreeMap<Endpoint, Uuid>> = BTreeMap::new();
        for (service, list) in services {
            let endpoints = list.iter().map(|(endpoint, uuid)| (*endpoint, Uuid(*uuid)));
            wanted.entry(Uuid(*service)).or_default().extend(endpoints);
        }
        Wiring::Bluetooth(wanted)
    }

    /// Services and their characteristics.
    type Services<'a> = &'a [(u128, &'a [u128])];

    /// Endpoints and where they are.
    type Found<'a> = &'a [(Endpoint, u128)];

    fn hardware(services: Services<'_>) -> Transport {
        let characteristics = |list: &[u128]| list.iter().copied().map(Uuid).collect();
        Transport::Bluetooth(
            services.iter().map(|(service, list)| (Uuid(*service), characteristics(list))).collect(),
        )
    }

    #[test]
    fn the_first_wiring_with_an_endpoint_that_is_there_fits() {
        use Endpoint::{Rx, Tx};
        let elsewhere = bluetooth(&[(1, &[(Tx, 12)]), (3, &[(Tx, 11)])]);
        let here = bluetooth(&[(1, &[(Tx, 11), (Rx, 12)]), (2, &[(Tx, 21), (Rx, 22)])]);
        let serial = Wiring::Serial(SerialSettings { baud_rate: 1, data_bits: 8, parity: 'N', stop_bits: 1 });
        let cases: &[(Services<'_>, Option<Found<'_>>)] = &[
            (&[(1, &[11])], Some(&[(Tx, 11)])),
            (&[(2, &[22, 21])], Some(&[(Tx, 21), (Rx, 22)])),
            (&[(1, &[11]), (2, &[21, 22])], Some(&[(Tx, 11), (Rx, 22)])),
            (&[(2, &[11])], None),
            (&[(3, &[21])], None),
            (&[(1, &[])], None),
            (&[], None),
        ];
        for (there, expected) in cases {
            let found = Places::find(&hardware(there), &[&serial, &elsewhere, &Wiring::Direct, &here]);
            let places = expected.map(|list| {
                let list = list.iter().map(|(endpoint, uuid)| (*endpoint, Uuid(*uuid))).collect();
                (3, Places::Characteristics(list))
            });
            assert_eq!(found, places, "{there:?}");
        }
    }

    #[test]
    fn a_battery_and_a_model_number_alone_make_no_protocol_fit() {
        use Endpoint::{RxBleBattery, RxBleModel, Tx};
        let listed = bluetooth(&[(1, &[(Tx, 11)]), (2, &[(RxBleBattery, 21)]), (3, &[(RxBleModel, 31)])]);
        assert_eq!(Places::find(&hardware(&[(2, &[21]), (3, &[31])]), &[&listed]), None);
        let (_, places) = Places::find(&hardware(&[(1, &[11]), (2, &[21])]), &[&listed]).unwrap();
        assert_eq!(places.endpoints(), [Tx, RxBleBattery]);
    }

    #[test]
    fn other_buses_take_the_wirings_of_their_own_kind() {
        let settings = SerialSettings { baud_rate: 9600, data_bits: 8, parity: 'N', stop_bits: 1 };
        let (serial, bluetooth) = (Wiring::Serial(settings), bluetooth(&[(1, &[(Endpoint::Tx, 11)])]));
        let found = |transport| Places::find(&transport, &[&bluetooth, &serial, &Wiring::Direct]);
        assert_eq!(found(Transport::Serial), Some((1, Places::Named(Some(settings)))));
        assert_eq!(found(Transport::Usb), Some((2, Places::Named(None))));
    }
}
