//! The frame of a user file: its generation, and the pieces of which it is made, still as text. Knows nothing of what is
//! inside them, so that whatever is wrong with one leaves the others.

use crate::user::UserFileError;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// The newest generation that is known.
pub(in crate::user) const NEWEST_GENERATION: u32 = 5;

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Generation {
    /// Before 1.0: the version is a plain number, or missing.
    One,
    /// 1.0 to 2.
    Two,
    /// 3, and the previews of 4, which kept its spelling.
    Three,
    /// 4 and 5, which differ in nothing that matters here.
    Newest,
}

/// A user file in pieces.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) generation: Generation,
    /// A person's own rules and models, by protocol, in the order of the file.
    pub(super) protocols: Vec<(String, OfProtocol<'t>)>,
    /// What is said about devices.
    pub(super) devices: Vec<&'t RawValue>,
    /// The same by address, in the first generation.
    pub(super) by_address: Vec<(String, &'t RawValue)>,
    /// Simulated devices.
    pub(super) simulated: Vec<&'t RawValue>,
}

/// What belongs to one protocol.
#[derive(Debug, Default)]
pub(super) struct OfProtocol<'t> {
    /// Rules under their kinds.
    pub(super) rules: Vec<(String, &'t RawValue)>,
    /// Lists of rules, each an object with one kind.
    pub(super) communication: Vec<&'t RawValue>,
    /// Models.
    pub(super) configurations: Vec<&'t RawValue>,
}

impl<'t> Document<'t> {
    /// Takes the text of a file apart. A byte-order mark in front is passed over.
    ///
    /// # Errors
    /// It is no JSON, not a user file, or of a later engine.
    pub(super) fn parse(text: &'t str) -> Result<Self, UserFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let top: Top<'t> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        let kebab = top.kebab_configs.is_some();
        let generation = match top.version {
            Some(Version::Major(major)) if major > NEWEST_GENERATION => {
                return Err(UserFileError::TooNew { version: major });
            }
            None | Some(Version::Plain | Version::Major(0 | 1)) => Generation::One,
            Some(Version::Major(2)) => Generation::Two,
            Some(Version::Major(3)) => Generation::Three,
            Some(Version::Major(_)) if kebab => Generation::Three,
            Some(Version::Major(_)) => Generation::Newest,
        };
        let mut document = Self {
            generation,
            protocols: Vec::new(),
            devices: Vec::new(),
            by_address: top.by_address.map(|entries| entries.0).unwrap_or_default(),
            simulated: Vec::new(),
        };
        let rules_only = |(protocol, kinds): (String, Option<Entries<&'t RawValue>>)| {
            let rules = kinds.map(|kinds| kinds.0).unwrap_or_default();
            (protocol, OfProtocol { rules, ..OfProtocol::default() })
        };
        document.protocols.extend(top.protocols.into_iter().flat_map(|entries| entries.0).map(rules_only));
        for configs in [top.configs, top.kebab_configs].into_iter().flatten() {
            let listed = configs.protocols.into_iter().flat_map(|entries| entries.0);
            document.protocols.extend(listed.map(|(protocol, listed)| {
                let Listed { communication, configurations } = listed.unwrap_or_default();
                let communication = communication.unwrap_or_default();
                let configurations = configurations.unwrap_or_default();
                (protocol, OfProtocol { rules: Vec::new(), communication, configurations })
            }));
            document
                .protocols
                .extend(configs.specifiers.into_iter().flat_map(|entries| entries.0).map(rules_only));
            document.devices.extend(configs.devices.unwrap_or_default());
            document.simulated.extend(configs.simulated_devices.unwrap_or_default());
        }
        Ok(document)
    }
}

/// A JSON error with its place told apart from its reason.
pub(super) fn malformed(error: &serde_json::Error) -> UserFileError {
    let sentence = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    UserFileError::Malformed {
        line: error.line(),
        column: error.column(),
        reason: sentence.strip_suffix(&place).unwrap_or(&sentence).to_owned(),
    }
}

/// All generations at once: what one of them lacks is absent, and what is of no use here is passed over.
#[derive(serde::Deserialize)]
struct Top<'t> {
    version: Option<Version>,
    #[serde(borrow, rename = "user_configs")]
    configs: Option<Configs<'t>>,
    #[serde(borrow, rename = "user-configs")]
    kebab_configs: Option<Configs<'t>>,
    /// The first generation.
    #[serde(borrow, rename = "user-config")]
    by_address: Option<Entries<&'t RawValue>>,
    /// The first generation.
    #[serde(borrow)]
    protocols: Option<Entries<Option<Entries<&'t RawValue>>>>,
}

#[derive(serde::Deserialize)]
struct Configs<'t> {
    /// From generation 3 on.
    #[serde(borrow)]
    protocols: Option<Entries<Option<Listed<'t>>>>,
    /// Generation 2.
    #[serde(borrow)]
    specifiers: Option<Entries<Option<Entries<&'t RawValue>>>>,
    #[serde(borrow)]
    devices: Option<Vec<&'t RawValue>>,
    #[serde(borrow, alias = "simulated-devices")]
    simulated_devices: Option<Vec<&'t RawValue>>,
}

#[derive(Default, serde::Deserialize)]
struct Listed<'t> {
    #[serde(borrow)]
    communication: Option<Vec<&'t RawValue>>,
    #[serde(borrow)]
    configurations: Option<Vec<&'t RawValue>>,
}

/// The members of an object, in their order.
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// The version: a number by itself, or one of two numbers.
#[derive(Clone, Copy)]
pub(super) enum Version {
    Plain,
    Major(u32),
}

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

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Version, E> {
        Ok(Version::Plain)
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
        major.map(Version::Major).ok_or_else(|| de::Error::missing_field("major"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(text: &str) -> Generation {
        Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")).generation
    }

    #[test]
    fn the_version_tells_the_generation() {
        for (text, expected) in [
            ("{}", Generation::One),
            (r#"{"version": 0}"#, Generation::One),
            (r#"{"version": 63, "user-config": {}}"#, Generation::One),
            (r#"{"version": {"major": 2, "minor": 6}}"#, Generation::Two),
            (r#"{"version": {"major": 3}}"#, Generation::Three),
            (r#"{"version": {"major": 4}, "user-configs": {}}"#, Generation::Three),
            (r#"{"version": {"major": 4}, "user_configs": {}}"#, Generation::Newest),
            (r#"{"version": {"minor": 9, "major": 5}}"#, Generation::Newest),
        ] {
            assert_eq!(generation(text), expected, "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_read_as_nothing() {
        for text in [
            "{}",
            "\u{feff}{\"version\": {\"major\": 5}, \"user_configs\": null, \"extra\": [1]}",
            r#"{"user_configs": {"protocols": {"lovense": null, "wevibe": {"communication": null}}, "devices": null}}"#,
            r#"{"user-config": null, "protocols": {"x": null}}"#,
        ] {
            let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let pieces = document
                .protocols
                .iter()
                .map(|(_, of)| of.rules.len() + of.communication.len() + of.configurations.len());
            assert_eq!(
                pieces.sum::<usize>() + document.devices.len() + document.by_address.len(),
                0,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_unusable_is_refused_with_its_line() {
        for (text, sentence) in [
            ("", "line 1, column 0: EOF while parsing a value"),
            ("{\n  // mine\n}", "line 2, column 3: key must be a string"),
            ("{\"version\": 5,\n\"user_configs\": {\n", "line 3, column 0: EOF while parsing an object"),
            ("[]", "line 1, column "),
            ("{\"version\": {\"major\": 6}}", "it is of version 6, and this program knows versions up to 5"),
            ("{\"version\": {\"minor\": 6}}", "line 1, column 24: missing field `major`"),
            (
                "{\"version\": \"5\"}",
                "line 1, column 15: invalid type: string \"5\", expected a version number",
            ),
            (
                "{\"user_configs\": {\"protocols\":\n{\"x\": {\"communication\": 5}}}}",
                "line 2, column 25: invalid type: integer `5`, expected a sequence",
            ),
            (
                "{\"user_configs\": {\"devices\": {}}}",
                "line 1, column 29: invalid type: map, expected a sequence",
            ),
        ] {
            let error = Document::parse(text).map(|_| ()).expect_err(text).to_string();
            assert!(error.starts_with(sentence), "{error}\nis not\n{sentence}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        assert!(matches!(Document::parse(&deep), Err(UserFileError::Malformed { .. })));
    }
}
