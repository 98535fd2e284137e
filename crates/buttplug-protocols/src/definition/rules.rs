//! Rules that a definition keeps as a whole, and that all definitions keep together.

use super::parse::Places;
use super::reader::Source;
use super::{Definition, DefinitionError, DefinitionFile, Form, Group, MAX_CHECK_EFFORT, Rule, Vector, kind};
use crate::frame::Endpoint;
use crate::notation::MAX_FRAME_BYTES;
use crate::notation::expression::{Scope, Slot};
use crate::notation::frame::applying;
use crate::notation::step::StepTemplate;
use buttplug_core::{InputKind, OutputKind};
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
    if vectors.is_empty() {
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
            source.error_in_line(vector.line, "the example is about a model that does not exist");
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
        let like = |(other, ..): &(&Group, &Form, usize)| {
            (&other.features, &other.variant, &other.constants)
                == (&group.features, &group.variant, &group.constants)
        };
        // Code may choose another form and write frames of its own.
        if definition.code.is_none() && !checked.iter().any(like) {
            checked.push((group, form, *at));
        }
    }
    let effort = checked.iter().map(|(group, form, _)| effort_of_outputs(group, form));
    if effort.fold(0, u64::saturating_add) > MAX_CHECK_EFFORT {
        source.error(0, "there are too many models, values and frames to try them all");
        return;
    }
    for (group, form, at) in checked {
        check_outputs(group, form, at, source);
        check_inputs(definition, group, form, at, source);
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
        let step = |step: &StepTemplate| match step {
            StepTemplate::Write(template) => Some(template.endpoint),
            StepTemplate::Subscribe(endpoint)
            | StepTemplate::Unsubscribe(endpoint)
            | StepTemplate::Read(endpoint, ..)
            | StepTemplate::Expect(endpoint, ..) => Some(*endpoint),
            StepTemplate::Wait(_) | StepTemplate::Listen(_) => None,
        };
        let steps = form.connect.iter().chain(form.read.iter().flat_map(|rule| &rule.steps)).filter_map(step);
        let writes = form.write.iter().flat_map(|rule| &rule.frames).map(|template| template.endpoint);
        let used = steps.chain(writes).chain(form.notify.iter().map(|rule| rule.endpoint));
        for endpoint in used.filter(|endpoint| !known.contains(endpoint)) {
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
            Some(steps) => steps.iter().any(|step| match step {
                StepTemplate::Read(_, _, pattern) | StepTemplate::Expect(_, pattern, _) => {
                    pattern.has_value(feature)
                }
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

/// What [`check_outputs`] will take.
fn effort_of_outputs(group: &Group, form: &Form) -> u64 {
    let outputs = group.features.iter().flat_map(|feature| &feature.outputs);
    let count = outputs.clone().count();
    let of = |output: &super::Output| {
        let tries = samples(output.range).len() as u64 * OTHERS * (1 + u64::from(output.duration.is_some()));
        let frames = form.frames(output.kind).iter();
        let each = frames.fold(1u64, |sum, template| sum.saturating_add(template.extent(count).effort));
        tries.saturating_mul(each)
    };
    outputs.fold(0u64, |sum, output| sum.saturating_add(of(output)))
}

/// In how many states the other outputs are while one is tried.
const OTHERS: u64 = 3;

/// Tries every output with its values, alone and with the others at their ends: something must be written, and every
/// number must fit its place.
fn check_outputs(group: &Group, form: &Form, at: usize, source: &mut Source<'_>) {
    let outputs: Vec<_> = group
        .features
        .iter()
        .flat_map(|feature| feature.outputs.iter().map(move |output| (feature.index, output)))
        .collect();
    let slot = |(feature, output): &(u32, &super::Output), value| Slot {
        feature: *feature,
        kind: output.kind,
        value,
        duration_ms: 0,
        distance: 0,
    };
    for (place, (feature, output)) in outputs.iter().enumerate() {
        let templates = form.frames(output.kind);
        let name = kind::output_name(output.kind);
        let (mut written, mut written_at_rest) = (false, false);
        let durations = output.duration.map_or(vec![0], |(least, greatest)| vec![least, greatest]);
        // All others at rest, at their least, at their greatest.
        let states: [fn(&super::Output) -> i32; OTHERS as usize] =
            [|_| 0, |o| o.range.0.min(0), |o| o.range.1];
        for others in states {
            let mut slots: Vec<Slot> = outputs.iter().map(|output| slot(output, others(output.1))).collect();
            for value in samples(output.range) {
                for duration in &durations {
                    slots[place].value = value;
                    slots[place].duration_ms = duration.unsigned_abs();
                    slots[place].distance = value.unsigned_abs();
                    let this = Some(slots[place]);
                    let scope = Scope { slots: &slots, this, counter: u8::MAX, constants: &group.constants };
                    for (_, template) in applying(templates, &scope) {
                        written = true;
                        written_at_rest |= value == 0;
                        if !template.frame(&scope).1 {
                            let time =
                                if *duration == 0 { String::new() } else { format!(" in {duration} ms") };
                            source.error(
                                at,
                                format!(
                                    "`{name} {feature} {value}{time}` does not fit its place in the frame"
                                ),
                            );
                            return;
                        }
                    }
                }
            }
        }
        let at_rest = written_at_rest || !output.kind.is_stoppable();
        if !written {
            source.error(at, format!("nothing is written for {name} of feature {feature}"));
        } else if !at_rest && output.kind != OutputKind::Spray {
            // What sprays stops by itself; everything else would run on.
            source.error(at, format!("nothing is written when {name} of feature {feature} is stopped"));
        }
    }
}

/// All values of a small range, the interesting ones of a large one. Zero is always possible.
fn samples((least, greatest): (i32, i32)) -> Vec<i32> {
    const ALL_UP_TO: i64 = 400;
    let least = least.min(0);
    if i64::from(greatest) - i64::from(least) <= ALL_UP_TO {
        return (least..=greatest).collect();
    }
    let mut samples =
        vec![least, -256, -255, -1, 0, 1, 127, 128, 255, 256, 999, 1000, greatest / 2, greatest];
    samples.retain(|value| (least..=greatest).contains(value));
    samples
}

/// Something by which a protocol claims hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim<'a> {
    Text(u8, &'a str),
    Prefix(&'a str),
    Manufacturer(u16, &'a [u8]),
    Service(crate::sighting::Uuid),
    Ids(u8, (u16, u16)),
}

impl Claim<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(a), Self::Prefix(b)) => a.starts_with(b) || b.starts_with(a),
            (Self::Prefix(prefix), Self::Text(0, name)) | (Self::Text(0, name), Self::Prefix(prefix)) => {
                name.starts_with(prefix)
            }
            (Self::Manufacturer(a, some), Self::Manufacturer(b, more)) => {
                a == b && (some.starts_with(more) || more.starts_with(some))
            }
            _ => self == other,
        }
    }
}

impl std::fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_, text) => write!(f, "`{text}`"),
            Self::Prefix(prefix) => write!(f, "`{prefix}*`"),
            Self::Manufacturer(company, _) => write!(f, "data of company {company}"),
            Self::Service(uuid) => write!(f, "service {uuid}"),
            Self::Ids(_, (vendor, product)) => write!(f, "{vendor:04x}:{product:04x}"),
        }
    }
}

fn claims(rule: &Rule) -> Vec<Claim<'_>> {
    match rule {
        Rule::Bluetooth { names, manufacturer, advertised, .. } => {
            let names = names.iter().map(|name| match name.strip_suffix('*') {
                Some(prefix) => Claim::Prefix(prefix),
                None => Claim::Text(0, name),
            });
            let data = manufacturer.iter().map(|(company, data)| Claim::Manufacturer(*company, data));
            names.chain(data).chain(advertised.iter().map(|uuid| Claim::Service(*uuid))).collect()
        }
        Rule::Serial { port, .. } => vec![Claim::Text(1, port)],
        Rule::Hid(ids) => ids.iter().map(|ids| Claim::Ids(2, *ids)).collect(),
        Rule::Usb(ids) => ids.iter().map(|ids| Claim::Ids(3, *ids)).collect(),
        Rule::WebSocket(names) => names.iter().map(|name| Claim::Text(4, name)).collect(),
        Rule::Simulated(names) => names.iter().map(|name| Claim::Text(5, name)).collect(),
    }
}

/// The name of a serial port that stands for "whichever a person names": it claims nothing.
pub const ANY_PORT: &str = "default";

/// Checks that no two protocols claim the same hardware unless one of them says so, and that nobody says so without
/// need.
pub fn check_together(files: &[DefinitionFile]) -> Vec<DefinitionError> {
    let mut errors = Vec::new();
    let mut known = BTreeSet::new();
    for (place, file) in files.iter().enumerate() {
        for other in &files[place + 1..] {
            let (a, b) = (&file.definition.id, &other.definition.id);
            let Some((line, claim)) = first_overlap(file, other) else { continue };
            if file.overlaps.contains(b) || other.overlaps.contains(a) {
                known.insert((a, b));
                known.insert((b, a));
                continue;
            }
            errors.push(DefinitionError {
                file: file.file.clone(),
                line,
                column: 1,
                message: format!(
                    "{claim} is also claimed by `{b}`; if that is known, say so: overlaps = [\"{b}\"]"
                ),
            });
        }
    }
    for file in files {
        for overlap in
            file.overlaps.iter().filter(|overlap| !known.contains(&(&file.definition.id, *overlap)))
        {
            errors.push(DefinitionError {
                file: file.file.clone(),
                line: 1,
                column: 1,
                message: format!("`overlaps` names `{overlap}`, but nothing is claimed by both"),
            });
        }
    }
    errors
}

fn first_overlap<'a>(file: &'a DefinitionFile, other: &'a DefinitionFile) -> Option<(usize, Claim<'a>)> {
    let theirs: Vec<Claim<'_>> = other.definition.rules.iter().flat_map(claims).collect();
    file.definition.rules.iter().zip(&file.rule_lines).find_map(|(rule, line)| {
        let ours = claims(rule).into_iter().filter(|claim| *claim != Claim::Text(1, ANY_PORT));
        ours.into_iter()
            .find(|claim| theirs.iter().any(|other| claim.overlaps(other)))
            .map(|claim| (*line, claim))
    })
}
