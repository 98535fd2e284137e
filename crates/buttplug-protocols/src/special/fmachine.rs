//! F-Machine: it is told which buttons of its remote control are pressed and released. One switches it on and off, two make
//! it a step faster and slower, and it never says how it is; so both is remembered, and connecting brings it to the least
//! speed by pressing often enough.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{Heard, Outputs, Protocol, Step, Topic, Turn};
use buttplug_core::OutputKind;
use std::time::{Duration, Instant};

/// A step of speed takes the machine so long.
const STEP: Duration = Duration::from_millis(200);

/// How often slower is pressed while connecting: more than it has speeds, as a press may be missed.
const FIRST_PRESSES: u32 = 55;

/// The pause between those.
const FIRST_PAUSE: Duration = Duration::from_millis(60);

/// The least speed, below which the machine is switched off.
const LEAST: u8 = 1;

/// The greatest speed.
const GREATEST: u8 = 28;

/// What the definition can't say.
pub(crate) struct FMachine;

impl Code for FMachine {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        kind != OutputKind::Oscillate
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Machine { state: State::default(), connecting: Connecting::Subscribed }))
    }
}

/// What is done with a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    SwitchPressed = 0x01,
    SwitchReleased = 0x02,
    SpeedReleased = 0x03,
    FasterPressed = 0x05,
    SlowerPressed = 0x06,
}

impl Event {
    fn frame(self) -> Frame {
        let mut data = FrameBytes::from_slice(&[self as u8, 0x64, 0, 0, 0, 0]);
        data.extend_from_slice(b"1234");
        data.extend_from_slice(&[0; 7]);
        data.push(check(&data));
        Frame { endpoint: Endpoint::Tx, data, response: true }
    }
}

/// The check byte: it follows from how many bits are set.
fn check(bytes: &[u8]) -> u8 {
    let bits = bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let check = match bits % 3 {
        0 => 222_u32.saturating_sub(bits),
        1 => bits / 2 + 111,
        _ => bits / 3 + 177,
    };
    u8::try_from(check).unwrap_or(u8::MAX)
}

/// One machine.
struct Machine {
    state: State,
    connecting: Connecting,
}

/// How the machine is, as far as what was written says.
#[derive(Debug)]
struct State {
    running: bool,
    /// The switch was pressed and its release got lost.
    held: bool,
    /// A button of the speed was pressed and its release got lost: the machine goes on getting faster or slower.
    speed_held: bool,
    /// From [`LEAST`] to [`GREATEST`], also while it is switched off.
    speed: u8,
    /// The press that the last frames count as a step.
    counted: Option<Event>,
    /// 0: off.
    wanted: u8,
    last_step: Option<Instant>,
    /// When the next step is due; `None`: it is as fast as it shall be.
    due: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            running: false,
            held: false,
            speed_held: false,
            speed: LEAST,
            counted: None,
            wanted: 0,
            last_step: None,
            due: None,
        }
    }
}

impl State {
    /// Switching is done here; steps are taken one by one, so that a stop never waits for the rest of them. A stop also presses slower, which is right whatever the machine is: it lets go of a button whose
    /// release got lost.
    fn set(&mut self, now: Instant, wanted: u8, out: &mut Frames) {
        self.wanted = wanted;
        self.counted = None;
        // A stop lets go of it below.
        if std::mem::take(&mut self.speed_held) && wanted > 0 {
            out.push(Event::SpeedReleased.frame());
        }
        if std::mem::take(&mut self.held) {
            out.push(Event::SwitchReleased.frame());
        }
        if (wanted > 0) != self.running {
            self.running = !self.running;
            out.push(Event::SwitchPressed.frame());
            out.push(Event::SwitchReleased.frame());
        }
        self.plan(now);
        if wanted == 0 {
            if self.due.is_some_and(|due| due <= now) {
                self.step(now, out);
            } else {
                // Too soon to be sure that it counts.
                out.extend([Event::SlowerPressed.frame(), Event::SpeedReleased.frame()]);
            }
        }
    }

    fn not_written(&mut self, frames: &[Frame]) {
        let lost = |event: Event| frames.contains(&event.frame());
        if lost(Event::SwitchPressed) {
            self.running = !self.running;
        } else if lost(Event::SwitchReleased) {
            self.held = true;
        }
        match self.counted.take().filter(|step| lost(*step)) {
            Some(Event::FasterPressed) => self.speed = self.speed.saturating_sub(1),
            Some(_) => self.speed += 1,
            None if lost(Event::SpeedReleased) => self.speed_held = true,
            None => return,
        }
        self.due = self.last_step.map(|at| at + STEP);
    }

    /// Takes a step, if one is due, or lets go of a button first whose release got lost.
    fn step(&mut self, now: Instant, out: &mut Frames) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.counted = None;
        if !std::mem::take(&mut self.speed_held) {
            let faster = self.goal() > self.speed;
            let press = if faster { Event::FasterPressed } else { Event::SlowerPressed };
            self.speed = if faster { self.speed + 1 } else { self.speed.saturating_sub(1) };
            self.counted = Some(press);
            out.push(press.frame());
        }
        out.push(Event::SpeedReleased.frame());
        self.last_step = Some(now);
        self.plan(now);
    }

    fn plan(&mut self, now: Instant) {
        let due = self.last_step.map_or(now, |last| now.max(last + STEP));
        self.due = (self.goal() != self.speed).then_some(due);
    }

    fn goal(&self) -> u8 {
        self.wanted.max(LEAST)
    }
}

/// What connecting waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connecting {
    Subscribed,
    /// After so many presses before.
    Pressed(u32),
    Released(u32),
    Paused(u32),
}

impl Connecting {
    fn next(&mut self, heard: Heard<'_>) -> Turn<Option<i32>> {
        if let Heard::Failed(reason) = heard {
            return Turn::Fail(reason.to_owned());
        }
        if heard == Heard::Start {
            *self = Self::Subscribed;
            return Turn::Do(Step::Subscribe(Endpoint::Rx));
        }
        let press = |presses: u32| (Self::Pressed(presses), Step::Write(Event::SlowerPressed.frame()));
        let (state, step) = match *self {
            Self::Subscribed => press(0),
            Self::Pressed(presses) => (Self::Released(presses), Step::Write(Event::SpeedReleased.frame())),
            Self::Released(presses) => (Self::Paused(presses + 1), Step::Pause(FIRST_PAUSE)),
            Self::Paused(presses) if presses < FIRST_PRESSES => press(presses),
            Self::Paused(_) => return Turn::Done(None),
        };
        *self = state;
        Turn::Do(step)
    }
}

impl Overlay for Machine {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        if topic != Topic::Connect {
            return data.converse(topic, heard);
        }
        if heard == Heard::Start {
            self.state = State::default();
        }
        self.connecting.next(heard)
    }

    fn frames(&mut self, _data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        if let Some(slot) = outputs.changed().find(|slot| slot.kind == OutputKind::Oscillate) {
            let wanted = u8::try_from(slot.value.max(0)).unwrap_or(GREATEST).min(GREATEST);
            self.state.set(now, wanted, out);
        }
    }

    fn not_written(&mut self, _data: &mut dyn Protocol, frames: &[Frame]) {
        self.state.not_written(frames);
    }

    /// A press does; to let go of a button twice does no harm.
    fn counts(&self, _data: &dyn Protocol, frame: &Frame) -> bool {
        [Event::SwitchPressed, Event::FasterPressed, Event::SlowerPressed]
            .iter()
            .any(|press| press.frame() == *frame)
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        self.state.due
    }

    fn tick(&mut self, _data: &mut dyn Protocol, now: Instant, _outputs: &Outputs, out: &mut Frames) {
        self.state.step(now, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vibcrafter::tests::bytes;
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::definition::Vector;
    use proptest::prelude::*;

    /// The codes of events.
    fn codes(frames: &[Frame]) -> Vec<u8> {
        frames.iter().map(|frame| frame.data[0]).collect()
    }

    fn set(state: &mut State, now: Instant, wanted: u8) -> Frames {
        let mut frames = Frames::new();
        state.set(now, wanted, &mut frames);
        frames
    }

    /// Takes steps until none is due: their codes, and when they were taken.
    fn steps(state: &mut State, start: Instant) -> (Vec<u8>, Vec<u128>) {
        let (mut frames, mut times) = (Frames::new(), Vec::new());
        while let Some(due) = state.due {
            times.push(due.saturating_duration_since(start).as_millis());
            state.step(due, &mut frames);
        }
        (codes(&frames), times)
    }

    #[test]
    fn the_check_byte_follows_from_the_bits() {
        let begins = |code: &str| bytes(&format!("{code} 64 00 00 00 00 31 32 33 34 00 00 00 00 00 00 00"));
        for (code, expected) in
            [("01", 0xb6), ("02", 0xb6), ("03", 0xcc), ("05", 0xcc), ("06", 0xcc), ("07", 0x78)]
        {
            assert_eq!(check(&begins(code)), expected, "{code}");
        }
        for said in [
            "05 64 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 d8",
            "02 64 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 71",
        ] {
            let (expected, rest) =
                bytes(said).split_last().map(|(last, rest)| (*last, rest.to_vec())).unwrap();
            assert_eq!(check(&rest), expected, "{said}");
        }
        assert_eq!(check(&[0xff; 400]), u8::MAX);
    }

    #[test]
    fn connecting_presses_slower_until_it_can_be_no_slower() {
        let mut connecting = Connecting::Released(7);
        assert_eq!(connecting.next(Heard::Start), Turn::Do(Step::Subscribe(Endpoint::Rx)));
        for press in 0..55 {
            let expected = [
                Step::Write(Event::SlowerPressed.frame()),
                Step::Write(Event::SpeedReleased.frame()),
                Step::Pause(Duration::from_millis(60)),
            ];
            for step in expected {
                assert_eq!(connecting.next(Heard::Done), Turn::Do(step), "{press}");
            }
        }
        assert_eq!(connecting.next(Heard::Done), Turn::Done(None));
        assert_eq!(connecting.next(Heard::Failed("gone")), Turn::Fail("gone".into()));
    }

    #[test]
    fn a_stop_between_steps_switches_off_at_once_and_goes_slower_from_there() {
        let (start, mut state) = (Instant::now(), State::default());
        assert_eq!(codes(&set(&mut state, start, 20)), [1, 2]);
        for step in 0..4 {
            state.step(start + STEP * step, &mut Frames::new());
        }
        // The fifth step is not due yet, so that slower is pressed without being counted.
        let stopped = start + STEP * 3 + Duration::from_millis(150);
        assert_eq!(codes(&set(&mut state, stopped, 0)), [1, 2, 6, 3]);
        assert_eq!(steps(&mut state, start), (vec![6, 3, 6, 3, 6, 3, 6, 3], vec![800, 1000, 1200, 1400]));
        assert_eq!((state.running, state.speed), (false, LEAST));
    }

    #[test]
    fn a_press_of_which_nobody_knows_counts_as_written_and_letting_go_is_repeated() {
        let candidate = Catalogue::builtin().protocol("fmachine").unwrap();
        let (sighting, model) = (Vector::default().sighting(), candidate.model(None).unwrap());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let machine = candidate.build(setup).unwrap();
        let (now, mut state) = (Instant::now(), State::default());
        let mut frames = set(&mut state, now, 2);
        state.step(now, &mut frames);
        frames.extend(set(&mut state, now, 0));
        let counting: Vec<_> = frames.iter().map(|frame| machine.counts(frame)).collect();
        assert_eq!(codes(&frames), [1, 2, 5, 3, 1, 2, 6, 3]);
        assert_eq!(counting, [true, false, true, false, true, false, true, false]);
    }

    #[test]
    fn a_stop_never_switches_on() {
        let mut state = State::default();
        for _ in 0..3 {
            assert_eq!(codes(&set(&mut state, Instant::now(), 0)), [6, 3]);
        }
    }

    #[test]
    fn what_got_lost_of_switching_is_made_up_for() {
        let (now, mut state) = (Instant::now(), State::default());
        // It did not go on, so a stop must not switch it on.
        let frames = set(&mut state, now, 1);
        state.not_written(&frames);
        assert_eq!(codes(&set(&mut state, now, 0)), [6, 3]);
        // It went on, and the button is still held.
        let frames = set(&mut state, now, 1);
        state.not_written(&frames[1..]);
        let frames = set(&mut state, now, 0);
        assert_eq!(codes(&frames), [2, 1, 2, 6, 3]);
        // It did not go off: only the press itself was refused.
        state.not_written(&frames[1..2]);
        assert_eq!(codes(&set(&mut state, now, 0)), [1, 2, 6, 3]);
        assert!(!state.running);
    }

    #[test]
    fn a_step_that_was_refused_is_taken_again_and_a_button_that_is_held_is_let_go_of() {
        let (start, mut state) = (Instant::now(), State::default());
        set(&mut state, start, 3);
        let take = |state: &mut State, at: u32| {
            let mut frames = Frames::new();
            state.step(start + STEP * at, &mut frames);
            frames
        };
        let refused = take(&mut state, 0);
        assert_eq!((codes(&refused), state.speed), (vec![5, 3], 2));
        state.not_written(&refused);
        assert_eq!((state.speed, state.due), (1, Some(start + STEP)));
        let half = take(&mut state, 1);
        state.not_written(&half[1..]);
        assert_eq!((state.speed, state.due), (2, Some(start + STEP * 2)));
        // The release, once more if it is lost again, and then the step that is left.
        let release = take(&mut state, 2);
        assert_eq!(codes(&release), [3]);
        state.not_written(&release);
        assert_eq!(codes(&take(&mut state, 3)), [3]);
        assert_eq!(codes(&take(&mut state, 4)), [5, 3]);
        assert_eq!((state.speed, state.due), (3, None));
    }

    #[test]
    fn whatever_comes_next_lets_go_of_a_button_that_is_held() {
        for (wanted, expected) in [(20, vec![3]), (0, vec![1, 2, 6, 3])] {
            let (now, mut state) = (Instant::now(), State::default());
            set(&mut state, now, 20);
            let mut frames = Frames::new();
            state.step(now, &mut frames);
            state.not_written(&frames[1..]);
            assert_eq!(codes(&set(&mut state, now, wanted)), expected);
        }
    }

    proptest! {
        #[test]
        fn it_runs_exactly_if_it_shall_and_comes_to_the_speed_it_shall_have(
            deeds in prop::collection::vec((0..=GREATEST, 0_u64..1500), 0..30),
        ) {
            let (mut state, mut now) = (State::default(), Instant::now());
            // What the machine does, which misses no press.
            let (mut runs, mut speed) = (false, i32::from(LEAST));
            let mut take = |frames: &[Frame]| {
                for code in codes(frames) {
                    runs ^= code == 1;
                    speed = (speed + i32::from(code == 5) - i32::from(code == 6)).clamp(1, 28);
                }
                (runs, speed)
            };
            for (wanted, ms) in deeds {
                let (runs, _) = take(&set(&mut state, now, wanted));
                prop_assert_eq!(runs, wanted > 0);
                let until = now + Duration::from_millis(ms);
                while let Some(due) = state.due.filter(|due| *due < until) {
                    let mut frames = Frames::new();
                    state.step(due, &mut frames);
                    let (runs, speed) = take(&frames);
                    prop_assert!(runs == (wanted > 0) && speed <= i32::from(state.speed));
                }
                now = until;
            }
        }
    }
}
