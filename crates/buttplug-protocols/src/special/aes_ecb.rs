//! AES-128 as some makers use it: each block by itself (ECB), padded as PKCS#7 says, with a key that all their devices
//! share. It hides nothing from anybody, but the hardware listens to nothing else.

use crate::frame::FrameBytes;
use aes::Aes128;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

const BLOCK: usize = 16;

/// The cipher with its key.
pub(super) struct AesEcb(Aes128);

impl AesEcb {
    pub(super) fn new(key: &[u8; BLOCK]) -> Self {
        Self(Aes128::new(key.into()))
    }

    /// Enciphers a message of any length.
    pub(super) fn encipher(&self, plain: &[u8]) -> FrameBytes {
        let mut message = FrameBytes::from_slice(plain);
        let padding = BLOCK - plain.len() % BLOCK;
        message.resize(plain.len() + padding, u8::try_from(padding).unwrap_or_default());
        blocks(&mut message).for_each(|block| self.0.encrypt_block(block));
        message
    }

    /// Deciphers a message. `None`: it is not whole, or another key made it.
    pub(super) fn decipher(&self, message: &[u8]) -> Option<FrameBytes> {
        if message.len() % BLOCK != 0 {
            return None;
        }
        let mut plain = FrameBytes::from_slice(message);
        blocks(&mut plain).for_each(|block| self.0.decrypt_block(block));
        let padding = *plain.last()?;
        let length = plain.len().checked_sub(usize::from(padding))?;
        let right = (1..=BLOCK).contains(&usize::from(padding))
            && plain.get(length..)?.iter().all(|byte| *byte == padding);
        plain.truncate(length);
        right.then_some(plain)
    }
}

fn blocks(bytes: &mut [u8]) -> impl Iterator<Item = &mut Block<Aes128>> {
    bytes.chunks_exact_mut(BLOCK).filter_map(|block| block.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_enciphered_can_be_deciphered(key: [u8; BLOCK], plain in prop::collection::vec(any::<u8>(), 0..70)) {
            let cipher = AesEcb::new(&key);
            let message = cipher.encipher(&plain);
            prop_assert_eq!(message.len(), plain.len() / BLOCK * BLOCK + BLOCK);
            let deciphered = cipher.decipher(&message);
            prop_assert_eq!(deciphered.as_deref(), Some(&*plain));
            prop_assert_eq!(cipher.decipher(&message[1..]), None);
        }

        #[test]
        fn anything_is_deciphered_or_refused(message in prop::collection::vec(any::<u8>(), 0..70)) {
            let _ = AesEcb::new(&[7; BLOCK]).decipher(&message);
        }
    }

    #[test]
    fn wrong_padding_is_refused() {
        let cipher = AesEcb::new(&[7; BLOCK]);
        for end in [[0, 0], [17, 17], [1, 2], [2, 3], [255, 255]] {
            let mut block = Block::<Aes128>::default();
            block[BLOCK - 2..].copy_from_slice(&end);
            cipher.0.encrypt_block(&mut block);
            assert_eq!(cipher.decipher(&block), None, "{end:?}");
        }
        assert_eq!(cipher.decipher(&[]), None);
    }
}
