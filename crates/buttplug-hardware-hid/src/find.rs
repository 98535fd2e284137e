//! From what the system lists to sightings: which device, which of its interfaces, and by which address it is known.

use buttplug_protocols::sighting::{Advertisement, Sighting, UsbIds};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// Usage pages from here on are a maker's own, which is where commands go; the others are keyboards, mice and the like.
const FIRST_OWN_PAGE: u16 = 0xff00;

/// An entry of the system's list. A device has one for each interface, and on some systems for each usage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HidEntry {
    /// The numbers of its maker and product.
    pub ids: UsbIds,
    /// Its own number, if it has one.
    pub serial_number: Option<String>,
    /// What it calls itself.
    pub product: Option<String>,
    /// The page of its usage.
    pub usage_page: u16,
    /// The interface on the device; -1: the system does not tell.
    pub interface: i32,
    /// By which the system opens it.
    pub path: CString,
}

impl HidEntry {
    /// What stays the same when the device comes back: its own number, or else where the system has it.
    fn address(&self) -> String {
        let serial_number = self.serial_number.as_deref().map(str::trim).filter(|number| !number.is_empty());
        serial_number.map_or_else(|| self.place(), str::to_owned)
    }

    /// Where the system has it, as an address.
    fn place(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Whether both are the same interface of the same device.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.path == other.path && self.ids == other.ids
    }

    /// Whether both can be one device: the same interface, or two usages of it, for which Windows has a path each.
    fn may_be(&self, other: &Self) -> bool {
        let (one, two) = (collection(&self.path), collection(&other.path));
        self.ids == other.ids && (self.path == other.path || (one.is_some() && two.is_some() && one != two))
    }

    /// The interface for commands first: a maker's own page before any other, the lower number before the higher.
    fn rank(&self) -> (bool, i32) {
        (self.usage_page < FIRST_OWN_PAGE, self.interface)
    }
}

/// The usage in a path of Windows: `…&Col02#…`.
fn collection(path: &CStr) -> Option<String> {
    let path = path.to_string_lossy().to_ascii_lowercase();
    let (_, rest) = path.split_once("&col")?;
    rest.split_once('#').map(|(collection, _)| collection.to_owned())
}

/// The devices among these entries, each once, in the order of their addresses, with the entry to open. Some makers give
/// all that they make the same number: such devices are known by where they are. What is `known` keeps its address.
pub(crate) fn devices(entries: Vec<HidEntry>, known: &[(String, HidEntry)]) -> BTreeMap<String, HidEntry> {
    // Without a number of their own, the interfaces of two devices of a make can't be told apart by anything but
    // their rank: those of the best rank are the devices.
    let mut best: BTreeMap<(UsbIds, Option<String>), (bool, i32)> = BTreeMap::new();
    let kind = |entry: &HidEntry| (entry.ids, entry.serial_number.clone());
    for entry in &entries {
        let rank = best.entry(kind(entry)).or_insert(entry.rank());
        *rank = entry.rank().min(*rank);
    }
    let mut entries: Vec<HidEntry> =
        entries.into_iter().filter(|entry| best.get(&kind(entry)) == Some(&entry.rank())).collect();
    entries.sort();
    let before = |entry: &HidEntry| {
        known.iter().find(|(_, known)| known.is_at(entry)).map(|(address, _)| address.clone())
    };
    let name = |entry: &HidEntry| before(entry).unwrap_or_else(|| entry.address());
    let others: Vec<(String, HidEntry)> = entries.iter().map(|entry| (name(entry), entry.clone())).collect();
    let mut devices = BTreeMap::new();
    for entry in entries {
        let address = before(&entry).unwrap_or_else(|| {
            let address = entry.address();
            let mut same = known.iter().chain(&others).filter(|(other, _)| *other == address);
            if same.any(|(_, other)| !other.may_be(&entry)) { entry.place() } else { address }
        });
        // Two usages of one interface are one device.
        devices.entry(address).or_insert(entry);
    }
    devices
}

/// What the server is told.
pub(crate) fn sighting(address: &str, entry: &HidEntry) -> Sighting {
    let ((vendor_id, product_id), product) = (entry.ids, entry.product.clone().unwrap_or_default());
    Sighting::new(address, Advertisement::Hid { vendor_id, product_id, product })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ids: UsbIds, serial: Option<&str>, usage_page: u16, interface: i32, path: &str) -> HidEntry {
        HidEntry {
            ids,
            serial_number: serial.map(Into::into),
            product: Some("Toy".into()),
            usage_page,
            interface,
            path: CString::new(path).unwrap(),
        }
    }

    fn check(entries: &[HidEntry], expected: &[(&str, &str)]) {
        let found = devices(entries.to_vec(), &[]);
        let found: Vec<_> =
            found.iter().map(|(address, entry)| (address.as_str(), entry.path.to_str().unwrap())).collect();
        assert_eq!(found, expected);
        let mut reversed = entries.to_vec();
        reversed.reverse();
        let found = devices(reversed, &[]).into_keys().collect::<Vec<_>>();
        assert_eq!(found, expected.iter().map(|(address, _)| *address).collect::<Vec<_>>());
    }

    const TOY: UsbIds = (0x1f54, 1);

    #[test]
    fn a_device_is_known_by_its_own_number_or_else_by_where_it_is() {
        check(&[entry(TOY, Some("A7"), 0xff00, 0, "/dev/hidraw3")], &[("A7", "/dev/hidraw3")]);
        for none in [None, Some(""), Some("  ")] {
            check(&[entry(TOY, none, 0xff00, 0, "/dev/hidraw3")], &[("/dev/hidraw3", "/dev/hidraw3")]);
        }
    }

    #[test]
    fn of_several_interfaces_the_makers_own_is_opened() {
        check(
            &[
                entry(TOY, Some("A7"), 1, 0, "keyboard"),
                entry(TOY, Some("A7"), 0xff00, 2, "second"),
                entry(TOY, Some("A7"), 0xffa0, 1, "first"),
            ],
            &[("A7", "first")],
        );
        check(&[entry(TOY, Some("A7"), 1, 1, "b"), entry(TOY, Some("A7"), 1, 0, "a")], &[("A7", "a")]);
    }

    #[test]
    fn devices_with_the_same_number_are_known_by_where_they_are() {
        let other_make = entry((0x0483, 0x5750), Some("0001"), 0xff00, 0, "b");
        let toy = |path| entry(TOY, Some("0001"), 0xff00, 0, path);
        check(&[toy("a"), other_make.clone()], &[("a", "a"), ("b", "b")]);
        check(&[toy("a"), toy("c")], &[("a", "a"), ("c", "c")]);
        // One that is open stays what it is.
        let open = [("0001".to_owned(), toy("a"))];
        let found = devices(vec![toy("a"), other_make, toy("c")], &open);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["0001", "b", "c"]);
        assert_eq!(found["0001"], toy("a"));
    }

    #[test]
    fn a_twin_that_was_pulled_out_comes_back_under_its_address() {
        let (one, twin) = ("/dev/hidraw1", "/dev/hidraw2");
        let [one, twin] = [one, twin].map(|path| entry(TOY, Some("A7"), 0xff00, 0, path));
        let alone = devices(vec![one.clone()], &[]);
        assert_eq!(alone.keys().collect::<Vec<_>>(), ["A7"]);
        let both = devices(vec![one.clone(), twin.clone()], &alone.into_iter().collect::<Vec<_>>());
        assert_eq!(both.keys().collect::<Vec<_>>(), ["/dev/hidraw2", "A7"]);
        let left = devices(vec![twin.clone()], &both.into_iter().collect::<Vec<_>>());
        assert_eq!(left.keys().collect::<Vec<_>>(), ["/dev/hidraw2"]);
        let back = devices(vec![one.clone(), twin], &left.into_iter().collect::<Vec<_>>());
        assert_eq!(back.get("A7"), Some(&one));
    }

    #[test]
    fn two_usages_of_an_interface_are_one_device() {
        check(
            &[entry(TOY, Some("A7"), 0xff00, 0, "a"), entry(TOY, Some("A7"), 0xff01, 0, "a")],
            &[("A7", "a")],
        );
        let path = |col| format!(r"\\?\HID#VID_1F54&PID_0001&MI_00&Col0{col}#7&2c5&0&000{col}#{{4d1e}}");
        let (one, two) = (path(1), path(2));
        check(
            &[entry(TOY, Some("A7"), 0xff00, 0, &one), entry(TOY, Some("A7"), 0xff01, 0, &two)],
            &[("A7", &one)],
        );
    }

    #[test]
    fn several_of_a_make_are_told_apart() {
        check(
            &[entry(TOY, Some("A7"), 0xff00, 0, "a"), entry(TOY, Some("B8"), 0xff00, 0, "b")],
            &[("A7", "a"), ("B8", "b")],
        );
        check(
            &[
                entry(TOY, None, 0xff00, 0, "a0"),
                entry(TOY, None, 1, 1, "a1"),
                entry(TOY, None, 0xff00, 0, "b0"),
                entry(TOY, None, 1, 1, "b1"),
            ],
            &[("a0", "a0"), ("b0", "b0")],
        );
    }
}
