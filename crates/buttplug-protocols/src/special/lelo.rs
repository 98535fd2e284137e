//! Lelo: pairing by a press of the power button. Everything but that is data, whose `connect` follows the pairing.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame};
use crate::protocol::{Heard, Protocol, Step, Topic, Turn};
use buttplug_core::OutputKind;
use std::time::Duration;

/// How long nothing may be heard before the connection is given up: nearly as long as connecting may take at all, as it is
/// a person who has to find the button.
const PATIENCE: Duration = Duration::from_secs(55);

/// How often the device may speak before it is paired. It speaks when it is subscribed and when the button is pressed.
const MAX_ANSWERS: u32 = 64;

/// The longest passphrase, in bytes. Real ones have eight.
const MAX_PASSPHRASE_BYTES: usize = 64;

/// What the definition can't say.
pub(crate) struct Lelo;

impl Code for Lelo {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        let pairs_at = [Endpoint::Whitelist, Endpoint::Generic(0)];
        let endpoint = pairs_at.into_iter().find(|endpoint| setup.endpoints.contains(endpoint));
        Ok(over(data, Device { pairing: Pairing::at(endpoint.unwrap_or(Endpoint::Whitelist)) }))
    }
}

/// One device.
struct Device {
    pairing: Pairing,
}

/// The way to a device that takes commands.
#[derive(Debug)]
struct Pairing {
    endpoint: Endpoint,
    answers: u32,
    state: State,
}

/// What the pairing waits for.
#[derive(Debug)]
enum State {
    Subscribed,
    Answer,
    /// The passphrase can't be written while it is subscribed.
    Unsubscribed(Vec<u8>),
    Written,
    Paired,
}

/// What the device says of the pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer<'a> {
    NotYet,
    Paired,
    /// It wants to hear this.
    Passphrase(&'a [u8]),
}

impl<'a> Answer<'a> {
    fn of(data: &'a [u8]) -> Self {
        match data {
            [1, rest @ ..] if rest.iter().all(|byte| *byte == 0) => Self::Paired,
            data if data.iter().all(|byte| *byte == 0) => Self::NotYet,
            data => Self::Passphrase(data),
        }
    }
}

impl Pairing {
    fn at(endpoint: Endpoint) -> Self {
        Self { endpoint, answers: 0, state: State::Subscribed }
    }

    /// The next step, given what came of the one before.
    fn next(&mut self, heard: Heard<'_>) -> Turn<()> {
        if let Heard::Start = heard {
            *self = Self::at(self.endpoint);
            return Turn::Do(Step::Subscribe(self.endpoint));
        }
        match (std::mem::replace(&mut self.state, State::Answer), heard) {
            (_, Heard::Failed(reason)) => Turn::Fail(reason.to_owned()),
            (State::Subscribed, Heard::Done) => Turn::Do(Step::Listen(PATIENCE)),
            (State::Answer, Heard::Notified(from, data)) => self.answered(from, data),
            (State::Answer, Heard::Silence) => {
                Turn::Fail(String::from("nobody has pressed the device's power button to let it connect"))
            }
            (State::Unsubscribed(passphrase), Heard::Done) => {
                self.state = State::Written;
                Turn::Do(Step::Write(Frame::new(self.endpoint, &passphrase).with_response()))
            }
            (State::Written, Heard::Done) => {
                self.state = State::Subscribed;
                Turn::Do(Step::Subscribe(self.endpoint))
            }
            (State::Paired, _) => Turn::Done(()),
            (state, heard) => Turn::Fail(format!("{heard:?} does not follow on {state:?}")),
        }
    }

    fn answered(&mut self, from: Endpoint, data: &[u8]) -> Turn<()> {
        self.answers += 1;
        if self.answers > MAX_ANSWERS {
            return Turn::Fail(format!("{MAX_ANSWERS} answers, and still not paired"));
        }
        match Answer::of(data) {
            Answer::Paired if from == self.endpoint => {
                self.state = State::Paired;
                Turn::Done(())
            }
            Answer::Passphrase(passphrase) if from == self.endpoint => {
                if passphrase.len() > MAX_PASSPHRASE_BYTES {
                    return Turn::Fail(format!("a passphrase of {} bytes", passphrase.len()));
                }
                self.state = State::Unsubscribed(passphrase.to_vec());
                Turn::Do(Step::Unsubscribe(self.endpoint))
            }
            _ => Turn::Do(Step::Listen(PATIENCE)),
        }
    }
}

impl Overlay for Device {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        let paired = matches!(self.pairing.state, State::Paired) && !matches!(heard, Heard::Start);
        if topic != Topic::Connect || paired {
            return data.converse(topic, heard);
        }
        match self.pairing.next(heard) {
            Turn::Do(step) => Turn::Do(step),
            Turn::Done(()) => data.converse(topic, Heard::Start),
            Turn::Fail(reason) => Turn::Fail(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Endpoint = Endpoint::Whitelist;

    fn listening() -> Turn<()> {
        Turn::Do(Step::Listen(PATIENCE))
    }

    fn begun() -> Pairing {
        let mut pairing = Pairing::at(HERE);
        assert_eq!(pairing.next(Heard::Start), Turn::Do(Step::Subscribe(HERE)));
        assert_eq!(pairing.next(Heard::Done), listening());
        pairing
    }

    #[test]
    fn zeros_wait_a_one_pairs_and_everything_else_is_the_passphrase() {
        let cases: &[(&[u8], Answer<'_>)] = &[
            (&[], Answer::NotYet),
            (&[0], Answer::NotYet),
            (&[0; 8], Answer::NotYet),
            (&[1], Answer::Paired),
            (&[1, 0, 0, 0, 0, 0, 0, 0], Answer::Paired),
            (&[1, 0, 0, 1], Answer::Passphrase(&[1, 0, 0, 1])),
            (&[2], Answer::Passphrase(&[2])),
            (&[0, 1], Answer::Passphrase(&[0, 1])),
        ];
        for (data, answer) in cases {
            assert_eq!(Answer::of(data), *answer, "{data:?}");
        }
    }

    #[test]
    fn a_passphrase_is_written_back_while_nothing_is_subscribed_as_often_as_it_comes() {
        let mut pairing = begun();
        assert_eq!(pairing.next(Heard::Notified(HERE, &[0; 8])), listening());
        for passphrase in [[7; 8], [9; 8]] {
            assert_eq!(pairing.next(Heard::Notified(HERE, &passphrase)), Turn::Do(Step::Unsubscribe(HERE)));
            let frame = Frame::new(HERE, &passphrase).with_response();
            assert_eq!(pairing.next(Heard::Done), Turn::Do(Step::Write(frame)));
            assert_eq!(pairing.next(Heard::Done), Turn::Do(Step::Subscribe(HERE)));
            assert_eq!(pairing.next(Heard::Done), listening());
        }
        assert_eq!(pairing.next(Heard::Notified(HERE, &[1, 0])), Turn::Done(()));
    }

    #[test]
    fn what_others_say_is_passed_over() {
        let mut pairing = begun();
        assert_eq!(pairing.next(Heard::Notified(Endpoint::Rx, &[1])), listening());
        assert_eq!(pairing.next(Heard::Notified(Endpoint::Rx, &[5])), listening());
        assert_eq!(pairing.next(Heard::Notified(HERE, &[1])), Turn::Done(()));
    }

    #[test]
    fn silence_failures_chatter_and_passphrases_without_end_end_the_pairing() {
        assert!(matches!(begun().next(Heard::Silence), Turn::Fail(_)));
        assert_eq!(begun().next(Heard::Failed("gone")), Turn::Fail("gone".into()));
        assert!(matches!(begun().next(Heard::Notified(HERE, &[3; 65])), Turn::Fail(_)));
        assert!(matches!(begun().next(Heard::Notified(HERE, &[3; 64])), Turn::Do(_)));
        let mut pairing = begun();
        let mut says = || pairing.next(Heard::Notified(HERE, &[0]));
        assert_eq!((0..1000).map(|_| says()).position(|turn| matches!(turn, Turn::Fail(_))), Some(64));
    }
}
