//! What a server has done so far, in numbers, for whoever watches it. Counts nothing itself: each number is kept where
//! its event happens.

use std::time::Duration;

/// Upper ends of the steps of [`WriteTimes::steps`]. A wire answers within the first ones, a radio that confirms within
/// the middle ones; what takes a second is about to be lost.
pub const WRITE_TIME_STEPS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(1000),
    Duration::from_millis(5000),
];

/// Numbers about a server at one moment. Those that count events begin at zero with the server and only grow; they are
/// read one after another, so two of them may differ by what happened in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Clients that have introduced themselves and are connected now.
    pub clients: usize,
    /// Devices that are connected now.
    pub devices: usize,
    /// Values for outputs that were accepted from clients.
    pub outputs: u64,
    /// Of those: the value was the one the output had already, so there was nothing to write.
    pub repeated_outputs: u64,
    /// Of those: the value replaced another that had not been written yet, because the device was busy or both came
    /// together. The replaced one is never written.
    pub coalesced_outputs: u64,
    /// Devices that came back after they had been gone.
    pub reconnects: u64,
    /// Frames that hardware did not take.
    pub failed_writes: u64,
    /// How long hardware took over the frames that it did take.
    pub writes: WriteTimes,
}

/// How long writes took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteTimes {
    /// How many took no longer than the step of the same place in [`WRITE_TIME_STEPS`], and longer than the one before.
    pub steps: [u64; WRITE_TIME_STEPS.len()],
    /// How many took longer than the last step.
    pub longer: u64,
    /// The time of all of them together.
    pub total: Duration,
}

impl WriteTimes {
    /// How many writes there were.
    pub fn count(&self) -> u64 {
        self.steps.iter().sum::<u64>() + self.longer
    }
}
