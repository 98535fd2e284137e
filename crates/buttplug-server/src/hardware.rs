//! The two traits that every bus implements, and their contract.
//!
//! A bus reports what it sees and opens it; hardware reads, writes and notifies. Neither knows protocols, sessions or
//! message gaps. A bus never waits for the server: reports that find no room are dropped and come again.

#[cfg(feature = "conformance")]
pub mod conformance;

use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{BusKind, Sighting};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;

/// What a bus or a piece of hardware can fail with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HardwareError {
    /// The hardware does not have this endpoint.
    #[error("the hardware has no endpoint {0}")]
    NoEndpoint(Endpoint),
    /// The bus or the hardware can't do this.
    #[error("{0} is not possible on this hardware")]
    NotSupported(&'static str),
    /// The hardware is gone.
    #[error("the hardware is gone")]
    Gone,
    /// The hardware did not react in time. What was asked may have been done, or may yet be: what was never passed on, for
    /// example because a queue is full, [has failed](Self::Failed).
    #[error("{0} took too long")]
    TimedOut(&'static str),
    /// The same, for this reason: what was asked was passed on, and nobody says that it was done.
    #[error("{0}")]
    Unconfirmed(String),
    /// None of the matching protocols finds its endpoints.
    #[error("none of the matching protocols finds its endpoints on this hardware")]
    NoProtocolFits,
    /// What the operating system or a library reported.
    #[error("{0}")]
    Failed(String),
}

/// What open hardware says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HardwareEvent {
    /// A notification of a subscribed endpoint.
    Notification {
        /// Where from.
        endpoint: Endpoint,
        /// The bytes.
        data: Bytes,
    },
    /// The connection has ended, for this reason. Nothing follows.
    Gone(String),
}

/// Notifications that may wait for a device's task. When it is full the hardware drops notifications, never the end.
pub const MAX_WAITING_EVENTS: usize = 64;

/// Writes of one device that hardware has to take while earlier ones have not ended: the zeros of stops that follow each other.
/// What is more may fail at once.
pub const MIN_WAITING_WRITES: usize = 64;

/// Hardware that is open.
///
/// Every call ends by itself: an implementation limits its own waits. Calls may come from several tasks, and be dropped
/// before they end: what they have begun is done before what later calls ask for, or not at all.
#[async_trait]
pub trait Hardware: Send + Sync {
    /// Writes a frame. Frames of one device arrive in the order of the calls, also if a call is made while an earlier one
    /// waits for its confirmation: a stop does not wait for long. A call has its place, and goes out in its turn, once it has
    /// been polled. Where the hardware supports only one of confirmed and unconfirmed writes, that one is used.
    ///
    /// # Errors
    /// The endpoint is missing, the hardware is gone or refuses.
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError>;

    /// The same for a write that the server calls off unless it has [begun](Beginning::begin). Hardware on which writes may
    /// wait for earlier ones says so when one begins; elsewhere each begins at once.
    ///
    /// # Errors
    /// As for [`write`](Self::write). [`HardwareError::TimedOut`] and [`HardwareError::Unconfirmed`] of a write that has begun: it
    /// may have arrived, or may yet.
    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        beginning.begin();
        self.write(frame).await
    }

    /// Reads up to `length` bytes.
    ///
    /// # Errors
    /// The endpoint is missing or can't be read, the hardware is gone or refuses.
    async fn read(&self, endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError>;

    /// Begins notifications. Subscribing twice succeeds and changes nothing.
    ///
    /// # Errors
    /// The endpoint is missing or can't notify, the hardware is gone or refuses.
    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError>;

    /// Ends notifications. Unsubscribing what is not subscribed succeeds.
    ///
    /// # Errors
    /// The endpoint is missing, the hardware is gone or refuses.
    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError>;

    /// Closes the connection; what was written before is delivered. Closing twice succeeds.
    async fn close(&self);

    /// Whether it was connected before it was opened: whoever held it then, for example this program before it was
    /// killed, may have left it running. It is told to rest first.
    fn was_connected(&self) -> bool {
        false
    }
}

/// Whether a write has begun. Clones speak of the same write.
#[derive(Clone, Debug, Default)]
pub struct Beginning(Arc<AtomicBool>);

impl Beginning {
    /// The write begins. False: it was called off before, and must not arrive any more.
    pub fn begin(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Calls the write off. False: it is too late, it has begun.
    pub fn call_off(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Hardware just opened.
pub struct OpenHardware {
    /// The hardware.
    pub hardware: Arc<dyn Hardware>,
    /// What it says, at most [`MAX_WAITING_EVENTS`] at a time. Its end without [`HardwareEvent::Gone`] means the same.
    pub events: mpsc::Receiver<HardwareEvent>,
    /// Which of the offered wirings fits.
    pub wiring: usize,
    /// The endpoints found; empty where the bus has no addressable places.
    pub endpoints: Vec<Endpoint>,
}

/// What a bus reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// Hardware is there. May be reported again and again.
    Sighted(Sighting),
    /// The scan has ended by itself.
    ScanningFinished,
}

/// Where a bus reports to.
pub type BusEvents = mpsc::Sender<BusEvent>;

/// A bus: finds hardware and opens it.
#[async_trait]
pub trait HardwareBus: Send + Sync {
    /// Which bus it is.
    fn kind(&self) -> BusKind;

    /// The least time between writes to hardware that was sighted as being on `hardware`, unless the model says
    /// otherwise. That may be another bus than [`kind`](Self::kind) says, where this one reaches hardware through others.
    fn message_gap(&self, hardware: BusKind) -> Duration;

    /// Whether a new sighting of a connected address means that the hardware has connected anew and the old
    /// connection is dead.
    fn replaces_connected(&self) -> bool {
        false
    }

    /// Tells the bus where to report to. Called once, before anything else; here the bus starts its tasks.
    async fn attach(&self, events: BusEvents);

    /// Looks for hardware until told to stop. Starting twice succeeds. Where hardware reports by itself there is
    /// nothing to do.
    ///
    /// # Errors
    /// The bus can't look, for example because its adapter is off.
    async fn start_scanning(&self) -> Result<(), HardwareError>;

    /// Ends the search. Stopping twice succeeds.
    ///
    /// # Errors
    /// The bus could not be told.
    async fn stop_scanning(&self) -> Result<(), HardwareError>;

    /// Whether a search is going on.
    fn is_scanning(&self) -> bool;

    /// Whether it looks for this hardware by itself, which was lost in use, without a pause. What is not sought so is
    /// searched for by the server if it may be running.
    fn seeks(&self, _address: &str) -> bool {
        false
    }

    /// Whether it still reports this hardware by itself, which was lost in use, be it with pauses.
    fn awaits(&self, address: &str) -> bool {
        self.seeks(address)
    }

    /// Opens what was sighted, with the first of the wirings whose endpoints are there.
    ///
    /// # Errors
    /// The hardware is gone or refuses, or no wiring fits.
    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError>;

    /// The server takes what it has just opened for hardware that speaks this protocol, named by its id. Comes before
    /// everything that is written or read. Buses on which hardware waits for an answer give it.
    async fn accept(&self, _sighting: &Sighting, _protocol: &str) {}

    /// The server has no use for what was sighted, for this reason. Buses on which hardware waits for an answer give
    /// it.
    async fn refuse(&self, _sighting: &Sighting, _reason: &str) {}

    /// Stops searching, takes nothing new, ends the bus's tasks and waits for them. Open hardware has been closed.
    async fn shut_down(&self);
}
