//! What is said about outputs, and how far it goes.

use super::*;

/// The base ids of the model `P`, Lovense Edge, and of its features.
const EDGE: &str = "2e309985-6bbf-4b75-866f-76d845b3ce42";
const EDGE_0: &str = "cb286b22-998b-4420-82f3-84e8d39db6b5";
const EDGE_1: &str = "c8b72e1d-d7d4-4417-8cbc-e6c0f435889a";
const STRANGER: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn what_is_said_about_outputs_finds_them() {
    let feature = |base: &str, output: &str| format!(r#"{{"base_id": "{base}", "output": {{{output}}}}}"#);
    let limit = |low, high| format!(r#""vibrate": {{"value": [{low}, {high}]}}"#);
    const BOTH: &[&str] = &["it is not clear which Vibrate is meant: what is said about it counts for each"];
    type Case = (&'static str, Vec<String>, Vec<OutputConfiguration>, &'static [&'static str]);
    let cases: Vec<Case> = vec![
        // By id, whatever their order.
        (
            EDGE,
            vec![feature(EDGE_1, &limit(1, 5)), feature(EDGE_0, &limit(2, 9))],
            vec![limited(vibrate(1), 1, 5), limited(vibrate(0), 2, 9)],
            &[],
        ),
        // The whole range is no limit.
        (EDGE, vec![feature(EDGE_1, &limit(0, 20)), feature(EDGE_0, r#""vibrate": {}"#)], vec![], &[]),
        // By place, where ids are unknown and there are as many features.
        (
            STRANGER,
            vec![feature(STRANGER, ""), feature(STRANGER, &limit(2, 9)), feature(STRANGER, "")],
            vec![limited(vibrate(1), 2, 9)],
            &[],
        ),
        // By count, where there are as many outputs of a kind.
        (
            STRANGER,
            vec![feature(STRANGER, &limit(0, 20)), feature(STRANGER, &limit(2, 9))],
            vec![limited(vibrate(1), 2, 9)],
            &[],
        ),
        // One of them is meant.
        (
            STRANGER,
            vec![feature(STRANGER, &limit(2, 9))],
            vec![limited(vibrate(0), 2, 9), limited(vibrate(1), 2, 9)],
            BOTH,
        ),
        (
            EDGE,
            vec![feature(STRANGER, r#""vibrate": {"disabled": true}"#), feature(EDGE_0, &limit(2, 9))],
            vec![disabled(vibrate(0)), disabled(vibrate(1))],
            BOTH,
        ),
        (
            EDGE,
            vec![format!(r#"{{"base_id": "{EDGE_1}", "output": [2, 9]}}"#)],
            vec![disabled(vibrate(1))],
            &["Vibrate of feature 1 is left out: its limit leaves nothing, or is not understood"],
        ),
        (
            EDGE,
            vec![feature(EDGE_0, r#""rotate": {"value": [1, 2]}"#)],
            vec![],
            &["Lovense Edge has no Rotate: what is said about it has no effect"],
        ),
        (
            EDGE,
            vec![feature(EDGE_0, r#""tickle": {"value": [1, 2]}"#), "5".into()],
            vec![],
            &["tickle of feature 0 is no known output", "feature 1 is not understood"],
        ),
    ];
    for (base, features, outputs, reasons) in cases {
        let config = format!(r#""base_id": "{base}", "features": [{}]"#, features.join(","));
        let (device, notices) = lovense(r#""P""#, &config);
        let without_limits: Vec<_> = device
            .outputs
            .iter()
            .map(|output| match output.disabled {
                true => disabled(OutputConfiguration::new(output.feature, output.kind)),
                false => output.clone(),
            })
            .collect();
        assert_eq!(without_limits, outputs, "{config}");
        let reasons: Vec<String> = reasons.iter().map(|reason| format!("device A1: {reason}")).collect();
        assert_eq!(notices, reasons, "{config}");
        assert!(device.deny && device.index == Some(DeviceIndex(3)));
    }
}

#[test]
fn a_limit_in_doubt_leads_to_less() {
    let edge = |output: &str| {
        let config = format!(
            r#""base_id": "{EDGE}", "features": [{{"base_id": "{EDGE_0}", "output": {{"vibrate": {output}}}}}]"#
        );
        let (device, notices) = lovense(r#""P""#, &config);
        assert!(device.deny && device.outputs.len() == 1, "{output}: {device:?}");
        (device.outputs[0].clone(), notices.len())
    };
    for output in [
        r#""off""#,
        "5",
        r#"{"value": 5}"#,
        r#"{"value": [1]}"#,
        r#"{"value": [0.5, 3]}"#,
        r#"{"value": ["0", "3"]}"#,
        r#"{"value": [-3, 5]}"#,
        r#"{"value": [-9, -3]}"#,
        r#"{"value": [0, -3]}"#,
        r#"{"value": [5, 5]}"#,
        r#"{"value": [12, 3]}"#,
        r#"{"step_limit": "x"}"#,
    ] {
        let (decided, notices) = edge(output);
        assert!(decided.disabled && notices == 1, "{output}: {decided:?}");
    }
    for output in [r#"{"disabled": "yes"}"#, r#"{"disabled": true, "value": [0, 20]}"#] {
        assert_eq!(edge(output), (disabled(vibrate(0)), 0), "{output}");
    }
    // Of what is beyond the model's range the server leaves nothing.
    assert_eq!(edge(r#"{"value": [21, 40]}"#), (limited(vibrate(0), 21, 40), 0));
    assert_eq!(edge(r#"{"value": [5, 99999999999]}"#), (limited(vibrate(0), 5, u32::MAX), 0));
    assert_eq!(edge(r#"{"value": [-5, 5]}"#), (limited(vibrate(0), 0, 5), 0));
}

#[test]
fn positions_of_a_timed_kind_are_reversed_and_limited_with_their_durations() {
    let text = r#"{"version": {"major": 4}, "user_configs": {"devices": [
        {"identifier": {"protocol": "tcode-v03", "identifier": "x", "address": "COM7"},
         "config": {"features": [{"output": {
            "position": {"value": [0, 999], "reverse": true},
            "hw_position_with_duration": {"value": [10, 500], "duration": [100, 5000], "reverse": true}}}]}}]}}"#;
    let of = |kind| OutputConfiguration::new(FeatureIndex(0), kind);
    let expected = [
        OutputConfiguration {
            limit: Some((10, 500)),
            reverse: true,
            duration_ms: Some((100, 5000)),
            ..of(OutputKind::HwPositionWithDuration)
        },
        OutputConfiguration { reverse: true, ..of(OutputKind::Position) },
    ];
    let mut outputs = decisions(text).configuration.devices[0].outputs.clone();
    outputs.sort_by_key(|output| output.limit.is_none());
    assert_eq!(outputs, expected);
}

#[test]
fn until_generation_3_a_limit_on_positions_is_one_on_all_ways_to_get_there() {
    let text = r#"{"version": {"major": 2}, "user-configs": {"devices": [
        {"identifier": {"protocol": "tcode-v03", "identifier": "x", "address": "COM7"},
         "config": {"messages": {"LinearCmd": [{"StepRange": [10, 500], "ActuatorType": "Position"}]}}}]}}"#;
    let outputs = &decisions(text).configuration.devices[0].outputs;
    let limits: Vec<_> = outputs.iter().map(|output| (output.kind, output.limit)).collect();
    assert_eq!(
        limits,
        [(OutputKind::Position, Some((10, 500))), (OutputKind::HwPositionWithDuration, Some((10, 500)))]
    );
}

#[test]
fn an_actuator_that_is_not_understood_is_left_out() {
    let text = THREE.replace(
        "{\"step-range\": [0, 20], \"step-limit\": [2, 12], \"messages\": [\"ScalarCmd\"]}",
        "[2, 12]",
    );
    let Decisions { configuration, notices, .. } = decisions(&text);
    assert_eq!(configuration.devices[0].outputs, [disabled(vibrate(0))]);
    assert_eq!(notices.len(), 1, "{notices:?}");
}

#[test]
fn a_limit_in_steps_of_an_earlier_range_is_scaled() {
    for (range, limit, expected) in [
        ("[0, 100]", "[10, 50]", Some((2, 10))),
        ("[0, 100]", "[0, 99]", Some((0, 19))),
        ("[0, 10]", "[1, 5]", Some((2, 10))),
        ("[0, 100]", "[0, 100]", None),
        ("[0, 20]", "[2, 12]", Some((2, 12))),
    ] {
        let text = format!(
            r#"{{"version": {{"major": 3}}, "user-configs": {{"devices": [
            {{"identifier": {{"protocol": "lovense", "identifier": "W", "address": "1"}}, "config": {{"features": [
              {{"feature-type": "Vibrate", "actuator": {{"step-range": {range}, "step-limit": {limit}}}}}]}}}}]}}}}"#
        );
        let outputs = decisions(&text).configuration.devices[0].outputs.clone();
        assert_eq!(outputs.first().and_then(|output| output.limit), expected, "{text}");
    }
}
