//! From a sighting to the match rules that fit it: looked up, not searched through. Knows no protocol.
//!
//! Several rules may fit. Their order is that of how much they say about the hardware:
//!
//! 1. manufacturer data, the longest first;
//! 2. an exact name, serial port, pair of ids, identifier or archetype;
//! 3. the beginning of a name, the longest first; the adapter of a serial port;
//! 4. an advertised service, which for many is one of a chip's maker;
//! 5. everything on a bus;
//!
//! and among equals that of the protocols' ids. A definition may say that it comes before another nevertheless. Rules of a
//! person's own come before all of these.

use crate::definition::{Definition, PortRule, Rule};
use crate::sighting::{Advertisement, BusKind, Sighting, UsbIds, Uuid};
use serde::{Deserialize, Serialize};

/// Match rules, indexed by what they ask for. `S` is how names are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index<S> {
    texts: Vec<(BusKind, S, Claim)>,
    prefixes: Vec<(S, Claim)>,
    /// The lengths that prefixes have, in bytes, the longest first.
    prefix_lengths: Vec<u8>,
    /// In the order of companies.
    manufacturer: Vec<(u16, Vec<u8>, Claim)>,
    services: Vec<(Uuid, Claim)>,
    ids: Vec<(BusKind, u16, u16, Claim)>,
    /// Rules for everything on a bus.
    all: Vec<(BusKind, Claim)>,
    /// Protocols that come before others, whatever the order of their rules.
    before: Vec<(u16, u16)>,
}

/// Which rule of which protocol fits, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// The place of the protocol.
    pub protocol: u16,
    /// The place of its rule.
    pub rule: u16,
}

/// How much a rule says about the hardware; the least first.
type Rank = (u8, usize);

impl<S: AsRef<str> + Ord> Index<S> {
    /// The index of the rules of all these definitions, in their order.
    pub fn of<'r>(definitions: &[&'r Definition]) -> Self
    where
        S: From<&'r str>,
    {
        let mut index = Self::new(definitions.iter().map(|definition| &*definition.rules));
        let place = |id: &str| definitions.iter().position(|definition| definition.id == id);
        for (first, definition) in (0u16..).zip(definitions) {
            let after = definition.before.iter().filter_map(|id| u16::try_from(place(id)?).ok());
            index.before.extend(after.map(|after| (first, after)));
        }
        index
    }

    /// The index of the rules of all protocols, in their order.
    pub fn new<'r>(protocols: impl IntoIterator<Item = &'r [Rule]>) -> Self
    where
        S: From<&'r str>,
    {
        let mut index = Self {
            texts: Vec::new(),
            prefixes: Vec::new(),
            prefix_lengths: Vec::new(),
            manufacturer: Vec::new(),
            services: Vec::new(),
            ids: Vec::new(),
            all: Vec::new(),
            before: Vec::new(),
        };
        for (protocol, rules) in (0u16..).zip(protocols) {
            for (place, rule) in (0u16..).zip(rules) {
                index.add(rule, Claim { protocol, rule: place });
            }
        }
        index.texts.sort();
        index.prefixes.sort();
        index.manufacturer.sort();
        index.services.sort();
        index.ids.sort();
        index.prefix_lengths.sort_by(|a, b| b.cmp(a));
        index.prefix_lengths.dedup();
        index
    }

    fn add<'r>(&mut self, rule: &'r Rule, claim: Claim)
    where
        S: From<&'r str>,
    {
        let mut texts = |bus, names: &'r [String]| {
            self.texts.extend(names.iter().map(|name| (bus, S::from(name.as_str()), claim)));
        };
        match rule {
            Rule::Bluetooth { names, manufacturer, advertised, .. } => {
                for name in names {
                    match name.strip_suffix('*') {
                        // A name of more than 255 bytes can't be advertised.
                        Some(prefix) => {
                            if let Ok(length) = u8::try_from(prefix.len()) {
                                self.prefixes.push((S::from(prefix), claim));
                                self.prefix_lengths.push(length);
                            }
                        }
                        None => self.texts.push((BusKind::Bluetooth, S::from(name.as_str()), claim)),
                    }
                }
                let data = manufacturer.iter().map(|(company, data)| (*company, data.clone(), claim));
                self.manufacturer.extend(data);
                self.services.extend(advertised.iter().map(|uuid| (*uuid, claim)));
            }
            Rule::Serial { port: PortRule::Named(name), .. } => {
                self.texts.push((BusKind::Serial, S::from(name.as_str()), claim));
            }
            Rule::Serial { port: PortRule::Usb(ids), .. } => {
                self.ids.extend(ids.iter().map(|ids| (BusKind::Serial, ids.0, ids.1, claim)));
            }
            Rule::Hid(ids) => self.ids.extend(ids.iter().map(|ids| (BusKind::Hid, ids.0, ids.1, claim))),
            Rule::Usb(ids) => self.ids.extend(ids.iter().map(|ids| (BusKind::Usb, ids.0, ids.1, claim))),
            Rule::WebSocket(names) => texts(BusKind::WebSocket, names),
            Rule::Gamepad(names) if names.is_empty() => self.all.push((BusKind::Gamepad, claim)),
            Rule::Gamepad(names) => texts(BusKind::Gamepad, names),
            Rule::LovenseConnect => self.all.push((BusKind::LovenseConnect, claim)),
            Rule::Simulated(names) => texts(BusKind::Simulated, names),
        }
    }

    /// The serial ports that rules name, in any order; some of them may be no port's name.
    pub fn serial_ports(&self) -> impl Iterator<Item = PortRule> {
        let named = self.texts.iter().filter(|(bus, ..)| *bus == BusKind::Serial);
        let of_adapters = self.ids.iter().filter(|(bus, ..)| *bus == BusKind::Serial);
        named
            .map(|(_, name, _)| PortRule::Named(name.as_ref().to_owned()))
            .chain(of_adapters.map(|(_, vendor, product, _)| PortRule::Usb(vec![(*vendor, *product)])))
    }

    /// The pairs of numbers of human interface devices that rules name, in order.
    pub fn hid_ids(&self) -> impl Iterator<Item = UsbIds> {
        let hid = self.ids.iter().filter(|(bus, ..)| *bus == BusKind::Hid);
        hid.map(|(_, vendor, product, _)| (*vendor, *product))
    }

    /// The rules that fit, best first, one of each protocol.
    pub fn find(&self, sighting: &Sighting) -> Vec<Claim> {
        let mut found: Vec<(Rank, Claim)> = Vec::new();
        match &sighting.advertisement {
            Advertisement::Bluetooth { name, manufacturer_data, services } => {
                self.find_manufacturer(manufacturer_data, &mut found);
                self.find_text(BusKind::Bluetooth, name, &mut found);
                for uuid in services {
                    let first = self.services.partition_point(|(listed, _)| listed < uuid);
                    let equal = self.services[first..].iter().take_while(|(listed, _)| listed == uuid);
                    found.extend(equal.map(|(_, claim)| ((3, 0), *claim)));
                }
                self.find_prefix(name, &mut found);
            }
            Advertisement::Serial { port, usb } => {
                self.find_text(BusKind::Serial, port, &mut found);
                // What says which of several ports it is comes first.
                if let Some((vendor_id, product_id)) = usb {
                    self.find_ids(BusKind::Serial, *vendor_id, *product_id, (2, 0), &mut found);
                }
            }
            Advertisement::Hid { vendor_id, product_id, .. } => {
                self.find_ids(BusKind::Hid, *vendor_id, *product_id, (1, 0), &mut found);
            }
            Advertisement::Usb { vendor_id, product_id } => {
                self.find_ids(BusKind::Usb, *vendor_id, *product_id, (1, 0), &mut found);
            }
            Advertisement::WebSocket { identifier } => {
                self.find_text(BusKind::WebSocket, identifier, &mut found);
            }
            Advertisement::Gamepad { name } => self.find_text(BusKind::Gamepad, name, &mut found),
            // Its rules ask for nothing.
            Advertisement::LovenseConnect { .. } => {}
            Advertisement::Simulated { archetype } => {
                self.find_text(BusKind::Simulated, archetype, &mut found);
            }
        }
        let bus = sighting.bus();
        let all = self.all.iter().filter(|(listed, _)| *listed == bus);
        found.extend(all.map(|(_, claim)| ((4, 0), *claim)));
        found.sort();
        let mut claims: Vec<Claim> = Vec::with_capacity(found.len());
        for (_, claim) in found {
            if claims.iter().all(|better| better.protocol != claim.protocol) {
                claims.push(claim);
            }
        }
        for (first, after) in &self.before {
            let place = |protocol: &u16| claims.iter().position(|claim| claim.protocol == *protocol);
            if let (Some(late), Some(early)) = (place(first), place(after)) {
                if early < late {
                    claims[early..=late].rotate_right(1);
                }
            }
        }
        claims
    }

    fn find_manufacturer(&self, seen: &[(u16, Vec<u8>)], found: &mut Vec<(Rank, Claim)>) {
        for (company, data) in seen {
            let first = self.manufacturer.partition_point(|(listed, ..)| listed < company);
            let same = self.manufacturer[first..].iter().take_while(|(listed, ..)| listed == company);
            let fitting = same.filter(|(_, beginning, _)| data.starts_with(beginning));
            found.extend(fitting.map(|(_, beginning, claim)| ((0, usize::MAX - beginning.len()), *claim)));
        }
    }

    fn find_text(&self, bus: BusKind, text: &str, found: &mut Vec<(Rank, Claim)>) {
        let first = self.texts.partition_point(|(listed, name, _)| (*listed, name.as_ref()) < (bus, text));
        let equal = self.texts[first..]
            .iter()
            .take_while(|(listed, name, _)| *listed == bus && name.as_ref() == text);
        found.extend(equal.map(|(_, _, claim)| ((1, 0), *claim)));
    }

    fn find_prefix(&self, name: &str, found: &mut Vec<(Rank, Claim)>) {
        for length in &self.prefix_lengths {
            let length = usize::from(*length);
            let Some(beginning) = name.get(..length) else { continue };
            let first = self.prefixes.partition_point(|(prefix, _)| prefix.as_ref() < beginning);
            let equal = self.prefixes[first..].iter().take_while(|(prefix, _)| prefix.as_ref() == beginning);
            found.extend(equal.map(|(_, claim)| ((2, usize::MAX - length), *claim)));
        }
    }

    fn find_ids(&self, bus: BusKind, vendor: u16, product: u16, rank: Rank, found: &mut Vec<(Rank, Claim)>) {
        let wanted = (bus, vendor, product);
        let first = self.ids.partition_point(|ids| (ids.0, ids.1, ids.2) < wanted);
        let equal = self.ids[first..].iter().take_while(|ids| (ids.0, ids.1, ids.2) == wanted);
        found.extend(equal.map(|(.., claim)| (rank, *claim)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bluetooth(names: &[&str], manufacturer: &[(u16, &[u8])], advertised: &[u128]) -> Vec<Rule> {
        vec![Rule::Bluetooth {
            names: names.iter().map(ToString::to_string).collect(),
            manufacturer: manufacturer.iter().map(|(company, data)| (*company, data.to_vec())).collect(),
            advertised: advertised.iter().copied().map(Uuid).collect(),
            services: Default::default(),
        }]
    }

    fn seen(name: &str, manufacturer_data: &[(u16, &[u8])], services: &[u128]) -> Sighting {
        Sighting::new(
            "",
            Advertisement::Bluetooth {
                name: name.into(),
                manufacturer_data: manufacturer_data.iter().map(|(id, data)| (*id, data.to_vec())).collect(),
                services: services.iter().copied().map(Uuid).collect(),
            },
        )
    }

    fn order(rules: &[Vec<Rule>], sighting: &Sighting) -> Vec<u16> {
        let index: Index<String> = Index::new(rules.iter().map(Vec::as_slice));
        index.find(sighting).iter().map(|claim| claim.protocol).collect()
    }

    #[test]
    fn what_says_most_comes_first() {
        let rules = [
            bluetooth(&["LVS-*"], &[], &[]),
            bluetooth(&["LVS-S*"], &[], &[]),
            bluetooth(&[], &[], &[0x1320]),
            bluetooth(&["LVS-S001"], &[], &[]),
            bluetooth(&[], &[(93, &[])], &[]),
            bluetooth(&[], &[(93, &[0, 0, 39])], &[]),
        ];
        let cases: &[(Sighting, &[u16])] = &[
            (seen("LVS-S001", &[(93, &[0, 0, 39, 1])], &[0x1320]), &[5, 4, 3, 1, 0, 2]),
            (seen("LVS-S001", &[(93, &[0, 0])], &[]), &[4, 3, 1, 0]),
            (seen("LVS-S0011", &[], &[]), &[1, 0]),
            (seen("lvs-S001", &[], &[]), &[]),
            (seen("LVS", &[(94, &[0, 0, 39])], &[0x1321]), &[]),
            (seen("", &[], &[]), &[]),
            (seen("ÄÖÜ-LVS", &[], &[]), &[]),
        ];
        for (sighting, expected) in cases {
            assert_eq!(order(&rules, sighting), *expected, "{sighting:?}");
        }
    }

    #[test]
    fn what_is_to_come_before_another_does() {
        let rules = [
            bluetooth(&["LVS-*"], &[], &[]),
            bluetooth(&[], &[], &[0x1320]),
            bluetooth(&["LVS-S*"], &[], &[]),
        ];
        let mut index: Index<String> = Index::new(rules.iter().map(Vec::as_slice));
        index.before.push((1, 0));
        let order =
            |sighting: &Sighting| index.find(sighting).iter().map(|claim| claim.protocol).collect::<Vec<_>>();
        assert_eq!(order(&seen("LVS-S001", &[], &[0x1320])), [2, 1, 0]);
        assert_eq!(order(&seen("LVS-A001", &[], &[0x1320])), [1, 0]);
        assert_eq!(order(&seen("LVS-S001", &[], &[])), [2, 0]);
    }

    #[test]
    fn equals_come_in_the_order_of_protocols_and_each_protocol_once() {
        let rules = [
            bluetooth(&["A", "A*"], &[(1, &[])], &[7]),
            bluetooth(&["A"], &[], &[7]),
            [bluetooth(&["A"], &[], &[]), bluetooth(&["A*"], &[], &[])].concat(),
        ];
        assert_eq!(order(&rules, &seen("A", &[], &[7, 7])), [0, 1, 2]);
        assert_eq!(order(&rules, &seen("AB", &[(1, &[5])], &[])), [0, 2]);
    }

    #[test]
    fn every_bus_finds_its_own_only() {
        let rules = [
            vec![Rule::WebSocket(vec!["x".into()])],
            vec![Rule::Simulated(vec!["x".into()])],
            vec![Rule::Hid(vec![(1, 2), (1, 3)])],
            vec![Rule::Usb(vec![(1, 2)])],
            vec![Rule::Gamepad(Vec::new()), Rule::Gamepad(vec!["y".into()])],
            vec![Rule::Gamepad(vec!["x".into()])],
            vec![Rule::LovenseConnect],
            vec![serial(PortRule::Named("x".into()))],
            bluetooth(&["x"], &[], &[]),
        ];
        let cases: [(Advertisement, &[u16]); 10] = [
            (Advertisement::WebSocket { identifier: "x".into() }, &[0]),
            (Advertisement::Simulated { archetype: "x".into() }, &[1]),
            (Advertisement::Hid { vendor_id: 1, product_id: 3, product: "x".into() }, &[2]),
            (Advertisement::Usb { vendor_id: 1, product_id: 2 }, &[3]),
            (Advertisement::Usb { vendor_id: 1, product_id: 3 }, &[]),
            (Advertisement::Gamepad { name: "x".into() }, &[5, 4]),
            (Advertisement::Gamepad { name: "z".into() }, &[4]),
            (Advertisement::LovenseConnect { name: "x".into() }, &[6]),
            (Advertisement::Serial { port: "x".into(), usb: None }, &[7]),
            (Advertisement::WebSocket { identifier: "X".into() }, &[]),
        ];
        for (advertisement, expected) in cases {
            let sighting = Sighting::new("", advertisement);
            assert_eq!(order(&rules, &sighting), expected, "{sighting:?}");
        }
        assert_eq!(order(&rules, &seen("x", &[], &[])), [8]);
    }

    fn serial(port: PortRule) -> Rule {
        Rule::Serial { port, baud_rate: 1, data_bits: 8, parity: 'N', stop_bits: 1 }
    }

    #[test]
    fn a_ports_own_name_comes_before_its_adapter() {
        let adapter = || serial(PortRule::Usb(vec![(1, 1), (1, 2)]));
        let rules = [vec![adapter()], vec![adapter(), serial(PortRule::Named("COM7".into()))]];
        let port = |name: &str, usb| Sighting::new("", Advertisement::Serial { port: name.into(), usb });
        for (name, usb, expected) in [
            ("COM7", Some((1, 2)), &[1, 0][..]),
            ("COM8", Some((1, 1)), &[0, 1]),
            ("COM8", Some((2, 1)), &[]),
            ("COM7", None, &[1]),
        ] {
            assert_eq!(order(&rules, &port(name, usb)), expected, "{name} {usb:?}");
        }
        let index: Index<String> = Index::new(rules.iter().map(Vec::as_slice));
        assert!(index.serial_ports().any(|port| port == PortRule::Named("COM7".into())));
        assert!(index.serial_ports().any(|port| port == PortRule::Usb(vec![(1, 1)])));
    }
}
