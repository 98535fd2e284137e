//! A queue of lines that never holds up what they tell about.
//!
//! A thread of its own writes; between it and the rest is a bounded queue. When nobody reads the output, lines are dropped
//! and counted.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of one line, its end included. What is longer is cut.
pub(super) const MAX_LINE_BYTES: usize = 2048;

/// Lines that wait for whoever reads the output: at the longest 2 MB, in practice 150 kB.
const MAX_WAITING_LINES: usize = 1024;

/// Bytes handed to the system at once.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// How long the end of the program waits for its last lines to be read.
pub(super) const LAST_LINES: Duration = Duration::from_millis(200);

/// Writes lines without ever waiting. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Queue {
    // program -> writing thread: 1024 lines; when full a line is dropped and counted; closed means the output is gone.
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

enum Item {
    Line(Vec<u8>),
    /// Tell when everything before this is written.
    Flush(SyncSender<()>),
}

/// Says in a line of its own, with its end, how many lines are missing.
pub(super) type Lost = fn(u64) -> String;

impl Queue {
    /// A queue for `output`, in a thread that ends with the output or the process.
    pub(super) fn to(output: impl Write + Send + 'static, lost: Lost) -> Self {
        let (lines, items) = sync_channel(MAX_WAITING_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("log".into()).stack_size(128 * 1024);
        // Without the thread the queue is closed and the program runs on in silence.
        let _ = thread.spawn(move || write_lines(&items, output, &counter, lost));
        Self { lines, dropped }
    }

    /// A queue for stderr, of a process whose stdout is another's.
    pub(crate) fn beside() -> Self {
        Self::to(io::stderr(), super::lost(super::Format::Text))
    }

    /// Lines that were left out since this was last told in a line.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
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

    /// Asks for word when everything queued so far is written. `None` if there is no room for the question in time.
    pub(super) fn flush(&self, until: Instant) -> Option<Receiver<()>> {
        let (done, written) = sync_channel(1);
        let mut item = Item::Flush(done);
        while let Err(TrySendError::Full(back)) = self.lines.try_send(item) {
            if Instant::now() >= until {
                return None;
            }
            item = back;
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(written)
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

fn write_lines(items: &Receiver<Item>, mut output: impl Write, dropped: &AtomicU64, lost: Lost) {
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
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            batch.extend_from_slice(lost(missing).as_bytes());
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

impl<'a> MakeWriter<'a> for Queue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

/// Takes one line of the log at a time.
pub(crate) struct LineWriter<'a>(&'a Queue);

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

    fn lost(count: u64) -> String {
        format!("({count} lines)\n")
    }

    fn finish(queue: &Queue) {
        let until = Instant::now() + LAST_LINES;
        if let Some(written) = queue.flush(until) {
            let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
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
        let log = Queue::to(Gate { open: Arc::clone(&open), written }, lost);
        let shut = open.lock().unwrap();
        for n in 0..10 * MAX_WAITING_LINES {
            log.line(n);
        }
        let start = Instant::now();
        finish(&log);
        assert!(start.elapsed() < LAST_LINES * 4, "the end does not wait for a reader");
        drop(shut);
        finish(&log);
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
        let log = Queue::to(Gate { open: Arc::default(), written }, lost);
        drop(output);
        for n in 0..10 {
            log.line(n);
            finish(&log);
        }
    }
}
