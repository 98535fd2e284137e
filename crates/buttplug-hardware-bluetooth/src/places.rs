//! Which endpoints of which protocol connected hardware has. Pure.

use crate::radio::Characteristic;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::Uuid;
use std::collections::BTreeMap;

/// Services and characteristics that are standardised and that reading changes nothing about: the answer proves that
/// what was written before has arrived. Any hardware has the first, but Linux keeps it to itself.
const PROOFS: &[(Uuid, Uuid)] = &[
    // Generic access: the device's name.
    (short(0x1800), short(0x2a00)),
    // Generic attributes: the hash of the database.
    (short(0x1801), short(0x2b2a)),
    // Device information: model, manufacturer, firmware, hardware.
    (short(0x180a), short(0x2a24)),
    (short(0x180a), short(0x2a29)),
    (short(0x180a), short(0x2a26)),
    (short(0x180a), short(0x2a27)),
    // The battery's level.
    (short(0x180f), short(0x2a19)),
];

/// The 128-bit form of a 16-bit UUID.
const fn short(number: u128) -> Uuid {
    Uuid(number << 96 | 0x0000_0000_0000_1000_8000_0080_5f9b_34fb)
}

/// Endpoints, and where they are in the list of characteristics.
pub(crate) type Places = BTreeMap<Endpoint, usize>;

/// The first wiring of which at least one endpoint is there, by its place, and its endpoints. Where several services
/// have the same endpoint, the first one that the hardware has counts.
pub(crate) fn first_fit(wirings: &[Wiring], there: &[Characteristic]) -> Option<(usize, Places)> {
    wirings.iter().enumerate().find_map(|(number, wiring)| {
        let places = find(wiring, there);
        places.keys().any(|endpoint| endpoint.tells_protocol()).then_some((number, places))
    })
}

fn find(wiring: &Wiring, there: &[Characteristic]) -> Places {
    let mut places = Places::new();
    let Wiring::Bluetooth(services) = wiring else { return places };
    for (service, endpoints) in services {
        for (endpoint, uuid) in endpoints {
            if let Some(place) = position(there, *service, *uuid) {
                places.entry(*endpoint).or_insert(place);
            }
        }
    }
    places
}

fn position(there: &[Characteristic], service: Uuid, uuid: Uuid) -> Option<usize> {
    there.iter().position(|one| one.service == service && one.uuid == uuid)
}

/// What can be read to prove that earlier writes have arrived, if there is something.
pub(crate) fn proof(there: &[Characteristic]) -> Option<usize> {
    let readable = |place: &usize| there.get(*place).is_some_and(|one| one.abilities.read);
    PROOFS.iter().find_map(|(service, uuid)| position(there, *service, *uuid).filter(readable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::Abilities;

    fn characteristic(service: u128, uuid: u128) -> Characteristic {
        Characteristic { service: Uuid(service), uuid: Uuid(uuid), abilities: Abilities::default() }
    }

    fn wiring(services: &[(u128, &[(Endpoint, u128)])]) -> Wiring {
        let endpoints = |listed: &[(Endpoint, u128)]| listed.iter().map(|(e, u)| (*e, Uuid(*u))).collect();
        Wiring::Bluetooth(services.iter().map(|(uuid, listed)| (Uuid(*uuid), endpoints(listed))).collect())
    }

    #[test]
    fn the_first_protocol_that_finds_an_endpoint_is_taken() {
        let there = [characteristic(1, 11), characteristic(2, 21)];
        let absent = wiring(&[(9, &[(Endpoint::Tx, 91)])]);
        let half = wiring(&[(2, &[(Endpoint::Tx, 21), (Endpoint::Rx, 29)])]);
        let whole = wiring(&[(1, &[(Endpoint::Tx, 11)])]);
        let found = first_fit(&[absent.clone(), Wiring::Direct, half, whole], &there);
        assert_eq!(found, Some((2, Places::from([(Endpoint::Tx, 1)]))));
        assert_eq!(first_fit(&[absent], &there), None);
    }

    #[test]
    fn an_endpoint_listed_for_several_services_is_the_one_that_is_there() {
        let listed = wiring(&[(1, &[(Endpoint::Tx, 11)]), (2, &[(Endpoint::Tx, 21)])]);
        let place = |there: &[Characteristic]| first_fit(std::slice::from_ref(&listed), there).unwrap().1;
        assert_eq!(place(&[characteristic(2, 21)]), Places::from([(Endpoint::Tx, 0)]));
        let both = [characteristic(2, 21), characteristic(1, 11)];
        assert_eq!(place(&both), Places::from([(Endpoint::Tx, 1)]), "the order of the definition decides");
    }

    #[test]
    fn a_battery_alone_makes_no_protocol_fit() {
        let listed = wiring(&[(1, &[(Endpoint::Tx, 11)]), (2, &[(Endpoint::RxBleBattery, 21)])]);
        assert_eq!(first_fit(std::slice::from_ref(&listed), &[characteristic(2, 21)]), None);
        let both = [characteristic(1, 11), characteristic(2, 21)];
        let places = Places::from([(Endpoint::Tx, 0), (Endpoint::RxBleBattery, 1)]);
        assert_eq!(first_fit(&[listed], &both), Some((0, places)));
    }

    #[test]
    fn a_characteristic_of_another_service_does_not_count() {
        let listed = wiring(&[(1, &[(Endpoint::Tx, 11)])]);
        assert_eq!(first_fit(&[listed], &[characteristic(2, 11)]), None);
    }

    #[test]
    fn the_first_standard_value_that_can_be_read_proves_arrival() {
        let standard = |(service, uuid): (Uuid, Uuid)| characteristic(service.0, uuid.0);
        let (mut name, mut battery) = (standard(PROOFS[0]), standard(PROOFS[PROOFS.len() - 1]));
        assert_eq!(name.service.to_string(), "00001800-0000-1000-8000-00805f9b34fb");
        assert_eq!(proof(&[characteristic(1, 11), battery, name]), None);
        battery.abilities.read = true;
        assert_eq!(proof(&[characteristic(1, 11), battery, name]), Some(1));
        name.abilities.read = true;
        assert_eq!(proof(&[characteristic(1, 11), battery, name]), Some(2));
    }
}
