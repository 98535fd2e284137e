//! Reads the file in which people keep what they decided about their devices, as every earlier engine wrote it.
//!
//! Takes from it which devices dial in as what; the rest is left alone. Never writes.

use crate::user::{Decisions, UserFileError};
use buttplug_protocols::definition::{self, Addition};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// The newest generation that is known.
pub(crate) const NEWEST_GENERATION: u32 = 5;

/// What a user file says, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserFile {
    /// What dials in as what, in the order of protocols, then as written.
    pub(crate) websocket_rules: Vec<WebsocketRule>,
}

/// What dials in as `identifier` speaks `protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebsocketRule {
    /// The protocol's id.
    pub(crate) protocol: String,
    /// What the device calls itself.
    pub(crate) identifier: String,
}

/// Reads what a user file says.
pub(crate) fn read(text: &str) -> Result<Decisions, UserFileError> {
    let rules = UserFile::parse(text)?.websocket_rules;
    let addition = |rule: WebsocketRule| Addition {
        protocol: rule.protocol,
        rules: vec![definition::Rule::WebSocket(vec![rule.identifier])],
        groups: Vec::new(),
    };
    Ok(Decisions { additions: rules.into_iter().map(addition).collect(), ..Decisions::default() })
}

impl UserFile {
    fn parse(text: &str) -> Result<Self, UserFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document: Document = serde_json::from_str(text).map_err(|error| {
            let sentence = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            UserFileError::Malformed {
                line: error.line(),
                column: error.column(),
                reason: sentence.strip_suffix(&place).unwrap_or(&sentence).to_owned(),
            }
        })?;
        let generation = document.version.map_or(1, |version| version.0);
        if generation > NEWEST_GENERATION {
            return Err(UserFileError::TooNew { version: generation });
        }
        Ok(Self { websocket_rules: document.user_configs.unwrap_or_default().websocket_rules() })
    }
}

/// All generations at once: what one of them lacks is absent, and what is of no use here is passed over.
#[derive(Deserialize)]
struct Document {
    version: Option<Version>,
    #[serde(alias = "user-configs")]
    user_configs: Option<Configs>,
}

#[derive(Default, Deserialize)]
struct Configs {
    /// From generation 3 on.
    protocols: Option<BTreeMap<String, Option<Rules>>>,
    /// Generation 2.
    specifiers: Option<BTreeMap<String, Option<Rule>>>,
}

#[derive(Deserialize)]
struct Rules {
    communication: Option<Vec<Rule>>,
}

/// A rule of some kind; only this kind is of use here.
#[derive(Deserialize)]
struct Rule {
    websocket: Option<Names>,
}

#[derive(Deserialize)]
struct Names {
    name: Option<String>,
    names: Option<Vec<String>>,
}

impl Configs {
    fn websocket_rules(self) -> Vec<WebsocketRule> {
        let listed = self.protocols.unwrap_or_default().into_iter().flat_map(|(protocol, rules)| {
            let rules = rules.and_then(|rules| rules.communication).unwrap_or_default();
            rules.into_iter().map(move |rule| (protocol.clone(), rule))
        });
        let single = self.specifiers.unwrap_or_default();
        let single = single.into_iter().filter_map(|(protocol, rule)| Some((protocol, rule?)));
        let mut found = Vec::new();
        for (protocol, rule) in listed.chain(single) {
            let Some(Names { name, names }) = rule.websocket else { continue };
            for identifier in name.into_iter().chain(names.unwrap_or_default()) {
                found.push(WebsocketRule { protocol: protocol.clone(), identifier });
            }
        }
        found
    }
}

/// The major version: a number by itself, or one of two numbers.
struct Version(u32);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VersionVisitor)
    }
}

struct VersionVisitor;

impl<'de> Visitor<'de> for VersionVisitor {
    type Value = Version;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version number or an object with `major`")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Version, E> {
        Ok(Version(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Version, A::Error> {
        let mut major = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "major" {
                major = Some(map.next_value::<u32>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        major.map(Version).ok_or_else(|| de::Error::missing_field("major"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(String, String)> {
        let file = UserFile::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        file.websocket_rules.into_iter().map(|rule| (rule.protocol, rule.identifier)).collect()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let rules = rules(text);
        let rules: Vec<_> = rules.iter().map(|(protocol, name)| (protocol.as_str(), name.as_str())).collect();
        assert_eq!(rules, expected, "{text}");
    }

    #[test]
    fn generation_5_is_read() {
        check(
            r#"{"version": {"major": 5, "minor": 0}, "user_configs": {"protocols": {
                "tcode-v03": {"communication": [
                    {"serial": {"port": "/dev/ttyS0", "baud_rate": 115200}},
                    {"websocket": {"name": "a-stroker"}},
                    {"btle": {"names": ["OSR-*"], "services": {}}},
                    {"never-heard-of": {"x": 1}}],
                  "configurations": [{"identifier": ["a-stroker"], "name": "Mine", "id": "1", "features": []}]},
                "lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}, {"websocket": {"names": ["b", "c"]}}]}},
              "devices": [{"identifier": {"protocol": "lovense", "identifier": null, "address": "1"}, "config": {}}],
              "simulated_devices": [{"identifier": "simulated-2vibe"}]}}"#,
            &[("lovense", "LVSDevice"), ("lovense", "b"), ("lovense", "c"), ("tcode-v03", "a-stroker")],
        );
    }

    #[test]
    fn generation_4_and_its_previews_are_read() {
        for key in ["user_configs", "user-configs"] {
            let text = format!(
                r#"{{"version": {{"major": 4, "minor": 0}}, "{key}": {{"protocols": {{"wevibe": {{"communication":
                [{{"websocket": {{"name": "w"}}}}]}}}}, "devices": []}}}}"#
            );
            check(&text, &[("wevibe", "w")]);
        }
    }

    #[test]
    fn generation_3_is_read() {
        check(
            r#"{"version": {"major": 3, "minor": 0}, "user-configs": {"protocols": {"lovense": {"communication":
                [{"websocket": {"names": ["LVSDevice", "Second"]}}, {"serial": {"ports": [{"port": "COM7", "baud-rate": 9600}]}}],
                "configurations": []}}, "devices": [{"identifier": {"protocol": "lovense"}}]}}"#,
            &[("lovense", "LVSDevice"), ("lovense", "Second")],
        );
    }

    #[test]
    fn generation_2_is_read() {
        check(
            r#"{"version": {"major": 2, "minor": 6}, "user-configs": {"specifiers": {
                "lovense": {"websocket": {"names": ["LVSDevice"]}},
                "tcode-v03": {"serial": [{"port": "COM7"}], "hid": [[1, 2]]}}, "devices": []}}"#,
            &[("lovense", "LVSDevice")],
        );
    }

    #[test]
    fn generation_1_is_read_and_has_no_such_rules() {
        check(r#"{"version": 0, "user-config": {"A1B2": {"allow": true, "index": 7}}}"#, &[]);
        check(r#"{"protocols": {"tcode-v03": {"serial": [{"port": "COM7"}]}}}"#, &[]);
    }

    #[test]
    fn what_says_nothing_is_read_as_nothing() {
        check("{}", &[]);
        check("\u{feff}{\"version\": {\"major\": 5}, \"user_configs\": null, \"extra\": [1]}", &[]);
        check(
            r#"{"user_configs": {"protocols": {"lovense": null, "wevibe": {"communication": null}}}}"#,
            &[],
        );
    }

    #[test]
    fn what_is_unusable_is_refused_with_its_line() {
        for (text, sentence) in [
            ("", "line 1, column 0: EOF while parsing a value"),
            ("{\n  // mine\n}", "line 2, column 3: key must be a string"),
            ("{\"version\": 5,\n\"user_configs\": {\n", "line 3, column 0: EOF while parsing an object"),
            ("[]", "line 1, column 2: "),
            ("{\"version\": {\"major\": 6}}", "it is of version 6, and this program knows versions up to 5"),
            ("{\"version\": {\"minor\": 6}}", "line 1, column 24: missing field `major`"),
            (
                "{\"version\": \"5\"}",
                "line 1, column 15: invalid type: string \"5\", expected a version number",
            ),
            (
                "{\"user_configs\": {\"protocols\":\n{\"x\": {\"communication\": [{\"websocket\": {\"name\": 5}}]}}}}",
                "line 2, column 49: invalid type: integer `5`, expected a string",
            ),
        ] {
            let error = UserFile::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(sentence), "{error}\nis not\n{sentence}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        assert!(matches!(UserFile::parse(&deep), Err(UserFileError::Malformed { .. })));
    }

    #[test]
    fn a_file_that_is_cut_or_has_one_byte_wrong_is_read_or_refused() {
        let text = r#"{"version":{"major":5,"minor":0},"user_configs":{"protocols":{"tcode-v03":{"communication":[
            {"websocket":{"name":"a","names":["b"]}},{"serial":{"port":"/dev/ttyS0"}}]}},"devices":[]}}"#;
        for at in 0..text.len() {
            let _ = UserFile::parse(&text[..at]);
            for byte in "\0\"\\[]{}:,-0.eE".chars() {
                let mut changed = text.to_owned();
                changed.replace_range(at..=at, byte.encode_utf8(&mut [0; 4]));
                let _ = UserFile::parse(&changed);
            }
        }
    }
}
