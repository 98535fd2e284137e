//! Frame templates: from the state of the device to bytes.

use super::MAX_FRAME_BYTES;
use super::checksum::Checksum;
use super::expression::{Expression, Name, Scope};
use super::number::Format;
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

/// A part of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// Bytes that are always the same.
    Bytes(Vec<u8>),
    /// A number.
    Number(Expression, Format),
    /// The same so many times.
    Repeat(u8, Vec<Item>),
    /// The same for each output.
    Each(Vec<Item>),
    /// Bytes and then their checksum.
    Checked(Checksum, Format, Vec<Item>),
    /// The checksum of all bytes before.
    CheckedSoFar(Checksum, Format),
}

impl Template {
    /// The frame, and whether all numbers fitted their places.
    pub fn frame(&self, scope: &Scope<'_>) -> (Frame, bool) {
        let mut data = FrameBytes::new();
        let fits = write_items(&self.items, scope, &mut data);
        (Frame { endpoint: self.endpoint, data, response: self.response }, fits)
    }

    /// Notes what the frame depends on, once it is read.
    pub(super) fn settled(mut self) -> Self {
        let condition = matches!(&self.condition, Condition::If(x) if x.mentions(&Name::is_of_one_output));
        self.of_one_output = condition || items_mention(&self.items, false, &Name::is_of_one_output);
        self.counts = items_mention(&self.items, true, &|name| name == Name::Counter);
        self
    }
}

/// The frames of a list whose conditions hold, with their places.
pub fn applying<'a>(
    templates: &'a [Template],
    scope: &'a Scope<'a>,
) -> impl Iterator<Item = (usize, &'a Template)> {
    let mut last_if = true;
    templates.iter().enumerate().filter(move |(_, template)| match &template.condition {
        Condition::Always => true,
        Condition::If(condition) => {
            last_if = condition.holds(scope);
            last_if
        }
        Condition::Else => !last_if,
    })
}

fn items_mention(items: &[Item], inside_each: bool, test: &dyn Fn(Name) -> bool) -> bool {
    items.iter().any(|item| match item {
        Item::Bytes(_) | Item::CheckedSoFar(..) => false,
        Item::Number(expression, _) => expression.mentions(test),
        Item::Repeat(_, items) | Item::Checked(_, _, items) => items_mention(items, inside_each, test),
        Item::Each(items) => inside_each && items_mention(items, inside_each, test),
    })
}

fn write_items(items: &[Item], scope: &Scope<'_>, out: &mut FrameBytes) -> bool {
    let mut fits = true;
    for item in items {
        // Nested groups may ask for more than any bus carries.
        if out.len() > MAX_FRAME_BYTES {
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
                    all &= write_items(items, scope, out);
                }
                all
            }
            Item::Each(items) => {
                let mut all = true;
                for slot in scope.slots {
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
    if out.len() > MAX_FRAME_BYTES {
        out.truncate(MAX_FRAME_BYTES);
        return false;
    }
    fits
}
