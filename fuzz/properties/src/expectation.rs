//! Which replies a frame of a client gets, found without the product's own reader: each element exactly one, a frame of
//! which nothing can be used exactly one, an empty frame none.

use buttplug_core::limits::MAX_MESSAGES_PER_FRAME;
use buttplug_core::message::json::check_frame;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// One reply that is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// The message's name; empty where the element is no message.
    pub(crate) name: String,
    /// The message's id; 0 where it has none that is good.
    pub(crate) id: u32,
}

impl Owed {
    fn unreadable() -> Self {
        Self { name: String::new(), id: 0 }
    }
}

/// The replies to a frame, in the order of its elements.
pub(crate) fn replies(frame: &[u8]) -> Vec<Owed> {
    if check_frame(frame).is_err() {
        return vec![Owed::unreadable()];
    }
    let mut owed = Vec::new();
    let mut arrays = 0;
    for array in serde_json::Deserializer::from_slice(frame).into_iter::<Vec<&RawValue>>() {
        let Ok(array) = array else { return vec![Owed::unreadable()] };
        arrays += 1;
        owed.extend(array.into_iter().map(element));
    }
    if (arrays > 0 && owed.is_empty()) || owed.len() > MAX_MESSAGES_PER_FRAME {
        return vec![Owed::unreadable()];
    }
    owed
}

fn element(element: &RawValue) -> Owed {
    match serde_json::from_str::<Entries<'_>>(element.get()) {
        Ok(Entries(entries)) => match entries.as_slice() {
            [(name, payload)] => Owed { name: name.clone(), id: id(payload) },
            _ => Owed::unreadable(),
        },
        Err(_) => Owed::unreadable(),
    }
}

fn id(payload: &RawValue) -> u32 {
    let Ok(Entries(fields)) = serde_json::from_str(payload.get()) else { return 0 };
    let ids: Vec<&str> = fields.iter().filter(|(name, _)| name == "Id").map(|(_, id)| id.get()).collect();
    let [id] = ids.as_slice() else { return 0 };
    // `4.0` and `4e0` are whole numbers as well.
    let number = id.parse::<f64>().ok().filter(|id| (1.0..=f64::from(u32::MAX)).contains(id));
    number.filter(|id| id.fract() == 0.0).map_or(0, |id| id as u32)
}

/// The entries of an object, in order and with those of the same name.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_owed_one_reply_under_its_id_or_0() {
        let ids = |frame: &str| replies(frame.as_bytes()).into_iter().map(|owed| owed.id).collect::<Vec<_>>();
        for (frame, expected) in [
            ("", vec![]),
            (" \n", vec![]),
            ("[]", vec![0]),
            ("hello", vec![0]),
            (r#"[{"Ping":{"Id":5}},{"Nonsense":{"Id":6}}][7]"#, vec![5, 6, 0]),
            (r#"[{"Ping":{"Id":5}}] x"#, vec![0]),
            (r#"[{"Ping":{"Id":5},"Ping":{"Id":6}}]"#, vec![0]),
            (r#"[{"Ping":{"Id":-1}},{"Ping":{"Id":"4"}},{"Ping":{}}]"#, vec![0, 0, 0]),
            (r#"[{"Ping":{"Id":4.0}},{"Ping":{"Id":4.5}}]"#, vec![4, 0]),
            (r#"[{"Ping":{"Id":1,"Id":2}}]"#, vec![0]),
            (r#"[{"Ping":[5]}]"#, vec![0]),
        ] {
            assert_eq!(ids(frame), expected, "{frame}");
        }
    }
}
