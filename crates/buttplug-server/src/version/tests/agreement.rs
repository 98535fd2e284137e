//! What is listed and what indexes mean agree, for any device.

use super::*;
use proptest::prelude::*;

fn any_output() -> impl Strategy<Value = OutputDescription> {
    let kind = proptest::sample::select(OutputKind::ALL.to_vec());
    let min = prop_oneof![3 => Just(0), 1 => -1000..0];
    (kind, min, 0..1000).prop_map(|(kind, min, max)| output(kind, min, max))
}

fn any_device() -> impl Strategy<Value = Arc<DeviceDescription>> {
    let outputs = proptest::collection::vec(any_output(), 0..4).prop_map(|mut outputs| {
        outputs.sort_by_key(|output| output.kind);
        outputs.dedup_by_key(|output| output.kind);
        outputs
    });
    let features = proptest::collection::btree_map(0_u32..20, (outputs, any::<bool>()), 0..6);
    features.prop_map(|features| {
        let battery = input(InputKind::Battery, 0, 100, true);
        let build = |(index, (outputs, charged)): (u32, (Vec<_>, bool))| {
            feature(index, "", &outputs, if charged { std::slice::from_ref(&battery) } else { &[] })
        };
        device(3, Option::None, features.into_iter().map(build).collect())
    })
}

struct One(Arc<DeviceDescription>);

impl Devices for One {
    fn describe(&self, _: DeviceIndex) -> Option<Arc<DeviceDescription>> {
        Some(Arc::clone(&self.0))
    }

    fn way(&self, _: DeviceIndex, _: FeatureIndex, target: i32) -> Option<u32> {
        Some(target.unsigned_abs())
    }
}

/// The attributes that the version lists for the device.
fn listed(version: u32, device: &Arc<DeviceDescription>) -> serde_json::Value {
    let list = ServerContent::DeviceList(vec![Arc::clone(device)]);
    let text = down(version, &ServerMessage { id: MessageId(1), content: list });
    let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    frame[0]["DeviceList"]["Devices"][0]["DeviceMessages"].clone()
}

/// The outputs that a command means; `None` if it is refused.
fn means(version: u32, device: &Arc<DeviceDescription>, message: &str) -> Option<Vec<OutputCmd>> {
    let frame = format!("[{{{message}}}]");
    let element = split_frame(frame.as_bytes()).expect(message).remove(0).expect(message);
    match edge(version).up(&element, &One(Arc::clone(device))) {
        Ok(Request::Outputs(_, cmds)) => Some(cmds),
        Ok(other) => panic!("{message} means {other:?}"),
        Err(_) => Option::None,
    }
}

/// How many outputs the version lists for a command, and the steps of each where it tells.
fn counted(version: u32, attributes: &serde_json::Value) -> (u64, Vec<Option<i64>>) {
    match version {
        1 => {
            let count = attributes["FeatureCount"].as_u64().unwrap_or(0);
            (count, (0..count).map(|_| Option::None).collect())
        }
        2 => {
            let steps = attributes["StepCount"].as_array().cloned().unwrap_or_default();
            assert_eq!(attributes["FeatureCount"].as_u64().unwrap_or(0), steps.len() as u64);
            (steps.len() as u64, steps.iter().map(serde_json::Value::as_i64).collect())
        }
        _ => {
            let entries = attributes.as_array().cloned().unwrap_or_default();
            (entries.len() as u64, entries.iter().map(|entry| entry["StepCount"].as_i64()).collect())
        }
    }
}

/// The part of a command that drives one output: its index and a fraction.
type Part<'a> = &'a dyn Fn(u64, f64) -> String;

proptest! {
    #[test]
    fn every_listed_index_drives_one_output_over_its_whole_range_and_no_other_index_does(
        device in any_device(), fraction in 0.0..=1.0_f64,
    ) {
        let commands: [(&str, Part<'_>, OutputKind); 3] = [
            ("VibrateCmd", &|i, x| format!(r#""Speeds":[{{"Index":{i},"Speed":{x}}}]"#), OutputKind::Vibrate),
            ("RotateCmd", &|i, x| format!(r#""Rotations":[{{"Index":{i},"Speed":{x},"Clockwise":true}}]"#),
                OutputKind::Rotate),
            ("LinearCmd", &|i, x| format!(r#""Vectors":[{{"Index":{i},"Position":{x},"Duration":1}}]"#),
                OutputKind::HwPositionWithDuration),
        ];
        for version in 1..=3 {
            let attributes = listed(version, &device);
            for (name, part, kind) in &commands {
                // Tolerated in version 3, but listed there as ScalarCmd.
                if version == 3 && *name == "VibrateCmd" {
                    continue;
                }
                let (count, steps) = counted(version, &attributes[name]);
                let drive = |index, x| {
                    means(version, &device, &format!(r#""{name}":{{"Id":7,"DeviceIndex":3,{}}}"#, part(index, x)))
                };
                let mut seen = Vec::new();
                for index in 0..count {
                    let full = drive(index, 1.0).expect("a listed index");
                    prop_assert_eq!(full.len(), 1);
                    prop_assert_eq!(full[0].command.kind(), *kind);
                    let range = device.feature(full[0].feature).and_then(|f| f.output(*kind)).expect("it").range;
                    prop_assert_eq!(full[0].command.value(), range.max());
                    prop_assert!(steps[index as usize].is_none_or(|steps| steps == i64::from(range.max())));
                    prop_assert_eq!(drive(index, 0.0).expect("a listed index")[0].command.value(), 0);
                    let some = drive(index, fraction).expect("a listed index")[0].command.value();
                    prop_assert!(range.contains(some));
                    seen.push(full[0].feature);
                }
                prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", seen);
                prop_assert!(drive(count, 1.0).is_none());
            }
        }
    }

    #[test]
    fn version_3_drives_what_it_lists_under_the_name_it_lists(device in any_device(), fraction in 0.0..=1.0_f64) {
        let attributes = listed(3, &device);
        let entries = attributes["ScalarCmd"].as_array().cloned().unwrap_or_default();
        let drive = |index: usize, kind: &str, x: f64| {
            let scalar = format!(r#"{{"Index":{index},"Scalar":{x},"ActuatorType":"{kind}"}}"#);
            means(3, &device, &format!(r#""ScalarCmd":{{"Id":7,"DeviceIndex":3,"Scalars":[{scalar}]}}"#))
        };
        let mut seen = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let kind = entry["ActuatorType"].as_str().expect("a name");
            let full = drive(index, kind, 1.0).expect("a listed index");
            prop_assert_eq!(full.len(), 1);
            prop_assert_eq!(full[0].command.kind().name(), kind);
            prop_assert_eq!(Some(i64::from(full[0].command.value())), entry["StepCount"].as_i64());
            let some = drive(index, kind, fraction).expect("a listed index")[0];
            let range = device.feature(some.feature).and_then(|f| f.output(some.command.kind())).expect("it").range;
            prop_assert!(range.contains(some.command.value()));
            seen.push((some.feature, some.command.kind().name()));
        }
        prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", seen);
        prop_assert!(drive(entries.len(), "Vibrate", 1.0).is_none());
        let batteries = attributes["SensorReadCmd"].as_array().map_or(0, Vec::len);
        let charged = device.features.iter().filter(|feature| !feature.inputs.is_empty()).count();
        prop_assert_eq!(batteries, charged);
    }
}
