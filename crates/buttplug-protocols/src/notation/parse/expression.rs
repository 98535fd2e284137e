//! Expressions, from the weakest operator to the strongest.

use super::text::hex_byte;
use super::{Parsed, Parser};
use crate::definition::kind;
use crate::frame::Endpoint;
use crate::notation::checksum::Checksum;
use crate::notation::expression::{Expression, MAX_ANSWER_BYTES, Name, Operator};
use crate::notation::frame::Extent;
use crate::notation::speed::Speed;
use crate::notation::{MAX_FRAME_BYTES, MAX_NESTING};

impl Parser<'_> {
    /// Takes an operator; inside parentheses there may be spaces before it.
    fn operator(&mut self, names: &[(&str, Operator)]) -> Option<Operator> {
        let before = self.at;
        if self.depth > 0 {
            self.spaces();
        }
        let rest = self.rest();
        // `->` and `<<` are no minus and no less-than.
        let found = names.iter().find(|(name, _)| {
            let after = rest.strip_prefix(name);
            after.is_some_and(|after| match *name {
                "-" => !after.starts_with('>'),
                "<" | ">" => !after.starts_with(['<', '>']),
                "or" | "and" => !after.starts_with(|c: char| c.is_ascii_alphanumeric()),
                _ => true,
            })
        });
        match found {
            Some((name, operator)) => {
                self.at += name.len();
                Some(*operator)
            }
            None => {
                self.at = before;
                None
            }
        }
    }

    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        let condition = self.binary(0)?;
        let question = if self.depth > 0 { self.takes("?") } else { self.rest().starts_with('?') };
        if !question {
            return Ok(condition);
        }
        if self.depth == 0 {
            self.at += 1;
        }
        let yes = self.deeper(Self::expression)?;
        if !(if self.depth > 0 { self.takes(":") } else { self.rest().starts_with(':') }) {
            return self.fail(self.at, "a choice looks like `condition?this:that`");
        }
        if self.depth == 0 {
            self.at += 1;
        }
        let no = self.deeper(Self::expression)?;
        Ok(Expression::If(Box::new((condition, yes, no))))
    }

    fn binary(&mut self, level: usize) -> Parsed<Expression> {
        use Operator as O;
        const LEVELS: [&[(&str, O)]; 9] = [
            &[("or", O::Or)],
            &[("and", O::And)],
            &[
                ("!=", O::Unequal),
                ("<=", O::AtMost),
                (">=", O::AtLeast),
                ("=", O::Equal),
                ("<", O::Less),
                (">", O::Greater),
            ],
            &[("|", O::BitOr)],
            &[("^", O::BitXor)],
            &[("&", O::BitAnd)],
            &[("<<", O::ShiftLeft), (">>", O::ShiftRight)],
            &[("+", O::Add), ("-", O::Subtract)],
            &[("*", O::Multiply), ("/", O::Divide), ("%", O::Remainder)],
        ];
        let Some(names) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        let mut operators = 0;
        while let Some(operator) = self.operator(names) {
            // A chain nests to the left.
            operators += 1;
            if operators > MAX_NESTING {
                return self.fail(self.at, format!("more than {MAX_NESTING} operators of a kind in a row"));
            }
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new((left, right)));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        if self.depth > 0 {
            self.spaces();
        }
        if self.rest().starts_with('-') {
            self.at += 1;
            return Ok(Expression::Negative(Box::new(self.deeper(Self::unary)?)));
        }
        let mut expression = self.primary()?;
        let mut tables = 0;
        while self.rest().starts_with('[') {
            tables += 1;
            if tables > 2 {
                return self.fail(self.at, "a table of a table of a table");
            }
            self.at += 1;
            let mut entries = Vec::new();
            while !self.takes("]") {
                self.spaces();
                entries.push(self.number()?);
            }
            if entries.is_empty() {
                return self.fail(self.at, "an empty table");
            }
            expression = Expression::Entry(Box::new(expression), entries);
        }
        Ok(expression)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        if self.rest().starts_with('(') {
            self.at += 1;
            return self.nested(Self::expression);
        }
        let start = self.at;
        if self.rest().starts_with('#') {
            return Ok(Expression::Number(self.number()?));
        }
        let word = self.word();
        if self.rest().starts_with('(') {
            return self.function(start, word);
        }
        if let Some(name) = self.name(word) {
            return Ok(Expression::Name(name));
        }
        self.at = start;
        Ok(Expression::Number(self.number()?))
    }

    fn number(&mut self) -> Parsed<i64> {
        let start = self.at;
        if self.rest().starts_with('#') {
            self.at += 1;
            return Ok(i64::from(self.decimal(u32::MAX)?));
        }
        let word = self.word();
        let digit = (word.len() == 1).then(|| word.parse().ok()).flatten();
        match hex_byte(word).map(i64::from).or(digit) {
            Some(number) => Ok(number),
            None if word.is_empty() => {
                self.fail(start, format!("expected a byte or a name{}", self.instead()))
            }
            None if word.bytes().all(|byte| byte.is_ascii_hexdigit()) => self.fail(
                start,
                format!("a byte is two hex digits, not `{word}`; a decimal number is `#{word}`"),
            ),
            None => self.fail(start, format!("nothing is called `{word}` here")),
        }
    }

    fn function(&mut self, start: usize, word: &str) -> Parsed<Expression> {
        if let Some(checksum) = Checksum::from_name(word) {
            if std::mem::replace(&mut self.in_checksum, true) {
                return self.fail(start, "a checksum can't stand inside another");
            }
            let items = self.group();
            self.in_checksum = false;
            let items = items?;
            if Extent::of(&items, 1).bytes > MAX_FRAME_BYTES as u64 {
                return self.fail(start, format!("a checksum is over at most {MAX_FRAME_BYTES} bytes"));
            }
            return Ok(Expression::Checksum(checksum, items));
        }
        self.at += 1;
        if word == "abs" {
            return Ok(Expression::Abs(Box::new(self.nested(Self::expression)?)));
        }
        let pair = |parser: &mut Self| {
            let first = parser.expression()?;
            parser.wants(",")?;
            Ok(Box::new((first, parser.expression()?)))
        };
        if let Some(speed) = Speed::from_name(word) {
            return Ok(Expression::Speed(speed, self.nested(pair)?));
        }
        match word {
            "min" => Ok(Expression::Min(self.nested(pair)?)),
            "max" => Ok(Expression::Max(self.nested(pair)?)),
            _ => self.fail(start, format!("nothing is called `{word}(..)`")),
        }
    }

    fn name(&self, word: &str) -> Option<Name> {
        let constant = self.context.constants.iter().position(|constant| constant == word);
        if let Some(place) = constant {
            return u8::try_from(place).ok().map(Name::Constant);
        }
        if let Some(endpoint) = word.strip_prefix("has-") {
            return Endpoint::from_name(endpoint).map(Name::Has);
        }
        if let Some(kind) = word.strip_prefix("count-") {
            return kind::output_from_name(kind).map(Name::CountOf);
        }
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let feature = word[letters.len()..].parse::<u32>().ok();
        match (letters, feature) {
            ("value", None) => Some(Name::Value),
            ("value", Some(feature)) => Some(Name::ValueOf(feature)),
            ("feature", None) => Some(Name::Feature),
            ("duration", None) => Some(Name::Duration),
            ("distance", None) => Some(Name::Distance),
            ("count", None) => Some(Name::Count),
            ("counter", None) => Some(Name::Counter),
            ("answer-length", None) => Some(Name::AnswerLength),
            ("answer", Some(place)) => u8::try_from(place)
                .ok()
                .filter(|place| usize::from(*place) < MAX_ANSWER_BYTES)
                .map(Name::Answer),
            (kind, None) => kind::output_from_name(kind).map(Name::KindOf),
            (kind, Some(feature)) => {
                kind::output_from_name(kind).map(|kind| Name::KindAndFeature(kind, feature))
            }
        }
    }
}
