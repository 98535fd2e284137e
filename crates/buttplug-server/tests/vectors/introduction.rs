//! What comes before the turns of a vector when a server connects its hardware: how it is advertised, what it says when
//! its model is looked for, and what it says while it is made ready, if the vector itself doesn't show that.

use buttplug_core::{FeatureIndex, OutputKind};
use buttplug_protocols::catalogue::{Candidate, Catalogue, Wiring};
use buttplug_protocols::definition::{
    Act, IdentifierForm, Identify, PortRule, Rule, Said, Seen, Vector, VectorTurn,
};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::protocol::{Heard, Step, Turn};
use buttplug_protocols::rehearsal::{Course, course};
use buttplug_protocols::sighting::{Advertisement, Sighting};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A vector with all that happens when a server connects the hardware, and with a stop at its end.
pub(crate) struct Introduced {
    pub(crate) sighting: Sighting,
    /// The place of its protocol among the candidates for the sighting.
    pub(crate) candidate: usize,
    pub(crate) endpoints: Vec<Endpoint>,
    /// First the turns in which the hardware is connected, and nothing else if it is found to be something that is not
    /// driven. After each of the others comes a wait, for the message gap if there is one: with it comes what a protocol has
    /// planned for the instant at which the turn ends.
    pub(crate) vector: Vector,
    /// How many turns are the connecting.
    pub(crate) connecting: usize,
    /// Whether it sets what an output has already, which the server does not write once more.
    pub(crate) repeats: bool,
}

/// Makes a vector of a definition complete. `others` are all vectors of the definition: they say what the hardware says.
/// `None`: no hardware is advertised, or introduces itself, so that this vector would be about it.
pub(crate) fn introduce(
    catalogue: &Catalogue,
    candidate: &Candidate,
    vector: &Vector,
    others: &[Vector],
) -> Option<Introduced> {
    sightings(candidate, vector).into_iter().find_map(|sighting| {
        let candidates = catalogue.candidates(&sighting);
        let ours = |other: &Candidate| {
            other.protocol() == candidate.protocol() && other.wiring() == candidate.wiring()
        };
        let place = candidates.iter().position(ours)?;
        let ways = identifications(candidate, vector, others);
        let (identifier, says) =
            ways.into_iter().find_map(|says| is_found(candidate, vector, says, &sighting))?;
        Some(complete(candidate, vector, others, sighting, place, identifier, says))
    })
}

fn complete(
    candidate: &Candidate,
    vector: &Vector,
    others: &[Vector],
    sighting: Sighting,
    place: usize,
    identifier: Option<String>,
    says: Vec<Said>,
) -> Introduced {
    let endpoints = vector.endpoints.clone().unwrap_or_else(|| all_endpoints(candidate.wiring()));
    let mut whole = Vector { model: identifier, ..vector.clone() };
    whole.name = Some(sighting.name().to_owned());
    if let Advertisement::Bluetooth { manufacturer_data, .. } = &sighting.advertisement {
        whole.manufacturer = manufacturer_data.clone();
    }
    let shows = |act: Act| vector.turns.iter().any(|turn| turn.act == act);
    let shown = if shows(Act::Identify) { says.len() } else { 0 };
    let mut turns = vec![silent(Act::Identify)];
    let (mut hears, mut had) = (says, Had::default());
    if driven(candidate, whole.model.as_deref()).is_some() {
        if !shows(Act::Connect) {
            hears.extend(connects_with(candidate, vector, others));
        }
        turns.push(silent(Act::Connect));
    }
    let connecting = turns.len();
    if connecting > 1 {
        let gap = whole.model(candidate).and_then(|model| model.message_gap).unwrap_or_default();
        let rest = vector.turns.iter().filter(|turn| !matches!(turn.act, Act::Identify | Act::Connect));
        for turn in rest.cloned().map(|turn| had.news(turn)).chain([silent(Act::Stop)]) {
            turns.extend([turn, silent(Act::Wait(gap))]);
        }
    }
    hears.extend(vector.hears.iter().skip(shown).cloned());
    let whole = Vector { turns, hears, ..whole };
    Introduced { sighting, candidate: place, endpoints, vector: whole, connecting, repeats: had.repeats }
}

/// The name of the model with this identifier, if there is one that is driven.
pub(crate) fn driven<'c>(candidate: &'c Candidate, identifier: Option<&str>) -> Option<&'c str> {
    let definition = candidate.definition();
    let named = identifier.and_then(|identifier| definition.named(identifier));
    let (group, name) = named.or_else(|| definition.fallback())?;
    group.not_driven.is_none().then_some(name)
}

fn shows_identification(vector: &Vector) -> bool {
    vector.turns.first().is_some_and(|turn| turn.act == Act::Identify)
}

fn silent(act: Act) -> VectorTurn {
    let text = match &act {
        Act::Stop => "the stop at the end",
        _ => "",
    };
    VectorTurn { text: text.into(), place: Default::default(), act, told: Vec::new() }
}

/// What outputs have been set to: what a feature has already is not written once more.
#[derive(Default)]
struct Had {
    latest: BTreeMap<FeatureIndex, Seen>,
    /// Whether something has been set that an output had already.
    repeats: bool,
}

impl Had {
    /// The turn without what is no news.
    fn news(&mut self, turn: VectorTurn) -> VectorTurn {
        let act = match turn.act {
            Act::Set(set) => {
                let count = set.len();
                let mut is_news = |seen: &Seen| {
                    self.latest.insert(seen.feature, *seen) != Some(*seen) || seen.kind == OutputKind::Spray
                };
                let news: Vec<Seen> = set.into_iter().filter(|seen| is_news(seen)).collect();
                self.repeats |= news.len() < count;
                if news.is_empty() { Act::Wait(Duration::ZERO) } else { Act::Set(news) }
            }
            Act::Stop => {
                self.latest.retain(|_, seen| seen.kind.is_stoppable());
                self.latest.values_mut().for_each(|seen| seen.value = 0);
                Act::Stop
            }
            act => act,
        };
        VectorTurn { act, ..turn }
    }
}

/// Ways in which the hardware may be advertised, beginning with the most natural one.
fn sightings(candidate: &Candidate, vector: &Vector) -> Vec<Sighting> {
    let mut found = Vec::new();
    let address = vector.address.as_deref().unwrap_or("rehearsal");
    let mut add = |advertisement| found.push(Sighting::new(address, advertisement));
    let definition = candidate.definition();
    for rule in &definition.rules {
        let (names, manufacturer, advertised) = match rule {
            Rule::Bluetooth { names, manufacturer, advertised, .. } => (names, manufacturer, advertised),
            Rule::Serial { port: PortRule::Named(port), .. } => {
                add(Advertisement::Serial { port: port.clone(), usb: None });
                continue;
            }
            Rule::Serial { port: PortRule::Usb(ids), .. } => {
                let usb = ids.first().copied();
                add(Advertisement::Serial { port: String::from("a port"), usb });
                continue;
            }
            Rule::Hid(ids) | Rule::Usb(ids) => {
                for (vendor_id, product_id) in ids.iter().copied() {
                    add(match rule {
                        Rule::Hid(_) => {
                            let product = vector.name.clone().unwrap_or_default();
                            Advertisement::Hid { vendor_id, product_id, product }
                        }
                        _ => Advertisement::Usb { vendor_id, product_id },
                    });
                }
                continue;
            }
            Rule::WebSocket(names) => {
                names.iter().for_each(|name| add(Advertisement::WebSocket { identifier: name.clone() }));
                continue;
            }
            Rule::Gamepad(names) => {
                let names = if names.is_empty() { names_of(&[], vector) } else { names.clone() };
                names.into_iter().for_each(|name| add(Advertisement::Gamepad { name }));
                continue;
            }
            Rule::LovenseConnect => {
                names_of(&[], vector)
                    .into_iter()
                    .for_each(|name| add(Advertisement::LovenseConnect { name }));
                continue;
            }
            Rule::Simulated(names) => {
                names.iter().for_each(|name| add(Advertisement::Simulated { archetype: name.clone() }));
                continue;
            }
        };
        let mut data = vec![vector.manufacturer.clone()];
        if vector.manufacturer.is_empty() {
            data.extend(manufacturer.iter().map(|rule| vec![rule.clone()]));
            let number: Option<u32> = vector.model.as_ref().and_then(|model| model.parse().ok());
            let companies = manufacturer.iter().map(|(company, _)| *company);
            let numbered = |company| Some(vec![(company, number?.to_be_bytes().to_vec())]);
            data.extend(companies.filter_map(numbered));
        }
        for services in [Vec::new(), advertised.iter().take(1).copied().collect()] {
            for manufacturer_data in &data {
                for name in names_of(names, vector) {
                    let (manufacturer_data, services) = (manufacturer_data.clone(), services.clone());
                    add(Advertisement::Bluetooth { name, manufacturer_data, services });
                }
            }
        }
    }
    found
}

/// What the hardware may call itself.
fn names_of(rules: &[String], vector: &Vector) -> Vec<String> {
    if let Some(name) = &vector.name {
        return vec![name.clone()];
    }
    let model = vector.model.clone().unwrap_or_default();
    let mut names = vec![model.clone()];
    for rule in rules {
        match rule.strip_suffix('*') {
            Some(begin) if model.is_empty() => names.extend([begin.to_owned(), format!("{begin}x")]),
            Some(begin) => names.extend([
                format!("{begin}{model}"),
                format!("{begin}{model}1"),
                format!("{begin}{model}_1"),
                format!("{begin}1_{model}"),
            ]),
            None => names.push(rule.clone()),
        }
    }
    names
}

/// What the hardware may say when its model is looked for, where the vector does not show it.
fn identifications(candidate: &Candidate, vector: &Vector, others: &[Vector]) -> Vec<Vec<Said>> {
    if shows_identification(vector) {
        return vec![vector.hears.clone()];
    }
    let shown = others.iter().filter(|other| shows_identification(other) && other.identifier == vector.model);
    let mut ways: Vec<Vec<Said>> = shown.map(|other| other.hears.clone()).collect();
    ways.push(Vec::new());
    for way in &candidate.definition().identify {
        if let Identify::Read(endpoint, form) = way {
            ways.push(vec![Said::Data(*endpoint, form_of(*form, vector.model.as_deref()))]);
        }
    }
    ways
}

/// The bytes of an identifier. Without one, bytes that name no model.
fn form_of(form: IdentifierForm, identifier: Option<&str>) -> Vec<u8> {
    let Some(identifier) = identifier else { return b"none".to_vec() };
    match form {
        IdentifierForm::U32Be => identifier.parse::<u32>().unwrap_or(0).to_be_bytes().to_vec(),
        IdentifierForm::Text => identifier.as_bytes().to_vec(),
        IdentifierForm::Hex => {
            let byte = |place| u8::from_str_radix(identifier.get(place..place + 2)?, 16).ok();
            (0..identifier.len()).step_by(2).filter_map(byte).collect()
        }
    }
}

/// The identifier of the hardware that is sighted and says this, and what it had to say until then. `None`: it is not found to
/// be the vector's.
fn is_found(
    candidate: &Candidate,
    vector: &Vector,
    says: Vec<Said>,
    sighting: &Sighting,
) -> Option<(Option<String>, Vec<Said>)> {
    let mut identification = candidate.identification(sighting).ok()?;
    let (mut says, mut said) = (says.into_iter(), Vec::new());
    let mut turn = identification.next(Heard::Start);
    let identifier = loop {
        let step = match turn {
            Turn::Do(step) => step,
            Turn::Done(identifier) => break identifier,
            Turn::Fail(_) => return None,
        };
        let asked = matches!(step, Step::Read { .. } | Step::Listen(_));
        if asked {
            said.push(says.next().unwrap_or(Said::Silence));
        }
        let answer = said.last().filter(|_| asked);
        turn = identification.next(match (step, answer) {
            (Step::Read { .. }, Some(Said::Data(_, data))) => Heard::Data(data),
            (Step::Read { .. }, _) => Heard::Failed("it has no answer"),
            (Step::Listen(_), Some(Said::Data(endpoint, data))) => Heard::Notified(*endpoint, data),
            (Step::Listen(_), _) => Heard::Silence,
            _ => Heard::Done,
        });
    };
    let definition = candidate.definition();
    let group = |identifier: &Option<String>| {
        let named = identifier.as_deref().and_then(|identifier| definition.named(identifier));
        named.or_else(|| definition.fallback()).map(|(group, _)| group)
    };
    // A vector that is about being found is whatever it is found to be. Where only exact names are known, the fallback is met
    // as one of those that have what it has.
    let is_same = shows_identification(vector) || group(&identifier) == group(&vector.model);
    is_same.then_some((identifier, said))
}

/// What the hardware says while it is made ready, where the vector doesn't show it: what it says in the vector that does.
fn connects_with(candidate: &Candidate, vector: &Vector, others: &[Vector]) -> Vec<Said> {
    let shows = |other: &&Vector| {
        other.turns.first().is_some_and(|turn| turn.act == Act::Connect)
            && other.endpoints == vector.endpoints
    };
    let mut shown: Vec<&Vector> = others.iter().filter(shows).collect();
    shown.sort_by_key(|other| other.model != vector.model);
    let heard = |other: &Vector| {
        let connecting = Vector { turns: vec![silent(Act::Connect)], ..other.clone() };
        let Course { error, unheard, .. } = course(candidate, &connecting, Instant::now());
        let count = other.hears.len() - unheard;
        error.is_none().then(|| other.hears.iter().take(count).cloned().collect())
    };
    shown.into_iter().find_map(heard).unwrap_or_default()
}

fn all_endpoints(wiring: &Wiring) -> Vec<Endpoint> {
    match wiring {
        Wiring::Bluetooth(services) => services.values().flat_map(|found| found.keys().copied()).collect(),
        Wiring::Serial(_) | Wiring::Direct => Vec::new(),
    }
}
