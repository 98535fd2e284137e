//! The notation of frames: parse, run, and nothing about any particular protocol.
//!
//! A frame is written as in a hex dump, with names for what varies, such as `sum(55 04 value) aa`. The one full description
//! of the notation, with all names, formats, groups, steps and patterns, is the book's chapter "Adding a device"
//! (`docs/src/adding-a-device.md`); what has a name here is checked to be in it.
//!
//! | | read by | run by |
//! |---|---|---|
//! | a frame | [`parse_frame`] | [`frame::Template::frame`] |
//! | a step of a conversation | [`parse_step`] | the interpreter |
//! | a pattern | [`parse_pattern`] | [`pattern::Pattern::find`] |

pub mod checksum;
pub mod expression;
pub mod frame;
pub mod number;
mod parse;
pub mod pattern;
pub mod speed;
pub mod step;

pub use parse::{Context, parse_frame, parse_pattern, parse_step};

/// The most bytes in a frame. No bus of any known device carries more in one write.
pub const MAX_FRAME_BYTES: usize = 512;

/// The longest text of one frame, step or pattern, in bytes: more than twice what the longest frame takes in hex digits.
pub const MAX_NOTATION_BYTES: usize = 4096;

/// How deep groups and parentheses may be nested.
pub const MAX_NESTING: usize = 8;

/// What is wrong with a piece of notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotationError {
    /// Where, in bytes from the beginning of the text.
    pub at: usize,
    /// What.
    pub message: String,
}
