//! Hardware that two definitions claim, and which of them is tried first. Border: what fits a sighting is
//! [`matching`](crate::matching)'s; nothing is seen here.

use super::{Definition, PortRule, Rule};
use crate::sighting::{BusKind, Uuid};
use std::fmt;

/// The name of a serial port that stands for "whichever a person names": it claims nothing.
pub const ANY_PORT: &str = "default";

/// Something that two definitions claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The place of the rule among those of the first definition.
    pub rule: usize,
    /// What it claims there, for people.
    pub claim: String,
    /// Whether the first definition is tried first, where none of the two is preferred for where it comes from.
    pub first: bool,
    /// Why it is, or is not.
    pub why: Why,
}

/// Why one of two definitions is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It says so.
    Before,
    /// It says more about the hardware.
    SaysMore,
    /// Its id comes first.
    Id,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "it says `before`",
            Self::SaysMore => "it says more about the hardware",
            Self::Id => "its name comes first",
        })
    }
}

/// All that both claim, in the order of the first one's rules.
///
/// ```
/// use buttplug_protocols::definition::overlap::{Why, overlaps};
/// use buttplug_protocols::definition::parse;
///
/// let claiming = |file: &str, name: &str| {
///     let text = format!(
///         "write = 'value'\n[[bluetooth]]\nnames = ['{name}']\nservices.ff00 = {{ tx = 'ff01' }}\n\
///          [[model]]\nfallback = 'It'\nfeatures = [{{ vibrate = 9 }}]\n[[example]]\ndo = 'stop'\nwrite = '00'\n"
///     );
///     parse(file, &text).expect("a valid definition").definition
/// };
/// let (all, one) = (claiming("all.toml", "LVS-*"), claiming("one.toml", "LVS-X"));
/// let found: Vec<_> = overlaps(&all, &one).map(|overlap| (overlap.claim, overlap.first, overlap.why)).collect();
/// assert_eq!(found, [("`LVS-*`".to_owned(), false, Why::SaysMore)]);
/// ```
pub fn overlaps<'d>(first: &'d Definition, other: &'d Definition) -> impl Iterator<Item = Overlap> + 'd {
    let theirs: Vec<Claim<'d>> = claims(other).map(|(_, claim)| claim).collect();
    let told = match (first.before.contains(&other.id), other.before.contains(&first.id)) {
        (true, false) => Some((true, Why::Before)),
        (false, true) => Some((false, Why::Before)),
        _ => None,
    };
    claims(first).filter_map(move |(rule, claim)| {
        let shared = theirs.iter().find(|theirs| claim.overlaps(theirs))?;
        let (first, why) = told.unwrap_or_else(|| match claim.says().cmp(&shared.says()) {
            std::cmp::Ordering::Greater => (true, Why::SaysMore),
            std::cmp::Ordering::Less => (false, Why::SaysMore),
            std::cmp::Ordering::Equal => (first.id < other.id, Why::Id),
        });
        Some(Overlap { rule, claim: claim.to_string(), first, why })
    })
}

/// Something by which a protocol claims hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim<'a> {
    Text(BusKind, &'a str),
    Prefix(&'a str),
    Manufacturer(u16, &'a [u8]),
    Service(Uuid),
    Ids(BusKind, (u16, u16)),
    /// Whatever is on this bus.
    All(BusKind),
}

impl Claim<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(a), Self::Prefix(b)) => a.starts_with(b) || b.starts_with(a),
            (Self::Prefix(prefix), Self::Text(BusKind::Bluetooth, name))
            | (Self::Text(BusKind::Bluetooth, name), Self::Prefix(prefix)) => name.starts_with(prefix),
            (Self::Manufacturer(a, some), Self::Manufacturer(b, more)) => {
                a == b && (some.starts_with(more) || more.starts_with(some))
            }
            (Self::All(bus), Self::Text(named, _)) | (Self::Text(named, _), Self::All(bus)) => bus == named,
            _ => self == other,
        }
    }

    /// How much it says about the hardware, beside what it overlaps with.
    fn says(&self) -> usize {
        match self {
            Self::Text(..) | Self::Ids(..) | Self::Service(_) => usize::MAX,
            Self::Prefix(prefix) => prefix.len(),
            Self::Manufacturer(_, data) => data.len(),
            Self::All(_) => 0,
        }
    }
}

impl fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_, text) => write!(f, "`{text}`"),
            Self::Prefix(prefix) => write!(f, "`{prefix}*`"),
            Self::Manufacturer(company, _) => write!(f, "data of company {company}"),
            Self::Service(uuid) => write!(f, "service {uuid}"),
            Self::Ids(_, (vendor, product)) => write!(f, "{vendor:04x}:{product:04x}"),
            Self::All(bus) => write!(f, "everything on the bus {bus}"),
        }
    }
}

/// What a definition claims, with the places of its rules.
fn claims(definition: &Definition) -> impl Iterator<Item = (usize, Claim<'_>)> {
    let of = |(place, rule)| of_rule(rule).into_iter().map(move |claim| (place, claim));
    definition.rules.iter().enumerate().flat_map(of)
}

fn of_rule(rule: &Rule) -> Vec<Claim<'_>> {
    match rule {
        Rule::Bluetooth { names, manufacturer, advertised, .. } => {
            let names = names.iter().map(|name| match name.strip_suffix('*') {
                Some(prefix) => Claim::Prefix(prefix),
                None => Claim::Text(BusKind::Bluetooth, name),
            });
            let data = manufacturer.iter().map(|(company, data)| Claim::Manufacturer(*company, data));
            names.chain(data).chain(advertised.iter().map(|uuid| Claim::Service(*uuid))).collect()
        }
        Rule::Serial { port: PortRule::Named(port), .. } if port == ANY_PORT => Vec::new(),
        Rule::Serial { port: PortRule::Named(port), .. } => vec![Claim::Text(rule.bus(), port)],
        Rule::Serial { port: PortRule::Usb(ids), .. } => {
            ids.iter().map(|ids| Claim::Ids(rule.bus(), *ids)).collect()
        }
        Rule::Hid(ids) | Rule::Usb(ids) => ids.iter().map(|ids| Claim::Ids(rule.bus(), *ids)).collect(),
        Rule::LovenseConnect => vec![Claim::All(rule.bus())],
        Rule::Gamepad(names) if names.is_empty() => vec![Claim::All(rule.bus())],
        Rule::WebSocket(names) | Rule::Gamepad(names) | Rule::Simulated(names) => {
            names.iter().map(|name| Claim::Text(rule.bus(), name)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::parse;

    fn claiming(id: &str, top: &str, rules: &str) -> Definition {
        let text = format!(
            "{top}\nwrite = 'value'\n{rules}\n[[model]]\nfallback = 'It'\nfeatures = [{{ vibrate = 9 }}]\n\
             [[example]]\ndo = 'stop'\nwrite = '00'\n"
        );
        parse(&format!("{id}.toml"), &text).unwrap_or_else(|errors| panic!("{errors:#?}")).definition
    }

    fn bluetooth(what: &str) -> String {
        format!("[[bluetooth]]\n{what}\nservices.ff00 = {{ tx = 'ff01' }}")
    }

    #[test]
    fn what_says_more_is_tried_first_and_among_equals_what_is_named_first() {
        let (more, less, id) = ((true, Why::SaysMore), (false, Why::SaysMore), (true, Why::Id));
        let websocket = String::from("[[websocket]]\nnames = ['x', 'y']");
        let hid = String::from("[[hid]]\nids = ['0001:0002']");
        let any = String::from("[[serial]]\nport = 'default'\nsettings = '9600 8N1'");
        let (pads, pad) = (String::from("[[gamepad]]"), String::from("[[gamepad]]\nnames = ['x']"));
        for (one, other, claimed) in [
            (bluetooth("names = ['LVS-*']"), bluetooth("names = ['LVS-X']"), vec![("`LVS-*`", less)]),
            (bluetooth("names = ['LVS-X']"), bluetooth("names = ['LVS-*']"), vec![("`LVS-X`", more)]),
            (bluetooth("names = ['LVS-*']"), bluetooth("names = ['LVS-S*']"), vec![("`LVS-*`", less)]),
            (bluetooth("names = ['LVS-*']"), bluetooth("names = ['LOB*']"), vec![]),
            (bluetooth("names = ['A', 'B']"), bluetooth("names = ['B', 'C']"), vec![("`B`", id)]),
            (
                bluetooth("manufacturer = ['93: 01']"),
                bluetooth("manufacturer = ['93']"),
                vec![("data of company 93", more)],
            ),
            (bluetooth("advertised = ['ff00']"), bluetooth("names = ['ff00']"), vec![]),
            (websocket.clone(), websocket.clone(), vec![("`x`", id), ("`y`", id)]),
            (websocket, bluetooth("names = ['x']"), vec![]),
            (hid.clone(), hid, vec![("0001:0002", id)]),
            (any.clone(), any, vec![]),
            (pads.clone(), pads.clone(), vec![("everything on the bus gamepad", id)]),
            (pads, pad, vec![("everything on the bus gamepad", less)]),
        ] {
            let (a, b) = (claiming("a", "", &one), claiming("b", "", &other));
            let found: Vec<_> = overlaps(&a, &b).map(|o| (o.claim, (o.first, o.why))).collect();
            let claimed: Vec<_> = claimed.into_iter().map(|(claim, wins)| (claim.to_owned(), wins)).collect();
            assert_eq!(found, claimed, "{one} and {other}");
            let turned: Vec<_> = overlaps(&b, &a).map(|o| (o.first, o.why)).collect();
            let expected = claimed.iter().map(|(_, (first, why))| (!first, *why)).collect::<Vec<_>>();
            assert_eq!(turned, expected, "{other} and {one}");
        }
    }

    #[test]
    fn what_says_before_comes_first_and_the_place_of_the_rule_is_known() {
        let rules = bluetooth("names = ['Other']") + "\n" + &bluetooth("names = ['LVS-*']");
        let all = claiming("all", "before = ['one']", &rules);
        let one = claiming("one", "", &bluetooth("names = ['LVS-X']"));
        let first: Vec<_> = overlaps(&all, &one).map(|o| (o.rule, o.first, o.why)).collect();
        assert_eq!(first, [(1, true, Why::Before)]);
        let second: Vec<_> = overlaps(&one, &all).map(|o| (o.rule, o.first, o.why)).collect();
        assert_eq!(second, [(0, false, Why::Before)]);
    }
}
