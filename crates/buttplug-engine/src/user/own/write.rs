//! Adds what the server has learned to a file of our own form, and leaves everything else in it as it is.

use super::about;
use buttplug_server::configuration::KnownDevice;
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

/// What a new file begins with.
pub(in crate::user) const HEADER: &str = "\
# What you decided about your devices. The engine adds those that it meets, so that they keep their indexes, and changes
# nothing else. What may stand here is in the book's chapter \"Your own devices\".
";

/// What a new file begins with that goes with one of an earlier engine.
pub(in crate::user) const HEADER_BESIDE: &str = "\
# Devices for which there is no place in the file beside this one, which an earlier engine made and can go on to use. The
# engine adds those that it meets, so that they keep their indexes. What the other file says of a device goes before what
# is said here, and a deny in either counts.
";

/// The text with every device in it that has connected, and its index. `None`: all of it stands there already.
///
/// An index that stands there is never changed: it is its owner's.
pub(in crate::user) fn with_known(text: &str, known: &[impl AsRef<KnownDevice>]) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    // What stands at the end of a file belongs to no entry, so that new ones come after all of it.
    let mut added = String::new();
    let mut changed = false;
    for known in known.iter().map(AsRef::as_ref) {
        if let Some(entry) = entry(&mut document, known) {
            if !entry.contains_key("index") {
                entry.insert("index", value(i64::from(known.index.0)));
                changed = true;
            }
            continue;
        }
        match document.get_mut("device") {
            None | Some(Item::ArrayOfTables(_)) => added += &format!("\n[[device]]\n{}", new_entry(known)),
            // A list in one line.
            Some(Item::Value(toml_edit::Value::Array(devices))) => {
                devices.push(new_entry(known).into_inline_table());
            }
            // Whatever it is, it is its owner's, and only they can make a list of it.
            Some(_) => continue,
        }
        changed = true;
    }
    let mut text = document.to_string();
    if !added.is_empty() && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    changed.then_some(text + &added)
}

/// What stands there about the device: of several entries the one that says most, as the server sees it.
fn entry<'d>(document: &'d mut DocumentMut, known: &KnownDevice) -> Option<&'d mut dyn TableLike> {
    let tables: Vec<&mut dyn TableLike> = match document.get_mut("device")? {
        Item::ArrayOfTables(devices) => devices.iter_mut().map(|table| table as _).collect(),
        Item::Value(toml_edit::Value::Array(devices)) => {
            devices.iter_mut().filter_map(|value| Some(value.as_inline_table_mut()? as _)).collect()
        }
        // One that is no list.
        device => vec![device.as_table_like_mut()?],
    };
    let mut best: Option<(usize, &mut dyn TableLike)> = None;
    for table in tables {
        if let Some(fits) = about(table).and_then(|device| device.fits(&known.identity)) {
            if best.as_ref().is_none_or(|(most, _)| fits > *most) {
                best = Some((fits, table));
            }
        }
    }
    best.map(|(_, table)| table)
}

fn new_entry(known: &KnownDevice) -> Table {
    let identity = &known.identity;
    let mut table = Table::new();
    table.insert("address", value(&identity.address));
    table.insert("bus", value(identity.bus.to_string()));
    table.insert("protocol", value(&identity.protocol));
    if let Some(identifier) = &identity.identifier {
        table.insert("identifier", value(identifier));
    }
    table.insert("model", value(&known.name));
    table.insert("index", value(i64::from(known.index.0)));
    table
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use buttplug_core::DeviceIndex;
    use buttplug_protocols::sighting::BusKind;
    use buttplug_server::configuration::DeviceIdentity;
    use std::sync::Arc;

    fn known(address: &str, identifier: Option<&str>, index: u32) -> Arc<KnownDevice> {
        let identity = DeviceIdentity {
            bus: BusKind::Bluetooth,
            protocol: "lovense".into(),
            identifier: identifier.map(str::to_owned),
            address: address.into(),
        };
        Arc::new(KnownDevice { identity, index: DeviceIndex(index), name: "Lovense Edge".into() })
    }

    #[test]
    fn a_device_that_was_met_is_written_once_and_read_again() {
        let met = [known("AA:BB", Some("P"), 3), known("CC:DD", None, 4)];
        let text = with_known(HEADER, &met).unwrap();
        let expected = "
[[device]]
address = \"AA:BB\"
bus = \"bluetooth\"
protocol = \"lovense\"
identifier = \"P\"
model = \"Lovense Edge\"
index = 3

[[device]]
address = \"CC:DD\"
bus = \"bluetooth\"
protocol = \"lovense\"
model = \"Lovense Edge\"
index = 4
";
        assert_eq!(text, format!("{HEADER}{expected}"));
        assert_eq!(with_known(&text, &met), None, "it stands there already");
        let decisions = read("x.toml", &text).unwrap();
        assert!(decisions.notices.is_empty());
        let indexes: Vec<_> = decisions.configuration.devices.iter().map(|device| device.index).collect();
        assert_eq!(indexes, [Some(DeviceIndex(3)), Some(DeviceIndex(4))]);
    }

    #[test]
    fn what_its_owner_wrote_gets_the_index_and_keeps_everything_else() {
        let text = "# mine\ncolour = 5 # unknown\n\n[[device]]\n  address = \"aa:bb\"   # the blue one\n  name = 'Blue'\n\n[[simulated]]\narchetype = \"simulated-2vibe\"\n";
        let written = with_known(text, &[known("AA:BB", Some("P"), 3)]).unwrap();
        assert_eq!(written, text.replace("  name = 'Blue'\n", "  name = 'Blue'\nindex = 3\n"));
        let text = "[[device]]\naddress = \"CC\"\n# the end";
        let written = with_known(text, &[known("AA:BB", Some("P"), 3)]).unwrap();
        assert!(written.starts_with(&format!("{text}\n\n[[device]]\naddress = \"AA:BB\"\n")), "{written}");
    }

    #[test]
    fn an_index_that_stands_there_is_never_changed() {
        let text = "[[device]]\naddress = \"AA:BB\"\nindex = 9\n";
        assert_eq!(with_known(text, &[known("AA:BB", Some("P"), 3)]), None);
        let text = "device = [{ address = \"AA:BB\", index = \"what?\" }]";
        assert_eq!(with_known(text, &[known("AA:BB", Some("P"), 3)]), None);
    }

    #[test]
    fn an_entry_with_a_bus_that_there_is_not_goes_on_to_count() {
        for bus in ["\"Bluetooth\"", "\"tin can\"", "5"] {
            let text = format!(
                "[[device]]\naddress = \"AA:BB\"\nbus = {bus}\n[device.outputs]\n\"0 vibrate\" = {{ limit = [0, 5] }}\n"
            );
            let met = known("AA:BB", Some("P"), 3);
            let written = with_known(&text, &[Arc::clone(&met)]).unwrap();
            let devices = read("x.toml", &written).unwrap().configuration.devices;
            let best = devices.iter().max_by_key(|device| device.fits(&met.identity)).unwrap();
            assert_eq!(best.outputs[0].limit, Some((0, 5)), "{written}");
            assert_eq!(best.index, Some(met.index), "{written}");
        }
    }

    #[test]
    fn an_entry_about_another_device_at_the_address_is_left_alone() {
        let text = "[[device]]\naddress = \"AA:BB\"\nprotocol = \"wevibe\"\n";
        let written = with_known(text, &[known("AA:BB", Some("P"), 3)]).unwrap();
        assert!(written.starts_with(text) && written.ends_with("index = 3\n"), "{written}");
    }

    #[test]
    fn a_list_in_one_line_stays_one() {
        let text = "device = [{ address = \"CC\" }]\n";
        let written = with_known(text, &[known("AA", None, 3)]).unwrap();
        assert!(written.starts_with("device = [{ address = \"CC\" }, { address = \"AA\","), "{written}");
        assert_eq!(with_known("device = 5", &[known("AA", None, 3)]), None);
        let one = "[device]\naddress = \"AA\"\n";
        let met = [known("AA", None, 3), known("BB", None, 4)];
        assert_eq!(with_known(one, &met), Some(format!("{one}index = 3\n")), "there is no place for another");
    }
}
