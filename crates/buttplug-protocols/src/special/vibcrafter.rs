//! VibCrafter, and Vibio likewise: encrypted text, and a handshake in which both sides show that they know the key. What
//! is written afterwards is data.

use super::Code;
use super::aes_ecb::AesEcb;
use super::envelope::{Envelope, enveloped};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes};
use crate::protocol::{Heard, Protocol, Step, Turn};
use buttplug_core::OutputKind;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long the hardware may be silent in the handshake.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How many challenges are answered. One is usual; without a limit the handshake might never end.
const MAX_CHALLENGES: u32 = 16;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What the definition can't say, and what differs between makers.
pub(crate) struct Dialect {
    pub(super) key: &'static [u8; 16],
    /// How many random letters greet the hardware; at most 10, more than the seed has.
    pub(super) greeting_letters: usize,
    /// What the four characters before a challenge are made of.
    pub(super) is_prefix: fn(char) -> bool,
    /// What a challenge is made of.
    pub(super) is_challenge: fn(char) -> bool,
}

/// VibCrafter's own.
pub(crate) static VIBCRAFTER: Dialect = Dialect {
    key: b"jdk#Cra%f5Vib28r",
    greeting_letters: 6,
    is_prefix: |c| c.is_ascii_alphanumeric(),
    is_challenge: |c| c.is_ascii_alphanumeric(),
};

impl Code for Dialect {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        let handshake = Handshake {
            cipher: AesEcb::new(self.key),
            greeting: greeting(setup.seed, self.greeting_letters),
            is_prefix: self.is_prefix,
            is_challenge: self.is_challenge,
            greeted: false,
            challenges: 0,
        };
        Ok(enveloped(data, handshake))
    }
}

/// The cipher, and the way to hardware that listens.
struct Handshake {
    cipher: AesEcb,
    greeting: String,
    is_prefix: fn(char) -> bool,
    is_challenge: fn(char) -> bool,
    greeted: bool,
    challenges: u32,
}

impl Envelope for Handshake {
    fn seal(&mut self, plain: &mut FrameBytes) {
        *plain = self.cipher.encipher(plain);
    }

    fn greet(&mut self, heard: Heard<'_>) -> Turn<()> {
        match heard {
            Heard::Start => {
                (self.greeted, self.challenges) = (false, 0);
                Turn::Do(Step::Subscribe(Endpoint::Rx))
            }
            Heard::Done if !self.greeted => {
                self.greeted = true;
                self.write(&self.greeting)
            }
            Heard::Done => Turn::Do(Step::Listen(ANSWER_TIME)),
            Heard::Notified(_, said) => self.answer(said),
            Heard::Silence => Turn::Fail(format!("no answer to the greeting in {ANSWER_TIME:?}")),
            Heard::Failed(reason) => Turn::Fail(reason.to_owned()),
            Heard::Data(_) => Turn::Fail(String::from("data that was not asked for")),
        }
    }
}

impl Handshake {
    fn write(&self, text: &str) -> Turn<()> {
        let data = self.cipher.encipher(text.as_bytes());
        Turn::Do(Step::Write(Frame { endpoint: Endpoint::Tx, data, response: false }))
    }

    fn answer(&mut self, said: &[u8]) -> Turn<()> {
        let plain = self.cipher.decipher(said);
        let text = plain.as_deref().and_then(|plain| std::str::from_utf8(plain).ok());
        let Some(text) = text else {
            return Turn::Fail(format!("did not understand the answer ({} bytes)", said.len()));
        };
        if text == "OK;" {
            return Turn::Done(());
        }
        let Some(challenge) = self.challenge(text) else {
            return Turn::Fail(format!("it answered {text:?}"));
        };
        self.challenges += 1;
        if self.challenges > MAX_CHALLENGES {
            return Turn::Fail(format!("{MAX_CHALLENGES} challenges answered, and still not accepted"));
        }
        let hash = Sha256::digest(challenge);
        self.write(&format!("Auth:{:02x}{:02x};", hash[0], hash[1]))
    }

    /// The challenge in a text like `1F0a:Kj82Lm;`.
    fn challenge<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (prefix, challenge) = text.strip_suffix(';')?.split_once(':')?;
        let right = prefix.len() == 4
            && prefix.chars().all(self.is_prefix)
            && !challenge.is_empty()
            && challenge.chars().all(self.is_challenge);
        right.then_some(challenge)
    }
}

/// `Auth:` and random letters.
fn greeting(mut seed: u64, letters: usize) -> String {
    let mut text = String::from("Auth:");
    for _ in 0..letters {
        let at = usize::try_from(seed % 62).unwrap_or_default();
        text.push(char::from(LETTERS[at]));
        seed /= 62;
    }
    text.push(';');
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The bytes of a dump.
    pub(crate) fn bytes(dump: &str) -> Vec<u8> {
        dump.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn listening(dialect: &Dialect, seed: u64) -> Handshake {
        let mut handshake = Handshake {
            cipher: AesEcb::new(dialect.key),
            greeting: greeting(seed, dialect.greeting_letters),
            is_prefix: dialect.is_prefix,
            is_challenge: dialect.is_challenge,
            greeted: false,
            challenges: 0,
        };
        assert_eq!(handshake.greet(Heard::Start), Turn::Do(Step::Subscribe(Endpoint::Rx)));
        assert!(matches!(handshake.greet(Heard::Done), Turn::Do(Step::Write(_))));
        assert_eq!(handshake.greet(Heard::Done), Turn::Do(Step::Listen(ANSWER_TIME)));
        handshake
    }

    /// How the handshake goes on after a text.
    fn after(handshake: &mut Handshake, text: &str) -> Turn<()> {
        let said = handshake.cipher.encipher(text.as_bytes());
        handshake.greet(Heard::Notified(Endpoint::Rx, &said))
    }

    /// Checks a greeting, the bytes of which come from elsewhere.
    pub(crate) fn greets_with(dialect: &Dialect, seed: u64, dump: &str) {
        let mut handshake = listening(dialect, seed);
        handshake.greet(Heard::Start);
        let greeting = Frame::new(Endpoint::Tx, &bytes(dump));
        assert_eq!(handshake.greet(Heard::Done), Turn::Do(Step::Write(greeting)));
    }

    /// Checks which texts are challenges, and that everything else is refused.
    pub(crate) fn tells_challenges(dialect: &Dialect, challenges: &[&str], others: &[&str]) {
        for text in challenges {
            let turn = after(&mut listening(dialect, 0), text);
            assert!(matches!(turn, Turn::Do(Step::Write(_))), "{text}: {turn:?}");
        }
        for text in others {
            let turn = after(&mut listening(dialect, 0), text);
            assert!(matches!(turn, Turn::Fail(_)), "{text}: {turn:?}");
        }
    }

    #[test]
    fn the_greeting_is_made_from_the_seed() {
        greets_with(&VIBCRAFTER, 50_813_920_036, "1c d3 df 34 dc 17 29 a4 5a 3a 7c f2 fa e3 60 15");
        assert_eq!(greeting(u64::MAX, 10).len(), "Auth:0123456789;".len());
    }

    #[test]
    fn only_a_challenge_and_ok_are_understood() {
        let others = [
            "",
            "OK",
            "ok;",
            "OK;;",
            "x7Yz:;",
            "x7Y:Q;",
            "x7Yz!:Q;",
            "x7Yz:Q-3;",
            "x7Yz:Q",
            "x7Yz:Q;;",
            "ä1:Q;",
        ];
        tells_challenges(&VIBCRAFTER, &["x7Yz:Q3wErT9;", "0000:0;"], &others);
        assert_eq!(after(&mut listening(&VIBCRAFTER, 0), "OK;"), Turn::Done(()));
    }

    #[test]
    fn silence_failures_and_what_is_not_encrypted_end_the_handshake() {
        let ends = |heard: Heard<'_>| matches!(listening(&VIBCRAFTER, 0).greet(heard), Turn::Fail(_));
        assert!(ends(Heard::Silence) && ends(Heard::Failed("gone")) && ends(Heard::Data(b"OK;")));
        for said in [&b"OK;"[..], &[], &[0; 16], &[0; 17]] {
            assert!(ends(Heard::Notified(Endpoint::Rx, said)), "{said:?}");
        }
        let not_text = AesEcb::new(VIBCRAFTER.key).encipher(&[0xff, 0xfe]);
        assert!(ends(Heard::Notified(Endpoint::Rx, &not_text)));
    }

    #[test]
    fn challenges_without_end_end_the_handshake() {
        let mut handshake = listening(&VIBCRAFTER, 0);
        let mut turns = 0..1000;
        let end = turns.find(|_| matches!(after(&mut handshake, "x7Yz:Q;"), Turn::Fail(_)));
        assert_eq!(end, Some(16));
    }
}
