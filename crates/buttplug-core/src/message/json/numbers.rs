//! Whole numbers as peers write them: `10` and `10.0`, but not `10.5` and not `"10"`.

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A whole number of type `T` that may be written with an empty fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<T>(pub T);

impl<'de, T: TryFrom<i64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor<T>(PhantomData<T>);

        impl<T: TryFrom<i64>> Visitor<'_> for WholeVisitor<T> {
            type Value = Whole<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number in range")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                T::try_from(value).map(Whole).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                let signed =
                    i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))?;
                self.visit_i64(signed)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                // Beyond 2^53 neighbouring whole numbers are one double; no field needs more than 32 bits.
                if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
                    self.visit_i64(value as i64)
                } else {
                    Err(E::invalid_value(Unexpected::Float(value), &self))
                }
            }
        }

        deserializer.deserialize_any(WholeVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_with_and_without_fraction_within_their_type() {
        let read = |text: &str| serde_json::from_str::<Whole<u32>>(text).ok().map(|whole| whole.0);
        assert_eq!(read("10"), Some(10));
        assert_eq!(read("10.0"), Some(10));
        assert_eq!(read("1e1"), Some(10));
        assert_eq!(read("4294967295"), Some(u32::MAX));
        for bad in ["10.5", "\"10\"", "-1", "4294967296", "1e300", "null", "[10]", "18446744073709551615"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(serde_json::from_str::<Whole<i32>>("-7.0").ok(), Some(Whole(-7)));
    }

    #[test]
    fn numbers_are_read_to_their_last_digit() {
        let whole = serde_json::from_str::<Whole<u32>>("0.9999999999999999");
        assert!(whole.is_err(), "nearly 1 is not 1: {whole:?}");
        // What scripts get for 0.1 + 0.02, a step more than 0.12.
        let fraction: f64 = serde_json::from_str("0.12000000000000001").unwrap();
        assert_eq!((fraction, (100.0 * fraction).ceil()), (0.1 + 0.02, 13.0));
    }
}
