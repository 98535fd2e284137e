//! The two threads behind open hardware: one writes what waits, one passes on what comes.

use crate::driver::{DriverError, Sink, Source};
use crate::link::{Shared, WRITE_TIME};
use buttplug_server::hardware::{Beginning, HardwareError};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How long one look for incoming bytes takes, and so how soon the reading thread ends once it is told to.
pub const POLL_TIME: Duration = Duration::from_millis(100);

/// Bytes that are passed on as one notification. No protocol says more at once.
pub const MAX_CHUNK_BYTES: usize = 1024;

/// The longest that hardware is given to carry a frame away. A line that is slower than this falls behind.
pub const MAX_CARRY_TIME: Duration = Duration::from_secs(1);

/// A frame that waits to be written.
pub(crate) struct Job {
    pub(crate) data: Vec<u8>,
    pub(crate) beginning: Beginning,
    /// Closed when nobody waits any more; then the job is not begun.
    pub(crate) done: oneshot::Sender<Result<(), HardwareError>>,
}

/// Starts the thread that writes. It ends with what was written before, when no more jobs can come.
pub(crate) fn start_writer(
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    jobs: Receiver<Job>,
    place: OwnedSemaphorePermit,
) -> io::Result<JoinHandle<()>> {
    let writer = Writer { shared, sink, rest: Vec::new(), stalled: false, _place: place };
    Builder::new().name("hardware-write".into()).spawn(move || writer.run(&jobs))
}

/// Starts the thread that reads. It ends within [`POLL_TIME`] of the link's end.
pub(crate) fn start_reader(shared: Arc<Shared>, mut source: Box<dyn Source>) -> io::Result<JoinHandle<()>> {
    Builder::new().name("hardware-read".into()).spawn(move || {
        let mut buffer = [0; MAX_CHUNK_BYTES];
        while !shared.has_ended() {
            match source.read(&mut buffer, POLL_TIME) {
                Ok(0) => {}
                Ok(length) => shared.hear(buffer.get(..length).unwrap_or(&buffer)),
                Err(DriverError::Gone(reason) | DriverError::Failed(reason)) => shared.end(&reason),
            }
        }
    })
}

struct Writer {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    /// What is left of a frame that was begun. It goes out before anything else, or the hardware would take what
    /// follows for the rest of it: a stop must not be misread.
    rest: Vec<u8>,
    /// The hardware took nothing the last time.
    stalled: bool,
    /// The last to be dropped.
    _place: OwnedSemaphorePermit,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(Job { data, beginning, done }) = jobs.recv() {
            if done.is_closed() || !beginning.begin() {
                continue;
            }
            let written = self.write(&data);
            if let Ok(()) = written {
                std::thread::sleep(self.sink.carry_time(data.len()).min(MAX_CARRY_TIME));
            }
            // Whoever has stopped waiting does not want to know.
            let _ = done.send(written);
        }
        if self.stalled {
            self.sink.discard();
        }
    }

    /// Writes a frame, after the rest of the one before, within [`WRITE_TIME`].
    fn write(&mut self, data: &[u8]) -> Result<(), HardwareError> {
        let until = Instant::now() + WRITE_TIME;
        let old = self.rest.len();
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(data);
        let mut written = 0;
        let outcome = loop {
            let Some(left) = all.get(written..).filter(|left| !left.is_empty()) else { break Ok(()) };
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break Err(HardwareError::TimedOut("a write"));
            }
            match self.sink.write(left, wait) {
                Ok(0) => break Err(HardwareError::TimedOut("a write")),
                Ok(length) => written += length,
                Err(DriverError::Failed(reason)) => break Err(HardwareError::Failed(reason)),
                Err(DriverError::Gone(reason)) => {
                    self.shared.end(&reason);
                    break Err(HardwareError::Gone);
                }
            }
        };
        self.stalled = outcome.is_err();
        if outcome.is_err() {
            // A frame that was begun is finished later; one that was not is not written at all.
            all.truncate(if written > old { all.len() } else { old });
            self.rest = all.split_off(written.min(all.len()));
        }
        outcome
    }
}
