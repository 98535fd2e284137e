//! Drives a device by its definition. Knows the notation's types and the trait, and no particular protocol.

use crate::definition::{Definition, Form, Group, MAX_FRAMES};
use crate::frame::{Endpoint, Frame, Frames};
use crate::model::Model;
use crate::notation::expression::{MAX_ANSWER_BYTES, Scope, Slot};
use crate::notation::frame::{Condition, Conditions, applying};
use crate::notation::number::Format;
use crate::notation::pattern::{Part, Pattern};
use crate::notation::step::{Action, StepTemplate};
use crate::protocol::{Heard, Input, OutputSlot, Outputs, Protocol, Reading, Step, Topic, Turn};
use buttplug_core::{InputKind, StepRange};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many notifications that are not the expected one are passed over in one step, so that hardware that never stops
/// talking can't hold up a conversation for good.
const MAX_PASSED_OVER: u32 = 64;

/// One device, driven by its definition.
#[derive(Debug)]
pub(crate) struct Interpreter {
    definition: Arc<Definition>,
    /// The place of the form among the definition's.
    form: usize,
    constants: Vec<i64>,
    /// The endpoints that the hardware has.
    endpoints: Vec<Endpoint>,
    /// What it answered last while connecting.
    answer: Vec<u8>,
    outputs: Vec<OutputState>,
    /// What expressions see of the outputs.
    slots: Vec<Slot>,
    inputs: Vec<(Input, StepRange)>,
    counter: u8,
    /// How many frames the last change of outputs made.
    made: usize,
    conversation: Conversation,
    subscribed: Vec<Input>,
}

/// What is remembered of an output.
#[derive(Debug)]
struct OutputState {
    /// The values that make sense. Zero always does.
    least: i32,
    greatest: i32,
    greatest_duration: u32,
    /// Whether it is to be written now.
    changed: bool,
    /// Whether a client has ever set it.
    touched: bool,
    /// Where a movement has come to by what was written: the next way begins here.
    at: i32,
    /// Where it was before the last frames.
    before: i32,
    /// The place of its last frame among those of the last change, if it had one.
    frame: Option<usize>,
}

/// Where a conversation is.
#[derive(Debug, Default)]
struct Conversation {
    place: usize,
    passed_over: u32,
    conditions: Conditions,
    value: Option<i32>,
}

impl Interpreter {
    /// For a device of a model.
    ///
    /// # Errors
    /// The definition has no such variant.
    pub(crate) fn new(
        definition: Arc<Definition>,
        group: Option<&Group>,
        variant: Option<&str>,
        model: &Model,
        endpoints: &[Endpoint],
    ) -> Result<Self, String> {
        let name = variant.unwrap_or("");
        let Some(form) = definition.forms.iter().position(|form| form.name == name) else {
            return Err(format!("the protocol {} has no variant {name:?}", definition.id));
        };
        let mut listed: Vec<_> = model.outputs().collect();
        listed.sort_by_key(|(feature, output)| (*feature, output.kind));
        let state = |output: &crate::model::ModelOutput| OutputState {
            least: output.range.min().min(0),
            greatest: output.range.max().max(0),
            greatest_duration: output.duration_ms.map_or(u32::MAX, |range| range.max().unsigned_abs()),
            changed: false,
            touched: false,
            at: 0,
            before: 0,
            frame: None,
        };
        let slot = |feature: u32, kind| Slot { feature, kind, value: 0, duration_ms: 0, distance: 0 };
        let outputs = listed.iter().map(|(_, output)| state(output)).collect();
        let slots = listed.iter().map(|(feature, output)| slot(feature.0, output.kind)).collect();
        let of = |feature: &crate::model::ModelFeature| {
            let index = feature.index;
            let range =
                |ranges: &[StepRange]| ranges.first().copied().unwrap_or(StepRange::new(i32::MIN, i32::MAX));
            let input = move |input: &crate::model::ModelInput| {
                (Input { feature: index, kind: input.kind }, range(&input.ranges))
            };
            feature.inputs.iter().map(input).collect::<Vec<_>>()
        };
        let inputs = model.features.iter().flat_map(of).collect();
        let group = group.or_else(|| definition.fallback().map(|(group, _)| group));
        let constants = group.map(|group| group.constants.clone()).unwrap_or_default();
        let conversation = Conversation::default();
        let subscribed = Vec::new();
        Ok(Self {
            form,
            constants,
            endpoints: endpoints.to_vec(),
            answer: Vec::new(),
            outputs,
            slots,
            inputs,
            counter: 0,
            made: 0,
            conversation,
            subscribed,
            definition,
        })
    }

    /// Takes over what all outputs shall be.
    fn take_all(&mut self, outputs: &Outputs) {
        for state in &mut self.outputs {
            (state.changed, state.frame) = (false, None);
        }
        for (place, wanted) in outputs.slots().iter().enumerate() {
            self.take(place, wanted);
        }
    }

    /// Takes over what a slot shall be, if the device has such an output. `place` is where it usually is.
    fn take(&mut self, place: usize, wanted: &OutputSlot) -> Option<()> {
        let fits = |slot: &Slot| slot.feature == wanted.feature.0 && slot.kind == wanted.kind;
        // The usual case first: the same outputs in the same order.
        let place = match self.slots.get(place) {
            Some(slot) if fits(slot) => place,
            _ => self.slots.iter().position(fits)?,
        };
        let (state, slot) = (self.outputs.get_mut(place)?, self.slots.get_mut(place)?);
        let value = wanted.value.clamp(state.least, state.greatest);
        let duration_ms = wanted.duration_ms.min(state.greatest_duration);
        state.changed = wanted.changed;
        let same = (slot.value, slot.duration_ms) == (value, duration_ms);
        // The same once more is the same frame once more, not a way of no length.
        if !same || (wanted.changed && !state.touched) {
            state.touched = true;
            slot.distance = value.abs_diff(state.at);
        }
        state.before = state.at;
        if wanted.changed || !same {
            state.at = value;
        }
        slot.value = value;
        slot.duration_ms = duration_ms;
        Some(())
    }

    /// Appends the frames of the outputs that `which` names, each frame that is about the whole device only once.
    fn write(&mut self, which: impl Fn(&Slot, &OutputState) -> bool, out: &mut Frames) {
        let definition = Arc::clone(&self.definition);
        let Some(form) = definition.forms.get(self.form) else { return };
        let start = out.len();
        // Where the form's frames are among those written now.
        let mut written = [None; MAX_FRAMES];
        for (slot, state) in self.slots.iter().zip(&mut self.outputs) {
            if !which(slot, state) {
                continue;
            }
            let Some((before, rule)) = form.rule(slot.kind) else { continue };
            let mut counter = self.counter;
            let scope = Scope {
                slots: &self.slots,
                this: Some(*slot),
                counter,
                constants: &self.constants,
                endpoints: &self.endpoints,
                answer: &self.answer,
            };
            for (number, template) in applying(&rule.frames, &scope) {
                // There are at most so many frames in a form.
                let Some(place) = written.get_mut(before + number) else { continue };
                if template.of_one_output || place.is_none() {
                    *place = Some(out.len() - start);
                    out.push(template.frame(&Scope { counter, ..scope }).0);
                    counter = counter.wrapping_add(u8::from(template.counts));
                }
                state.frame = state.frame.max(*place);
            }
            self.counter = counter;
        }
        self.made = out.len() - start;
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            slots: &self.slots,
            this: None,
            counter: self.counter,
            constants: &self.constants,
            endpoints: &self.endpoints,
            answer: &self.answer,
        }
    }

    // Conversations.

    /// Takes in what came of the step before; an error ends the conversation.
    fn hear(&mut self, step: &StepTemplate, feature: u32, heard: Heard<'_>) -> Result<Progress, String> {
        match (&step.action, heard) {
            (_, Heard::Failed(reason)) => Err(reason.to_owned()),
            (Action::Read(_, _, pattern), Heard::Data(data)) => match pattern.find(data, feature) {
                Some(value) => {
                    self.conversation.value = value.or(self.conversation.value);
                    Ok(Progress::Next)
                }
                None => Err(format!("did not understand the answer ({} bytes)", data.len())),
            },
            (Action::Expect(endpoint, pattern, _), Heard::Notified(from, data)) => {
                let found = if from == *endpoint { pattern.find(data, feature) } else { None };
                if let Some(value) = found {
                    self.conversation.value = value.or(self.conversation.value);
                    return Ok(Progress::Next);
                }
                self.conversation.passed_over += 1;
                if self.conversation.passed_over > MAX_PASSED_OVER {
                    return Err(format!("among {MAX_PASSED_OVER} notifications was none that was expected"));
                }
                Ok(Progress::Again)
            }
            (Action::Expect(endpoint, ..), Heard::Silence) => Err(format!("no answer at {endpoint}")),
            _ => Ok(Progress::Next),
        }
    }

    /// A conversation about an input of a feature, or about connecting: what is answered there is kept for the frames.
    fn talk(&mut self, steps: &[StepTemplate], feature: Option<u32>, heard: Heard<'_>) -> Turn<Option<i32>> {
        if matches!(heard, Heard::Start) {
            self.conversation = Conversation::default();
            if feature.is_none() {
                self.answer.clear();
            }
        } else if let Some(step) = steps.get(self.conversation.place) {
            match self.hear(step, feature.unwrap_or(0), heard) {
                Ok(Progress::Next) => {
                    if let (None, Heard::Data(data) | Heard::Notified(_, data)) = (feature, heard) {
                        self.answer = data[..data.len().min(MAX_ANSWER_BYTES)].to_vec();
                    }
                    self.conversation.place += 1;
                    self.conversation.passed_over = 0;
                }
                Ok(Progress::Again) => {}
                Err(reason) => return Turn::Fail(reason),
            }
        }
        while let Some(step) = steps.get(self.conversation.place) {
            if let Some(step) = self.step(step) {
                return Turn::Do(step);
            }
            self.conversation.place += 1;
        }
        Turn::Done(self.conversation.value)
    }

    /// The step to carry out; none if its condition does not hold.
    fn step(&mut self, step: &StepTemplate) -> Option<Step> {
        let mut conditions = self.conversation.conditions;
        let holds = conditions.hold(&step.condition, &self.scope());
        self.conversation.conditions = conditions;
        if !holds {
            return None;
        }
        Some(match &step.action {
            Action::Write(template) => {
                let frame = template.frame(&self.scope()).0;
                self.counter = self.counter.wrapping_add(u8::from(template.counts));
                Step::Write(frame)
            }
            Action::Subscribe(endpoint) => Step::Subscribe(*endpoint),
            Action::Unsubscribe(endpoint) => Step::Unsubscribe(*endpoint),
            Action::Wait(ms) => Step::Pause(Duration::from_millis(u64::from(*ms))),
            Action::Read(endpoint, length, _) => Step::Read { endpoint: *endpoint, length: *length },
            Action::Expect(_, _, ms) | Action::Listen(ms) => {
                Step::Listen(Duration::from_millis(u64::from(*ms)))
            }
        })
    }

    /// Beginning and ending of notifications. Inputs that share an endpoint share its subscription.
    fn notifications(
        &mut self,
        form: &Form,
        input: Input,
        begin: bool,
        heard: Heard<'_>,
    ) -> Turn<Option<i32>> {
        let Some(rule) = form.notify(input.kind) else {
            return Turn::Fail(format!("{} can't be subscribed", input.kind));
        };
        match heard {
            Heard::Failed(reason) => return Turn::Fail(reason.to_owned()),
            Heard::Start => {
                self.subscribed.retain(|subscribed| *subscribed != input);
                let shares = |other: &Input| {
                    form.notify(other.kind).is_some_and(|other| other.endpoint == rule.endpoint)
                };
                if !self.subscribed.iter().any(shares) {
                    let (on, off) = (Step::Subscribe(rule.endpoint), Step::Unsubscribe(rule.endpoint));
                    return Turn::Do(if begin { on } else { off });
                }
            }
            _ => {}
        }
        if begin {
            self.subscribed.push(input);
        }
        Turn::Done(None)
    }
}

enum Progress {
    Next,
    Again,
}

impl Protocol for Interpreter {
    fn converse(&mut self, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        let definition = Arc::clone(&self.definition);
        let Some(form) = definition.forms.get(self.form) else { return Turn::Fail("no form".into()) };
        match topic {
            Topic::Connect => match self.talk(&form.connect, None, heard) {
                Turn::Done(_) => Turn::Done(None),
                turn => turn,
            },
            Topic::Read(input) => {
                let turn = match (form.read(input.kind), input.kind) {
                    (Some(steps), _) => self.talk(steps, Some(input.feature.0), heard),
                    (None, InputKind::Battery) => self.talk(&[battery()], Some(input.feature.0), heard),
                    (None, kind) => return Turn::Fail(format!("{kind} can't be read")),
                };
                match turn {
                    Turn::Done(Some(value)) => Turn::Done(Some(self.limited(input, value))),
                    Turn::Done(None) => Turn::Fail(format!("the answer holds no {}", input.kind)),
                    turn => turn,
                }
            }
            Topic::Subscribe(input) => self.notifications(form, input, true, heard),
            Topic::Unsubscribe(input) => self.notifications(form, input, false, heard),
        }
    }

    fn frames(&mut self, _now: Instant, outputs: &Outputs, out: &mut Frames) {
        self.take_all(outputs);
        self.write(|_, state| state.changed, out);
    }

    fn not_written(&mut self, frames: &[Frame]) {
        // A way begins where the device is. What outputs shall be stays: it will be written again, and a keepalive must
        // not show what was before. Counters have gaps, which no hardware minds.
        let written = self.made.saturating_sub(frames.len());
        let lost = |state: &&mut OutputState| state.frame.is_some_and(|place| place >= written);
        for state in self.outputs.iter_mut().filter(lost) {
            state.at = state.before;
        }
    }

    fn notified(
        &mut self,
        _now: Instant,
        endpoint: Endpoint,
        data: &[u8],
        readings: &mut Vec<Reading>,
        _out: &mut Frames,
    ) {
        let Some(form) = self.definition.forms.get(self.form) else { return };
        for input in &self.subscribed {
            let rule = form.notify(input.kind).filter(|rule| rule.endpoint == endpoint);
            let value = rule.and_then(|rule| rule.pattern.find(data, input.feature.0)).flatten();
            readings.extend(value.map(|value| Reading { input: *input, value: self.limited(*input, value) }));
        }
    }

    fn keepalive(&self) -> Option<Duration> {
        let keepalive = self.definition.forms.get(self.form)?.keepalive?;
        Some(Duration::from_millis(u64::from(keepalive.after_ms)))
    }

    fn keepalive_frames(&mut self, _now: Instant, outputs: &Outputs, out: &mut Frames) {
        self.take_all(outputs);
        let keepalive = self.definition.forms.get(self.form).and_then(|form| form.keepalive);
        let resting = self.slots.iter().all(|slot| slot.value == 0);
        if keepalive.is_some_and(|keepalive| keepalive.while_running && resting) {
            return;
        }
        // A position that nobody has set stays unset.
        self.write(|slot, state| state.touched || slot.kind.is_stoppable(), out);
    }
}

impl Interpreter {
    fn limited(&self, input: Input, value: i32) -> i32 {
        self.inputs.iter().find(|(listed, _)| *listed == input).map_or(value, |(_, range)| range.clamp(value))
    }
}

/// How a battery is read where the definition says nothing else: the standard characteristic, one byte.
fn battery() -> StepTemplate {
    let pattern = Pattern { parts: vec![Part::Value(None, Format::U8)], open: true };
    let action = Action::Read(Endpoint::RxBleBattery, 1, pattern);
    StepTemplate { condition: Condition::Always, action }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Setup};
    use crate::definition::Vector;
    use buttplug_core::{FeatureIndex, OutputKind};

    fn piston() -> (Box<dyn Protocol>, Outputs) {
        let candidate = Catalogue::builtin().protocol("vorze-sa").unwrap();
        let vector = Vector { model: Some("VorzePiston".into()), ..Vector::default() };
        let (sighting, model) = (vector.sighting(), vector.model(&candidate).unwrap());
        let identifier = vector.model.as_deref();
        let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let outputs = Outputs::at_rest([(FeatureIndex(0), OutputKind::HwPositionWithDuration)]);
        (candidate.build(setup).unwrap(), outputs)
    }

    fn moved(protocol: &mut dyn Protocol, outputs: &mut Outputs, value: i32, duration_ms: u32) -> Frames {
        let slot = &mut outputs.slots_mut()[0];
        (slot.value, slot.duration_ms, slot.changed) = (value, duration_ms, true);
        let mut frames = Frames::new();
        protocol.frames(Instant::now(), outputs, &mut frames);
        frames
    }

    #[test]
    fn a_way_begins_where_the_last_written_one_ended() {
        // What is asked for, whether it arrives, and the speed that follows from the way.
        let (up, slow, back) =
            ((80, 400, "tx: 03 50 09"), (40, 200, "tx: 03 28 09"), (80, 200, "tx: 03 50 09"));
        let turns =
            [(up, false), (up, false), (up, false), (slow, true), (back, false), (back, true), (slow, true)];
        let (mut protocol, mut outputs) = piston();
        for ((value, duration, expected), arrives) in turns {
            let frames = moved(&mut *protocol, &mut outputs, value, duration);
            assert_eq!(frames.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
            if !arrives {
                protocol.not_written(&frames);
            }
        }
    }

    #[test]
    fn only_movements_whose_frame_was_lost_begin_where_they_were() {
        let text = r#"
            write = "feature value distance"
            [[websocket]]
            names = ["rails"]
            [[model]]
            fallback = "Rails"
            features = [{ timed-position = 100, duration = 1000 }, { timed-position = 100, duration = 1000 }]
            [[example]]
            do = "timed-position 0 1 in 1 ms"
            write = "00 01 01"
        "#;
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("rails.toml", text).unwrap();
        let candidate = catalogue.protocol("rails").unwrap();
        let (sighting, model) = (Vector::default().sighting(), candidate.model(None).unwrap());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let mut protocol = candidate.build(setup).unwrap();
        let mut outputs = Outputs::at_rest(model.outputs().map(|(feature, output)| (feature, output.kind)));
        let mut go = |protocol: &mut dyn Protocol, value| {
            for slot in outputs.slots_mut() {
                (slot.value, slot.duration_ms, slot.changed) = (value, 100, true);
            }
            let mut frames = Frames::new();
            protocol.frames(Instant::now(), &outputs, &mut frames);
            (outputs.clone(), frames)
        };
        let (_, frames) = go(&mut *protocol, 0x10);
        protocol.not_written(&frames[1..]);
        let (outputs, frames) = go(&mut *protocol, 0x20);
        assert_eq!(
            frames.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["tx: 00 20 10", "tx: 01 20 20"]
        );
        // What keeps a device listening and is lost is no way back.
        let mut frames = Frames::new();
        protocol.keepalive_frames(Instant::now(), &outputs, &mut frames);
        assert_eq!(frames.len(), 2);
        protocol.not_written(&frames);
        let (_, frames) = go(&mut *protocol, 0x21);
        assert_eq!(
            frames.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["tx: 00 21 01", "tx: 01 21 01"]
        );
    }

    #[test]
    fn a_keepalive_never_shows_what_was_before_a_stop_that_got_lost() {
        let catalogue = Catalogue::builtin();
        for id in ["mysteryvibe", "satisfyer"] {
            let candidate = catalogue.protocol(id).unwrap();
            for group in &candidate.definition().groups {
                let identifier = group.names.first().and_then(|(_, ids)| ids.first()).map(String::as_str);
                let (sighting, model) = (Vector::default().sighting(), candidate.model(identifier).unwrap());
                let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
                let mut protocol = candidate.build(setup).unwrap();
                let kinds = || model.outputs().map(|(feature, output)| (feature, output.kind));
                let mut outputs = Outputs::at_rest(kinds());
                let mut frames = Frames::new();
                for value in [20, 0] {
                    outputs
                        .slots_mut()
                        .iter_mut()
                        .for_each(|slot| (slot.value, slot.changed) = (value, true));
                    frames.clear();
                    protocol.frames(Instant::now(), &outputs, &mut frames);
                }
                let stop = frames.clone();
                protocol.not_written(&stop);
                // Whether the one who keeps the state hands in the stop once more or nothing at all.
                for outputs in [&outputs, &Outputs::default()] {
                    frames.clear();
                    protocol.keepalive_frames(Instant::now(), outputs, &mut frames);
                    assert!(frames.is_empty() || frames == stop, "{id}: {frames:?}");
                }
                // And whatever is handed in is what is shown.
                frames.clear();
                let mut newest = Outputs::at_rest(kinds());
                newest.slots_mut().iter_mut().for_each(|slot| slot.value = 30);
                protocol.keepalive_frames(Instant::now(), &newest, &mut frames);
                assert!(!frames.is_empty() && frames != stop, "{id}: {frames:?}");
            }
        }
    }

    #[test]
    fn outputs_that_the_device_does_not_have_are_passed_over() {
        let (mut protocol, _) = piston();
        let mut others = Outputs::at_rest([
            (FeatureIndex(0), OutputKind::Vibrate),
            (FeatureIndex(0), OutputKind::HwPositionWithDuration),
            (FeatureIndex(7), OutputKind::Vibrate),
        ]);
        others.slots_mut().iter_mut().for_each(|slot| (slot.value, slot.changed) = (80, true));
        let mut frames = Frames::new();
        protocol.frames(Instant::now(), &others, &mut frames);
        assert_eq!(frames.len(), 1);
    }
}
