//! What protocols with a cipher share: their definitions write and hear plain bytes, which are enciphered on the way out
//! and deciphered on the way in. Which cipher that is, and how the hardware is greeted, stands in the protocol's own file.

use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Reading, Step, Topic, Turn};
use std::time::{Duration, Instant};

/// A cipher over whole frames.
pub(super) trait Cipher: Send {
    /// Enciphers the bytes of a frame.
    fn encipher(&self, plain: &mut FrameBytes);

    /// What the definition hears instead of what the hardware says; `None`: just that.
    fn decipher(&self, _said: &[u8]) -> Option<FrameBytes> {
        None
    }

    /// The next step of what comes before the definition's `connect`, given what came of the one before;
    /// [`Heard::Start`] begins it anew. Nothing of it is enciphered or deciphered here.
    fn greet(&mut self, _heard: Heard<'_>) -> Turn<()> {
        Turn::Done(())
    }
}

/// A protocol whose frames are enciphered.
pub(super) struct Enciphered<C> {
    data: Box<dyn Protocol>,
    cipher: C,
    greeting: bool,
}

impl<C: Cipher> Enciphered<C> {
    /// Enciphers what `data` writes.
    pub(super) fn new(data: Box<dyn Protocol>, cipher: C) -> Self {
        Self { data, cipher, greeting: false }
    }

    fn encipher(&self, frames: &mut [Frame]) {
        for frame in frames {
            self.cipher.encipher(&mut frame.data);
        }
    }
}

impl<C: Cipher> Protocol for Enciphered<C> {
    fn converse(&mut self, topic: Topic, mut heard: Heard<'_>) -> Turn<Option<i32>> {
        self.greeting |= heard == Heard::Start;
        if topic == Topic::Connect && self.greeting {
            match self.cipher.greet(heard) {
                Turn::Do(step) => return Turn::Do(step),
                Turn::Fail(reason) => return Turn::Fail(reason),
                Turn::Done(()) => (self.greeting, heard) = (false, Heard::Start),
            }
        }
        let turn = match heard {
            Heard::Notified(endpoint, said) => match self.cipher.decipher(said) {
                Some(plain) => self.data.converse(topic, Heard::Notified(endpoint, &plain)),
                None => self.data.converse(topic, heard),
            },
            heard => self.data.converse(topic, heard),
        };
        match turn {
            Turn::Do(Step::Write(mut frame)) => {
                self.cipher.encipher(&mut frame.data);
                Turn::Do(Step::Write(frame))
            }
            turn => turn,
        }
    }

    fn frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let before = out.len();
        self.data.frames(now, outputs, out);
        self.encipher(out.get_mut(before..).unwrap_or_default());
    }

    fn not_written(&mut self, frames: &[Frame]) {
        self.data.not_written(frames);
    }

    fn notified(
        &mut self,
        now: Instant,
        endpoint: Endpoint,
        said: &[u8],
        readings: &mut Vec<Reading>,
        out: &mut Frames,
    ) {
        let before = out.len();
        let plain = self.cipher.decipher(said);
        self.data.notified(now, endpoint, plain.as_deref().unwrap_or(said), readings, out);
        self.encipher(out.get_mut(before..).unwrap_or_default());
    }

    fn keepalive(&self) -> Option<Duration> {
        self.data.keepalive()
    }

    fn keepalive_frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let before = out.len();
        self.data.keepalive_frames(now, outputs, out);
        self.encipher(out.get_mut(before..).unwrap_or_default());
    }
}
