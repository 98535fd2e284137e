//! What is said about a device's outputs, and to which outputs of its model it belongs. Whatever is in doubt leads to less.

use super::json::{Object, field, is_called, object, pair, text};
use buttplug_core::limits::quoted;
use buttplug_core::{FeatureIndex, OutputKind, StepRange};
use buttplug_protocols::model::{Model, ModelOutput};
use buttplug_protocols::sighting::Uuid;
use buttplug_server::configuration::OutputConfiguration;
use serde_json::Value;

/// What is said about one output.
#[derive(Debug)]
struct Said {
    /// Its kind. Until generation 3 all ways to move to a position were one.
    kinds: Vec<OutputKind>,
    /// The place in the list of features.
    place: usize,
    /// The id of the model's feature.
    feature: Option<Uuid>,
    wish: Wish,
}

/// What is wanted of an output.
#[derive(Debug, Default)]
struct Wish {
    limit: Option<Span>,
    /// The range in whose steps the limit is meant, where the file repeats it.
    of: Option<(i64, i64)>,
    disabled: bool,
    reverse: bool,
    duration: Option<Span>,
}

/// Two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Between(i64, i64),
    Unreadable,
}

/// Things that are said together, so that their order tells something.
#[derive(Debug)]
pub(super) struct Together {
    said: Vec<Said>,
    /// How many features are listed, if all are.
    features: Option<usize>,
}

impl Together {
    /// From generation 3 on: feature by feature.
    pub(super) fn of_features(features: &[Value], reasons: &mut Vec<String>) -> Self {
        let mut said = Vec::new();
        for (place, feature) in features.iter().enumerate() {
            let Some(feature) = feature.as_object() else {
                reasons.push(format!("feature {place} is not understood"));
                continue;
            };
            let id = text(feature, "base_id").and_then(|id| id.parse().ok());
            let mut say = |kinds, wish| said.push(Said { kinds, place, feature: id, wish });
            let output = object(feature, "output");
            if field(feature, "output").is_some() && output.is_none() {
                say(OutputKind::ALL.to_vec(), Wish::unreadable());
            }
            for (key, value) in output.into_iter().flatten() {
                match kind_called(key) {
                    Some(kind) => say(vec![kind], Wish::of_output(value)),
                    None if is_part_of_actuator(key) || value.is_null() => {}
                    None => reasons.push(format!("{} of feature {place} is no known output", quoted(key))),
                }
            }
            let described = |output: &&Object| output.keys().any(|key| is_part_of_actuator(key));
            let actuator = match field(feature, "actuator") {
                Some(actuator) => Some(actuator.as_object().map_or_else(Wish::unreadable, Wish::of_actuator)),
                None => output.filter(described).map(Wish::of_actuator),
            };
            if let Some(wish) = actuator {
                let kind = text(feature, "feature_type").unwrap_or_default();
                match kinds_until_3(kind) {
                    Some(kinds) => say(kinds, wish),
                    None => reasons.push(format!("{} of feature {place} is no known output", quoted(kind))),
                }
            }
        }
        Self { said, features: Some(features.len()) }
    }

    /// Generation 2: by the message that sets an output.
    pub(super) fn of_messages(messages: &Object, reasons: &mut Vec<String>) -> Vec<Self> {
        let mut all = Vec::new();
        for (message, outputs) in messages {
            let usual = match message.as_str() {
                "VibrateCmd" => "Vibrate",
                "RotateCmd" => "Rotate",
                "LinearCmd" => "Position",
                "ScalarCmd" => "",
                _ => continue,
            };
            let Some(outputs) = outputs.as_array() else {
                reasons.push(format!("{message} is not understood"));
                continue;
            };
            let mut said = Vec::new();
            for (place, output) in outputs.iter().enumerate() {
                let wish = output.as_object().map(|output| {
                    let limit = field(output, "StepRange").map(span);
                    (text(output, "ActuatorType").unwrap_or(usual), Wish { limit, ..Wish::default() })
                });
                match wish.and_then(|(kind, wish)| Some((kinds_until_3(kind)?, wish))) {
                    Some((kinds, wish)) => said.push(Said { kinds, place, feature: None, wish }),
                    None => reasons.push(format!("output {place} of {message} is not understood")),
                }
            }
            all.push(Self { said, features: None });
        }
        all
    }

    /// Whether anything is wanted.
    pub(super) fn wants_something(&self) -> bool {
        self.said.iter().any(|said| said.wish.wants_something())
    }

    /// What follows for the outputs of `model`. `feature` knows the ids of its features.
    pub(super) fn decide(
        &self,
        model: &Model,
        feature: impl Fn(Uuid) -> Option<FeatureIndex>,
        decisions: &mut Vec<OutputConfiguration>,
        reasons: &mut Vec<String>,
    ) {
        let by_id: Vec<_> = self.said.iter().map(|said| said.feature.and_then(&feature)).collect();
        let nameless = by_id.iter().all(Option::is_none);
        for (said, known) in self.said.iter().zip(by_id) {
            let place = known.or_else(|| self.by_place(said, model));
            let place = place.or_else(|| self.by_count(said, model).filter(|_| nameless));
            said.decide(model, place, decisions, reasons);
        }
    }

    /// What follows where the model is not known, so that it counts when that is: a feature is known by its id, or else by
    /// its place.
    pub(super) fn decide_without_model(
        &self,
        feature: impl Fn(Uuid) -> Option<FeatureIndex>,
        decisions: &mut Vec<OutputConfiguration>,
    ) {
        for said in &self.said {
            let place = u32::try_from(said.place).ok().map(FeatureIndex);
            let Some(index) = said.feature.and_then(&feature).or(place) else { continue };
            for kind in &said.kinds {
                let any = StepRange::new(0, i32::MAX);
                let output = ModelOutput { kind: *kind, range: any, duration_ms: Some(any) };
                let (decided, _) = said.wish.as_it_stands().decide(index, &output);
                decided.into_iter().for_each(|decided| add(decisions, decided));
            }
        }
    }

    /// The feature in the same place, if the lists are of one length and it has such an output.
    fn by_place(&self, said: &Said, model: &Model) -> Option<FeatureIndex> {
        let feature = model.features.get(said.place)?;
        let same = self.features == Some(model.features.len()) && said.fits(&feature.outputs);
        same.then_some(feature.index)
    }

    /// The feature that is as many times removed from the first with such an output, if there are as many of them.
    fn by_count(&self, said: &Said, model: &Model) -> Option<FeatureIndex> {
        let alike = || self.said.iter().filter(|other| other.kinds == said.kinds);
        let mut features = model.features.iter().filter(|feature| said.fits(&feature.outputs));
        let same = features.clone().count() == alike().count();
        let before = alike().filter(|other| other.place < said.place).count();
        features.nth(before).filter(|_| same).map(|feature| feature.index)
    }
}

impl Said {
    fn fits(&self, outputs: &[ModelOutput]) -> bool {
        outputs.iter().any(|output| self.kinds.contains(&output.kind))
    }

    /// Decides about the outputs of the feature at `place`. Where that is not known, or the feature has no such output,
    /// about all outputs of the kind: one of them is meant.
    fn decide(
        &self,
        model: &Model,
        place: Option<FeatureIndex>,
        decisions: &mut Vec<OutputConfiguration>,
        reasons: &mut Vec<String>,
    ) {
        let alike = || model.outputs().filter(|(_, output)| self.kinds.contains(&output.kind));
        let there = alike().any(|(feature, _)| Some(feature) == place);
        let kind = match self.kinds[..] {
            [kind] | [kind, _] => kind.name(),
            _ => "output",
        };
        if !there && self.wish.wants_something() {
            reasons.push(match alike().count() {
                0 => format!("{} has no {kind}: what is said about it has no effect", model.name),
                1 => format!("{} has {kind} elsewhere: what is said about it counts there", model.name),
                _ => format!("it is not clear which {kind} is meant: what is said about it counts for each"),
            });
        }
        for (feature, output) in alike().filter(|(feature, _)| !there || Some(*feature) == place) {
            let (decided, unreadable) = self.wish.decide(feature, output);
            if let Some(part) = unreadable {
                reasons.push(format!(
                    "{} of feature {} is left out: its {part} leaves nothing, or is not understood",
                    output.kind, feature.0
                ));
            }
            if let Some(decided) = decided {
                add(decisions, decided);
            }
        }
    }
}

impl Wish {
    /// Something is wanted, and not known what.
    fn unreadable() -> Self {
        Self { limit: Some(Span::Unreadable), ..Self::default() }
    }

    /// Generations 4 and 5.
    fn of_output(value: &Value) -> Self {
        let Some(output) = value.as_object() else {
            return if value.is_null() { Self::default() } else { Self::unreadable() };
        };
        let on = |name| field(output, name).is_some_and(|value| value.as_bool() == Some(true));
        Self {
            limit: field(output, "value").or_else(|| field(output, "step_limit")).map(span),
            of: None,
            disabled: field(output, "disabled").is_some_and(|value| value.as_bool() != Some(false)),
            reverse: on("reverse") || on("reverse_position"),
            duration: field(output, "duration").map(span),
        }
    }

    /// Generation 3.
    fn of_actuator(actuator: &Object) -> Self {
        Self {
            limit: field(actuator, "step_limit").map(span),
            of: field(actuator, "step_range").and_then(pair),
            ..Self::default()
        }
    }

    fn wants_something(&self) -> bool {
        self.disabled || self.reverse || self.duration.is_some() || self.real_limit().is_some()
    }

    /// The limit, unless it is known to be the whole range.
    fn real_limit(&self) -> Option<Span> {
        let whole = |span: &Span| matches!(*span, Span::Between(low, high) if Some((low, high)) == self.of);
        self.limit.filter(|span| !whole(span))
    }

    /// The same without the range in whose steps it is meant.
    fn as_it_stands(&self) -> Self {
        Self { limit: self.real_limit(), of: None, ..*self }
    }

    /// What this means for an output, and what of it is not understood. An output of whose limit that is so is left out.
    fn decide(
        &self,
        feature: FeatureIndex,
        output: &ModelOutput,
    ) -> (Option<OutputConfiguration>, Option<&'static str>) {
        let limit = self.limit.map_or(Ok(None), |span| span.within(output.range, self.of));
        let duration = match (self.duration, output.duration_ms) {
            (Some(span), Some(range)) => span.within(range, None),
            _ => Ok(None),
        };
        let unreadable = limit.is_err().then_some("limit").or(duration.is_err().then_some("duration"));
        let decided = OutputConfiguration {
            limit: limit.unwrap_or_default(),
            disabled: self.disabled || unreadable.is_some(),
            reverse: self.reverse && !output.kind.is_stoppable(),
            duration_ms: duration.unwrap_or_default(),
            ..OutputConfiguration::new(feature, output.kind)
        };
        let says = decided != OutputConfiguration::new(feature, output.kind);
        (says.then_some(decided), unreadable)
    }
}

/// A limit that leaves nothing, or can't be understood.
struct Unreadable;

impl Span {
    /// The limit in steps of `range`; `None` if it is the whole of it. `of` is the range in whose steps it is meant.
    fn within(self, range: StepRange, of: Option<(i64, i64)>) -> Result<Option<(u32, u32)>, Unreadable> {
        let Self::Between(low, high) = self else { return Err(Unreadable) };
        if of == Some((low, high)) {
            return Ok(None);
        }
        let (least, most) = (i64::from(range.min()), i64::from(range.max()));
        // What turns both ways has the same limit both ways.
        let both_ways = low < 0 && (low == least || low.checked_neg() == Some(high));
        let low = if both_ways { 0 } else { low };
        let scaled = |end: i64| match of {
            Some((_, greatest)) if greatest > 0 && greatest != most => {
                let end = i128::from(end) * i128::from(most) / i128::from(greatest);
                i64::try_from(end).unwrap_or(i64::MAX)
            }
            _ => end,
        };
        let step = |end: i64| match u32::try_from(end) {
            Ok(step) => Ok(step),
            Err(_) if end > 0 => Ok(u32::MAX),
            Err(_) => Err(Unreadable),
        };
        let (low, high) = (scaled(low), scaled(high));
        if low >= high {
            return Err(Unreadable);
        }
        let limit = (step(low)?, step(high)?);
        Ok((high < most || low > least.max(0)).then_some(limit))
    }
}

/// Adds a decision; of two about one output, what both allow is left.
pub(super) fn add(decisions: &mut Vec<OutputConfiguration>, new: OutputConfiguration) {
    let both = |old: Option<(u32, u32)>, new: Option<(u32, u32)>| match (old, new) {
        (Some(old), Some(new)) => {
            let both = (old.0.max(new.0), old.1.min(new.1));
            if both.0 < both.1 { Ok(Some(both)) } else { Err(Unreadable) }
        }
        (old, new) => Ok(old.or(new)),
    };
    match decisions.iter_mut().find(|old| (old.feature, old.kind) == (new.feature, new.kind)) {
        None => decisions.push(new),
        Some(old) => {
            let (limit, duration) = (both(old.limit, new.limit), both(old.duration_ms, new.duration_ms));
            old.disabled |= new.disabled || limit.is_err() || duration.is_err();
            old.limit = limit.unwrap_or_default();
            old.duration_ms = duration.unwrap_or_default();
            old.reverse |= new.reverse;
        }
    }
}

fn span(value: &Value) -> Span {
    pair(value).map_or(Span::Unreadable, |(low, high)| Span::Between(low, high))
}

fn is_part_of_actuator(key: &str) -> bool {
    ["step_range", "step_limit", "messages"].iter().any(|part| is_called(key, part))
}

/// The kind of output by its name in generations 4 and 5, or in their previews.
pub(super) fn kind_called(name: &str) -> Option<OutputKind> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.eq_ignore_ascii_case("PositionWithDuration") {
        return Some(OutputKind::HwPositionWithDuration);
    }
    OutputKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&plain))
}

/// The kinds of output that had this name until generation 3.
pub(super) fn kinds_until_3(name: &str) -> Option<Vec<OutputKind>> {
    match name {
        "Inflate" => Some(vec![OutputKind::Constrict]),
        "RotateWithDirection" => Some(vec![OutputKind::Rotate]),
        name => match kind_called(name)? {
            OutputKind::Position | OutputKind::HwPositionWithDuration => {
                Some(vec![OutputKind::Position, OutputKind::HwPositionWithDuration])
            }
            kind => Some(vec![kind]),
        },
    }
}
