//! The frame around the messages: limits, the array, and one name with one payload per element.

use super::id::IdWire;
use super::numbers::Whole;
use super::object::Object;
use crate::error::{ButtplugError, MessageError};
use crate::limits::{FrameLimits, quoted};
use crate::message::MessageId;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A message that can't be executed, and what to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct BadMessage {
    /// The message's id, 0 where none could be read.
    pub id: MessageId,
    /// What is wrong with it.
    pub error: ButtplugError,
}

impl BadMessage {
    /// A frame of which nothing can be used.
    pub fn frame(error: MessageError) -> Self {
        Self { id: MessageId::EVENT, error: error.into() }
    }
}

/// One element of a frame: a message of any version, its fields not yet read.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    /// The message's name.
    pub name: Cow<'a, str>,
    /// Its id.
    pub id: MessageId,
    payload: &'a RawValue,
}

impl<'a> Element<'a> {
    /// Reads the fields into `T`.
    ///
    /// # Errors
    /// A field is missing or of the wrong type.
    pub fn fields<T: Deserialize<'a>>(&self) -> Result<T, BadMessage> {
        self.fields_seed(PhantomData)
    }

    /// Reads the fields with a seed.
    ///
    /// # Errors
    /// A field is missing or of the wrong type.
    pub fn fields_seed<S: DeserializeSeed<'a>>(&self, seed: S) -> Result<S::Value, BadMessage> {
        seed.deserialize(&mut serde_json::Deserializer::from_str(self.payload.get())).map_err(|error| {
            BadMessage {
                id: self.id,
                error: MessageError::BadField { name: quoted(&self.name), reason: describe(&error) }.into(),
            }
        })
    }

    /// The error for a name that does not exist in `version`.
    pub fn unknown_name(&self, version: u32) -> BadMessage {
        let error = MessageError::UnknownName { name: quoted(&self.name), version };
        BadMessage { id: self.id, error: error.into() }
    }
}

/// Checks the limits that hold for a frame as a whole: its length and nesting.
///
/// # Errors
/// The frame is too long or nested too deep.
pub fn check_frame(frame: &[u8]) -> Result<(), MessageError> {
    check_frame_within(frame, &FrameLimits::default())
}

pub(super) fn check_frame_within(frame: &[u8], limits: &FrameLimits) -> Result<(), MessageError> {
    if frame.len() > limits.bytes {
        return Err(MessageError::TooLong { limit: limits.bytes });
    }
    // A frame with fewer brackets than levels can't be too deep; nearly every frame ends here.
    if opening_brackets(frame) <= limits.nesting {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in frame {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > limits.nesting {
                    return Err(MessageError::TooDeep { limit: limits.nesting });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// How often `[` and `{` occur, in a form that the compiler turns into vector instructions.
fn opening_brackets(frame: &[u8]) -> usize {
    // The two differ in one bit, so one comparison finds both. A chunk's count fits into a byte.
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    frame.chunks(255).map(|chunk| usize::from(count(chunk))).sum()
}

/// Takes a frame apart. Each element is either a message with a name and a valid id, or the error to answer. Several
/// arrays one after another count as one. An empty frame holds nothing and is no error.
///
/// # Errors
/// The frame breaks a limit, is not an array of JSON, or holds nothing but an empty array.
pub fn split_frame(frame: &[u8]) -> Result<Vec<Result<Element<'_>, BadMessage>>, MessageError> {
    split_frame_within(frame, &FrameLimits::default())
}

/// [`split_frame`] with other limits.
///
/// # Errors
/// As [`split_frame`].
pub fn split_frame_within<'f>(
    frame: &'f [u8],
    limits: &FrameLimits,
) -> Result<Vec<Result<Element<'f>, BadMessage>>, MessageError> {
    check_frame_within(frame, limits)?;
    let mut elements = Vec::new();
    let mut any = false;
    for array in arrays(frame) {
        let array = array?;
        if elements.len() + array.len() > limits.messages {
            return Err(MessageError::TooMany { limit: limits.messages });
        }
        any = true;
        elements.extend(array.into_iter().map(read_element));
    }
    if any && elements.is_empty() {
        return Err(MessageError::Empty);
    }
    Ok(elements)
}

/// The arrays of a frame, one after another, their elements not yet read.
pub(super) fn arrays(frame: &[u8]) -> impl Iterator<Item = Result<Vec<&RawValue>, MessageError>> {
    serde_json::Deserializer::from_slice(frame).into_iter().map(|array| {
        array.map_err(|error: serde_json::Error| {
            if error.is_data() {
                MessageError::NotAnArray
            } else {
                MessageError::NotJson { reason: describe(&error) }
            }
        })
    })
}

fn read_element(raw: &RawValue) -> Result<Element<'_>, BadMessage> {
    let Named { name, payload } =
        serde_json::from_str(raw.get()).map_err(|_| BadMessage::frame(MessageError::NotAMessage))?;
    match serde_json::from_str::<Object<IdWire>>(payload.get()) {
        Ok(Object(IdWire { id: Whole(id) })) if id > 0 => Ok(Element { name, id: MessageId(id), payload }),
        _ => Err(BadMessage::frame(MessageError::BadId { name: quoted(&name) })),
    }
}

/// An object with exactly one key.
struct Named<'a> {
    name: Cow<'a, str>,
    payload: &'a RawValue,
}

impl<'de> Deserialize<'de> for Named<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamedVisitor;

        impl<'de> Visitor<'de> for NamedVisitor {
            type Value = Named<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with exactly one key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(Name(name)) = map.next_key()? else { return Err(A::Error::custom("no key")) };
                let payload = map.next_value()?;
                match map.next_key::<Name<'_>>()? {
                    None => Ok(Named { name, payload }),
                    Some(_) => Err(A::Error::custom("more than one key")),
                }
            }
        }

        deserializer.deserialize_map(NamedVisitor)
    }
}

/// A key, borrowed from the frame unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The parser's own words, bounded: it may repeat what the peer sent.
pub(super) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
