//! Numbers of old commands: fractions and durations as they are written, and fractions as steps.

use buttplug_core::message::json::Whole;
use serde::de::value::{F64Deserializer, I64Deserializer, U64Deserializer};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// A fraction from 0 to 1, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fraction(pub(super) f64);

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(D::Error::invalid_value(Unexpected::Float(value), &"a fraction from 0 to 1"))
        }
    }
}

/// A duration in milliseconds. Programs in languages without whole numbers send parts of milliseconds; those are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Milliseconds(pub(super) u32);

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MillisecondsVisitor;

        impl Visitor<'_> for MillisecondsVisitor {
            type Value = Milliseconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds, 0 or more")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Milliseconds, E> {
                Whole::deserialize(I64Deserializer::new(value)).map(|Whole(ms)| Milliseconds(ms))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Milliseconds, E> {
                Whole::deserialize(U64Deserializer::new(value)).map(|Whole(ms)| Milliseconds(ms))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Milliseconds, E> {
                if value < 0.0 {
                    return Err(E::invalid_value(Unexpected::Float(value), &self));
                }
                Whole::deserialize(F64Deserializer::new(value.trunc())).map(|Whole(ms)| Milliseconds(ms))
            }
        }

        deserializer.deserialize_any(MillisecondsVisitor)
    }
}

/// A whole number from 0 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpTo<const MAX: u8>(pub(super) u8);

impl<'de, const MAX: u8> Deserialize<'de> for UpTo<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Whole::<i64>(value) = Whole::deserialize(deserializer)?;
        match u8::try_from(value) {
            Ok(small) if small <= MAX => Ok(Self(small)),
            _ => {
                let expected = format!("a whole number from 0 to {MAX}");
                Err(D::Error::invalid_value(Unexpected::Signed(value), &expected.as_str()))
            }
        }
    }
}

/// Below this a fraction counts as zero; rounded up, it would be a step.
const NEXT_TO_NOTHING: f64 = 0.000_001;

/// Steps of `max` for a fraction, rounded up: what shall move does not stay at rest.
pub(super) fn rounded_up(Fraction(fraction): Fraction, max: i32) -> i32 {
    if fraction < NEXT_TO_NOTHING { 0 } else { ceiling(fraction, max) }
}

/// Steps of `max` for a position that is driven like a strength: rounded up without exception.
pub(super) fn position_rounded_up(Fraction(fraction): Fraction, max: i32) -> i32 {
    ceiling(fraction, max)
}

/// Steps of `max` for a position to reach in time: rounded down.
pub(super) fn rounded_down(Fraction(fraction): Fraction, max: i32) -> i32 {
    (f64::from(max) * fraction).trunc() as i32
}

fn ceiling(fraction: f64, max: i32) -> i32 {
    (f64::from(max) * fraction).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_become_steps_as_in_every_server_including_what_binary_fractions_do() {
        let cases = [
            (0.0, 20, 0, 0),
            (0.000_000_1, 20, 0, 0),
            (0.001, 20, 1, 0),
            (0.05, 20, 1, 1),
            (0.0501, 20, 2, 1),
            (0.31, 20, 7, 6),
            (0.35, 20, 7, 7),
            (0.51, 20, 11, 10),
            (0.34, 3, 2, 1),
            (0.5, 999, 500, 499),
            (0.001, 999, 1, 0),
            (0.0011, 999, 2, 1),
            (0.9999, 999, 999, 998),
            (1.0, 999, 999, 999),
            (0.07, 100, 8, 7),
            (0.29, 100, 29, 28),
            (0.57, 100, 57, 56),
            (0.55, 100, 56, 55),
            (1.0, i32::MAX, i32::MAX, i32::MAX),
        ];
        for (fraction, max, up, down) in cases {
            let fraction = Fraction(fraction);
            assert_eq!(rounded_up(fraction, max), up, "{fraction:?} of {max} up");
            assert_eq!(rounded_down(fraction, max), down, "{fraction:?} of {max} down");
        }
        assert_eq!(position_rounded_up(Fraction(0.000_000_1), 20), 1);
    }

    #[test]
    fn durations_lose_parts_of_milliseconds_and_are_never_negative() {
        let read = |text: &str| serde_json::from_str::<Milliseconds>(text).ok().map(|ms| ms.0);
        for (text, ms) in [("0", 0), ("400", 400), ("16.7", 16), ("0.9", 0), ("4294967295", u32::MAX)] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
        for bad in ["-1", "-0.5", "4294967296", "4294967296.5", "1e300", "\"5\"", "null", "[5]"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn fractions_and_bounded_numbers_keep_to_their_ends() {
        for (text, good) in
            [("0", true), ("1", true), ("0.5", true), ("1.0000001", false), ("-0.1", false), ("\"1\"", false)]
        {
            assert_eq!(serde_json::from_str::<Fraction>(text).is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("0", true),
            ("99", true),
            ("99.0", true),
            ("100", false),
            ("-1", false),
            ("1.5", false),
            ("300", false),
        ] {
            assert_eq!(serde_json::from_str::<UpTo<99>>(text).is_ok(), good, "{text}");
        }
    }
}
