//! A person's own models.

use super::json::{Object, each, field, list, object, pair, text};
use super::outputs::{kind_called, kinds_until_3};
use buttplug_core::limits::quoted;
use buttplug_core::{FeatureIndex, InputKind, OutputKind};
use buttplug_protocols::definition::{Feature, Group, Input, MAX_FEATURES, MAX_LABEL_BYTES, Output};
use buttplug_protocols::sighting::Uuid;
use serde_json::Value;

/// Milliseconds that a move may take where the file does not say: they fit every protocol.
const USUAL_DURATION: (i32, i32) = (0, 65_535);

/// Values of the range of a battery, which older files leave out.
const USUAL_INPUT_RANGE: (i32, i32) = (0, 100);

/// A model of a person's own, as other parts of the file refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnModel {
    /// Its protocol.
    pub(super) protocol: String,
    /// What devices of this model tell of it.
    pub(super) identifiers: Vec<String>,
    /// Its id.
    pub(super) id: Option<Uuid>,
    /// The indexes and ids of its features.
    pub(super) features: Vec<(FeatureIndex, Option<Uuid>)>,
}

impl OwnModel {
    /// The feature with this id.
    pub(super) fn feature(&self, id: Uuid) -> Option<FeatureIndex> {
        self.features.iter().find(|(_, feature)| *feature == Some(id)).map(|(index, _)| *index)
    }
}

/// Reads a model; the error says why it can't be used.
pub(super) fn model(protocol: &str, value: &Value) -> Result<(OwnModel, Group), String> {
    let model = value.as_object().ok_or("it is not understood")?;
    let listed = field(model, "identifier").into_iter().flat_map(|listed| each(listed, "identifier"));
    let identifiers: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    if identifiers.is_empty() {
        return Err("it has no identifier".into());
    }
    let mut features = Vec::new();
    for (place, value) in list(model, "features").iter().enumerate() {
        let described = value.as_object().ok_or("a feature is not understood")?;
        let feature = feature(place, described).map_err(|reason| format!("feature {place}: {reason}"))?;
        features.push((feature, uuid(described)));
    }
    // Without any it would have those of another model.
    if features.is_empty() || features.len() > MAX_FEATURES {
        return Err(format!("it has {} features, and needs 1 to {MAX_FEATURES}", features.len()));
    }
    if protocol == "tcode-v03" {
        features.iter_mut().flat_map(|(feature, _)| &mut feature.outputs).for_each(within_tcode);
    }
    features.sort_by_key(|(feature, _)| feature.index);
    if features.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a.index == b.index)) {
        return Err("two of its features have the same index (the one for the protocol, `alt_protocol_index`, where there \
                    is one: a feature has one number here, for clients and for frames)"
            .into());
    }
    let own = OwnModel {
        protocol: protocol.to_owned(),
        identifiers: identifiers.clone(),
        id: uuid(model),
        features: features.iter().map(|(feature, id)| (FeatureIndex(feature.index), *id)).collect(),
    };
    let gap = field(model, "message_gap_ms").and_then(Value::as_u64).and_then(|ms| u32::try_from(ms).ok());
    let group = Group {
        fallback: None,
        names: vec![(text(model, "name").unwrap_or("Device").to_owned(), identifiers)],
        variant: text(model, "protocol_variant").map(str::to_owned),
        // Definitions have no gap of 0: that is what there is without one.
        gap_ms: gap.filter(|ms| *ms > 0),
        constants: Vec::new(),
        features: features.into_iter().map(|(feature, _)| feature).collect(),
        not_driven: None,
    };
    Ok((own, group))
}

fn uuid(object: &Object) -> Option<Uuid> {
    text(object, "id")?.parse().ok()
}

fn feature(place: usize, described: &Object) -> Result<Feature, String> {
    let index = field(described, "index").map_or(Some(place as u64), Value::as_u64);
    // By which the protocol knows the feature, where that is another one. Here it is known by one number to all, and it is this
    // one of which the frames are made.
    let protocols = object(described, "feature_settings").and_then(|s| field(s, "alt_protocol_index"));
    let index = protocols.map_or(index, Value::as_u64).and_then(|index| u8::try_from(index).ok());
    let index = index.ok_or("its index is none from 0 to 255")?;
    let mut label = text(described, "description").unwrap_or_default().to_owned();
    while label.len() > MAX_LABEL_BYTES {
        label.pop();
    }
    let mut feature = Feature { index: index.into(), label, outputs: Vec::new(), inputs: Vec::new() };
    let kind = text(described, "feature_type").unwrap_or_default();
    if let Some(actuator) = object(described, "actuator") {
        actuator_output(kind, actuator, &mut feature)?;
    }
    if let Some(sensor) = object(described, "sensor") {
        let range = list(sensor, "value_range").first();
        let messages = list(sensor, "messages");
        feature.inputs.push(input(kind, range, messages)?);
    }
    for (key, value) in object(described, "output").into_iter().flatten() {
        let Some(value) = value.as_object() else { continue };
        let kind = kind_called(key).ok_or_else(|| format!("{} is no known output", quoted(key)))?;
        let duration = match field(value, "duration") {
            Some(duration) => range(duration)?,
            None => USUAL_DURATION,
        };
        let timed = kind == OutputKind::HwPositionWithDuration;
        let whole = range(field(value, "value").ok_or("an output has no range")?)?;
        feature.outputs.push(Output { kind, range: whole, duration: timed.then_some(duration) });
    }
    for (key, value) in object(described, "input").into_iter().flatten() {
        let Some(value) = value.as_object() else { continue };
        feature.inputs.push(input(key, list(value, "value").first(), list(value, "command"))?);
    }
    feature.outputs.sort_by_key(|output| output.kind);
    feature.inputs.sort_by_key(|input| input.kind);
    if feature.outputs.is_empty() && feature.inputs.is_empty() {
        return Err("it has no output and no input".into());
    }
    let twice = feature.outputs.windows(2).any(|pair| matches!(pair, [a, b] if a.kind == b.kind))
        || feature.inputs.windows(2).any(|pair| matches!(pair, [a, b] if a.kind == b.kind));
    if twice {
        return Err("it has the same output or input twice".into());
    }
    let ranges = feature.inputs.windows(2).all(|pair| matches!(pair, [a, b] if a.range == b.range));
    if !ranges {
        return Err("its inputs have different ranges".into());
    }
    Ok(feature)
}

/// T-Code writes the decimals of a fraction, three for a position and two for a vibrator: there is no step beyond 999 or
/// 99. Files of earlier engines have such steps, as 1000 for the end of the axis.
fn within_tcode(output: &mut Output) {
    let most = match output.kind {
        OutputKind::Position | OutputKind::HwPositionWithDuration => 999,
        OutputKind::Vibrate => 99,
        _ => return,
    };
    output.range.1 = output.range.1.min(most);
}

/// Generation 3.
fn actuator_output(kind: &str, actuator: &Object, feature: &mut Feature) -> Result<(), String> {
    let kinds = kinds_until_3(kind).ok_or_else(|| format!("{} is no known output", quoted(kind)))?;
    let range = range(field(actuator, "step_range").ok_or("an output has no range")?)?;
    let timed = list(actuator, "messages").iter().any(|message| message == "LinearCmd");
    let kind = if timed { kinds.last() } else { kinds.first() }.copied();
    feature.outputs.extend(kind.map(|kind| Output {
        kind,
        range,
        duration: timed.then_some(USUAL_DURATION),
    }));
    Ok(())
}

fn input(kind: &str, values: Option<&Value>, asked: &[Value]) -> Result<Input, String> {
    let known = InputKind::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(kind));
    let kind = known.ok_or_else(|| format!("{} is no known input", quoted(kind)))?;
    let range = values.map_or(Ok(USUAL_INPUT_RANGE), range)?;
    let may = |names: [&str; 2]| asked.iter().any(|asked| names.iter().any(|name| asked == name));
    let (read, subscribe) = (may(["Read", "SensorReadCmd"]), may(["Subscribe", "SensorSubscribeCmd"]));
    Ok(Input { kind, range, read, subscribe })
}

fn range(value: &Value) -> Result<(i32, i32), String> {
    let ends =
        pair(value).and_then(|(low, high)| Some((i32::try_from(low).ok()?, i32::try_from(high).ok()?)));
    ends.filter(|(low, high)| low < high).ok_or_else(|| "a range has two ends, the lesser first".into())
}
