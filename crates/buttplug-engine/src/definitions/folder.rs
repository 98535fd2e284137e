//! The folder with a person's definitions: which files are there, and what is in them. Reads only what may have changed.

use super::file::{self, Content};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Definitions in a folder. All that is built in has fewer than 200, and each may take a second or two to be checked.
pub(crate) const MAX_FILES: usize = 128;

/// Entries of a folder, definitions or not: it is listed every two seconds.
pub(crate) const MAX_ENTRIES: usize = 4096;

/// How long ago a file must have been written to be trusted to be the same while its time and length are. The coarsest
/// file systems tell the time in steps of two seconds.
const SETTLED: Duration = Duration::from_secs(4);

/// Why the folder is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum FolderError {
    /// The system does not let it be listed.
    #[error("the folder of definitions {} can't be read: {reason}", path.display())]
    Unreadable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// More definitions than are looked after.
    #[error("the folder of definitions {} has more than {MAX_FILES} of them", .0.display())]
    TooManyFiles(PathBuf),
    /// More of anything than a folder of definitions has.
    #[error("{} has more than {MAX_ENTRIES} entries; give definitions a folder of their own", .0.display())]
    TooManyEntries(PathBuf),
}

/// What is in the folder, by path.
pub(crate) type Snapshot = BTreeMap<PathBuf, Seen>;

/// A file as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What it had when it was read; none if that says nothing about what it has now.
    pub(super) stamp: Option<Stamp>,
    /// What was in it.
    pub(super) content: Content,
}

/// By what the system tells that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    /// The stamp, if a later change is sure to give another one.
    fn settled(self, now: SystemTime) -> Option<Self> {
        // A time in the future says nothing.
        now.duration_since(self.modified).is_ok_and(|age| age >= SETTLED).then_some(self)
    }
}

/// The definitions in a folder, in order. Names that begin with a dot are what editors leave behind.
///
/// # Errors
/// It can't be listed, or has too many entries.
pub(crate) fn list(folder: &Path) -> Result<BTreeSet<PathBuf>, FolderError> {
    let unreadable =
        |error: io::Error| FolderError::Unreadable { path: folder.to_owned(), reason: error.to_string() };
    let mut files = BTreeSet::new();
    for (count, entry) in fs::read_dir(folder).map_err(unreadable)?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(FolderError::TooManyEntries(folder.to_owned()));
        }
        let name = entry.map_err(unreadable)?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".toml") && !text.starts_with('.') {
            files.insert(folder.join(&name));
        }
    }
    if files.len() > MAX_FILES {
        return Err(FolderError::TooManyFiles(folder.to_owned()));
    }
    Ok(files)
}

/// Looks at the folder at `now`, and reads what may have changed since `before`.
///
/// # Errors
/// It can't be listed, or has too many entries.
pub(super) fn look(folder: &Path, before: &Snapshot, now: SystemTime) -> Result<Snapshot, FolderError> {
    let mut snapshot = Snapshot::new();
    for path in list(folder)? {
        let metadata = match fs::metadata(&path) {
            // Only a file has an end: a pipe would hold up everything.
            Ok(metadata) if !metadata.is_file() => continue,
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                let content = Content::Unreadable(error.to_string());
                snapshot.insert(path, Seen { stamp: None, content });
                continue;
            }
        };
        let stamp = metadata.modified().ok().map(|modified| Stamp { length: metadata.len(), modified });
        let same = before.get(&path).filter(|seen| seen.stamp.is_some() && seen.stamp == stamp);
        let seen = match same {
            Some(seen) => seen.clone(),
            None => Seen { stamp: stamp.and_then(|stamp| stamp.settled(now)), content: file::read(&path) },
        };
        snapshot.insert(path, seen);
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("buttplug-folder-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        path
    }

    fn write(path: &Path, text: &str, modified: SystemTime) {
        fs::write(path, text).unwrap();
        fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    fn content(snapshot: &Snapshot) -> Vec<Content> {
        snapshot.values().map(|seen| seen.content.clone()).collect()
    }

    #[test]
    fn a_file_that_was_written_just_now_is_read_again_and_an_old_one_is_not() {
        let folder = folder("stamps");
        let path = folder.join("mine.toml");
        #[allow(clippy::disallowed_methods, reason = "files are stamped with it")]
        let now = SystemTime::now();
        // The same length and time each time: only how long ago that is makes a difference.
        for (age, seen_again) in [(SETTLED * 2, "one"), (SETTLED / 2, "two"), (Duration::ZERO, "two")] {
            write(&path, "one", now - age);
            let first = look(&folder, &Snapshot::new(), now).unwrap();
            write(&path, "two", now - age);
            let second = look(&folder, &first, now).unwrap();
            assert_eq!(content(&second), [Content::Bytes(seen_again.into())], "{age:?}");
            // Another length or another time is always something else.
            write(&path, "three", now - age);
            let third = look(&folder, &second, now).unwrap();
            assert_eq!(content(&third), [Content::Bytes("three".into())], "{age:?}");
            write(&path, "seven", now - age - SETTLED);
            let fourth = look(&folder, &third, now).unwrap();
            assert_eq!(content(&fourth), [Content::Bytes("seven".into())], "{age:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_of_tomorrow_is_read_each_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let stamp = |modified| Stamp { length: 1, modified }.settled(now).is_some();
        assert!(stamp(now - SETTLED) && stamp(SystemTime::UNIX_EPOCH));
        assert!(!stamp(now) && !stamp(now + SETTLED));
    }

    #[test]
    fn only_what_is_called_like_a_definition_is_one() {
        let folder = folder("names");
        for name in ["b.toml", "a.toml", ".#a.toml", "a.toml~", "a.txt", "toml"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let listed: Vec<_> = list(&folder).unwrap().into_iter().collect();
        assert_eq!(listed, [folder.join("a.toml"), folder.join("b.toml")]);
        fs::remove_dir_all(folder).unwrap();
    }
}
