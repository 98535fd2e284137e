//! The file in which people keep what they decided, in the form of our own: TOML, in which comments survive.
//!
//! Read as well as can be: what is not understood is said with its line and left alone. Whatever was meant as a deny is a
//! deny, and an output whose settings are not understood is disabled, as are all that can be meant where it is not
//! understood which: a slip of the pen never makes a device do more.

mod write;

pub(super) use write::{HEADER, HEADER_BESIDE, with_known};

use super::{Decisions, SimulatedEntry};
use buttplug_core::{DeviceIndex, FeatureIndex, OutputKind};
use buttplug_protocols::definition::{Addition, kind};
use buttplug_protocols::sighting::BusKind;
use buttplug_server::configuration::{DeviceConfiguration, OutputConfiguration};
use std::time::Duration;
use toml_edit::{Document, Item, TableLike, Value};

/// The longest gap between writes that can be asked for. A stop does not wait for it.
pub(super) const MAX_GAP: Duration = Duration::from_secs(60);

/// The shortest time for which an output can be let run: what renews it more often than that is a rare program.
pub(crate) const MIN_RUN: Duration = Duration::from_secs(1);

/// The longest time for which an output can be let run, which is as good as none.
pub(crate) const MAX_RUN: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a text is no TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: String,
}

/// Reads what the file called `name` says.
pub(super) fn read(name: &str, text: &str) -> Result<Decisions, Malformed> {
    let document = Document::parse(text).map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        Malformed { line, column, reason: error.message().to_owned() }
    })?;
    let mut reader = Reader { name, text, decisions: Decisions::default() };
    for (key, item) in document.iter() {
        match key {
            "device" => reader.each(item, "device", Reader::device),
            "simulated" => reader.each(item, "simulated", Reader::simulated),
            "max-run" => reader.decisions.configuration.max_run = Some(reader.max_run(item)),
            // Read by whoever knows what definitions may say.
            "protocol" => {}
            _ => reader.unknown(item, key),
        }
    }
    let (additions, errors) = Addition::parse(name, text);
    reader.decisions.additions = additions;
    reader.decisions.notices.extend(errors.iter().map(ToString::to_string));
    Ok(reader.decisions)
}

/// Line and column of a byte, from 1.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    (line, 1 + before.chars().rev().take_while(|c| *c != '\n').count())
}

struct Reader<'t> {
    name: &'t str,
    text: &'t str,
    decisions: Decisions,
}

impl Reader<'_> {
    fn notice(&mut self, item: &Item, what: impl std::fmt::Display) {
        let (line, column) = place(self.text, item.span().map_or(0, |span| span.start));
        self.decisions.notices.push(format!("{}:{line}:{column}: {what}", self.name));
    }

    fn unknown(&mut self, item: &Item, key: &str) {
        self.notice(item, format_args!("`{key}` means nothing here"));
    }

    /// Every table of a list of tables. One that is no list counts, and is said.
    fn each(&mut self, item: &Item, key: &str, read: fn(&mut Self, &Item, &dyn TableLike)) {
        if let Some(tables) = item.as_array_of_tables() {
            for table in tables {
                read(self, &Item::Table(table.clone()), table);
            }
            return;
        }
        let values = item.as_array().map(|array| array.iter().collect::<Vec<_>>());
        for value in values.unwrap_or_default() {
            match value.as_inline_table() {
                Some(table) => read(self, &Item::Value(value.clone()), table),
                None => self.notice(item, format_args!("`{key}` is a list of tables: write [[{key}]]")),
            }
        }
        if !item.is_array() {
            self.notice(item, format_args!("`{key}` is a list of tables: write [[{key}]]"));
        }
        if let Some(table) = item.as_table_like() {
            read(self, item, table);
        }
    }

    fn device(&mut self, at: &Item, table: &dyn TableLike) {
        let about = about(table);
        let is_one = about.is_some();
        let mut device = about.unwrap_or_default();
        for (key, item) in table.iter() {
            match key {
                "address" | "protocol" | "identifier" => {
                    let _ = self.text(item, key);
                }
                "bus" => {
                    if let Some(name) = self.text(item, key).filter(|name| BusKind::from_name(name).is_none())
                    {
                        self.notice(item, format_args!("no bus is called {name:?}; any bus counts"));
                    }
                }
                // For people only.
                "model" => {}
                "index" => device.index = self.number(item, key).map(DeviceIndex),
                "name" => device.display_name = self.text(item, key),
                // Whatever was meant, it was not that devices connect that are not named here.
                "allow" => device.allow = self.boolean(item, key).unwrap_or(true),
                // Whatever was meant, it was not that the device may connect.
                "deny" => device.deny = self.boolean(item, key).unwrap_or(true),
                "gap" => device.message_gap = self.gap(item),
                "max-run" => device.max_run = Some(self.max_run(item)),
                "outputs" => self.outputs(item, &mut device),
                _ => self.unknown(item, key),
            }
        }
        if is_one {
            self.decisions.configuration.devices.push(device);
        } else {
            self.notice(at, "a device without an `address` is no device; nothing here counts");
        }
    }

    fn outputs(&mut self, item: &Item, device: &mut DeviceConfiguration) {
        let Some(table) = item.as_table_like() else {
            self.notice(
                item,
                "`outputs` is a table, for example \"0 vibrate\" = { limit = [0, 10] }; all outputs are disabled \
                 until this is mended",
            );
            device.only_named = OutputKind::ALL.to_vec();
            return;
        };
        let mut features = Vec::new();
        for (key, item) in table.iter() {
            if let Some((feature, kind)) = output_name(key) {
                device.outputs.push(self.output(feature, kind, item));
                continue;
            }
            // Whatever can be meant.
            let meant = match mistaken(key) {
                Mistaken::Feature(feature) => {
                    features.push(feature);
                    format!("what is not named of feature {}", feature.0)
                }
                Mistaken::Kind(kind) => {
                    device.only_named.push(kind);
                    format!("every {kind} that is not named")
                }
                Mistaken::All => {
                    device.only_named.extend(OutputKind::ALL);
                    "every output that is not named".into()
                }
            };
            self.notice(
                item,
                format_args!(
                    "`{key}` is no output: a feature's number and a kind, for example \"0 vibrate\"; {meant} is \
                     disabled until this is mended"
                ),
            );
        }
        let outputs = &mut device.outputs;
        for feature in features {
            for kind in OutputKind::ALL {
                if !outputs.iter().any(|output| (output.feature, output.kind) == (feature, kind)) {
                    outputs.push(OutputConfiguration {
                        disabled: true,
                        ..OutputConfiguration::new(feature, kind)
                    });
                }
            }
        }
    }

    fn output(&mut self, feature: FeatureIndex, kind: OutputKind, item: &Item) -> OutputConfiguration {
        let mut output = OutputConfiguration::new(feature, kind);
        let notices = self.decisions.notices.len();
        match item.as_table_like() {
            None => self.notice(item, "what holds for an output is a table, for example { limit = [0, 10] }"),
            Some(table) => {
                for (key, item) in table.iter() {
                    match key {
                        "limit" => output.limit = self.range(item, key),
                        "disabled" => output.disabled = self.boolean(item, key).unwrap_or(true),
                        "reverse" => output.reverse = self.boolean(item, key).unwrap_or(false),
                        "duration" => output.duration_ms = self.range(item, key),
                        _ => self.unknown(item, key),
                    }
                }
            }
        }
        if self.decisions.notices.len() > notices {
            self.notice(
                item,
                format_args!("{kind} of feature {} is disabled until this is mended", feature.0),
            );
            output.disabled = true;
        }
        output
    }

    fn simulated(&mut self, at: &Item, table: &dyn TableLike) {
        let mut entry = SimulatedEntry { archetype: String::new(), address: None, display_name: None };
        for (key, item) in table.iter() {
            match key {
                "archetype" => entry.archetype = self.text(item, key).unwrap_or_default(),
                "address" => entry.address = self.text(item, key),
                "name" => entry.display_name = self.text(item, key),
                _ => self.unknown(item, key),
            }
        }
        if entry.archetype.is_empty() {
            self.notice(at, "a simulated device needs its `archetype`, for example \"simulated-2vibe\"");
        } else {
            self.decisions.simulated.push(entry);
        }
    }

    fn text(&mut self, item: &Item, key: &str) -> Option<String> {
        let text = item.as_str().map(str::to_owned);
        if text.is_none() {
            self.notice(item, format_args!("`{key}` is a text in quotes"));
        }
        text
    }

    fn boolean(&mut self, item: &Item, key: &str) -> Option<bool> {
        let boolean = item.as_bool();
        if boolean.is_none() {
            self.notice(item, format_args!("`{key}` is true or false, without quotes"));
        }
        boolean
    }

    fn number(&mut self, item: &Item, key: &str) -> Option<u32> {
        let number = item.as_integer().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.notice(item, format_args!("`{key}` is a number from 0 to {}", u32::MAX));
        }
        number
    }

    fn range(&mut self, item: &Item, key: &str) -> Option<(u32, u32)> {
        let ends = item.as_array().map(|array| array.iter().map(end).collect::<Vec<_>>());
        match ends.as_deref() {
            Some([Some(least), Some(greatest)]) if least < greatest => Some((*least, *greatest)),
            _ => {
                self.notice(
                    item,
                    format_args!("`{key}` has two ends, the lesser first, for example [0, 10]"),
                );
                None
            }
        }
    }

    fn gap(&mut self, item: &Item) -> Option<Duration> {
        let text = item.as_str().and_then(|text| text.strip_suffix("ms"));
        let gap = text.and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
        let gap = gap.filter(|gap| *gap <= MAX_GAP);
        if gap.is_none() {
            let most = MAX_GAP.as_millis();
            self.notice(item, format_args!("`gap` looks like \"50 ms\", and is at most {most} ms"));
        }
        gap
    }

    /// Whatever was meant, it was that outputs do not run for ever.
    fn max_run(&mut self, item: &Item) -> Duration {
        let text = item.as_str().and_then(|text| text.strip_suffix('s'));
        let max = text.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        max.filter(|max| (MIN_RUN..=MAX_RUN).contains(max)).unwrap_or_else(|| {
            let (least, most) = (MIN_RUN.as_secs(), MAX_RUN.as_secs());
            self.notice(
                item,
                format_args!(
                    "`max-run` looks like \"10 s\", from {least} s to {most} s; it is {least} s until this is mended"
                ),
            );
            MIN_RUN
        })
    }
}

/// Which device a table is about, as it is read. `None`: it is about none.
fn about(table: &dyn TableLike) -> Option<DeviceConfiguration> {
    let text = |key| table.get(key).and_then(Item::as_str).map(str::to_owned);
    Some(DeviceConfiguration {
        address: text("address")?,
        bus: text("bus").and_then(|name| BusKind::from_name(&name)),
        protocol: text("protocol"),
        identifier: text("identifier"),
        ..DeviceConfiguration::default()
    })
}

fn end(value: &Value) -> Option<u32> {
    value.as_integer().and_then(|number| u32::try_from(number).ok())
}

/// `0 vibrate`
fn output_name(name: &str) -> Option<(FeatureIndex, OutputKind)> {
    let (feature, kind) = name.split_once(' ')?;
    Some((FeatureIndex(feature.parse().ok()?), kind::output_from_name(kind.trim())?))
}

/// What a name that is no output's can be about.
enum Mistaken {
    Feature(FeatureIndex),
    Kind(OutputKind),
    All,
}

fn mistaken(name: &str) -> Mistaken {
    let feature = name.split(' ').next().and_then(|number| number.parse().ok()).map(FeatureIndex);
    let kind = kind::output_from_name(name.trim_matches(|c: char| !c.is_alphabetic()));
    match (feature, kind) {
        (Some(feature), _) => Mistaken::Feature(feature),
        (None, Some(kind)) => Mistaken::Kind(kind),
        (None, None) => Mistaken::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"
# What I decided.
max-run = "1800 s"

[[device]]
address = "54:73:A0:45:FB:84"
bus = "bluetooth"
protocol = "lovense"
identifier = "P"
model = "Lovense Edge"
index = 7
name = "Blue one"
allow = true
deny = false
gap = "50 ms"
max-run = "10 s"
[device.outputs]
"0 vibrate" = { limit = [2, 12] }
"1 vibrate" = { disabled = true }
"2 timed-position" = { limit = [0, 80], reverse = true, duration = [100, 5000] }

[[device]]
address = "COM7"
deny = true

[[protocol.tcode-v03.serial]]
port = "/dev/ttyUSB0"
settings = "115200 8N1"

[[simulated]]
archetype = "simulated-2vibe"
address = "simulated:desk"
name = "Test"
"#;

    #[test]
    fn all_that_can_be_said_is_understood() {
        let decisions = read("devices.toml", ALL).unwrap();
        assert_eq!(decisions.notices, Vec::<String>::new());
        let output = |feature, kind| OutputConfiguration::new(FeatureIndex(feature), kind);
        let edge = DeviceConfiguration {
            address: "54:73:A0:45:FB:84".into(),
            bus: Some(BusKind::Bluetooth),
            protocol: Some("lovense".into()),
            identifier: Some("P".into()),
            index: Some(DeviceIndex(7)),
            display_name: Some("Blue one".into()),
            allow: true,
            deny: false,
            message_gap: Some(Duration::from_millis(50)),
            max_run: Some(Duration::from_secs(10)),
            outputs: vec![
                OutputConfiguration { limit: Some((2, 12)), ..output(0, OutputKind::Vibrate) },
                OutputConfiguration { disabled: true, ..output(1, OutputKind::Vibrate) },
                OutputConfiguration {
                    limit: Some((0, 80)),
                    reverse: true,
                    duration_ms: Some((100, 5000)),
                    ..output(2, OutputKind::HwPositionWithDuration)
                },
            ],
            only_named: Vec::new(),
        };
        let port =
            DeviceConfiguration { address: "COM7".into(), deny: true, ..DeviceConfiguration::default() };
        assert_eq!(decisions.configuration.devices, [edge, port]);
        assert_eq!(decisions.configuration.max_run, Some(Duration::from_secs(1800)));
        assert_eq!(decisions.additions.len(), 1);
        let entry = SimulatedEntry {
            archetype: "simulated-2vibe".into(),
            address: Some("simulated:desk".into()),
            display_name: Some("Test".into()),
        };
        assert_eq!(decisions.simulated, [entry]);
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_place_and_the_rest_counts() {
        for (line, notice) in [
            ("bus = \"tin can\"", "x.toml:3:7: no bus is called \"tin can\"; any bus counts"),
            ("index = -1", "x.toml:3:9: `index` is a number from 0 to 4294967295"),
            ("index = \"7\"", "x.toml:3:9: `index` is a number from 0 to 4294967295"),
            ("name = 5", "x.toml:3:8: `name` is a text in quotes"),
            ("gap = \"1 h\"", "x.toml:3:7: `gap` looks like \"50 ms\", and is at most 60000 ms"),
            ("gap = \"60001 ms\"", "x.toml:3:7: `gap` looks like \"50 ms\", and is at most 60000 ms"),
            ("colour = \"blue\"", "x.toml:3:10: `colour` means nothing here"),
            (
                "outputs = 5",
                "x.toml:3:11: `outputs` is a table, for example \"0 vibrate\" = { limit = [0, 10] }; all outputs are \
                 disabled until this is mended",
            ),
        ] {
            let decisions =
                read("x.toml", &format!("[[device]]\naddress = \"a\"\n{line}\ndeny = true")).unwrap();
            assert_eq!(decisions.notices, [notice], "{line}");
            let devices = &decisions.configuration.devices;
            assert!(devices.len() == 1 && devices[0].deny, "{line}: the deny counts");
        }
    }

    #[test]
    fn what_was_meant_as_a_deny_is_one() {
        for line in ["deny = true", "deny = \"yes\"", "deny = 1", "deny = \"false\""] {
            let decisions = read("x.toml", &format!("[[device]]\naddress = \"a\"\n{line}")).unwrap();
            assert!(decisions.configuration.devices[0].deny, "{line}");
        }
    }

    #[test]
    fn a_time_limit_that_is_not_understood_is_the_shortest() {
        for value in ["\"0 s\"", "\"1 h\"", "10", "\"-5 s\"", "\"86401 s\"", "\"\""] {
            let text = format!("max-run = {value}\n[[device]]\naddress = \"a\"\nmax-run = {value}");
            let decisions = read("x.toml", &text).unwrap();
            let limits = [decisions.configuration.max_run, decisions.configuration.devices[0].max_run];
            assert_eq!(limits, [Some(MIN_RUN); 2], "{value}");
            assert_eq!(decisions.notices.len(), 2, "{value}");
            assert!(decisions.notices[0].starts_with("x.toml:1:11: `max-run` looks like"), "{value}");
        }
    }

    #[test]
    fn an_output_whose_settings_are_not_understood_is_disabled() {
        for settings in [
            "{ limit = [5] }",
            "{ limit = [5, 5] }",
            "{ limit = [9, 5] }",
            "{ limit = [-1, 5] }",
            "{ limit = 5 }",
            "{ limit = \"5\" }",
            "{ disabled = \"no\" }",
            "{ lmit = [0, 5] }",
            "{ duration = [] }",
            "5",
        ] {
            let text = format!("[[device]]\naddress = \"a\"\noutputs.\"0 vibrate\" = {settings}");
            let decisions = read("x.toml", &text).unwrap();
            let outputs = &decisions.configuration.devices[0].outputs;
            assert!(outputs.len() == 1 && outputs[0].disabled, "{settings}");
            let last = decisions.notices.last().unwrap();
            assert!(last.contains("Vibrate of feature 0 is disabled until this is mended"), "{last}");
        }
    }

    #[test]
    fn an_output_of_a_kind_that_there_is_not_disables_what_is_not_named_of_its_feature() {
        let text = "[[device]]\naddress = \"a\"\n[device.outputs]\n\"1 vibrte\" = { limit = [0, 5] }\n\"1 rotate\" = { limit = [0, 9] }";
        let decisions = read("x.toml", text).unwrap();
        let outputs = &decisions.configuration.devices[0].outputs;
        let open: Vec<_> = outputs.iter().filter(|output| !output.disabled).collect();
        assert!(outputs.iter().all(|output| output.feature == FeatureIndex(1)), "{outputs:?}");
        assert_eq!(outputs.len(), OutputKind::ALL.len());
        assert_eq!(open.iter().map(|output| output.kind).collect::<Vec<_>>(), [OutputKind::Rotate]);
        assert!(decisions.notices[0].contains("of feature 1 is disabled"), "{:?}", decisions.notices);
        assert_eq!(decisions.notices.len(), 1);
    }

    #[test]
    fn outputs_of_which_it_is_not_understood_which_are_meant_disable_all_that_can_be() {
        use OutputKind::Vibrate;
        for (outputs, only_named) in [
            ("outputs = 5", &OutputKind::ALL[..]),
            ("[[device.outputs]]\n\"0 vibrate\" = { limit = [0, 5] }", &OutputKind::ALL),
            ("outputs = { vibrate = { limit = [0, 5] } }", &[Vibrate]),
            ("outputs = { \"vibrate 0\" = { limit = [0, 5] } }", &[Vibrate]),
            ("outputs = { 0vibrate = { limit = [0, 5] } }", &[Vibrate]),
            ("outputs = { \"-1 vibrate\" = { limit = [0, 5] } }", &[Vibrate]),
            ("outputs = { x = { limit = [0, 5] } }", &OutputKind::ALL),
            ("outputs = { \"\" = 5 }", &OutputKind::ALL),
        ] {
            let decisions = read("x.toml", &format!("[[device]]\naddress = \"a\"\n{outputs}")).unwrap();
            let device = &decisions.configuration.devices[0];
            assert_eq!((device.outputs.len(), &device.only_named[..]), (0, only_named), "{outputs}");
            let notices = &decisions.notices;
            assert!(
                notices.len() == 1 && notices[0].contains("disabled until this is mended"),
                "{notices:?}"
            );
        }
        let text =
            "[[device]]\naddress = \"a\"\n[device.outputs]\nvibrate = {}\n\"1 vibrate\" = { limit = [0, 5] }";
        let decisions = read("x.toml", text).unwrap();
        assert_eq!(decisions.configuration.devices[0].outputs[0].limit, Some((0, 5)), "what is named counts");
    }

    #[test]
    fn one_device_that_is_no_list_counts_and_is_said() {
        for text in ["[device]\naddress = \"a\"\ndeny = true", "device = { address = \"a\", deny = true }"] {
            let decisions = read("x.toml", text).unwrap();
            assert!(decisions.configuration.devices[0].deny, "{text}");
            let notices = &decisions.notices;
            assert!(notices.len() == 1 && notices[0].ends_with("write [[device]]"), "{notices:?}");
        }
    }

    #[test]
    fn what_was_meant_as_an_allow_keeps_others_out() {
        let decisions = read("x.toml", "[[device]]\naddress = \"a\"\nallow = \"true\"").unwrap();
        assert!(decisions.configuration.devices[0].allow);
    }

    #[test]
    fn what_is_no_device_is_said() {
        for (text, notice) in [
            (
                "[[device]]\ndeny = true",
                "x.toml:1:1: a device without an `address` is no device; nothing here counts",
            ),
            ("device = 5", "x.toml:1:10: `device` is a list of tables: write [[device]]"),
            (
                "[[simulated]]\naddress = \"a\"",
                "x.toml:1:1: a simulated device needs its `archetype`, for example \"simulated-2vibe\"",
            ),
            ("devices = []", "x.toml:1:11: `devices` means nothing here"),
            ("[[protocol.lovense.websocket]]\nname = \"x\"", "x.toml:1:1: this matches no hardware"),
        ] {
            let decisions = read("x.toml", text).unwrap();
            assert_eq!(decisions.notices.first().map(String::as_str), Some(notice), "{text}");
            assert!(decisions.configuration.devices.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_list_in_one_line_is_as_good_as_tables() {
        let decisions = read("x.toml", "device = [{ address = \"a\", deny = true }]").unwrap();
        assert!(decisions.notices.is_empty() && decisions.configuration.devices[0].deny);
    }

    #[test]
    fn a_text_that_is_no_toml_is_refused_with_its_place() {
        let error = read("x.toml", "[[device]]\naddress = \"a\ndeny = true").unwrap_err();
        assert_eq!(error.line, 2, "{error:?}");
    }

    #[test]
    fn a_file_that_is_cut_or_has_one_byte_wrong_is_read_or_refused() {
        for at in 0..ALL.len() {
            let _ = read("x.toml", &ALL[..at]);
            for byte in "\0\"[}=\n".chars() {
                let mut changed = ALL.to_owned();
                changed.replace_range(at..=at, byte.encode_utf8(&mut [0; 4]));
                let _ = read("x.toml", &changed);
            }
        }
    }
}
