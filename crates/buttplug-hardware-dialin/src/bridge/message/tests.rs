//! What is read and written, text by text.

use super::*;

const UUID: &str = "0000fff1-0000-1000-8000-00805f9b34fb";

fn characteristic() -> Place {
    Place::Characteristic(UUID.parse().unwrap())
}

#[test]
fn requests_are_written_as_the_port_spells_them() {
    let endpoint = Place::Endpoint(Endpoint::Tx);
    let data = b"Vibrate:5;";
    let cases = [
        (
            Request::Subscribe.text(Some(1), characteristic()),
            format!(r#"{{"id":1,"subscribe":{{"characteristic":"{UUID}"}}}}"#),
        ),
        (
            Request::Unsubscribe.text(Some(2), characteristic()),
            format!(r#"{{"id":2,"unsubscribe":{{"characteristic":"{UUID}"}}}}"#),
        ),
        (
            Request::Read { length: 20 }.text(Some(3), characteristic()),
            format!(r#"{{"id":3,"read":{{"characteristic":"{UUID}","length":20}}}}"#),
        ),
        (
            Request::Write { data }.text(Some(4), characteristic()),
            format!(
                r#"{{"id":4,"write":{{"characteristic":"{UUID}","data":"566962726174653a353b","response":true}}}}"#
            ),
        ),
        (
            Request::Write { data: &[0, 0xff] }.text(None, characteristic()),
            format!(r#"{{"write":{{"characteristic":"{UUID}","data":"00ff","response":false}}}}"#),
        ),
        (
            Request::Write { data: &[] }.text(None, endpoint),
            String::from(r#"{"write":{"endpoint":"tx","data":"","response":false}}"#),
        ),
        (
            Request::Read { length: 512 }.text(Some(9), Place::Endpoint(Endpoint::Generic(31))),
            String::from(r#"{"id":9,"read":{"endpoint":"generic31","length":512}}"#),
        ),
        (accepted("lovense", None), String::from(r#"{"accepted":{"protocol":"lovense"}}"#)),
        (
            accepted(
                "tcode-v03",
                Some(SerialSettings { baud_rate: 115_200, data_bits: 8, parity: 'N', stop_bits: 1 }),
            ),
            String::from(
                r#"{"accepted":{"protocol":"tcode-v03","serial":{"baud_rate":115200,"data_bits":8,"parity":"N","stop_bits":1}}}"#,
            ),
        ),
        (rejected("no \"known\" device"), String::from(r#"{"rejected":{"reason":"no \"known\" device"}}"#)),
        (disconnect(), String::from(r#"{"disconnect":{}}"#)),
    ];
    for (written, expected) in cases {
        assert_eq!(written, expected);
        serde_json::from_str::<Value>(&written).unwrap();
    }
}

#[test]
fn answers_and_events_are_read_and_unknown_fields_ignored() {
    let cases = [
        (r#"{"id": 1, "ok": {}}"#, Message::Answer { id: 1, answer: Answer::Ok }),
        (r#" {"ok":{"more":1},"id":1,"more":[]} "#, Message::Answer { id: 1, answer: Answer::Ok }),
        (r#"{"id": 3, "data": "0055"}"#, Message::Answer { id: 3, answer: Answer::Data(vec![0, 0x55]) }),
        (r#"{"id": 3, "data": ""}"#, Message::Answer { id: 3, answer: Answer::Data(Vec::new()) }),
        (
            r#"{"id": 4, "error": "not connected"}"#,
            Message::Answer { id: 4, answer: Answer::Error("not connected".into()) },
        ),
        (
            r#"{"notify": {"characteristic": "0000fff1-0000-1000-8000-00805f9b34fb", "data": "503a", "x": 1}}"#,
            Message::Notify { place: characteristic(), data: vec![0x50, 0x3a] },
        ),
        (r#"{"rssi": -58}"#, Message::Rssi(-58)),
        (r#"{"gone": {}}"#, Message::Gone),
    ];
    for (text, expected) in cases {
        assert_eq!(Message::parse(text.as_bytes(), true), Ok(expected), "{text}");
    }
    let endpoint = br#"{"notify": {"endpoint": "rx", "data": "01"}}"#;
    let expected = Message::Notify { place: Place::Endpoint(Endpoint::Rx), data: vec![1] };
    assert_eq!(Message::parse(endpoint, false), Ok(expected));
}

#[test]
fn what_a_bridge_may_not_say_is_named() {
    let id = BadMessage::Field("id", "the number of the request that is answered");
    let data = BadMessage::Field("data", "bytes in hex, in lower case");
    let rssi = BadMessage::Field("rssi", "a signal strength in dBm");
    let uuid = BadMessage::Field("characteristic", "a UUID of 36 characters in lower case");
    let nested = format!(r#"{{"gone":{}"#, "[".repeat(2000));
    let cases = [
        ("", BadMessage::NotJson),
        ("hello", BadMessage::NotJson),
        ("[1]", BadMessage::NotJson),
        ("{", BadMessage::NotJson),
        (r#"{"gone":{}}{}"#, BadMessage::NotJson),
        (r#"{"gone":{},"gone":{}}"#, BadMessage::NotJson),
        (&nested, BadMessage::NotJson),
        ("{}", BadMessage::Unknown),
        (r#"{"id": 1}"#, BadMessage::Unknown),
        (r#"{"hello": {}}"#, BadMessage::Unknown),
        (r#"{"accepted": {}}"#, BadMessage::Unknown),
        (r#"{"gone": {}, "rssi": 1}"#, BadMessage::Several),
        (r#"{"id": 1, "ok": {}, "error": "x"}"#, BadMessage::Several),
        (r#"{"ok": {}}"#, id.clone()),
        (r#"{"id": "1", "ok": {}}"#, id.clone()),
        (r#"{"id": -1, "ok": {}}"#, id.clone()),
        (r#"{"id": 1.5, "data": ""}"#, id),
        (r#"{"id": 1, "data": "0"}"#, data.clone()),
        (r#"{"id": 1, "data": "AA"}"#, data.clone()),
        (r#"{"id": 1, "data": "+1"}"#, data.clone()),
        (r#"{"id": 1, "data": "ä"}"#, data.clone()),
        (r#"{"id": 1, "data": [1]}"#, data.clone()),
        (r#"{"id": 1, "error": {}}"#, BadMessage::Field("error", "a text")),
        (r#"{"rssi": "x"}"#, rssi.clone()),
        (r#"{"rssi": 99999}"#, rssi),
        (r#"{"notify": 5}"#, uuid.clone()),
        (r#"{"notify": {"data": "00"}}"#, uuid.clone()),
        (r#"{"notify": {"endpoint": "rx", "data": "00"}}"#, uuid.clone()),
        (r#"{"notify": {"characteristic": "fff1", "data": "00"}}"#, uuid.clone()),
        (r#"{"notify": {"characteristic": "0000FFF1-0000-1000-8000-00805f9b34fb", "data": "00"}}"#, uuid),
        (r#"{"notify": {"characteristic": "0000fff1-0000-1000-8000-00805f9b34fb"}}"#, data),
    ];
    for (text, expected) in cases {
        assert_eq!(Message::parse(text.as_bytes(), true), Err(expected), "{text}");
    }
    let unknown = br#"{"notify": {"endpoint": "rx9", "data": "00"}}"#;
    assert_eq!(Message::parse(unknown, false), Err(BadMessage::NoSuchEndpoint("rx9".into())));
    let long = format!(r#"{{"rssi":1}}{}"#, " ".repeat(MAX_BRIDGE_MESSAGE_BYTES));
    assert_eq!(Message::parse(long.as_bytes(), true), Err(BadMessage::TooLong(long.len())));
}

#[test]
fn hex_is_read_as_it_is_written() {
    let all: Vec<u8> = (0..=255).collect();
    let mut text = String::new();
    write_hex(&mut text, &all);
    assert_eq!(read_hex(&text), Some(all));
}
