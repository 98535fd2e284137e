//! Greetings that are offers, and those that are none.

use super::*;
use crate::greeting::Greeting;
use buttplug_websocket::Received;
use bytes::Bytes;

const SERVICE: &str = "0000fff0-0000-1000-8000-00805f9b34fb";
const CHARACTERISTIC: &str = "0000fff1-0000-1000-8000-00805f9b34fb";

fn parse(text: &str) -> Result<Greeting, BadGreeting> {
    Greeting::parse(&Received::Text(Bytes::copy_from_slice(text.as_bytes())))
}

fn offer(address: &str, advertisement: Advertisement, transport: Transport) -> Result<Greeting, BadGreeting> {
    let sighting = Sighting::new(address, advertisement);
    Ok(Greeting::Bridge(Offer { sighting, transport }))
}

fn uuid_of(text: &str) -> Uuid {
    text.parse().unwrap()
}

#[test]
fn a_greeting_offers_hardware_as_its_operating_system_sees_it() {
    let whole = r#"{"version": 1, "transport": "bluetooth-le", "address": "AA:BB:CC:DD:EE:FF", "name": "LVS-Z001",
        "rssi": -60, "manufacturer_data": {"93": "0102", "65535": ""}, "unknown": {"x": [null]},
        "advertised_services": ["0000fff0-0000-1000-8000-00805f9b34fb"],
        "services": {"0000fff0-0000-1000-8000-00805f9b34fb": ["0000fff1-0000-1000-8000-00805f9b34fb"]}}"#;
    let advertisement = Advertisement::Bluetooth {
        name: "LVS-Z001".into(),
        manufacturer_data: vec![(65535, Vec::new()), (93, vec![1, 2])],
        services: vec![uuid_of(SERVICE)],
    };
    let services = BTreeMap::from([(uuid_of(SERVICE), vec![uuid_of(CHARACTERISTIC)])]);
    let sighting = Sighting { signal_dbm: Some(-60), ..Sighting::new("AA:BB:CC:DD:EE:FF", advertisement) };
    let whole_offer = Offer { sighting, transport: Transport::Bluetooth(services) };
    assert_eq!(parse(whole), Ok(Greeting::Bridge(whole_offer)));
    let nameless =
        Advertisement::Bluetooth { name: String::new(), manufacturer_data: Vec::new(), services: Vec::new() };
    let least = r#"{"version":1,"transport":"bluetooth-le","address":"x","name":"","services":{}}"#;
    assert_eq!(parse(least), offer("x", nameless, Transport::Bluetooth(BTreeMap::new())));
    let serial = Advertisement::Serial { port: "/dev/ttyUSB0".into(), usb: None };
    assert_eq!(
        parse(r#"{"version":1,"transport":"serial","port":"/dev/ttyUSB0"}"#),
        offer("/dev/ttyUSB0", serial.clone(), Transport::Serial)
    );
    assert_eq!(
        parse(r#"{"version":1,"transport":"serial","port":"/dev/ttyUSB0","address":"a7"}"#),
        offer("a7", serial, Transport::Serial)
    );
    let hid = Advertisement::Hid { vendor_id: 4660, product_id: 22136, product: String::new() };
    assert_eq!(
        parse(r#"{"version":1,"transport":"hid","vendor_id":4660,"product_id":22136}"#),
        offer("1234:5678", hid, Transport::Usb)
    );
    let usb = Advertisement::Usb { vendor_id: 0, product_id: 65535 };
    assert_eq!(
        parse(r#"{"version":1,"transport":"usb","vendor_id":0,"product_id":65535,"address":"1-2"}"#),
        offer("1-2", usb, Transport::Usb)
    );
}

/// The least greeting of a Bluetooth device, with one field put in the place of another or added.
fn bluetooth_with(field: &str, value: &str) -> String {
    let mut fields = BTreeMap::from([
        ("version", "1"),
        ("transport", r#""bluetooth-le""#),
        ("address", r#""a""#),
        ("name", r#""n""#),
        ("services", "{}"),
    ]);
    fields.insert(field, value);
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn greetings_that_offer_nothing_are_told_what_is_wrong() {
    let wrong = |field, what| BadGreeting::Wrong(field, what);
    let long = format!("\"{}\"", "x".repeat(257));
    let cases = [
        ("transport", "null", BadGreeting::Missing("transport")),
        ("transport", "1", BadGreeting::Missing("transport")),
        ("transport", r#""lovense-dongle""#, BadGreeting::UnknownTransport("lovense-dongle".into())),
        ("transport", r#""serial""#, BadGreeting::Missing("port")),
        ("transport", r#""hid""#, wrong("vendor_id", "a number from 0 to 65535")),
        ("address", "null", BadGreeting::Missing("address")),
        ("address", "5", BadGreeting::Missing("address")),
        ("address", r#""""#, BadGreeting::Empty("address")),
        ("address", &long, BadGreeting::NameTooLong("address")),
        ("name", "null", BadGreeting::Missing("name")),
        ("name", &long, BadGreeting::NameTooLong("name")),
        ("rssi", r#""loud""#, wrong("rssi", "a signal strength in dBm")),
        ("services", "null", wrong("services", SERVICES)),
        ("services", "[]", wrong("services", SERVICES)),
        ("services", r#"{"fff0":[]}"#, wrong("services", SERVICES)),
        ("services", r#"{"0000FFF0-0000-1000-8000-00805F9B34FB":[]}"#, wrong("services", SERVICES)),
        ("services", r#"{"0000fff0-0000-1000-8000-00805f9b34fb":["fff1"]}"#, wrong("services", SERVICES)),
        ("services", r#"{"0000fff0-0000-1000-8000-00805f9b34fb":{}}"#, wrong("services", SERVICES)),
        ("advertised_services", "{}", wrong("advertised_services", UUIDS)),
        ("advertised_services", "[1]", wrong("advertised_services", UUIDS)),
        ("manufacturer_data", "[]", wrong("manufacturer_data", MANUFACTURER_DATA)),
        ("manufacturer_data", r#"{"+93":"00"}"#, wrong("manufacturer_data", MANUFACTURER_DATA)),
        ("manufacturer_data", r#"{"":"00"}"#, wrong("manufacturer_data", MANUFACTURER_DATA)),
        ("manufacturer_data", r#"{"65536":"00"}"#, wrong("manufacturer_data", MANUFACTURER_DATA)),
        ("manufacturer_data", r#"{"93":"0A"}"#, wrong("manufacturer_data", MANUFACTURER_DATA)),
        ("manufacturer_data", r#"{"93":[1]}"#, wrong("manufacturer_data", MANUFACTURER_DATA)),
    ];
    for (field, value, expected) in cases {
        let text = bluetooth_with(field, value);
        assert_eq!(parse(&text), Err(expected), "{text}");
    }
    let twice = r#"{"version":1,"transport":"serial","port":"x","port":"y"}"#;
    assert_eq!(parse(twice), Err(BadGreeting::NotJson));
    let text = r#"{"version":1,"transport":"usb","vendor_id":1,"product_id":65536}"#;
    assert_eq!(parse(text), Err(wrong("product_id", "a number from 0 to 65535")));
}
