//! The thread that looks for pads while a search goes on. A pad is reported once when it appears, and once more by each new
//! search.

use crate::limits::{FIND_TIME, MAX_PADS};
use crate::pad::Pads;
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What the thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Start,
    Stop,
    End,
}

/// What the thread has.
pub(crate) struct Finder {
    pub(crate) pads: Arc<dyn Pads>,
    pub(crate) told: Receiver<Look>,
    pub(crate) events: BusEvents,
    /// Pads that were reported and are still there.
    pub(crate) reported: BTreeSet<String>,
    /// The last reason why none are found, so that it is said once.
    pub(crate) problem: String,
}

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(3600);

impl Finder {
    /// Runs until told to end, or until the bus is gone.
    pub(crate) fn run(mut self) {
        let mut searching = false;
        loop {
            if searching {
                self.pass();
            }
            match self.told.recv_timeout(if searching { FIND_TIME } else { LONG }) {
                Ok(Look::Start) => {
                    searching = true;
                    self.reported.clear();
                    self.problem.clear();
                }
                Ok(Look::Stop) => searching = false,
                Ok(Look::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn pass(&mut self) {
        let mut pads = match self.pads.list() {
            Ok(pads) => pads,
            Err(error) => {
                let problem = error.to_string();
                if self.problem != problem {
                    tracing::warn!("{problem}");
                    self.problem = problem;
                }
                return;
            }
        };
        pads.sort();
        pads.truncate(MAX_PADS);
        self.reported.retain(|address| pads.iter().any(|pad| pad.address == *address));
        for pad in pads {
            if self.reported.contains(&pad.address) {
                continue;
            }
            let advertisement = Advertisement::Gamepad { name: pad.name };
            let sighting = Sighting::new(pad.address.clone(), advertisement);
            // One that finds no room comes again with the next pass.
            if self.events.try_send(BusEvent::Sighted(sighting)).is_ok() {
                self.reported.insert(pad.address);
            }
        }
    }
}
