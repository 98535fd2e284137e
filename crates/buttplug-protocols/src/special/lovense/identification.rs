//! Asks a device which model it is; one that stays silent is known by its advertised name.

use super::command;
use crate::frame::Endpoint;
use crate::protocol::{Heard, Identification, Step, Turn};
use std::time::Duration;

/// How long an answer may take before the question is asked again. Deliberately long: old USB adapters are slow.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// How often the question is asked: three seconds in all.
const QUESTIONS: u32 = 6;

/// What stands for an answer that names no model. The catalogue does not know it, so its fallback applies.
const UNNAMED: &str = "lovense";

/// The longest model in an answer, in bytes. Real ones have one or two letters; more is no answer to the question.
const MAX_MODEL_BYTES: usize = 32;

/// The question which model it is.
#[derive(Debug)]
pub(crate) struct ModelQuery {
    /// The model that the advertised name tells.
    advertised: Option<String>,
    asked: u32,
    state: State,
}

/// What the question waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Subscribed,
    Asked,
    Answer,
}

impl ModelQuery {
    /// The question to a device that advertises `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { advertised: advertised_model(name).map(String::from), asked: 0, state: State::Start }
    }

    fn ask(&mut self) -> Turn<Option<String>> {
        self.asked += 1;
        self.state = State::Asked;
        Turn::Do(Step::Write(command(format_args!("DeviceType"))))
    }
}

impl Identification for ModelQuery {
    fn next(&mut self, heard: Heard<'_>) -> Turn<Option<String>> {
        match (self.state, heard) {
            (State::Start, Heard::Start) => {
                self.state = State::Subscribed;
                Turn::Do(Step::Subscribe(Endpoint::Rx))
            }
            (State::Subscribed, Heard::Done) => self.ask(),
            (State::Asked, Heard::Done) => {
                self.state = State::Answer;
                Turn::Do(Step::Listen(ANSWER_TIME))
            }
            (State::Answer, Heard::Silence) if self.asked < QUESTIONS => self.ask(),
            (State::Answer, Heard::Silence) => Turn::Done(self.advertised.take()),
            (State::Answer, Heard::Notified(_, reply)) => match std::str::from_utf8(reply) {
                Ok(reply) => Turn::Done(Some(answered_model(reply).into())),
                Err(_) => Turn::Fail(String::from("the answer to DeviceType is not text")),
            },
            (_, Heard::Failed(reason)) => Turn::Fail(reason.into()),
            (state, heard) => Turn::Fail(format!("{heard:?} does not follow on {state:?}")),
        }
    }
}

/// The model of an answer like `P:02:0082059AD3BD;`: model, firmware, address.
fn answered_model(reply: &str) -> &str {
    let mut parts = reply.split(':');
    let (Some(model), Some(firmware)) = (parts.next(), parts.next()) else { return UNNAMED };
    match model {
        // From this firmware on its two motors and the finger are driven one by one.
        "EI" if firmware.parse::<i32>().unwrap_or(0) >= 3 => "EI-FW3",
        model if model.len() > MAX_MODEL_BYTES => UNNAMED,
        model => model,
    }
}

/// The capital letters between `LVS-` and a digit, wherever in the name they stand.
fn advertised_model(name: &str) -> Option<&str> {
    name.match_indices("LVS-").find_map(|(at, mark)| {
        let rest = &name[at + mark.len()..];
        let letters = rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let digit_follows = rest.as_bytes().get(letters).is_some_and(u8::is_ascii_digit);
        (letters > 0 && digit_follows).then(|| &rest[..letters])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    fn question() -> Turn<Option<String>> {
        Turn::Do(Step::Write(Frame::new(Endpoint::Tx, b"DeviceType;")))
    }

    fn listening() -> Turn<Option<String>> {
        Turn::Do(Step::Listen(Duration::from_millis(500)))
    }

    /// A query that waits for the answer to its first question.
    fn asked(name: &str) -> ModelQuery {
        let mut query = ModelQuery::new(name);
        assert_eq!(query.next(Heard::Start), Turn::Do(Step::Subscribe(Endpoint::Rx)));
        assert_eq!(query.next(Heard::Done), question());
        assert_eq!(query.next(Heard::Done), listening());
        query
    }

    #[test]
    fn the_answer_tells_the_model() {
        let cases = [
            ("P:02:0082059AD3BD;", "P"),
            ("ToyS:1:0082059AD3BD;", "ToyS"),
            ("p:02:0082059AD3BD;", "p"),
            ("A:", "A"),
            ("EI:02:0082059AD3BD;", "EI"),
            ("EI:03:0082059AD3BD;", "EI-FW3"),
            ("EI:4", "EI-FW3"),
            ("EI:-3:0082059AD3BD;", "EI"),
            ("EI:three:0082059AD3BD;", "EI"),
            ("EI:99999999999999999999:0082059AD3BD;", "EI"),
            ("P:03:0082059AD3BD;", "P"),
            (":", ""),
            ("OK;", "lovense"),
            ("EI;", "lovense"),
            ("", "lovense"),
        ];
        for (reply, model) in cases {
            let end = asked("LVS-Z001").next(Heard::Notified(Endpoint::Rx, reply.as_bytes()));
            assert_eq!(end, Turn::Done(Some(model.into())), "{reply}");
        }
    }

    #[test]
    fn a_model_without_end_is_no_model() {
        for (length, named) in [(32, true), (33, false), (4096, false)] {
            let model = "Q".repeat(length);
            let reply = format!("{model}:02:0082059AD3BD;");
            let end = asked("LVS-Z001").next(Heard::Notified(Endpoint::Rx, reply.as_bytes()));
            assert_eq!(end, Turn::Done(Some(if named { model } else { "lovense".into() })), "{length}");
        }
    }

    #[test]
    fn an_answer_counts_wherever_it_comes_from_and_however_late() {
        let mut query = asked("");
        for _ in 1..6 {
            assert_eq!(query.next(Heard::Silence), question());
            assert_eq!(query.next(Heard::Done), listening());
        }
        let end = query.next(Heard::Notified(Endpoint::Generic(0), b"W:11:0082059AD3BD;"));
        assert_eq!(end, Turn::Done(Some("W".into())));
    }

    #[test]
    fn after_six_silent_questions_the_name_tells_the_model() {
        let cases = [
            ("LVS-A011", Some("A")),
            ("LVS-EI03", Some("EI")),
            ("LVS-P36", Some("P")),
            ("my LVS-BA1 and more", Some("BA")),
            ("LVS-LVS-C2", Some("C")),
            ("LVS-Edge36 LVS-P36", Some("P")),
            ("ÄLVS-Z0é", Some("Z")),
            ("LVS-Edge36", None),
            ("LVS-A", None),
            ("LVS-A-1", None),
            ("LVS-1", None),
            ("LVS-É1", None),
            ("lvs-A1", None),
            ("LOVE-A1", None),
            ("LVS-", None),
            ("", None),
        ];
        for (name, model) in cases {
            let mut query = asked(name);
            for _ in 1..6 {
                assert_eq!(query.next(Heard::Silence), question());
                assert_eq!(query.next(Heard::Done), listening());
            }
            assert_eq!(query.next(Heard::Silence), Turn::Done(model.map(String::from)), "{name}");
        }
    }

    #[test]
    fn what_is_not_text_and_what_fails_ends_the_connection() {
        assert!(matches!(asked("LVS-A1").next(Heard::Notified(Endpoint::Rx, &[0xff])), Turn::Fail(_)));
        let mut query = ModelQuery::new("LVS-A1");
        query.next(Heard::Start);
        assert_eq!(query.next(Heard::Failed("no rx")), Turn::Fail("no rx".into()));
        assert!(matches!(asked("").next(Heard::Data(&[])), Turn::Fail(_)));
    }
}
