//! From text to templates, patterns and steps. Knows where in the text something is wrong.

use super::checksum::Checksum;
use super::expression::Expression;
use super::frame::{Condition, Item, Template};
use super::number::Format;
use super::pattern::{Part, Pattern};
use super::step::{Action, READ_LENGTH, StepTemplate};
use super::{MAX_FRAME_BYTES, MAX_NESTING, MAX_NOTATION_BYTES, NotationError};
use crate::definition::{PackedKind, kind};
use crate::frame::Endpoint;
use text::hex_byte;

mod expression;
mod text;

/// What the text around a piece of notation has settled.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The names of the constants.
    pub constants: &'a [String],
    /// Whether frames are confirmed if they say nothing about it.
    pub response: bool,
}

/// Reads a frame.
///
/// # Errors
/// What is wrong and where.
///
/// ```
/// use buttplug_protocols::notation::{Context, expression::Scope, parse_frame};
///
/// let context = Context { constants: &[], response: false };
/// let template = parse_frame("sum(55 04 #100) aa -> command", context)?;
/// let scope = Scope::default();
/// assert_eq!(template.frame(&scope).0.to_string(), "command: 55 04 64 bd aa");
/// # Ok::<(), buttplug_protocols::notation::NotationError>(())
/// ```
pub fn parse_frame(text: &str, context: Context<'_>) -> Result<Template, NotationError> {
    let mut parser = Parser::new(text, context);
    parser.not_too_long()?;
    parser.spaces();
    let condition = parser.condition()?;
    let template = parser.template(condition)?;
    parser.end()?;
    Ok(template)
}

/// Reads a pattern.
///
/// # Errors
/// What is wrong and where.
pub fn parse_pattern(text: &str) -> Result<Pattern, NotationError> {
    let mut parser = Parser::new(text, Context { constants: &[], response: false });
    parser.not_too_long()?;
    let pattern = parser.pattern()?;
    parser.end()?;
    Ok(pattern)
}

/// Reads a step of a conversation.
///
/// # Errors
/// What is wrong and where.
pub fn parse_step(text: &str, context: Context<'_>) -> Result<StepTemplate, NotationError> {
    let mut parser = Parser::new(text, context);
    parser.not_too_long()?;
    parser.spaces();
    let condition = parser.condition()?;
    parser.spaces();
    let start = parser.at;
    let action = match parser.word() {
        "subscribe" => Action::Subscribe(parser.endpoint()?),
        "unsubscribe" => Action::Unsubscribe(parser.endpoint()?),
        "wait" => Action::Wait(parser.milliseconds()?),
        "listen" => Action::Listen(parser.milliseconds()?),
        "read" => {
            let endpoint = parser.endpoint()?;
            parser.spaces();
            let length = if parser.next_is_digit() {
                parser.decimal(u32::from(READ_LENGTH))? as u16
            } else {
                READ_LENGTH
            };
            let pattern = if parser.takes(":") { parser.pattern()? } else { Pattern::anything() };
            Action::Read(endpoint, length, pattern)
        }
        "expect" => {
            let endpoint = parser.endpoint()?;
            parser.wants(":")?;
            let pattern = parser.pattern()?;
            parser.wants("within")?;
            Action::Expect(endpoint, pattern, parser.milliseconds()?)
        }
        _ => {
            parser.at = start;
            Action::Write(parser.template(Condition::Always)?)
        }
    };
    parser.end()?;
    Ok(StepTemplate { condition, action })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    context: Context<'t>,
    /// How many parentheses are open in the expression: inside them spaces are free.
    depth: usize,
    levels: usize,
    in_each: bool,
    /// Inside a checksum that is a number, where another would multiply what it takes to make a frame.
    in_checksum: bool,
}

type Parsed<T> = Result<T, NotationError>;

impl Parser<'_> {
    fn not_too_long(&self) -> Parsed<()> {
        if self.text.len() > MAX_NOTATION_BYTES {
            return self
                .fail(0, format!("a frame, step or pattern has at most {MAX_NOTATION_BYTES} characters"));
        }
        Ok(())
    }

    fn template(&mut self, condition: Condition) -> Parsed<Template> {
        self.spaces();
        let start = self.at;
        let items = self.items()?;
        let mut response = self.context.response;
        let endpoint = if self.takes("->") { self.endpoint()? } else { Endpoint::Tx };
        if self.takes(",") {
            response = !self.takes("without");
            if response {
                self.wants("with")?;
            }
            self.wants("response")?;
        }
        let template = Template { condition, items, endpoint, response, of_one_output: false, counts: false };
        // For now with one output; how many there are is the models' matter.
        if template.extent(1).bytes > MAX_FRAME_BYTES as u64 {
            return self.fail(start, format!("a frame has at most {MAX_FRAME_BYTES} bytes"));
        }
        Ok(template.settled())
    }

    fn condition(&mut self) -> Parsed<Condition> {
        if self.takes("else:") {
            return Ok(Condition::Else);
        }
        if !self.takes("if ") {
            return Ok(Condition::Always);
        }
        // Spaces are free up to the colon.
        self.depth += 1;
        let condition = self.expression()?;
        self.depth -= 1;
        self.wants(":")?;
        Ok(Condition::If(condition))
    }

    /// Items up to the end, a `)`, a `->` or a comma.
    fn items(&mut self) -> Parsed<Vec<Item>> {
        let start = self.at;
        let mut items: Vec<Item> = Vec::new();
        loop {
            let before = self.at;
            self.spaces();
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with([')', ',']) || rest.starts_with("->") {
                break;
            }
            if !items.is_empty() && before == self.at {
                return self.fail(self.at, "a space is missing between two items");
            }
            match (self.item()?, items.last_mut()) {
                (Item::Bytes(more), Some(Item::Bytes(bytes))) => bytes.extend(more),
                (item, _) => items.push(item),
            }
        }
        if items.is_empty() { self.fail(start, "nothing is written here") } else { Ok(items) }
    }

    fn group(&mut self) -> Parsed<Vec<Item>> {
        self.wants("(")?;
        self.nested(|parser| {
            // Items in a group are apart by spaces as everywhere; `depth` is about expressions.
            let depth = std::mem::take(&mut parser.depth);
            let items = parser.items();
            parser.depth = depth;
            items
        })
    }

    /// What stands up to the closing parenthesis.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let inner = self.deeper(|parser| {
            parser.depth += 1;
            let inner = read(parser);
            parser.depth -= 1;
            inner
        })?;
        self.wants(")")?;
        Ok(inner)
    }

    /// Goes one level down, but not too deep for a parser and an interpreter that call themselves.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.levels == MAX_NESTING {
            return self.fail(self.at, format!("nested more than {MAX_NESTING} levels deep"));
        }
        self.levels += 1;
        let inner = read(self);
        self.levels -= 1;
        inner
    }

    fn item(&mut self) -> Parsed<Item> {
        if self.rest().starts_with('\'') {
            return Ok(Item::Bytes(self.quoted()?.to_vec()));
        }
        let start = self.at;
        let word = self.word();
        let opens = self.rest().starts_with('(');
        let times = word.strip_suffix('x').filter(|times| times.starts_with(|c: char| c.is_ascii_digit()));
        if let (Some(times), true) = (times.map(str::parse::<u8>), opens) {
            let Some(times) = times.ok().filter(|times| *times > 0) else {
                return self.fail(start, "a repetition looks like `4x(..)`, with a number from 1 to 255");
            };
            return Ok(Item::Repeat(times, self.group()?));
        }
        if let (Some(of), true) = (word.strip_prefix("each"), opens) {
            let kind = match of.strip_prefix('-') {
                None if of.is_empty() => None,
                kind => match kind.and_then(kind::output_from_name) {
                    Some(kind) => Some(PackedKind(kind)),
                    None => return self.fail(start, format!("nothing is called `{word}(..)`")),
                },
            };
            if std::mem::replace(&mut self.in_each, true) {
                return self.fail(start, "an `each` can't stand inside another");
            }
            let items = self.group();
            self.in_each = false;
            return Ok(Item::Each(kind, items?));
        }
        if word == "answer" {
            return Ok(Item::Answer);
        }
        if let Some(checksum) = Checksum::from_name(word) {
            let items = if opens { Some(self.group()?) } else { None };
            let format = match self.format()? {
                None if checksum.is_byte() => Format::U8,
                Some(format @ Format::Binary { .. }) => format,
                _ => return self.fail(start, format!("`{word}` needs a format such as `:u16le`")),
            };
            return Ok(match items {
                Some(items) => Item::Checked(checksum, format, items),
                None => Item::CheckedSoFar(checksum, format),
            });
        }
        self.at = start;
        let alone = |rest: &str| rest.is_empty() || rest.starts_with([' ', ')']);
        if word.len() == 1 && self.next_is_digit() && alone(&self.text[start + 1..]) {
            return self.fail(start, format!("a byte is two hex digits: `0{word}`"));
        }
        let expression = self.expression()?;
        Ok(match (self.format()?, expression) {
            (None, Expression::Number(number @ 0..=255)) => Item::Bytes(vec![number as u8]),
            (format, expression) => Item::Number(expression, format.unwrap_or(Format::U8)),
        })
    }

    fn format(&mut self) -> Parsed<Option<Format>> {
        if !self.rest().starts_with(':') {
            return Ok(None);
        }
        self.at += 1;
        let start = self.at;
        let word = self.word();
        match Format::from_name(word) {
            Some(format) => Ok(Some(format)),
            None => self.fail(start, format!("no number format is called `{word}`")),
        }
    }

    fn pattern(&mut self) -> Parsed<Pattern> {
        let mut pattern = Pattern { parts: Vec::new(), open: false };
        loop {
            self.spaces();
            let start = self.at;
            if self.takes("...") {
                pattern.open = true;
                return Ok(pattern);
            }
            if self.takes("??") {
                pattern.parts.push(Part::Any);
            } else if self.rest().starts_with('\'') {
                pattern.parts.extend(self.quoted()?.iter().map(|byte| Part::Byte(*byte)));
            } else if self.rest().starts_with("value") {
                let feature = &self.word()["value".len()..];
                let feature = match feature.parse() {
                    _ if feature.is_empty() => None,
                    Ok(feature) => Some(feature),
                    Err(_) => return self.fail(start, "a reading is `value` or `value0`, `value1`, …"),
                };
                pattern.parts.push(Part::Value(feature, self.format()?.unwrap_or(Format::U8)));
            } else {
                match hex_byte(self.word()) {
                    Some(byte) => pattern.parts.push(Part::Byte(byte)),
                    None => {
                        self.at = start;
                        return if pattern.parts.is_empty() {
                            self.fail(start, "expected what the hardware says, such as `01 ?? value`")
                        } else {
                            Ok(pattern)
                        };
                    }
                }
            }
        }
    }
}
