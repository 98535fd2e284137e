//! Code on top of what a definition makes. What the code does not take over stays the definition's, so that a connect step,
//! a keepalive or a notification that somebody adds to a definition works there as everywhere.

use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Reading, Topic, Turn};
use buttplug_core::FeatureIndex;
use std::time::{Duration, Instant};

/// The methods of [`Protocol`], each of them handed what the definition makes: `data`.
pub(super) trait Overlay: Send {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        data.converse(topic, heard)
    }

    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        data.frames(now, outputs, out);
    }

    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
    }

    fn counts(&self, data: &dyn Protocol, frame: &Frame) -> bool {
        data.counts(frame)
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
        data.notified(now, endpoint, said, readings, out);
    }

    fn keepalive_frames(
        &mut self,
        data: &mut dyn Protocol,
        now: Instant,
        outputs: &Outputs,
        out: &mut Frames,
    ) {
        data.keepalive_frames(now, outputs, out);
    }

    fn halt(&mut self, data: &mut dyn Protocol, feature: FeatureIndex) {
        data.halt(feature);
    }

    fn next_tick(&self, data: &dyn Protocol) -> Option<Instant> {
        data.next_tick()
    }

    fn tick(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        data.tick(now, outputs, out);
    }
}

/// Lays code over what the definition makes.
pub(super) fn over(data: Box<dyn Protocol>, code: impl Overlay + 'static) -> Box<dyn Protocol> {
    Box::new(Overlaid { data, code })
}

struct Overlaid<O> {
    data: Box<dyn Protocol>,
    code: O,
}

impl<O: Overlay> Protocol for Overlaid<O> {
    fn converse(&mut self, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        self.code.converse(&mut *self.data, topic, heard)
    }

    fn frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        self.code.frames(&mut *self.data, now, outputs, out);
    }

    fn not_written(&mut self, frames: &[Frame]) {
        self.code.not_written(&mut *self.data, frames);
    }

    fn counts(&self, frame: &Frame) -> bool {
        self.code.counts(&*self.data, frame)
    }

    fn notified(
        &mut self,
        now: Instant,
        endpoint: Endpoint,
        said: &[u8],
        readings: &mut Vec<Reading>,
        out: &mut Frames,
    ) {
        self.code.notified(&mut *self.data, now, endpoint, said, readings, out);
    }

    fn keepalive(&self) -> Option<Duration> {
        self.data.keepalive()
    }

    fn keepalive_frames(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        self.code.keepalive_frames(&mut *self.data, now, outputs, out);
    }

    fn halt(&mut self, feature: FeatureIndex) {
        self.code.halt(&mut *self.data, feature);
    }

    fn next_tick(&self) -> Option<Instant> {
        self.code.next_tick(&*self.data)
    }

    fn tick(&mut self, now: Instant, outputs: &Outputs, out: &mut Frames) {
        self.code.tick(&mut *self.data, now, outputs, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Catalogue;
    use crate::definition::parse;
    use crate::rehearsal::rehearse;
    use std::time::Instant;

    #[test]
    fn keepalives_and_notifications_of_a_definition_work_under_every_code_that_leaves_them_alone() {
        for code in ["cueme", "fredorch_rotary", "joyhub", "lovense", "onyx", "thehandy_v3", "xinput"] {
            let text = format!(
                r#"
                code = "{code}"
                keepalive = "500 ms"
                [write]
                "oscillate vibrate" = "a0 value"
                [variant.single]
                [notify]
                pressure = "rx: 01 value"
                [[websocket]]
                names = ["overlaid"]
                [[model]]
                fallback = "Overlaid"
                features = [{{ oscillate = 9 }}, {{ pressure = "subscribe", range = [0, 9] }}]
                [[example]]
                do = ["subscribe pressure 1", "hear rx: 01 05", "wait 500 ms"]
                write = ["subscribe rx", [], "a0 00"]
                reading = "pressure 1 = 5"
                "#
            );
            let file = parse("overlaid.toml", &text).unwrap();
            let mut catalogue = Catalogue::builtin();
            catalogue.add_definition("overlaid.toml", &text).unwrap();
            let candidate = catalogue.protocol("overlaid").unwrap();
            for vector in &file.vectors {
                assert_eq!(rehearse(&candidate, vector, Instant::now()), Ok(()), "{code}");
            }
        }
    }
}
