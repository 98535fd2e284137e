//! Files of every generation, and what becomes of what they say.

mod outputs;

use super::*;
use buttplug_core::{DeviceIndex, FeatureIndex, OutputKind};
use buttplug_protocols::definition::PortRule;
use buttplug_protocols::sighting::Uuid;
use buttplug_server::configuration::OutputConfiguration;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const FIVE: &str = include_str!("tests/five.json");
const FOUR: &str = include_str!("tests/four.json");
const FOUR_PREVIEW: &str = include_str!("tests/four-preview.json");
const THREE: &str = include_str!("tests/three.json");
const TWO: &str = include_str!("tests/two.json");
const ONE: &str = r#"{"version": 0, "user-config":
    {"A1B2C3D4E5F6": {"allow": false, "deny": true, "display-name": "Blue one", "index": 7}}}"#;

pub(super) const EVERY_GENERATION: &[&str] = &[
    FIVE,
    FOUR,
    FOUR_PREVIEW,
    THREE,
    TWO,
    ONE,
    r#"{"protocols": {"tcode-v03": {"serial": [{"port": "COM7"}]}}}"#,
];

fn decisions(text: &str) -> Decisions {
    let read = read(text, &Catalogue::builtin());
    read.unwrap_or_else(|error| panic!("{error}: {text}")).into_decisions()
}

/// The only device of a file of the newest generation, with this entry.
fn device(entry: &str) -> (DeviceConfiguration, Vec<String>) {
    let text = format!(r#"{{"version": {{"major": 5}}, "user_configs": {{"devices": [{entry}]}}}}"#);
    let Decisions { configuration, notices, .. } = decisions(&text);
    let [device] = &configuration.devices[..] else { panic!("{text}: {configuration:?}") };
    (device.clone(), notices)
}

/// An entry for a Lovense device with these identifier and `config` but for the options.
fn lovense(identifier: &str, config: &str) -> (DeviceConfiguration, Vec<String>) {
    device(&format!(
        r#"{{"identifier": {{"protocol": "lovense", "identifier": {identifier}, "address": "A1"}},
            "config": {{{config}, "user_config": {{"index": 3, "deny": true, "display_name": "Mine"}}}}}}"#
    ))
}

fn vibrate(feature: u32) -> OutputConfiguration {
    OutputConfiguration::new(FeatureIndex(feature), OutputKind::Vibrate)
}

fn limited(output: OutputConfiguration, low: u32, high: u32) -> OutputConfiguration {
    OutputConfiguration { limit: Some((low, high)), ..output }
}

fn disabled(output: OutputConfiguration) -> OutputConfiguration {
    OutputConfiguration { disabled: true, ..output }
}

#[test]
fn generation_5_is_read_completely() {
    let Decisions { configuration, additions, simulated, notices } = decisions(FIVE);
    assert_eq!(notices, [""; 0]);
    assert_eq!(
        configuration.devices,
        [DeviceConfiguration {
            address: "A1B2C3D4E5F6".into(),
            bus: None,
            protocol: Some("lovense".into()),
            identifier: Some("P".into()),
            index: Some(DeviceIndex(7)),
            display_name: Some("Blue one".into()),
            allow: false,
            deny: true,
            message_gap: Some(Duration::from_millis(50)),
            max_run: None,
            outputs: vec![limited(vibrate(0), 2, 12), disabled(vibrate(1))],
            only_named: Vec::new(),
        }]
    );
    assert_eq!(
        simulated,
        [SimulatedEntry {
            archetype: "simulated-2vibe".into(),
            address: Some("simulated:desk".into()),
            display_name: Some("Test".into()),
        }]
    );
    let [lovense, tcode] = &additions[..] else { panic!("{additions:?}") };
    assert_eq!(lovense.rules, [Rule::WebSocket(vec!["LVSDevice".into()])]);
    let service: Uuid = "0000eea0-0000-1000-8000-00805f9b34fb".parse().unwrap();
    let Rule::Bluetooth { names, manufacturer, advertised, services } = &tcode.rules[0] else {
        panic!("{tcode:?}")
    };
    assert_eq!(names, &["OSR-*"]);
    assert_eq!(manufacturer, &[(1177, vec![1, 2])]);
    assert_eq!(advertised, &[service]);
    assert_eq!(services.keys().collect::<Vec<_>>(), [&service]);
    assert_eq!(
        tcode.rules[1..],
        [
            Rule::Serial {
                port: PortRule::Named("/dev/ttyUSB0".into()),
                baud_rate: 115_200,
                data_bits: 8,
                parity: 'N',
                stop_bits: 1
            },
            Rule::Hid(vec![(0x1234, 0x5678)]),
            Rule::Usb(vec![(0x1234, 0x5679)]),
            Rule::WebSocket(vec!["my-stroker".into()]),
        ]
    );
    let [group] = &tcode.groups[..] else { panic!("{tcode:?}") };
    assert_eq!(group.names, [("My stroker".into(), vec!["my-stroker".into()])]);
    let [feature] = &group.features[..] else { panic!("{group:?}") };
    assert_eq!((feature.index, feature.label.as_str()), (0, "L0"));
    let outputs: Vec<_> = feature.outputs.iter().map(|o| (o.kind, o.range, o.duration)).collect();
    assert_eq!(
        outputs,
        [
            (OutputKind::Position, (0, 999), None),
            (OutputKind::HwPositionWithDuration, (0, 999), Some((0, 100_000))),
        ]
    );
}

#[test]
fn every_generation_keeps_index_name_limits_and_deny() {
    let expected = &decisions(FIVE).configuration.devices[0];
    for (text, outputs) in [
        (FOUR, &expected.outputs[..]),
        (FOUR_PREVIEW, &[limited(vibrate(0), 2, 12)]),
        (THREE, &[limited(vibrate(0), 2, 12)]),
        (TWO, &[limited(vibrate(0), 2, 12)]),
        (ONE, &[]),
    ] {
        let Decisions { configuration, notices, .. } = decisions(text);
        let [device] = &configuration.devices[..] else { panic!("{text}") };
        assert_eq!(notices, [""; 0], "{text}");
        let known = |device: &DeviceConfiguration| {
            (device.address.clone(), device.index, device.display_name.clone(), device.allow, device.deny)
        };
        assert_eq!(known(device), known(expected), "{text}");
        assert_eq!(device.outputs, outputs, "{text}");
    }
}

#[test]
fn rules_of_earlier_generations_are_read() {
    let serial = |port: &str, baud_rate| Rule::Serial {
        port: PortRule::Named(port.into()),
        baud_rate,
        data_bits: 8,
        parity: 'N',
        stop_bits: 1,
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules = |text| {
        let decisions = decisions(text);
        assert_eq!(decisions.notices, [""; 0], "{text}");
        let additions = decisions.additions.into_iter();
        additions.map(|addition| (addition.protocol, addition.rules)).collect::<BTreeMap<_, _>>()
    };
    let three = rules(THREE);
    assert_eq!(
        three["lovense"],
        [
            serial("COM7", 9600),
            serial("COM8", 115_200),
            Rule::Hid(vec![(1, 2)]),
            Rule::WebSocket(names(&["LVSDevice", "Second"]))
        ]
    );
    let two = rules(TWO);
    assert_eq!(two["lovense"], [Rule::WebSocket(names(&["LVSDevice"]))]);
    assert_eq!(two["tcode-v03"], [serial("COM7", 115_200), Rule::Hid(vec![(1, 2)]), Rule::Usb(vec![(3, 4)])]);
    let one = rules(EVERY_GENERATION[6]);
    assert_eq!(one["tcode-v03"], [serial("COM7", 115_200)]);
}

#[test]
fn a_null_identifier_stands_for_any() {
    let (device, notices) = lovense("null", r#""features": []"#);
    assert_eq!((device.identifier, notices), (None, Vec::new()));
}

#[test]
fn an_address_is_the_same_however_it_is_written_and_entries_of_one_device_become_one() {
    let entry = |address: &str, index: u32, limit: &str| {
        format!(
            r#"{{"identifier": {{"protocol": "lovense", "identifier": "W", "address": "PeripheralId(DeviceId {{ object_path: Path(\"/org/bluez/{address}\") }})"}},
            "config": {{"features": [{{"output": {{"vibrate": {{"value": {limit}}}}}}}],
              "user_config": {{"index": {index}, "deny": {}}}}}}}"#,
            index == 4
        )
    };
    let (device, notices) = device(&format!(
        "{},{}",
        entry(r"hci0/dev_54_73_A0_45_FB_84\\0", 2, "[0, 9]"),
        entry("hci1/dev_54_73_A0_45_FB_84", 4, "[3, 12]")
    ));
    assert_eq!(device.address, "54:73:A0:45:FB:84");
    assert_eq!((device.index, device.deny), (Some(DeviceIndex(2)), true));
    assert_eq!(device.outputs, [limited(vibrate(0), 3, 9)]);
    assert_eq!(
        notices,
        [
            "device 54:73:A0:45:FB:84: it is there twice: the first index and name count, and the limits of both"
        ]
    );
}

#[test]
fn allow_and_deny_count_unless_they_are_plainly_off() {
    for (value, is_set) in [("true", true), ("false", false), ("null", false), ("\"no\"", true), ("1", true)]
    {
        let (device, _) = device(&format!(
            r#"{{"identifier": {{"address": "A1"}}, "config": {{"base_id": 5, "features": {{}},
               "user_config": {{"index": -1, "deny": {value}, "allow": {value}}}}}}}"#
        ));
        assert_eq!((device.deny, device.allow, device.index), (is_set, is_set, None), "{value}");
    }
}

#[test]
fn an_entry_of_an_unknown_model_or_protocol_still_denies_names_and_keeps_its_index() {
    let features = r#""features": [{}, {"output": {"vibrate": {"value": [0, 5]}}}]"#;
    let (stranger, notices) = device(&format!(
        r#"{{"identifier": {{"protocol": "no-such", "identifier": "x", "address": "A1"}},
            "config": {{{features}, "user_config": {{"index": 3, "deny": true, "display_name": "Mine"}}}}}}"#
    ));
    assert_eq!(
        (stranger.index, stranger.deny, stranger.display_name.as_deref()),
        (Some(DeviceIndex(3)), true, Some("Mine"))
    );
    assert_eq!(stranger.outputs, [limited(vibrate(1), 0, 5)]);
    assert_eq!(
        notices,
        ["device A1: its model is unknown: what is said about outputs counts for features in their order"]
    );
}

#[test]
fn what_is_wrong_with_a_persons_own_rules_and_models_leaves_the_others() {
    let own = |protocol: &str, rest: &str| {
        decisions(&format!(
            r#"{{"version": {{"major": 5}}, "user_configs": {{"protocols": {{"{protocol}": {{{rest}}}}}}}}}"#
        ))
    };
    let read = own(
        "lovense",
        r#""communication": [{"websocket": {"name": 5}}, {"never-heard-of": {"x": 1}}, 7,
            {"xinput": {"exists": true}}, {"serial": {"port": "COM1", "parity": "M"}},
            {"websocket": {"names": ["*", "b"]}}, {"btle": {"names": [], "services": {"x": {"tx": "y"}}}}]"#,
    );
    assert_eq!(read.additions[0].rules, [Rule::WebSocket(vec!["b".into()])]);
    assert_eq!(
        read.notices,
        [
            "a rule of protocol lovense: the rule of the kind websocket matches no hardware",
            "a rule of protocol lovense: rules of the kind never-heard-of are unknown",
            "a rule of protocol lovense: it is not understood",
            "a rule of protocol lovense: rules of the kind xinput are built in and can't be added",
            "a rule of protocol lovense: a serial port has a `port`, 5 to 8 data bits, parity N, E or O, and 1 or 2 stop bits",
            "a rule of protocol lovense: the rule of the kind serial matches no hardware",
            "a rule of protocol lovense: a name that would match everything is left out",
            "a rule of protocol lovense: y is no UUID",
            "a rule of protocol lovense: x is no UUID",
            "a rule of protocol lovense: the rule of the kind btle matches no hardware",
        ]
    );
    let model =
        |features: &str| format!(r#"{{"identifier": ["x"], "name": "Mine", "features": [{features}]}}"#);
    let of_ten = r#"{"output": {"vibrate": {"value": [0, 10]}}}"#;
    let models = [
        model(of_ten),
        model(r#"{"output": {"constrict": {"value": [0, 300]}}}"#),
        model(""),
        model(
            r#"{"output": {"vibrate": {"value": [0, 10]}}, "feature_settings": {"alt_protocol_index": 256}}"#,
        ),
        model(r#"{"output": {"vibrate": {"value": [9, 3]}}}"#),
        model(r#"{"index": 1, "output": {}}"#),
        r#"{"name": "Mine", "features": []}"#.into(),
    ];
    let read = own("aneros", &format!(r#""configurations": [{}]"#, models.join(",")));
    assert_eq!(read.additions[0].groups.len(), 1);
    assert_eq!(read.notices.len(), models.len() - 1, "{:#?}", read.notices);
    let read = own("no-such", r#""communication": [{"websocket": {"name": "x"}}]"#);
    // The protocol may be one of the person's own.
    assert_eq!((read.additions.len(), read.notices.len()), (1, 0));
}

#[test]
fn a_feature_has_the_number_by_which_the_protocol_knows_it() {
    let read = |features: &str| {
        decisions(&format!(
            r#"{{"version": {{"major": 5}}, "user_configs": {{
              "protocols": {{"tcode-v03": {{"configurations": [
                {{"identifier": ["x"], "name": "Mine", "id": "11111111-2222-4333-8444-555555555555",
                  "features": [{features}]}}]}}}},
              "devices": [{{"identifier": {{"protocol": "tcode-v03", "identifier": "x", "address": "D1"}},
                "config": {{"base_id": "11111111-2222-4333-8444-555555555555", "features": [
                  {{"base_id": "11111111-2222-4333-8444-555555555556", "output": {{"vibrate": {{"value": [0, 50]}}}}}}]}}}}]
            }}}}"#
        ))
    };
    let other = |place: u8, number: &str| {
        format!(
            r#"{{"index": {place}, "id": "11111111-2222-4333-8444-55555555555{}", "output": {{"vibrate": {{"value": [0, 99]}}}},
                "feature_settings": {{"alt_protocol_index": {number}}}}}"#,
            place + 6
        )
    };
    let moved = read(&format!("{}, {}", other(0, "4"), other(1, "null")));
    assert_eq!(moved.notices, [""; 0]);
    let [group] = &moved.additions[0].groups[..] else { panic!("{:?}", moved.additions) };
    assert_eq!(group.features.iter().map(|feature| feature.index).collect::<Vec<_>>(), [1, 4]);
    let vibrate = OutputConfiguration::new(FeatureIndex(4), OutputKind::Vibrate);
    assert_eq!(
        moved.configuration.devices[0].outputs,
        [limited(vibrate, 0, 50)],
        "what is said of it goes along"
    );
    let twice = read(&format!("{}, {}", other(0, "1"), other(1, "1")));
    assert!(twice.additions.iter().all(|addition| addition.groups.is_empty()));
    let reason = &twice.notices[0];
    assert!(reason.contains("alt_protocol_index") && reason.contains("one number"), "{reason}");
}

#[test]
fn an_entry_can_refer_to_a_model_of_the_same_file() {
    let text = FIVE.replace(
        r#""devices": ["#,
        r#""devices": [{"identifier": {"protocol": "tcode-v03", "identifier": "my-stroker", "address": "D1"},
            "config": {"base_id": "11111111-2222-4333-8444-555555555555", "features": [
              {"base_id": "11111111-2222-4333-8444-555555555556", "output": {"position": {"value": [100, 900]}}}],
            "user_config": {"index": 9}}},"#,
    );
    let Decisions { configuration, notices, .. } = decisions(&text);
    assert_eq!(notices, [""; 0]);
    let position = OutputConfiguration::new(FeatureIndex(0), OutputKind::Position);
    assert_eq!(configuration.devices[0].outputs, [limited(position, 100, 900)]);
}

#[test]
fn notices_are_bounded() {
    let entries = vec!["5"; 1000].join(",");
    let text = format!(r#"{{"user_configs": {{"devices": [{entries}]}}}}"#);
    let notices = decisions(&text).notices;
    assert_eq!(notices.len(), MAX_NOTICES + 1);
    assert_eq!(notices[MAX_NOTICES], "900 more are not shown");
}

#[test]
fn a_file_that_is_cut_or_has_one_byte_wrong_is_read_or_refused() {
    let catalogue = Catalogue::builtin();
    let mut read_anyway = 0;
    for text in EVERY_GENERATION {
        // Each takes a while; all places would be more of the same.
        for at in (0..text.len()).step_by(11) {
            let _ = read(&text[..at], &catalogue);
            for byte in *b"\"[}:,-0e" {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                let Ok(reading) = read(&changed, &catalogue) else { continue };
                read_anyway += 1;
                let _ = reading.into_decisions();
            }
        }
    }
    assert!(read_anyway > 200);
}
