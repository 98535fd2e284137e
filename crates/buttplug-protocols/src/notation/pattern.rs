//! Patterns: what the hardware says, and where in it the readings are.

use super::number::Format;
use serde::{Deserialize, Serialize};

/// What data from the hardware looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Whether more may follow.
    pub open: bool,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// This byte.
    Byte(u8),
    /// Any byte.
    Any,
    /// A reading, of this feature if there are several of its kind.
    Value(Option<u32>, Format),
}

impl Pattern {
    /// Any data at all.
    pub fn anything() -> Self {
        Self { parts: Vec::new(), open: true }
    }

    /// Whether there is a reading in it, for `feature` or for whatever feature is asked.
    pub fn has_value(&self, feature: u32) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(of, _) if of.is_none_or(|of| of == feature)))
    }

    /// Whether `data` looks like this; if so, the reading for `feature`.
    pub fn find(&self, data: &[u8], feature: u32) -> Option<Option<i32>> {
        let mut rest = data;
        let mut found = None;
        for part in &self.parts {
            let taken = match part {
                Part::Byte(byte) if rest.first() == Some(byte) => 1,
                Part::Any if !rest.is_empty() => 1,
                Part::Byte(_) | Part::Any => return None,
                Part::Value(of, format) => {
                    let (value, taken) = format.read(rest)?;
                    if of.is_none_or(|of| of == feature) {
                        found = Some(i32::try_from(value).unwrap_or(i32::MAX));
                    }
                    taken
                }
            };
            rest = rest.get(taken..)?;
        }
        (self.open || rest.is_empty()).then_some(found)
    }
}
