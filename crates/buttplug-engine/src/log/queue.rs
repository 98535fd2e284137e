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

/// The pause after a failure, typically of a disk that is full. Shorter than the end of the program waits.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the end of the program waits for its last lines to be read.
pub(crate) const LAST_LINES: Duration = Duration::from_millis(200);

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
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Item::Line(cut(one_line(line)))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything queued so far is written, but not for long: perhaps nobody reads.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        if let Some(written) = self.flush(until) {
            // Written, given up by the thread, or too late: the program ends in every case.
            let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
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

/// The record as one line with its end, whatever text of a peer is in it: nobody writes lines but the log.
fn one_line(record: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(record.len() + 1);
    for byte in record.strip_suffix(b"\n").unwrap_or(record) {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

/// The line as it is queued: not too long, and with its end.
fn cut(line: Vec<u8>) -> Vec<u8> {
    if line.len() <= MAX_LINE_BYTES {
        return line;
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
    // Lines that could not be written, since this was last told.
    let mut unwritten: u64 = 0;
    // What was written last is no whole line.
    let mut is_torn = false;
    while let Ok(item) = items.recv() {
        if is_torn {
            batch.push(b'\n');
        }
        if unwritten > 0 {
            batch.extend_from_slice(lost(unwritten).as_bytes());
        }
        let first = batch.len();
        let mut next = Some(item);
        while let Some(item) = next {
            match item {
                Item::Line(line) => batch.extend_from_slice(&line),
                Item::Flush(done) => waiting.push(done),
            }
            next = if batch.len() < MAX_BATCH_BYTES { items.try_recv().ok() } else { None };
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        let lines = batch.len();
        if missing > 0 {
            batch.extend_from_slice(lost(missing).as_bytes());
        }
        let (written, outcome) = write_some(&mut output, &batch);
        if let Some(last) = written.checked_sub(1) {
            is_torn = batch.get(last) != Some(&b'\n');
        }
        if written >= first {
            unwritten = 0;
        }
        if written < batch.len() {
            unwritten += missing + ends(batch.get(written.max(first)..lines));
        }
        match outcome.and_then(|()| output.flush()) {
            Ok(()) => {}
            // Nobody reads any more: that is no error, and the program runs on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
            Err(_) => std::thread::sleep(PAUSE),
        }
        batch.clear();
        batch.shrink_to(MAX_LINE_BYTES);
        for done in waiting.drain(..) {
            // Whoever asked has given up waiting.
            let _ = done.try_send(());
        }
    }
}

/// How many lines end in there.
fn ends(lines: Option<&[u8]>) -> u64 {
    lines.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Writes all of it, or answers how far it came.
fn write_some(output: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
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
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::sync::mpsc::channel;
    use std::sync::{Mutex, PoisonError};

    /// An output that hands over what it is given, as soon as it is let.
    struct Gate {
        open: Arc<Mutex<()>>,
        written: std::sync::mpsc::Sender<Vec<u8>>,
        /// Somebody stands before it, or has gone through.
        reached: Arc<AtomicBool>,
    }

    impl Write for Gate {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.reached.store(true, Ordering::Relaxed);
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

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = cut("é".repeat(MAX_LINE_BYTES).into_bytes());
        assert!(line.len() <= MAX_LINE_BYTES && line.len() > MAX_LINE_BYTES - 4);
        let text = String::from_utf8(line).unwrap();
        assert!(text.ends_with("é…\n"));
        assert_eq!(cut(b"short\n".to_vec()), b"short\n");
    }

    #[test]
    fn what_a_peer_says_is_no_line_of_its_own() {
        let (written, output) = channel();
        let log = Queue::to(Gate { open: Arc::default(), written, reached: Arc::default() }, lost);
        log.line("found a\n2026 ERROR forged\r\nb");
        LineWriter(&log).write_all(b"refused c\n<3>forged\n").unwrap();
        log.finish();
        drop(log);
        let text = String::from_utf8(output.iter().flatten().collect()).unwrap();
        assert_eq!(text, "found a\\n2026 ERROR forged\\r\\nb\nrefused c\\n<3>forged\n");
    }

    /// An output with room for so many bytes.
    struct Disk {
        room: Arc<AtomicUsize>,
        written: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Disk {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let taken = self.room.load(Ordering::Relaxed).min(data.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room.fetch_sub(taken, Ordering::Relaxed);
            // The test reads to the end.
            let _ = self.written.send(data[..taken].to_vec());
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_fails_for_a_while_costs_the_lines_of_that_time_which_are_counted() {
        for (room, text) in [
            (0, "(3 lines)\n3\n"),
            // Half a line is none.
            (3, "0\n1\n(2 lines)\n3\n"),
        ] {
            let (written, output) = channel();
            let room = Arc::new(AtomicUsize::new(room));
            let log = Queue::to(Disk { room: Arc::clone(&room), written }, lost);
            let say = |line: &str| {
                log.line(line);
                let done = log.flush(Instant::now() + 100 * LAST_LINES).unwrap();
                done.recv_timeout(100 * LAST_LINES).unwrap();
            };
            for line in ["0", "1", "2"] {
                say(line);
            }
            room.store(usize::MAX, Ordering::Relaxed);
            say("3");
            drop(log);
            assert_eq!(String::from_utf8(output.iter().flatten().collect()).unwrap(), text);
        }
    }

    #[test]
    fn when_nobody_reads_lines_are_dropped_and_counted_and_nobody_waits() {
        let open = Arc::new(Mutex::new(()));
        let (written, output) = channel();
        let reached = Arc::new(AtomicBool::new(false));
        let gate = Gate { open: Arc::clone(&open), written, reached: Arc::clone(&reached) };
        let log = Queue::to(gate, lost);
        let shut = open.lock().unwrap();
        log.line(0);
        while !reached.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        for n in 1..10 * MAX_WAITING_LINES {
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
        assert_eq!(lines, 1 + MAX_WAITING_LINES, "as many as may wait, behind the one that is being written");
        let lost: usize = text
            .lines()
            .filter_map(|line| line.strip_prefix('(')?.split(' ').next()?.parse::<usize>().ok())
            .sum();
        assert_eq!(lines + lost, 10 * MAX_WAITING_LINES);
    }

    #[test]
    fn a_closed_output_is_no_error() {
        let (written, output) = channel();
        let log = Queue::to(Gate { open: Arc::default(), written, reached: Arc::default() }, lost);
        drop(output);
        for n in 0..10 {
            log.line(n);
            log.finish();
        }
    }
}
