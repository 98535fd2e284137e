//! What a bridge says first: which hardware it offers, as its operating system sees it. Knows no sockets.

use super::message::{read_hex, uuid};
use crate::greeting::{BadGreeting, is_long};
use buttplug_core::limits::quoted;
use buttplug_protocols::sighting::{Advertisement, Sighting, Uuid};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Hardware that a bridge offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) sighting: Sighting,
    pub(crate) transport: Transport,
}

/// How the hardware is reached, as far as it matters for finding endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Its services and their characteristics.
    Bluetooth(BTreeMap<Uuid, Vec<Uuid>>),
    Serial,
    /// Human interface devices included.
    Usb,
}

/// Unknown fields are ignored. Fields are values of any kind, so that each error can name its field.
#[derive(Deserialize)]
struct Wire {
    transport: Option<Value>,
    address: Option<Value>,
    name: Option<Value>,
    rssi: Option<Value>,
    manufacturer_data: Option<Value>,
    advertised_services: Option<Value>,
    services: Option<Value>,
    port: Option<Value>,
    vendor_id: Option<Value>,
    product_id: Option<Value>,
}

const UUIDS: &str = "a list of UUIDs of 36 characters in lower case";
const SERVICES: &str =
    "an object of services and the lists of their characteristics, UUIDs of 36 characters in lower case";
const MANUFACTURER_DATA: &str = "an object of company numbers and bytes in hex, in lower case";

impl Offer {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, BadGreeting> {
        let wire: Wire = serde_json::from_slice(text).map_err(|_| BadGreeting::NotJson)?;
        let transport = match &wire.transport {
            Some(Value::String(transport)) => transport.as_str(),
            _ => return Err(BadGreeting::Missing("transport")),
        };
        match transport {
            "bluetooth-le" => bluetooth(&wire),
            "serial" => {
                let port = text_of("port", wire.port.as_ref())?;
                let address = address(&wire)?.unwrap_or_else(|| port.clone());
                let sighting = Sighting::new(address, Advertisement::Serial { port, usb: None });
                Ok(Self { sighting, transport: Transport::Serial })
            }
            "hid" | "usb" => {
                let vendor_id = number("vendor_id", wire.vendor_id.as_ref())?;
                let product_id = number("product_id", wire.product_id.as_ref())?;
                let advertisement = match transport {
                    "hid" => Advertisement::Hid { vendor_id, product_id, product: String::new() },
                    _ => Advertisement::Usb { vendor_id, product_id },
                };
                let address = address(&wire)?.unwrap_or_else(|| format!("{vendor_id:04x}:{product_id:04x}"));
                let sighting = Sighting::new(address, advertisement);
                Ok(Self { sighting, transport: Transport::Usb })
            }
            other => Err(BadGreeting::UnknownTransport(quoted(other))),
        }
    }
}

fn bluetooth(wire: &Wire) -> Result<Offer, BadGreeting> {
    // A nameless device is recognised by what else it advertises.
    let name = match &wire.name {
        Some(Value::String(name)) if is_long(name) => return Err(BadGreeting::NameTooLong("name")),
        Some(Value::String(name)) => name.clone(),
        _ => return Err(BadGreeting::Missing("name")),
    };
    let address = address(wire)?.ok_or(BadGreeting::Missing("address"))?;
    let rssi = wire
        .rssi
        .as_ref()
        .map(|rssi| rssi.as_i64().ok_or(BadGreeting::Wrong("rssi", "a signal strength in dBm")));
    let rssi = rssi.transpose()?;
    let manufacturer_data = wire.manufacturer_data.as_ref().map_or(Some(Vec::new()), manufacturer_data);
    let manufacturer_data =
        manufacturer_data.ok_or(BadGreeting::Wrong("manufacturer_data", MANUFACTURER_DATA))?;
    let advertised = wire.advertised_services.as_ref().map_or(Some(Vec::new()), uuids);
    let advertised = advertised.ok_or(BadGreeting::Wrong("advertised_services", UUIDS))?;
    let services = wire.services.as_ref().and_then(services);
    let services = services.ok_or(BadGreeting::Wrong("services", SERVICES))?;
    let advertisement = Advertisement::Bluetooth { name, manufacturer_data, services: advertised };
    // A strength that is none is no reason to refuse a device.
    let signal_dbm = rssi.and_then(|rssi| i16::try_from(rssi).ok());
    let sighting = Sighting { signal_dbm, ..Sighting::new(address, advertisement) };
    Ok(Offer { sighting, transport: Transport::Bluetooth(services) })
}

fn text_of(field: &'static str, value: Option<&Value>) -> Result<String, BadGreeting> {
    crate::greeting::name(field, value.cloned())
}

fn address(wire: &Wire) -> Result<Option<String>, BadGreeting> {
    wire.address.as_ref().map(|address| text_of("address", Some(address))).transpose()
}

fn number(field: &'static str, value: Option<&Value>) -> Result<u16, BadGreeting> {
    let number = value.and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok());
    number.ok_or(BadGreeting::Wrong(field, "a number from 0 to 65535"))
}

fn uuids(value: &Value) -> Option<Vec<Uuid>> {
    value.as_array()?.iter().map(|value| uuid(value.as_str()?)).collect()
}

fn services(value: &Value) -> Option<BTreeMap<Uuid, Vec<Uuid>>> {
    pairs(value.as_object()?, uuid, uuids)
}

fn manufacturer_data(value: &Value) -> Option<Vec<(u16, Vec<u8>)>> {
    let company = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    pairs(value.as_object()?, company, |data| read_hex(data.as_str()?))
}

fn pairs<K, V, C: FromIterator<(K, V)>>(
    object: &Map<String, Value>,
    key: impl Fn(&str) -> Option<K>,
    value: impl Fn(&Value) -> Option<V>,
) -> Option<C> {
    object.iter().map(|(name, listed)| Some((key(name)?, value(listed)?))).collect()
}

#[cfg(test)]
mod tests;
