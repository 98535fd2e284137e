//! TOML with positions: hands out values one by one, and knows what was left over. Knows nothing about devices.

use super::{DefinitionError, Place};
use crate::notation::NotationError;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A definition's text while it is being read, and what was wrong with it so far.
pub(super) struct Source<'t> {
    file: &'t str,
    text: &'t str,
    /// Where its lines begin: a definition has many places.
    lines: Vec<usize>,
    pub(super) errors: Vec<DefinitionError>,
}

/// How many errors are collected before the rest is not worth reading.
pub(crate) const MAX_ERRORS: usize = 50;

impl<'t> Source<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect();
        Self { file, text, lines, errors: Vec::new() }
    }

    /// Notes that something is wrong at `at`, in bytes from the beginning.
    pub(super) fn error(&mut self, at: usize, message: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            let Place { line, column } = self.place(at);
            self.errors.push(DefinitionError {
                file: self.file.into(),
                line,
                column,
                message: message.into(),
            });
        }
    }

    /// Notes that something is wrong in a line.
    pub(super) fn error_in_line(&mut self, line: usize, message: impl Into<String>) {
        let begin = line.checked_sub(1).and_then(|before| self.lines.get(before));
        self.error(begin.copied().unwrap_or_default(), message);
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }

    /// The line and the column of a place that is given in bytes from the beginning.
    pub(super) fn place(&self, at: usize) -> Place {
        let at = if self.text.is_char_boundary(at) { at } else { self.text.len() };
        let line = self.line(at);
        let begin = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(begin..at).map_or(0, |before| before.chars().count()) + 1;
        Place { line, column }
    }

    /// Unwraps what was read from a piece of notation that stands at `text`.
    pub(super) fn notation<T>(&mut self, text: &Text<'_>, read: Result<T, NotationError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                self.error(text.inner(error.at), error.message);
                None
            }
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Value<'v> {
    pub(super) at: usize,
    value: &'v DeValue<'v>,
    length: usize,
}

/// A string and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'v> {
    pub(super) at: usize,
    pub(super) text: &'v str,
    /// Whether the file has the same characters, in one pair of quotes.
    plain: bool,
}

impl<'v> Text<'v> {
    /// A text that is all there is.
    pub(super) fn by_itself(text: &'v str) -> Self {
        Self { at: 0, text, plain: false }
    }

    /// A part of this string, which knows where it stands.
    pub(super) fn part(&self, part: &'v str) -> Self {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        Self { at: if self.plain { self.at + offset } else { self.at }, text: part, plain: self.plain }
    }

    /// Where a byte of the string stands in the file, if that can be said.
    fn inner(&self, offset: usize) -> usize {
        if self.plain { self.at + 1 + offset } else { self.at }
    }
}

/// A table whose entries are taken out one by one.
pub(super) struct Table<'v> {
    pub(super) at: usize,
    entries: Vec<(&'v str, usize, Value<'v>)>,
}

impl<'v> Table<'v> {
    pub(super) fn new(at: usize, table: &'v DeTable<'v>) -> Self {
        let entry = |(key, value): (&'v toml::Spanned<_>, &'v toml::Spanned<_>)| {
            let key: &'v std::borrow::Cow<'v, str> = key.get_ref();
            (&**key, value)
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let at = key.span().start;
                let (key, value) = entry((key, value));
                (key, at, Value::new(value.span(), value.get_ref()))
            })
            .collect();
        entries.sort_by_key(|(_, at, _)| *at);
        Self { at, entries }
    }

    /// Takes the value of `key`.
    pub(super) fn take(&mut self, key: &str) -> Option<Value<'v>> {
        let place = self.entries.iter().position(|(named, ..)| *named == key)?;
        Some(self.entries.remove(place).2)
    }

    /// Takes all that is left, in the order of the file.
    pub(super) fn take_all(&mut self) -> Vec<(Text<'v>, Value<'v>)> {
        let text = |(key, at, value)| (Text { at, text: key, plain: false }, value);
        std::mem::take(&mut self.entries).into_iter().map(text).collect()
    }

    /// Refuses what nobody took.
    pub(super) fn end(self, source: &mut Source<'_>) {
        for (key, at, _) in self.entries {
            source.error(at, format!("`{key}` means nothing here"));
        }
    }
}

impl<'v> Value<'v> {
    fn new(span: Range<usize>, value: &'v DeValue<'v>) -> Self {
        Self { at: span.start, length: span.len(), value }
    }

    fn wrong<T>(&self, source: &mut Source<'_>, wanted: &str) -> Option<T> {
        source.error(self.at, format!("expected {wanted}, found {}", self.value.type_str()));
        None
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn text(&self, source: &mut Source<'_>) -> Option<Text<'v>> {
        match self.value.as_str() {
            Some(text) => Some(Text { at: self.at, text, plain: self.length == text.len() + 2 }),
            None => self.wrong(source, "a string"),
        }
    }

    pub(super) fn boolean(&self, source: &mut Source<'_>) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong(source, "true or false"))
    }

    pub(super) fn integer(&self, source: &mut Source<'_>, least: i64, greatest: i64) -> Option<i64> {
        let Some(integer) = self.value.as_integer() else { return self.wrong(source, "a number") };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if (least..=greatest).contains(&number) => Some(number),
            _ => {
                source.error(self.at, format!("expected a number from {least} to {greatest}"));
                None
            }
        }
    }

    pub(super) fn list(&self, source: &mut Source<'_>) -> Option<Vec<Value<'v>>> {
        match self.value.as_array() {
            Some(array) => {
                Some(array.iter().map(|value| Value::new(value.span(), value.get_ref())).collect())
            }
            None => self.wrong(source, "a list"),
        }
    }

    /// A list, or one thing without brackets.
    pub(super) fn one_or_more(&self) -> Vec<Value<'v>> {
        match self.value.as_array() {
            Some(array) => array.iter().map(|value| Value::new(value.span(), value.get_ref())).collect(),
            None => vec![*self],
        }
    }

    /// Refuses what is more than `most`, and drops it.
    pub(super) fn at_most<T>(&self, most: usize, list: &mut Vec<T>, source: &mut Source<'_>) {
        if list.len() > most {
            source.error(self.at, format!("there are {} of these; at most {most} are possible", list.len()));
            list.truncate(most);
        }
    }

    /// A string, or a list of them.
    pub(super) fn texts(&self, source: &mut Source<'_>) -> Vec<Text<'v>> {
        self.one_or_more().iter().filter_map(|value| value.text(source)).collect()
    }

    pub(super) fn table(&self, source: &mut Source<'_>) -> Option<Table<'v>> {
        match self.value.as_table() {
            Some(table) => Some(Table::new(self.at, table)),
            None => self.wrong(source, "a table"),
        }
    }

    /// A list of tables, at most so many.
    pub(super) fn tables(&self, most: usize, source: &mut Source<'_>) -> Vec<Table<'v>> {
        let mut list = self.list(source).unwrap_or_default();
        self.at_most(most, &mut list, source);
        list.iter().filter_map(|value| value.table(source)).collect()
    }
}
