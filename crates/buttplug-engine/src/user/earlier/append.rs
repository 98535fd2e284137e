//! Writes devices into a file of an earlier engine, so that their indexes stay with them: an entry for each device that has
//! none, and not one other byte. Text in, text out; files are the affair of others.

use super::document::{self, Entries, Generation};
use super::json::pretty;
use super::published::Published;
use super::{Reading, read};
use crate::random;
use crate::user::{UserFileError, WithKnown};
use buttplug_core::FeatureIndex;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::sighting::Uuid;
use buttplug_server::configuration::{DeviceConfiguration, DeviceIdentity, KnownDevice};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a file begins with that is not there yet.
pub(in crate::user) const NEW_FILE: &str =
    "{\n  \"version\": {\"major\": 5, \"minor\": 0},\n  \"user_configs\": {}\n}\n";

/// Adds an entry for each known device that has none. Left are those whose indexes can't stand there: files before generation
/// 4 are not written, as the engine that made them would not read them any more; a later one may have an entry without an
/// index, which is its owner's; and a model may have no id there.
///
/// # Errors
/// The text is no user file.
pub(in crate::user) fn with_known(
    text: &str,
    known: &[Arc<KnownDevice>],
    catalogue: &Catalogue,
) -> Result<WithKnown, UserFileError> {
    let reading = read(text, catalogue)?;
    let mut appended = WithKnown::default();
    let mut entries = Vec::new();
    for device in known {
        let mut there = reading.entries(&device.identity).peekable();
        if there.peek().is_some() {
            if there.all(|entry| entry.index.is_none()) {
                appended.left.push(Arc::clone(device));
            }
            continue;
        }
        let ids = if reading.generation < Generation::Newest { None } else { reading.ids(&device.identity) };
        match ids {
            Some(ids) => entries.push(entry(device, &ids, random_id)),
            None => appended.left.push(Arc::clone(device)),
        }
    }
    if !entries.is_empty() {
        appended.text = Some(insert(text, &entries).map_err(|error| document::malformed(&error))?);
    }
    Ok(appended)
}

impl Reading<'_> {
    /// The entries about this device.
    fn entries(&self, device: &DeviceIdentity) -> impl Iterator<Item = &DeviceConfiguration> {
        self.devices.iter().filter(|entry| {
            entry.address.eq_ignore_ascii_case(&device.address)
                && entry.protocol.as_ref().is_none_or(|protocol| *protocol == device.protocol)
                && (entry.identifier.is_none() || entry.identifier == device.identifier)
        })
    }

    /// The ids of a device's model and its features: of a model in the file, or those that have been published.
    fn ids(&self, device: &DeviceIdentity) -> Option<(Uuid, Vec<Uuid>)> {
        let identifier = device.identifier.as_deref();
        let own = self.own.iter().find(|own| {
            own.protocol == device.protocol
                && own.identifiers.iter().any(|listed| Some(listed.as_str()) == identifier)
        });
        if let Some(own) = own {
            return Some((own.id?, own.features.iter().map(|(_, id)| *id).collect::<Option<_>>()?));
        }
        let candidate = self.catalogue.protocol(&device.protocol)?;
        let definition = candidate.definition();
        let named = identifier.and_then(|identifier| definition.named(identifier));
        let (group, name) = match named {
            Some((group, name)) => (group, Some(name)),
            None => (definition.fallback()?.0, None),
        };
        let features: Vec<FeatureIndex> =
            group.features.iter().map(|feature| FeatureIndex(feature.index)).collect();
        let published = Published::with_name(&device.protocol, name, &features)?;
        Some((published.id, published.features.iter().map(|(_, id)| *id).collect()))
    }
}

/// An entry as the engines of generations 4 and 5 write it. An identifier that nobody knows is left out: they would not
/// start with a `null`.
fn entry(device: &KnownDevice, ids: &(Uuid, Vec<Uuid>), mut fresh: impl FnMut() -> Uuid) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let DeviceIdentity { protocol, identifier, address, .. } = &device.identity;
    let identifier = identifier.as_ref().map(|text| format!("\"identifier\":{},", string(text)));
    let (protocol, address) = (string(protocol), string(address));
    let (model, features) = ids;
    let id = fresh();
    let features: Vec<String> =
        features.iter().map(|base| format!("{{\"id\":\"{}\",\"base_id\":\"{base}\"}}", fresh())).collect();
    format!(
        "{{\"identifier\":{{\"protocol\":{protocol},{}\"address\":{address}}},\
         \"config\":{{\"id\":\"{id}\",\"base_id\":\"{model}\",\"features\":[{}],\
         \"user_config\":{{\"allow\":false,\"deny\":false,\"index\":{}}}}}}}",
        identifier.unwrap_or_default(),
        features.join(","),
        device.index.0
    )
}

/// A random UUID, of version 4.
fn random_id() -> Uuid {
    let half = || u128::from(random::bits());
    let bits = half() << 64 | half();
    Uuid(bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62)
}

/// Puts the entries at the end of the devices.
fn insert(text: &str, entries: &[String]) -> Result<String, serde_json::Error> {
    let devices = format!("\"devices\":[{}]", entries.join(","));
    let top = text.strip_prefix('\u{feff}').unwrap_or(text).trim_matches(is_space);
    let Some(configs) = member(top, "user_configs")? else {
        return Ok(into_container(text, top, &[format!("\"user_configs\":{{{devices}}}")]));
    };
    if configs == "null" {
        return Ok(instead(text, configs, &format!("{{{devices}}}")));
    }
    Ok(match member(configs, "devices")? {
        None => into_container(text, configs, &[devices]),
        Some(listed) if listed == "null" => instead(text, listed, &format!("[{}]", entries.join(","))),
        Some(listed) => into_container(text, listed, entries),
    })
}

/// The text of what an object has under `name`.
fn member<'t>(object: &'t str, name: &str) -> Result<Option<&'t str>, serde_json::Error> {
    let entries: Entries<&'t RawValue> = serde_json::from_str(object)?;
    Ok(entries.0.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.get()))
}

/// The text around a part of it.
fn around<'t>(text: &'t str, part: &str) -> (&'t str, &'t str) {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.get(..start).unwrap_or_default();
    (before, text.get(start + part.len()..).unwrap_or_default())
}

/// The text with something else in the place of `part`.
fn instead(text: &str, part: &str, new: &str) -> String {
    let (before, after) = around(text, part);
    let new = if text.contains('\n') { indented(new, indent_of_line(before), text) } else { new.to_owned() };
    format!("{before}{new}{after}")
}

/// The text with items added to a list or an object that is part of it, written as the rest is.
fn into_container(text: &str, container: &str, items: &[String]) -> String {
    let (before, after) = around(text, container);
    let end = container.len().saturating_sub(1);
    let (open, inner) = container.get(..end).unwrap_or_default().split_at(1.min(end));
    let close = container.get(end..).unwrap_or_default();
    let filled = inner.trim_end_matches(is_space);
    let space = inner.get(filled.len()..).unwrap_or_default();
    let in_lines = if filled.is_empty() { text.contains('\n') } else { inner.contains('\n') };
    if !in_lines {
        let comma = if filled.is_empty() { "" } else { ", " };
        return format!("{before}{open}{filled}{comma}{}{space}{close}{after}", items.join(", "));
    }
    let line_end = line_end(text);
    let outer = indent_of_line(before);
    let first = inner.len() - inner.trim_start_matches(is_space).len();
    let indent = match inner.get(..first).and_then(|space| space.rsplit_once('\n')) {
        Some((_, indent)) if !filled.is_empty() => indent.to_owned(),
        _ => format!("{outer}  "),
    };
    let items: Vec<String> = items.iter().map(|item| indented(item, &indent, text)).collect();
    let items = items.join(&format!(",{line_end}{indent}"));
    let comma = if filled.is_empty() { "" } else { "," };
    let space = if filled.is_empty() { format!("{line_end}{outer}") } else { space.to_owned() };
    format!("{before}{open}{filled}{comma}{line_end}{indent}{items}{space}{close}{after}")
}

/// JSON in lines of their own, of which all but the first begin with `indent`.
fn indented(json: &str, indent: &str, text: &str) -> String {
    pretty(json).replace('\n', &format!("{}{indent}", line_end(text)))
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The space at the beginning of the last line.
fn indent_of_line(before: &str) -> &str {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let rest = line.trim_start_matches([' ', '\t']);
    line.get(..line.len() - rest.len()).unwrap_or_default()
}

/// What JSON allows between its parts.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests;
