//! Tries what a definition writes: every output of a model, with its values, on all hardware that makes a difference.

use super::reader::Source;
use super::{Form, Group, MAX_ASKED_ENDPOINTS, Output, kind};
use crate::frame::Endpoint;
use crate::notation::expression::{MAX_ANSWER_BYTES, Name, Scope, Slot};
use crate::notation::frame::applying;
use buttplug_core::OutputKind;

/// What [`check_outputs`] will take.
pub(super) fn effort_of_outputs(group: &Group, form: &Form) -> u64 {
    let outputs = group.features.iter().flat_map(|feature| &feature.outputs);
    let count = outputs.clone().count();
    let cases = Case::all(form).len() as u64;
    let of = |output: &Output| {
        let tries = samples(output.range).len() as u64 * OTHERS * (1 + u64::from(output.duration.is_some()));
        let frames = form.frames(output.kind).iter();
        let each = frames.fold(1u64, |sum, template| sum.saturating_add(template.extent(count).effort));
        tries.saturating_mul(each).saturating_mul(cases)
    };
    outputs.fold(0u64, |sum, output| sum.saturating_add(of(output)))
}

/// In how many states the other outputs are while one is tried.
const OTHERS: u64 = 3;

/// What hardware may have and answer, as far as frames for outputs ask.
struct Case {
    endpoints: Vec<Endpoint>,
    answer: &'static [u8],
}

impl Case {
    /// Every combination of the endpoints that are asked for, without an answer and with one of the greatest bytes.
    fn all(form: &Form) -> Vec<Self> {
        let asked: Vec<Endpoint> = form.asks_for().into_iter().take(MAX_ASKED_ENDPOINTS).collect();
        let frames = || form.write.iter().flat_map(|rule| &rule.frames);
        let answers: &[&[u8]] = match frames().any(|template| template.mentions(&Name::is_of_answer)) {
            true => &[&[], &[0xff; MAX_ANSWER_BYTES]],
            false => &[&[]],
        };
        let mut cases = Vec::new();
        for choice in 0..1u32 << asked.len() {
            let chosen = asked.iter().enumerate().filter(|(place, _)| choice >> place & 1 == 1);
            let endpoints: Vec<Endpoint> = chosen.map(|(_, endpoint)| *endpoint).collect();
            cases.extend(answers.iter().map(|answer| Self { endpoints: endpoints.clone(), answer }));
        }
        cases
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names = self.endpoints.iter();
        if let Some(first) = names.next() {
            write!(f, ", if the hardware has `{first}`")?;
            names.try_for_each(|endpoint| write!(f, " and `{endpoint}`"))?;
        }
        Ok(())
    }
}

/// Tries every output with its values, alone and with the others at their ends: something must be written, unless it is
/// `coded`, and every number must fit its place.
pub(super) fn check_outputs(group: &Group, form: &Form, coded: bool, at: usize, source: &mut Source<'_>) {
    let outputs: Vec<(u32, &Output)> = group
        .features
        .iter()
        .flat_map(|feature| feature.outputs.iter().map(move |output| (feature.index, output)))
        .collect();
    for place in 0..outputs.len() {
        for case in Case::all(form) {
            let Err((message, missing)) = try_output(&outputs, place, group, form, &case) else { continue };
            // Code may write frames of its own, and choose another form.
            if !(coded && missing) {
                source.error(at, message);
                break;
            }
        }
    }
}

/// Tries one output on hardware of one kind. An error says whether it is about frames that are missing.
fn try_output(
    outputs: &[(u32, &Output)],
    place: usize,
    group: &Group,
    form: &Form,
    case: &Case,
) -> Result<(), (String, bool)> {
    let Some((feature, output)) = outputs.get(place) else { return Ok(()) };
    let templates = form.frames(output.kind);
    let name = kind::output_name(output.kind);
    let (mut written, mut written_at_rest) = (false, false);
    let durations = output.duration.map_or(vec![0], |(least, greatest)| vec![least, greatest]);
    // All others at rest, at their least, at their greatest.
    let states: [fn(&Output) -> i32; OTHERS as usize] = [|_| 0, |o| o.range.0.min(0), |o| o.range.1];
    for others in states {
        let slot = |(feature, output): &(u32, &Output)| {
            let (feature, kind, value) = (*feature, output.kind, others(output));
            Slot { feature, kind, value, duration_ms: 0, distance: 0 }
        };
        let mut slots: Vec<Slot> = outputs.iter().map(slot).collect();
        for value in samples(output.range) {
            for duration in &durations {
                slots[place].value = value;
                slots[place].duration_ms = duration.unsigned_abs();
                slots[place].distance = value.unsigned_abs();
                let scope = Scope {
                    slots: &slots,
                    this: Some(slots[place]),
                    counter: u8::MAX,
                    constants: &group.constants,
                    endpoints: &case.endpoints,
                    answer: case.answer,
                };
                for (_, template) in applying(templates, &scope) {
                    written = true;
                    written_at_rest |= value == 0;
                    if !template.frame(&scope).1 {
                        let time = if *duration == 0 { String::new() } else { format!(" in {duration} ms") };
                        let text = format!(
                            "`{name} {feature} {value}{time}` does not fit its place in the frame{case}"
                        );
                        return Err((text, false));
                    }
                }
            }
        }
    }
    let at_rest = written_at_rest || !output.kind.is_stoppable();
    if !written {
        return Err((format!("nothing is written for {name} of feature {feature}{case}"), true));
    }
    // What sprays stops by itself; everything else would run on.
    if !at_rest && output.kind != OutputKind::Spray {
        let text = format!("nothing is written when {name} of feature {feature} is stopped{case}");
        return Err((text, false));
    }
    Ok(())
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
