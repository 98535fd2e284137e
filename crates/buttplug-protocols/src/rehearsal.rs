//! Runs a definition's vectors against the protocol it makes: no hardware, no waiting, time as an argument.

mod effort;
mod run;

pub use effort::MAX_REHEARSAL_EFFORT;

use crate::catalogue::{Candidate, Catalogue};
use crate::definition::{self, DefinitionError, DefinitionFile, MAX_ERRORS, Place, Vector, VectorStep};
use crate::frame::Endpoint;
use crate::model::{Model, ModelFeature};
use crate::protocol::Reading;
use crate::sighting::{Advertisement, Sighting};
use effort::Budget;
use run::Rehearsal;
use std::sync::Arc;
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

/// Runs a vector against the protocol that `candidate` makes, beginning at `now`.
///
/// # Errors
/// What is different from what the vector says.
pub fn rehearse(candidate: &Candidate, vector: &Vector, now: Instant) -> Result<(), Difference> {
    rehearse_within(&mut Budget::whole(), candidate, vector, now)
}

fn rehearse_within(
    budget: &mut Budget,
    candidate: &Candidate,
    vector: &Vector,
    now: Instant,
) -> Result<(), Difference> {
    let mut rehearsal = Rehearsal::new(budget, candidate, vector, now)
        .map_err(|message| Difference { place: vector.place, message })?;
    rehearsal.run(candidate)
}

/// Checks a definition of a person's own as it would be used, and runs its vectors. Answers what it says. All that the
/// vectors do together is bounded by [`MAX_REHEARSAL_EFFORT`].
///
/// # Errors
/// All that is wrong with it, and where.
///
/// ```
/// use buttplug_protocols::rehearsal::check;
/// use std::time::{Duration, Instant};
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
    if let Err(reason) = catalogue.add_definitions([Arc::new(file.definition.clone())]) {
        let place = file.code_place.unwrap_or(Place { line: 1, column: 1 });
        return Err(vec![error(place, reason.to_string())]);
    }
    let Some(candidate) = catalogue.protocol(&file.definition.id) else { return Ok(file) };
    let mut budget = Budget::whole();
    let mut errors = Vec::new();
    for vector in &file.vectors {
        if let Err(different) = rehearse_within(&mut budget, &candidate, vector, now) {
            errors.push(error(different.place, different.message));
        }
        if budget.is_spent() || errors.len() == MAX_ERRORS {
            break;
        }
    }
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
    let Course { turns, readings, error, .. } = course(candidate, vector, now);
    Told { turns: turns.iter().map(|moments| told(moments)).collect(), readings, error }
}

/// What happens on the side of the hardware, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time since the rehearsal began.
    pub at: Duration,
    /// What happens.
    pub what: Happening,
}

/// What happens on the side of the hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is told something. After [`VectorStep::Wait`] the time goes on.
    Told(VectorStep),
    /// It answers what it has just been asked to read. A read that nothing answers fails.
    Answers(Vec<u8>),
    /// It notifies of something that is waited for.
    Notifies(Endpoint, Vec<u8>),
}

/// The whole course of a rehearsal, for those who play the part of the hardware elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// What happens in each turn. The last one is incomplete if there is an error.
    pub turns: Vec<Vec<Moment>>,
    /// The readings that come of it, in order.
    pub readings: Vec<Reading>,
    /// How many of the things that the hardware says were never asked for.
    pub unheard: usize,
    /// Why it goes on no further.
    pub error: Option<String>,
}

/// Plays the turns of a vector, beginning at `now`. What the vector says about what the hardware is told is passed over.
pub fn course(candidate: &Candidate, vector: &Vector, now: Instant) -> Course {
    let mut course = Course::default();
    let mut budget = Budget::whole();
    let mut rehearsal = match Rehearsal::new(&mut budget, candidate, vector, now) {
        Ok(rehearsal) => rehearsal,
        Err(error) => return Course { error: Some(error), ..course },
    };
    for turn in &vector.turns {
        let acted = rehearsal.act(&turn.act, candidate);
        course.turns.push(std::mem::take(&mut rehearsal.moments));
        if let Err(error) = acted {
            course.error = Some(error);
            break;
        }
    }
    course.readings = rehearsal.readings;
    course.unheard = rehearsal.heard.len();
    course
}

fn told(moments: &[Moment]) -> Vec<VectorStep> {
    let step = |moment: &Moment| match &moment.what {
        Happening::Told(step) => Some(step.clone()),
        Happening::Answers(_) | Happening::Notifies(..) => None,
    };
    moments.iter().filter_map(step).collect()
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
        Sighting::new(
            self.address.clone().unwrap_or_else(|| "rehearsal".into()),
            Advertisement::Bluetooth {
                name,
                manufacturer_data: self.manufacturer.clone(),
                services: Vec::new(),
            },
        )
    }
}
