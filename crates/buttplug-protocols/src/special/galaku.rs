//! Galaku: a byte cipher, in which each byte chooses the key of the next. What is enciphered is data.

use super::Code;
use super::envelope::{Envelope, enveloped};
use crate::catalogue::Setup;
use crate::frame::FrameBytes;
use crate::protocol::Protocol;
use buttplug_core::OutputKind;

/// What the definition can't say.
pub(crate) struct Galaku;

impl Code for Galaku {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(enveloped(data, Chain))
    }
}

/// How every enciphered message begins; this byte itself is not enciphered.
const HEAD: u8 = 0x23;

/// The length of every enciphered message. The last byte is the sum of the others.
const LENGTH: usize = 12;

/// Where an enciphered answer has its value.
const VALUE_AT: usize = 4;

/// The keys: the two lowest bits of the byte before choose the row, the place chooses the column. The first column is
/// not needed.
const KEYS: [[u8; LENGTH]; 4] = [
    [0x00, 0x18, 0x98, 0xf7, 0xa5, 0x3d, 0x0d, 0x29, 0x25, 0x50, 0x44, 0x46],
    [0x00, 0x45, 0x6e, 0x6a, 0x6f, 0x78, 0x20, 0x53, 0x2d, 0x31, 0x2e, 0x37],
    [0x00, 0x65, 0x78, 0x20, 0x54, 0x6f, 0x79, 0x73, 0x0a, 0x8e, 0x9d, 0xa3],
    [0x00, 0xc5, 0xd6, 0xe7, 0xf8, 0x0a, 0x32, 0x20, 0x6f, 0x62, 0x0d, 0x0a],
];

/// The cipher. Messages of another form stay in the clear.
struct Chain;

impl Envelope for Chain {
    fn seal(&mut self, plain: &mut FrameBytes) {
        if let Some(message) = message(plain) {
            *plain = FrameBytes::from_slice(&enciphered(message));
        }
    }

    /// It is not known whether answers are enciphered. One that looks so, and whose sum is right after deciphering, is
    /// taken for it; its value stands in the middle, that of a plain one in front.
    fn open(&self, said: &[u8]) -> Option<FrameBytes> {
        let plain = deciphered(message(said)?);
        let (sum, summed) = plain.split_last()?;
        let right = summed.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == *sum;
        right.then(|| FrameBytes::from_slice(plain.get(VALUE_AT..).unwrap_or_default()))
    }
}

fn message(bytes: &[u8]) -> Option<[u8; LENGTH]> {
    <[u8; LENGTH]>::try_from(bytes).ok().filter(|message| message[0] == HEAD)
}

fn key(before: u8, place: usize) -> u8 {
    KEYS[usize::from(before & 3)][place]
}

fn enciphered(plain: [u8; LENGTH]) -> [u8; LENGTH] {
    let mut message = plain;
    for place in 1..LENGTH {
        let key = key(message[place - 1], place);
        message[place] = (key ^ HEAD ^ plain[place]).wrapping_add(key);
    }
    message
}

fn deciphered(message: [u8; LENGTH]) -> [u8; LENGTH] {
    let mut plain = message;
    for place in 1..LENGTH {
        let key = key(message[place - 1], place);
        plain[place] = message[place].wrapping_sub(key) ^ key ^ HEAD;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUERY: [u8; LENGTH] = [0x23, 0x81, 0xbb, 0xab, 0xd2, 0xce, 0xd3, 0x23, 0xbb, 0xa3, 0x3b, 0xc2];

    #[test]
    fn a_message_of_another_form_stays_in_the_clear() {
        for plain in [&[0xaa; LENGTH][..], &[HEAD; 11], &[HEAD; 13], &[]] {
            let mut frame = FrameBytes::from_slice(plain);
            Chain.seal(&mut frame);
            assert_eq!(&*frame, plain);
            assert_eq!(Chain.open(plain), None);
        }
    }

    #[test]
    fn an_answer_counts_as_enciphered_only_if_its_sum_is_right() {
        assert_eq!(Chain.open(&QUERY).as_deref(), Some(&[1, 0x13, 0, 0, 0, 0, 0, 0x91][..]));
        for place in 1..LENGTH {
            let mut wrong = QUERY;
            wrong[place] ^= 4;
            assert_eq!(Chain.open(&wrong), None, "{place}");
        }
    }

    proptest! {
        #[test]
        fn what_is_enciphered_can_be_deciphered(rest in any::<[u8; LENGTH - 1]>()) {
            let mut plain = [HEAD; LENGTH];
            plain[1..].copy_from_slice(&rest);
            prop_assert_eq!(deciphered(enciphered(plain)), plain);
        }
    }
}
