//! What a person decided about their devices, from the file in which they keep it.

use buttplug_protocols::definition::Addition;
use buttplug_server::configuration::UserConfiguration;

/// All that such a file says, as far as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    /// Device by device.
    pub(crate) configuration: UserConfiguration,
    /// Hardware and models of their own, in the order of the file.
    pub(crate) additions: Vec<Addition>,
    /// Simulated devices.
    pub(crate) simulated: Vec<SimulatedEntry>,
    /// What could not be applied, for people. It stays in the file as it is.
    pub(crate) notices: Vec<String>,
}

/// A simulated device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimulatedEntry {
    /// What it is, for example `simulated-2vibe`.
    pub(crate) archetype: String,
    /// Its address; none for one that is made up.
    pub(crate) address: Option<String>,
    /// What it is called.
    pub(crate) display_name: Option<String>,
}
