//! Reads the file in which people keep what they decided about their devices, as every earlier engine wrote it.
//!
//! Takes from it which devices dial in as what; the rest is left alone. Never writes.

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::Path;
use thiserror::Error;

/// Bytes in a user file. A file with 500 devices is about 1 MB.
const MAX_USER_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The newest generation that is known.
const NEWEST_GENERATION: u32 = 5;

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

/// Why a user file is of no use.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum UserFileError {
    /// The system does not let it be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It is too long.
    #[error("it is longer than {MAX_USER_FILE_BYTES} bytes")]
    TooLong,
    /// It is no text.
    #[error("line {line}: it is not UTF-8 text")]
    NotText {
        /// The line with the first byte that is none.
        line: usize,
    },
    /// It is no JSON, or not of the form that user files have.
    #[error("line {line}, column {column}: {reason}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What was found there.
        reason: String,
    },
    /// A later engine wrote it.
    #[error("it is of version {0}, and this program knows versions up to {NEWEST_GENERATION}")]
    TooNew(u32),
}

impl UserFile {
    /// Reads the file at `path`; `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, UserFileError> {
        let unreadable = |error: std::io::Error| UserFileError::Unreadable(error.to_string());
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_USER_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_USER_FILE_BYTES {
            return Err(UserFileError::TooLong);
        }
        Self::parse(&bytes).map(Some)
    }

    /// Reads the bytes of a user file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, UserFileError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            UserFileError::NotText { line: 1 + good.iter().filter(|byte| **byte == b'\n').count() }
        })?;
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
            return Err(UserFileError::TooNew(generation));
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
        let file = UserFile::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
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
        for (bytes, sentence) in [
            (&b""[..], "line 1, column 0: EOF while parsing a value"),
            (b"{\n  // mine\n}", "line 2, column 3: key must be a string"),
            (b"{\"version\": 5,\n\"user_configs\": {\n", "line 3, column 0: EOF while parsing an object"),
            (b"{\n\"a\": \"\xff\"}", "line 2: it is not UTF-8 text"),
            (b"[]", "line 1, column 2: "),
            (b"{\"version\": {\"major\": 6}}", "it is of version 6, and this program knows versions up to 5"),
            (b"{\"version\": {\"minor\": 6}}", "line 1, column 24: missing field `major`"),
            (b"{\"version\": \"5\"}", "line 1, column 15: invalid type: string \"5\", expected a version number"),
            (
                b"{\"user_configs\": {\"protocols\":\n{\"x\": {\"communication\": [{\"websocket\": {\"name\": 5}}]}}}}",
                "line 2, column 49: invalid type: integer `5`, expected a string",
            ),
        ] {
            let error = UserFile::parse(bytes).expect_err(&String::from_utf8_lossy(bytes)).to_string();
            assert!(error.starts_with(sentence), "{error}\nis not\n{sentence}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        assert!(matches!(UserFile::parse(deep.as_bytes()), Err(UserFileError::Malformed { .. })));
    }

    #[test]
    fn a_file_that_is_cut_or_has_one_byte_wrong_is_read_or_refused() {
        let text =
            br#"{"version":{"major":5,"minor":0},"user_configs":{"protocols":{"tcode-v03":{"communication":[
            {"websocket":{"name":"a","names":["b"]}},{"serial":{"port":"/dev/ttyS0"}}]}},"devices":[]}}"#;
        for at in 0..text.len() {
            let _ = UserFile::parse(&text[..at]);
            for byte in *b"\0\"\\[]{}:,-0.eE\x80\xff" {
                let mut changed = text.to_vec();
                changed[at] = byte;
                let _ = UserFile::parse(&changed);
            }
        }
    }

    #[test]
    fn a_missing_file_is_none_and_a_directory_is_unreadable() {
        let directory = std::env::temp_dir();
        assert_eq!(UserFile::read(&directory.join("buttplug-no-such-file.json")), Ok(None));
        assert!(matches!(UserFile::read(&directory), Err(UserFileError::Unreadable(_))));
    }
}
