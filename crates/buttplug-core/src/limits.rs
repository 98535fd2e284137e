//! The bounds on what one peer may send, decided in one place.

/// Bytes in one frame, on the way in. A device list with 500 devices is about 150 kB; what a client sends is a
/// hundred bytes or so. A longer frame ends the connection.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Messages in one frame. Libraries send one, batching scripts a few dozen. Bounds the work of one frame before the
/// next client's turn. A frame with more is answered with one message error and none of it is executed.
pub const MAX_MESSAGES_PER_FRAME: usize = 1000;

/// Arrays and objects inside one another. The deepest message needs six levels; the rest is room for fields that a
/// later version may add. A deeper frame is answered with one message error and none of it is executed.
pub const MAX_NESTING: usize = 64;

/// What one frame may hold, where it is to be another than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// See [`MAX_FRAME_BYTES`].
    pub bytes: usize,
    /// See [`MAX_MESSAGES_PER_FRAME`].
    pub messages: usize,
    /// See [`MAX_NESTING`]. What is read has a limit of its own at 127.
    pub nesting: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { bytes: MAX_FRAME_BYTES, messages: MAX_MESSAGES_PER_FRAME, nesting: MAX_NESTING }
    }
}

/// Characters of a peer's own text that an error message or a log line repeats.
pub const MAX_QUOTED_CHARS: usize = 64;

/// `text`, cut to [`MAX_QUOTED_CHARS`] and without control characters, for error messages and logs.
pub fn quoted(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(MAX_QUOTED_CHARS).collect();
    if short.len() < text.len() && text.chars().count() > MAX_QUOTED_CHARS {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_short_and_printable() {
        assert_eq!(quoted("Vibrate"), "Vibrate");
        assert_eq!(quoted("a\u{1b}[2Jb"), "a[2Jb");
        let long = quoted(&"x".repeat(1000));
        assert_eq!(long.chars().count(), MAX_QUOTED_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
