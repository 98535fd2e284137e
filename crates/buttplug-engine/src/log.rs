//! The program's log: lines on stdout that never hold up what they tell about.
//!
//! A thread of its own writes; between it and the rest is a bounded queue. When nobody reads the output, or one place
//! says too much, lines are dropped and counted.

mod thin;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Bytes of one line, its end included. What is longer is cut.
const MAX_LINE_BYTES: usize = 2048;

/// Lines that wait for whoever reads the output: at the longest 2 MB, in practice 150 kB.
const MAX_WAITING_LINES: usize = 1024;

/// Bytes handed to the system at once.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// How long the end of the program waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Which lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(LevelFilter);

/// What is not a level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log level; there are error, warn, info, debug and trace, or 1 to 5")]
pub(crate) struct NoSuchLevel;

impl FromStr for Level {
    type Err = NoSuchLevel;

    fn from_str(text: &str) -> Result<Self, NoSuchLevel> {
        let filter = match text.to_ascii_lowercase().as_str() {
            "error" | "1" => LevelFilter::ERROR,
            "warn" | "2" => LevelFilter::WARN,
            "info" | "3" => LevelFilter::INFO,
            "debug" | "4" => LevelFilter::DEBUG,
            "trace" | "5" => LevelFilter::TRACE,
            _ => return Err(NoSuchLevel),
        };
        Ok(Self(filter))
    }
}

/// What decides which lines are written, and a complaint if the environment is not understood.
fn targets(level: Option<Level>, environment: Option<&str>) -> (Targets, Option<String>) {
    let all = |filter| Targets::new().with_default(filter);
    match (level, environment) {
        (Some(level), _) => (all(level.0), None),
        (None, None | Some("")) => (all(LevelFilter::INFO), None),
        (None, Some(text)) => match text.parse() {
            Ok(targets) => (targets, None),
            Err(error) => (
                all(LevelFilter::INFO),
                Some(format!("RUST_LOG is not understood ({error}); logging at info")),
            ),
        },
    }
}

/// Starts the log with this line. `level` goes before the environment's `RUST_LOG`.
pub(crate) fn start(level: Option<Level>, first_line: &str) -> Log {
    let log = Log::to(io::stdout());
    log.line(first_line);
    let environment = std::env::var("RUST_LOG").ok();
    let (targets, complaint) = targets(level, environment.as_deref());
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours()).with_writer(log.clone());
    // A second subscriber in one process is refused; the first goes on.
    let thin = thin::Thin::new(Arc::clone(&log.dropped));
    let _ = tracing_subscriber::registry().with(lines).with(thin).with(targets).try_init();
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    log
}

/// Whether stdout is a terminal whose owner wants colours.
pub(crate) fn colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}

/// Writes lines without ever waiting. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Log {
    // program -> writing thread: 1024 lines; when full a line is dropped and counted; closed means the output is gone.
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

enum Item {
    Line(Vec<u8>),
    /// Tell when everything before this is written.
    Flush(SyncSender<()>),
}

impl Log {
    /// A log that writes to `output`, in a thread that ends with the output or the process.
    fn to(output: impl Write + Send + 'static) -> Self {
        let (lines, items) = sync_channel(MAX_WAITING_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("log".into()).stack_size(128 * 1024);
        // Without the thread the queue is closed and the program runs on in silence.
        let _ = thread.spawn(move || write_lines(&items, output, &counter));
        Self { lines, dropped }
    }

    /// A log on stderr, of a process whose stdout is another's.
    pub(crate) fn beside() -> Self {
        Self::to(io::stderr())
    }

    /// Writes one line, outside of the log's levels.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        self.queue(format!("{text}\n").as_bytes());
    }

    fn queue(&self, line: &[u8]) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Item::Line(cut(line))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was logged is written, but not for long: perhaps nobody reads.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        let (done, written) = sync_channel(1);
        let mut item = Item::Flush(done);
        while let Err(TrySendError::Full(back)) = self.lines.try_send(item) {
            if Instant::now() >= until {
                return;
            }
            item = back;
            std::thread::sleep(Duration::from_millis(2));
        }
        // Written, given up by the thread, or too late: the program ends in every case.
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// The line as it is queued: not too long, and with its end.
fn cut(line: &[u8]) -> Vec<u8> {
    if line.len() <= MAX_LINE_BYTES {
        return line.to_vec();
    }
    let mark = "…\n".as_bytes();
    let mut end = MAX_LINE_BYTES - mark.len();
    // Not within a character.
    while end > 0 && line.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    [line.get(..end).unwrap_or_default(), mark].concat()
}

fn write_lines(items: &Receiver<Item>, mut output: impl Write, dropped: &AtomicU64) {
    let mut batch = Vec::new();
    let mut waiting = Vec::new();
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        while let Some(item) = next {
            match item {
                Item::Line(line) => batch.extend_from_slice(&line),
                Item::Flush(done) => waiting.push(done),
            }
            next = if batch.len() < MAX_BATCH_BYTES { items.try_recv().ok() } else { None };
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.extend_from_slice(
                format!("({lost} lines left out: too many to be read in time)\n").as_bytes(),
            );
        }
        // Nobody reads any more: that is no error, and the program runs on.
        if output.write_all(&batch).and_then(|()| output.flush()).is_err() {
            return;
        }
        batch.clear();
        batch.shrink_to(MAX_LINE_BYTES);
        for done in waiting.drain(..) {
            // Whoever asked has given up waiting.
            let _ = done.try_send(());
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

/// Takes one line of the log at a time.
pub(crate) struct LineWriter<'a>(&'a Log);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.queue(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::sync::{Mutex, PoisonError};
    use tracing::Level as L;

    /// An output that hands over what it is given, as soon as it is let.
    struct Gate {
        open: Arc<Mutex<()>>,
        written: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let _open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            self.written.send(data.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn levels_are_names_in_any_case_or_numbers() {
        for (text, level) in
            [("error", L::ERROR), ("WARN", L::WARN), ("Info", L::INFO), ("4", L::DEBUG), ("trace", L::TRACE)]
        {
            assert_eq!(text.parse(), Ok(Level(level.into())), "{text}");
        }
        for text in ["off", "0", "6", "", "verbose"] {
            assert_eq!(text.parse::<Level>(), Err(NoSuchLevel), "{text}");
        }
    }

    #[test]
    fn the_flag_goes_before_the_environment() {
        let enabled = |level: Option<&str>, environment, target, at| {
            let (targets, complaint) = targets(level.map(|level| level.parse().unwrap()), environment);
            (targets.would_enable(target, &at), complaint.is_some())
        };
        assert_eq!(enabled(Some("error"), Some("trace"), "x", L::WARN), (false, false));
        assert_eq!(
            enabled(None, Some("warn,buttplug_server=debug"), "buttplug_server", L::DEBUG),
            (true, false)
        );
        assert_eq!(enabled(None, Some("warn,buttplug_server=debug"), "x", L::INFO), (false, false));
        assert_eq!(enabled(None, None, "x", L::INFO), (true, false));
        assert_eq!(enabled(None, None, "x", L::DEBUG), (false, false));
        assert_eq!(enabled(None, Some("a=b=c"), "x", L::INFO), (true, true));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = cut("é".repeat(MAX_LINE_BYTES).as_bytes());
        assert!(line.len() <= MAX_LINE_BYTES && line.len() > MAX_LINE_BYTES - 4);
        let text = String::from_utf8(line).unwrap();
        assert!(text.ends_with("é…\n"));
        assert_eq!(cut(b"short\n"), b"short\n");
    }

    #[test]
    fn when_nobody_reads_lines_are_dropped_and_counted_and_nobody_waits() {
        let open = Arc::new(Mutex::new(()));
        let (written, output) = channel();
        let log = Log::to(Gate { open: Arc::clone(&open), written });
        let shut = open.lock().unwrap();
        for n in 0..10 * MAX_WAITING_LINES {
            log.line(n);
        }
        let start = Instant::now();
        log.finish();
        assert!(start.elapsed() < LAST_LINES * 4, "the end does not wait for a reader");
        drop(shut);
        log.finish();
        drop(log);
        let text = String::from_utf8(output.iter().flatten().collect()).unwrap();
        let lines = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        assert!(text.starts_with("0\n1\n"));
        assert!((MAX_WAITING_LINES..=3 * MAX_WAITING_LINES).contains(&lines), "{lines} lines waited");
        let lost: usize = text
            .lines()
            .filter_map(|line| line.strip_prefix('(')?.split(' ').next()?.parse::<usize>().ok())
            .sum();
        assert_eq!(lines + lost, 10 * MAX_WAITING_LINES);
    }

    #[test]
    fn a_closed_output_is_no_error() {
        let (written, output) = channel();
        let log = Log::to(Gate { open: Arc::default(), written });
        drop(output);
        for n in 0..10 {
            log.line(n);
            log.finish();
        }
    }
}
