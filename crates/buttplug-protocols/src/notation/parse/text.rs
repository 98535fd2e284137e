//! The text of a piece of notation, bit by bit: words, tokens, decimal numbers, endpoints. Knows no frames.

use super::{Context, Parsed, Parser};
use crate::frame::Endpoint;
use crate::notation::NotationError;
use crate::notation::step::MAX_WAIT_MS;

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, context: Context<'t>) -> Self {
        Self { text, at: 0, context, depth: 0, levels: 0, in_each: false, in_checksum: false }
    }

    pub(super) fn fail<T>(&self, at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(NotationError { at, message: message.into() })
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes `token`, with spaces before it.
    pub(super) fn takes(&mut self, token: &str) -> bool {
        let before = self.at;
        self.spaces();
        let found = self.rest().starts_with(token);
        self.at = if found { self.at + token.len() } else { before };
        found
    }

    pub(super) fn wants(&mut self, token: &str) -> Parsed<()> {
        if self.takes(token) {
            Ok(())
        } else {
            self.fail(self.at, format!("expected `{token}`{}", self.instead()))
        }
    }

    pub(super) fn instead(&self) -> String {
        match self.rest().split_whitespace().next() {
            Some(word) => format!(", found `{word}`"),
            None => String::from(" at the end"),
        }
    }

    pub(super) fn end(&mut self) -> Parsed<()> {
        self.spaces();
        if self.rest().is_empty() {
            Ok(())
        } else {
            self.fail(self.at, format!("did not expect this{}", self.instead()))
        }
    }

    /// The word at this place: letters and digits, and hyphens between words. Two hex digits are always a word of their
    /// own before a hyphen, so that `ff-value` is a difference.
    pub(super) fn word(&mut self) -> &'t str {
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            let joins = *byte == b'-'
                && length > 0
                && bytes.get(length + 1).is_some_and(u8::is_ascii_alphabetic)
                && bytes[0].is_ascii_alphabetic()
                && hex_byte(&self.rest()[..length]).is_none();
            if !(byte.is_ascii_alphanumeric() || joins) {
                break;
            }
            length += 1;
        }
        let word = &self.rest()[..length];
        self.at += length;
        word
    }

    pub(super) fn next_is_digit(&self) -> bool {
        self.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn decimal(&mut self, most: u32) -> Parsed<u32> {
        let start = self.at;
        let length = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += length;
        match self.text[start..self.at].parse() {
            Ok(number) if number <= most => Ok(number),
            Ok(_) => self.fail(start, format!("at most {most} is possible here")),
            Err(_) => self.fail(start, format!("expected a decimal number up to {most}")),
        }
    }

    pub(super) fn endpoint(&mut self) -> Parsed<Endpoint> {
        self.spaces();
        let start = self.at;
        let word = self.word();
        match Endpoint::from_name(word) {
            Some(endpoint) => Ok(endpoint),
            None => self.fail(start, format!("no endpoint is called `{word}`")),
        }
    }

    pub(super) fn milliseconds(&mut self) -> Parsed<u32> {
        self.spaces();
        let number = self.decimal(MAX_WAIT_MS)?;
        self.wants("ms")?;
        Ok(number)
    }

    pub(super) fn quoted(&mut self) -> Parsed<&'t [u8]> {
        let start = self.at;
        let rest = self.rest().strip_prefix('\'').unwrap_or_default();
        match rest.split_once('\'') {
            Some((text, _)) if text.is_ascii() && !text.is_empty() => {
                self.at += text.len() + 2;
                Ok(text.as_bytes())
            }
            Some(_) => self.fail(start, "text is one or more ASCII characters"),
            None => self.fail(start, "the text does not end: a `'` is missing"),
        }
    }
}

pub(super) fn hex_byte(word: &str) -> Option<u8> {
    (word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u8::from_str_radix(word, 16).ok())
        .flatten()
}
