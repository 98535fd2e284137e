//! What is added to a file, and that nothing else of it changes.

use super::*;
use crate::user::earlier::tests::{EVERY_GENERATION, FIVE};
use buttplug_core::DeviceIndex;
use buttplug_protocols::sighting::BusKind;
use serde_json::Value;
use std::sync::Arc;

fn device(protocol: &str, identifier: Option<&str>, address: &str, index: u32) -> Arc<KnownDevice> {
    Arc::new(KnownDevice {
        identity: DeviceIdentity {
            bus: BusKind::Bluetooth,
            protocol: protocol.into(),
            identifier: identifier.map(str::to_owned),
            address: address.into(),
        },
        index: DeviceIndex(index),
        name: "Its model".into(),
    })
}

fn appended(text: &str, known: &[Arc<KnownDevice>]) -> WithKnown {
    with_known(text, known, &Catalogue::builtin()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn written(text: &str, known: &[Arc<KnownDevice>]) -> String {
    let WithKnown { text: new, left } = appended(text, known);
    assert!(left.is_empty(), "{text}");
    new.unwrap_or_else(|| panic!("nothing is written to {text}"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_device_gets_an_entry_as_earlier_engines_write_it() {
    let text = written(FIVE, &[device("lovense", Some("P"), "54:73:A0:45:FB:84", 3)]);
    let entry = json(&text)["user_configs"]["devices"][1].clone();
    let identifier = r#"{"protocol":"lovense","identifier":"P","address":"54:73:A0:45:FB:84"}"#;
    assert_eq!(entry["identifier"], json(identifier));
    let config = &entry["config"];
    assert_eq!(config["user_config"], json(r#"{"index":3,"allow":false,"deny":false}"#));
    let base_ids = |of: &Value| -> Vec<Value> {
        of["features"].as_array().unwrap().iter().map(|feature| feature["base_id"].clone()).collect()
    };
    let like = &json(FIVE)["user_configs"]["devices"][0]["config"];
    assert_eq!(config["base_id"], like["base_id"]);
    assert_eq!(base_ids(config), base_ids(like));
    let features = config["features"].as_array().unwrap().iter().map(|feature| &feature["id"]);
    let ids: Vec<&str> = features.chain([&config["id"]]).map(|id| id.as_str().unwrap()).collect();
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id), "{ids:?}");
        assert!(id.parse::<Uuid>().is_ok_and(|uuid| uuid.to_string() == *id), "{id}");
        assert!(&id[14..15] == "4" && "89ab".contains(&id[19..20]), "{id}");
    }
}

#[test]
fn what_was_there_stays_letter_for_letter() {
    let mut text = FIVE.replace("\"minor\": 0", "\"minor\": 0, \"odd\": [1.50, -0, 1e3, \"\\u00e9\"]");
    let first = text.clone();
    let tail = text.find("\n    ],\n    \"simulated_devices\"").unwrap();
    let (head, tail) = (first[..tail].to_owned(), first[tail..].to_owned());
    for round in 0..10u32 {
        let known = device("aneros", None, &format!("A{round}"), round);
        text = written(&text, std::slice::from_ref(&known));
        assert!(text.starts_with(&head) && text.ends_with(&tail), "{text}");
        assert_eq!(appended(&text, &[known]), WithKnown::default());
    }
    let added = &text[head.len()..text.len() - tail.len()];
    assert!(
        added.starts_with(",\n      {\n        \"identifier\": {\n          \"protocol\": \"aneros\""),
        "{added}"
    );
    let reading = read(&text, &Catalogue::builtin()).unwrap();
    assert!((0..10).all(|round| {
        reading.entries(&device("aneros", None, &format!("a{round}"), 0).identity).count() == 1
    }));
}

#[test]
fn it_is_written_wherever_a_file_has_room_for_it() {
    let known = [device("aneros", Some("x \"y\""), "A1", 0), device("aneros", None, "A2", 1)];
    for (text, expected) in [
        (r#"{"version": {"major": 5}}"#, r#"{"version": {"major": 5}, "user_configs":{"devices":[E]}}"#),
        (
            r#"{"version":{"major":4},"user_configs":null}"#,
            r#"{"version":{"major":4},"user_configs":{"devices":[E]}}"#,
        ),
        (
            r#"{"version":{"major":5},"user_configs":{}}"#,
            r#"{"version":{"major":5},"user_configs":{"devices":[E]}}"#,
        ),
        (
            r#"{"version":{"major":5},"user_configs":{"devices":null, "x": 1}}"#,
            r#"{"version":{"major":5},"user_configs":{"devices":[E], "x": 1}}"#,
        ),
        (
            "\u{feff}{\"user_configs\":{\"devices\":[ ] },\"version\":{\"major\":5}} ",
            "\u{feff}{\"user_configs\":{\"devices\":[E ] },\"version\":{\"major\":5}} ",
        ),
        ("{\"version\":{\"major\":5}}\n", "{\"version\":{\"major\":5},\"user_configs\":{\"devices\":[E]}}\n"),
    ] {
        let text = text.to_owned();
        let new = written(&text, &known);
        assert_eq!(appended(&new, &known).text, None, "{new}");
        let devices = json(&new)["user_configs"]["devices"].clone();
        assert_eq!(devices[0]["identifier"]["identifier"], "x \"y\"");
        assert_eq!(devices[1]["identifier"].as_object().unwrap().len(), 2, "no `null`: {new}");
        let mut expected = expected.replace('E', &devices.to_string());
        expected = expected.replace("[[", "[").replace("]]", "]").replace("] ]", "]");
        assert_eq!(json(&new), json(&expected), "{text}");
    }
}

#[test]
fn line_ends_and_indents_are_those_of_the_file() {
    let text =
        "{\r\n\t\"version\": {\"major\": 5},\r\n\t\"user_configs\": {\r\n\t\t\"devices\": []\r\n\t}\r\n}\r\n";
    let new = written(text, &[device("aneros", None, "A1", 0)]);
    let (head, tail) = text.split_once("[]").unwrap();
    assert!(new.starts_with(head) && new.ends_with(tail), "{new:?}");
    assert!(new[head.len()..].starts_with("[\r\n\t\t  {\r\n\t\t    \"identifier\": {\r\n"), "{new:?}");
    assert!(new[..new.len() - tail.len()].ends_with("\r\n\t\t  }\r\n\t\t]"), "{new:?}");
    assert!(!new.replace("\r\n", "").contains('\n'));
}

#[test]
fn whoever_has_an_entry_gets_no_other() {
    for (known, has) in [
        (device("lovense", Some("P"), "a1b2c3d4e5f6", 1), true),
        (device("lovense", Some("W"), "A1B2C3D4E5F6", 1), false),
        (device("lovense", None, "A1B2C3D4E5F6", 1), false),
        (device("wevibe", Some("P"), "A1B2C3D4E5F6", 1), false),
        (device("lovense", Some("P"), "A1B2C3D4E5F7", 1), false),
    ] {
        assert_eq!(appended(FIVE, std::slice::from_ref(&known)).text.is_none(), has, "{known:?}");
    }
    let without = FIVE.replace("\"index\": 7, ", "");
    let known = [device("lovense", Some("P"), "A1B2C3D4E5F6", 1)];
    let WithKnown { text, left } = appended(&without, &known);
    assert_eq!((text, &left[..]), (None, &known[..]), "an entry is its owner's");
    let null = FIVE.replace("\"identifier\": \"P\"", "\"identifier\": null");
    assert_eq!(appended(&null, &[device("lovense", Some("P"), "A1B2C3D4E5F6", 1)]).text, None);
}

#[test]
fn a_model_of_the_file_is_referred_to_by_its_own_ids() {
    let known = device("tcode-v03", Some("my-stroker"), "my-stroker", 4);
    let text = written(FIVE, std::slice::from_ref(&known));
    let config = json(&text)["user_configs"]["devices"][1]["config"].clone();
    assert_eq!(config["base_id"], "11111111-2222-4333-8444-555555555555");
    assert_eq!(config["features"][0]["base_id"], "11111111-2222-4333-8444-555555555556");
    let nameless = FIVE.replace("\"id\": \"11111111-2222-4333-8444-555555555555\",", "");
    let WithKnown { text, left } = appended(&nameless, &[known]);
    assert_eq!((text, left.len()), (None, 1));
}

#[test]
fn what_has_no_id_is_left_and_the_others_are_written() {
    let known = [
        device("simulated", Some("simulated-pump"), "simulated:1", 0),
        device("no-such", None, "x", 1),
        device("aneros", None, "A1", 2),
    ];
    let WithKnown { text, left } = appended(FIVE, &known);
    assert_eq!(json(&text.unwrap())["user_configs"]["devices"].as_array().unwrap().len(), 2);
    assert_eq!(left, known[..2]);
}

#[test]
fn files_before_generation_4_are_not_written() {
    for text in &EVERY_GENERATION[2..] {
        let known = [device("aneros", None, "A1", 0)];
        let WithKnown { text: new, left } = appended(text, &known);
        assert_eq!((new, &left[..]), (None, &known[..]));
        assert_eq!(appended(text, &[]), WithKnown::default());
    }
}

/// What is there before between that with which both begin and that with which both end.
fn replaced<'t>(before: &'t str, after: &str) -> &'t str {
    let same = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = same(before.as_bytes(), after.as_bytes());
    let reversed = |text: &str| text.bytes().rev().collect::<Vec<u8>>();
    let end = same(&reversed(before), &reversed(after)).min(before.len() - start);
    &before[start..before.len() - end]
}

#[test]
fn what_can_be_read_can_be_written() {
    let known = [device("aneros", None, "A1", 0)];
    let catalogue = Catalogue::builtin();
    let mut count = 0;
    let text = r#"{"version":{"major":5},"user_configs": {"devices" :[{"identifier": {"address": "x]\"}"}} ], "x": []}}"#;
    for at in 0..text.len() {
        for byte in *b"\"\\[]{}:, 0n\n" {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            let Ok(WithKnown { text: Some(new), .. }) = with_known(&changed, &known, &catalogue) else {
                continue;
            };
            let gone = replaced(&changed, &new);
            assert!(matches!(gone.trim(), "" | "null"), "{gone:?} is gone\n{changed}\n{new}");
            assert_eq!(
                with_known(&new, &known, &catalogue).map(|again| again.text),
                Ok(None),
                "{changed}\n{new}"
            );
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
