//! Checksums over the bytes of a frame.

use serde::{Deserialize, Serialize};

/// A way to make a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// All bytes added up.
    Sum,
    /// What has to be added to the sum to get zero.
    NegSum,
    /// All bytes combined by exclusive or.
    Xor,
    /// CRC-16 with polynomial 8005 reflected, beginning with ffff.
    Crc16Modbus,
    /// CRC-16 with polynomial 1021, beginning with 0000.
    Crc16Xmodem,
}

impl Checksum {
    const NAMES: [(&'static str, Self); 5] = [
        ("sum", Self::Sum),
        ("negsum", Self::NegSum),
        ("xor", Self::Xor),
        ("crc16-modbus", Self::Crc16Modbus),
        ("crc16-xmodem", Self::Crc16Xmodem),
    ];

    /// The checksum with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(named, _)| *named == name).map(|(_, checksum)| *checksum)
    }

    /// Whether it is one byte unless a format says otherwise.
    pub fn is_byte(self) -> bool {
        matches!(self, Self::Sum | Self::NegSum | Self::Xor)
    }

    /// The checksum of `bytes`; only as many low bits count as its format has.
    pub fn of(self, bytes: &[u8]) -> u32 {
        let sum = || bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        match self {
            Self::Sum => sum(),
            Self::NegSum => sum().wrapping_neg(),
            Self::Xor => bytes.iter().fold(0, |xor, byte| xor ^ u32::from(*byte)),
            Self::Crc16Modbus => bytes.iter().fold(0xffff, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xa001 } else { 0 })
            }),
            Self::Crc16Xmodem => bytes.iter().fold(0, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte) << 8, |crc, _| {
                    (crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }) & 0xffff
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_have_their_known_values() {
        let digits = b"123456789";
        let cases: &[(Checksum, &[u8], u32)] = &[
            (Checksum::Sum, &[0x55, 0x04, 0x07, 0xff, 0xff, 0x3f, 0x25, 0x5f, 0x25], 0x346),
            (Checksum::Sum, digits, 0x1dd),
            (Checksum::NegSum, &[0x07, 0x09], 0xffff_fff0),
            (Checksum::NegSum, &[], 0),
            (Checksum::Xor, &[0xaa, 0x55, 0x06, 0x01, 0x01, 0x01, 0x03, 0xfa], 0x01),
            (Checksum::Xor, digits, 0x31),
            (Checksum::Crc16Modbus, digits, 0x4b37),
            (Checksum::Crc16Modbus, &[0x01, 0x06, 0x00, 0x64, 0x00, 0x01], 0xd509),
            (Checksum::Crc16Xmodem, digits, 0x31c3),
            (Checksum::Crc16Xmodem, &[0x01, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], 0x06f1),
            (Checksum::Crc16Xmodem, &[0x01], 0x1021),
        ];
        for (checksum, bytes, expected) in cases {
            assert_eq!(checksum.of(bytes), *expected, "{checksum:?} of {bytes:02x?}");
        }
    }
}
