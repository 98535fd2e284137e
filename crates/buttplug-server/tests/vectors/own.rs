//! Definitions of a person's own, for vectors about what no model has.

use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{self, DefinitionFile};
use toml::{Table, Value};

/// The definition with one model, which has what the example at this place is about, and with that example.
pub(crate) fn definition(
    builtin: &Catalogue,
    name: &str,
    text: &str,
    example: usize,
) -> (Catalogue, DefinitionFile) {
    let mut whole: Table = text.parse().unwrap();
    let mut example = tables(&whole, "example").swap_remove(example);
    let features = example.remove("features").unwrap();
    let fallback = tables(&whole, "model").into_iter().find(|model| model.contains_key("fallback"));
    let mut model = fallback.unwrap_or_default();
    model.insert("fallback".into(), "A Person's Own".into());
    model.remove("names");
    model.remove("not-driven");
    model.insert("features".into(), features);
    whole.insert("model".into(), Value::Array(vec![model.into()]));
    whole.insert("example".into(), Value::Array(vec![example.into()]));
    let text = whole.to_string();
    let mut catalogue = builtin.clone();
    catalogue.add_definition(name, &text).unwrap_or_else(|error| panic!("{error}"));
    (catalogue, definition::parse(name, &text).unwrap())
}

fn tables(whole: &Table, key: &str) -> Vec<Table> {
    let all = whole[key].as_array().unwrap();
    all.iter().map(|value| value.as_table().unwrap().clone()).collect()
}
