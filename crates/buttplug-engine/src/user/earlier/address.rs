//! Addresses as earlier engines wrote them, reduced to what they say of the device.

/// The bare address: for Bluetooth the radio's address, or the identifier that stands for it on Apple's systems, without
/// what the library and the adapter put around it. Every other address is as it is.
pub(super) fn bare(written: &str) -> String {
    let inner = written.strip_prefix("PeripheralId(").and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else { return written.to_owned() };
    if !inner.starts_with("DeviceId") {
        return inner.trim().to_owned();
    }
    let radio = inner.split("/dev_").nth(1).and_then(radio_address);
    radio.unwrap_or_else(|| written.to_owned())
}

/// `54_73_A0_45_FB_84`, whatever comes after it.
fn radio_address(text: &str) -> Option<String> {
    const DIGITS: usize = "54_73_A0_45_FB_84".len();
    let written = text.get(..DIGITS)?;
    let mut pairs = written.split('_');
    let sound =
        pairs.by_ref().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit())).count();
    let ends = !text[DIGITS..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (sound == 6 && ends).then(|| written.replace('_', ":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_leads_to_the_same_one() {
        let linux = |adapter: &str, end: &str| {
            format!(
                r#"PeripheralId(DeviceId {{ object_path: Path("/org/bluez/{adapter}/dev_54_73_A0_45_FB_84{end}") }})"#
            )
        };
        for written in [
            linux("hci0", r"\0"),
            linux("hci0", ""),
            linux("hci0", r"\u{0}"),
            linux("hci0", "\0"),
            linux("hci1", r"\0"),
            "PeripheralId(54:73:A0:45:FB:84)".into(),
            "54:73:A0:45:FB:84".into(),
        ] {
            assert_eq!(bare(&written), "54:73:A0:45:FB:84", "{written}");
        }
        assert_eq!(
            bare("PeripheralId(81b8f016-ba95-e1ae-3a71-a2e6b1d83b21)"),
            "81b8f016-ba95-e1ae-3a71-a2e6b1d83b21"
        );
    }

    #[test]
    fn what_is_no_such_address_stays_as_it_is() {
        for address in [
            "COM7",
            "/dev/ttyUSB0",
            "simulated:desk",
            "",
            "PeripheralId(",
            r#"PeripheralId(DeviceId { object_path: Path("/org/bluez/hci0/dev_54_73_A0_45_FB") })"#,
            r#"PeripheralId(DeviceId { object_path: Path("/org/bluez/hci0/dev_54_73_A0_45_FB_842") })"#,
            r#"PeripheralId(DeviceId { object_path: Path("/org/bluez/hci0/dev_ü4_73_A0_45_FB_84") })"#,
        ] {
            assert_eq!(bare(address), address);
        }
    }
}
