//! The ids by which user files of generations 4 and 5 name models and their features. They stand in
//! `data/published-ids.txt`, and are unpacked when the first such file is read.

mod packed;

use buttplug_core::FeatureIndex;
use buttplug_protocols::sighting::Uuid;
use packed::{Id, PublishedModel, PublishedProtocol};
use std::sync::OnceLock;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/published-ids.bin"));

fn protocols() -> &'static [PublishedProtocol] {
    static PROTOCOLS: OnceLock<Vec<PublishedProtocol>> = OnceLock::new();
    // What the build script has packed can be unpacked; a test sees to it.
    PROTOCOLS.get_or_init(|| postcard::from_bytes(PACKED).unwrap_or_default())
}

/// A model as user files name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    /// The model's id.
    pub(super) id: Uuid,
    /// Its features' indexes and ids, in the order of the indexes.
    pub(super) features: Vec<(FeatureIndex, Uuid)>,
}

impl Published {
    fn of(protocol: &PublishedProtocol, model: &PublishedModel) -> Self {
        let uuid = |id: &Id| Uuid(u128::from_be_bytes(*id));
        let shared =
            || protocol.models.iter().find(|model| model.name.is_none()).and_then(|m| m.features.as_ref());
        let features = model.features.as_ref().or_else(shared).into_iter().flatten();
        let features = features.map(|(index, id)| (FeatureIndex(*index), uuid(id))).collect();
        Self { id: uuid(&model.id), features }
    }

    /// The model of this protocol with this id. A few models share one: then the one that is called `name`, if any is.
    pub(super) fn with_id(protocol: &str, id: Uuid, name: Option<&str>) -> Option<Self> {
        let protocol = find(protocol)?;
        let same = || protocol.models.iter().filter(|model| model.id == id.0.to_be_bytes());
        let named = same().find(|model| model.name.as_deref() == name);
        named.or_else(|| same().next()).map(|model| Self::of(protocol, model))
    }

    /// The model of this protocol with this name, none for the fallback. Of several, the one that has features with these
    /// indexes, if any has.
    pub(super) fn with_name(protocol: &str, name: Option<&str>, features: &[FeatureIndex]) -> Option<Self> {
        let protocol = find(protocol)?;
        let named = protocol.models.iter().filter(|model| model.name.as_deref() == name);
        let named: Vec<Self> = named.map(|model| Self::of(protocol, model)).collect();
        let like = |model: &&Self| model.features.iter().map(|(index, _)| index).eq(features);
        named.iter().find(like).or(named.first()).cloned()
    }

    /// The feature with this id.
    pub(super) fn feature(&self, id: Uuid) -> Option<FeatureIndex> {
        self.features.iter().find(|(_, feature)| *feature == id).map(|(index, _)| *index)
    }
}

fn find(protocol: &str) -> Option<&'static PublishedProtocol> {
    protocols().iter().find(|published| published.protocol == protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::catalogue::Catalogue;

    fn id(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    #[test]
    fn models_are_found_by_id_and_by_name() {
        let edge = id("2e309985-6bbf-4b75-866f-76d845b3ce42");
        let published = Published::with_id("lovense", edge, None).unwrap();
        assert_eq!(published.feature(id("c8b72e1d-d7d4-4417-8cbc-e6c0f435889a")), Some(FeatureIndex(1)));
        assert_eq!(published.feature(edge), None);
        assert_eq!(Published::with_name("lovense", Some("Lovense Edge"), &[]), Some(published));
        assert_eq!(Published::with_id("wevibe", edge, None), None);
        assert_eq!(Published::with_name("lovense", Some("Nobody"), &[]), None);
    }

    #[test]
    fn a_model_may_have_the_fallbacks_features() {
        let model = Published::with_name("adrienlastic", Some("Adrien Lastic Palpitation"), &[]).unwrap();
        let fallback = Published::with_name("adrienlastic", None, &[]).unwrap();
        assert_eq!(model.features, fallback.features);
        assert_ne!(model.id, fallback.id);
    }

    #[test]
    fn among_models_that_share_an_id_or_a_name_the_other_decides() {
        let shared = id("0e1f9fe7-22d9-4afb-9fe5-192b8e5508c3");
        let second = id("018009d0-b5bf-4f97-a13d-909d0e74fabc");
        let of = |name| Published::with_id("sexverse-v2", shared, name).unwrap().feature(second);
        assert_eq!(of(Some("Sexverse HH010")), Some(FeatureIndex(1)));
        assert_eq!(of(Some("Duopeak Saphette")), Some(FeatureIndex(2)));
        assert_eq!(of(None), Some(FeatureIndex(1)));
        let turtle = |count: u32| {
            let features: Vec<FeatureIndex> = (0..count).map(FeatureIndex).collect();
            Published::with_name("galaku", Some("Galaku Little Turtle Stick"), &features)
                .unwrap()
                .features
                .len()
        };
        assert_eq!((turtle(2), turtle(3), turtle(9)), (2, 3, 2));
    }

    /// Models that have been published and that the catalogue does not have, or not by that name. `*` is the fallback.
    const OTHER_MODELS: &[(&str, &str)] = &[
        ("galaku", "Galaku Nebula"),
        ("hismith", "*"),
        ("kiiroo-v1", "*"),
        ("kiiroo-v21", "*"),
        ("kiiroo-v21-initialized", "*"),
        ("kiiroo-v3", "*"),
        ("libo-vibes", "Libo Lina"),
        ("sexverse-v4", "Sexverse Black Knight"),
        ("vorze-sa", "*"),
    ];

    /// Protocols that have been published and that the catalogue does not have.
    const OTHER_PROTOCOLS: &[&str] = &[];

    /// Published features that the catalogue does not have.
    const OTHER_FEATURES: &[(&str, &str, u32)] = &[
        ("joyhub", "JoyHub Moon Horn", 4),
        ("joyhub", "JoyHub Mecha", 4),
        ("joyhub", "JoyHub Lagoon", 4),
        ("joyhub", "JoyHub Marshal", 4),
        ("joyhub", "JoyHub Maynor", 4),
        ("joyhub", "JoyHub Maiden", 4),
        ("joyhub", "JoyHub Lach", 4),
    ];

    #[test]
    fn what_has_been_published_is_in_the_catalogue() {
        let catalogue = Catalogue::builtin();
        let (mut unknown, mut unknown_protocols, mut features) = (Vec::new(), Vec::new(), Vec::new());
        assert_eq!(protocols().len(), 149);
        for published in protocols() {
            let protocol = published.protocol.as_str();
            let Some(candidate) = catalogue.protocol(protocol) else {
                unknown_protocols.push(protocol);
                continue;
            };
            let groups = &candidate.definition().groups;
            for model in &published.models {
                let name = model.name.as_deref();
                let mut named = groups.iter().filter(|group| match name {
                    Some(name) => group.names.iter().any(|(listed, _)| listed == name),
                    None => group.fallback.is_some(),
                });
                let name = name.unwrap_or("*");
                let Some(first) = named.next() else {
                    unknown.push((protocol, name));
                    continue;
                };
                let has = |index| {
                    let mut groups = std::iter::once(first).chain(named.clone());
                    groups.any(|group| group.features.iter().any(|feature| feature.index == index))
                };
                for (index, _) in Published::of(published, model).features {
                    if !has(index.0) {
                        features.push((protocol, name, index.0));
                    }
                }
            }
        }
        assert_eq!(unknown, OTHER_MODELS);
        assert_eq!(unknown_protocols, OTHER_PROTOCOLS);
        assert_eq!(features, OTHER_FEATURES);
    }
}
