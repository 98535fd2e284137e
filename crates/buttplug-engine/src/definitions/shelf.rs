//! Which definitions are in use, and what becomes of them when the folder changes. Pure: reads nothing.

use super::file::{Content, Wrong};
use super::folder::{Seen, Snapshot};
use buttplug_protocols::definition::{Definition, DefinitionFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The definitions that are in use: of each file the last version that was right.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    seen: Snapshot,
    in_use: BTreeMap<PathBuf, Arc<Definition>>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is in use from now on.
    Taken {
        /// Which file.
        file: PathBuf,
        /// What it says.
        definition: Arc<Definition>,
        /// Whether an earlier version was in use.
        again: bool,
    },
    /// It was in use and is not there any more.
    Gone {
        /// Which file.
        file: PathBuf,
    },
    /// It is of no use.
    Wrong {
        /// Which file.
        file: PathBuf,
        /// Why.
        wrong: Wrong,
        /// Whether an earlier version stays in use.
        kept: bool,
    },
}

impl Shelf {
    /// What was seen last.
    pub(super) fn seen(&self) -> &Snapshot {
        &self.seen
    }

    /// The definitions that are in use, in the order of their files.
    pub(super) fn in_use(&self) -> Vec<Arc<Definition>> {
        self.in_use.values().cloned().collect()
    }

    /// Takes over what is in the folder now: `check` sees what is new or different. Answers what became of it.
    pub(super) fn update(
        &mut self,
        now: Snapshot,
        mut check: impl FnMut(&Path, &Content) -> Result<DefinitionFile, Wrong>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let in_use = &mut self.in_use;
        in_use.retain(|file, _| {
            let there = now.contains_key(file);
            if !there {
                changes.push(Change::Gone { file: file.clone() });
            }
            there
        });
        for (file, Seen { content, .. }) in &now {
            if self.seen.get(file).is_some_and(|before| before.content == *content) {
                continue;
            }
            let file = file.clone();
            changes.push(match check(&file, content) {
                Ok(checked) => {
                    let definition = Arc::new(checked.definition);
                    let again = in_use.insert(file.clone(), Arc::clone(&definition)).is_some();
                    Change::Taken { file, definition, again }
                }
                Err(wrong) => {
                    let kept = in_use.contains_key(&file);
                    Change::Wrong { file, wrong, kept }
                }
            });
        }
        self.seen = now;
        changes
    }
}

/// Whether other definitions are in use than before.
pub(super) fn matters(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change, Change::Taken { .. } | Change::Gone { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::file;
    use std::time::Instant;

    /// A definition whose frame begins with this byte.
    fn right(byte: &str) -> String {
        format!(
            "write = '{byte} value'\n[[websocket]]\nnames = ['x']\n[[model]]\nfallback = 'X'\n\
             features = [{{ vibrate = 9 }}]\n[[example]]\ndo = 'stop'\nwrite = '{byte} 00'\n"
        )
    }

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let seen = |text: &str| Seen { stamp: None, content: Content::Bytes(text.as_bytes().to_vec()) };
        files.iter().map(|(name, text)| (PathBuf::from(name), seen(text))).collect()
    }

    fn update(shelf: &mut Shelf, files: &[(&str, &str)]) -> Vec<String> {
        let now = Instant::now();
        let changes = shelf.update(snapshot(files), |path, content| file::check(path, content, now));
        let in_short = |change: &Change| match change {
            Change::Taken { file, again: false, .. } => format!("{} taken", file.display()),
            Change::Taken { file, again: true, .. } => format!("{} taken again", file.display()),
            Change::Gone { file } => format!("{} gone", file.display()),
            Change::Wrong { file, kept: false, .. } => format!("{} ignored", file.display()),
            Change::Wrong { file, kept: true, .. } => format!("{} kept", file.display()),
        };
        changes.iter().map(in_short).collect()
    }

    fn in_use(shelf: &Shelf) -> Vec<String> {
        shelf.in_use().iter().map(|definition| definition.id.clone()).collect()
    }

    #[test]
    fn files_come_change_and_go() {
        let mut shelf = Shelf::default();
        let (one, two) = (right("01"), right("02"));
        assert_eq!(
            update(&mut shelf, &[("b.toml", &one), ("a.toml", &one)]),
            ["a.toml taken", "b.toml taken"]
        );
        assert_eq!(in_use(&shelf), ["a", "b"]);
        let before = shelf.in_use();
        assert_eq!(update(&mut shelf, &[("a.toml", &one), ("b.toml", &two)]), ["b.toml taken again"]);
        assert_eq!(shelf.in_use()[0], before[0]);
        assert_ne!(shelf.in_use()[1], before[1]);
        assert_eq!(
            update(&mut shelf, &[("b.toml", &two), ("c.toml", &one)]),
            ["a.toml gone", "c.toml taken"]
        );
        assert_eq!(in_use(&shelf), ["b", "c"]);
    }

    #[test]
    fn the_last_version_that_was_right_stays_until_another_is_right_or_the_file_is_gone() {
        let mut shelf = Shelf::default();
        let (one, two) = (right("01"), right("02"));
        assert_eq!(update(&mut shelf, &[("a.toml", "half of")]), ["a.toml ignored"]);
        assert!(in_use(&shelf).is_empty());
        assert_eq!(update(&mut shelf, &[("a.toml", &one)]), ["a.toml taken"]);
        let good = shelf.in_use();
        assert_eq!(update(&mut shelf, &[("a.toml", "wrong")]), ["a.toml kept"]);
        assert_eq!(update(&mut shelf, &[("a.toml", "wrong again")]), ["a.toml kept"]);
        assert_eq!(shelf.in_use(), good);
        assert_eq!(update(&mut shelf, &[("a.toml", &two)]), ["a.toml taken again"]);
        assert_ne!(shelf.in_use(), good);
        assert_eq!(update(&mut shelf, &[("a.toml", "wrong")]), ["a.toml kept"]);
        assert_eq!(update(&mut shelf, &[]), ["a.toml gone"]);
        assert!(in_use(&shelf).is_empty());
        assert_eq!(update(&mut shelf, &[("a.toml", "wrong")]), ["a.toml ignored"]);
    }

    #[test]
    fn what_is_the_same_is_not_checked_again() {
        let mut shelf = Shelf::default();
        let files = [("a.toml", &*right("01")), ("b.toml", "wrong")];
        update(&mut shelf, &files);
        let changes = shelf.update(snapshot(&files), |path, _| panic!("{} is the same", path.display()));
        assert_eq!(changes, []);
    }

    #[test]
    fn only_what_is_in_use_matters() {
        let mut shelf = Shelf::default();
        let now = Instant::now();
        let mut matters = |files: &[(&str, &str)]| {
            super::matters(&shelf.update(snapshot(files), |path, content| file::check(path, content, now)))
        };
        assert!(!matters(&[("a.toml", "wrong")]));
        assert!(matters(&[("a.toml", &right("01"))]));
        assert!(!matters(&[("a.toml", "wrong")]));
        assert!(matters(&[]));
        assert!(!matters(&[]));
    }
}
