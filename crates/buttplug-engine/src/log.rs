//! The program's log: lines on stdout, and in a file if one is wanted, that never hold up what they tell about.
//!
//! Each of the two has a queue and a thread of its own, so that an output which nobody reads keeps no line out of the file.
//! When one place or one peer says too much, lines are dropped and counted.

mod file;
mod format;
mod journal;
mod json;
mod level;
mod queue;
mod rotation;
mod thin;

pub(crate) use format::{Format, colours};
pub(crate) use level::Level;
pub(crate) use queue::{LAST_LINES, Queue};
pub(crate) use rotation::{MAX_FILES, MIN_FILE_BYTES, Rotation};
pub(crate) use thin::MAX_LINES_PER_PEER;

use file::LogFile;
use format::{Lines, lost};
use std::io;
use std::path::PathBuf;
use std::time::Instant;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is to be logged, and where.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Which lines. Goes before the environment's `RUST_LOG`.
    pub(crate) level: Option<Level>,
    /// How a line looks.
    pub(crate) format: Format,
    /// A file beside stdout.
    pub(crate) file: Option<(PathBuf, Rotation)>,
    /// Lines about one peer in a second.
    pub(crate) lines_per_peer: u32,
}

/// The log, until its end.
pub(crate) struct Log {
    stdout: Queue,
    file: Option<Queue>,
}

impl Log {
    /// Starts the log with this line on stdout.
    pub(crate) fn start(wanted: Wanted, first_line: &str) -> Self {
        let Wanted { level, format, file, lines_per_peer } = wanted;
        let stdout = Queue::to(io::stdout(), lost(format));
        stdout.line(first_line);
        let file =
            file.map(|(path, rotation)| Queue::to(LogFile::new(path, rotation, lost(format)), lost(format)));
        let log = Self { stdout, file };
        let environment = std::env::var("RUST_LOG").ok();
        let (targets, complaint) = level::targets(level, environment.as_deref());
        let on_stdout = fmt::layer()
            .event_format(Lines::on_stdout(format))
            .with_ansi(colours())
            .with_writer(log.stdout.clone());
        let in_file = log
            .file
            .clone()
            .map(|file| fmt::layer().event_format(Lines::plain(format)).with_ansi(false).with_writer(file));
        let queues = [Some(&log.stdout), log.file.as_ref()].into_iter().flatten();
        let thin = thin::Thin::new(lines_per_peer, queues.map(Queue::dropped).collect());
        // A second subscriber in one process is refused; the first goes on.
        let _ =
            tracing_subscriber::registry().with(on_stdout).with(in_file).with(thin).with(targets).try_init();
        if let Some(complaint) = complaint {
            tracing::warn!("{complaint}");
        }
        log
    }

    /// Waits until what was logged is written, but not for long: perhaps nobody reads.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        let flushes: Vec<_> = [Some(&self.stdout), self.file.as_ref()]
            .into_iter()
            .flatten()
            .map(|queue| queue.flush(until))
            .collect();
        for written in flushes.into_iter().flatten() {
            // Written, given up by the thread, or too late: the program ends in every case.
            let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}
