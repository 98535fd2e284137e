//! What a person adds to a protocol that is known already: hardware that speaks it, and models of it. Written as in a
//! definition, under the protocol's id.

use super::hardware::match_rules;
use super::models::models;
use super::reader::{Source, Table};
use super::trial::{check_outputs, effort_of_outputs};
use super::{Definition, DefinitionError, Group, MAX_CHECK_EFFORT, MAX_DEFINITION_BYTES, Rule};
use toml::de::DeTable;

/// Additions to one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// The protocol's id.
    pub protocol: String,
    /// Hardware that speaks it. These rules stand alone: they take nothing from the protocol's own.
    pub rules: Vec<Rule>,
    /// Models of it. One without features has those of the protocol's fallback; constants are always the fallback's.
    pub groups: Vec<Group>,
}

impl Addition {
    /// Reads the table `protocol` of a TOML text, whatever else stands in it: the additions that are right, and what is
    /// wrong with the others and where.
    ///
    /// ```
    /// use buttplug_protocols::definition::Addition;
    ///
    /// let text = r#"
    ///     [[protocol.tcode-v03.serial]]
    ///     port = "/dev/ttyUSB0"
    ///     settings = "115200 8N1"
    /// "#;
    /// let (additions, errors) = Addition::parse("devices.toml", text);
    /// assert_eq!((additions[0].protocol.as_str(), errors.len()), ("tcode-v03", 0));
    ///
    /// let (_, errors) = Addition::parse("devices.toml", &text.replace("8N1", "8"));
    /// assert_eq!(errors[0].to_string(), "devices.toml:4:16: settings look like `115200 8N1`");
    /// ```
    pub fn parse(file_name: &str, text: &str) -> (Vec<Self>, Vec<DefinitionError>) {
        let mut source = Source::new(file_name, text);
        if text.len() > MAX_DEFINITION_BYTES {
            source.error(0, format!("additions have at most {MAX_DEFINITION_BYTES} bytes"));
            return (Vec::new(), source.errors);
        }
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                source.error(error.span().map_or(0, |span| span.start), error.message());
                return (Vec::new(), source.errors);
            }
        };
        let protocols = Table::new(0, document.get_ref()).take("protocol");
        let protocols = protocols.and_then(|value| value.table(&mut source));
        let protocols = protocols.map(|mut table| table.take_all()).unwrap_or_default();
        let mut additions = Vec::new();
        for (id, value) in protocols {
            let errors = source.errors.len();
            let Some(mut table) = value.table(&mut source) else { continue };
            let (rules, _) = match_rules(&mut table, &mut source);
            let (mut groups, places, constants) = models(&mut table, &mut source);
            table.end(&mut source);
            for (group, at) in groups.iter_mut().zip(&places) {
                group.constants.clear();
                if group.fallback.is_some() || group.not_driven.is_some() || !constants.is_empty() {
                    source.error(*at, "`fallback`, `constants` and `not-driven` belong to the protocol");
                }
            }
            if source.errors.len() == errors {
                additions.push(Self { protocol: id.text.to_owned(), rules, groups });
            }
        }
        (additions, source.errors)
    }

    /// The protocol with these additions: its own match rules keep their places, and the models added come first. Errors
    /// say what does not fit together.
    pub(crate) fn applied_to(&self, base: &Definition) -> Result<Definition, Vec<String>> {
        let mut definition = base.clone();
        definition.rules.extend(self.rules.iter().cloned());
        let taken =
            |id: &String| self.groups.iter().flat_map(|group| &group.names).any(|(_, ids)| ids.contains(id));
        for group in &mut definition.groups {
            for (_, ids) in &mut group.names {
                ids.retain(|id| !taken(id));
            }
            group.names.retain(|(_, ids)| !ids.is_empty());
        }
        let like = base.fallback().map(|(group, _)| group).or(base.groups.first());
        let added = self.groups.iter().map(|group| {
            let mut group = group.clone();
            if let Some(like) = like {
                group.constants.clone_from(&like.constants);
                if group.features.is_empty() {
                    group.features.clone_from(&like.features);
                    group.variant = group.variant.or_else(|| like.variant.clone());
                }
            }
            group
        });
        definition.groups.splice(0..0, added);
        let errors = wrong_with(&definition, self.groups.len());
        if errors.is_empty() { Ok(definition) } else { Err(errors) }
    }
}

/// What is wrong with the first models of a definition: something must be written for every output, and every value fit.
fn wrong_with(definition: &Definition, count: usize) -> Vec<String> {
    let mut source = Source::new(&definition.id, "");
    let mut effort = 0u64;
    for group in definition.groups.iter().take(count) {
        let names: Vec<&str> = group.names.iter().map(|(name, _)| name.as_str()).collect();
        let before = source.errors.len();
        match definition.form(group.variant.as_deref()) {
            None => {
                let variant = group.variant.as_deref().unwrap_or_default();
                source.error(0, format!("the protocol has no variant `{variant}`"));
            }
            Some(_) if group.features.is_empty() => source.error(0, "it has no features"),
            Some(form) => {
                effort = effort.saturating_add(effort_of_outputs(group, form));
                if effort > MAX_CHECK_EFFORT {
                    source.error(0, "there are too many values to try them all");
                    break;
                }
                check_outputs(group, form, definition.code.is_some(), 0, &mut source);
            }
        }
        for error in source.errors.iter_mut().skip(before) {
            error.message = format!("{}: {}", names.join(", "), error.message);
        }
    }
    source.errors.into_iter().map(|error| error.message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Candidate, Catalogue, CatalogueError};
    use crate::definition::PortRule;
    use crate::sighting::{Advertisement, Sighting};

    fn catalogue(text: &str) -> Result<Catalogue, CatalogueError> {
        let mut catalogue = Catalogue::builtin();
        let (additions, errors) = Addition::parse("devices.toml", text);
        assert!(errors.is_empty(), "{errors:?}");
        for addition in &additions {
            catalogue.extend(addition)?;
        }
        Ok(catalogue)
    }

    fn dialling_in(name: &str) -> Sighting {
        Sighting::new(name, Advertisement::WebSocket { identifier: name.into() })
    }

    const MINE: &str = r#"
        index = "whatever else stands in the file"
        [[protocol.tcode-v03.websocket]]
        names = ["my-stroker"]
        [[protocol.tcode-v03.model]]
        names = { "My stroker" = "my-stroker" }
        features = [{ position = 999, label = "L0" }, { vibrate = 99 }]
        [[protocol.lovense.websocket]]
        names = ["LVSDevice"]
    "#;

    #[test]
    fn hardware_and_models_of_ones_own_are_found_and_the_protocols_own_remain() {
        let catalogue = catalogue(MINE).unwrap();
        let found = catalogue.candidates(&dialling_in("my-stroker"));
        assert_eq!(found.iter().map(Candidate::protocol).collect::<Vec<_>>(), ["tcode-v03"]);
        let model = found[0].model(Some("my-stroker")).unwrap();
        assert_eq!((model.name.as_str(), model.features.len()), ("My stroker", 2));
        assert_eq!(found[0].model(None).unwrap().name, "TCode v0.3 (Single Linear Axis)");
        assert_eq!(catalogue.candidates(&dialling_in("LVSDevice"))[0].protocol(), "lovense");
    }

    #[test]
    fn what_the_protocol_matches_by_itself_knows_the_added_models_too() {
        let text = "[[protocol.lovense.model]]\nnames = { Mine = \"P\" }\nfeatures = [{ vibrate = 20 }]";
        let catalogue = catalogue(text).unwrap();
        let advertisement = Advertisement::Bluetooth {
            name: "LVS-Edge".into(),
            manufacturer_data: Vec::new(),
            services: Vec::new(),
        };
        let found = catalogue.candidates(&Sighting::new("1", advertisement));
        assert_eq!(found[0].model(Some("P")).unwrap().name, "Mine");
        assert_eq!(found[0].wiring(), Catalogue::builtin().protocol("lovense").unwrap().wiring());
        assert_ne!(found[0].model(Some("A")).unwrap().name, "Mine");
    }

    #[test]
    fn a_second_addition_to_a_protocol_adds_to_the_first() {
        let again = "[[protocol.tcode-v03.websocket]]\nnames = [\"second\"]";
        let mut catalogue = catalogue(MINE).unwrap();
        catalogue.extend(&Addition::parse("more.toml", again).0[0]).unwrap();
        for name in ["my-stroker", "second"] {
            assert_eq!(catalogue.candidates(&dialling_in(name))[0].protocol(), "tcode-v03", "{name}");
        }
        assert!(catalogue.candidates(&dialling_in("second"))[0].model(Some("my-stroker")).is_some());
    }

    #[test]
    fn what_the_protocol_cannot_drive_is_refused() {
        for (text, reason) in [
            ("[[protocol.nobody.websocket]]\nnames = [\"x\"]", "no protocol is called \"nobody\""),
            (
                "[[protocol.tcode-v03.model]]\nnames = { Mine = \"x\" }\nfeatures = [{ vibrate = 99 }, { constrict = 9 }]",
                "tcode-v03: Mine: nothing is written for constrict of feature 1",
            ),
            (
                "[[protocol.aneros.model]]\nnames = { Mine = \"x\" }\nfeatures = [{ vibrate = 256 }]",
                "aneros: Mine: `vibrate 0 256` does not fit its place in the frame",
            ),
            (
                "[[protocol.aneros.model]]\nnames = { Mine = \"x\" }\nvariant = \"big\"\nfeatures = [{ vibrate = 9 }]",
                "aneros: Mine: the protocol has no variant `big`",
            ),
        ] {
            assert_eq!(
                catalogue(text).map(|_| ()).map_err(|error| error.to_string()),
                Err(reason.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_place() {
        for (text, error) in [
            ("protocol = 5", "x.toml:1:12: expected a table, found integer"),
            ("[protocol.lovense]\nwrite = \"00\"", "x.toml:2:1: `write` means nothing here"),
            (
                "[[protocol.lovense.model]]\nfallback = \"x\"",
                "x.toml:1:1: `fallback`, `constants` and `not-driven` belong to the protocol",
            ),
        ] {
            let (additions, errors) = Addition::parse("x.toml", text);
            assert_eq!(errors[0].to_string(), error, "{text}");
            assert!(additions.is_empty(), "{text}");
        }
        let one_is_right =
            "[[protocol.aneros.websocket]]\nnames = [\"x\"]\n[protocol.lovense]\nwrite = \"00\"";
        let (additions, errors) = Addition::parse("x.toml", one_is_right);
        assert_eq!((additions.len(), errors.len()), (1, 1));
    }

    #[test]
    fn the_ports_and_ids_that_are_added_are_among_those_to_look_for() {
        let catalogue = catalogue(
            r#"
            [[protocol.tcode-v03.serial]]
            port = "COM7"
            settings = "115200 8N1"
            [[protocol.nobra.serial]]
            usb = ["1a86:7523"]
            settings = "19200 8N1"
            [[protocol.vorze-cyclone-x.hid]]
            ids = ["0001:0002"]
            "#,
        )
        .unwrap();
        let ports = [PortRule::Named("COM7".into()), PortRule::Usb(vec![(0x1a86, 0x7523)])];
        assert_eq!(catalogue.serial_ports(), ports);
        assert!(catalogue.hid_ids().contains(&(1, 2)) && catalogue.hid_ids().contains(&(0x1f54, 1)));
        assert_eq!(
            Catalogue::builtin().serial_ports(),
            [],
            "of the built-in ones nobody says where they are"
        );
    }
}
