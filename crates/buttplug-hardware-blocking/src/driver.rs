//! What a bus brings: the two ends of open hardware, as its driver offers them. Calls block.

use std::time::Duration;
use thiserror::Error;

/// Why a driver's call failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DriverError {
    /// The hardware is gone: nothing will work any more.
    #[error("{0}")]
    Gone(String),
    /// This call failed; the next one may not.
    #[error("{0}")]
    Failed(String),
}

/// The end of hardware that takes bytes.
pub trait Sink: Send {
    /// Writes as much of `data` as goes within `wait`, and answers how much: 0 if nothing could be written in that
    /// time. Should not take much longer than `wait`; where it does, whoever waits has given up.
    ///
    /// # Errors
    /// The hardware is gone, or refuses.
    fn write(&mut self, data: &[u8], wait: Duration) -> Result<usize, DriverError>;

    /// How long the hardware needs to carry so many bytes away. The next write waits for it, so that nothing old
    /// piles up in the system's buffers before a stop.
    fn carry_time(&self, _bytes: usize) -> Duration {
        Duration::ZERO
    }

    /// Throws away what the system has taken and the hardware has not. Called before hardware is closed that takes
    /// nothing any more: else the system would wait for it.
    fn discard(&mut self) {}
}

/// The end of hardware that says something.
pub trait Source: Send {
    /// Waits for bytes, for at most `wait`, and answers how many came; 0: none.
    ///
    /// # Errors
    /// The hardware is gone, whatever the error.
    fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<usize, DriverError>;
}

/// When hardware is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadWhen {
    /// From the beginning to the end, which is how its end is noticed.
    Always,
    /// From the first time on that somebody wants to hear it: there is hardware that a read disturbs.
    Wanted,
}

/// Hardware just opened by its driver.
pub struct Halves {
    /// Where it is written to.
    pub sink: Box<dyn Sink>,
    /// Where it is read.
    pub source: Box<dyn Source>,
    /// When it is read.
    pub read: ReadWhen,
}
