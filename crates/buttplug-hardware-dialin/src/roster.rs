//! Who is there: one line per address, the newest.

use crate::line::Line;
use buttplug_protocols::sighting::{BusKind, Sighting};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The devices that are connected, by address.
#[derive(Debug)]
pub(crate) struct Roster {
    lines: Mutex<HashMap<Place, Arc<Line>>>,
    max_devices: usize,
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

    /// Adds a line and returns the one whose place it takes. `Err`: all places are taken; the line comes back.
    pub(crate) fn add(&self, line: Arc<Line>) -> Result<Option<Arc<Line>>, Arc<Line>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(line.sighting());
        if lines.len() >= self.max_devices && !lines.contains_key(&place) {
            return Err(line);
        }
        Ok(lines.insert(place, line))
    }

    pub(crate) fn find(&self, sighting: &Sighting) -> Option<Arc<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(&place(sighting)).cloned()
    }

    /// Removes a line that has ended, unless a newer one has its place.
    pub(crate) fn remove(&self, line: &Arc<Line>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(line.sighting());
        if lines.get(&place).is_some_and(|there| Arc::ptr_eq(there, line)) {
            lines.remove(&place);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
