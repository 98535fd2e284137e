//! What it takes to run examples, counted in work and not in time: every machine refuses the same ones.

use crate::definition::{Definition, Identify};
use crate::notation::frame::Template;
use crate::notation::step::{Action, StepTemplate};
use buttplug_core::OutputKind;
use std::collections::BTreeMap;

/// How many numbers, names and bytes may be looked at to run the examples of a definition, which bounds the time that
/// takes to about a second. What is built in needs a small part of it.
pub const MAX_REHEARSAL_EFFORT: u64 = 50_000_000;

/// What a call of a protocol takes, measured in the same, however little there is to do.
const EMPTY_CALL: u64 = 32;

/// What may still be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(Option<u64>);

impl Budget {
    /// For all examples of a definition.
    pub(super) fn whole() -> Self {
        Self(Some(MAX_REHEARSAL_EFFORT))
    }

    /// Pays for what is about to be done.
    ///
    /// # Errors
    /// More than is left. From then on nothing can be paid.
    pub(super) fn spend(&mut self, effort: u64) -> Result<(), String> {
        self.0 = self.0.and_then(|left| left.checked_sub(effort));
        let spent = || String::from("the examples take too much work; there may be fewer, or shorter waits");
        self.0.map(|_| ()).ok_or_else(spent)
    }

    /// Whether more was asked for than there was.
    pub(super) fn is_spent(&self) -> bool {
        self.0.is_none()
    }
}

/// What a definition takes on a device with certain outputs, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// One call of the protocol, whatever it is about.
    pub(super) call: u64,
    /// Finding this out.
    pub(super) weighing: u64,
}

impl Weight {
    /// Of a definition on a device with these outputs. Code may choose any form for any model.
    pub(super) fn of(definition: &Definition, outputs: impl IntoIterator<Item = OutputKind>) -> Self {
        let mut kinds: BTreeMap<OutputKind, u64> = BTreeMap::new();
        for kind in outputs {
            *kinds.entry(kind).or_default() += 1;
        }
        // At least one, so that what stands in an `each` is counted.
        let count = usize::try_from(kinds.values().sum::<u64>()).unwrap_or(usize::MAX).max(1);
        let frame = |template: &Template| 1 + template.extent(count).all();
        let step = |step: &StepTemplate| {
            let action = match &step.action {
                Action::Write(template) => frame(template),
                Action::Read(_, _, pattern) | Action::Expect(_, pattern, _) => pattern.parts.len() as u64,
                Action::Subscribe(_) | Action::Unsubscribe(_) | Action::Wait(_) | Action::Listen(_) => 1,
            };
            action.saturating_add(step.condition.effort(count))
        };
        let mut weight = Self::default();
        for form in &definition.forms {
            let steps = form.steps().map(step).fold(0, u64::saturating_add);
            let notify = form.notify.iter().map(|rule| rule.pattern.parts.len() as u64).sum::<u64>();
            let talk = steps.saturating_add(notify);
            let (mut written, mut weighed) = (0u64, talk);
            for (kind, outputs) in &kinds {
                let frames = form.frames(*kind).iter().map(frame).fold(0, u64::saturating_add);
                written = written.saturating_add(frames.saturating_mul(*outputs));
                weighed = weighed.saturating_add(frames);
            }
            weight.call = weight.call.max(written.saturating_add(talk));
            weight.weighing = weight.weighing.saturating_add(weighed);
        }
        weight.call = weight.call.saturating_add(EMPTY_CALL);
        weight
    }
}

/// What one step on the way to the model takes, where hardware is called `name`.
pub(super) fn of_identification(ways: &[Identify], name: &str) -> u64 {
    let way = |way: &Identify| match way {
        Identify::PartOfName(part) => part.effort(name),
        Identify::Name | Identify::Manufacturer(..) | Identify::Read(..) => 1,
    };
    ways.iter().map(way).fold(name.len() as u64 + EMPTY_CALL, u64::saturating_add)
}
