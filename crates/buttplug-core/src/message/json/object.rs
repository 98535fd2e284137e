//! Objects and nothing else: what is derived for a struct also reads an array of its fields in order, which no peer
//! means.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A struct `T` that is written as an object; an array with its fields in order is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(ObjectOnly(deserializer)).map(Object)
    }
}

/// Reads a struct from an object only; what is inside of it is read as ever.
pub(super) struct ObjectOnly<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Pair {
        left: u32,
        right: u32,
    }

    #[test]
    fn a_struct_is_read_from_an_object_and_not_from_an_array() {
        let read = |text: &str| serde_json::from_str::<Object<Pair>>(text).map(|object| object.0);
        assert_eq!(read(r#"{"right":2,"left":1}"#).ok(), Some(Pair { left: 1, right: 2 }));
        let error = read("[1,2]").unwrap_err().to_string();
        assert!(error.starts_with("invalid type: sequence, expected struct Pair"), "{error}");
    }
}
