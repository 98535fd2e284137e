//! What the bus needs of the operating system's Bluetooth, as a trait: `platform.rs` has it from btleplug, tests play
//! it. Decides nothing.

use async_trait::async_trait;
use buttplug_protocols::sighting::Uuid;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::mpsc;

/// What a radio can fail with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RadioError {
    /// The link to the hardware has ended, or the hardware is out of reach.
    #[error("not connected")]
    NotConnected,
    /// The system does not let this program use Bluetooth.
    #[error("the system does not allow this program to use Bluetooth")]
    NotAllowed,
    /// The system's Bluetooth service does not run, or nobody answers for it.
    #[error("{0}")]
    NoService(String),
    /// The hardware itself has answered that it won't, in the system's words.
    #[error("{0}")]
    Refused(String),
    /// Everything else, in the system's words.
    #[error("{0}")]
    Failed(String),
}

/// The name of an adapter, for example `hci0`.
pub(crate) type AdapterName = Arc<str>;

/// One piece of hardware as one adapter sees it.
pub(crate) trait Spot: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// What stays the same when the hardware comes back, and on another adapter.
    fn address(&self) -> &str;

    /// The adapter.
    fn adapter(&self) -> &AdapterName;
}

/// An adapter, and whether it is switched on; `None`: the system could not tell this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adapter {
    pub(crate) name: AdapterName,
    pub(crate) powered: Option<bool>,
}

/// What hardware says of itself, as far as the system has heard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The advertised name, if there is one.
    pub(crate) name: String,
    /// Company ids and their data, in the order of the ids.
    pub(crate) manufacturer_data: Vec<(u16, Vec<u8>)>,
    /// Advertised services, in order.
    pub(crate) services: Vec<Uuid>,
    /// The strength of the last advertisement in dBm, as long as it is recent.
    pub(crate) rssi: Option<i16>,
    /// Whether the system has a connection to it.
    pub(crate) connected: bool,
}

impl View {
    /// Systems also list what they have heard of long ago.
    pub(crate) fn is_here(&self) -> bool {
        self.connected || self.rssi.is_some()
    }
}

/// What a radio reports. Losses go ahead of the rest and are never dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RadioEvent<S> {
    /// Something was heard of this hardware.
    Heard(S),
    /// An adapter was switched on or off.
    Power(AdapterName, bool),
}

/// Where a radio reports to.
pub(crate) struct Reports<S> {
    // radio -> bus: 256 events; when full advertisements are dropped; closed means the bus has ended.
    pub(crate) events: mpsc::Sender<RadioEvent<S>>,
    // radio -> bus: ends of links; the radio waits for room; closed means the bus has ended.
    pub(crate) losses: mpsc::Sender<S>,
}

impl<S> Clone for Reports<S> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), losses: self.losses.clone() }
    }
}

/// What can be done with a characteristic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) write_unconfirmed: bool,
    pub(crate) notify: bool,
}

/// A characteristic of connected hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Characteristic {
    pub(crate) service: Uuid,
    pub(crate) uuid: Uuid,
    pub(crate) abilities: Abilities,
}

/// A notification: which characteristic, by its place in the peer's list, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) place: usize,
    pub(crate) data: Vec<u8>,
}

/// Bluetooth of the operating system. Calls end by themselves in some 30 s at the latest; who can't wait that long
/// limits them.
#[async_trait]
pub(crate) trait Radio: Send + Sync + 'static {
    /// How it names hardware.
    type Spot: Spot;

    /// The adapters that are there, in the order of their names. From now on they report.
    async fn adapters(&self) -> Result<Vec<Adapter>, RadioError>;

    /// Begins to listen for advertisements, also if it is doing so.
    async fn start_scan(&self, adapter: &AdapterName) -> Result<(), RadioError>;

    /// Ends it.
    async fn stop_scan(&self, adapter: &AdapterName) -> Result<(), RadioError>;

    /// What the system knows already, be it connected or just remembered.
    async fn known(&self, adapter: &AdapterName) -> Result<Vec<Self::Spot>, RadioError>;

    /// What this hardware says of itself.
    async fn look(&self, spot: &Self::Spot) -> Result<View, RadioError>;

    /// Connects, unless it is connected, and finds out the services.
    async fn connect(&self, spot: &Self::Spot) -> Result<Box<dyn Peer>, RadioError>;

    /// Ends a link, or an attempt at one.
    async fn disconnect(&self, spot: &Self::Spot) -> Result<(), RadioError>;

    /// Ends everything that reports.
    async fn shut_down(&self);
}

/// Connected hardware. Characteristics are named by their place in the list.
#[async_trait]
pub(crate) trait Peer: Send + Sync {
    /// All characteristics, in the order of services and characteristics.
    fn characteristics(&self) -> &[Characteristic];

    /// Begins to hand on notifications, as long as the receiver is there. Called once, before any subscription.
    async fn listen(&self, notes: mpsc::Sender<Note>) -> Result<(), RadioError>;

    /// Writes. Returns when it is confirmed, or when the system has taken it.
    async fn write(&self, place: usize, data: &[u8], confirmed: bool) -> Result<(), RadioError>;

    /// Reads the whole value.
    async fn read(&self, place: usize) -> Result<Vec<u8>, RadioError>;

    /// Subscribes to notifications or indications, or ends that.
    async fn subscribe(&self, place: usize, wanted: bool) -> Result<(), RadioError>;
}
