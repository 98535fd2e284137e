//! JoyHub: a spray is a pulse, which has to be ended. Everything but that is data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Frame, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::OutputKind;
use std::time::{Duration, Instant};

/// How long a spray lasts.
const SPRAY: Duration = Duration::from_millis(1000);

/// How soon the end of a spray is tried again that the hardware has refused.
const AGAIN: Duration = Duration::from_millis(100);

/// What the definition can't say.
pub(crate) struct JoyHub;

impl Code for JoyHub {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device { end: None, ended: None }))
    }
}

/// One device.
struct Device {
    /// When the spray ends, if there is one.
    end: Option<Instant>,
    /// When the end of a spray was written, if nothing was since.
    ended: Option<Instant>,
}

impl Overlay for Device {
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        for slot in outputs.changed().filter(|slot| slot.kind == OutputKind::Spray) {
            self.end = (slot.value != 0).then(|| now + SPRAY);
        }
        self.ended = None;
        data.frames(now, outputs, out);
    }

    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
        if let Some(ended) = self.ended.take() {
            self.end = Some(ended + AGAIN);
        }
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.end
    }

    fn tick(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        if self.end.is_none_or(|end| end > now) {
            return;
        }
        self.end = None;
        self.ended = Some(now);
        let mut ended = outputs.clone();
        for slot in ended.slots_mut() {
            slot.changed = slot.kind == OutputKind::Spray;
            slot.value = if slot.changed { 0 } else { slot.value };
        }
        data.frames(now, &ended, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Catalogue;
    use crate::definition::parse;
    use crate::rehearsal::rehearse;
    use std::time::Instant;

    #[test]
    fn a_spray_ends_after_a_second_and_a_new_one_lasts_as_long() {
        let text = r#"
            code = "joyhub"
            [write]
            vibrate = "a0 value"
            spray = "a1 value"
            [[websocket]]
            names = ["sprays"]
            [[model]]
            fallback = "Sprays"
            features = [{ vibrate = 9 }, { spray = 1 }]
            [[example]]
            do = ["spray 1 1", "vibrate 0 5", "wait 999 ms", "wait 1 ms", "vibrate 0 3", "wait 5000 ms"]
            write = ["a1 01", "a0 05", [], "a1 00", "a0 03", []]
            [[example]]
            do = ["spray 1 1", "wait 600 ms", "spray 1 1", "wait 999 ms", "wait 1 ms", "spray 1 1", "stop", "wait 5000 ms"]
            write = ["a1 01", [], "a1 01", [], "a1 00", "a1 01", ["a0 00", "a1 00"], []]
        "#;
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("sprays.toml", text).unwrap();
        let candidate = catalogue.protocol("sprays").unwrap();
        for vector in parse("sprays.toml", text).unwrap().vectors {
            rehearse(&candidate, &vector, Instant::now()).unwrap();
        }
    }
}
