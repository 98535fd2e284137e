//! The log in a file. Whatever becomes of file, folder and disk, nobody hears of it but the log: lines are lost, one
//! complaint is made, and writing is tried again.

use super::queue::Lost;
use super::rotation::Rotation;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The pause after a failure. Lines of that time are lost: a disk that is full stays so for a while.
const RETRY: Duration = Duration::from_secs(1);

/// For so long a complaint counts as heard, however often writing fails and works meanwhile. Complaints are lines of the
/// log too.
const HEARD: Duration = Duration::from_secs(600);

/// A file and its predecessors.
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    lost: Lost,
    open: Option<Open>,
    /// Lines lost since the last one that was written.
    missing: u64,
    failed: Option<Instant>,
    complained: Option<Instant>,
}

struct Open {
    file: File,
    bytes: u64,
    /// Not a terminal, a pipe or the like, which has no length and can't be replaced.
    regular: bool,
}

impl LogFile {
    /// Opens nothing yet: that may take its time.
    pub(super) fn new(path: PathBuf, rotation: Rotation, lost: Lost) -> Self {
        Self { path, rotation, lost, open: None, missing: 0, failed: None, complained: None }
    }

    /// Writes lines, or counts them as lost.
    fn put(&mut self, now: Instant, lines: &[u8]) {
        if self.failed.is_some_and(|failed| now.saturating_duration_since(failed) < RETRY) {
            self.missing = self.missing.saturating_add(count(lines));
            return;
        }
        self.failed = None;
        let notice = if self.missing > 0 { (self.lost)(self.missing) } else { String::new() };
        let all = [notice.as_bytes(), lines].concat();
        let mut done = 0;
        while let Some(rest) = all.get(done..).filter(|rest| !rest.is_empty()) {
            match self.put_some(rest) {
                Ok(written) => done += written,
                Err(error) => {
                    // The notice stands for what was missing before.
                    if done >= notice.len() {
                        self.missing = 0;
                    }
                    self.missing = self
                        .missing
                        .saturating_add(count(all.get(done.max(notice.len())..).unwrap_or_default()));
                    self.open = None;
                    self.failed = Some(now);
                    return self.complain(now, &error);
                }
            }
        }
        self.missing = 0;
    }

    /// Writes as many lines as the file has room for; into the next one, if it is full. Answers how many bytes that were.
    fn put_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut open = self.opened()?;
        let mut share = if open.regular { self.rotation.share(open.bytes, lines) } else { lines.len() };
        if share == 0 {
            drop(open);
            open = self.begin_anew()?;
            share = self.rotation.share(0, lines);
        }
        let written = open.file.write_all(lines.get(..share).unwrap_or_default());
        if written.is_err() && open.regular {
            // Half a line is none. If that fails too, the next one begins behind it.
            let _ = open.file.set_len(open.bytes);
        }
        open.bytes += share as u64;
        self.open = written.is_ok().then_some(open);
        written.map(|()| share)
    }

    /// The file, opened anew if somebody has moved or removed it.
    fn opened(&mut self) -> io::Result<Open> {
        match self.open.take() {
            Some(open) if !open.regular || is_still_there(&open.file, &self.path) => Ok(open),
            _ => open_file(&self.path),
        }
    }

    /// An empty file in the place of the one that is full.
    fn begin_anew(&mut self) -> io::Result<Open> {
        let mut moved = Ok(());
        for (from, to) in self.rotation.moves() {
            match fs::rename(numbered(&self.path, from), numbered(&self.path, to)) {
                Err(error) if error.kind() != ErrorKind::NotFound => moved = Err(error),
                _ => {}
            }
        }
        let mut open = open_file(&self.path)?;
        if open.bytes > 0 {
            // One file is kept, or it can't be renamed: the newest lines are worth more than the oldest.
            open.file.set_len(0)?;
            open.bytes = 0;
        }
        if let Err(error) = moved {
            self.complain(Instant::now(), &error);
        }
        Ok(open)
    }

    fn complain(&mut self, now: Instant, error: &io::Error) {
        if self.complained.is_some_and(|complained| now.saturating_duration_since(complained) < HEARD) {
            return;
        }
        self.complained = Some(now);
        tracing::warn!(
            %error,
            "the log file {} can't be kept as it should be; lines of it are lost, and nothing else is (--log-file)",
            self.path.display()
        );
    }
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.put(Instant::now(), lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The name of a predecessor: the number behind the name. Number 0 is the file itself.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

fn open_file(path: &Path) -> io::Result<Open> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // It names devices and when they were used.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    Ok(Open { file, bytes: metadata.len(), regular: metadata.is_file() })
}

/// Whether this is the file that has the name.
fn is_still_there(file: &File, path: &Path) -> bool {
    let Ok(named) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (named.dev(), named.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, named);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::{Format, lost};
    use crate::test_folder::Folder;

    fn log(path: PathBuf, files: u32) -> LogFile {
        LogFile::new(path, Rotation { max_bytes: 10, files }, lost(Format::Text))
    }

    #[test]
    fn so_many_files_of_so_many_bytes_are_kept_with_the_newest_lines() {
        let folder = Folder::new("kept");
        let mut log = log(folder.0.join("deep/x.log"), 3);
        for n in 10..30 {
            log.write_all(format!("l {n}\n").as_bytes()).unwrap();
        }
        let inner = Folder(folder.0.join("deep"));
        assert_eq!(inner.names(), ["x.log", "x.log.1", "x.log.2"]);
        assert_eq!(inner.read("x.log"), "l 28\nl 29\n");
        assert_eq!(inner.read("x.log.2"), "l 24\nl 25\n");
        assert!(log.complained.is_none());
    }

    #[test]
    fn many_lines_at_once_are_shared_out() {
        let folder = Folder::new("shared");
        log(folder.0.join("x.log"), 2).write_all(b"l 1\nl 2\nl 3\nl 4\nl 5\n").unwrap();
        assert_eq!((folder.read("x.log.1").as_str(), folder.read("x.log").as_str()), ("l 3\nl 4\n", "l 5\n"));
    }

    #[test]
    fn one_file_begins_anew_when_it_is_full() {
        let folder = Folder::new("one");
        log(folder.0.join("x.log"), 1).write_all(b"l 1\nl 2\nl 3\n").unwrap();
        assert_eq!(folder.names(), ["x.log"]);
        assert_eq!(folder.read("x.log"), "l 3\n");
    }

    #[test]
    fn the_next_engine_goes_on_where_the_last_one_ended_and_removes_nothing_of_others() {
        let folder = Folder::new("next");
        for name in ["x.log.2", "x.log.7", "x.log.99", "x.log.txt"] {
            fs::write(folder.0.join(name), "another's\n").unwrap();
        }
        let path = folder.0.join("x.log");
        log(path.clone(), 2).write_all(b"l 1\n").unwrap();
        log(path, 2).write_all(b"l 2\nl 3\nl 4\nl 5\n").unwrap();
        assert_eq!((folder.read("x.log").as_str(), folder.read("x.log.1").as_str()), ("l 5\n", "l 3\nl 4\n"));
        assert_eq!(
            folder.names(),
            ["x.log", "x.log.1", "x.log.2", "x.log.7", "x.log.99", "x.log.txt"],
            "such as those of logrotate"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_moved_away_or_removed_with_its_folder_is_made_anew() {
        let folder = Folder::new("moved");
        let inner = folder.0.join("inner");
        let mut log = log(inner.join("x.log"), 2);
        log.write_all(b"l 1\n").unwrap();
        fs::rename(inner.join("x.log"), folder.0.join("y.log")).unwrap();
        log.write_all(b"l 2\n").unwrap();
        assert_eq!(folder.read("y.log"), "l 1\n");
        assert_eq!(folder.read("inner/x.log"), "l 2\n");
        fs::remove_dir_all(&inner).unwrap();
        log.write_all(b"l 3\n").unwrap();
        assert_eq!(folder.read("inner/x.log"), "l 3\n");
    }

    #[test]
    fn what_can_not_be_written_is_counted_complained_of_once_and_told_when_it_works_again() {
        let folder = Folder::new("lost");
        let inner = folder.0.join("inner");
        fs::write(&inner, "a file in the place of the folder").unwrap();
        let mut log = log(inner.join("x.log"), 2);
        let start = Instant::now();
        log.put(start, b"l 1\nl 2\n");
        assert_eq!(log.complained, Some(start));
        log.put(start + RETRY / 2, b"l 3\n");
        log.put(start + RETRY, b"l 4\n");
        assert_eq!((log.missing, log.complained), (4, Some(start)), "heard already");
        fs::remove_file(&inner).unwrap();
        log.rotation.max_bytes = 1000;
        log.put(start + RETRY * 3, b"l 5\n");
        let text = fs::read_to_string(inner.join("x.log")).unwrap();
        assert!(text.starts_with("(4 lines left out") && text.ends_with(")\nl 5\n"), "{text}");
        fs::remove_dir_all(&inner).unwrap();
        fs::write(&inner, "again").unwrap();
        log.put(start + HEARD, b"l 6\n");
        assert_eq!((log.missing, log.complained), (1, Some(start + HEARD)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_never_renamed() {
        let mut full = log("/dev/full".into(), 2);
        full.write_all(b"l 1\n").unwrap();
        assert_eq!(full.missing, 1);
        let mut null = log("/dev/null".into(), 2);
        null.write_all(b"l 1\nl 2\nl 3\nl 4\n").unwrap();
        assert!(null.complained.is_none());
    }
}
