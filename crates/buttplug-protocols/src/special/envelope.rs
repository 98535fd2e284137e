//! What protocols with a cipher or a signature share: their definitions write and hear plain bytes, which are put into an
//! envelope on the way out and taken out of it on the way in. What the envelope is, and how the hardware is greeted,
//! stands in the protocol's own file.

use super::overlay::{Overlay, over};
use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Reading, Step, Topic, Turn};
use std::time::Instant;

/// What is done to whole frames.
pub(super) trait Envelope: Send {
    /// Turns the plain bytes of a frame into those that the hardware takes.
    fn seal(&mut self, frame: &mut FrameBytes);

    /// What the definition hears instead of what the hardware says; `None`: just that.
    fn open(&self, _said: &[u8]) -> Option<FrameBytes> {
        None
    }

    /// The next step of what comes before the definition's `connect`, given what came of the one before;
    /// [`Heard::Start`] begins it anew. Nothing of it is sealed or opened here.
    fn greet(&mut self, _heard: Heard<'_>) -> Turn<()> {
        Turn::Done(())
    }
}

/// A protocol whose frames go in envelopes: seals what `data` writes.
pub(super) fn enveloped(data: Box<dyn Protocol>, envelope: impl Envelope + 'static) -> Box<dyn Protocol> {
    over(data, Enveloped { envelope, greeting: false })
}

struct Enveloped<E> {
    envelope: E,
    greeting: bool,
}

impl<E: Envelope> Enveloped<E> {
    fn seal(&mut self, frames: &mut [Frame]) {
        for frame in frames {
            self.envelope.seal(&mut frame.data);
        }
    }
}

impl<E: Envelope> Overlay for Enveloped<E> {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, mut heard: Heard<'_>) -> Turn<Option<i32>> {
        self.greeting |= heard == Heard::Start;
        if topic == Topic::Connect && self.greeting {
            match self.envelope.greet(heard) {
                Turn::Do(step) => return Turn::Do(step),
                Turn::Fail(reason) => return Turn::Fail(reason),
                Turn::Done(()) => (self.greeting, heard) = (false, Heard::Start),
            }
        }
        let turn = match heard {
            Heard::Notified(endpoint, said) => match self.envelope.open(said) {
                Some(plain) => data.converse(topic, Heard::Notified(endpoint, &plain)),
                None => data.converse(topic, heard),
            },
            heard => data.converse(topic, heard),
        };
        match turn {
            Turn::Do(Step::Write(mut frame)) => {
                self.envelope.seal(&mut frame.data);
                Turn::Do(Step::Write(frame))
            }
            turn => turn,
        }
    }

    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let before = out.len();
        data.frames(now, outputs, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
    }

    fn notified(
        &mut self,
        data: &mut dyn Protocol,
        now: Instant,
        endpoint: Endpoint,
        said: &[u8],
        readings: &mut Vec<Reading>,
        out: &mut Frames,
    ) {
        let before = out.len();
        let plain = self.envelope.open(said);
        data.notified(now, endpoint, plain.as_deref().unwrap_or(said), readings, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
    }

    fn keepalive_frames(
        &mut self,
        data: &mut dyn Protocol,
        now: Instant,
        outputs: &Outputs,
        out: &mut Frames,
    ) {
        let before = out.len();
        data.keepalive_frames(now, outputs, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
    }
}
