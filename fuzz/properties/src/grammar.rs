//! Makes frames of clients out of a fuzzer's bytes: messages of all versions with fields that are right, odd or wrong,
//! so that what lies behind the reader is reached.

use arbitrary::{Result, Unstructured};
use std::fmt::Write;

/// Elements of one made frame.
const MAX_ELEMENTS: usize = 4;

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Device,
    Feature,
    /// From 0 to 1.
    Fraction,
    /// From 0 to 100.
    Percent,
    Duration,
    Flag,
    Text,
    Bytes,
    OneOf(&'static [&'static str]),
    /// The `Command` of an `OutputCmd`.
    Output,
    /// An array of objects with these fields.
    Several(&'static [Field]),
}

type Field = (&'static str, Holds);

/// A message of a client: its name, the versions that have it, and its fields besides `Id`.
type Message = (&'static str, &'static [u32], &'static [Field]);

const ALL: &[u32] = &[0, 1, 2, 3, 4];
const OUTPUT_KINDS: &[&str] = &[
    "Vibrate",
    "Rotate",
    "Oscillate",
    "Position",
    "HwPositionWithDuration",
    "Constrict",
    "Spray",
    "Temperature",
    "Led",
    "RotateWithDirection",
    "PositionWithDuration",
    "Inflate",
    "vibrate",
];
const INPUT_KINDS: &[&str] = &["Battery", "Pressure", "RSSI", "Rssi", "Button", "Depth", "battery"];
const ENDPOINTS: &[&str] = &["tx", "rx", "command"];

const MESSAGES: &[Message] = &[
    ("Ping", ALL, &[]),
    ("StartScanning", ALL, &[]),
    ("StopScanning", ALL, &[]),
    ("RequestDeviceList", ALL, &[]),
    ("StopAllDevices", ALL, &[]),
    ("StopDeviceCmd", ALL, &[("DeviceIndex", Holds::Device)]),
    (
        "OutputCmd",
        &[4],
        &[("DeviceIndex", Holds::Device), ("FeatureIndex", Holds::Feature), ("Command", Holds::Output)],
    ),
    (
        "InputCmd",
        &[4],
        &[
            ("DeviceIndex", Holds::Device),
            ("FeatureIndex", Holds::Feature),
            ("Type", Holds::OneOf(INPUT_KINDS)),
            ("Command", Holds::OneOf(&["Read", "Subscribe", "Unsubscribe", "read", "Write"])),
        ],
    ),
    (
        "StopCmd",
        &[4],
        &[
            ("DeviceIndex", Holds::Device),
            ("FeatureIndex", Holds::Feature),
            ("Inputs", Holds::Flag),
            ("Outputs", Holds::Flag),
        ],
    ),
    ("Disconnect", &[4], &[]),
    (
        "ScalarCmd",
        &[3],
        &[
            ("DeviceIndex", Holds::Device),
            (
                "Scalars",
                Holds::Several(&[
                    ("Index", Holds::Feature),
                    ("Scalar", Holds::Fraction),
                    ("ActuatorType", Holds::OneOf(OUTPUT_KINDS)),
                ]),
            ),
        ],
    ),
    ("SensorReadCmd", &[3], SENSOR),
    ("SensorSubscribeCmd", &[3], SENSOR),
    ("SensorUnsubscribeCmd", &[3], SENSOR),
    (
        "VibrateCmd",
        &[1, 2, 3],
        &[
            ("DeviceIndex", Holds::Device),
            ("Speeds", Holds::Several(&[("Index", Holds::Feature), ("Speed", Holds::Fraction)])),
        ],
    ),
    (
        "LinearCmd",
        &[1, 2, 3],
        &[
            ("DeviceIndex", Holds::Device),
            (
                "Vectors",
                Holds::Several(&[
                    ("Index", Holds::Feature),
                    ("Duration", Holds::Duration),
                    ("Position", Holds::Fraction),
                ]),
            ),
        ],
    ),
    (
        "RotateCmd",
        &[1, 2, 3],
        &[
            ("DeviceIndex", Holds::Device),
            (
                "Rotations",
                Holds::Several(&[
                    ("Index", Holds::Feature),
                    ("Speed", Holds::Fraction),
                    ("Clockwise", Holds::Flag),
                ]),
            ),
        ],
    ),
    ("BatteryLevelCmd", &[2], &[("DeviceIndex", Holds::Device)]),
    ("RSSILevelCmd", &[2], &[("DeviceIndex", Holds::Device)]),
    ("SingleMotorVibrateCmd", &[0, 1], &[("DeviceIndex", Holds::Device), ("Speed", Holds::Fraction)]),
    (
        "FleshlightLaunchFW12Cmd",
        &[0, 1],
        &[("DeviceIndex", Holds::Device), ("Position", Holds::Percent), ("Speed", Holds::Percent)],
    ),
    (
        "VorzeA10CycloneCmd",
        &[0, 1],
        &[("DeviceIndex", Holds::Device), ("Speed", Holds::Percent), ("Clockwise", Holds::Flag)],
    ),
    ("KiirooCmd", &[0, 1], &[("DeviceIndex", Holds::Device), ("Command", Holds::Text)]),
    ("LovenseCmd", &[0, 1], &[("DeviceIndex", Holds::Device), ("Command", Holds::Text)]),
    ("RawCmd", &[0], &[("DeviceIndex", Holds::Device), ("Command", Holds::Bytes)]),
    (
        "RawWriteCmd",
        &[2, 3],
        &[
            ("DeviceIndex", Holds::Device),
            ("Endpoint", Holds::OneOf(ENDPOINTS)),
            ("Data", Holds::Bytes),
            ("WriteWithResponse", Holds::Flag),
        ],
    ),
    (
        "RawReadCmd",
        &[2, 3],
        &[
            ("DeviceIndex", Holds::Device),
            ("Endpoint", Holds::OneOf(ENDPOINTS)),
            ("ExpectedLength", Holds::Percent),
            ("WaitForData", Holds::Flag),
        ],
    ),
    ("RawSubscribeCmd", &[2, 3], &[("DeviceIndex", Holds::Device), ("Endpoint", Holds::OneOf(ENDPOINTS))]),
    ("Test", &[0, 1], &[("TestString", Holds::Text)]),
    ("RequestLog", &[0, 1, 2], &[("LogLevel", Holds::OneOf(&["Off", "Trace", "Loud"]))]),
    (
        "RequestServerInfo",
        &[],
        &[
            ("ClientName", Holds::Text),
            ("MessageVersion", Holds::Feature),
            ("ProtocolVersionMajor", Holds::Feature),
        ],
    ),
    ("Ok", &[], &[]),
    ("Nonsense", &[], &[("DeviceIndex", Holds::Device)]),
];

const SENSOR: &[Field] = &[
    ("DeviceIndex", Holds::Device),
    ("SensorIndex", Holds::Feature),
    ("SensorType", Holds::OneOf(INPUT_KINDS)),
];

/// What may stand where something else belongs.
const ODD: &[&str] = &[
    "null",
    "true",
    "\"4\"",
    "[]",
    "{}",
    "[7]",
    "-1",
    "-0.0",
    "0",
    "1.0",
    "10.5",
    "1e1",
    "1e-7",
    "1e308",
    "1e999",
    "4294967295",
    "4294967296",
    "2147483647",
    "-2147483648",
    "9007199254740993",
    "1.0000000000000002",
    "0.9999999999999999",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
];

/// One frame, mostly of messages of this version. `care` is how many fields in 16 are as they should be.
pub(crate) fn frame(bytes: &mut Unstructured<'_>, version: u32, care: u8) -> Result<String> {
    let mut frame = String::from("[");
    for place in 0..bytes.int_in_range(1..=MAX_ELEMENTS)?.min(bytes.int_in_range(1..=MAX_ELEMENTS)?) {
        if place > 0 {
            frame.push(',');
        }
        let own: Vec<&Message> =
            MESSAGES.iter().filter(|(_, versions, _)| versions.contains(&version)).collect();
        let (name, _, fields) =
            if bytes.ratio(1, 8)? { bytes.choose(MESSAGES)? } else { *bytes.choose(&own)? };
        let id =
            if bytes.ratio(care, 16)? { bytes.int_in_range(1..=9_u32)?.to_string() } else { odd(bytes)? };
        let _ = write!(frame, r#"{{"{name}":{{"Id":{id}"#);
        write_fields(&mut frame, fields, *name == "StopCmd", bytes, care)?;
        frame.push_str("}}");
    }
    frame.push(']');
    Ok(frame)
}

fn write_fields(
    frame: &mut String,
    fields: &[Field],
    optional: bool,
    bytes: &mut Unstructured<'_>,
    care: u8,
) -> Result<()> {
    for (name, holds) in fields {
        let careful = bytes.ratio(care, 16)?;
        if (optional && bytes.arbitrary()?) || (!careful && bytes.ratio(1, 4)?) {
            continue;
        }
        let _ = write!(frame, r#"{}"{name}":"#, if frame.ends_with('{') { "" } else { "," });
        if careful {
            write_value(frame, *holds, bytes, care)?;
        } else {
            frame.push_str(&odd(bytes)?);
        }
    }
    Ok(())
}

fn write_value(frame: &mut String, holds: Holds, bytes: &mut Unstructured<'_>, care: u8) -> Result<()> {
    match holds {
        // The devices' indexes, and one more.
        Holds::Device => number(frame, bytes.int_in_range(0..=8)?),
        Holds::Feature => number(frame, bytes.int_in_range(0..=3)?),
        Holds::Percent => number(frame, bytes.int_in_range(0..=101)?),
        Holds::Duration => number(frame, bytes.int_in_range(0..=2000)?),
        Holds::Fraction => {
            let fraction = f64::from(bytes.arbitrary::<u16>()?) / f64::from(u16::MAX);
            let _ = write!(frame, "{fraction}");
        }
        Holds::Flag => frame.push_str(if bytes.arbitrary()? { "true" } else { "false" }),
        Holds::Text => frame.push_str(bytes.choose(&["\"\"", "\"Error\"", "\"hello\"", "\"2\""])?),
        Holds::Bytes => frame.push_str(bytes.choose(&["[]", "[1,255]", "[256]"])?),
        Holds::OneOf(words) => {
            // The first are what the devices have.
            let likely = words.get(..5).filter(|_| !matches!(bytes.ratio(1, 8), Ok(true)));
            let _ = write!(frame, r#""{}""#, bytes.choose(likely.unwrap_or(words))?);
        }
        Holds::Output => {
            let kind = bytes.choose(OUTPUT_KINDS.get(..9).unwrap_or(OUTPUT_KINDS))?;
            let value = bytes.int_in_range(-5..=105)?;
            let _ = write!(frame, r#"{{"{kind}":{{"Value":{value}"#);
            if kind.ends_with("Duration") {
                let _ = write!(frame, r#","Duration":{}"#, bytes.int_in_range(0..=2000)?);
            }
            frame.push_str("}}");
        }
        Holds::Several(fields) => {
            frame.push('[');
            for place in 0..bytes.int_in_range(0..=3)? {
                frame.push_str(if place > 0 { ",{" } else { "{" });
                write_fields(frame, fields, false, bytes, care)?;
                frame.push('}');
            }
            frame.push(']');
        }
    }
    Ok(())
}

fn number(frame: &mut String, number: i32) {
    let _ = write!(frame, "{number}");
}

fn odd(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=5)? {
        0 => bytes.arbitrary::<i32>()?.to_string(),
        1 => bytes.arbitrary::<u32>()?.to_string(),
        2 => Some(bytes.arbitrary::<f64>()?).filter(|n| n.is_finite()).unwrap_or_default().to_string(),
        3 => Some(bytes.arbitrary::<f32>()?).filter(|n| n.is_finite()).unwrap_or_default().to_string(),
        _ => (*bytes.choose(ODD)?).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_made_and_every_frame_is_json() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..5000_u32 {
            // Bytes without a pattern: a multiplication spreads the seed.
            let bytes: Vec<u8> =
                (1..200).map(|n| ((seed + 1).wrapping_mul(2_654_435_761 + n) >> 13) as u8).collect();
            let mut bytes = Unstructured::new(&bytes);
            let frame = frame(&mut bytes, seed % 5, 15).expect("enough bytes");
            let read: Vec<&serde_json::value::RawValue> = serde_json::from_str(&frame).expect(&frame);
            assert!((1..=MAX_ELEMENTS).contains(&read.len()), "{frame}");
            seen.extend(MESSAGES.iter().map(|message| message.0).filter(|name| frame.contains(*name)));
        }
        let missing: Vec<&str> =
            MESSAGES.iter().map(|message| message.0).filter(|name| !seen.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
