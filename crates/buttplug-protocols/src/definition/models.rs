//! Reads the models and what they have.

use super::parse::milliseconds;
use super::reader::{Source, Table, Value};
use super::{Feature, Group, Input, MAX_CONSTANTS, MAX_FEATURES, MAX_GROUPS, MAX_LABEL_BYTES, Output, kind};
use buttplug_core::{InputKind, OutputKind};

/// What a battery is called that is written short, as nearly all of the catalogue calls it.
const BATTERY_LABEL: &str = "battery Level";

pub(super) fn models(
    table: &mut Table<'_>,
    source: &mut Source<'_>,
) -> (Vec<Group>, Vec<usize>, Vec<String>) {
    let mut groups = Vec::new();
    let mut places = Vec::new();
    let mut constants: Vec<Vec<(String, i64)>> = Vec::new();
    for mut table in table.take("model").map(|value| value.tables(MAX_GROUPS, source)).unwrap_or_default() {
        places.push(table.at);
        let fallback =
            table.take("fallback").and_then(|value| value.text(source)).map(|text| text.text.to_owned());
        let variant =
            table.take("variant").and_then(|value| value.text(source)).map(|text| text.text.to_owned());
        let gap_ms = table
            .take("gap")
            .and_then(|value| value.text(source))
            .and_then(|text| milliseconds(&text, source));
        let listed = table.take("names").and_then(|value| value.table(source));
        let listed = listed.map(|mut names| names.take_all()).unwrap_or_default();
        let mut names: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &listed {
            let ids: Vec<String> = value.texts(source).iter().map(|text| text.text.to_owned()).collect();
            if ids.is_empty() {
                source.error(value.at, format!("`{}` has no identifier", name.text));
            }
            names.push((name.text.to_owned(), ids));
        }
        if fallback.is_none() && names.is_empty() {
            source.error(table.at, "a model needs `names` with identifiers, or is the `fallback`");
        }
        let mut listed = Vec::new();
        if let Some(value) = table.take("constants") {
            listed = value.table(source).map(|mut constants| constants.take_all()).unwrap_or_default();
            value.at_most(MAX_CONSTANTS, &mut listed, source);
        }
        let values = listed.iter().filter_map(|(name, value)| {
            Some((name.text.to_owned(), value.integer(source, i64::from(i32::MIN), i64::from(u32::MAX))?))
        });
        constants.push(values.collect());
        let not_driven = table.take("not-driven").and_then(|value| value.text(source));
        // Left out: marked by no features at all until the fallback's are known.
        let features = match table.take("features") {
            Some(value) if not_driven.is_some() => {
                source.error(value.at, "what is not driven has no `features`");
                Vec::new()
            }
            Some(value) => features(&value, source),
            None => Vec::new(),
        };
        let not_driven = not_driven.map(|text| text.text.to_owned());
        groups.push(Group { fallback, names, variant, gap_ms, constants: Vec::new(), features, not_driven });
        table.end(source);
    }
    let mut names: Vec<String> = constants.iter().flatten().map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    if names.len() > MAX_CONSTANTS {
        let at = places.first().copied().unwrap_or(0);
        source.error(at, format!("a definition has at most {MAX_CONSTANTS} constants"));
        names.truncate(MAX_CONSTANTS);
    }
    for ((group, values), at) in groups.iter_mut().zip(&constants).zip(&places) {
        for name in &names {
            match values.iter().find(|(named, _)| named == name) {
                Some((_, value)) => group.constants.push(*value),
                None if group.not_driven.is_some() => group.constants.push(0),
                None => {
                    group.constants.push(0);
                    source.error(*at, format!("other models have a constant `{name}`, these need it too"));
                }
            }
        }
    }
    (groups, places, names)
}

/// Gives groups without features those of the fallback.
pub(super) fn share_features(groups: &mut [Group], places: &[usize], source: &mut Source<'_>) {
    if let Some(second) = (0..groups.len()).filter(|place| groups[*place].fallback.is_some()).nth(1) {
        source.error(places[second], "there can be only one fallback");
    }
    let fallback = groups.iter().find(|group| group.fallback.is_some() && group.not_driven.is_none());
    let shared = fallback.map(|group| group.features.clone());
    for (group, at) in groups.iter_mut().zip(places) {
        match &shared {
            _ if !group.features.is_empty() || group.fallback.is_some() || group.not_driven.is_some() => {}
            Some(features) => group.features.clone_from(features),
            None => source
                .error(*at, "`features` are missing, and there is no fallback whose features these could be"),
        }
    }
}

pub(super) fn features(value: &Value<'_>, source: &mut Source<'_>) -> Vec<Feature> {
    let mut features: Vec<Feature> = Vec::new();
    for value in value.list(source).unwrap_or_default() {
        let next = features.last().map_or(0, |feature| feature.index + 1);
        let feature =
            if value.is_text() { battery(&value, next, source) } else { feature(&value, next, source) };
        let Some(feature) = feature else { continue };
        if features.len() == MAX_FEATURES {
            source.error(value.at, format!("a model has at most {MAX_FEATURES} features"));
            break;
        }
        if feature.index < next {
            source.error(
                value.at,
                format!("feature {} comes after feature {}", feature.index, next.saturating_sub(1)),
            );
        }
        features.push(feature);
    }
    features
}

fn battery(value: &Value<'_>, index: u32, source: &mut Source<'_>) -> Option<Feature> {
    let text = value.text(source)?;
    if text.text != "battery" {
        source.error(text.at, "the only feature that can be written like this is `\"battery\"`");
        return None;
    }
    let input = Input {
        kind: InputKind::Battery,
        range: usual_range(InputKind::Battery)?,
        read: true,
        subscribe: false,
    };
    Some(Feature { index, label: BATTERY_LABEL.into(), outputs: Vec::new(), inputs: vec![input] })
}

fn feature(value: &Value<'_>, next: u32, source: &mut Source<'_>) -> Option<Feature> {
    let mut table = value.table(source)?;
    let label = table.take("label").and_then(|value| value.text(source));
    if let Some(text) = label.filter(|text| text.text.len() > MAX_LABEL_BYTES) {
        source.error(text.at, format!("a label has at most {MAX_LABEL_BYTES} bytes"));
        return None;
    }
    let label = label.map(|text| text.text.to_owned()).unwrap_or_default();
    let index = table.take("index").and_then(|value| value.integer(source, 0, 255));
    let index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(next);
    let duration = table.take("duration").and_then(|value| range(&value, source));
    let input_range = table.take("range").map(|value| (value.at, range(&value, source)));
    let errors = source.errors.len();
    let mut outputs = Vec::new();
    for kind in OutputKind::ALL {
        let Some(value) = table.take(kind::output_name(kind)) else { continue };
        let timed = kind == OutputKind::HwPositionWithDuration;
        if timed && duration.is_none() {
            source.error(value.at, "a timed position needs its `duration` in milliseconds");
        }
        if let Some(range) = range(&value, source) {
            outputs.push(Output { kind, range, duration: duration.filter(|_| timed) });
        }
    }
    let mut inputs = Vec::new();
    for kind in InputKind::ALL {
        let Some(value) = table.take(kind::input_name(kind)) else { continue };
        let Some(range) = input_range.map_or_else(|| usual_range(kind), |(_, range)| range) else {
            source.error(value.at, format!("`{}` needs its `range`", kind::input_name(kind)));
            continue;
        };
        let mut input = Input { kind, range, read: false, subscribe: false };
        for text in value.texts(source) {
            match text.text {
                "read" => input.read = true,
                "subscribe" => input.subscribe = true,
                _ => source.error(text.at, "what may be asked is `read` or `subscribe`"),
            }
        }
        inputs.push(input);
    }
    if outputs.is_empty() && inputs.is_empty() && source.errors.len() == errors {
        source.error(table.at, "a feature needs an output or an input");
    }
    if let (Some((at, _)), true) = (input_range, inputs.is_empty()) {
        source.error(at, "`range` is for inputs; an output's range stands with its kind");
    }
    table.end(source);
    Some(Feature { index, label, outputs, inputs })
}

/// `100`, which is `[0, 100]`, or both ends.
fn range(value: &Value<'_>, source: &mut Source<'_>) -> Option<(i32, i32)> {
    let (least, greatest) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let narrow = |number: i64| i32::try_from(number).ok();
    if !value.is_list() {
        return Some((0, value.integer(source, 1, greatest).and_then(narrow)?));
    }
    let ends = value.list(source)?;
    let [first, last] = &ends[..] else {
        source.error(value.at, "a range has two ends");
        return None;
    };
    let ends = (first.integer(source, least, greatest)?, last.integer(source, least, greatest)?);
    if ends.0 >= ends.1 {
        source.error(value.at, "the first end of a range is the lesser one");
        return None;
    }
    Some((narrow(ends.0)?, narrow(ends.1)?))
}

fn usual_range(kind: InputKind) -> Option<(i32, i32)> {
    match kind {
        InputKind::Battery => Some((0, 100)),
        InputKind::Rssi => Some((-128, 127)),
        InputKind::Button => Some((0, 1)),
        InputKind::Pressure | InputKind::Depth | InputKind::Position => None,
    }
}
