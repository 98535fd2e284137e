//! Files in which earlier engines keep what people decided about their devices: JSON in five layouts, called generations.
//!
//! They are read as they are, with patience: what can't be applied is a notice, and what is wrong with one piece leaves the
//! others. A device that is denied stays denied whatever else its entry says, and a limit that is in doubt leads to less.

mod address;
mod append;
mod catalogue_file;
mod convert;
mod device;
mod document;
mod json;
mod models;
mod outputs;
mod published;
mod rules;

pub(super) use append::{NEW_FILE, with_known};
pub(crate) use catalogue_file::CatalogueFile;
pub(crate) use convert::{Converted, convert};
pub(super) use document::NEWEST_GENERATION;

use super::{Decisions, SimulatedEntry, UserFileError};
use buttplug_core::limits::quoted;
use buttplug_hardware_simulated::Archetype;
use buttplug_protocols::catalogue::{Catalogue, CatalogueError};
use buttplug_protocols::definition::{Addition, Group, Rule};
use buttplug_server::configuration::{DeviceConfiguration, UserConfiguration};
use document::{Document, Generation, OfProtocol};
use models::OwnModel;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Rules and models of a person's own in a file. Each is tried when it is read; a hand-written file has a few.
const MAX_OWN_PIECES: usize = 512;

/// Notices about a file that are shown. Who gets more of them has to look at the file anyway.
const MAX_NOTICES: usize = 100;

/// A file, read.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    /// How it is laid out.
    generation: Generation,
    /// The catalogue with what the file adds to it.
    catalogue: Catalogue,
    devices: Vec<DeviceConfiguration>,
    additions: Vec<Addition>,
    simulated: Vec<SimulatedEntry>,
    own: Vec<OwnModel>,
    /// What could not be applied, or only in part.
    unapplied: Vec<Unapplied<'t>>,
}

/// A piece of the file that could not be applied, or only in part.
#[derive(Debug)]
struct Unapplied<'t> {
    /// What it is about.
    what: String,
    /// What of it has no effect, and why.
    reasons: Vec<String>,
    /// The piece.
    json: &'t str,
}

/// Reads the text of a file. `catalogue` is what its models and rules are looked up in.
///
/// # Errors
/// It is no JSON, not a user file, or of a later engine.
pub(super) fn read<'t>(text: &'t str, catalogue: &Catalogue) -> Result<Reading<'t>, UserFileError> {
    let document = Document::parse(text)?;
    let mut reading = Reading::new(document.generation, catalogue);
    let mut room = MAX_OWN_PIECES;
    for (protocol, of) in &document.protocols {
        reading.add_pieces(protocol, pieces(protocol, of), &mut room);
    }
    let mut places = HashMap::new();
    for (address, raw) in &document.by_address {
        let mut reasons = Vec::new();
        let entry = value(raw, &mut reasons);
        let device = device::device_at(address, &entry, &mut reasons);
        reading.add_device(device, raw, reasons, &mut places);
    }
    for (place, raw) in document.devices.iter().enumerate() {
        let mut reasons = Vec::new();
        let entry = value(raw, &mut reasons);
        match device::device(&entry, &reading.catalogue, &reading.own, &mut reasons) {
            Some(device) => reading.add_device(device, raw, reasons, &mut places),
            None => reading.note(format!("entry {} of the devices", place + 1), reasons, raw),
        }
    }
    for raw in &document.simulated {
        reading.add_simulated(raw);
    }
    Ok(reading)
}

/// A piece as a value. One that can't be, as it is nested too deeply, is nothing.
fn value(raw: &RawValue, reasons: &mut Vec<String>) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|error| {
        reasons.push(format!("it can't be read: {error}"));
        Value::Null
    })
}

/// What makes two entries the same.
type Identity = (Option<String>, Option<String>, String);

/// A rule or a model of a person's own, read.
struct Piece<'t> {
    what: String,
    reasons: Vec<String>,
    raw: &'t RawValue,
    rules: Vec<Rule>,
    model: Option<(OwnModel, Group)>,
}

impl<'t> Reading<'t> {
    /// Nothing, until something is added.
    fn new(generation: Generation, catalogue: &Catalogue) -> Self {
        Self {
            generation,
            catalogue: catalogue.clone(),
            devices: Vec::new(),
            additions: Vec::new(),
            simulated: Vec::new(),
            own: Vec::new(),
            unapplied: Vec::new(),
        }
    }

    /// What a server is told of it.
    pub(super) fn into_decisions(self) -> Decisions {
        let notices = self.notices();
        Decisions {
            configuration: UserConfiguration { devices: self.devices, max_run: None },
            additions: self.additions,
            simulated: self.simulated,
            notices,
        }
    }

    /// What could not be applied, for people.
    fn notices(&self) -> Vec<String> {
        let all = || {
            self.unapplied.iter().flat_map(|piece| piece.reasons.iter().map(|reason| (&piece.what, reason)))
        };
        let mut notices: Vec<String> =
            all().take(MAX_NOTICES).map(|(what, reason)| format!("{what}: {reason}")).collect();
        let more = all().count() - notices.len();
        if more > 0 {
            notices.push(format!("{more} more are not shown"));
        }
        notices
    }

    fn note(&mut self, what: String, reasons: Vec<String>, raw: &'t RawValue) {
        if !reasons.is_empty() {
            self.unapplied.push(Unapplied { what, reasons, json: raw.get() });
        }
    }

    fn add_device(
        &mut self,
        device: DeviceConfiguration,
        raw: &'t RawValue,
        mut reasons: Vec<String>,
        places: &mut HashMap<Identity, usize>,
    ) {
        let what = format!("device {}", quoted(&device.address));
        let identity =
            (device.protocol.clone(), device.identifier.clone(), device.address.to_ascii_lowercase());
        match places.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(self.devices.len());
                self.devices.push(device);
            }
            Entry::Occupied(place) => {
                reasons
                    .push("it is there twice: the first index and name count, and the limits of both".into());
                if let Some(first) = self.devices.get_mut(*place.get()) {
                    merge(first, device);
                }
            }
        }
        self.note(what, reasons, raw);
    }

    fn add_simulated(&mut self, raw: &'t RawValue) {
        let mut reasons = Vec::new();
        let entry = value(raw, &mut reasons);
        let text = |name| entry.as_object().and_then(|entry| json::text(entry, name)).map(str::to_owned);
        match text("identifier") {
            Some(archetype) if Archetype::from_name(&archetype).is_some() => {
                let (address, display_name) = (text("address"), text("display_name"));
                self.simulated.push(SimulatedEntry { archetype, address, display_name });
            }
            Some(other) => reasons.push(format!("there is no simulated device {}", quoted(&other))),
            None => reasons.push("it has no `identifier`".into()),
        }
        self.note("a simulated device".into(), reasons, raw);
    }

    /// Adds the rules and models for a protocol, those at least that are right.
    fn add_pieces(&mut self, protocol: &str, mut pieces: Vec<Piece<'t>>, room: &mut usize) {
        if pieces.is_empty() {
            return;
        }
        for surplus in pieces.drain((*room).min(pieces.len())..).collect::<Vec<_>>() {
            let reason = format!("a file can have {MAX_OWN_PIECES} rules and models");
            self.note(surplus.what, vec![reason], surplus.raw);
        }
        *room -= pieces.len();
        let mut addition = Addition { protocol: protocol.to_owned(), ..Addition::default() };
        for piece in &pieces {
            addition.rules.extend(piece.rules.iter().cloned());
            addition.groups.extend(piece.model.iter().map(|(_, group)| group.clone()));
        }
        let all_right = self.catalogue.extend(&addition).is_ok();
        for mut piece in pieces {
            let group = piece.model.as_ref().map(|(_, group)| group.clone());
            let single = Addition {
                protocol: protocol.to_owned(),
                rules: piece.rules,
                groups: group.into_iter().collect(),
            };
            let empty = single.rules.is_empty() && single.groups.is_empty();
            let added = if all_right || empty { Ok(()) } else { self.catalogue.extend(&single) };
            match added {
                // It may be one that a person defines; whoever knows all of them says so if it is not.
                Ok(()) | Err(CatalogueError::UnknownProtocol(_)) => {
                    self.own.extend(piece.model.map(|(own, _)| own));
                    self.add(single);
                }
                Err(error) => piece.reasons.push(error.to_string()),
            }
            self.note(piece.what, piece.reasons, piece.raw);
        }
    }

    fn add(&mut self, new: Addition) {
        if new.rules.is_empty() && new.groups.is_empty() {
            return;
        }
        let place = self.additions.iter().position(|addition| addition.protocol == new.protocol);
        let mut addition = match place {
            Some(place) => self.additions.remove(place),
            None => Addition { protocol: new.protocol, ..Addition::default() },
        };
        addition.rules.extend(new.rules);
        addition.groups.extend(new.groups);
        // As they stand in a file of our own.
        addition.rules.sort_by_key(Rule::bus);
        self.additions.insert(place.unwrap_or(self.additions.len()), addition);
    }
}

/// Reads the rules and models for a protocol.
fn pieces<'t>(protocol: &str, of: &OfProtocol<'t>) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let of_protocol = format!("of protocol {}", quoted(protocol));
    for (kind, raw) in &of.rules {
        let mut reasons = Vec::new();
        let rules = rules::rules(kind, &value(raw, &mut reasons), &mut reasons);
        pieces.push(Piece { what: format!("a rule {of_protocol}"), reasons, raw, rules, model: None });
    }
    for raw in &of.communication {
        let (mut reasons, mut rules) = (Vec::new(), Vec::new());
        match value(raw, &mut reasons).as_object() {
            Some(kinds) => {
                for (kind, rule) in kinds {
                    rules.extend(rules::rules(kind, rule, &mut reasons));
                }
            }
            None => reasons.push("it is not understood".into()),
        }
        pieces.push(Piece { what: format!("a rule {of_protocol}"), reasons, raw, rules, model: None });
    }
    for raw in &of.configurations {
        let mut reasons = Vec::new();
        let read = models::model(protocol, &value(raw, &mut reasons));
        let model = read.map_err(|reason| reasons.push(reason)).ok();
        let name = model.as_ref().and_then(|(_, group)| group.names.first());
        let what = match name {
            Some((name, _)) => format!("model {} {of_protocol}", quoted(name)),
            None => format!("a model {of_protocol}"),
        };
        pieces.push(Piece { what, reasons, raw, rules: Vec::new(), model });
    }
    pieces
}

/// Adds what a second entry says about a device to the first.
pub(super) fn merge(first: &mut DeviceConfiguration, second: DeviceConfiguration) {
    first.allow |= second.allow;
    first.deny |= second.deny;
    first.index = first.index.or(second.index);
    first.display_name = first.display_name.take().or(second.display_name);
    first.message_gap = first.message_gap.max(second.message_gap);
    first.max_run = first.max_run.into_iter().chain(second.max_run).min();
    first.only_named.extend(second.only_named);
    for output in second.outputs {
        outputs::add(&mut first.outputs, output);
    }
}

#[cfg(test)]
mod tests;
