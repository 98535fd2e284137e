//! Settings from a file.

use super::Looked;
use super::key::{Key, Keys, Kind, Role};
use super::merge::{Given, Place};
use crate::user::{others_read, position, read_text};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item, Value};

/// What a file says.
pub(super) struct ConfigFile {
    pub(super) looked: Looked,
    pub(super) given: Vec<Given>,
    /// What is wrong with it, each with its place.
    pub(super) problems: Vec<String>,
    pub(super) notices: Vec<String>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    pub(super) fn read(keys: &Keys, path: PathBuf) -> Self {
        let mut file = Self {
            looked: Looked::Absent(path.clone()),
            given: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
        };
        match read_text(&path) {
            Ok(None) => return file,
            Ok(Some((text, _))) => file.understand(keys, &path, &text),
            Err(error) => file.problems.push(format!("{}: {error}", path.display())),
        }
        if file.given.iter().any(|given| keys[given.key].is_secret()) && others_read(&path) {
            file.notices.push(format!(
                "other people on this machine can read the token in {}; `chmod 600` it, or move the token to a file of its \
                 own, for token-file",
                path.display()
            ));
        }
        file.looked = Looked::Read(path);
        file
    }

    fn understand(&mut self, keys: &Keys, path: &Path, text: &str) {
        let line = |at: usize| position(text, at).0;
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let (line, column) = position(text, error.span().map_or(0, |span| span.start));
                // The message may go over several lines.
                let reason = error.message().lines().collect::<Vec<_>>().join("; ");
                self.problems.push(format!("{}:{line}:{column}: {reason}", path.display()));
                return;
            }
        };
        for (name, item) in document.iter() {
            let span = document.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let at = line(span.map_or(0, |span| span.start));
            let entries = keys
                .named(name)
                .ok_or_else(|| unknown(keys, name))
                .and_then(|key| values(&keys[key], item).map(|values| (key, values)));
            match entries {
                Ok((key, values)) => {
                    for (value, span) in values {
                        let at = span.map_or(at, line);
                        self.add(keys, key, Place::File(path.to_owned(), at), value);
                    }
                }
                Err(reason) => self.problems.push(format!("{}:{at}: {reason}", path.display())),
            }
        }
    }

    fn add(&mut self, keys: &Keys, key: usize, place: Place, value: String) {
        let Key { name, kind, .. } = &keys[key];
        match keys[key].check(value.as_ref()) {
            Ok(()) => {
                let value = match (kind, &place) {
                    (Kind::Path, Place::File(file, _)) => beside(file, &value),
                    _ => value.into(),
                };
                self.given.push(Given { key, value, place });
            }
            Err(reason) if keys[key].is_secret() => {
                self.problems.push(format!("{place}: `{name}`: {reason}"));
            }
            Err(reason) => self.problems.push(format!("{place}: `{name}`: {value:?} is of no use: {reason}")),
        }
    }
}

/// A path that starts at the folder of this file.
fn beside(file: &Path, path: &str) -> OsString {
    file.parent().unwrap_or(Path::new("")).join(path).into()
}

fn unknown(keys: &Keys, name: &str) -> String {
    match keys.nearest(name) {
        Some(nearest) => format!("there is no setting `{name}`; is `{}` meant?", nearest.name),
        None => format!("there is no setting `{name}`; `buttplug config show` lists all there are"),
    }
}

/// The values of a setting as they would be typed, those of a list with where they begin.
fn values(key: &Key, item: &Item) -> Result<Vec<(String, Option<usize>)>, String> {
    let name = &key.name;
    if key.role == Role::AboutTheFile {
        return Err(format!(
            "`{name}` has no place here: which file is read is said by the flag --{name}, or {}",
            key.variable()
        ));
    }
    if item.is_table_like() || item.is_array_of_tables() {
        return Err(format!("`{name}` is {}, not a table", wanted(key)));
    }
    let wrong = |value: &Value| {
        format!("`{name}` is {}, as in {name} = {}, not {}", wanted(key), example(key), found(value))
    };
    let Some(value) = item.as_value() else { return Err(format!("`{name}` has no value")) };
    if !key.list {
        return Ok(vec![(text(key, value).ok_or_else(|| wrong(value))?, None)]);
    }
    let entries = value.as_array().ok_or_else(|| wrong(value))?;
    let entry = |entry: &Value| {
        Ok((text(key, entry).ok_or_else(|| wrong(entry))?, entry.span().map(|span| span.start)))
    };
    entries.iter().map(entry).collect()
}

/// One value, if it is of the right type.
fn text(key: &Key, value: &Value) -> Option<String> {
    match key.kind {
        Kind::Switch => value.as_bool().map(|on| on.to_string()),
        Kind::Number => value.as_integer().map(|number| number.to_string()),
        Kind::Path | Kind::Secret | Kind::Text => value.as_str().map(str::to_owned),
    }
}

fn wanted(key: &Key) -> &'static str {
    match (key.list, key.kind) {
        (false, Kind::Switch) => "true or false",
        (false, Kind::Number) => "a whole number",
        (false, Kind::Path) => "a path in quotes",
        (false, Kind::Secret | Kind::Text) => "text in quotes",
        (true, Kind::Number) => "a list of whole numbers",
        (true, _) => "a list of texts in quotes",
    }
}

fn example(key: &Key) -> String {
    let one = match key.kind {
        Kind::Switch => "true".into(),
        Kind::Number => key.default.clone().unwrap_or_else(|| "1".into()),
        Kind::Path | Kind::Secret | Kind::Text => format!("{:?}", key.placeholder),
    };
    if key.list { format!("[{one}]") } else { one }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::InlineTable(_) => "a table",
    }
}
