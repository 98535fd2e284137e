//! Number formats: how a number becomes bytes of a frame, and how bytes become a reading.

use crate::frame::FrameBytes;
use serde::{Deserialize, Serialize};

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Binary, one to four bytes.
    Binary {
        /// How many.
        bytes: u8,
        /// Whether the highest bit is a sign.
        signed: bool,
        /// Whether the low byte comes first.
        little: bool,
    },
    /// Decimal digits as text.
    Decimal {
        /// Exactly so many; 0: as many as it needs.
        digits: u8,
    },
}

impl Format {
    /// One byte without a sign.
    pub const U8: Self = Self::Binary { bytes: 1, signed: false, little: false };

    /// The most digits that `dec` can be asked for.
    const MAX_DIGITS: u8 = 9;

    /// The format with this name, such as `u16be` or `dec3`.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(digits) = name.strip_prefix("dec") {
            return match digits.as_bytes() {
                [] => Some(Self::Decimal { digits: 0 }),
                [digit @ b'1'..=b'9'] => Some(Self::Decimal { digits: digit - b'0' }),
                _ => None,
            };
        }
        let signed = match name.as_bytes().first()? {
            b'u' => false,
            b'i' => true,
            _ => return None,
        };
        let (bytes, little) = match &name[1..] {
            "8" => (1, false),
            "16be" => (2, false),
            "16le" => (2, true),
            "24be" => (3, false),
            "24le" => (3, true),
            "32be" => (4, false),
            "32le" => (4, true),
            _ => return None,
        };
        Some(Self::Binary { bytes, signed, little })
    }

    /// The least and the greatest number that fits.
    pub fn limits(self) -> (i64, i64) {
        match self {
            Self::Binary { bytes, signed: false, .. } => (0, (1 << (8 * bytes)) - 1),
            Self::Binary { bytes, signed: true, .. } => (-(1 << (8 * bytes - 1)), (1 << (8 * bytes - 1)) - 1),
            Self::Decimal { digits: 0 } => (i64::from(i32::MIN), i64::from(u32::MAX)),
            Self::Decimal { digits } => (0, 10i64.pow(u32::from(digits.min(Self::MAX_DIGITS))) - 1),
        }
    }

    /// The most bytes that a number takes.
    pub fn longest(self) -> usize {
        match self {
            Self::Binary { bytes, .. } => usize::from(bytes),
            Self::Decimal { digits: 0 } => "-2147483648".len(),
            Self::Decimal { digits } => usize::from(digits),
        }
    }

    /// Appends `value`, or the nearest number that fits; whether it fitted.
    pub fn write(self, value: i64, out: &mut FrameBytes) -> bool {
        // Nearly every number is one of these.
        if self == Self::U8 {
            out.push(value.clamp(0, 0xff) as u8);
            return (0..=0xff).contains(&value);
        }
        let (least, greatest) = self.limits();
        let fitting = value.clamp(least, greatest);
        match self {
            Self::Binary { .. } => self.write_low_bits(fitting, out),
            Self::Decimal { digits } => write_decimal(fitting, digits, out),
        }
        fitting == value
    }

    /// Appends the low bits of `value`, as many as there is place for.
    pub fn write_low_bits(self, value: i64, out: &mut FrameBytes) {
        let bytes = value.to_be_bytes();
        match self {
            Self::Binary { bytes: 1, .. } => out.push(bytes[7]),
            Self::Binary { bytes: count, little, .. } => {
                let low = &bytes[bytes.len() - usize::from(count.min(8))..];
                if little {
                    out.extend(low.iter().rev().copied());
                } else {
                    out.extend_from_slice(low);
                }
            }
            Self::Decimal { digits } => write_decimal(value, digits, out),
        }
    }

    /// The number at the beginning of `data`, and how many bytes it takes.
    pub fn read(self, data: &[u8]) -> Option<(i64, usize)> {
        match self {
            Self::Binary { bytes, signed, little } => {
                let count = usize::from(bytes);
                let place = data.get(..count)?;
                let append = |number: i64, byte: &u8| number << 8 | i64::from(*byte);
                let number =
                    if little { place.iter().rev().fold(0, append) } else { place.iter().fold(0, append) };
                let sign = signed && number >> (8 * count - 1) & 1 == 1;
                Some((if sign { number - (1 << (8 * count)) } else { number }, count))
            }
            Self::Decimal { digits } => {
                let most = if digits == 0 { Self::MAX_DIGITS } else { digits };
                let count =
                    data.iter().take(usize::from(most)).take_while(|byte| byte.is_ascii_digit()).count();
                if count == 0 || (digits != 0 && count != usize::from(digits)) {
                    return None;
                }
                let number =
                    data[..count].iter().fold(0, |number, byte| number * 10 + i64::from(byte - b'0'));
                Some((number, count))
            }
        }
    }
}

fn write_decimal(value: i64, digits: u8, out: &mut FrameBytes) {
    let mut text = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut at = text.len();
    while at > 0 && (rest > 0 || at == text.len()) {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at.min(text.len() - usize::from(digits.min(Format::MAX_DIGITS)))..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str, value: i64) -> (Vec<u8>, bool) {
        let mut out = FrameBytes::new();
        let fits = Format::from_name(format).unwrap().write(value, &mut out);
        (out.to_vec(), fits)
    }

    #[test]
    fn numbers_are_written_in_every_format() {
        let cases: &[(&str, i64, &[u8], bool)] = &[
            ("u8", 0, &[0], true),
            ("u8", 255, &[255], true),
            ("u8", 256, &[255], false),
            ("u8", -1, &[0], false),
            ("i8", -1, &[255], true),
            ("i8", -128, &[128], true),
            ("i8", 128, &[127], false),
            ("u16be", 0x1234, &[0x12, 0x34], true),
            ("u16le", 0x1234, &[0x34, 0x12], true),
            ("u16le", 70_000, &[0xff, 0xff], false),
            ("i16be", -2, &[0xff, 0xfe], true),
            ("u24be", 0x12_3456, &[0x12, 0x34, 0x56], true),
            ("u24le", 0x12_3456, &[0x56, 0x34, 0x12], true),
            ("u32be", 0x1234_5678, &[0x12, 0x34, 0x56, 0x78], true),
            ("u32le", i64::MAX, &[0xff, 0xff, 0xff, 0xff], false),
            ("i32le", i64::MIN, &[0, 0, 0, 0x80], false),
            ("dec", 0, b"0", true),
            ("dec", 99_999, b"99999", true),
            ("dec", -20, b"-20", true),
            ("dec", i64::MIN, b"-2147483648", false),
            ("dec3", 7, b"007", true),
            ("dec3", 999, b"999", true),
            ("dec3", 1000, b"999", false),
            ("dec3", -1, b"000", false),
        ];
        for (format, value, bytes, fits) in cases {
            assert_eq!(written(format, *value), (bytes.to_vec(), *fits), "{value}:{format}");
            assert!(bytes.len() <= Format::from_name(format).unwrap().longest(), "{value}:{format}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let formats = [
            "u8", "i8", "u16be", "u16le", "i16be", "i16le", "u24be", "i24le", "u32be", "i32le", "dec", "dec3",
        ];
        for name in formats {
            let format = Format::from_name(name).unwrap();
            for value in [-128, -1, 0, 1, 127, 128, 255, 999] {
                let (bytes, fits) = written(name, value);
                if fits && bytes[0] != b'-' {
                    assert_eq!(format.read(&bytes), Some((value, bytes.len())), "{value}:{name}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for (format, data) in [("u16be", &b"\x01"[..]), ("dec", b";"), ("dec", b""), ("dec3", b"12;")] {
            assert_eq!(Format::from_name(format).unwrap().read(data), None, "{data:02x?}:{format}");
        }
        assert_eq!(Format::from_name("dec").unwrap().read(b"85;"), Some((85, 2)));
        for name in ["", "u", "u9", "u16", "dec0", "dec10", "x8", "ü8"] {
            assert_eq!(Format::from_name(name), None, "{name}");
        }
    }
}
