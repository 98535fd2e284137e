//! What the app and the directory of apps say, as far as it is used. An entry that makes no sense is passed over; the others
//! count.

use super::limits::{MAX_HOSTS, MAX_NAME_BYTES, MAX_TOYS};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A toy in an app's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toy {
    /// What commands call it. Letters, digits, `-`, `_` and `:` only, so that it can stand in a path.
    pub(crate) id: String,
    /// What the app calls its model.
    pub(crate) name: String,
    /// Whether the app has a connection to it.
    pub(crate) connected: bool,
    /// In percent.
    pub(crate) battery: u8,
}

/// The toys in an app's answer, in the order of their ids. `None`: that is no list.
pub(crate) fn toys(body: &[u8]) -> Option<Vec<Toy>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let listed = match answer.as_object()?.get("data") {
        Some(Value::Object(listed)) => listed,
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(_) => return None,
    };
    let mut toys: Vec<Toy> = listed.values().filter_map(toy).take(MAX_TOYS).collect();
    toys.sort_by(|a, b| a.id.cmp(&b.id));
    toys.dedup_by(|a, b| a.id == b.id);
    Some(toys)
}

fn toy(entry: &Value) -> Option<Toy> {
    let id = entry.get("id")?.as_str().filter(|id| is_id(id))?;
    let name = entry.get("name")?.as_str()?;
    let name = (name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control)).then_some(name)?;
    Some(Toy {
        id: id.into(),
        name: name.into(),
        connected: truth(entry.get("status")?)?,
        battery: percent(entry.get("battery")),
    })
}

fn is_id(id: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&id.len()) && id.bytes().all(harmless)
}

/// The app's versions do not agree on how to say yes.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is) => Some(*is),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "1.0" => Some(true),
            "false" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn percent(value: Option<&Value>) -> u8 {
    let level = value.and_then(Value::as_i64).unwrap_or(0);
    u8::try_from(level.clamp(0, 100)).unwrap_or(0)
}

/// Where the directory says that apps are. Only places in a local network count: the directory is asked over the Internet,
/// and nothing there should choose whom else this machine talks to.
pub(crate) fn hosts(body: &[u8]) -> Vec<SocketAddr> {
    let Ok(Value::Object(listed)) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    listed.iter().filter_map(|(name, entry)| host(name, entry)).take(MAX_HOSTS).collect()
}

/// `192-168-1-44.lovense.club`, whose address is in its name.
fn host(name: &str, entry: &Value) -> Option<SocketAddr> {
    entry.get("domain")?.as_str()?;
    let port = match entry.get("httpPort")? {
        Value::Number(port) => u16::try_from(port.as_u64()?).ok(),
        Value::String(port) => port.trim().parse().ok(),
        _ => None,
    };
    let address: Ipv4Addr = name.split('.').next()?.replace('-', ".").parse().ok()?;
    let local = address.is_private() || address.is_link_local() || address.is_loopback();
    let port = port.filter(|port| *port != 0)?;
    local.then_some(SocketAddr::new(IpAddr::V4(address), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entry: &str) -> Option<Vec<Toy>> {
        toys(format!(r#"{{"type":"OK","code":200,"data":{{"x":{entry}}}}}"#).as_bytes())
    }

    fn lush(connected: bool, battery: u8) -> Option<Vec<Toy>> {
        Some(vec![Toy { id: "d0f00baa1234".into(), name: "Lush".into(), connected, battery }])
    }

    #[test]
    fn a_toy_is_what_the_app_lists() {
        let entry = |status: &str, battery: &str| {
            listed(&format!(
                r#"{{"id":"d0f00baa1234","name":"Lush","nickName":"","status":{status},"battery":{battery},"version":""}}"#
            ))
        };
        for yes in ["true", "1", "1.0", r#""1""#, r#""true""#, r#""True""#, r#""1.0""#] {
            assert_eq!(entry(yes, "85"), lush(true, 85), "{yes}");
        }
        for no in ["false", "0", "0.0", r#""0""#, r#""FALSE""#] {
            assert_eq!(entry(no, "85"), lush(false, 85), "{no}");
        }
        for (level, battery) in [("null", 0), ("120", 100), ("-1", 0), ("100", 100), (r#""85""#, 0)] {
            assert_eq!(entry("1", level), lush(true, battery), "{level}");
        }
        for nonsense in ["2", "null", r#""yes""#, "[]"] {
            assert_eq!(entry(nonsense, "85"), Some(Vec::new()), "{nonsense}");
        }
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_passed_over() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for entry in [
            String::from(r#"{"name":"Lush","status":1}"#),
            String::from(r#"{"id":"a","status":1}"#),
            String::from(r#"{"id":"a","name":"Lush"}"#),
            String::from(r#"{"id":"","name":"Lush","status":1}"#),
            String::from(r#"{"id":"a&t=b","name":"Lush","status":1}"#),
            String::from(r#"{"id":"a b","name":"Lush","status":1}"#),
            String::from(r#"{"id":"a","name":"L\nush","status":1}"#),
            format!(r#"{{"id":"{long}","name":"Lush","status":1}}"#),
            format!(r#"{{"id":"a","name":"{long}","status":1}}"#),
            String::from("7"),
        ] {
            assert_eq!(listed(&entry), Some(Vec::new()), "{entry}");
        }
        let two = r#"{"data":{"a":7,"b":{"id":"b","name":"Edge","status":1,"battery":1}}}"#;
        assert_eq!(toys(two.as_bytes()).map(|toys| toys.len()), Some(1));
    }

    #[test]
    fn no_toys_are_a_list_and_other_things_are_none() {
        for empty in [r#"{"data":{}}"#, "{}", r#"{"data":null}"#] {
            assert_eq!(toys(empty.as_bytes()), Some(Vec::new()), "{empty}");
        }
        for none in ["", "[]", r#"{"data":[]}"#, "<html>", "\u{0}"] {
            assert_eq!(toys(none.as_bytes()), None, "{none:?}");
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let entry = |n: usize| format!(r#""{n}":{{"id":"{n}","name":"Lush","status":1,"battery":1}}"#);
        let many: Vec<String> = (0..MAX_TOYS + 5).map(entry).collect();
        let list = format!(r#"{{"data":{{{}}}}}"#, many.join(","));
        assert_eq!(toys(list.as_bytes()).map(|toys| toys.len()), Some(MAX_TOYS));
    }

    #[test]
    fn an_apps_address_is_in_its_name() {
        let one = |name: &str, port: &str| {
            let body = format!(r#"{{"{name}":{{"domain":"{name}","httpPort":{port},"wsPort":1}}}}"#);
            hosts(body.as_bytes()).first().map(ToString::to_string)
        };
        let there = Some(String::from("192.168.1.44:34567"));
        assert_eq!(one("192-168-1-44.lovense.club", r#""34567""#), there);
        assert_eq!(one("192-168-1-44.lovense.club", "34567"), there);
        assert_eq!(one("192-168-1-44", "34567"), there);
        for (name, port) in [
            ("192-168-1-44.lovense.club", "0"),
            ("192-168-1-44.lovense.club", "65536"),
            ("192-168-1-44.lovense.club", "null"),
            ("192-168-1.lovense.club", "1"),
            ("lovense.club", "1"),
            ("8-8-8-8.lovense.club", "80"),
            ("", "1"),
        ] {
            assert_eq!(one(name, port), None, "{name} {port}");
        }
        assert_eq!(hosts(br#"{"192-168-1-44":{"httpPort":1}}"#), [], "without a domain");
        for none in ["", "[]", "{}", "null"] {
            assert_eq!(hosts(none.as_bytes()), [], "{none}");
        }
    }
}
