//! The trait between the server and what hardware understands.
//!
//! A protocol is a pure state machine: it is handed what the device shall do and what the hardware said, and answers
//! with frames and steps. It does no I/O and asks no clock; time is an argument. The server's device task writes the
//! frames, keeps the message gap, and repeats what failed.

use crate::frame::{Endpoint, Frame, Frames};
use buttplug_core::{FeatureIndex, InputKind, OutputKind};
use std::time::{Duration, Instant};

/// One output of the device and what it shall do. Values are in the hardware's own range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputSlot {
    /// The feature.
    pub feature: FeatureIndex,
    /// The kind of output.
    pub kind: OutputKind,
    /// The wanted value; 0 at connect.
    pub value: i32,
    /// For a timed position, the milliseconds until it shall be reached.
    pub duration_ms: u32,
    /// A client has set it since the last frames were made, perhaps to the value it had; or it has just been stopped.
    pub changed: bool,
}

/// What the device shall do: one slot per output, in the order of features and kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    slots: Vec<OutputSlot>,
}

impl Outputs {
    /// All outputs at zero and unchanged.
    pub fn at_rest(outputs: impl IntoIterator<Item = (FeatureIndex, OutputKind)>) -> Self {
        let rest = |(feature, kind)| OutputSlot { feature, kind, value: 0, duration_ms: 0, changed: false };
        let mut slots: Vec<_> = outputs.into_iter().map(rest).collect();
        slots.sort_by_key(|slot| (slot.feature, slot.kind));
        Self { slots }
    }

    /// The slots, in the order of features and kinds.
    pub fn slots(&self) -> &[OutputSlot] {
        &self.slots
    }

    /// The slots, to be set by the owner of the state.
    pub fn slots_mut(&mut self) -> &mut [OutputSlot] {
        &mut self.slots
    }

    /// The slots that have changed.
    pub fn changed(&self) -> impl Iterator<Item = &OutputSlot> {
        self.slots.iter().filter(|slot| slot.changed)
    }

    /// The slot of one output.
    pub fn get(&self, feature: FeatureIndex, kind: OutputKind) -> Option<&OutputSlot> {
        self.slots.iter().find(|slot| slot.feature == feature && slot.kind == kind)
    }

    /// The slot of one output, to be set by the owner of the state.
    pub fn get_mut(&mut self, feature: FeatureIndex, kind: OutputKind) -> Option<&mut OutputSlot> {
        self.slots.iter_mut().find(|slot| slot.feature == feature && slot.kind == kind)
    }
}

/// An input of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// The feature.
    pub feature: FeatureIndex,
    /// The kind of input.
    pub kind: InputKind,
}

/// A value that the device reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where from.
    pub input: Input,
    /// The value, in the unit of the input's kind.
    pub value: i32,
}

/// A conversation with the hardware that takes several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Bringing fresh hardware to the point where it takes commands. Ends without a value.
    Connect,
    /// Reading an input. Ends with the value.
    Read(Input),
    /// Beginning the notifications of an input. Ends without a value.
    Subscribe(Input),
    /// Ending the notifications of an input. Ends without a value.
    Unsubscribe(Input),
}

/// One step of a conversation, to be carried out by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a frame. Heard back: [`Heard::Done`].
    Write(Frame),
    /// Let the endpoint notify. Heard back: [`Heard::Done`].
    Subscribe(Endpoint),
    /// Let the endpoint notify no longer. Heard back: [`Heard::Done`].
    Unsubscribe(Endpoint),
    /// Read up to `length` bytes. Heard back: [`Heard::Data`].
    Read {
        /// Where.
        endpoint: Endpoint,
        /// The most bytes to expect.
        length: u16,
    },
    /// Wait for a notification, not longer than this. Notifications that came during earlier steps of the same
    /// conversation count. Heard back: [`Heard::Notified`] or [`Heard::Silence`].
    Listen(Duration),
    /// Let time pass. Heard back: [`Heard::Done`].
    Pause(Duration),
}

/// What came of the step before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Nothing yet: the conversation begins.
    Start,
    /// The step is done.
    Done,
    /// What was read.
    Data(&'a [u8]),
    /// A notification.
    Notified(Endpoint, &'a [u8]),
    /// No notification within the time.
    Silence,
    /// The step failed; the hardware is still there. Unless the protocol can live with it, it ends the conversation.
    Failed(&'a str),
}

/// What a protocol does next in a conversation that ends with a `T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// Another step.
    Do(Step),
    /// The end.
    Done(T),
    /// It can't be done, for this reason.
    Fail(String),
}

/// Finds out which model the hardware is, before its protocol is made.
pub trait Identification: Send {
    /// The next step, given what came of the one before. Ends with the identifier that the catalogue knows, or `None`
    /// for the protocol's fallback model.
    fn next(&mut self, heard: Heard<'_>) -> Turn<Option<String>>;
}

/// What one device understands.
pub trait Protocol: Send {
    /// The next step of a conversation, given what came of the one before; [`Heard::Start`] begins it. One conversation
    /// runs at a time. While it runs, notifications go to it and not to [`notified`](Self::notified).
    fn converse(&mut self, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>>;

    /// Appends the frames that bring the device from where it is to `outputs`. Called when at least one slot has
    /// changed, at most once per message gap. The order of frames is kept.
    fn frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames);

    /// `frames`, which [`frames`](Self::frames) or [`tick`](Self::tick) has made, did not arrive, or nobody knows whether they
    /// did: the hardware refused them or did not react, or they were not written at all, because one before them failed or a
    /// stop overtook them. They are the last of those made by the last call; but zeros are all tried, so that some in between
    /// may have arrived, and may be of an earlier call, if another stop came before it was known how they fared. What they
    /// were made from comes again as changed; a protocol whose frames count, such as a toggle, goes back to before them. What
    /// a tick made comes again only if the protocol plans it again, which it has to where it would have stopped something.
    fn not_written(&mut self, _frames: &[Frame]) {}

    /// Whether it matters how often this frame arrives, as with a toggle or a step. One of which nobody knows whether it did
    /// counts as written, and [`not_written`](Self::not_written) is not told of it.
    fn counts(&self, _frame: &Frame) -> bool {
        false
    }

    /// Appends what a notification says, and frames to answer it with.
    fn notified(
        &mut self,
        _now: Instant,
        _endpoint: Endpoint,
        _data: &[u8],
        _readings: &mut Vec<Reading>,
        _out: &mut Frames,
    ) {
    }

    /// When the device wants to hear something although nothing changes: this long after the last write,
    /// [`keepalive_frames`](Self::keepalive_frames) is written. At connect such a device is sent its zeros first.
    fn keepalive(&self) -> Option<Duration> {
        None
    }

    /// Appends what keeps the device listening.
    fn keepalive_frames(&mut self, _now: Instant, _outputs: &Outputs, _out: &mut Frames) {}

    /// A stop of a feature with a position: a movement that the protocol carries out by itself, point by point, ends where
    /// it is. Where the hardware has to be told, that is a [`tick`](Self::tick) that is due at once; outputs that can rest
    /// get their zeros by [`frames`](Self::frames).
    fn halt(&mut self, _feature: FeatureIndex) {}

    /// When the protocol itself has something to do next, for example the next point of a movement: then
    /// [`tick`](Self::tick) is called. Asked again after every call of a method with `&mut self`.
    fn next_tick(&self) -> Option<Instant> {
        None
    }

    /// Appends what is due now. Written at once, past the message gap.
    fn tick(&mut self, _now: Instant, _outputs: &Outputs, _out: &mut Frames) {}
}
