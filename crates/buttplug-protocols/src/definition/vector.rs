//! Test vectors: what a definition says its frames are, byte for byte. Reads them; running them is `rehearsal`'s.

use super::hardware::manufacturer_data;
use super::models::features;
use super::parse::{endpoint, milliseconds};
use super::reader::{Source, Table, Text, Value};
use super::{Feature, MAX_EXAMPLES, Place, kind};
use crate::frame::{Endpoint, Frame};
use crate::notation::expression::Scope;
use crate::notation::frame::Condition;
use crate::notation::step::Action;
use crate::notation::{Context, parse_step};
use crate::protocol::{Input, Reading};
use buttplug_core::{FeatureIndex, OutputKind};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One example of a definition: turns, and what the hardware is told in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector {
    /// Where it stands.
    pub place: Place,
    /// The model's identifier. `None`: the fallback.
    pub model: Option<String>,
    /// The advertised name, where it matters. `None`: the identifier.
    pub name: Option<String>,
    /// Where the hardware is, where that matters.
    pub address: Option<String>,
    /// What the maker's data of the advertisement is.
    pub manufacturer: Vec<(u16, Vec<u8>)>,
    /// What the device has, where that is no model's of the definition but a person's own.
    pub features: Vec<Feature>,
    /// The endpoints that the hardware has. `None`: all that the definition knows.
    pub endpoints: Option<Vec<Endpoint>>,
    /// What happens.
    pub turns: Vec<VectorTurn>,
    /// What the hardware says when it is asked or waited for, in order.
    pub hears: Vec<Said>,
    /// The readings that come of it, in order.
    pub readings: Vec<Reading>,
    /// The identifier that is found; empty for none. `None`: no matter.
    pub identifier: Option<String>,
}

/// Something that happens, and what the hardware is told then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorTurn {
    /// As it stands in the definition.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// What happens.
    pub act: Act,
    /// What the hardware is told, in order, and nothing else.
    pub told: Vec<VectorStep>,
}

/// What happens in a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Outputs are set at once.
    Set(Vec<Seen>),
    /// Everything is stopped.
    Stop,
    /// The hardware is made ready. With a keepalive, it also gets its zeros.
    Connect,
    /// The model is found.
    Identify,
    /// Time goes by.
    Wait(Duration),
    /// An input is read.
    Read(Input),
    /// The notifications of an input begin.
    Subscribe(Input),
    /// The notifications of an input end.
    Unsubscribe(Input),
    /// A notification comes.
    Hear(Endpoint, Vec<u8>),
}

/// An output that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The feature.
    pub feature: FeatureIndex,
    /// The kind of output.
    pub kind: OutputKind,
    /// The value.
    pub value: i32,
    /// The milliseconds of a timed position.
    pub duration_ms: u32,
}

/// What the hardware says when it is asked or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Bytes at an endpoint.
    Data(Endpoint, Vec<u8>),
    /// Nothing within the time.
    Silence,
}

/// What the hardware is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VectorStep {
    /// A frame.
    Write(Frame),
    /// To notify an endpoint.
    Subscribe(Endpoint),
    /// To notify it no longer.
    Unsubscribe(Endpoint),
    /// To be read.
    Read(Endpoint),
    /// Nothing for a while.
    Wait(Duration),
}

impl fmt::Display for VectorStep {
    /// As an example says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(frame) => write_frame(frame, f),
            Self::Subscribe(endpoint) => write!(f, "subscribe {endpoint}"),
            Self::Unsubscribe(endpoint) => write!(f, "unsubscribe {endpoint}"),
            Self::Read(endpoint) => write!(f, "read {endpoint}"),
            Self::Wait(time) => write!(f, "wait {} ms", time.as_millis()),
        }
    }
}

/// A frame as an example says it.
fn write_frame(frame: &Frame, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, byte) in frame.data.iter().enumerate() {
        let space = if place == 0 { "" } else { " " };
        write!(f, "{space}{byte:02x}")?;
    }
    match (frame.endpoint, frame.response) {
        (Endpoint::Tx, false) => Ok(()),
        (Endpoint::Tx, true) => f.write_str(", with response"),
        (endpoint, false) => write!(f, " -> {endpoint}"),
        (endpoint, true) => write!(f, " -> {endpoint}, with response"),
    }
}

impl fmt::Display for Reading {
    /// As an example says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Input { feature, kind } = self.input;
        write!(f, "{} {} = {}", kind::input_name(kind), feature.0, self.value)
    }
}

impl FromStr for Act {
    type Err = String;

    /// Reads a turn as an example says it.
    ///
    /// ```
    /// use buttplug_protocols::definition::Act;
    ///
    /// assert_eq!("stop".parse(), Ok(Act::Stop));
    /// assert!("vibrate".parse::<Act>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, String> {
        by_itself(text, act)
    }
}

impl FromStr for Said {
    type Err = String;

    /// Reads what the hardware says as an example says it: `rx: 01 02`, or `silence`.
    fn from_str(text: &str) -> Result<Self, String> {
        by_itself(text, said)
    }
}

/// Reads a text that stands in no file.
fn by_itself<T>(text: &str, read: impl FnOnce(&Text<'_>, &mut Source<'_>) -> Option<T>) -> Result<T, String> {
    let mut source = Source::new("", text);
    let found = read(&Text::by_itself(text), &mut source);
    match (found, source.errors.into_iter().next()) {
        (Some(found), None) => Ok(found),
        (_, Some(error)) => Err(error.message),
        (None, None) => Err(format!("`{text}` means nothing here")),
    }
}

pub(super) fn parse_vectors(table: &mut Table<'_>, response: bool, source: &mut Source<'_>) -> Vec<Vector> {
    let examples = table.take("example").map(|value| value.tables(MAX_EXAMPLES, source)).unwrap_or_default();
    examples.into_iter().map(|table| vector(table, response, source)).collect()
}

fn vector(mut table: Table<'_>, response: bool, source: &mut Source<'_>) -> Vector {
    let mut vector = Vector { place: source.place(table.at), ..Vector::default() };
    let take = |table: &mut Table<'_>, key: &str, source: &mut Source<'_>| {
        table.take(key).and_then(|value| value.text(source)).map(|text| text.text.to_owned())
    };
    vector.model = take(&mut table, "model", source);
    vector.name = take(&mut table, "name", source);
    vector.address = take(&mut table, "address", source);
    vector.identifier = take(&mut table, "identifier", source);
    let manufacturer = table.take("manufacturer").map(|value| value.texts(source)).unwrap_or_default();
    vector.manufacturer = manufacturer.iter().filter_map(|text| manufacturer_data(text, source)).collect();
    vector.endpoints = table
        .take("endpoints")
        .map(|value| value.texts(source).iter().filter_map(|text| endpoint(text, source)).collect());
    vector.features = table.take("features").map(|value| features(&value, source)).unwrap_or_default();
    let hears = table.take("hears").map(|value| value.texts(source)).unwrap_or_default();
    vector.hears = hears.iter().filter_map(|text| said(text, source)).collect();
    let readings = table.take("reading").map(|value| value.texts(source)).unwrap_or_default();
    vector.readings = readings.iter().filter_map(|text| reading(text, source)).collect();
    turns(&mut vector, &mut table, response, source);
    table.end(source);
    vector
}

fn turns(vector: &mut Vector, table: &mut Table<'_>, response: bool, source: &mut Source<'_>) {
    let Some(acts) = table.take("do") else {
        source.error(table.at, "an example says what to `do`");
        return;
    };
    let told = table.take("write");
    // One act: all that is told belongs to it. A list of acts: one entry for each.
    let told: Vec<Vec<Value<'_>>> = match told {
        None => Vec::new(),
        Some(told) if acts.is_list() => {
            told.list(source).unwrap_or_default().iter().map(Value::one_or_more).collect()
        }
        Some(told) => vec![told.one_or_more()],
    };
    let texts = acts.texts(source);
    if !told.is_empty() && told.len() != texts.len() {
        source.error(acts.at, format!("{} turns, but `write` has {}", texts.len(), told.len()));
    }
    for (place, text) in texts.iter().enumerate() {
        let told = told.get(place).map(Vec::as_slice).unwrap_or_default();
        let told = told.iter().filter_map(|value| step(&value.text(source)?, response, source)).collect();
        if let Some(act) = act(text, source) {
            let place = source.place(text.at);
            vector.turns.push(VectorTurn { text: text.text.into(), place, act, told });
        }
    }
}

fn step(text: &Text<'_>, response: bool, source: &mut Source<'_>) -> Option<VectorStep> {
    let template = source.notation(text, parse_step(text.text, Context { constants: &[], response }))?;
    if template.condition != Condition::Always {
        source.error(text.at, "what the hardware is told or says has no condition");
        return None;
    }
    match template.action {
        Action::Write(template) => {
            let scope = Scope::default();
            Some(VectorStep::Write(template.frame(&scope).0))
        }
        Action::Subscribe(endpoint) => Some(VectorStep::Subscribe(endpoint)),
        Action::Unsubscribe(endpoint) => Some(VectorStep::Unsubscribe(endpoint)),
        Action::Read(endpoint, ..) => Some(VectorStep::Read(endpoint)),
        Action::Wait(ms) => Some(VectorStep::Wait(Duration::from_millis(ms.into()))),
        Action::Expect(..) | Action::Listen(_) => {
            source.error(text.at, "what the hardware says stands under `hears`");
            None
        }
    }
}

fn act(text: &Text<'_>, source: &mut Source<'_>) -> Option<Act> {
    let words: Vec<&str> = text.text.split_whitespace().collect();
    match words[..] {
        ["stop"] => return Some(Act::Stop),
        ["connect"] => return Some(Act::Connect),
        ["identify"] => return Some(Act::Identify),
        ["wait", ..] => {
            let time = text.part(text.text.trim_start_matches("wait").trim());
            return Some(Act::Wait(Duration::from_millis(milliseconds(&time, source)?.into())));
        }
        ["read", kind, feature] => return Some(Act::Read(input(kind, feature, text, source)?)),
        ["subscribe", kind, feature] => return Some(Act::Subscribe(input(kind, feature, text, source)?)),
        ["unsubscribe", kind, feature] => return Some(Act::Unsubscribe(input(kind, feature, text, source)?)),
        ["hear", ..] => {
            let said = said(&text.part(text.text.trim_start_matches("hear").trim()), source)?;
            return match said {
                Said::Data(endpoint, data) => Some(Act::Hear(endpoint, data)),
                Said::Silence => None,
            };
        }
        _ => {}
    }
    let mut set = Vec::new();
    for part in text.text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (first, duration) = match words[..] {
            [kind, feature, value] => ([kind, feature, value], "0"),
            [kind, feature, value, "in", duration, "ms"] => ([kind, feature, value], duration),
            _ => ([""; 3], ""),
        };
        let kind = kind::output_from_name(first[0]);
        match (kind, first[1].parse(), first[2].parse(), duration.parse()) {
            (Some(kind), Ok(feature), Ok(value), Ok(duration_ms)) => {
                set.push(Seen { feature: FeatureIndex(feature), kind, value, duration_ms });
            }
            _ => {
                source.error(
                    text.at,
                    format!(
                        "`{}` is nothing that can be done; outputs are set with `vibrate 0 64`",
                        part.trim()
                    ),
                );
                return None;
            }
        }
    }
    Some(Act::Set(set))
}

fn input(kind: &str, feature: &str, text: &Text<'_>, source: &mut Source<'_>) -> Option<Input> {
    match (kind::input_from_name(kind), feature.parse()) {
        (Some(kind), Ok(feature)) => Some(Input { feature: FeatureIndex(feature), kind }),
        _ => {
            source.error(text.at, "an input is a kind and a feature, for example `battery 2`");
            None
        }
    }
}

fn reading(text: &Text<'_>, source: &mut Source<'_>) -> Option<Reading> {
    let words: Vec<&str> = text.text.split_whitespace().collect();
    if let [kind, feature, "=", value] = words[..] {
        let input = input(kind, feature, text, source)?;
        if let Ok(value) = value.parse() {
            return Some(Reading { input, value });
        }
    }
    source.error(text.at, "a reading looks like `battery 2 = 85`");
    None
}

fn said(text: &Text<'_>, source: &mut Source<'_>) -> Option<Said> {
    if text.text == "silence" {
        return Some(Said::Silence);
    }
    let Some((name, data)) = text.text.split_once(':') else {
        source.error(text.at, "what the hardware says looks like `rx: 01 02`, or is `silence`");
        return None;
    };
    let endpoint = endpoint(&text.part(name.trim()), source)?;
    // Nothing at all is something that hardware can say.
    if data.trim().is_empty() {
        return Some(Said::Data(endpoint, Vec::new()));
    }
    match step(&text.part(data.trim()), false, source)? {
        VectorStep::Write(frame) => Some(Said::Data(endpoint, frame.data.to_vec())),
        _ => {
            source.error(text.at, "what the hardware says is bytes");
            None
        }
    }
}
