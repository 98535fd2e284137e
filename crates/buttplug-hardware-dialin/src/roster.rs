//! Who is there: for each address the newest line, and the one that the server drives until it has opened the newest.

use crate::limits::{MAX_LINES, MAX_REPLACED};
use crate::line::Line;
use buttplug_protocols::sighting::{BusKind, Sighting};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The devices that are connected, by address.
#[derive(Debug)]
pub(crate) struct Roster {
    /// The newest is the last of its list. No list is empty. A line stays until its task has ended, and with it its
    /// connection.
    lines: Mutex<HashMap<Place, Vec<Arc<Line>>>>,
    max_devices: usize,
}

/// Why a line finds no place.
pub(crate) enum Full {
    /// All places are taken.
    Devices,
    /// Too many earlier lines of the same address have not ended yet.
    Address,
}

/// Addresses mean something on their bus only.
type Place = (BusKind, Box<str>);

fn place(sighting: &Sighting) -> Place {
    (sighting.bus(), sighting.address.as_str().into())
}

impl Roster {
    pub(crate) fn new(max_devices: usize) -> Self {
        Self { lines: Mutex::default(), max_devices }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Place, Vec<Arc<Line>>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, and tells the earlier ones with its address of it.
    pub(crate) fn add(&self, line: &Arc<Line>) -> Result<(), Full> {
        let mut lines = self.lines();
        let place = place(line.sighting());
        let connections: usize = lines.values().map(Vec::len).sum();
        let is_known = lines.contains_key(&place);
        if (!is_known && lines.len() >= self.max_devices) || connections >= self.max_devices + MAX_REPLACED {
            return Err(Full::Devices);
        }
        let here = lines.entry(place).or_default();
        if here.len() >= MAX_LINES {
            return Err(Full::Address);
        }
        here.iter().for_each(|earlier| earlier.replaced_by(line));
        here.push(Arc::clone(line));
        Ok(())
    }

    /// The newest line that has greeted with exactly this and of which `wanted` is true.
    pub(crate) fn find(&self, sighting: &Sighting, wanted: impl Fn(&Line) -> bool) -> Option<Arc<Line>> {
        let lines = self.lines();
        let mut newest_first = lines.get(&place(sighting))?.iter().rev();
        newest_first.find(|line| line.sighting() == sighting && wanted(line)).cloned()
    }

    /// The lines that had the address of this one before it.
    pub(crate) fn before(&self, line: &Arc<Line>) -> Vec<Arc<Line>> {
        let lines = self.lines();
        let Some(here) = lines.get(&place(line.sighting())) else { return Vec::new() };
        let number = here.iter().position(|there| Arc::ptr_eq(there, line)).unwrap_or(0);
        here.iter().take(number).cloned().collect()
    }

    /// Removes a line that has ended.
    pub(crate) fn remove(&self, line: &Arc<Line>) {
        let mut lines = self.lines();
        let place = place(line.sighting());
        if let Some(here) = lines.get_mut(&place) {
            here.retain(|there| !Arc::ptr_eq(there, line));
            if here.is_empty() {
                lines.remove(&place);
            }
        }
    }

    /// All lines; of those with one address the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Line>> {
        self.lines().values().flat_map(|here| here.iter().rev()).cloned().collect()
    }
}
