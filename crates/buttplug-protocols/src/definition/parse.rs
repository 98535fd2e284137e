//! From a definition's text to types, with an error for everything that is not understood.

use super::forms::forms;
use super::hardware::{identify, match_rules};
use super::models::{models, share_features};
use super::reader::{Source, Table, Text};
use super::vector::parse_vectors;
use super::{Definition, DefinitionError, DefinitionFile, Identify, MAX_DEFINITION_BYTES, rules};
use crate::frame::Endpoint;
use crate::notation::Context;
use crate::notation::step::MAX_WAIT_MS;
use toml::de::DeTable;

/// Where the parts of a definition stand, for rules that are checked after reading.
pub(super) struct Places {
    pub(super) groups: Vec<usize>,
    pub(super) forms: Vec<usize>,
}

/// Reads a definition. `file_name` names the protocol: `devices/aneros.toml` defines `aneros`.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
///
/// ```
/// let text = r#"
///     write = "f1+feature value"
///     [[websocket]]
///     names = ["mine"]
///     [[model]]
///     fallback = "My Device"
///     features = [{ vibrate = 100, label = "Tip" }, { vibrate = 100 }]
///     [[example]]
///     do = "vibrate 1 64"
///     write = "f2 40"
/// "#;
/// let file = buttplug_protocols::definition::parse("mine.toml", text).expect("a valid definition");
/// assert_eq!(file.definition.id, "mine");
///
/// let errors = buttplug_protocols::definition::parse("mine.toml", &text.replace("f1+", "f1+x")).unwrap_err();
/// assert_eq!(errors[0].to_string(), "mine.toml:2:17: nothing is called `xfeature` here");
/// ```
pub fn parse(file_name: &str, text: &str) -> Result<DefinitionFile, Vec<DefinitionError>> {
    let mut source = Source::new(file_name, text);
    if text.len() > MAX_DEFINITION_BYTES {
        source.error(0, format!("a definition has at most {MAX_DEFINITION_BYTES} bytes"));
        return Err(source.errors);
    }
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            source.error(error.span().map_or(0, |span| span.start), error.message());
            return Err(source.errors);
        }
    };
    let file = definition(file_name, Table::new(0, document.get_ref()), &mut source);
    if source.errors.is_empty() {
        return Ok(file);
    }
    source.errors.sort_by_key(|error| (error.line, error.column));
    Err(source.errors)
}

fn definition(file_name: &str, mut table: Table<'_>, source: &mut Source<'_>) -> DefinitionFile {
    let stem = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let id = stem.strip_suffix(".toml").unwrap_or(stem);
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        source.error(0, "the file's name is the protocol's id: letters, digits, `-`, `_`, and then `.toml`");
    }
    let code = table.take("code").and_then(|value| value.text(source));
    let code_place = code.map(|text| source.place(text.at));
    let code = code.map(|text| text.text.to_owned());
    let overlaps = table.take("overlaps").map(|value| value.texts(source)).unwrap_or_default();
    let before = table.take("before").map(|value| value.texts(source)).unwrap_or_default();
    let before: Vec<String> = before.into_iter().map(|text| text.text.to_owned()).collect();
    let own_names = table.take("own-names").and_then(|value| value.boolean(source)).unwrap_or(false);
    let (rules, rule_places) = match_rules(&mut table, source);
    let identify = match table.take("identify") {
        Some(value) => value.texts(source).iter().filter_map(|text| identify(text, source)).collect(),
        None => vec![Identify::Name],
    };
    let (mut groups, group_places, constants) = models(&mut table, source);
    let response = table.take("response").and_then(|value| value.boolean(source)).unwrap_or(false);
    let (forms, form_places) = forms(&mut table, Context { constants: &constants, response }, source);
    share_features(&mut groups, &group_places, source);
    let definition =
        Definition { id: id.into(), code, before, own_names, rules, identify, constants, groups, forms };
    let vectors = parse_vectors(&mut table, response, source);
    table.end(source);
    let places = Places { groups: group_places, forms: form_places };
    if source.errors.is_empty() {
        rules::check_one(&definition, &vectors, &places, source);
    }
    let overlaps = overlaps.into_iter().map(|text| text.text.to_owned()).collect();
    let rule_lines = rule_places.iter().map(|at| source.line(*at)).collect();
    DefinitionFile { definition, vectors, overlaps, file: file_name.into(), rule_lines, code_place }
}

/// An endpoint by its name.
pub(super) fn endpoint(text: &Text<'_>, source: &mut Source<'_>) -> Option<Endpoint> {
    let endpoint = Endpoint::from_name(text.text);
    if endpoint.is_none() {
        source.error(text.at, format!("no endpoint is called `{}`", text.text));
    }
    endpoint
}

/// `500 ms`
pub(super) fn milliseconds(text: &Text<'_>, source: &mut Source<'_>) -> Option<u32> {
    let number = text.text.strip_suffix("ms").and_then(|number| number.trim().parse().ok());
    let number = number.filter(|number| (1..=MAX_WAIT_MS).contains(number));
    if number.is_none() {
        source.error(text.at, format!("a time looks like `500 ms`, and is at most {MAX_WAIT_MS} ms"));
    }
    number
}
