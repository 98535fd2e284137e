//! What protocols with a cipher or a signature share: their definitions write and hear plain bytes, which are put into an
//! envelope on the way out and taken out of it on the way in. What the envelope is, and how the hardware is greeted,
//! stands in the protocol's own file.

use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Reading, Step, Topic, Turn};
use buttplug_core::FeatureIndex;
use std::time::{Duration, Instant};

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

/// A protocol whose frames go in envelopes.
pub(super) struct Enveloped<E> {
    data: Box<dyn Protocol>,
    envelope: E,
    greeting: bool,
}

impl<E: Envelope> Enveloped<E> {
    /// Seals what `data` writes.
    pub(super) fn new(data: Box<dyn Protocol>, envelope: E) -> Self {
        Self { data, envelope, greeting: false }
    }

    fn seal(&mut self, frames: &mut [Frame]) {
        for frame in frames {
            self.envelope.seal(&mut frame.data);
        }
    }
}

impl<E: Envelope> Protocol for Enveloped<E> {
    fn converse(&mut self, topic: Topic, mut heard: Heard<'_>) -> Turn<Option<i32>> {
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
                Some(plain) => self.data.converse(topic, Heard::Notified(endpoint, &plain)),
                None => self.data.converse(topic, heard),
            },
            heard => self.data.converse(topic, heard),
        };
        match turn {
            Turn::Do(Step::Write(mut frame)) => {
                self.envelope.seal(&mut frame.data);
                Turn::Do(Step::Write(frame))
            }
            turn => turn,
        }
    }

    fn frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let before = out.len();
        self.data.frames(now, outputs, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
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
        let plain = self.envelope.open(said);
        self.data.notified(now, endpoint, plain.as_deref().unwrap_or(said), readings, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
    }

    fn halt(&mut self, feature: FeatureIndex) {
        self.data.halt(feature);
    }

    fn keepalive(&self) -> Option<Duration> {
        self.data.keepalive()
    }

    fn keepalive_frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let before = out.len();
        self.data.keepalive_frames(now, outputs, out);
        self.seal(out.get_mut(before..).unwrap_or_default());
    }
}
