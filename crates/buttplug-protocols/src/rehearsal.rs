//! Runs a definition's vectors against the protocol it makes: no hardware, no waiting, time as an argument.

use crate::catalogue::{Candidate, Catalogue, CatalogueError, Setup, Wiring};
use crate::definition::{self, Act, DefinitionError, DefinitionFile, Place, Said, Vector, VectorStep};
use crate::frame::{Endpoint, Frames};
use crate::model::{Model, ModelFeature};
use crate::protocol::{Heard, Identification, OutputSlot, Outputs, Protocol, Reading, Step, Topic, Turn};
use crate::sighting::{Advertisement, Sighting};
use std::time::{Duration, Instant};

/// What is different from what a vector says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {message}", .place.line, .place.column)]
pub struct Difference {
    /// The turn, or the vector where it is about no turn.
    pub place: Place,
    /// What is different.
    pub message: String,
}

/// How many things may happen in one turn before it is clear that they never end.
const MAX_STEPS: usize = 10_000;

/// Runs a vector against the protocol that `candidate` makes, beginning at `now`.
///
/// # Errors
/// What is different from what the vector says.
pub fn rehearse(candidate: &Candidate, vector: &Vector, now: Instant) -> Result<(), Difference> {
    let mut rehearsal = Rehearsal::new(candidate, vector, now)
        .map_err(|message| Difference { place: vector.place, message })?;
    rehearsal.run(candidate)
}

/// Checks a definition of a person's own as it would be used, and runs its vectors. Answers what it says.
///
/// # Errors
/// All that is wrong with it, and where.
///
/// ```
/// use buttplug_protocols::rehearsal::check;
/// use std::time::Instant;
///
/// let text = r#"
///     write = "f1+feature value"
///     [[websocket]]
///     names = ["mine"]
///     [[model]]
///     fallback = "My Device"
///     features = [{ vibrate = 100 }, { vibrate = 100 }]
///     [[example]]
///     do = ["vibrate 1 64", "stop"]
///     write = ["f2 40", ["f1 00", "f2 00"]]
/// "#;
/// assert_eq!(check("mine.toml", text, Instant::now()).map(|file| file.vectors.len()), Ok(1));
///
/// let errors = check("mine.toml", &text.replace("40", "41"), Instant::now()).unwrap_err();
/// assert_eq!(errors[0].to_string(), "mine.toml:9:11: `vibrate 1 64` gives f2 40; expected f2 41");
/// ```
pub fn check(file_name: &str, text: &str, now: Instant) -> Result<DefinitionFile, Vec<DefinitionError>> {
    let file = definition::parse(file_name, text)?;
    let error = |place: Place, message: String| DefinitionError {
        file: file_name.into(),
        line: place.line,
        column: place.column,
        message,
    };
    let mut catalogue = Catalogue::builtin();
    if let Err(reason) = catalogue.add_definition(file_name, text) {
        return Err(match reason {
            CatalogueError::Definition(errors) => errors,
            CatalogueError::UnknownCode { .. } | CatalogueError::UnknownProtocol(_) => {
                vec![error(file.code_place.unwrap_or(Place { line: 1, column: 1 }), reason.to_string())]
            }
        });
    }
    let candidate = catalogue.protocol(&file.definition.id);
    let rehearsed = file.vectors.iter().filter_map(|vector| rehearse(candidate.as_ref()?, vector, now).err());
    let errors: Vec<_> = rehearsed.map(|difference| error(difference.place, difference.message)).collect();
    if errors.is_empty() { Ok(file) } else { Err(errors) }
}

/// What the hardware of a model would be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it would be told in each turn. The last one is incomplete if there is an error.
    pub turns: Vec<Vec<VectorStep>>,
    /// The readings that come of it, in order.
    pub readings: Vec<Reading>,
    /// Why it goes on no further.
    pub error: Option<String>,
}

/// Plays the turns of a vector, beginning at `now`, to find out what the hardware would be told. What the vector says
/// about that is passed over.
pub fn play(candidate: &Candidate, vector: &Vector, now: Instant) -> Told {
    let mut told = Told::default();
    let mut rehearsal = match Rehearsal::new(candidate, vector, now) {
        Ok(rehearsal) => rehearsal,
        Err(error) => return Told { error: Some(error), ..told },
    };
    for turn in &vector.turns {
        let acted = rehearsal.act(&turn.act, candidate);
        told.turns.push(std::mem::take(&mut rehearsal.told));
        if let Err(error) = acted {
            told.error = Some(error);
            break;
        }
    }
    told.readings = rehearsal.readings;
    told
}

impl Vector {
    /// The model that this vector is about. One that is only about finding a model has nothing.
    pub fn model(&self, candidate: &Candidate) -> Option<Model> {
        let own = || Model {
            name: String::from("rehearsal"),
            variant: None,
            message_gap: None,
            features: self.features.iter().map(ModelFeature::from_definition).collect(),
        };
        if !self.features.is_empty() {
            return Some(own());
        }
        candidate.model(self.model.as_deref()).or_else(|| self.identifier.as_ref().map(|_| own()))
    }

    /// What a bus would have seen of the hardware of this vector.
    pub fn sighting(&self) -> Sighting {
        let name = self.name.as_ref().or(self.model.as_ref()).cloned().unwrap_or_default();
        Sighting {
            address: self.address.clone().unwrap_or_else(|| "rehearsal".into()),
            advertisement: Advertisement::Bluetooth {
                name,
                manufacturer_data: self.manufacturer.clone(),
                services: Vec::new(),
            },
        }
    }
}

struct Rehearsal<'v> {
    vector: &'v Vector,
    protocol: Box<dyn Protocol>,
    outputs: Outputs,
    now: Instant,
    last_write: Instant,
    heard: std::slice::Iter<'v, Said>,
    told: Vec<VectorStep>,
    readings: Vec<Reading>,
}

impl<'v> Rehearsal<'v> {
    fn new(candidate: &Candidate, vector: &'v Vector, now: Instant) -> Result<Self, String> {
        let sighting = vector.sighting();
        let model = vector.model(candidate).ok_or("there is no such model")?;
        let all = all_endpoints(candidate.wiring());
        let endpoints = vector.endpoints.as_deref().unwrap_or(&all);
        let setup = Setup {
            identifier: vector.model.as_deref(),
            model: &model,
            sighting: &sighting,
            endpoints,
            seed: 0,
        };
        let only_found = vector.turns.iter().all(|turn| turn.act == Act::Identify);
        let protocol = match candidate.build(setup) {
            // What is known and not driven can be found nevertheless.
            Err(_) if only_found => Box::new(NotDriven),
            protocol => protocol?,
        };
        Ok(Self {
            vector,
            protocol,
            outputs: Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind))),
            now,
            last_write: now,
            heard: vector.hears.iter(),
            told: Vec::new(),
            readings: Vec::new(),
        })
    }

    fn run(&mut self, candidate: &Candidate) -> Result<(), Difference> {
        for turn in &self.vector.turns {
            let different = |message| Difference { place: turn.place, message };
            self.told.clear();
            self.act(&turn.act, candidate).map_err(|error| different(format!("`{}`: {error}", turn.text)))?;
            if self.told != turn.told {
                let list = |steps: &[VectorStep]| match steps {
                    [] => String::from("nothing"),
                    steps => steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
                };
                let (told, expected) = (list(&self.told), list(&turn.told));
                return Err(different(format!("`{}` gives {told}; expected {expected}", turn.text)));
            }
        }
        let different = |message| Difference { place: self.vector.place, message };
        if self.readings != self.vector.readings {
            let list = |readings: &[Reading]| match readings {
                [] => String::from("none"),
                readings => readings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            let (readings, expected) = (list(&self.readings), list(&self.vector.readings));
            return Err(different(format!("the readings are {readings}; expected {expected}")));
        }
        match self.heard.len() {
            0 => Ok(()),
            left => Err(different(format!("{left} of the things the hardware says were never asked for"))),
        }
    }

    fn act(&mut self, act: &Act, candidate: &Candidate) -> Result<(), String> {
        match act {
            Act::Set(set) => {
                for seen in set {
                    let Some(slot) = self.outputs.get_mut(seen.feature, seen.kind) else {
                        return Err(format!("feature {} has no {}", seen.feature.0, seen.kind));
                    };
                    slot.value = seen.value;
                    slot.duration_ms = seen.duration_ms;
                    slot.changed = true;
                }
                self.write_changes();
            }
            Act::Stop => self.stop(),
            Act::Connect => {
                self.converse(Topic::Connect)?;
                if self.protocol.keepalive().is_some() {
                    self.stop();
                }
            }
            Act::Identify => return self.identify(candidate),
            Act::Wait(time) => self.wait(*time)?,
            Act::Read(input) => {
                let value = self.converse(Topic::Read(*input))?.ok_or("nothing was read")?;
                self.readings.push(Reading { input: *input, value });
            }
            Act::Subscribe(input) => {
                self.converse(Topic::Subscribe(*input))?;
            }
            Act::Unsubscribe(input) => {
                self.converse(Topic::Unsubscribe(*input))?;
            }
            Act::Hear(endpoint, data) => {
                let mut frames = Frames::new();
                self.protocol.notified(self.now, *endpoint, data, &mut self.readings, &mut frames);
                self.tell(frames);
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        for slot in self.outputs.slots().iter().filter(|slot| !slot.kind.is_stoppable()) {
            self.protocol.halt(slot.feature);
        }
        let stops = |slot: &&mut OutputSlot| slot.kind.is_stoppable();
        for slot in self.outputs.slots_mut().iter_mut().filter(stops) {
            (slot.value, slot.changed) = (0, true);
        }
        self.write_changes();
    }

    fn write_changes(&mut self) {
        let mut frames = Frames::new();
        self.protocol.frames(self.now, &self.outputs, &mut frames);
        self.outputs.slots_mut().iter_mut().for_each(|slot| slot.changed = false);
        self.tell(frames);
    }

    fn tell(&mut self, frames: Frames) {
        if !frames.is_empty() {
            self.last_write = self.now;
        }
        self.told.extend(frames.into_iter().map(VectorStep::Write));
    }

    /// Lets time go by, with what falls due.
    fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        for _ in 0..MAX_STEPS {
            let keepalive = self.protocol.keepalive().map(|after| self.last_write + after);
            let tick = self.protocol.next_tick();
            let Some(due) = keepalive.into_iter().chain(tick).min().filter(|due| *due <= end) else {
                self.now = end;
                return Ok(());
            };
            if self.told.len() > MAX_STEPS {
                break;
            }
            self.now = due.max(self.now);
            let mut frames = Frames::new();
            if tick == Some(due) {
                self.protocol.tick(self.now, &self.outputs, &mut frames);
            } else {
                self.protocol.keepalive_frames(self.now, &self.outputs, &mut frames);
                // It has had its turn, even if it had nothing to say.
                self.last_write = self.now;
            }
            self.tell(frames);
        }
        Err(String::from("it never comes to an end"))
    }

    fn converse(&mut self, topic: Topic) -> Result<Option<i32>, String> {
        let mut answer = Answer::Start;
        for _ in 0..MAX_STEPS {
            match self.protocol.converse(topic, answer.heard()) {
                Turn::Do(step) => answer = self.carry_out(step),
                Turn::Done(value) => return Ok(value),
                Turn::Fail(reason) => return Err(reason),
            }
        }
        Err(String::from("the conversation never ends"))
    }

    fn identify(&mut self, candidate: &Candidate) -> Result<(), String> {
        let mut identification: Box<dyn Identification> =
            candidate.identification(&self.vector.sighting())?;
        let mut answer = Answer::Start;
        for _ in 0..MAX_STEPS {
            match identification.next(answer.heard()) {
                Turn::Do(step) => answer = self.carry_out(step),
                Turn::Fail(reason) => return Err(reason),
                Turn::Done(found) => {
                    let expected = self.vector.identifier.as_ref().filter(|expected| !expected.is_empty());
                    return match (&found, &self.vector.identifier) {
                        (_, None) => Ok(()),
                        (found, _) if found.as_ref() == expected => Ok(()),
                        _ => Err(format!("the identifier is {found:?}; expected {expected:?}")),
                    };
                }
            }
        }
        Err(String::from("the conversation never ends"))
    }

    fn carry_out(&mut self, step: Step) -> Answer<'v> {
        let said = match &step {
            Step::Read { .. } | Step::Listen(_) => self.heard.next(),
            _ => None,
        };
        match step {
            Step::Write(frame) => {
                self.told.push(VectorStep::Write(frame));
                self.last_write = self.now;
            }
            Step::Subscribe(endpoint) => self.told.push(VectorStep::Subscribe(endpoint)),
            Step::Unsubscribe(endpoint) => self.told.push(VectorStep::Unsubscribe(endpoint)),
            Step::Pause(time) => {
                self.told.push(VectorStep::Wait(time));
                self.now += time;
            }
            Step::Read { endpoint, .. } => {
                self.told.push(VectorStep::Read(endpoint));
                return match said {
                    Some(Said::Data(from, data)) if *from == endpoint => Answer::Data(data),
                    _ => Answer::Failed,
                };
            }
            Step::Listen(time) => {
                if let Some(Said::Data(from, data)) = said {
                    return Answer::Notified(*from, data);
                }
                self.now += time;
                return Answer::Silence;
            }
        }
        Answer::Done
    }
}

/// In place of a protocol where there is none.
struct NotDriven;

impl Protocol for NotDriven {
    fn converse(&mut self, _topic: Topic, _heard: Heard<'_>) -> Turn<Option<i32>> {
        Turn::Fail(String::from("it is not driven"))
    }

    fn frames(&mut self, _now: Instant, _outputs: &Outputs, _out: &mut Frames) {}
}

/// What the hardware of a rehearsal answers.
enum Answer<'v> {
    Start,
    Done,
    Data(&'v [u8]),
    Notified(Endpoint, &'v [u8]),
    Silence,
    Failed,
}

impl<'v> Answer<'v> {
    fn heard(&self) -> Heard<'v> {
        match self {
            Self::Start => Heard::Start,
            Self::Done => Heard::Done,
            Self::Data(data) => Heard::Data(data),
            Self::Notified(endpoint, data) => Heard::Notified(*endpoint, data),
            Self::Silence => Heard::Silence,
            Self::Failed => Heard::Failed("the hardware of the rehearsal has no answer to this"),
        }
    }
}

fn all_endpoints(wiring: &Wiring) -> Vec<Endpoint> {
    match wiring {
        Wiring::Bluetooth(services) => {
            services.values().flat_map(|endpoints| endpoints.keys().copied()).collect()
        }
        Wiring::Serial(_) | Wiring::Direct => Vec::new(),
    }
}
