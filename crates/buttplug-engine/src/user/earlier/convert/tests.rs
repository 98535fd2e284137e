//! Whatever is converted says the same in the program's own format.

use super::*;
use crate::user::earlier::tests::{EVERY_GENERATION, FIVE};

fn converted(text: &str) -> Converted {
    convert(text, Decisions::default(), &Catalogue::builtin())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_file_is_converted_as_a_person_would_write_it() {
    let Converted { text, devices, notices } = converted(FIVE);
    assert_eq!((devices, notices), (1, Vec::new()));
    assert_eq!(text, include_str!("five.toml"));
}

#[test]
fn everything_is_read_back_as_it_was() {
    let features = r#"{"index": 3, "description": "both \"ends\"", "output": {"vibrate": {"value": [0, 20]}, "rotate": {"value": [-20, 20]}}},
        {"index": 4, "input": {"battery": {"value": [[0, 100]], "command": ["Read", "Subscribe"]}}},
        {"index": 9, "input": {"pressure": {"value": [[5, 2000]], "command": []}}}"#;
    let own = format!(
        r#"{{"version": {{"major": 5}}, "user_configs": {{"protocols": {{"lovense": {{"configurations": [
            {{"identifier": ["a", "b\\c"], "name": "Mine = \"ours\"", "message_gap_ms": 80, "features": [{features}]}}]}}}}}}}}"#
    );
    let catalogue = Catalogue::builtin();
    for text in EVERY_GENERATION.iter().copied().chain([own.as_str()]) {
        let decisions = read(text, &catalogue).unwrap().into_decisions();
        assert_eq!(decisions.notices, [""; 0], "{text}");
        assert_eq!(own::read("devices.toml", &converted(text).text), Ok(decisions), "{text}");
    }
}

#[test]
fn what_the_file_beside_it_says_counts_after_it_as_it_did() {
    let beside = r#"max-run = "1800 s"
[[device]]
address = "A1B2C3D4E5F6"
bus = "bluetooth"
protocol = "lovense"
identifier = "P"
index = 9
max-run = "5 s"
outputs = { vibrate = {}, "0 vibrate" = { limit = [0, 5] } }
[[device]]
address = "new"
protocol = "lovense"
index = 3
[[protocol.lovense.websocket]]
names = ["mine"]
"#;
    let beside = own::read("beside", beside).unwrap();
    let beside = Decisions { notices: Vec::new(), ..beside };
    let catalogue = Catalogue::builtin();
    let Converted { text, devices, .. } = convert(FIVE, beside.clone(), &catalogue).unwrap();
    assert_eq!(devices, 2);
    let together = pair::together(read(FIVE, &catalogue).unwrap().into_decisions(), beside);
    let back = own::read("devices.toml", &text).unwrap();
    assert_eq!(back.configuration, together.configuration, "{text}");
    assert_eq!(back.configuration.devices[0].index, Some(buttplug_core::DeviceIndex(7)));
    assert!(text.contains("\"LVSDevice\"") && text.contains("\"mine\""), "{text}");
}

#[test]
fn what_could_not_be_converted_stays_as_a_comment() {
    let text = r#"{"version": {"major": 5}, "user_configs": {
        "protocols": {"lovense": {"communication": [{"never-heard-of": {"x": [1.50, "\u0000 "]}}]}},
        "devices": [{"identifier": {"protocol": "no-such", "address": "A1"},
          "config": {"features": [{"output": {"vibrate": {"value": [1, 2]}}}], "user_config": {"deny": true}}}]}}"#;
    let Converted { text, notices, .. } = converted(&text.replace(r"\u0000 ", "\u{7f}"));
    assert_eq!(notices.len(), 2);
    let (decided, rest) = text.split_once("# What could not be converted").unwrap();
    assert!(decided.contains("address = \"A1\"") && decided.contains("deny = true"), "{decided}");
    assert!(
        rest.contains(
            "\n# {\n#   \"never-heard-of\": {\n#     \"x\": [\n#       1.50,\n#       \"\\u007f\"\n"
        ),
        "{rest}"
    );
    assert!(rest.contains("# device A1: its model is unknown:"), "{rest}");
    assert!(text.parse::<DocumentMut>().is_ok(), "{text}");
}

#[test]
fn whatever_can_be_read_becomes_a_file_of_our_own() {
    let catalogue = Catalogue::builtin();
    let mut count = 0;
    for text in EVERY_GENERATION {
        // Each takes a while; all places would be more of the same.
        for at in (0..text.len()).step_by(17) {
            for byte in *b"\"}]0\\\x7f" {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                let Ok(reading) = read(&changed, &catalogue) else { continue };
                let decisions = Decisions { notices: Vec::new(), ..reading.into_decisions() };
                let text = converted(&changed).text;
                assert_eq!(own::read("devices.toml", &text), Ok(decisions), "{changed}\n{text}");
                count += 1;
            }
        }
    }
    assert!(count > 100);
}
