//! Fluffer: encrypted messages, and a handshake that shows that what is advertised has been read. What is written
//! afterwards is data.

use super::Code;
use super::aes_ecb::AesEcb;
use super::envelope::{Envelope, enveloped};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes};
use crate::protocol::{Heard, Protocol, Step, Turn};
use crate::sighting::{Advertisement, Sighting};
use buttplug_core::OutputKind;
use sha2::{Digest, Sha256};
use std::time::Duration;

const KEY: &[u8; 16] = b"jdk#Flu%y6fer32f";

/// The company whose data is advertised.
const COMPANY: u16 = 26698;

/// How long the hardware may be silent in the handshake.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What it says if it believes.
const ACCEPTED: [u8; 4] = [0xa5, 0x01, 0x01, 0x00];

/// What makes it listen.
const BEGIN: [u8; 5] = [0x82, 0x0e, 0x02, 0x00, 0x01];

/// What the definition can't say.
pub(crate) struct Fluffer;

impl Code for Fluffer {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        let [.., a, b, c, d] = setup.seed.to_be_bytes();
        let greeting = advertised(setup.sighting).and_then(|advertised| greeting(advertised, [a, b, c, d]));
        let handshake = Handshake { cipher: AesEcb::new(KEY), greeting, state: State::Subscribed };
        Ok(enveloped(data, handshake))
    }
}

fn advertised(sighting: &Sighting) -> Option<&[u8]> {
    let Advertisement::Bluetooth { manufacturer_data, .. } = &sighting.advertisement else { return None };
    manufacturer_data.iter().find(|(company, _)| *company == COMPANY).map(|(_, data)| &**data)
}

/// The message that shows what has been advertised. `None`: nothing has.
fn greeting(advertised: &[u8], random: [u8; 4]) -> Option<Vec<u8>> {
    let (first, secret) = advertised.split_first()?;
    let key = first ^ COMPANY.to_be_bytes()[0];
    let secret = secret.iter().take(4).map(|byte| match *byte {
        0 => 0,
        byte if byte == key => byte,
        byte => byte ^ key,
    });
    let shown: Vec<u8> = random.into_iter().chain(secret).collect();
    let hash = Sha256::digest(&shown);
    Some([0xa5, 0x01, 0x08].into_iter().chain(random).chain(hash.into_iter().take(4)).collect())
}

/// The cipher, and the way to hardware that listens.
struct Handshake {
    cipher: AesEcb,
    /// `None`: nothing is advertised, so nothing can be shown, and it is tried without.
    greeting: Option<Vec<u8>>,
    state: State,
}

/// What the handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Subscribed,
    Greeted,
    Begun,
}

impl Envelope for Handshake {
    fn seal(&mut self, plain: &mut FrameBytes) {
        *plain = self.cipher.encipher(plain);
    }

    fn greet(&mut self, heard: Heard<'_>) -> Turn<()> {
        match (heard, self.state) {
            (Heard::Start, _) => {
                self.state = State::Subscribed;
                Turn::Do(Step::Subscribe(Endpoint::Rx))
            }
            (Heard::Done, State::Subscribed) => match &self.greeting {
                None => Turn::Done(()),
                Some(greeting) => {
                    self.state = State::Greeted;
                    self.write(greeting)
                }
            },
            (Heard::Done, State::Greeted) => Turn::Do(Step::Listen(ANSWER_TIME)),
            (Heard::Notified(_, said), State::Greeted) => {
                if self.cipher.decipher(said).as_deref() != Some(&ACCEPTED) {
                    return Turn::Fail(String::from("the hardware did not accept the greeting"));
                }
                self.state = State::Begun;
                self.write(&BEGIN)
            }
            (Heard::Done, State::Begun) => Turn::Done(()),
            (Heard::Silence, _) => Turn::Fail(format!("no answer to the greeting in {ANSWER_TIME:?}")),
            (Heard::Failed(reason), _) => Turn::Fail(reason.to_owned()),
            (heard, state) => Turn::Fail(format!("{heard:?} does not follow on {state:?}")),
        }
    }
}

impl Handshake {
    fn write(&self, plain: &[u8]) -> Turn<()> {
        let data = self.cipher.encipher(plain);
        Turn::Do(Step::Write(Frame { endpoint: Endpoint::Tx, data, response: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vibcrafter::tests::bytes;
    use super::*;

    #[test]
    fn the_greeting_shows_what_is_advertised() {
        let random = [0x10, 0x20, 0x30, 0x40];
        let cases = [
            ("3c 11 00 54 77 aa", "ea 6f 1c 15 f3 71 16 2c 29 96 c4 a6 56 33 e0 1f"),
            ("11 22", "b4 e9 17 c7 ea 6e 10 f0 13 ae 12 d8 99 1a 43 c8"),
        ];
        for (advertised, wire) in cases {
            let plain = greeting(&bytes(advertised), random).unwrap();
            assert_eq!(AesEcb::new(KEY).encipher(&plain).to_vec(), bytes(wire));
        }
        assert_eq!(greeting(&bytes("3c 11 00 54 77"), random).unwrap()[7..], bytes("58 79 6f 42"));
        assert_eq!(greeting(&[], random), None);
        assert!(greeting(&[1], random).is_some());
    }

    #[test]
    fn messages_are_enciphered_like_this() {
        // What keeps it awake where a system asks for such a thing, which none of ours does.
        let expected = "87 b7 be c1 c8 40 05 7e 86 06 f7 5e c0 43 19 f0";
        assert_eq!(AesEcb::new(KEY).encipher(&[0x80, 0x02, 0x00]).to_vec(), bytes(expected));
    }

    fn greeted() -> Handshake {
        let greeting = greeting(&[1, 2, 3], [0; 4]);
        let mut handshake = Handshake { cipher: AesEcb::new(KEY), greeting, state: State::Begun };
        assert_eq!(handshake.greet(Heard::Start), Turn::Do(Step::Subscribe(Endpoint::Rx)));
        assert!(matches!(handshake.greet(Heard::Done), Turn::Do(Step::Write(_))));
        assert_eq!(handshake.greet(Heard::Done), Turn::Do(Step::Listen(ANSWER_TIME)));
        handshake
    }

    #[test]
    fn nothing_but_the_right_answer_is_accepted() {
        let cipher = AesEcb::new(KEY);
        let answers = [&[0xa5, 1, 1][..], &[0xa5, 1, 1, 1], &[0xa5, 1, 1, 0, 0], &[]]
            .map(|plain| cipher.encipher(plain));
        for answer in answers.iter().map(|answer| &**answer).chain([&ACCEPTED[..], &[0; 16]]) {
            let turn = greeted().greet(Heard::Notified(Endpoint::Rx, answer));
            assert!(matches!(turn, Turn::Fail(_)), "{answer:?}: {turn:?}");
        }
        for heard in [Heard::Silence, Heard::Failed("gone"), Heard::Data(&[])] {
            assert!(matches!(greeted().greet(heard), Turn::Fail(_)), "{heard:?}");
        }
    }
}
