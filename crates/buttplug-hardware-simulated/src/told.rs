//! Reads the words of the protocol `simulated`: one frame says what one output shall do.

use buttplug_core::{FeatureIndex, OutputKind};

/// What an output was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// In steps of the device's own range.
    pub value: i32,
    /// For a timed position, the milliseconds until it shall be reached; otherwise 0.
    pub duration_ms: u32,
}

/// Reads a frame such as `0 Vibrate 14` or `0 HwPositionWithDuration 80 in 500 ms`. Anything else says nothing.
pub(crate) fn read(data: &[u8]) -> Option<(FeatureIndex, OutputKind, Told)> {
    let mut words = std::str::from_utf8(data).ok()?.split_ascii_whitespace();
    let feature = FeatureIndex(words.next()?.parse().ok()?);
    let kind = OutputKind::from_name(words.next()?)?;
    let value = words.next()?.parse().ok()?;
    let duration_ms = match (words.next(), words.next(), words.next()) {
        (None, _, _) => 0,
        (Some("in"), Some(duration), Some("ms")) => duration.parse().ok()?,
        _ => return None,
    };
    words.next().is_none().then_some((feature, kind, Told { value, duration_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_which_output_shall_do_what() {
        let told = |feature, kind, value, duration_ms| {
            Some((FeatureIndex(feature), kind, Told { value, duration_ms }))
        };
        for (frame, meaning) in [
            ("0 Vibrate 14", told(0, OutputKind::Vibrate, 14, 0)),
            ("1 Rotate -20\n", told(1, OutputKind::Rotate, -20, 0)),
            ("0 HwPositionWithDuration 80 in 500 ms", told(0, OutputKind::HwPositionWithDuration, 80, 500)),
            ("", None),
            ("0 Vibrate", None),
            ("0 vibrate 14", None),
            ("0 Vibrate fast", None),
            ("-1 Vibrate 14", None),
            ("0 Vibrate 14 500", None),
            ("0 Vibrate 14 in soon ms", None),
            ("0 Vibrate 14 in 500 ms or so", None),
        ] {
            assert_eq!(read(frame.as_bytes()), meaning, "{frame:?}");
        }
        assert_eq!(read(&[0xff, 0x20]), None);
    }
}
