//! JSON of people and of several generations of engines: read with patience, printed as it stood.

use serde_json::{Map, Value};

/// An object of JSON.
pub(super) type Object = Map<String, Value>;

/// Whether a key is `name`, which is written with `_`. Some generations wrote `-` instead.
pub(super) fn is_called(key: &str, name: &str) -> bool {
    key.len() == name.len()
        && key.bytes().zip(name.bytes()).all(|(key, name)| key == name || (key == b'-' && name == b'_'))
}

/// What stands under `name`, in either spelling. `null` is nothing.
pub(super) fn field<'v>(object: &'v Object, name: &str) -> Option<&'v Value> {
    object.iter().find(|(key, value)| is_called(key, name) && !value.is_null()).map(|(_, value)| value)
}

/// The text under `name`.
pub(super) fn text<'v>(object: &'v Object, name: &str) -> Option<&'v str> {
    field(object, name)?.as_str()
}

/// The list under `name`; empty if there is none.
pub(super) fn list<'v>(object: &'v Object, name: &str) -> &'v [Value] {
    field(object, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The object under `name`.
pub(super) fn object<'v>(object: &'v Object, name: &str) -> Option<&'v Object> {
    field(object, name)?.as_object()
}

/// The items of a list, of the list under `name` in an object, or else what is there as the only item.
pub(super) fn each<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let listed = value.as_object().and_then(|object| field(object, name)).unwrap_or(value);
    listed.as_array().map_or(std::slice::from_ref(listed), Vec::as_slice)
}

/// Two whole numbers in a list.
pub(super) fn pair(value: &Value) -> Option<(i64, i64)> {
    match value.as_array()?.as_slice() {
        [first, second] => Some((first.as_i64()?, second.as_i64()?)),
        _ => None,
    }
}

/// JSON text with a line for each member, otherwise letter for letter.
pub(super) fn pretty(json: &str) -> String {
    let mut printed = String::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut rest = json.chars().peekable();
    let line = |printed: &mut String, depth: usize| {
        printed.push('\n');
        printed.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
    };
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                printed.push('"');
                let mut escaped = false;
                for c in rest.by_ref() {
                    printed.push(c);
                    match c {
                        '"' if !escaped => break,
                        c => escaped = c == '\\' && !escaped,
                    }
                }
            }
            '{' | '[' => {
                printed.push(c);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = rest.next_if(|c| matches!(c, '}' | ']')) {
                    printed.push(close);
                } else {
                    depth += 1;
                    line(&mut printed, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut printed, depth);
                printed.push(c);
            }
            ',' => {
                printed.push(',');
                line(&mut printed, depth);
            }
            ':' => printed.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => printed.push(c),
        }
    }
    printed
}

/// Levels that are indented. Deeper ones stand below one another, so that a nest of brackets stays short.
const MAX_INDENT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_spelling_of_a_key_is_found_and_null_is_nothing() {
        let value: Value = serde_json::from_str(r#"{"a-b": 1, "c_d": "x", "e": null, "e_": 2}"#).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(field(object, "a_b").and_then(Value::as_u64), Some(1));
        assert_eq!(text(object, "c_d"), Some("x"));
        assert_eq!(field(object, "e"), None);
        assert_eq!(text(object, "a_b"), None);
    }

    #[test]
    fn pretty_json_keeps_every_letter_and_every_order() {
        let text = r#"{"b":[1.50,{"x":"a, \"{\\"}],"a":{ },"c":[]}"#;
        let printed = pretty(text);
        assert_eq!(
            printed,
            "{\n  \"b\": [\n    1.50,\n    {\n      \"x\": \"a, \\\"{\\\\\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}"
        );
        assert_eq!(pretty(&printed), printed);
    }
}
