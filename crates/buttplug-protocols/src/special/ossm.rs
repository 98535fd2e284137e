//! OSSM: a machine that strokes by itself or goes to positions, in one of two modes that have to be entered first. What is
//! written within a mode is data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, Frames};
use crate::protocol::{Outputs, Protocol, Reading};
use buttplug_core::OutputKind;
use serde::Deserialize;
use std::time::Instant;

/// A speed, whatever its number.
const SPEED: &[u8] = b"set:speed:";

/// The speed with which it goes to positions: as fast as they ask for.
const FULL_SPEED: &[u8] = b"set:speed:100";

/// What a stop is.
const REST: &[u8] = b"set:speed:0";

/// What the definition can't say.
pub(crate) struct Ossm;

impl Code for Ossm {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Machine { mode: None, reported: None, halted: false }))
    }
}

/// One machine.
struct Machine {
    /// The mode it was told to enter last.
    mode: Option<Mode>,
    /// The mode it says it is in; `None`: another one, such as its menu.
    reported: Option<Mode>,
    /// It was stopped, so that its speed has to be set before it goes anywhere.
    halted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Stroking,
    Streaming,
}

impl Mode {
    /// As the machine writes it.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "strokeEngine" => Some(Self::Stroking),
            "streaming" => Some(Self::Streaming),
            _ => None,
        }
    }

    fn enter(self) -> &'static [u8] {
        match self {
            Self::Stroking => b"go:strokeEngine",
            Self::Streaming => b"go:streaming",
        }
    }
}

/// What it says whenever something changes.
#[derive(Deserialize)]
struct Report {
    state: String,
}

impl Overlay for Machine {
    /// Of two changes in one call the stroking counts, since its zero may be a stop, and after a stop nothing may move.
    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        let stroking = outputs.changed().find(|slot| slot.kind == OutputKind::Oscillate);
        match stroking {
            Some(slot) if slot.value <= 0 => self.halted = true,
            Some(_) => {
                self.enter(Mode::Stroking, out);
                self.halted = false;
            }
            None if outputs.changed().next().is_some() => {
                self.enter(Mode::Streaming, out);
                if std::mem::take(&mut self.halted) {
                    out.push(frame(Endpoint::Tx, FULL_SPEED));
                }
            }
            None => {}
        }
        let before = out.len();
        data.frames(now, outputs, out);
        if stroking.is_some() {
            let commands = out.split_off(before);
            out.extend(commands.into_iter().filter(|frame| frame.data.starts_with(SPEED)));
            // Whatever words a definition has for it: a stop is written.
            if out.len() == before && self.halted {
                out.push(frame(Endpoint::Tx, REST));
            }
        }
    }

    /// A mode that may not have been entered is entered again, and so with a speed.
    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
        let lost = |start: &[u8]| frames.iter().any(|frame| frame.data.starts_with(start));
        if lost(b"go:") {
            self.mode = None;
        }
        self.halted |= lost(SPEED);
    }

    /// Whoever enters a mode, the machine's own knob lets go of the speed, and the stroke is as long as it can be. For
    /// positions the speed is not limited; but a stop, and the speed of a stroking, must not be lifted by a report that
    /// comes late.
    fn notified(
        &mut self,
        _data: &mut dyn Protocol,
        _now: Instant,
        endpoint: Endpoint,
        data: &[u8],
        _readings: &mut Vec<Reading>,
        out: &mut Frames,
    ) {
        let Ok(Report { state }) = serde_json::from_slice(data) else { return };
        let mode = state.split('.').next().and_then(Mode::from_name);
        if endpoint != Endpoint::Rx || mode == std::mem::replace(&mut self.reported, mode) {
            return;
        }
        let Some(mode) = mode else { return };
        out.push(frame(Endpoint::TxMode, b"false"));
        out.push(frame(Endpoint::Tx, b"set:depth:100"));
        out.push(frame(Endpoint::Tx, b"set:stroke:100"));
        if (mode, self.mode) == (Mode::Streaming, Some(Mode::Streaming)) && !self.halted {
            out.push(frame(Endpoint::Tx, FULL_SPEED));
        }
    }
}

impl Machine {
    fn enter(&mut self, mode: Mode, out: &mut Frames) {
        if self.mode.replace(mode) != Some(mode) {
            out.push(frame(Endpoint::Tx, b"go:menu"));
            out.push(frame(Endpoint::Tx, mode.enter()));
        }
    }
}

fn frame(endpoint: Endpoint, text: &[u8]) -> Frame {
    Frame::new(endpoint, text).with_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::definition::Vector;
    use OutputKind::{HwPositionWithDuration, Oscillate};
    use buttplug_core::FeatureIndex;

    fn machine() -> Box<dyn Protocol> {
        let candidate = Catalogue::builtin().protocol("ossm").unwrap();
        let (sighting, model) = (Vector::default().sighting(), candidate.model(None).unwrap());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        candidate.build(setup).unwrap()
    }

    fn texts(frames: &[Frame]) -> Vec<String> {
        frames.iter().map(|frame| String::from_utf8_lossy(&frame.data).into_owned()).collect()
    }

    /// Sets outputs at once; positions in 100 ms.
    fn set(machine: &mut dyn Protocol, values: &[(OutputKind, i32)]) -> Frames {
        let feature = FeatureIndex(0);
        let mut outputs = Outputs::at_rest([(feature, Oscillate), (feature, HwPositionWithDuration)]);
        for (kind, value) in values {
            let slot = outputs.get_mut(feature, *kind).unwrap();
            (slot.value, slot.duration_ms, slot.changed) = (*value, 100, true);
        }
        let mut frames = Frames::new();
        machine.frames(Instant::now(), &outputs, &mut frames);
        frames
    }

    fn hear(machine: &mut dyn Protocol, endpoint: Endpoint, text: &str) -> Vec<String> {
        let mut frames = Frames::new();
        machine.notified(Instant::now(), endpoint, text.as_bytes(), &mut Vec::new(), &mut frames);
        texts(&frames)
    }

    #[test]
    fn a_stop_overrules_a_position_that_was_asked_for_in_the_same_moment() {
        let mut machine = machine();
        let written = set(&mut *machine, &[(Oscillate, 0), (HwPositionWithDuration, 70)]);
        assert_eq!(texts(&written), ["set:speed:0"]);
        let written = set(&mut *machine, &[(Oscillate, 9), (HwPositionWithDuration, 70)]);
        assert_eq!(texts(&written), ["go:menu", "go:strokeEngine", "set:speed:9"]);
    }

    #[test]
    fn a_report_that_comes_late_lifts_neither_a_stop_nor_the_speed_of_a_stroking() {
        for (after, last) in [(0, "set:stroke:100"), (9, "set:stroke:100")] {
            let mut machine = machine();
            set(&mut *machine, &[(HwPositionWithDuration, 70)]);
            set(&mut *machine, &[(Oscillate, after)]);
            let said = hear(&mut *machine, Endpoint::Rx, r#"{"state":"streaming"}"#);
            assert_eq!(said.last().map(String::as_str), Some(last), "{after}");
        }
    }

    #[test]
    fn a_mode_that_may_not_have_been_entered_is_entered_again() {
        let mut machine = machine();
        let written = set(&mut *machine, &[(HwPositionWithDuration, 70)]);
        machine.not_written(&written[1..]);
        let again = set(&mut *machine, &[(HwPositionWithDuration, 70)]);
        assert_eq!(again, written);
        machine.not_written(&written[2..]);
        assert_eq!(texts(&set(&mut *machine, &[(HwPositionWithDuration, 70)])), ["stream:70:100"]);
        set(&mut *machine, &[(Oscillate, 0)]);
        let written = set(&mut *machine, &[(HwPositionWithDuration, 7)]);
        assert_eq!(texts(&written), ["set:speed:100", "stream:7:100"]);
        machine.not_written(&written);
        assert_eq!(set(&mut *machine, &[(HwPositionWithDuration, 7)]), written);
    }

    #[test]
    fn whatever_is_no_report_is_passed_over() {
        let mut machine = machine();
        for text in
            ["", "streaming", "{}", "[]", r#"{"state":1}"#, r#"{"state":"streaming""#, r#"{"state":""}"#]
        {
            assert!(hear(&mut *machine, Endpoint::Rx, text).is_empty(), "{text}");
        }
        let report = r#"{"position":3,"state":"streaming.idle","speed":[1]}"#;
        assert!(hear(&mut *machine, Endpoint::RxAccel, report).is_empty());
        assert_eq!(hear(&mut *machine, Endpoint::Rx, report).len(), 3);
        assert!(hear(&mut *machine, Endpoint::Rx, report).is_empty());
    }
}
