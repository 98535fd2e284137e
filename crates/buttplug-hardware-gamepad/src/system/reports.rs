//! What pads themselves want to be written where no driver of the system passes it on. From the makers' reports as the drivers
//! of Linux (`hid-playstation`) and the community (`xpadneo`) have them. Pure.

use crate::motors::{Motors, Rumble};

/// A family of pads that take the same reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    DualShock4,
    DualSense,
    /// Xbox pads on Bluetooth. On a cable they are no HID devices.
    Xbox,
}

/// How a pad is connected. Reports differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Usb,
    Bluetooth,
}

/// Vendors and products.
const KNOWN: &[(u16, u16, Family)] = &[
    (0x054c, 0x05c4, Family::DualShock4),
    (0x054c, 0x09cc, Family::DualShock4),
    (0x054c, 0x0ba0, Family::DualShock4),
    (0x054c, 0x0ce6, Family::DualSense),
    (0x054c, 0x0df2, Family::DualSense),
    (0x045e, 0x02e0, Family::Xbox),
    (0x045e, 0x02fd, Family::Xbox),
    (0x045e, 0x0b05, Family::Xbox),
    (0x045e, 0x0b13, Family::Xbox),
    (0x045e, 0x0b20, Family::Xbox),
    (0x045e, 0x0b22, Family::Xbox),
];

impl Family {
    /// The family of a pad.
    pub(crate) fn of(vendor: u16, product: u16) -> Option<Self> {
        KNOWN.iter().find(|known| (known.0, known.1) == (vendor, product)).map(|known| known.2)
    }

    pub(crate) fn motors(self) -> Motors {
        match self {
            // The resistance of a DualSense's triggers is no rumble.
            Self::DualShock4 | Self::DualSense => Motors::Main,
            Self::Xbox => Motors::MainAndTriggers,
        }
    }

    /// The report that sets the motors. `count` is how many have been written before.
    pub(crate) fn report(self, link: Link, rumble: Rumble, count: u8) -> Vec<u8> {
        match (self, link) {
            (Self::DualShock4, Link::Usb) => {
                let mut report = vec![0; 32];
                // Only the motors are meant, not the light.
                report[..6].copy_from_slice(&[0x05, 0x01, 0, 0, byte(rumble.high), byte(rumble.low)]);
                report
            }
            (Self::DualShock4, Link::Bluetooth) => {
                let mut report = vec![0; 78];
                let head = [0x11, 0xc4, 0, 0x01, 0, 0, byte(rumble.high), byte(rumble.low)];
                report[..8].copy_from_slice(&head);
                with_checksum(report)
            }
            (Self::DualSense, Link::Usb) => {
                let mut report = vec![0; 63];
                report[..5].copy_from_slice(&[0x02, 0x03, 0, byte(rumble.high), byte(rumble.low)]);
                report
            }
            (Self::DualSense, Link::Bluetooth) => {
                let mut report = vec![0; 78];
                let head = [0x31, count << 4, 0x10, 0x03, 0, byte(rumble.high), byte(rumble.low)];
                report[..7].copy_from_slice(&head);
                with_checksum(report)
            }
            (Self::Xbox, _) => vec![
                0x03,
                // All four motors are meant.
                0x0f,
                percent(rumble.left),
                percent(rumble.right),
                percent(rumble.low),
                percent(rumble.high),
                // For two and a half seconds, in hundredths; without a pause; once.
                XBOX_TIME,
                0,
                0,
            ],
        }
    }

    /// How full the battery is, by a report from the pad.
    pub(crate) fn battery(self, report: &[u8]) -> Option<u8> {
        // A level from 0 to 10 in the lower half of a byte.
        let at = match (self, report.first()?) {
            (Self::DualShock4, 0x01) if report.len() >= 64 => 30,
            (Self::DualShock4, 0x11) => 32,
            (Self::DualSense, 0x01) if report.len() >= 64 => 53,
            (Self::DualSense, 0x31) => 54,
            _ => return None,
        };
        let level = report.get(at)? & 0x0f;
        Some((level * 10 + 5).min(100))
    }
}

/// How long an Xbox pad rumbles by itself, in hundredths of a second.
const XBOX_TIME: u8 = 250;

/// The upper byte; what runs at all stays above zero.
fn byte(strength: u16) -> u8 {
    let [upper, _] = strength.to_be_bytes();
    if strength == 0 { 0 } else { upper.max(1) }
}

/// What runs at all stays above zero.
fn percent(strength: u16) -> u8 {
    let percent = u32::from(strength) * 100 / u32::from(u16::MAX);
    let percent = u8::try_from(percent).unwrap_or(100);
    if strength == 0 { 0 } else { percent.max(1) }
}

/// On Bluetooth a report ends with a CRC-32, which begins with a byte that is not in it.
fn with_checksum(mut report: Vec<u8>) -> Vec<u8> {
    const BEGINNING: u8 = 0xa2;
    let end = report.len() - 4;
    let sum = crc32(std::iter::once(BEGINNING).chain(report[..end].iter().copied()));
    report[end..].copy_from_slice(&sum.to_le_bytes());
    report
}

fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUMBLE: Rumble = Rumble { low: 0x8000, high: 0x40ff, left: 0, right: 0 };

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789".iter().copied()), 0xcbf4_3926);
    }

    #[test]
    fn each_family_gets_its_own_reports() {
        let report = |family: Family, link| family.report(link, RUMBLE, 3);
        let begins = |report: &[u8], bytes: &[u8], length: usize, end: usize| {
            assert!(report.starts_with(bytes), "{report:02x?}");
            assert_eq!(report.len(), length);
            assert!(report[bytes.len()..length - end].iter().all(|byte| *byte == 0), "{report:02x?}");
        };
        begins(&report(Family::DualShock4, Link::Usb), &[5, 1, 0, 0, 0x40, 0x80], 32, 0);
        begins(&report(Family::DualShock4, Link::Bluetooth), &[0x11, 0xc4, 0, 1, 0, 0, 0x40, 0x80], 78, 4);
        begins(&report(Family::DualSense, Link::Usb), &[2, 3, 0, 0x40, 0x80], 63, 0);
        begins(&report(Family::DualSense, Link::Bluetooth), &[0x31, 0x30, 0x10, 3, 0, 0x40, 0x80], 78, 4);
        let xbox = Rumble { left: 65535, right: 1, ..RUMBLE };
        assert_eq!(Family::Xbox.report(Link::Bluetooth, xbox, 0), [3, 0x0f, 100, 1, 50, 25, 250, 0, 0]);
    }

    #[test]
    fn a_report_on_bluetooth_ends_with_its_checksum() {
        for family in [Family::DualShock4, Family::DualSense] {
            let report = family.report(Link::Bluetooth, RUMBLE, 0);
            let (text, sum) = report.split_at(74);
            let expected = crc32([0xa2].into_iter().chain(text.iter().copied()));
            assert_eq!(sum, expected.to_le_bytes());
        }
    }

    #[test]
    fn rest_is_rest_and_the_least_strength_is_none() {
        for (strength, expected) in [(0, (0, 0)), (1, (1, 1)), (0x00ff, (1, 1)), (65535, (255, 100))] {
            assert_eq!((byte(strength), percent(strength)), expected, "{strength}");
        }
    }

    #[test]
    fn the_battery_is_in_the_reports_of_makers_who_put_it_there() {
        let report = |id: u8, length: usize, at: usize, value: u8| {
            let mut report = vec![0; length];
            (report[0], report[at]) = (id, value);
            report
        };
        for (family, report, level) in [
            (Family::DualShock4, report(0x01, 64, 30, 0x14), Some(45)),
            (Family::DualShock4, report(0x11, 78, 32, 0x0a), Some(100)),
            (Family::DualShock4, report(0x01, 10, 9, 0x0a), None),
            (Family::DualSense, report(0x01, 64, 53, 0x07), Some(75)),
            (Family::DualSense, report(0x31, 78, 54, 0x20), Some(5)),
            (Family::DualSense, report(0x31, 40, 39, 0x20), None),
            (Family::Xbox, report(0x01, 64, 53, 0x07), None),
            (Family::DualSense, Vec::new(), None),
        ] {
            let first = report.first().copied();
            assert_eq!(family.battery(&report), level, "{family:?} {first:02x?}");
        }
    }

    #[test]
    fn pads_are_known_by_their_ids() {
        assert_eq!(Family::of(0x054c, 0x0ce6), Some(Family::DualSense));
        assert_eq!(Family::of(0x054c, 0x0001), None);
        let mut ids: Vec<_> = KNOWN.iter().map(|known| (known.0, known.1)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KNOWN.len());
    }
}
