//! What holds for every frame of a server, whatever is in it, and the parts of requests that many statements use.

use serde_json::{Value, json};

/// The one message of a frame, `{"Ok":{"Id":5}}`, or what is wrong with the frame (statement C17).
pub(crate) fn message(frame: &str) -> Result<Value, &'static str> {
    let parsed: Value = serde_json::from_str(frame).map_err(|_| "it is no JSON")?;
    if has_null(&parsed) {
        return Err("there is a null in it");
    }
    if parsed.to_string().len() != frame.len() {
        return Err("it is longer than it has to be");
    }
    let Value::Array(mut elements) = parsed else { return Err("it is no array") };
    let (Some(message), true) = (elements.pop(), elements.is_empty()) else {
        return Err("there is not exactly one message in it");
    };
    let fields: Vec<&Value> = message.as_object().ok_or("its message is no object")?.values().collect();
    match fields[..] {
        [Value::Object(fields)] if fields.get("Id").is_some_and(Value::is_u64) => Ok(message),
        [Value::Object(_)] => Err("its message has no id"),
        [_] => Err("what stands under the name is no object"),
        _ => Err("its message has not exactly one key"),
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

/// Checks that this is an `Error` with exactly its three fields, and answers its code.
pub(crate) fn error_code(message: &Value, id: u32) -> u64 {
    let error = &message["Error"];
    let code = error["ErrorCode"].as_u64().unwrap_or_else(|| panic!("instead of an error: {message}"));
    let text = error["ErrorMessage"].as_str().filter(|text| !text.is_empty());
    assert_eq!(*message, json!({"Error": {"Id": id, "ErrorMessage": text, "ErrorCode": code}}));
    code
}

/// The fields of an `OutputCmd`.
pub(crate) fn output(device: u32, feature: u32, command: Value) -> Value {
    json!({"DeviceIndex": device, "FeatureIndex": feature, "Command": command})
}

/// The fields of an `OutputCmd` with a value.
pub(crate) fn drive(device: u32, feature: u32, kind: &str, value: impl Into<Value>) -> Value {
    output(device, feature, json!({kind: {"Value": value.into()}}))
}

/// The fields of an `InputCmd`.
pub(crate) fn input(device: u32, feature: u32, kind: &str, command: &str) -> Value {
    json!({"DeviceIndex": device, "FeatureIndex": feature, "Type": kind, "Command": command})
}
