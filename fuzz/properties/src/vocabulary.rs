//! What a server may say in each version: one message per frame, with its listed fields and no others, and never null.
//! Published clients drop a frame, or a session, for less.

use serde_json::{Map, Value};

/// A message of a server, looked at as text.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) id: u32,
    /// The code, if it is an `Error`.
    pub(crate) error_code: Option<u64>,
}

/// A message's fields. A question mark marks one that may be missing.
type Fields = &'static [&'static str];

/// The messages by name: the versions that have them, whether they come as events, and their fields.
const MESSAGES: &[(&str, &[u32], bool, Fields)] = &[
    ("Ok", &[0, 1, 2, 3, 4], false, &["Id"]),
    ("Error", &[0, 1, 2, 3, 4], false, &["Id", "ErrorMessage", "ErrorCode"]),
    ("ScanningFinished", &[0, 1, 2, 3, 4], true, &["Id"]),
    ("Test", &[0, 1], false, &["Id", "TestString"]),
    ("DeviceList", &[0, 1, 2, 3], false, &["Id", "Devices"]),
    ("DeviceList", &[4], true, &["Id", "Devices"]),
    ("DeviceRemoved", &[0, 1, 2, 3], true, &["Id", "DeviceIndex"]),
    ("DeviceAdded", &[0, 1, 2], true, &["Id", "DeviceIndex", "DeviceName", "DeviceMessages"]),
    (
        "DeviceAdded",
        &[3],
        true,
        &[
            "Id",
            "DeviceIndex",
            "DeviceName",
            "DeviceMessages",
            "DeviceMessageTimingGap?",
            "DeviceDisplayName?",
        ],
    ),
    ("BatteryLevelReading", &[2], false, &["Id", "DeviceIndex", "BatteryLevel"]),
    ("RSSILevelReading", &[2], false, &["Id", "DeviceIndex", "RSSILevel"]),
    ("SensorReading", &[3], false, &["Id", "DeviceIndex", "SensorIndex", "SensorType", "Data"]),
    ("InputReading", &[4], true, &["Id", "DeviceIndex", "FeatureIndex", "Reading"]),
    (
        "ServerInfo",
        &[0, 1],
        false,
        &[
            "Id",
            "ServerName",
            "MajorVersion",
            "MinorVersion",
            "BuildVersion",
            "MessageVersion",
            "MaxPingTime",
        ],
    ),
    ("ServerInfo", &[2, 3], false, &["Id", "ServerName", "MessageVersion", "MaxPingTime"]),
    (
        "ServerInfo",
        &[4],
        false,
        &["Id", "ServerName", "MaxPingTime", "ProtocolVersionMajor", "ProtocolVersionMinor"],
    ),
];

const OUTPUTS: Fields = &[
    "Vibrate?",
    "Rotate?",
    "Oscillate?",
    "Constrict?",
    "Spray?",
    "Temperature?",
    "Led?",
    "Position?",
    "HwPositionWithDuration?",
];

const INPUTS: Fields = &["Battery?", "Rssi?", "Button?", "Pressure?", "Depth?", "Position?"];

/// The keys of `DeviceMessages`, by version.
const DEVICE_MESSAGES: [Fields; 4] = [
    &["SingleMotorVibrateCmd?", "FleshlightLaunchFW12Cmd?", "VorzeA10CycloneCmd?", "StopDeviceCmd"],
    &[
        "SingleMotorVibrateCmd?",
        "FleshlightLaunchFW12Cmd?",
        "VorzeA10CycloneCmd?",
        "VibrateCmd?",
        "RotateCmd?",
        "LinearCmd?",
        "StopDeviceCmd",
    ],
    &["VibrateCmd?", "RotateCmd?", "LinearCmd?", "BatteryLevelCmd?", "RSSILevelCmd?", "StopDeviceCmd"],
    &["ScalarCmd?", "RotateCmd?", "LinearCmd?", "SensorReadCmd?", "StopDeviceCmd"],
];

/// Looks at a frame of a server. `version` is that of the session; `None` before the handshake.
pub(crate) fn check(frame: &str, version: Option<u32>) -> Said {
    let value: Value = serde_json::from_str(frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
    no_null(&value, frame);
    let messages = value.as_array().unwrap_or_else(|| panic!("no array: {frame}"));
    let [message] = messages.as_slice() else { panic!("{} messages in a frame: {frame}", messages.len()) };
    let message = message.as_object().unwrap_or_else(|| panic!("no object: {frame}"));
    let (Some((name, fields)), 1) = (message.iter().next(), message.len()) else {
        panic!("not exactly one key: {frame}")
    };
    let fields = fields.as_object().unwrap_or_else(|| panic!("no fields: {frame}"));
    let id = number(fields, "Id", frame);
    // The handshake's reply begins its version.
    let version = version.or_else(|| (name == "ServerInfo").then(|| version_of(fields)));
    let known = MESSAGES.iter().find(|(known, versions, _, _)| {
        known == name && version.map_or(*known == "Error", |version| versions.contains(&version))
    });
    let Some((_, _, is_event, listed)) = known else {
        panic!("not a message of a server in version {version:?}: {frame}")
    };
    only(fields, listed, frame);
    assert!(id != 0 || *is_event || name == "Error", "a reply with id 0: {frame}");
    if let (Some(version), "DeviceList" | "DeviceAdded") = (version, name.as_str()) {
        devices(name, fields, version, frame);
    }
    if name == "InputReading" {
        only_object(&fields["Reading"], INPUTS_AS_ASKED, frame);
    }
    let error_code = (name == "Error").then(|| fields["ErrorCode"].as_u64().unwrap_or(u64::MAX));
    assert!(error_code.is_none_or(|code| code <= 4), "no code of an error: {frame}");
    Said { name: name.clone(), id, error_code }
}

/// A reading is told in the spelling of its request.
const INPUTS_AS_ASKED: Fields =
    &["Battery?", "Rssi?", "RSSI?", "Button?", "Pressure?", "Depth?", "Position?"];

fn version_of(server_info: &Map<String, Value>) -> u32 {
    let version = server_info.get("ProtocolVersionMajor").or_else(|| server_info.get("MessageVersion"));
    version.and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok()).unwrap_or(u32::MAX)
}

fn devices(name: &str, fields: &Map<String, Value>, version: u32, frame: &str) {
    match (&fields.get("Devices"), version) {
        (Some(Value::Object(devices)), 4) => {
            for (key, device) in devices {
                assert_eq!(device["DeviceIndex"].to_string(), *key, "{frame}");
                newest_device(device, frame);
            }
        }
        (Some(Value::Array(devices)), 0..=3) => {
            for device in devices {
                let device = device.as_object().unwrap_or_else(|| panic!("no device: {frame}"));
                let listed = ["DeviceIndex", "DeviceName", "DeviceMessages"];
                let optional = ["DeviceMessageTimingGap?", "DeviceDisplayName?"];
                let optional = if version == 3 { &optional[..] } else { &[] };
                only(device, &[&listed[..], optional].concat(), frame);
                old_messages(&device["DeviceMessages"], version, frame);
            }
        }
        (None, 0..=3) if name == "DeviceAdded" => old_messages(&fields["DeviceMessages"], version, frame),
        _ => panic!("no devices of version {version}: {frame}"),
    }
}

fn newest_device(device: &Value, frame: &str) {
    let listed =
        ["DeviceIndex", "DeviceName", "DeviceDisplayName?", "DeviceMessageTimingGap", "DeviceFeatures"];
    only_object(device, &listed, frame);
    let features = device["DeviceFeatures"].as_object().unwrap_or_else(|| panic!("no features: {frame}"));
    for (key, feature) in features {
        assert_eq!(feature["FeatureIndex"].to_string(), *key, "{frame}");
        only_object(feature, &["FeatureIndex", "FeatureDescription", "Output?", "Input?"], frame);
        for (part, kinds) in [("Output", OUTPUTS), ("Input", INPUTS)] {
            if let Some(part) = feature.get(part) {
                only_object(part, kinds, frame);
                assert_ne!(part.as_object().map(Map::len), Some(0), "{frame}");
            }
        }
    }
}

fn old_messages(messages: &Value, version: u32, frame: &str) {
    let listed = DEVICE_MESSAGES[version as usize];
    if version > 0 {
        return only_object(messages, listed, frame);
    }
    let names = messages.as_array().unwrap_or_else(|| panic!("no list of names: {frame}"));
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    assert!(names.is_sorted() && names.contains(&"StopDeviceCmd"), "{frame}");
    for name in names {
        assert!(listed.iter().any(|listed| listed.trim_end_matches('?') == name), "{name}: {frame}");
    }
}

fn only_object(value: &Value, listed: &[&str], frame: &str) {
    let fields = value.as_object().unwrap_or_else(|| panic!("no object: {frame}"));
    only(fields, listed, frame);
}

/// All fields that are listed, apart from those that may be missing, and no others.
fn only(fields: &Map<String, Value>, listed: &[&str], frame: &str) {
    for name in fields.keys() {
        let known = listed.iter().any(|listed| listed.trim_end_matches('?') == name);
        assert!(known, "a field that is not listed, {name}: {frame}");
    }
    for name in listed.iter().filter(|listed| !listed.ends_with('?')) {
        assert!(fields.contains_key(*name), "no {name}: {frame}");
    }
}

fn number(fields: &Map<String, Value>, name: &str, frame: &str) -> u32 {
    let number = fields.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.unwrap_or_else(|| panic!("no number {name}: {frame}"))
}

fn no_null(value: &Value, frame: &str) {
    match value {
        Value::Null => panic!("null: {frame}"),
        Value::Array(values) => values.iter().for_each(|value| no_null(value, frame)),
        Value::Object(fields) => fields.values().for_each(|value| no_null(value, frame)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_has_passes() {
        for (version, frame) in [
            (None, r#"[{"Error":{"Id":3,"ErrorMessage":"first the handshake","ErrorCode":1}}]"#),
            (None, r#"[{"ServerInfo":{"Id":1,"ServerName":"","MessageVersion":3,"MaxPingTime":0}}]"#),
            (
                Some(0),
                r#"[{"DeviceAdded":{"Id":0,"DeviceIndex":3,"DeviceName":"A","DeviceMessages":["StopDeviceCmd"]}}]"#,
            ),
            (Some(2), r#"[{"BatteryLevelReading":{"Id":9,"DeviceIndex":0,"BatteryLevel":0.85}}]"#),
            (Some(3), r#"[{"DeviceList":{"Id":2,"Devices":[]}}]"#),
            (Some(4), r#"[{"DeviceList":{"Id":0,"Devices":{}}}]"#),
        ] {
            check(frame, version);
        }
    }

    #[test]
    fn what_a_version_does_not_have_is_found() {
        for (version, frame) in [
            (None, r#"[{"Ok":{"Id":1}}]"#),
            (Some(4), r#"[{"Ok":{"Id":1}},{"Ok":{"Id":2}}]"#),
            (Some(4), r#"[{"Ok":{"Id":0}}]"#),
            (Some(4), r#"[{"Ok":{"Id":1,"Extra":2}}]"#),
            (Some(4), r#"[{"Error":{"Id":1,"ErrorMessage":null,"ErrorCode":3}}]"#),
            (Some(4), r#"[{"DeviceRemoved":{"Id":0,"DeviceIndex":1}}]"#),
            (Some(3), r#"[{"DeviceList":{"Id":0,"Devices":[]}}]"#),
            (
                Some(2),
                r#"[{"DeviceAdded":{"Id":0,"DeviceIndex":3,"DeviceName":"A","DeviceMessages":{"StopDeviceCmd":{}},"DeviceMessageTimingGap":0}}]"#,
            ),
            (
                Some(2),
                r#"[{"DeviceAdded":{"Id":0,"DeviceIndex":3,"DeviceName":"A","DeviceMessages":{"StopDeviceCmd":{},"ScalarCmd":[]}}}]"#,
            ),
        ] {
            assert!(std::panic::catch_unwind(|| check(frame, version)).is_err(), "{frame}");
        }
    }
}
