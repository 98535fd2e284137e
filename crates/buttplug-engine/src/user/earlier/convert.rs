//! From the file of an earlier engine to one in the program's own format. What can't be converted stays in it as a comment.

use super::json::pretty;
use super::read;
use crate::user::{Decisions, SimulatedEntry, UserFileError, own, pair};
use buttplug_core::InputKind;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::kind::{input_name, output_name};
use buttplug_protocols::definition::{Addition, Feature, Group, Input, PortRule, Rule};
use buttplug_protocols::sighting::UsbIds;
use buttplug_server::configuration::{DeviceConfiguration, OutputConfiguration};
use std::time::Duration;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

/// A file in the program's own format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Converted {
    /// Its text.
    pub(crate) text: String,
    /// How many devices it is about.
    pub(crate) devices: usize,
    /// What could not be converted, for people.
    pub(crate) notices: Vec<String>,
}

/// Converts the text of a file, together with what the file beside it says.
///
/// # Errors
/// It is no JSON, not a user file, or of a later engine.
pub(crate) fn convert(
    text: &str,
    beside: Decisions,
    catalogue: &Catalogue,
) -> Result<Converted, UserFileError> {
    let reading = read(text, catalogue)?;
    let mut rest = String::new();
    for piece in &reading.unapplied {
        rest.push('\n');
        for line in piece.reasons.iter().map(|reason| format!("{}: {reason}", piece.what)) {
            comment(&mut rest, &line);
        }
        pretty(piece.json).lines().for_each(|line| comment(&mut rest, line));
    }
    if !rest.is_empty() {
        rest.insert_str(0, "\n# What could not be converted, as it stood.\n");
    }
    let with_own = reading.catalogue.clone();
    let mut decisions = pair::together(reading.into_decisions(), beside);
    let notices = std::mem::take(&mut decisions.notices);
    let model = |device: &DeviceConfiguration| {
        let protocol = with_own.protocol(device.protocol.as_deref()?)?;
        protocol.model(device.identifier.as_deref()).map(|model| model.name)
    };
    let document = document(&decisions, model);
    let devices = decisions.configuration.devices.len();
    Ok(Converted { text: format!("{}\n{document}{rest}", own::HEADER), devices, notices })
}

/// A line of comment. What TOML does not allow there is written as in JSON.
fn comment(text: &mut String, line: &str) {
    text.push_str("# ");
    for c in line.chars() {
        if c.is_control() && c != '\t' {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
}

/// A document of what was decided. `model` knows what devices are called.
fn document(decisions: &Decisions, model: impl Fn(&DeviceConfiguration) -> Option<String>) -> DocumentMut {
    let mut document = DocumentMut::new();
    put(document.as_table_mut(), "max-run", decisions.configuration.max_run.map(seconds));
    let devices = decisions.configuration.devices.iter().map(|entry| device(entry, model(entry)));
    put_tables(&mut document, "device", devices.collect());
    let mut protocols = Table::new();
    protocols.set_implicit(true);
    for addition in by_protocol(&decisions.additions) {
        protocols.insert(&addition.protocol, Item::Table(protocol(&addition)));
    }
    if !protocols.is_empty() {
        document.insert("protocol", Item::Table(protocols));
    }
    put_tables(&mut document, "simulated", decisions.simulated.iter().map(simulated).collect());
    document
}

/// Each protocol once, with its rules as they stand in a file.
fn by_protocol(additions: &[Addition]) -> Vec<Addition> {
    let mut all: Vec<Addition> = Vec::new();
    for addition in additions {
        match all.iter_mut().find(|other| other.protocol == addition.protocol) {
            None => all.push(addition.clone()),
            Some(first) => {
                first.rules.extend(addition.rules.iter().cloned());
                first.rules.sort_by_key(Rule::bus);
                first.groups.extend(addition.groups.iter().cloned());
            }
        }
    }
    all
}

fn put_tables(table: &mut Table, name: &str, tables: Vec<Table>) {
    if !tables.is_empty() {
        let tables: ArrayOfTables = tables.into_iter().collect();
        table.insert(name, Item::ArrayOfTables(tables));
    }
}

fn put(table: &mut Table, name: &str, new: Option<impl Into<Value>>) {
    if let Some(new) = new {
        table.insert(name, value(new));
    }
}

fn device(device: &DeviceConfiguration, model: Option<String>) -> Table {
    let mut table = Table::new();
    put(&mut table, "address", Some(&device.address));
    put(&mut table, "bus", device.bus.map(|bus| bus.to_string()));
    put(&mut table, "protocol", device.protocol.as_ref());
    put(&mut table, "identifier", device.identifier.as_ref());
    put(&mut table, "model", model);
    put(&mut table, "index", device.index.map(|index| i64::from(index.0)));
    put(&mut table, "name", device.display_name.as_ref());
    put(&mut table, "allow", device.allow.then_some(true));
    put(&mut table, "deny", device.deny.then_some(true));
    put(&mut table, "gap", device.message_gap.map(milliseconds));
    put(&mut table, "max-run", device.max_run.map(seconds));
    if !device.outputs.is_empty() || !device.only_named.is_empty() {
        let mut outputs = Table::new();
        // Where it is not known which output is meant, that stays so until somebody mends it.
        for kind in &device.only_named {
            outputs.insert(output_name(*kind), value(InlineTable::new()));
        }
        for decided in &device.outputs {
            let name = format!("{} {}", decided.feature.0, output_name(decided.kind));
            outputs.insert(&name, value(output(decided)));
        }
        table.insert("outputs", Item::Table(outputs));
    }
    table
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn output(decided: &OutputConfiguration) -> InlineTable {
    let mut table = InlineTable::new();
    if let Some((low, high)) = decided.limit {
        table.insert("limit", list([i64::from(low), i64::from(high)]));
    }
    if let Some((low, high)) = decided.duration_ms {
        table.insert("duration", list([i64::from(low), i64::from(high)]));
    }
    if decided.reverse {
        table.insert("reverse", true.into());
    }
    if decided.disabled {
        table.insert("disabled", true.into());
    }
    table
}

fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(items.into_iter().collect::<Array>())
}

fn simulated(entry: &SimulatedEntry) -> Table {
    let mut table = Table::new();
    put(&mut table, "archetype", Some(&entry.archetype));
    put(&mut table, "address", entry.address.as_ref());
    put(&mut table, "name", entry.display_name.as_ref());
    table
}

/// Rules and models in the notation of definitions.
fn protocol(addition: &Addition) -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    for rule in &addition.rules {
        let bus = rule.bus().to_string();
        let rules = table.entry(&bus).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        if let Some(rules) = rules.as_array_of_tables_mut() {
            rules.push(match_rule(rule));
        }
    }
    put_tables(&mut table, "model", addition.groups.iter().map(model).collect());
    table
}

fn match_rule(rule: &Rule) -> Table {
    let mut table = Table::new();
    match rule {
        Rule::Bluetooth { names, manufacturer, advertised, services } => {
            put(&mut table, "names", some(names));
            let manufacturer: Vec<String> = manufacturer.iter().map(manufacturer_data).collect();
            put(&mut table, "manufacturer", some(&manufacturer));
            let advertised: Vec<String> = advertised.iter().map(ToString::to_string).collect();
            put(&mut table, "advertised", some(&advertised));
            let mut listed = Table::new();
            listed.set_dotted(true);
            for (service, endpoints) in services {
                let mut table = InlineTable::new();
                for (endpoint, characteristic) in endpoints {
                    table.insert(endpoint.to_string(), characteristic.to_string().into());
                }
                listed.insert(&service.to_string(), value(table));
            }
            if !listed.is_empty() {
                table.insert("services", Item::Table(listed));
            }
        }
        Rule::Serial { port, baud_rate, data_bits, parity, stop_bits } => {
            match port {
                PortRule::Named(name) => put(&mut table, "port", Some(name)),
                PortRule::Usb(ids) => put(&mut table, "usb", some(&usb_ids(ids))),
            }
            put(&mut table, "settings", Some(format!("{baud_rate} {data_bits}{parity}{stop_bits}")));
        }
        Rule::Hid(ids) | Rule::Usb(ids) => {
            put(&mut table, "ids", some(&usb_ids(ids)));
        }
        Rule::WebSocket(names) | Rule::Gamepad(names) | Rule::Simulated(names) => {
            put(&mut table, "names", some(names));
        }
        Rule::LovenseConnect => {}
    }
    table
}

fn usb_ids(ids: &[UsbIds]) -> Vec<String> {
    ids.iter().map(|(vendor, product)| format!("{vendor:04x}:{product:04x}")).collect()
}

fn some(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| list(texts))
}

fn manufacturer_data((company, data): &(u16, Vec<u8>)) -> String {
    let bytes: Vec<String> = data.iter().map(|byte| format!("{byte:02x}")).collect();
    if bytes.is_empty() { company.to_string() } else { format!("{company}: {}", bytes.join(" ")) }
}

fn model(group: &Group) -> Table {
    let mut table = Table::new();
    let mut names = InlineTable::new();
    for (name, identifiers) in &group.names {
        names.insert(name, one_or_many(identifiers));
    }
    put(&mut table, "names", Some(names));
    put(&mut table, "variant", group.variant.as_ref());
    put(&mut table, "gap", group.gap_ms.map(|ms| format!("{ms} ms")));
    let mut features = Array::new();
    let mut next = 0;
    for described in &group.features {
        features.push(feature(described, next));
        next = described.index + 1;
    }
    put(&mut table, "features", Some(features));
    table
}

fn one_or_many(texts: &[String]) -> Value {
    match texts {
        [text] => text.into(),
        texts => list(texts),
    }
}

fn feature(feature: &Feature, next: u32) -> InlineTable {
    let mut table = InlineTable::new();
    if feature.index != next {
        table.insert("index", i64::from(feature.index).into());
    }
    for output in &feature.outputs {
        table.insert(output_name(output.kind), range(output.range));
        if let Some((low, high)) = output.duration {
            table.insert("duration", list([i64::from(low), i64::from(high)]));
        }
    }
    for input in &feature.inputs {
        table.insert(input_name(input.kind), asked(input));
    }
    if let Some(first) = feature.inputs.first().filter(|input| (input.kind, input.range) != BATTERY) {
        table.insert("range", range(first.range));
    }
    if !feature.label.is_empty() {
        table.insert("label", feature.label.as_str().into());
    }
    table
}

/// What needs no range of its own, as nearly every battery does not.
const BATTERY: (InputKind, (i32, i32)) = (InputKind::Battery, (0, 100));

fn range((low, high): (i32, i32)) -> Value {
    if low == 0 { i64::from(high).into() } else { list([i64::from(low), i64::from(high)]) }
}

fn asked(input: &Input) -> Value {
    let asked = [("read", input.read), ("subscribe", input.subscribe)];
    let asked: Vec<String> =
        asked.into_iter().filter(|(_, may)| *may).map(|(name, _)| name.to_owned()).collect();
    one_or_many(&asked)
}

#[cfg(test)]
mod tests;
