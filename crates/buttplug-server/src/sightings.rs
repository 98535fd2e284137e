//! What a server makes of the hardware that its buses report, for whoever wants to see it: a program that shows people
//! what was found, and why something was not.

use buttplug_core::DeviceIndex;
use buttplug_protocols::sighting::Sighting;
use tokio::sync::broadcast;

/// Sightings that may wait for a reader. The oldest give way: hardware that is still there is reported again.
pub const MAX_WAITING_SIGHTINGS: usize = 256;

/// Hardware that a bus reported, and what the server made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// What was reported.
    pub sighting: Sighting,
    /// What came of it.
    pub outcome: Outcome,
}

/// What comes of hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is known that looks like it.
    Unknown,
    /// It may not connect, for this reason, which is for people.
    Refused(String),
    /// It looks like hardware that speaks one of these protocols, named by their ids, the first of them first. It is being
    /// connected, and more follows, unless the server [only looks](crate::ServerBuilder::look_only).
    Matched(Vec<String>),
    /// It is a device now.
    Connected {
        /// Its index.
        index: DeviceIndex,
        /// Its model's name.
        name: String,
        /// The id of its protocol.
        protocol: String,
    },
    /// It matched, and did not become a device, for this reason, which is for people.
    Failed(String),
}

/// Where the manager tells what it makes of sightings. Costs nothing while nobody reads.
#[derive(Clone, Debug)]
pub(crate) struct Telling(broadcast::Sender<Sighted>);

impl Default for Telling {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_WAITING_SIGHTINGS))
    }
}

impl Telling {
    pub(crate) fn tell(&self, sighting: &Sighting, outcome: impl FnOnce() -> Outcome) {
        if self.0.receiver_count() > 0 {
            // A reader that has left in between misses nothing.
            let _ = self.0.send(Sighted { sighting: sighting.clone(), outcome: outcome() });
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Sighted> {
        self.0.subscribe()
    }
}
