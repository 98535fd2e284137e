//! Rules that a definition keeps as a whole, and that all definitions keep together.

use super::overlap::overlaps;
use super::parse::Places;
use super::reader::Source;
use super::trial::{check_outputs, effort_of_outputs};
use super::{
    Definition, DefinitionError, DefinitionFile, Form, Group, MAX_ASKED_ENDPOINTS, MAX_CHECK_EFFORT, Rule,
    Vector, kind,
};
use crate::frame::Endpoint;
use crate::notation::MAX_FRAME_BYTES;
use crate::notation::step::Action;
use buttplug_core::InputKind;
use std::collections::{BTreeMap, BTreeSet};

/// Checks what only a whole definition shows.
pub(super) fn check_one(
    definition: &Definition,
    vectors: &[Vector],
    places: &Places,
    source: &mut Source<'_>,
) {
    if definition.rules.is_empty() {
        source
            .error(0, "no hardware is named: a `[[bluetooth]]`, `[[serial]]`, `[[websocket]]`, … is missing");
    }
    if definition.groups.is_empty() {
        source.error(0, "there is no `[[model]]`");
    }
    let driven = definition.groups.iter().any(|group| group.not_driven.is_none());
    if vectors.is_empty() && (driven || definition.groups.is_empty()) {
        source.error(0, "there is no `[[example]]`: a protocol without vectors proves nothing");
    }
    for vector in vectors {
        let known = match &vector.model {
            Some(identifier) => definition.named(identifier).is_some(),
            None => {
                definition.fallback().is_some() || vector.identifier.is_some() || !vector.features.is_empty()
            }
        };
        if !known {
            source.error_in_line(vector.place.line, "the example is about a model that does not exist");
        }
    }
    check_endpoints(definition, places, source);
    check_identifiers(definition, places, source);
    check_lengths(definition, places, source);
    let mut checked: Vec<(&Group, &Form, usize)> = Vec::new();
    for (group, at) in definition.groups.iter().zip(&places.groups) {
        let Some(form) = definition.form(group.variant.as_deref()) else {
            let variant = group.variant.as_deref().unwrap_or_default();
            source.error(*at, format!("there is no `[variant.{variant}]`"));
            continue;
        };
        if form.asks_for().len() > MAX_ASKED_ENDPOINTS {
            let text = format!("frames may ask whether hardware has at most {MAX_ASKED_ENDPOINTS} endpoints");
            source.error(*at, text);
            continue;
        }
        let like = |(other, ..): &(&Group, &Form, usize)| {
            (&other.features, &other.variant, &other.constants)
                == (&group.features, &group.variant, &group.constants)
        };
        if !checked.iter().any(like) {
            checked.push((group, form, *at));
        }
    }
    let effort = checked.iter().map(|(group, form, _)| effort_of_outputs(group, form));
    if effort.fold(0, u64::saturating_add) > MAX_CHECK_EFFORT {
        source.error(0, "there are too many models, values and frames to try them all");
        return;
    }
    for (group, form, at) in checked {
        let coded = definition.code.is_some();
        check_outputs(group, form, coded, at, source);
        // Code may read them.
        if !coded {
            check_inputs(definition, group, form, at, source);
        }
    }
}

fn check_identifiers(definition: &Definition, places: &Places, source: &mut Source<'_>) {
    let mut seen = BTreeSet::new();
    for (group, at) in definition.groups.iter().zip(&places.groups) {
        for id in group.names.iter().flat_map(|(_, ids)| ids) {
            if !seen.insert(id) {
                source.error(*at, format!("two models have the identifier `{id}`"));
            }
        }
    }
}

/// The endpoints that Bluetooth hardware of this protocol may have. `None`: other buses have whatever they have.
fn known_endpoints(definition: &Definition) -> Option<BTreeSet<Endpoint>> {
    let mut known = BTreeSet::new();
    for rule in &definition.rules {
        let Rule::Bluetooth { services, .. } = rule else { return None };
        known.extend(services.values().flat_map(BTreeMap::keys));
    }
    Some(known)
}

fn check_endpoints(definition: &Definition, places: &Places, source: &mut Source<'_>) {
    let Some(known) = known_endpoints(definition) else { return };
    let mut missing = BTreeSet::new();
    for (form, at) in definition.forms.iter().zip(&places.forms) {
        let steps = form.steps().filter_map(|step| match &step.action {
            Action::Write(template) => Some(template.endpoint),
            Action::Subscribe(endpoint)
            | Action::Unsubscribe(endpoint)
            | Action::Read(endpoint, ..)
            | Action::Expect(endpoint, ..) => Some(*endpoint),
            Action::Wait(_) | Action::Listen(_) => None,
        });
        let writes = form.write.iter().flat_map(|rule| &rule.frames).map(|template| template.endpoint);
        let used = steps.chain(writes).chain(form.notify.iter().map(|rule| rule.endpoint));
        let used: BTreeSet<Endpoint> = used.chain(form.asks_for()).collect();
        for endpoint in used.into_iter().filter(|endpoint| !known.contains(endpoint)) {
            if missing.insert(endpoint) {
                source
                    .error(*at, format!("`{endpoint}` is used here, but no service of the hardware has it"));
            }
        }
    }
}

fn check_inputs(definition: &Definition, group: &Group, form: &Form, at: usize, source: &mut Source<'_>) {
    let known = known_endpoints(definition);
    let has_battery = known.is_none_or(|known| known.contains(&Endpoint::RxBleBattery));
    for (feature, input) in
        group.features.iter().flat_map(|f| f.inputs.iter().map(move |input| (f.index, input)))
    {
        let name = kind::input_name(input.kind);
        let readable = match form.read(input.kind) {
            Some(steps) => steps.iter().any(|step| match &step.action {
                Action::Read(_, _, pattern) | Action::Expect(_, pattern, _) => pattern.has_value(feature),
                _ => false,
            }),
            None => input.kind == InputKind::Battery && has_battery,
        };
        if input.read && !readable {
            source.error(at, format!("nothing under `[read]` gives the {name} of feature {feature}"));
        }
        let notified = form.notify(input.kind).is_some_and(|rule| rule.pattern.has_value(feature));
        if input.subscribe && !notified {
            source.error(at, format!("nothing under `[notify]` gives the {name} of feature {feature}"));
        }
    }
}

/// Sees to it that no frame can get too long, however many outputs there are. Code may choose any form for any model.
fn check_lengths(definition: &Definition, places: &Places, source: &mut Source<'_>) {
    let outputs = |group: &Group| group.features.iter().map(|feature| feature.outputs.len()).sum::<usize>();
    for (form, at) in definition.forms.iter().zip(&places.forms) {
        let speaks = |group: &&Group| {
            definition.code.is_some() || group.variant.as_deref().unwrap_or_default() == form.name
        };
        let most = definition.groups.iter().filter(speaks).map(outputs).max().unwrap_or(0);
        if form.templates().any(|template| template.extent(most).bytes > MAX_FRAME_BYTES as u64) {
            source.error(
                *at,
                format!("with {most} outputs, a frame could have more than {MAX_FRAME_BYTES} bytes"),
            );
        }
    }
}

/// Checks that no two protocols claim the same hardware unless one of them says so, and that nobody says so without
/// need.
pub fn check_together(files: &[DefinitionFile]) -> Vec<DefinitionError> {
    let mut errors = Vec::new();
    let mut known = BTreeSet::new();
    for (place, file) in files.iter().enumerate() {
        for other in &files[place + 1..] {
            let (a, b) = (&file.definition.id, &other.definition.id);
            let (first, second) = (&file.definition.before, &other.definition.before);
            if first.contains(b) && second.contains(a) {
                let message = format!("`{a}` and `{b}` are each to be tried before the other");
                errors.push(DefinitionError { file: file.file.clone(), line: 1, column: 1, message });
            }
            let Some(overlap) = overlaps(&file.definition, &other.definition).next() else { continue };
            if [&file.overlaps, first].iter().any(|list| list.contains(b))
                || [&other.overlaps, second].iter().any(|list| list.contains(a))
            {
                known.insert((a, b));
                known.insert((b, a));
                continue;
            }
            errors.push(DefinitionError {
                file: file.file.clone(),
                line: file.rule_lines.get(overlap.rule).copied().unwrap_or(1),
                column: 1,
                message: format!(
                    "{} is also claimed by `{b}`; if that is known, say so: overlaps = [\"{b}\"]",
                    overlap.claim
                ),
            });
        }
    }
    let unfounded = |file: &DefinitionFile, message: String| {
        let file = file.file.clone();
        DefinitionError { file, line: 1, column: 1, message }
    };
    for file in files {
        let id = &file.definition.id;
        for overlap in file.overlaps.iter().filter(|overlap| !known.contains(&(id, *overlap))) {
            let message = format!("`overlaps` names `{overlap}`, but nothing is claimed by both");
            errors.push(unfounded(file, message));
        }
        // A name of one and a service of the other may be on the same hardware.
        for other in &file.definition.before {
            if files.iter().all(|file| file.definition.id != *other) {
                errors.push(unfounded(
                    file,
                    format!("`before` names `{other}`, but there is no such protocol"),
                ));
            }
        }
    }
    errors
}
