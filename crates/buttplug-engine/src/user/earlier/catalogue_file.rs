//! The catalogue files of earlier engines. Theirs was such a file; ours is built in, and of the file only that is used which
//! is not known already: hardware and models that somebody wrote into it.

use super::document::{Entries, NEWEST_GENERATION, OfProtocol, Version, malformed};
use super::{MAX_OWN_PIECES, Piece, Reading, pieces};
use crate::user::UserFileError;
use crate::user::store::read_text;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{Addition, Definition, Rule};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::path::Path;

/// The kinds of rules that stood directly under a protocol in files of version 2.
const KINDS: [&str; 5] = ["btle", "serial", "hid", "usb", "websocket"];

/// What such a file adds to what is known, and what a person should know of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CatalogueFile {
    pub(crate) additions: Vec<Addition>,
    pub(crate) notices: Vec<String>,
}

impl CatalogueFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It is missing, can't be read, or is no such file.
    pub(crate) fn open(path: &Path) -> Result<Self, UserFileError> {
        let missing = || UserFileError::Unreadable("there is no such file".into());
        let (text, _) = read_text(path)?.ok_or_else(missing)?;
        let mut file = Self::read(&text, &Catalogue::builtin())?;
        for notice in &mut file.notices {
            notice.insert_str(0, &format!("{}: ", path.display()));
        }
        Ok(file)
    }

    fn read(text: &str, catalogue: &Catalogue) -> Result<Self, UserFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let top: Top<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        match top.version {
            Version::Major(version) if version > NEWEST_GENERATION => {
                return Err(UserFileError::TooNew { version });
            }
            Version::Major(_) | Version::Plain => {}
        }
        let mut reading = Reading::new(super::Generation::Newest, catalogue);
        let mut room = MAX_OWN_PIECES;
        for (protocol, members) in top.protocols.into_iter().flat_map(|entries| entries.0) {
            let mut pieces = pieces(&protocol, &of_protocol(members.unwrap_or_default()));
            if let Some(known) = catalogue.protocol(&protocol) {
                pieces.retain_mut(|piece| is_new(piece, known.definition()));
            }
            reading.add_pieces(&protocol, pieces, &mut room);
        }
        let mut notices = reading.notices();
        if top.user_configs.is_some() || top.kebab_configs.is_some() {
            notices.insert(
                0,
                "it is a user file, of which nothing is used here; pass it by --user-device-config-file"
                    .into(),
            );
        }
        Ok(Self { additions: reading.additions, notices })
    }
}

/// Such a file, as far as it matters.
#[derive(serde::Deserialize)]
struct Top<'t> {
    version: Version,
    #[serde(borrow)]
    protocols: Option<Entries<Option<Entries<&'t RawValue>>>>,
    user_configs: Option<IgnoredAny>,
    #[serde(rename = "user-configs")]
    kebab_configs: Option<IgnoredAny>,
}

/// The rules and models of a protocol. Its fallback is built in.
fn of_protocol(members: Entries<&RawValue>) -> OfProtocol<'_> {
    let mut of = OfProtocol::default();
    for (key, raw) in members.0 {
        // What is no list says nothing.
        let listed = || serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default();
        match key.as_str() {
            "communication" => of.communication = listed(),
            "configurations" => of.configurations = listed(),
            kind if KINDS.contains(&kind) => of.rules.push((key, raw)),
            _ => {}
        }
    }
    of
}

/// Reduces a piece to what the protocol does not know, and answers whether anything is left.
fn is_new(piece: &mut Piece<'_>, known: &Definition) -> bool {
    if let Some((model, _)) = &piece.model {
        let mut names = known.groups.iter().flat_map(|group| &group.names).flat_map(|(_, names)| names);
        return !names.any(|name| model.identifiers.contains(name));
    }
    piece.rules.retain_mut(|rule| is_new_rule(rule, &known.rules));
    // A kind of rule that can't be added is built in; so is what is wrong with a model that can't be read.
    !piece.rules.is_empty()
}

fn is_new_rule(rule: &mut Rule, known: &[Rule]) -> bool {
    if known.contains(rule) {
        return false;
    }
    for known in known {
        match (&mut *rule, known) {
            (
                Rule::Bluetooth { names, manufacturer, advertised, .. },
                Rule::Bluetooth { names: n, manufacturer: m, advertised: a, .. },
            ) => {
                leave_out(names, n);
                leave_out(manufacturer, m);
                leave_out(advertised, a);
            }
            (Rule::Hid(pairs), Rule::Hid(known)) | (Rule::Usb(pairs), Rule::Usb(known)) => {
                leave_out(pairs, known);
            }
            (Rule::WebSocket(names), Rule::WebSocket(known)) => leave_out(names, known),
            _ => {}
        }
    }
    match rule {
        Rule::Bluetooth { names, manufacturer, advertised, .. } => {
            !(names.is_empty() && manufacturer.is_empty() && advertised.is_empty())
        }
        Rule::Hid(pairs) | Rule::Usb(pairs) => !pairs.is_empty(),
        Rule::WebSocket(names) => !names.is_empty(),
        Rule::Serial { .. } => true,
        // A server has only those simulated devices that its user file asks for.
        Rule::Simulated(_) => false,
        // All of these are known.
        Rule::Gamepad(_) | Rule::LovenseConnect => false,
    }
}

fn leave_out<T: PartialEq>(list: &mut Vec<T>, known: &[T]) {
    list.retain(|one| !known.contains(one));
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::definition::PortRule;

    fn read(text: &str) -> CatalogueFile {
        CatalogueFile::read(text, &Catalogue::builtin()).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn websocket(name: &str) -> Rule {
        Rule::WebSocket(vec![name.into()])
    }

    #[test]
    fn what_is_built_in_is_not_added_and_what_somebody_wrote_into_it_is() {
        for major in [3, 4, 5] {
            let file = read(&format!(
                r#"{{"version": {{"major": {major}, "minor": 1}}, "protocols": {{"lovense": {{
                "communication": [
                    {{"btle": {{"names": ["LVS-*"], "services": {{}}}}}},
                    {{"websocket": {{"name": "LVSDevice"}}}}],
                "defaults": {{"name": "Lovense Device", "features": []}},
                "configurations": [{{"identifier": ["P"], "name": "Lovense Edge"}}]}}}}}}"#
            ));
            let [addition] = &file.additions[..] else { panic!("{file:?}") };
            assert_eq!(
                (addition.protocol.as_str(), &addition.rules[..]),
                ("lovense", &[websocket("LVSDevice")][..])
            );
            assert!(addition.groups.is_empty() && file.notices.is_empty(), "{file:?}");
        }
    }

    #[test]
    fn rules_of_version_2_stand_under_their_kinds() {
        let file = read(
            r#"{"version": {"major": 2, "minor": 6}, "protocols": {"tcode-v03": {
            "serial": [{"port": "default", "baud-rate": 115200, "data-bits": 8, "parity": "N", "stop-bits": 1},
                       {"port": "COM7", "baud-rate": 115200, "data-bits": 8, "parity": "N", "stop-bits": 1}],
            "websocket": {"names": ["my-stroker"]}, "defaults": {"messages": {}}}}}"#,
        );
        let [addition] = &file.additions[..] else { panic!("{file:?}") };
        assert_eq!(addition.rules.len(), 2, "{addition:?}");
        assert!(addition.rules.contains(&websocket("my-stroker")));
        assert!(
            matches!(&addition.rules[..], [Rule::Serial { port, .. }, _] if *port == PortRule::Named("COM7".into())),
            "{addition:?}"
        );
    }

    #[test]
    fn a_model_that_nobody_knows_is_added() {
        let file = read(
            r#"{"version": {"major": 5}, "protocols": {"lovense": {"configurations": [
            {"identifier": ["my-own"], "name": "Mine", "features": [{"output": {"vibrate": {"value": [0, 20]}}}]}]}}}"#,
        );
        let [addition] = &file.additions[..] else { panic!("{file:?}") };
        assert_eq!(addition.groups[0].names, [("Mine".to_owned(), vec!["my-own".to_owned()])]);
    }

    #[test]
    fn what_is_no_catalogue_is_refused_or_named() {
        let error = |text: &str| CatalogueFile::read(text, &Catalogue::builtin()).unwrap_err().to_string();
        assert!(error("").starts_with("line 1"));
        assert!(error("{\n\"protocols\": {}}").contains("version"));
        assert!(error(r#"{"version": {"major": 9}}"#).contains("version 9"));
        let user_file = read(r#"{"version": {"major": 5}, "user_configs": {}}"#);
        assert!(user_file.notices[0].contains("--user-device-config-file"), "{user_file:?}");
        let error = CatalogueFile::open(Path::new("/no/such/file.json")).unwrap_err().to_string();
        assert!(error.contains("no such file"), "{error}");
    }
}
