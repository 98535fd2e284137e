//! The notation of frames: parse, run, and nothing about any particular protocol.
//!
//! A frame is written as in a hex dump, with names for what varies:
//!
//! ```text
//! f1+feature value                       two bytes
//! 'L' feature:dec value:dec3 0a          text and decimal numbers
//! sum(55 04 value) aa                    bytes, their sum, one more byte
//! each(4x(value))                        the value of every output, four times each
//! ```
//!
//! **Items** stand apart by spaces. Two hex digits are a byte. `'text'` is its bytes. Everything else is an expression,
//! written without spaces (inside parentheses spaces are free), and makes one byte, or what its format says:
//!
//! | format | |
//! |---|---|
//! | `:u8` `:i8` | one byte, without and with sign; `u8` if nothing is said |
//! | `:u16be` `:u16le` `:i16be` … `:u24be` `:u32le` | more bytes, big end or little end first |
//! | `:dec` `:dec3` | a decimal number as text, with as many digits as it needs or exactly three |
//!
//! A number that does not fit is an error of the definition for any value in the model's range, and is limited to the
//! nearest one that fits otherwise.
//!
//! **Numbers** are two hex digits, a single digit, or decimal after `#`: `80`, `1`, `#100`.
//!
//! **Names:** `value` of the output that has changed, its `feature`, the `duration` of a timed position in
//! milliseconds, the `distance` from the position before. `value0`, `value1`, …: what feature 0, 1, … shall do, 0 if there
//! is no such feature. `vibrate`, `rotate1`, …: the same by kind. `count`: how many outputs there are. `counter`: 0 for the
//! first frame that mentions it, then one more each time, up to 255 and round. Constants of the model by their names.
//!
//! **Operators**, weakest first: `a?b:c`, `or`, `and`, `= != < > <= >=` (1 if it holds, else 0), `|`, `^`, `&`,
//! `<< >>`, `+ -`, `* / %`, and `x[0f 0c 0d]`, entry x of a table. **Functions:** `abs min max`, and the named calculations
//! in [`speed`].
//!
//! **Groups:** `4x(..)` repeats, `each(..)` once for every output with its own `value` and `feature`.
//!
//! **Checksums** ([`checksum`]) stand for all bytes before them, or with parentheses for what is in them, which comes
//! first: `sum`, `negsum`, `xor` make a byte; `crc16-modbus:u16le` needs a format.
//!
//! A frame may begin with a condition: `if value=0: f0 00`. `else:` is for the case that the `if` before it, in the same
//! list, did not hold. It may end with its endpoint, if that is not `tx`, and how it is written:
//! `01 -> command, with response`.
//!
//! **Steps** of a conversation are frames and: `subscribe rx`, `unsubscribe rx`, `wait 100 ms`, `read rx`, `read rx 16:
//! PATTERN` (at most so many bytes), `expect rx: PATTERN within 500 ms`, `listen 100 ms` (whatever comes, or nothing).
//!
//! **Patterns** are what the hardware says: bytes, text, `??` for any byte, `value` with a format for a reading,
//! `value0` for the reading of feature 0, and `...` in the end for whatever follows.

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
