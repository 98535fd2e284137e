//! Honey Play Box: a handshake gives a token, and every command is signed with it. What is signed is data.

use super::Code;
use super::envelope::{Envelope, enveloped};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes};
use crate::notation::checksum::Checksum;
use crate::protocol::{Heard, Protocol, Step, Turn};
use buttplug_core::OutputKind;
use md5::{Digest, Md5};
use std::time::Duration;

/// How every message begins, in both directions.
const HEADER: [u8; 6] = [0x02, 0xa5, 0x5a, 0x55, 0xaa, 0xf0];

/// How every message ends, before its checksum.
const END: u8 = 0x03;

/// The bytes of a message before its data: header, counter, type, command, length.
const BEFORE_DATA: usize = HEADER.len() + 5;

/// The bytes of a message after its data: end and checksum.
const AFTER_DATA: usize = 3;

/// The longest data that a message is believed to have. The token has 18 bytes.
const MAX_DATA: usize = 256;

/// Type, command, length and data of what asks for a token.
const HELLO: [u8; 6] = [0xb1, 0x01, 0x00, 0x02, 0x00, 0x10];

/// What goes into every signature besides the token.
const SECRET: [u8; 16] =
    [0x8b, 0xe3, 0xfd, 0x04, 0x68, 0x35, 0x09, 0x86, 0x12, 0x1a, 0xbf, 0x03, 0x30, 0xe9, 0xe3, 0xc5];

/// The status of a good answer.
const GRANTED: u16 = 0x9000;

/// How often is waited before the hello is said again.
const WAITS: u32 = 3;

/// How often waiting may be in vain; each time it is a second longer.
const MAX_SILENCES: u32 = 4;

/// How many pieces of answers are taken in; a token comes in two or three. Without a limit, hardware that never stops
/// talking could hold up the handshake for good.
const MAX_PIECES: u32 = 64;

/// What the definition can't say.
pub(crate) struct HoneyPlayBox;

impl Code for HoneyPlayBox {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(enveloped(data, Session::default()))
    }
}

/// What was agreed upon, and how far that has come.
#[derive(Debug, Default)]
struct Session {
    token: [u8; 16],
    /// Of the last command; while greeting, of the next hello.
    counter: u8,
    subscribed: bool,
    waits: u32,
    silences: u32,
    pieces: u32,
    answers: Answers,
}

impl Envelope for Session {
    /// The counter goes on with every frame that is made; what gets lost leaves a gap, which the hardware does not mind.
    fn seal(&mut self, command: &mut FrameBytes) {
        self.counter = self.counter.wrapping_add(1);
        let signature =
            Md5::new().chain_update(&command).chain_update(SECRET).chain_update(self.token).finalize();
        command.extend_from_slice(&signature[..8]);
        *command = message(self.counter, command);
    }

    fn greet(&mut self, heard: Heard<'_>) -> Turn<()> {
        match heard {
            Heard::Start => {
                *self = Self::default();
                Turn::Do(Step::Subscribe(Endpoint::Rx))
            }
            Heard::Done if !self.subscribed => {
                self.subscribed = true;
                self.hello()
            }
            Heard::Done => self.listen(),
            Heard::Notified(_, piece) => self.take(piece),
            Heard::Silence => {
                self.silences += 1;
                if self.silences >= MAX_SILENCES {
                    return Turn::Fail(String::from("no answer to the greeting"));
                }
                self.waited()
            }
            Heard::Failed(reason) => Turn::Fail(reason.to_owned()),
            Heard::Data(_) => Turn::Fail(String::from("data that was not asked for")),
        }
    }
}

impl Session {
    fn hello(&mut self) -> Turn<()> {
        let data = message(self.counter, &HELLO);
        self.counter = self.counter.wrapping_add(1);
        self.waits = 0;
        Turn::Do(Step::Write(Frame { endpoint: Endpoint::Tx, data, response: true }))
    }

    fn listen(&self) -> Turn<()> {
        Turn::Do(Step::Listen(Duration::from_secs(u64::from(self.silences) + 1)))
    }

    fn waited(&mut self) -> Turn<()> {
        self.waits += 1;
        if self.waits < WAITS { self.listen() } else { self.hello() }
    }

    /// Takes in a piece of an answer.
    fn take(&mut self, piece: &[u8]) -> Turn<()> {
        self.pieces += 1;
        if self.pieces > MAX_PIECES {
            return Turn::Fail(format!("{MAX_PIECES} pieces of answers, and no token in them"));
        }
        self.answers.add(piece);
        while let Some(answer) = self.answers.next() {
            let Some((status, token)) = answer.split_first_chunk() else { continue };
            match (u16::from_be_bytes(*status), token.first_chunk()) {
                (GRANTED, Some(token)) => {
                    self.token = *token;
                    return Turn::Done(());
                }
                (GRANTED, None) => {}
                (status, _) => return Turn::Fail(format!("it refused the greeting ({status:04x})")),
            }
        }
        self.waited()
    }
}

/// A whole message.
fn message(counter: u8, body: &[u8]) -> FrameBytes {
    let mut message = FrameBytes::from_slice(&HEADER);
    message.push(counter);
    message.extend_from_slice(body);
    let [.., high, low] = Checksum::Crc16Modbus.of(body).to_be_bytes();
    message.extend_from_slice(&[END, high, low]);
    message
}

/// Answers that come in pieces.
#[derive(Debug, Default)]
struct Answers {
    buffer: Vec<u8>,
}

impl Answers {
    fn add(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The data of the next message that is whole. What stands before a message or is none is dropped. Counter, type and
    /// checksum are not looked at.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(start) = self.buffer.windows(HEADER.len()).position(|window| window == HEADER) else {
                // The end may be the beginning of a header.
                self.buffer.drain(..self.buffer.len().saturating_sub(HEADER.len() - 1));
                return None;
            };
            self.buffer.drain(..start);
            let &[high, low] = self.buffer.get(BEFORE_DATA - 2..BEFORE_DATA)? else { return None };
            let end = BEFORE_DATA + usize::from(u16::from_be_bytes([high, low]));
            if end <= BEFORE_DATA + MAX_DATA {
                let whole = self.buffer.get(..end + AFTER_DATA)?;
                if whole.get(end) == Some(&END) {
                    let data = whole.get(BEFORE_DATA..end).unwrap_or_default().to_vec();
                    self.buffer.drain(..end + AFTER_DATA);
                    return Some(data);
                }
            }
            self.buffer.drain(..1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vibcrafter::tests::bytes;
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str =
        "02 a5 5a 55 aa f0 00 b1 01 00 12 90 00 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 03 18 19";

    fn hello(counter: u8) -> Turn<()> {
        let dump = format!("02 a5 5a 55 aa f0 {counter:02x} b1 01 00 02 00 10 03 36 86");
        Turn::Do(Step::Write(Frame::new(Endpoint::Tx, &bytes(&dump)).with_response()))
    }

    fn listening(seconds: u64) -> Turn<()> {
        Turn::Do(Step::Listen(Duration::from_secs(seconds)))
    }

    fn greeted() -> Session {
        let mut session = Session::default();
        assert_eq!(session.greet(Heard::Start), Turn::Do(Step::Subscribe(Endpoint::Rx)));
        assert_eq!(session.greet(Heard::Done), hello(0));
        assert_eq!(session.greet(Heard::Done), listening(1));
        session
    }

    fn says(session: &mut Session, piece: &[u8]) -> Turn<()> {
        session.greet(Heard::Notified(Endpoint::Rx, piece))
    }

    #[test]
    fn commands_count_on_from_the_hello_and_are_signed_with_the_token() {
        let mut session = greeted();
        assert_eq!(says(&mut session, &bytes(ANSWER)), Turn::Done(()));
        let one = "b1 03 00 10 01 00 05 00 3c 00 00";
        let commands = [
            (
                format!("{one} 4b"),
                "02 a5 5a 55 aa f0 02 b1 03 00 10 01 00 05 00 3c 00 00 4b 52 12 06 23 cd 3e 02 5f 03 2a b1",
            ),
            (
                format!("{one} 00"),
                "02 a5 5a 55 aa f0 03 b1 03 00 10 01 00 05 00 3c 00 00 00 ec a6 67 a5 e5 b6 87 64 03 4c a6",
            ),
            (
                format!("{one} 64"),
                "02 a5 5a 55 aa f0 04 b1 03 00 10 01 00 05 00 3c 00 00 64 2e 6a c4 56 71 a9 52 91 03 ac 22",
            ),
        ];
        for (command, wire) in commands {
            let mut frame = FrameBytes::from_slice(&bytes(&command));
            session.seal(&mut frame);
            assert_eq!(frame.to_vec(), bytes(wire));
        }
        session.counter = 0xfe;
        let two = bytes("b1 03 00 18 01 00 05 00 3c 00 00 14 11 00 05 00 3c 00 00 64");
        for counter in ["ff", "00"] {
            let mut frame = FrameBytes::from_slice(&two);
            session.seal(&mut frame);
            let wire = format!(
                "02 a5 5a 55 aa f0 {counter} b1 03 00 18 01 00 05 00 3c 00 00 14 11 00 05 00 3c 00 00 64 \
                 16 61 52 da 64 f9 e0 39 03 fd 68"
            );
            assert_eq!(frame.to_vec(), bytes(&wire));
        }
    }

    #[test]
    fn silent_hardware_is_greeted_twice_and_given_up_after_ten_seconds() {
        let mut session = greeted();
        assert_eq!(session.greet(Heard::Silence), listening(2));
        assert_eq!(session.greet(Heard::Silence), listening(3));
        assert_eq!(session.greet(Heard::Silence), hello(1));
        assert_eq!(session.greet(Heard::Done), listening(4));
        assert!(matches!(session.greet(Heard::Silence), Turn::Fail(_)));
    }

    #[test]
    fn an_answer_may_come_in_any_pieces_and_after_anything() {
        let answer = bytes(&format!("02 a5 ff 02 a5 5a 55 aa f0 00 00 00 00 00 ff ff ff {ANSWER}"));
        for cut in 0..answer.len() {
            let mut session = greeted();
            let (first, second) = answer.split_at(cut);
            assert_eq!(says(&mut session, first), listening(1));
            assert_eq!(says(&mut session, second), Turn::Done(()), "{cut}");
            assert_eq!(session.token[15], 0xff);
        }
    }

    #[test]
    fn a_short_grant_is_passed_over_and_a_refusal_ends_the_greeting() {
        let mut session = greeted();
        assert_eq!(says(&mut session, &message(0, &[0xb1, 1, 0, 2, 0x90, 0])), listening(1));
        assert_eq!(says(&mut session, &message(0, &[0xb1, 1, 0, 1, 0x6a])), listening(1));
        let refusal = bytes("02 a5 5a 55 aa f0 00 b1 01 00 02 6a 80 03 fa a8");
        assert!(matches!(says(&mut session, &refusal), Turn::Fail(_)));
    }

    #[test]
    fn chatter_ends_the_greeting_and_is_not_kept() {
        let mut session = greeted();
        let mut ended = false;
        for _ in 0..1000 {
            ended |= matches!(says(&mut session, &[0x02; 512]), Turn::Fail(_));
            assert!(session.answers.buffer.len() < HEADER.len());
        }
        assert!(ended);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_never_longer_than_a_message(pieces in prop::collection::vec(
            prop_oneof![prop::collection::vec(any::<u8>(), 0..30), Just(HEADER.to_vec()), Just(bytes(ANSWER))], 0..40,
        )) {
            let mut answers = Answers::default();
            for piece in pieces {
                answers.add(&piece);
                while let Some(data) = answers.next() {
                    prop_assert!(data.len() <= MAX_DATA);
                }
                prop_assert!(answers.buffer.len() < BEFORE_DATA + MAX_DATA + AFTER_DATA);
            }
        }
    }
}
