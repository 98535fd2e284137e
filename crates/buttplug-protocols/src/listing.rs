//! What the catalogue holds, for people to look through. Border: hardware is recognised by
//! [`matching`](crate::matching); nothing here plays a part in that.

use crate::catalogue::Candidate;
use crate::definition::{Group, Rule};
use crate::model::Model;
use crate::sighting::BusKind;

/// A model and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it has; no features where it is not driven.
    pub model: Model,
    /// What tells it apart from the others of its protocol; none for the fallback.
    pub identifiers: Vec<String>,
    /// Why it is not driven, if that is so.
    pub not_driven: Option<String>,
}

impl Entry {
    fn new(group: &Group, name: &str, identifiers: &[String]) -> Self {
        Self {
            model: Model::from_definition(name, group),
            identifiers: identifiers.to_vec(),
            not_driven: group.not_driven.clone(),
        }
    }

    /// Whether it stands for all hardware of the protocol that no identifier names.
    pub fn is_fallback(&self) -> bool {
        self.identifiers.is_empty()
    }
}

impl Candidate {
    /// The protocol's models in the order of its definition, the fallback first among those it shares its features with.
    ///
    /// ```
    /// use buttplug_protocols::catalogue::Catalogue;
    ///
    /// let aneros = Catalogue::builtin().protocol("aneros").expect("it is built in");
    /// let entries = aneros.entries();
    /// assert!(entries.iter().any(|entry| entry.model.name == "Aneros Vivi"));
    /// ```
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for group in &self.definition().groups {
            entries.extend(group.fallback.iter().map(|name| Entry::new(group, name, &[])));
            entries
                .extend(group.names.iter().map(|(name, identifiers)| Entry::new(group, name, identifiers)));
        }
        entries
    }

    /// The buses on which the protocol's hardware is found, each once.
    pub fn buses(&self) -> Vec<BusKind> {
        let mut buses: Vec<BusKind> = self.definition().rules.iter().map(Rule::bus).collect();
        buses.sort_unstable();
        buses.dedup();
        buses
    }
}
