//! The hardware of a rehearsal: plays a vector turn by turn, answers as it says, and lets its time go by.

use super::effort::{self, Budget, Weight};
use super::{Difference, Happening, Moment, told};
use crate::catalogue::{Candidate, Setup, Wiring};
use crate::definition::{Act, Said, Vector, VectorStep};
use crate::frame::{Endpoint, Frames};
use crate::protocol::{Heard, Identification, OutputSlot, Outputs, Protocol, Reading, Step, Topic, Turn};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// How many things may happen in one turn before it is clear that they never end.
const MAX_STEPS: usize = 10_000;

/// How many of the things that differ are named; a person needs the first.
const MAX_NAMED: usize = 16;

/// A vector on its way.
pub(super) struct Rehearsal<'v> {
    budget: &'v mut Budget,
    weight: Weight,
    vector: &'v Vector,
    protocol: Box<dyn Protocol>,
    outputs: Outputs,
    start: Instant,
    now: Instant,
    last_write: Instant,
    /// What the hardware has not said yet.
    pub(super) heard: std::slice::Iter<'v, Said>,
    /// What has happened in this turn.
    pub(super) moments: Vec<Moment>,
    /// The readings of all turns.
    pub(super) readings: Vec<Reading>,
}

impl<'v> Rehearsal<'v> {
    /// Before its first turn.
    ///
    /// # Errors
    /// There is no such model, or the protocol does not take it.
    pub(super) fn new(
        budget: &'v mut Budget,
        candidate: &Candidate,
        vector: &'v Vector,
        now: Instant,
    ) -> Result<Self, String> {
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
        let weight = Weight::of(candidate.definition(), model.outputs().map(|(_, output)| output.kind));
        budget.spend(weight.weighing)?;
        let only_found = vector.turns.iter().all(|turn| turn.act == Act::Identify);
        let protocol = match candidate.build(setup) {
            // What is known and not driven can be found nevertheless.
            Err(_) if only_found => Box::new(NotDriven),
            protocol => protocol?,
        };
        Ok(Self {
            budget,
            weight,
            vector,
            protocol,
            outputs: Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind))),
            start: now,
            now,
            last_write: now,
            heard: vector.hears.iter(),
            moments: Vec::new(),
            readings: Vec::new(),
        })
    }

    /// Plays all turns and compares.
    ///
    /// # Errors
    /// The first thing that is different.
    pub(super) fn run(&mut self, candidate: &Candidate) -> Result<(), Difference> {
        for turn in &self.vector.turns {
            let different = |message| Difference { place: turn.place, message };
            self.moments.clear();
            self.act(&turn.act, candidate).map_err(|error| different(format!("`{}`: {error}", turn.text)))?;
            let told = told(&self.moments);
            if told != turn.told {
                let (told, expected) =
                    (listed(&told, " | ", "nothing"), listed(&turn.told, " | ", "nothing"));
                return Err(different(format!("`{}` gives {told}; expected {expected}", turn.text)));
            }
        }
        let different = |message| Difference { place: self.vector.place, message };
        if self.readings != self.vector.readings {
            let (readings, expected) =
                (listed(&self.readings, ", ", "none"), listed(&self.vector.readings, ", ", "none"));
            return Err(different(format!("the readings are {readings}; expected {expected}")));
        }
        match self.heard.len() {
            0 => Ok(()),
            left => Err(different(format!("{left} of the things the hardware says were never asked for"))),
        }
    }

    /// Plays one turn.
    ///
    /// # Errors
    /// It can't be done, or takes too much work; the reason is for people.
    pub(super) fn act(&mut self, act: &Act, candidate: &Candidate) -> Result<(), String> {
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
                self.write_changes()?;
            }
            Act::Stop => self.stop()?,
            Act::Connect => {
                self.converse(Topic::Connect)?;
                if self.protocol.keepalive().is_some() {
                    self.stop()?;
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
                self.call(data.len())?;
                let mut frames = Frames::new();
                self.protocol.notified(self.now, *endpoint, data, &mut self.readings, &mut frames);
                self.tell(frames);
            }
        }
        Ok(())
    }

    /// Pays for a call of the protocol with so many bytes from the hardware.
    fn call(&mut self, heard: usize) -> Result<(), String> {
        self.budget.spend(self.weight.call.saturating_add(heard as u64))
    }

    fn stop(&mut self) -> Result<(), String> {
        for slot in self.outputs.slots().iter().filter(|slot| !slot.kind.is_stoppable()) {
            self.protocol.halt(slot.feature);
        }
        let stops = |slot: &&mut OutputSlot| slot.kind.is_stoppable();
        for slot in self.outputs.slots_mut().iter_mut().filter(stops) {
            (slot.value, slot.changed) = (0, true);
        }
        let told = self.moments.len();
        self.write_changes()?;
        // Where there is no zero to write, a stop may be the protocol's own.
        if self.moments.len() == told && self.protocol.next_tick().is_some_and(|due| due <= self.now) {
            self.call(0)?;
            let mut frames = Frames::new();
            self.protocol.tick(self.now, &self.outputs, &mut frames);
            self.tell(frames);
        }
        Ok(())
    }

    fn write_changes(&mut self) -> Result<(), String> {
        self.call(0)?;
        let mut frames = Frames::new();
        self.protocol.frames(self.now, &self.outputs, &mut frames);
        self.outputs.slots_mut().iter_mut().for_each(|slot| slot.changed = false);
        self.tell(frames);
        Ok(())
    }

    fn happens(&mut self, what: Happening) {
        self.moments.push(Moment { at: self.now - self.start, what });
    }

    fn told(&mut self, step: VectorStep) {
        self.happens(Happening::Told(step));
    }

    fn tell(&mut self, frames: Frames) {
        if !frames.is_empty() {
            self.last_write = self.now;
        }
        frames.into_iter().for_each(|frame| self.told(VectorStep::Write(frame)));
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
            if self.moments.len() > MAX_STEPS {
                break;
            }
            self.call(0)?;
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
            self.call(answer.bytes())?;
            match self.protocol.converse(topic, answer.heard()) {
                Turn::Do(step) => answer = self.carry_out(step),
                Turn::Done(value) => return Ok(value),
                Turn::Fail(reason) => return Err(reason),
            }
        }
        Err(String::from("the conversation never ends"))
    }

    fn identify(&mut self, candidate: &Candidate) -> Result<(), String> {
        let sighting = self.vector.sighting();
        let mut identification: Box<dyn Identification> = candidate.identification(&sighting)?;
        let step = effort::of_identification(&candidate.definition().identify, sighting.name());
        let mut answer = Answer::Start;
        for _ in 0..MAX_STEPS {
            self.budget.spend(step.saturating_add(answer.bytes() as u64))?;
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
                self.told(VectorStep::Write(frame));
                self.last_write = self.now;
            }
            Step::Subscribe(endpoint) => self.told(VectorStep::Subscribe(endpoint)),
            Step::Unsubscribe(endpoint) => self.told(VectorStep::Unsubscribe(endpoint)),
            Step::Pause(time) => {
                self.told(VectorStep::Wait(time));
                self.now += time;
            }
            Step::Read { endpoint, .. } => {
                self.told(VectorStep::Read(endpoint));
                return match said {
                    Some(Said::Data(from, data)) if *from == endpoint => {
                        self.happens(Happening::Answers(data.clone()));
                        Answer::Data(data)
                    }
                    _ => Answer::Failed,
                };
            }
            Step::Listen(time) => {
                if let Some(Said::Data(from, data)) = said {
                    self.happens(Happening::Notifies(*from, data.clone()));
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
    fn bytes(&self) -> usize {
        match self {
            Self::Data(data) | Self::Notified(_, data) => data.len(),
            Self::Start | Self::Done | Self::Silence | Self::Failed => 0,
        }
    }

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

/// The things in a row, as far as a person wants to read them.
fn listed(things: &[impl Display], between: &str, none: &str) -> String {
    if things.is_empty() {
        return none.into();
    }
    let named: Vec<String> = things.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = things.len().saturating_sub(MAX_NAMED);
    let more = if more == 0 { String::new() } else { format!("{between}… {more} more") };
    named.join(between) + &more
}
