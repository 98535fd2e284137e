//! The file with the web pages that a person has allowed. It has one reader and one writer, here, and is read anew for
//! each page that is not allowed otherwise: so a running engine knows at once what was allowed beside it.

use crate::user::{UserFileError, check_writable, position, read_text, replace, settings_folder};
use buttplug_connector_websocket::{OriginError, OriginPattern};
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml_edit::{Array, DocumentMut, Item, Value};

/// Pages that one may allow. A person has a handful; beyond it is the time for `any`.
const MAX_PAGES: usize = 1000;

/// What a new file says first.
const HEADER: &str =
    "# Web pages that may use the devices of this machine. `buttplug allow ORIGIN` adds one.\n\n";

/// The name of the list in the file.
const KEY: &str = "origins";

/// Where the list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedPages {
    path: PathBuf,
}

/// Why the list can't be read or changed.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum AllowedError {
    /// The file can't be read or written, or is no TOML.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: UserFileError,
    },
    /// The list is none.
    #[error("{}: {KEY} has to be a list of texts, as in {KEY} = [\"https://example.org\"]", path.display())]
    NoList {
        /// The file.
        path: PathBuf,
    },
    /// An entry means no page.
    #[error("{}: {entry:?} is no origin: {error}", path.display())]
    BadEntry {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        error: OriginError,
    },
    /// Too many.
    #[error("{}: there are {MAX_PAGES} pages already, no more may be", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The system knows no place for settings.
    #[error(
        "this system has no folder for settings, so there is nowhere to write it down; use --allow-origin"
    )]
    Nowhere,
}

impl AllowedPages {
    /// The list in this file, which need not be there yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The list in the folder of the person's settings.
    ///
    /// # Errors
    /// The system knows no such folder.
    pub(crate) fn usual() -> Result<Self, AllowedError> {
        let folder = settings_folder().ok_or(AllowedError::Nowhere)?;
        Ok(Self::at(folder.join("allowed-origins.toml")))
    }

    /// Where the list is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is allowed; nothing if there is no file.
    ///
    /// # Errors
    /// The file is of no use. Nothing is allowed then: an entry that is not understood may have been meant as less than
    /// what the others say.
    pub(crate) fn read(&self) -> Result<Vec<OriginPattern>, AllowedError> {
        let document = self.document()?;
        let Some(item) = document.get(KEY) else { return Ok(Vec::new()) };
        let array = item.as_array().filter(|array| array.len() <= MAX_PAGES);
        let entries = array.ok_or_else(|| AllowedError::NoList { path: self.path.clone() })?;
        entries.iter().map(|entry| self.entry(entry)).collect()
    }

    /// Adds a page. Answers whether it was not there yet. What else is in the file stays as it is.
    ///
    /// # Errors
    /// The file is of no use or can't be written; then it stays as it is.
    pub(crate) fn allow(&self, pattern: &OriginPattern) -> Result<bool, AllowedError> {
        let allowed = self.read()?;
        if allowed.contains(pattern) {
            return Ok(false);
        }
        if allowed.len() >= MAX_PAGES {
            return Err(AllowedError::Full { path: self.path.clone() });
        }
        self.change(|entries| entries.push(pattern.to_string()))?;
        Ok(true)
    }

    /// Takes a page out. Answers whether it was there.
    ///
    /// # Errors
    /// As [`allow`](Self::allow).
    pub(crate) fn forget(&self, pattern: &OriginPattern) -> Result<bool, AllowedError> {
        if !self.read()?.contains(pattern) {
            return Ok(false);
        }
        self.change(|entries| entries.retain(|entry| self.entry(entry).as_ref() != Ok(pattern)))?;
        Ok(true)
    }

    fn change(&self, change: impl FnOnce(&mut Array)) -> Result<(), AllowedError> {
        let mut document = self.document()?;
        if document.is_empty() && document.to_string().trim().is_empty() {
            document = format!("{HEADER}{KEY} = []\n").parse().unwrap_or_default();
        }
        let item = document.entry(KEY).or_insert(Item::Value(Value::Array(Array::new())));
        let entries = item.as_array_mut().ok_or_else(|| AllowedError::NoList { path: self.path.clone() })?;
        change(entries);
        let unwritable = |error: std::io::Error| self.failed(UserFileError::Unwritable(error.to_string()));
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        // A link stays a link: the file it leads to is replaced.
        let path = dunce::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        check_writable(&path).map_err(unwritable)?;
        replace(&path, &document.to_string(), &path).map_err(unwritable)?;
        Ok(())
    }

    fn document(&self) -> Result<DocumentMut, AllowedError> {
        let read = read_text(&self.path).map_err(|error| self.failed(error))?;
        let text = read.map(|(text, _)| text).unwrap_or_default();
        text.parse().map_err(|error: toml_edit::TomlError| {
            let (line, column) = position(&text, error.span().map_or(0, |span| span.start));
            let reason = error.message().to_owned();
            self.failed(UserFileError::Malformed { line, column, reason })
        })
    }

    fn entry(&self, entry: &Value) -> Result<OriginPattern, AllowedError> {
        let path = || self.path.clone();
        let text = entry.as_str().ok_or_else(|| AllowedError::NoList { path: path() })?;
        let bad = |error| AllowedError::BadEntry { path: path(), entry: text.to_owned(), error };
        text.parse().map_err(bad)
    }

    fn failed(&self, error: UserFileError) -> AllowedError {
        AllowedError::File { path: self.path.clone(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder of the test's own with the file that says this.
    fn pages(name: &str, text: Option<&str>) -> AllowedPages {
        let folder = std::env::temp_dir().join(format!("buttplug-allowed-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let path = folder.join("deeper").join("allowed.toml");
        if let Some(text) = text {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        AllowedPages::at(path)
    }

    fn pattern(text: &str) -> OriginPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_page_is_allowed_until_it_is_taken_out() {
        let pages = pages("until", None);
        let (one, other) = (pattern("https://example.org"), pattern("https://*.example.com"));
        assert_eq!(pages.read(), Ok(vec![]));
        assert_eq!(pages.allow(&one), Ok(true));
        assert_eq!(pages.allow(&one), Ok(false));
        assert_eq!(pages.allow(&other), Ok(true));
        assert_eq!(pages.read(), Ok(vec![one.clone(), other.clone()]));
        assert_eq!(pages.forget(&one), Ok(true));
        assert_eq!(pages.forget(&one), Ok(false));
        assert_eq!(pages.read(), Ok(vec![other]));
        assert!(fs::read_to_string(pages.path()).unwrap().starts_with("# Web pages"));
    }

    #[test]
    fn what_else_stands_in_the_file_stays() {
        let text = "# mine\norigins = [\n  \"https://example.org\", # the player\n]\nother = 1\n";
        let pages = pages("else", Some(text));
        pages.allow(&pattern("https://example.com")).unwrap();
        let text = fs::read_to_string(pages.path()).unwrap();
        for part in ["# mine", "# the player", "other = 1", "https://example.com"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_file_of_no_use_allows_nothing_says_where_and_stays_as_it_is() {
        for (name, text, place) in [
            ("syntax", "\norigins = [", "line 2"),
            ("type", "origins = \"https://example.org\"", "list of texts"),
            ("entry", "origins = [\"https://example.org\", \"https://*\"]", "https://*"),
            ("number", "origins = [1]", "list of texts"),
        ] {
            let pages = pages(name, Some(text));
            let error = pages.read().unwrap_err().to_string();
            assert!(error.contains(place) && error.contains("allowed.toml"), "{error}");
            assert!(pages.allow(&pattern("any")).is_err());
            assert_eq!(fs::read_to_string(pages.path()).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_its_owner_made_read_only_stays_as_it_is() {
        let text = "origins = []\n";
        let pages = pages("read-only", Some(text));
        let mut permissions = fs::metadata(pages.path()).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(pages.path(), permissions).unwrap();
        let error = pages.allow(&pattern("any")).unwrap_err().to_string();
        assert!(error.contains("read-only") && error.contains("allowed.toml"), "{error}");
        assert_eq!(fs::read_to_string(pages.path()).unwrap(), text);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let list = (0..MAX_PAGES).map(|n| format!("\"https://{n}.example\"")).collect::<Vec<_>>().join(",");
        let pages = pages("end", Some(&format!("origins = [{list}]")));
        assert_eq!(pages.allow(&pattern("any")), Err(AllowedError::Full { path: pages.path.clone() }));
    }
}
