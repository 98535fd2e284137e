//! A person's own match rules: which hardware speaks a protocol.

use super::json::{Object, each, field, list, object, text};
use buttplug_core::limits::quoted;
use buttplug_protocols::definition::{PortRule, Rule};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::Uuid;
use serde_json::Value;
use std::collections::BTreeMap;

/// The speed of a serial port where the file leaves it out.
const USUAL_BAUD_RATE: u32 = 115_200;

/// Reads the rules that stand under `kind`. What is not understood goes to `reasons`.
pub(super) fn rules(kind: &str, value: &Value, reasons: &mut Vec<String>) -> Vec<Rule> {
    let rules: Vec<Rule> = match kind.replace('-', "_").as_str() {
        "btle" => bluetooth(value, reasons).into_iter().collect(),
        "serial" => each(value, "ports").iter().filter_map(|port| serial(port, reasons)).collect(),
        "websocket" => names(value, reasons).map(Rule::WebSocket).into_iter().collect(),
        "simulated" => names(value, reasons).map(Rule::Simulated).into_iter().collect(),
        "hid" => pairs(value, reasons).map(Rule::Hid).into_iter().collect(),
        "usb" => pairs(value, reasons).map(Rule::Usb).into_iter().collect(),
        "xinput" | "sdl_gamepad" | "lovense_connect_service" => {
            reasons.push(format!("rules of the kind {kind} are built in and can't be added"));
            return Vec::new();
        }
        _ => {
            reasons.push(format!("rules of the kind {} are unknown", quoted(kind)));
            return Vec::new();
        }
    };
    if rules.is_empty() {
        reasons.push(format!("the rule of the kind {kind} matches no hardware"));
    }
    rules
}

/// The names under `name` and `names`.
fn names(value: &Value, reasons: &mut Vec<String>) -> Option<Vec<String>> {
    let object = value.as_object()?;
    let single = text(object, "name").into_iter();
    let listed = field(object, "names").into_iter().flat_map(|names| each(names, "names"));
    let mut names = Vec::new();
    for name in single.chain(listed.filter_map(Value::as_str)) {
        if name.trim_end_matches('*').is_empty() {
            reasons.push("a name that would match everything is left out".into());
        } else {
            names.push(name.to_owned());
        }
    }
    (!names.is_empty()).then_some(names)
}

fn bluetooth(value: &Value, reasons: &mut Vec<String>) -> Option<Rule> {
    let rule = value.as_object()?;
    let names = names(value, reasons).unwrap_or_default();
    let mut manufacturer = Vec::new();
    for data in list(rule, "manufacturer_data") {
        match data.as_object().and_then(manufacturer_data) {
            Some(data) => manufacturer.push(data),
            None => reasons.push("its manufacturer data is not understood".into()),
        }
    }
    let advertised = list(rule, "advertised_services").iter().filter_map(Value::as_str);
    let advertised: Vec<Uuid> = advertised.filter_map(|text| uuid(text, reasons)).collect();
    let mut services = BTreeMap::new();
    for (service, endpoints) in object(rule, "services").into_iter().flatten() {
        let mut characteristics = BTreeMap::new();
        for (name, characteristic) in endpoints.as_object().into_iter().flatten() {
            let characteristic = characteristic.as_str().and_then(|text| uuid(text, reasons));
            match Endpoint::from_name(name) {
                Some(endpoint) => characteristics.extend(characteristic.map(|uuid| (endpoint, uuid))),
                None => reasons.push(format!("{} is no endpoint", quoted(name))),
            }
        }
        services.extend(uuid(service, reasons).map(|service| (service, characteristics)));
    }
    let matches = !(names.is_empty() && manufacturer.is_empty() && advertised.is_empty());
    matches.then_some(Rule::Bluetooth { names, manufacturer, advertised, services })
}

fn uuid(text: &str, reasons: &mut Vec<String>) -> Option<Uuid> {
    let uuid = text.parse().ok();
    if uuid.is_none() {
        reasons.push(format!("{} is no UUID", quoted(text)));
    }
    uuid
}

fn manufacturer_data(data: &Object) -> Option<(u16, Vec<u8>)> {
    let company = field(data, "company")?.as_u64()?.try_into().ok()?;
    let bytes = list(data, "data").iter().map(|byte| u8::try_from(byte.as_u64()?).ok());
    Some((company, bytes.collect::<Option<_>>()?))
}

fn serial(value: &Value, reasons: &mut Vec<String>) -> Option<Rule> {
    let rule = value.as_object().and_then(serial_port);
    if rule.is_none() {
        reasons.push(
            "a serial port has a `port`, 5 to 8 data bits, parity N, E or O, and 1 or 2 stop bits".into(),
        );
    }
    rule
}

fn serial_port(settings: &Object) -> Option<Rule> {
    let number = |name, usual: u32| match field(settings, name) {
        None => Some(usual),
        Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let parity = field(settings, "parity").map_or(Some("N"), Value::as_str)?.to_ascii_uppercase();
    Some(Rule::Serial {
        port: PortRule::Named(text(settings, "port").filter(|port| !port.is_empty())?.to_owned()),
        baud_rate: number("baud_rate", USUAL_BAUD_RATE)?,
        data_bits: number("data_bits", 8).filter(|bits| (5..=8).contains(bits))?.try_into().ok()?,
        parity: parity.parse().ok().filter(|parity| matches!(parity, 'N' | 'E' | 'O'))?,
        stop_bits: number("stop_bits", 1).filter(|bits| (1..=2).contains(bits))?.try_into().ok()?,
    })
}

/// Vendors and products, as objects or as lists of two numbers.
fn pairs(value: &Value, reasons: &mut Vec<String>) -> Option<Vec<(u16, u16)>> {
    let id = |value: Option<&Value>| value?.as_u64()?.try_into().ok();
    let mut pairs = Vec::new();
    for pair in each(value, "pairs") {
        let (vendor, product) = match pair {
            Value::Object(pair) => (id(field(pair, "vendor_id")), id(field(pair, "product_id"))),
            pair => (id(pair.get(0)), id(pair.get(1))),
        };
        match vendor.zip(product) {
            Some(pair) => pairs.push(pair),
            None => reasons.push("a vendor and product is not understood".into()),
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}
