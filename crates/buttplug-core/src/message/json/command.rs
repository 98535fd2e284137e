//! Reads the command inside an `OutputCmd`, in every form that a published client sends.

use super::elements::Name;
use super::numbers::Whole;
use super::object::Object;
use crate::error::{ButtplugError, DeviceError, MessageError};
use crate::limits::quoted;
use crate::output::{OutputCommand, OutputKind};
use serde::Deserialize;
use serde::de::value::{F64Deserializer, I64Deserializer, U64Deserializer};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `{"Vibrate":{"Value":14}}`: one key, the kind of output. An unknown kind keeps only its name.
pub(super) enum CommandWire<'a> {
    Known(OutputKind, PayloadWire),
    /// Rotation in the two spellings of the published documentation.
    RotateWithDirection(PayloadWire),
    Unknown(Cow<'a, str>),
}

impl CommandWire<'_> {
    pub(super) fn meaning(&self) -> Result<OutputCommand, ButtplugError> {
        let bad =
            |reason: &str| MessageError::BadField { name: String::from("OutputCmd"), reason: reason.into() };
        match self {
            Self::Known(OutputKind::HwPositionWithDuration, payload) => {
                let value = payload.value.0;
                let duration = payload.duration.ok_or_else(|| bad("a timed position needs a Duration"))?;
                if value < 0 {
                    return Err(MessageError::NegativePosition { value }.into());
                }
                Ok(OutputCommand::timed_position(value, duration.0))
            }
            Self::Known(kind, payload) => Ok(OutputCommand::new(*kind, payload.value.0)),
            Self::RotateWithDirection(payload) => {
                let clockwise =
                    payload.clockwise.ok_or_else(|| bad("a rotation with direction needs Clockwise"))?;
                let speed = payload.value.0.saturating_abs();
                Ok(OutputCommand::new(OutputKind::Rotate, if clockwise { speed } else { -speed }))
            }
            Self::Unknown(name) => Err(DeviceError::UnknownOutput(quoted(name)).into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PayloadWire {
    value: StepWire,
    #[serde(default)]
    duration: Option<Whole<u32>>,
    #[serde(default)]
    clockwise: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for CommandWire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CommandVisitor;

        impl<'de> Visitor<'de> for CommandVisitor {
            type Value = CommandWire<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with exactly one key, the kind of output")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(Name(name)) = map.next_key()? else {
                    return Err(A::Error::custom("Command names no output"));
                };
                let command = match &*name {
                    "RotateWithDirection" | "RotationWithDirection" => {
                        CommandWire::RotateWithDirection(map.next_value::<Object<_>>()?.0)
                    }
                    "PositionWithDuration" => CommandWire::Known(
                        OutputKind::HwPositionWithDuration,
                        map.next_value::<Object<_>>()?.0,
                    ),
                    known => match OutputKind::from_name(known) {
                        Some(kind) => CommandWire::Known(kind, map.next_value::<Object<_>>()?.0),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                            CommandWire::Unknown(name)
                        }
                    },
                };
                match map.next_key::<IgnoredAny>()? {
                    None => Ok(command),
                    Some(_) => Err(A::Error::custom("Command names more than one output")),
                }
            }
        }

        deserializer.deserialize_map(CommandVisitor)
    }
}

/// A step, or an array with one step in it, which one published client sends.
struct StepWire(i32);

impl StepWire {
    const EXPECTED: &'static str = "a whole number of steps";
}

impl<'de> Deserialize<'de> for StepWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;

        impl<'de> Visitor<'de> for StepVisitor {
            type Value = StepWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(StepWire::EXPECTED)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<StepWire, E> {
                Whole::deserialize(I64Deserializer::new(value)).map(|Whole(step)| StepWire(step))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<StepWire, E> {
                Whole::deserialize(U64Deserializer::new(value)).map(|Whole(step)| StepWire(step))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<StepWire, E> {
                Whole::deserialize(F64Deserializer::new(value)).map(|Whole(step)| StepWire(step))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<StepWire, A::Error> {
                let step: Option<Whole<i32>> = array.next_element()?;
                match (step, array.next_element::<IgnoredAny>()?) {
                    (Some(Whole(step)), None) => Ok(StepWire(step)),
                    _ => Err(A::Error::custom(StepWire::EXPECTED)),
                }
            }
        }

        deserializer.deserialize_any(StepVisitor)
    }
}
