//! The models of the catalogue, and how they are found by words.

use buttplug_protocols::catalogue::{Candidate, Catalogue};
use buttplug_protocols::definition::{Rule, kind};
use buttplug_protocols::listing::Entry;
use buttplug_protocols::model::{Model, ModelFeature};
use buttplug_protocols::sighting::BusKind;

/// A model of the catalogue.
pub(super) struct Listed {
    pub(super) candidate: Candidate,
    pub(super) entry: Entry,
    pub(super) buses: Vec<BusKind>,
    /// What its hardware calls itself, as far as that is known.
    pub(super) names: Vec<String>,
    /// Whether it is from a person's own definition.
    pub(super) own: bool,
}

/// All models, in the order of their names.
pub(super) fn all(catalogue: &Catalogue) -> Vec<Listed> {
    let candidates = catalogue.protocols().into_iter().filter_map(|id| catalogue.protocol(id));
    let mut models: Vec<Listed> = candidates.flat_map(|candidate| of(&candidate)).collect();
    for listed in &mut models {
        listed.own = catalogue.is_own(listed.candidate.protocol());
    }
    models.sort_by_cached_key(|listed| {
        (listed.entry.model.name.to_lowercase(), listed.candidate.protocol().to_owned())
    });
    models
}

/// The models of one protocol. Those that have the same name and the same features are one.
pub(super) fn of(candidate: &Candidate) -> Vec<Listed> {
    let definition = candidate.definition();
    // A name that tells no model apart is one of the fallback's.
    let unclaimed: Vec<String> = definition
        .rules
        .iter()
        .flat_map(whole_names)
        .filter(|name| definition.named(name).is_none())
        .cloned()
        .collect();
    let mut models: Vec<Listed> = Vec::new();
    for entry in candidate.entries() {
        let alike = |listed: &&mut Listed| {
            !listed.entry.is_fallback()
                && !entry.is_fallback()
                && (&listed.entry.model, &listed.entry.not_driven) == (&entry.model, &entry.not_driven)
        };
        match models.iter_mut().find(alike) {
            Some(listed) => {
                listed.names.extend(entry.identifiers.iter().cloned());
                listed.entry.identifiers.extend(entry.identifiers);
            }
            None => models.push(Listed {
                candidate: candidate.clone(),
                buses: candidate.buses(),
                names: if entry.is_fallback() { unclaimed.clone() } else { entry.identifiers.clone() },
                own: false,
                entry,
            }),
        }
    }
    models
}

impl Listed {
    /// Whether a word is part of what is known of the model, in upper or lower case; or a name that hardware of its
    /// protocol advertises.
    pub(super) fn fits(&self, word: &str) -> bool {
        let wanted = word.to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&wanted);
        holds(&self.entry.model.name)
            || holds(self.candidate.protocol())
            || holds(&self.abilities())
            || self.names.iter().any(|name| holds(name))
            || self.buses.iter().any(|bus| holds(&bus.to_string()))
            || self.candidate.definition().rules.iter().any(|rule| advertised(rule, word))
    }

    /// What it has, or why it is not driven.
    pub(super) fn abilities(&self) -> String {
        match &self.entry.not_driven {
            Some(reason) => format!("not driven: {reason}"),
            None => features(&self.entry.model),
        }
    }
}

/// The names in a rule, without those of which only the beginning is known.
fn whole_names(rule: &Rule) -> impl Iterator<Item = &String> {
    let names: &[String] = match rule {
        Rule::Bluetooth { names, .. }
        | Rule::WebSocket(names)
        | Rule::Gamepad(names)
        | Rule::Simulated(names) => names,
        Rule::Serial { .. } | Rule::Hid(_) | Rule::Usb(_) | Rule::LovenseConnect => &[],
    };
    names.iter().filter(|name| !name.ends_with('*'))
}

/// Whether hardware by this rule may have a name of which only the beginning is known, such as `LVS-S001`.
fn advertised(rule: &Rule, name: &str) -> bool {
    let Rule::Bluetooth { names, .. } = rule else { return false };
    let beginnings = names.iter().filter_map(|listed| listed.strip_suffix('*'));
    beginnings.into_iter().any(|beginning| !beginning.is_empty() && name.starts_with(beginning))
}

/// `vibrate 20, rotate -20..20, battery`
fn features(model: &Model) -> String {
    model.features.iter().flat_map(parts).collect::<Vec<_>>().join(", ")
}

/// `0: vibrate 20; 1: rotate -20..20, battery`
pub(super) fn features_by_index(model: &Model) -> String {
    let feature = |feature: &ModelFeature| format!("{}: {}", feature.index.0, parts(feature).join(", "));
    model.features.iter().map(feature).collect::<Vec<_>>().join("; ")
}

fn parts(feature: &ModelFeature) -> Vec<String> {
    let outputs = feature.outputs.iter().map(|output| {
        let name = kind::output_name(output.kind);
        match (output.range.min(), output.range.max()) {
            (0, greatest) => format!("{name} {greatest}"),
            (least, greatest) => format!("{name} {least}..{greatest}"),
        }
    });
    let inputs = feature.inputs.iter().map(|input| kind::input_name(input.kind).to_owned());
    outputs.chain(inputs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn found(words: &[&str]) -> Vec<Listed> {
        let mut models = all(&Catalogue::builtin());
        models.retain(|listed| words.iter().all(|word| listed.fits(word)));
        models
    }

    fn protocols(words: &[&str]) -> BTreeSet<String> {
        found(words).iter().map(|listed| listed.candidate.protocol().to_owned()).collect()
    }

    #[test]
    fn models_are_found_by_all_that_is_known_of_them() {
        for words in [
            &["aneros vivi"][..],
            &["massage demo"],
            &["aneros", "vibrate 127"],
            &["vivi", "bluetooth", "aneros"],
        ] {
            let names: Vec<String> = found(words).into_iter().map(|listed| listed.entry.model.name).collect();
            assert_eq!(names, ["Aneros Vivi"], "{words:?}");
        }
        assert_eq!(found(&["vivi", "serial"]).len(), 0);
        assert_eq!(found(&["no such device"]).len(), 0);
    }

    #[test]
    fn the_name_that_hardware_advertises_finds_its_protocol() {
        assert_eq!(protocols(&["LVS-Q123"]), [String::from("lovense")].into());
        assert_eq!(protocols(&["lvs-q123"]), BTreeSet::new(), "case matters where hardware is recognised");
    }

    #[test]
    fn every_protocol_is_listed() {
        let ids: BTreeSet<String> = Catalogue::builtin().protocols().into_iter().map(String::from).collect();
        assert_eq!(protocols(&[]), ids);
    }

    #[test]
    fn every_identifier_is_listed_once() {
        for listed in all(&Catalogue::builtin()) {
            let distinct: BTreeSet<&String> = listed.entry.identifiers.iter().collect();
            assert_eq!(distinct.len(), listed.entry.identifiers.len(), "{:?}", listed.entry);
        }
    }

    #[test]
    fn what_a_model_has_is_said_in_short() {
        for (id, short) in [
            ("aneros", "vibrate 127, vibrate 127"),
            ("vorze-sa", "rotate -99..99"),
            ("maxpro", "vibrate 100"),
        ] {
            let models = of(&Catalogue::builtin().protocol(id).unwrap());
            let abilities: Vec<String> = models.iter().map(Listed::abilities).collect();
            assert!(abilities.iter().any(|said| said == short), "{id}: {abilities:?}");
        }
    }
}
