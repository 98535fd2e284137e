//! Frame templates: from the state of the device to bytes.

use super::MAX_FRAME_BYTES;
use super::checksum::Checksum;
use super::expression::{Expression, MAX_ANSWER_BYTES, Name, Scope, Slot};
use super::number::Format;
use crate::definition::PackedKind;
use crate::frame::{Endpoint, Frame, FrameBytes};
use serde::{Deserialize, Serialize};

/// A frame with places for what varies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// When it is written.
    pub condition: Condition,
    /// What it is made of.
    pub items: Vec<Item>,
    /// Where it goes.
    pub endpoint: Endpoint,
    /// Whether the hardware confirms it.
    pub response: bool,
    /// Whether it is about one output, not about the whole device.
    pub of_one_output: bool,
    /// Whether it counts.
    pub counts: bool,
}

/// When a frame of a list is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Always.
    Always,
    /// `if ..:`
    If(Expression),
    /// `else:` When the last `if` of the list did not hold.
    Else,
}

impl Condition {
    /// Whether `test` holds for a name in it.
    pub fn mentions(&self, test: &dyn Fn(Name) -> bool) -> bool {
        matches!(self, Self::If(condition) if condition.mentions(true, test))
    }

    /// How many numbers and names are looked at to know whether it holds, on a device with so many outputs.
    pub fn effort(&self, outputs: usize) -> u64 {
        match self {
            Self::If(condition) => condition.effort(outputs),
            Self::Always | Self::Else => 1,
        }
    }
}

/// A part of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// Bytes that are always the same.
    Bytes(Vec<u8>),
    /// A number.
    Number(Expression, Format),
    /// The same so many times.
    Repeat(u8, Vec<Item>),
    /// The same for each output, or for each of a kind.
    Each(Option<PackedKind>, Vec<Item>),
    /// What the hardware answered last while connecting.
    Answer,
    /// Bytes and then their checksum.
    Checked(Checksum, Format, Vec<Item>),
    /// The checksum of all bytes before.
    CheckedSoFar(Checksum, Format),
}

impl Template {
    /// The frame, and whether all numbers fitted their places.
    pub fn frame(&self, scope: &Scope<'_>) -> (Frame, bool) {
        let mut data = FrameBytes::new();
        let written = write_items(&self.items, scope, &mut data);
        let fits = written && data.len() <= MAX_FRAME_BYTES;
        data.truncate(MAX_FRAME_BYTES);
        (Frame { endpoint: self.endpoint, data, response: self.response }, fits)
    }

    /// How large it can become on a device with so many outputs.
    pub fn extent(&self, outputs: usize) -> Extent {
        let condition = self.condition.effort(outputs);
        Extent::of(&self.items, outputs).plus(Extent { bytes: 0, effort: condition })
    }

    /// Whether `test` holds for a name in it or in its condition.
    pub fn mentions(&self, test: &dyn Fn(Name) -> bool) -> bool {
        self.condition.mentions(test) || items_mention(&self.items, true, test)
    }

    /// Notes what the frame depends on, once it is read.
    pub(super) fn settled(mut self) -> Self {
        // Whatever the condition says, bytes that are about the whole device are the same for all outputs.
        self.of_one_output = items_mention(&self.items, false, &Name::is_of_one_output);
        self.counts = items_mention(&self.items, true, &|name| name == Name::Counter);
        self
    }
}

/// Goes through the conditions of a list in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Whether an `else` would apply now.
    otherwise: bool,
}

impl Conditions {
    /// Whether the next condition of the list holds.
    pub fn hold(&mut self, condition: &Condition, scope: &Scope<'_>) -> bool {
        match condition {
            Condition::Always => true,
            Condition::If(condition) => {
                let holds = condition.holds(scope);
                self.otherwise = !holds;
                holds
            }
            Condition::Else => self.otherwise,
        }
    }
}

/// The frames of a list whose conditions hold, with their places.
pub fn applying<'a>(
    templates: &'a [Template],
    scope: &'a Scope<'a>,
) -> impl Iterator<Item = (usize, &'a Template)> {
    let mut conditions = Conditions::default();
    templates.iter().enumerate().filter(move |(_, template)| conditions.hold(&template.condition, scope))
}

/// How large a frame can become, and what it takes to make it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The most bytes that it can have.
    pub bytes: u64,
    /// How many numbers, names and bytes are looked at on the way.
    pub effort: u64,
}

impl Extent {
    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            effort: self.effort.saturating_add(other.effort),
        }
    }

    fn times(self, times: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(times), effort: self.effort.saturating_mul(times) }
    }

    /// Bytes and effort in one number.
    pub fn all(self) -> u64 {
        self.bytes.saturating_add(self.effort)
    }

    /// Of items on a device with so many outputs.
    pub(super) fn of(items: &[Item], outputs: usize) -> Self {
        let bytes = |format: &Format| format.longest() as u64;
        items.iter().fold(Self::default(), |before, item| {
            let one = match item {
                Item::Bytes(bytes) => Self { bytes: bytes.len() as u64, effort: bytes.len() as u64 },
                Item::Number(expression, format) => {
                    Self { bytes: bytes(format), effort: expression.effort(outputs) }
                }
                Item::Repeat(times, items) => Self::of(items, outputs).times(u64::from(*times)),
                Item::Each(_, items) => Self::of(items, outputs).times(outputs as u64),
                Item::Answer => Self { bytes: MAX_ANSWER_BYTES as u64, effort: MAX_ANSWER_BYTES as u64 },
                Item::Checked(_, format, items) => {
                    let inner = Self::of(items, outputs);
                    inner.plus(Self { bytes: bytes(format), effort: inner.bytes })
                }
                Item::CheckedSoFar(_, format) => {
                    Self { bytes: bytes(format), effort: MAX_FRAME_BYTES as u64 }
                }
            };
            before.plus(one)
        })
    }
}

pub(super) fn items_mention(items: &[Item], inside_each: bool, test: &dyn Fn(Name) -> bool) -> bool {
    items.iter().any(|item| match item {
        Item::Bytes(_) | Item::CheckedSoFar(..) => false,
        Item::Answer => test(Name::AnswerLength),
        Item::Number(expression, _) => expression.mentions(inside_each, test),
        Item::Repeat(_, items) | Item::Checked(_, _, items) => items_mention(items, inside_each, test),
        Item::Each(_, items) => inside_each && items_mention(items, inside_each, test),
    })
}

/// Appends the items; whether all of them are there and every number fitted its place. Stops where the frame is full, so
/// that no nesting of groups makes more than a frame and one item.
pub(super) fn write_items(items: &[Item], scope: &Scope<'_>, out: &mut FrameBytes) -> bool {
    let mut fits = true;
    for item in items {
        if out.len() >= MAX_FRAME_BYTES {
            return false;
        }
        fits &= match item {
            Item::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                true
            }
            Item::Number(expression, format) => format.write(expression.number(scope), out),
            Item::Repeat(times, items) => {
                let mut all = true;
                for _ in 0..*times {
                    if out.len() >= MAX_FRAME_BYTES {
                        return false;
                    }
                    all &= write_items(items, scope, out);
                }
                all
            }
            Item::Answer => {
                out.extend_from_slice(scope.answer);
                true
            }
            Item::Each(kind, items) => {
                let mut all = true;
                let chosen = |slot: &&Slot| kind.is_none_or(|kind| kind.0 == slot.kind);
                for slot in scope.slots.iter().filter(chosen) {
                    if out.len() >= MAX_FRAME_BYTES {
                        return false;
                    }
                    all &= write_items(items, &Scope { this: Some(*slot), ..*scope }, out);
                }
                all
            }
            Item::Checked(checksum, format, items) => {
                let start = out.len();
                let fits = write_items(items, scope, out);
                format.write_low_bits(i64::from(checksum.of(&out[start..])), out);
                fits
            }
            Item::CheckedSoFar(checksum, format) => {
                format.write_low_bits(i64::from(checksum.of(out)), out);
                true
            }
        };
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(items: Vec<Item>) -> Template {
        let condition = Condition::Always;
        let (endpoint, response) = (Endpoint::Tx, false);
        Template { condition, items, endpoint, response, of_one_output: false, counts: false }
    }

    #[test]
    fn a_frame_that_is_too_long_is_cut_off_whatever_it_is_made_of() {
        let scope = Scope::default();
        let long = || vec![Item::Bytes(vec![7; 200_000])];
        // Without a limit at every level, this would take longer than anybody waits.
        let nested = (0..8).fold(vec![Item::Bytes(vec![7])], |items, _| vec![Item::Repeat(255, items)]);
        let exact = vec![Item::Repeat(2, vec![Item::Bytes(vec![7; MAX_FRAME_BYTES / 2])])];
        let cases = [
            (long(), false),
            (vec![Item::Repeat(255, long())], false),
            (vec![Item::Repeat(1, long()), Item::Bytes(vec![1])], false),
            (vec![Item::Checked(Checksum::Sum, Format::U8, long())], false),
            (nested, false),
            (exact, true),
        ];
        for (items, expected) in cases {
            let (frame, fits) = template(items).frame(&scope);
            assert_eq!((frame.data.len(), fits), (MAX_FRAME_BYTES, expected));
        }
    }

    #[test]
    fn an_else_without_an_if_never_applies() {
        let scope = Scope::default();
        let mut conditions = Conditions::default();
        assert!(!conditions.hold(&Condition::Else, &scope));
        for holds in [false, true] {
            let condition = Condition::If(Expression::Number(i64::from(holds)));
            assert_eq!(conditions.hold(&condition, &scope), holds);
            assert!(conditions.hold(&Condition::Always, &scope));
            assert_eq!(conditions.hold(&Condition::Else, &scope), !holds);
        }
    }
}
