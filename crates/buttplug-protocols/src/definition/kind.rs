//! How definitions spell the kinds of outputs and inputs, and how the packed catalogue stores them.

use buttplug_core::{InputKind, OutputKind};

/// The kinds of outputs by the names they have in definitions.
const OUTPUTS: [(&str, OutputKind); 9] = [
    ("vibrate", OutputKind::Vibrate),
    ("rotate", OutputKind::Rotate),
    ("oscillate", OutputKind::Oscillate),
    ("constrict", OutputKind::Constrict),
    ("spray", OutputKind::Spray),
    ("temperature", OutputKind::Temperature),
    ("led", OutputKind::Led),
    ("position", OutputKind::Position),
    ("timed-position", OutputKind::HwPositionWithDuration),
];

/// The kinds of inputs by the names they have in definitions. A position is an output in most devices, so that the
/// input's name says what it is.
const INPUTS: [(&str, InputKind); 6] = [
    ("battery", InputKind::Battery),
    ("rssi", InputKind::Rssi),
    ("button", InputKind::Button),
    ("pressure", InputKind::Pressure),
    ("depth", InputKind::Depth),
    ("position-input", InputKind::Position),
];

/// The kind of output with this name in definitions.
pub fn output_from_name(name: &str) -> Option<OutputKind> {
    OUTPUTS.iter().find(|(named, _)| *named == name).map(|(_, kind)| *kind)
}

/// The kind of input with this name in definitions.
pub fn input_from_name(name: &str) -> Option<InputKind> {
    INPUTS.iter().find(|(named, _)| *named == name).map(|(_, kind)| *kind)
}

/// The name of a kind of output in definitions.
pub fn output_name(kind: OutputKind) -> &'static str {
    OUTPUTS.iter().find(|(_, named)| *named == kind).map_or("", |(name, _)| name)
}

/// The name of a kind of input in definitions.
pub fn input_name(kind: InputKind) -> &'static str {
    INPUTS.iter().find(|(_, named)| *named == kind).map_or("", |(name, _)| name)
}

macro_rules! packed {
    ($(#[$doc:meta])* $module:ident, $kind:ty, $table:ident) => {
        $(#[$doc])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            /// Stores a kind as its place in the table of names.
            ///
            /// # Errors
            /// The serializer's.
            pub fn serialize<S: Serializer>(kind: &$kind, serializer: S) -> Result<S::Ok, S::Error> {
                let place = super::$table.iter().position(|(_, listed)| listed == kind);
                serializer.serialize_u8(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX))
            }

            /// Finds a kind by its place in the table of names.
            ///
            /// # Errors
            /// There is no such place, or the deserializer's.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                let place = u8::deserialize(deserializer)?;
                let listed = super::$table.get(usize::from(place));
                listed.map(|(_, kind)| *kind).ok_or_else(|| D::Error::custom("no such kind"))
            }
        }
    };
}

packed! {
    /// A kind of output in the packed catalogue.
    output, buttplug_core::OutputKind, OUTPUTS
}
packed! {
    /// A kind of input in the packed catalogue.
    input, buttplug_core::InputKind, INPUTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name() {
        for kind in OutputKind::ALL {
            assert_eq!(output_from_name(output_name(kind)), Some(kind));
        }
        for kind in InputKind::ALL {
            assert_eq!(input_from_name(input_name(kind)), Some(kind));
        }
    }
}
