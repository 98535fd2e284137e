//! Expressions: the numbers in a frame that depend on what the device shall do.

use super::checksum::Checksum;
use super::frame::{Extent, Item, items_mention, write_items};
use super::speed::Speed;
use crate::definition::kind;
use crate::frame::{Endpoint, FrameBytes};
use buttplug_core::OutputKind;
use serde::{Deserialize, Serialize};

/// A number that may depend on the state of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expression {
    /// A number.
    Number(i64),
    /// A name.
    Name(Name),
    /// `-x`
    Negative(Box<Expression>),
    /// Two numbers and what is done with them.
    Binary(Operator, Box<(Expression, Expression)>),
    /// `condition?yes:no`
    If(Box<(Expression, Expression, Expression)>),
    /// `x[..]`: entry number x; the first or the last one if there is no such entry.
    Entry(Box<Expression>, Vec<i64>),
    /// `abs(x)`
    Abs(Box<Expression>),
    /// `min(x,y)`
    Min(Box<(Expression, Expression)>),
    /// `max(x,y)`
    Max(Box<(Expression, Expression)>),
    /// A named calculation from distance and duration.
    Speed(Speed, Box<(Expression, Expression)>),
    /// `xor(..)`: the checksum of bytes that are not written.
    Checksum(Checksum, Vec<Item>),
}

/// Something that has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// What the output at hand shall do.
    Value,
    /// The index of its feature.
    Feature,
    /// The milliseconds of a timed position.
    Duration,
    /// How far it is from the position before.
    Distance,
    /// What a feature shall do.
    ValueOf(u32),
    /// What the first output of a kind shall do.
    KindOf(#[serde(with = "kind::output")] OutputKind),
    /// What the output of a kind of a feature shall do.
    KindAndFeature(#[serde(with = "kind::output")] OutputKind, u32),
    /// How many outputs there are.
    Count,
    /// How many outputs of a kind there are.
    CountOf(#[serde(with = "kind::output")] OutputKind),
    /// The number of frames with a counter before this one.
    Counter,
    /// A constant of the model, by its place among the definition's.
    Constant(u8),
    /// Whether the hardware has an endpoint.
    Has(Endpoint),
    /// A byte of the answer.
    Answer(u8),
    /// How many bytes the answer has.
    AnswerLength,
}

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `x or y`
    Or,
    /// `x and y`
    And,
    /// `x=y`
    Equal,
    /// `x!=y`
    Unequal,
    /// `x<y`
    Less,
    /// `x>y`
    Greater,
    /// `x<=y`
    AtMost,
    /// `x>=y`
    AtLeast,
    /// `x|y`
    BitOr,
    /// `x^y`
    BitXor,
    /// `x&y`
    BitAnd,
    /// `x<<y`
    ShiftLeft,
    /// `x>>y`
    ShiftRight,
    /// `x+y`
    Add,
    /// `x-y`
    Subtract,
    /// `x*y`
    Multiply,
    /// `x/y`
    Divide,
    /// `x%y`
    Remainder,
}

/// One output as expressions see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The feature's index.
    pub feature: u32,
    /// The kind of output.
    pub kind: OutputKind,
    /// What it shall do.
    pub value: i32,
    /// The milliseconds of a timed position.
    pub duration_ms: u32,
    /// How far it is from the position before.
    pub distance: u32,
}

/// What the names of an expression stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// All outputs, in the order of features and kinds.
    pub slots: &'a [Slot],
    /// The output at hand.
    pub this: Option<Slot>,
    /// The number of frames with a counter so far.
    pub counter: u8,
    /// The model's constants, in the order of the definition's.
    pub constants: &'a [i64],
    /// The endpoints that the hardware has.
    pub endpoints: &'a [Endpoint],
    /// What the hardware answered last while connecting.
    pub answer: &'a [u8],
}

/// How much of an answer is kept, in bytes. The longest that any known protocol looks at has 16.
pub const MAX_ANSWER_BYTES: usize = 64;

impl Expression {
    /// The number. Numbers that would be too great stay at the greatest there is; a division by zero is zero.
    pub fn number(&self, scope: &Scope<'_>) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Name(name) => name.number(scope),
            Self::Negative(x) => x.number(scope).saturating_neg(),
            Self::Binary(operator, xy) => operator.apply(xy.0.number(scope), xy.1.number(scope)),
            Self::If(parts) => {
                let (condition, yes, no) = &**parts;
                if condition.number(scope) == 0 { no.number(scope) } else { yes.number(scope) }
            }
            Self::Entry(x, entries) => {
                let last = entries.len().saturating_sub(1);
                let place = usize::try_from(x.number(scope).max(0)).unwrap_or(last).min(last);
                entries.get(place).copied().unwrap_or(0)
            }
            Self::Abs(x) => x.number(scope).saturating_abs(),
            Self::Min(xy) => xy.0.number(scope).min(xy.1.number(scope)),
            Self::Max(xy) => xy.0.number(scope).max(xy.1.number(scope)),
            Self::Speed(speed, xy) => speed.of(xy.0.number(scope), xy.1.number(scope)),
            Self::Checksum(checksum, items) => {
                let mut bytes = FrameBytes::new();
                write_items(items, scope, &mut bytes);
                i64::from(checksum.of(&bytes))
            }
        }
    }

    /// Whether it holds, as a condition.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        self.number(scope) != 0
    }

    /// How many numbers and names are looked at to know the number, on a device with so many outputs.
    pub fn effort(&self, outputs: usize) -> u64 {
        let own = match self {
            // Some outputs are searched for.
            Self::Name(Name::ValueOf(_) | Name::KindOf(_) | Name::KindAndFeature(..) | Name::CountOf(_)) => {
                1 + outputs as u64
            }
            Self::Name(Name::Has(_)) => Endpoint::COUNT as u64,
            _ => 1,
        };
        let parts = match self {
            Self::Number(_) | Self::Name(_) => 0,
            Self::Checksum(_, items) => Extent::of(items, outputs).all(),
            Self::Negative(x) | Self::Entry(x, _) | Self::Abs(x) => x.effort(outputs),
            Self::Binary(_, xy) | Self::Min(xy) | Self::Max(xy) | Self::Speed(_, xy) => {
                xy.0.effort(outputs).saturating_add(xy.1.effort(outputs))
            }
            Self::If(parts) => parts
                .0
                .effort(outputs)
                .saturating_add(parts.1.effort(outputs))
                .saturating_add(parts.2.effort(outputs)),
        };
        own.saturating_add(parts)
    }

    /// Whether `test` holds for a name in it; in an `each` only if `inside_each`.
    pub fn mentions(&self, inside_each: bool, test: &dyn Fn(Name) -> bool) -> bool {
        let of = |x: &Self| x.mentions(inside_each, test);
        match self {
            Self::Number(_) => false,
            Self::Name(name) => test(*name),
            Self::Checksum(_, items) => items_mention(items, inside_each, test),
            Self::Negative(x) | Self::Entry(x, _) | Self::Abs(x) => of(x),
            Self::Binary(_, xy) | Self::Min(xy) | Self::Max(xy) | Self::Speed(_, xy) => {
                of(&xy.0) || of(&xy.1)
            }
            Self::If(parts) => of(&parts.0) || of(&parts.1) || of(&parts.2),
        }
    }
}

impl Name {
    /// Whether it is a matter of one output, not of the whole device.
    pub fn is_of_one_output(self) -> bool {
        matches!(self, Self::Value | Self::Feature | Self::Duration | Self::Distance)
    }

    /// Whether it is a matter of what the hardware has answered.
    pub fn is_of_answer(self) -> bool {
        matches!(self, Self::Answer(_) | Self::AnswerLength)
    }

    fn number(self, scope: &Scope<'_>) -> i64 {
        match self {
            Self::Value => scope.this.map_or(0, |slot| i64::from(slot.value)),
            Self::Feature => scope.this.map_or(0, |slot| i64::from(slot.feature)),
            Self::Duration => scope.this.map_or(0, |slot| i64::from(slot.duration_ms)),
            Self::Distance => scope.this.map_or(0, |slot| i64::from(slot.distance)),
            Self::ValueOf(feature) => scope.value(|slot| slot.feature == feature),
            Self::KindOf(kind) => scope.value(|slot| slot.kind == kind),
            Self::KindAndFeature(kind, feature) => {
                scope.value(|slot| slot.kind == kind && slot.feature == feature)
            }
            Self::Count => scope.slots.len() as i64,
            Self::CountOf(kind) => scope.slots.iter().filter(|slot| slot.kind == kind).count() as i64,
            Self::Counter => i64::from(scope.counter),
            Self::Constant(place) => scope.constants.get(usize::from(place)).copied().unwrap_or(0),
            Self::Has(endpoint) => i64::from(scope.endpoints.contains(&endpoint)),
            Self::Answer(place) => scope.answer.get(usize::from(place)).copied().map_or(0, i64::from),
            Self::AnswerLength => scope.answer.len() as i64,
        }
    }
}

impl Scope<'_> {
    /// The value of the first output for which `test` holds; 0 if there is none.
    fn value(&self, test: impl Fn(&Slot) -> bool) -> i64 {
        self.slots.iter().find(|slot| test(slot)).map_or(0, |slot| i64::from(slot.value))
    }
}

impl Operator {
    fn apply(self, x: i64, y: i64) -> i64 {
        match self {
            Self::Or => i64::from(x != 0 || y != 0),
            Self::And => i64::from(x != 0 && y != 0),
            Self::Equal => i64::from(x == y),
            Self::Unequal => i64::from(x != y),
            Self::Less => i64::from(x < y),
            Self::Greater => i64::from(x > y),
            Self::AtMost => i64::from(x <= y),
            Self::AtLeast => i64::from(x >= y),
            Self::BitOr => x | y,
            Self::BitXor => x ^ y,
            Self::BitAnd => x & y,
            Self::ShiftLeft => x.saturating_mul(1 << y.clamp(0, 62)),
            Self::ShiftRight => x >> y.clamp(0, 63),
            Self::Add => x.saturating_add(y),
            Self::Subtract => x.saturating_sub(y),
            Self::Multiply => x.saturating_mul(y),
            Self::Divide => x.checked_div(y).unwrap_or(0),
            Self::Remainder => x.checked_rem(y).unwrap_or(0),
        }
    }
}
