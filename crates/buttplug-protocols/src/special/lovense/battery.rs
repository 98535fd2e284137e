//! Reads the battery. The answer comes between those to other commands, so whatever is no number is passed over.

use super::command;
use crate::protocol::{Heard, Step, Turn};
use std::time::Duration;

/// How long a device may be silent before the reading has failed.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Answers to other commands that are passed over. A busy device has a few under way; without a limit a chatty one
/// could hold up the reading for ever, as each of its words restarts the wait.
const MAX_OTHER_ANSWERS: u32 = 32;

/// A question for the battery level, in percent.
#[derive(Debug, Default)]
pub(super) struct BatteryQuery {
    other_answers: u32,
}

impl BatteryQuery {
    /// The next step, given what came of the one before.
    pub(super) fn next(&mut self, heard: Heard<'_>) -> Turn<Option<i32>> {
        match heard {
            Heard::Start => {
                self.other_answers = 0;
                Turn::Do(Step::Write(command(format_args!("Battery"))))
            }
            Heard::Done => Turn::Do(Step::Listen(ANSWER_TIME)),
            Heard::Notified(_, answer) => match percent(answer) {
                Some(percent) => Turn::Done(Some(percent)),
                None if self.other_answers < MAX_OTHER_ANSWERS => {
                    self.other_answers += 1;
                    Turn::Do(Step::Listen(ANSWER_TIME))
                }
                None => Turn::Fail(format!("{MAX_OTHER_ANSWERS} answers, none of them about the battery")),
            },
            Heard::Silence => Turn::Fail(format!("no answer about the battery in {ANSWER_TIME:?}")),
            Heard::Failed(reason) => Turn::Fail(reason.into()),
            Heard::Data(_) => Turn::Fail(String::from("data that was not asked for")),
        }
    }
}

/// The level in an answer like `85;`, or `s85;` of a device in motion.
fn percent(answer: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(answer).ok()?.strip_suffix(';')?;
    let percent: u8 = text.strip_prefix('s').unwrap_or(text).parse().ok()?;
    // Some firmware counts past full while charging; the input's range ends at 100.
    Some(i32::from(percent.min(100)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Endpoint, Frame};

    fn asked() -> BatteryQuery {
        let mut query = BatteryQuery::default();
        let question = Frame::new(Endpoint::Tx, b"Battery;");
        assert_eq!(query.next(Heard::Start), Turn::Do(Step::Write(question)));
        assert_eq!(query.next(Heard::Done), Turn::Do(Step::Listen(ANSWER_TIME)));
        query
    }

    fn says(query: &mut BatteryQuery, answer: &[u8]) -> Turn<Option<i32>> {
        query.next(Heard::Notified(Endpoint::Rx, answer))
    }

    #[test]
    fn numbers_are_the_level_and_everything_else_is_passed_over() {
        let cases: &[(&[u8], Option<i32>)] = &[
            (b"85;", Some(85)),
            (b"s85;", Some(85)),
            (b"s91;", Some(91)),
            (b"0;", Some(0)),
            (b"100;", Some(100)),
            (b"101;", Some(100)),
            (b"255;", Some(100)),
            (b"256;", None),
            (b"-1;", None),
            (b"ss85;", None),
            (b"8s5;", None),
            (b"85", None),
            (b"OK;", None),
            (b"P:02:0082059AD3BD;", None),
            (b"s;", None),
            (b";", None),
            (b"", None),
            (b"\xff;", None),
        ];
        for (answer, level) in cases {
            let expected = match level {
                Some(level) => Turn::Done(Some(*level)),
                None => Turn::Do(Step::Listen(ANSWER_TIME)),
            };
            assert_eq!(says(&mut asked(), answer), expected, "{:?}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn the_answer_is_found_between_others() {
        let mut query = asked();
        for _ in 0..MAX_OTHER_ANSWERS {
            assert_eq!(says(&mut query, b"OK;"), Turn::Do(Step::Listen(ANSWER_TIME)));
        }
        assert_eq!(says(&mut query, b"42;"), Turn::Done(Some(42)));
    }

    #[test]
    fn silence_chatter_and_failures_end_the_reading() {
        assert!(matches!(asked().next(Heard::Silence), Turn::Fail(_)));
        assert_eq!(asked().next(Heard::Failed("no tx")), Turn::Fail("no tx".into()));
        let mut query = asked();
        let turns =
            (0..1000).map(|_| says(&mut query, b"OK;")).position(|turn| matches!(turn, Turn::Fail(_)));
        assert_eq!(turns, Some(32));
        assert_eq!(query.next(Heard::Start), asked_again());
    }

    fn asked_again() -> Turn<Option<i32>> {
        Turn::Do(Step::Write(Frame::new(Endpoint::Tx, b"Battery;")))
    }
}
