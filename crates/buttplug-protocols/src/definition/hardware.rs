//! Reads which hardware speaks a protocol, and how its model is found.

use super::parse::endpoint;
use super::reader::{Source, Table, Text};
use super::{IdentifierForm, Identify, MAX_RULES, NamePart, PortRule, Rule};
use crate::frame::Endpoint;
use crate::sighting::{UsbIds, Uuid};
use std::collections::BTreeMap;

pub(super) fn match_rules(table: &mut Table<'_>, source: &mut Source<'_>) -> (Vec<Rule>, Vec<usize>) {
    let (mut rules, mut places) = (Vec::new(), Vec::new());
    let mut of = |bus: &str,
                  rule: fn(&mut Table<'_>, &mut Source<'_>) -> Option<Rule>,
                  source: &mut Source<'_>| {
        for mut table in table.take(bus).map(|value| value.tables(MAX_RULES, source)).unwrap_or_default() {
            let at = table.at;
            let errors = source.errors.len();
            match rule(&mut table, source) {
                Some(rule) => {
                    rules.push(rule);
                    places.push(at);
                }
                None if source.errors.len() == errors => source.error(at, "this matches no hardware"),
                None => {}
            }
            table.end(source);
        }
    };
    of("bluetooth", bluetooth, source);
    of("serial", serial, source);
    of("hid", |table, source| usb_ids(table, "ids", source).map(Rule::Hid), source);
    of("usb", |table, source| usb_ids(table, "ids", source).map(Rule::Usb), source);
    of("websocket", |table, source| names(table, source).map(Rule::WebSocket), source);
    of("gamepad", gamepad, source);
    of("lovense-connect", |_, _| Some(Rule::LovenseConnect), source);
    of("simulated", |table, source| names(table, source).map(Rule::Simulated), source);
    (rules, places)
}

fn names(table: &mut Table<'_>, source: &mut Source<'_>) -> Option<Vec<String>> {
    let texts = table.take("names").map(|value| value.texts(source)).unwrap_or_default();
    let names: Vec<String> = texts
        .iter()
        .filter(|text| {
            let named = !text.text.trim_end_matches('*').is_empty();
            if !named {
                source.error(text.at, "this name would match everything");
            }
            named
        })
        .map(|text| text.text.to_owned())
        .collect();
    (!names.is_empty()).then_some(names)
}

/// All game controllers, or those with these names.
fn gamepad(table: &mut Table<'_>, source: &mut Source<'_>) -> Option<Rule> {
    let Some(listed) = table.take("names") else { return Some(Rule::Gamepad(Vec::new())) };
    let names: Vec<String> = listed.texts(source).iter().map(|text| text.text.to_owned()).collect();
    (!names.is_empty()).then_some(Rule::Gamepad(names))
}

fn bluetooth(table: &mut Table<'_>, source: &mut Source<'_>) -> Option<Rule> {
    let names = names(table, source).unwrap_or_default();
    let manufacturer = table.take("manufacturer").map(|value| value.texts(source)).unwrap_or_default();
    let manufacturer: Vec<_> =
        manufacturer.iter().filter_map(|text| manufacturer_data(text, source)).collect();
    let advertised = table.take("advertised").map(|value| value.texts(source)).unwrap_or_default();
    let advertised: Vec<Uuid> = advertised.iter().filter_map(|text| uuid(text, source)).collect();
    let mut services = BTreeMap::new();
    let listed = table.take("services").and_then(|value| value.table(source));
    for (service, endpoints) in listed.map(|mut services| services.take_all()).unwrap_or_default() {
        let mut characteristics = BTreeMap::new();
        let listed = endpoints.table(source).map(|mut endpoints| endpoints.take_all()).unwrap_or_default();
        for (name, characteristic) in listed {
            let endpoint = endpoint(&name, source);
            let uuid = characteristic.text(source).and_then(|text| uuid(&text, source));
            if let (Some(endpoint), Some(uuid)) = (endpoint, uuid) {
                characteristics.insert(endpoint, uuid);
            }
        }
        if let Some(service) = uuid(&service, source) {
            services.insert(service, characteristics);
        }
    }
    let matches = !(names.is_empty() && manufacturer.is_empty() && advertised.is_empty());
    matches.then_some(Rule::Bluetooth { names, manufacturer, advertised, services })
}

/// `93` or `93: 00 00 27`.
pub(super) fn manufacturer_data(text: &Text<'_>, source: &mut Source<'_>) -> Option<(u16, Vec<u8>)> {
    let (company, data) = text.text.split_once(':').unwrap_or((text.text, ""));
    let data = data.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>();
    match (company.trim().parse(), data) {
        (Ok(company), Ok(data)) => Some((company, data)),
        _ => {
            source.error(
                text.at,
                "manufacturer data looks like `93` or `93: 00 00 27`: company in decimal, data in hex",
            );
            None
        }
    }
}

fn uuid(text: &Text<'_>, source: &mut Source<'_>) -> Option<Uuid> {
    const BLUETOOTH_BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5f9b_34fb;
    let short = text.text.len() == 4 && text.text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let uuid = match u32::from_str_radix(text.text, 16) {
        Ok(short_form) if short => Some(Uuid(u128::from(short_form) << 96 | BLUETOOTH_BASE)),
        _ => text.text.parse().ok(),
    };
    if uuid.is_none() {
        source.error(
            text.at,
            format!("`{}` is no UUID: 36 characters, or the four that are special", text.text),
        );
    }
    uuid
}

fn serial(table: &mut Table<'_>, source: &mut Source<'_>) -> Option<Rule> {
    let errors = source.errors.len();
    let port = table.take("port").and_then(|value| value.text(source));
    let port = port.map(|port| PortRule::Named(port.text.into()));
    let usb = usb_ids(table, "usb", source).map(PortRule::Usb);
    let settings = table.take("settings").and_then(|value| value.text(source));
    let (Some(port), Some(settings)) = (port.xor(usb), settings) else {
        if source.errors.len() == errors {
            source.error(
                table.at,
                "a serial port has `port` or `usb`, and `settings`, for example `settings = \"115200 8N1\"`",
            );
        }
        return None;
    };
    let (baud_rate, frame) = settings.text.split_once(' ').unwrap_or_default();
    let frame: Vec<char> = frame.chars().collect();
    match (baud_rate.parse(), &frame[..]) {
        (Ok(baud_rate), [data @ '5'..='8', parity @ ('N' | 'E' | 'O'), stop @ '1'..='2']) => {
            Some(Rule::Serial {
                port,
                baud_rate,
                data_bits: *data as u8 - b'0',
                parity: *parity,
                stop_bits: *stop as u8 - b'0',
            })
        }
        _ => {
            source.error(settings.at, "settings look like `115200 8N1`");
            None
        }
    }
}

fn usb_ids(table: &mut Table<'_>, key: &str, source: &mut Source<'_>) -> Option<Vec<UsbIds>> {
    let texts = table.take(key).map(|value| value.texts(source)).unwrap_or_default();
    let pair = |text: &Text<'_>| {
        let (vendor, product) = text.text.split_once(':')?;
        Some((u16::from_str_radix(vendor, 16).ok()?, u16::from_str_radix(product, 16).ok()?))
    };
    let mut pairs = Vec::new();
    for text in &texts {
        match pair(text) {
            Some(pair) => pairs.push(pair),
            None => source.error(text.at, "an id is vendor and product in hex, for example `1f54:0001`"),
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

pub(super) fn identify(text: &Text<'_>, source: &mut Source<'_>) -> Option<Identify> {
    let words: Vec<&str> = text.text.split_whitespace().collect();
    let form = |name: &str| match name {
        "u32be" => Some(IdentifierForm::U32Be),
        "hex" => Some(IdentifierForm::Hex),
        "text" => Some(IdentifierForm::Text),
        _ => None,
    };
    let way = match words[..] {
        ["name"] => Some(Identify::Name),
        ["name", ..] => {
            let pattern = text.text.trim().trim_start_matches("name").trim_start();
            NamePart::new(pattern).map(Identify::PartOfName)
        }
        ["manufacturer", "as", name] => form(name).map(|form| Identify::Manufacturer(None, form)),
        ["manufacturer", company, "as", name] => company
            .parse()
            .ok()
            .zip(form(name))
            .map(|(company, form)| Identify::Manufacturer(Some(company), form)),
        ["read", endpoint, "as", name] => Endpoint::from_name(endpoint)
            .zip(form(name))
            .map(|(endpoint, form)| Identify::Read(endpoint, form)),
        _ => None,
    };
    if way.is_none() {
        source.error(
            text.at,
            "expected `name`, `name *_(*)_*`, `manufacturer as FORM`, `manufacturer 93 as FORM` or \
             `read ENDPOINT as FORM`; a form is `u32be`, `hex` or `text`",
        );
    }
    way
}
