//! Lovense: text commands, chosen by what a model has.
//!
//! Models, services, vectors and the plain commands are data (`devices/lovense.toml`). Code is what depends on the past
//! or on the clock: the [question](identification) which model it is, the [battery], whose answer comes between others,
//! the direction of a rotating head, and the movements of a [stroker]. Nothing waits for the `OK;` that follows a command.

mod battery;
mod identification;
mod stroker;

use super::Code;
use super::overlay::{Overlay, over};
use super::rotator::Rotator;
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::model::Model;
use crate::protocol::{Heard, Identification, Outputs, Protocol, Topic, Turn};
use crate::sighting::Sighting;
use battery::BatteryQuery;
use buttplug_core::{FeatureIndex, InputKind, OutputKind};
use identification::ModelQuery;
use std::fmt::{self, Write as _};
use std::time::Instant;
use stroker::Stroker;

/// What the definition can't say.
pub(crate) struct Lovense;

impl Code for Lovense {
    fn identification(&self, sighting: &Sighting) -> Option<Box<dyn Identification>> {
        Some(Box::new(ModelQuery::new(sighting.name())))
    }

    fn variant(&self, setup: &Setup<'_>) -> Option<&'static str> {
        Family::of(setup.identifier, setup.model).variant()
    }

    fn protocol(&self, setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        let family = Family::of(setup.identifier, setup.model);
        // Only a model of a person's own can have one; better no device than one that does not listen.
        if let Some((feature, output)) = setup.model.outputs().find(|(_, output)| !family.drives(output.kind))
        {
            return Err(format!("there is no Lovense command for {} of feature {}", output.kind, feature.0));
        }
        let motion = match family {
            Family::Single | Family::Max | Family::Dual | Family::Multi => Motion::Plain,
            Family::Rotator => {
                Motion::Rotator(Rotator::new(b"Rotate:", command(format_args!("RotateChange"))))
            }
            Family::Solace => Motion::Stroker(Stroker::solace()),
            Family::SolacePro => Motion::Stroker(Stroker::solace_pro()),
        };
        Ok(over(data, Device { motion, battery: BatteryQuery::default() }))
    }
}

/// Which commands a model listens to. It follows from the features, so that a model of a person's own needs no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// One motor.
    Single,
    /// One motor and an air pump.
    Max,
    /// One motor and a rotating head.
    Rotator,
    /// Two motors, each with a command of its own.
    Dual,
    /// More motors, all in one command.
    Multi,
    /// A stroking machine that oscillates.
    Solace,
    /// A stroking machine that also goes to positions.
    SolacePro,
}

impl Family {
    fn of(identifier: Option<&str>, model: &Model) -> Self {
        let having = |kinds: &[OutputKind]| {
            let has = |kind| kinds.contains(&kind);
            model
                .features
                .iter()
                .filter(|feature| feature.outputs.iter().any(|output| has(output.kind)))
                .count()
        };
        let moving = having(&OutputKind::ALL);
        let motors = having(&[OutputKind::Vibrate, OutputKind::Oscillate]);
        let vibrator_and_one = moving == 2 && having(&[OutputKind::Vibrate]) == 1;
        match identifier {
            Some("H") => Self::Solace,
            Some("BA") => Self::SolacePro,
            _ if moving == 1 => Self::Single,
            _ if vibrator_and_one && having(&[OutputKind::Constrict]) == 1 => Self::Max,
            _ if vibrator_and_one && having(&[OutputKind::Rotate]) == 1 => Self::Rotator,
            _ if motors > 2 || (motors == 2 && moving > 2) => Self::Multi,
            _ => Self::Dual,
        }
    }

    /// The definition's variant with its frames.
    fn variant(self) -> Option<&'static str> {
        match self {
            Self::Single => Some("single"),
            Self::Max => Some("max"),
            Self::Rotator => Some("rotator"),
            Self::Dual => Some("dual"),
            Self::Multi => Some("multi"),
            Self::Solace | Self::SolacePro => None,
        }
    }

    fn drives(self, kind: OutputKind) -> bool {
        use OutputKind::{Constrict, HwPositionWithDuration, Oscillate, Rotate, Vibrate};
        match self {
            Self::Single | Self::Dual => matches!(kind, Vibrate | Oscillate),
            Self::Max => matches!(kind, Vibrate | Oscillate | Constrict),
            Self::Rotator | Self::Multi => matches!(kind, Vibrate | Oscillate | Rotate),
            Self::Solace | Self::SolacePro => matches!(kind, Oscillate | HwPositionWithDuration),
        }
    }
}

/// One device.
struct Device {
    motion: Motion,
    battery: BatteryQuery,
}

/// What there is beyond the definition's frames.
enum Motion {
    Plain,
    Rotator(Rotator),
    Stroker(Stroker),
}

impl Overlay for Device {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        match topic {
            Topic::Read(input) if input.kind == InputKind::Battery => self.battery.next(heard),
            topic => data.converse(topic, heard),
        }
    }

    fn frames(&mut self, data: &mut dyn Protocol, now: Instant, outputs: &Outputs, out: &mut Frames) {
        if let Motion::Stroker(stroker) = &mut self.motion {
            return stroker.frames(now, outputs, out);
        }
        let before = out.len();
        data.frames(now, outputs, out);
        if let Motion::Rotator(rotator) = &mut self.motion {
            rotator.turn(outputs, before, out);
        }
    }

    fn not_written(&mut self, data: &mut dyn Protocol, frames: &[Frame]) {
        data.not_written(frames);
        match &mut self.motion {
            Motion::Plain => {}
            Motion::Rotator(rotator) => rotator.not_written(frames),
            Motion::Stroker(stroker) => stroker.not_written(frames),
        }
    }

    fn counts(&self, data: &dyn Protocol, frame: &Frame) -> bool {
        matches!(&self.motion, Motion::Rotator(rotator) if rotator.counts(frame)) || data.counts(frame)
    }

    fn halt(&mut self, _data: &mut dyn Protocol, _feature: FeatureIndex) {
        if let Motion::Stroker(stroker) = &mut self.motion {
            stroker.halt();
        }
    }

    fn next_tick(&self, _data: &dyn Protocol) -> Option<Instant> {
        match &self.motion {
            Motion::Stroker(stroker) => stroker.next_point(),
            Motion::Plain | Motion::Rotator(_) => None,
        }
    }

    fn tick(&mut self, _data: &mut dyn Protocol, now: Instant, _outputs: &Outputs, out: &mut Frames) {
        if let Motion::Stroker(stroker) = &mut self.motion {
            out.extend(stroker.point(now));
        }
    }
}

/// A command; the `;` is added.
fn command(words: fmt::Arguments<'_>) -> Frame {
    let mut text = Text(FrameBytes::new());
    // Writing into memory can't fail.
    let _ = text.write_fmt(words);
    text.0.push(b';');
    Frame { endpoint: Endpoint::Tx, data: text.0, response: false }
}

/// Text that is formatted right into a frame, without a `String` between.
struct Text(FrameBytes);

impl fmt::Write for Text {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        self.0.extend_from_slice(words.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::model::{ModelFeature, ModelOutput};
    use crate::sighting::Advertisement;
    use OutputKind::{Constrict, HwPositionWithDuration, Oscillate, Rotate, Vibrate};
    use buttplug_core::StepRange;

    fn model(features: &[&[OutputKind]]) -> Model {
        let output =
            |kind: &OutputKind| ModelOutput { kind: *kind, range: StepRange::new(0, 20), duration_ms: None };
        let feature = |(at, kinds): (usize, &&[OutputKind])| ModelFeature {
            index: FeatureIndex(at as u32),
            label: String::new(),
            outputs: kinds.iter().map(output).collect(),
            inputs: Vec::new(),
        };
        let features = features.iter().enumerate().map(feature).collect();
        Model { name: String::from("test"), variant: None, message_gap: None, features }
    }

    #[test]
    fn the_family_follows_from_the_features() {
        // An empty feature is one that only has inputs.
        let cases: &[(&str, &[&[OutputKind]], Family)] = &[
            ("Z", &[&[Vibrate], &[]], Family::Single),
            ("FS", &[&[Oscillate], &[]], Family::Single),
            ("X", &[&[], &[Vibrate, Oscillate]], Family::Single),
            ("B", &[&[Vibrate], &[Constrict], &[]], Family::Max),
            ("A", &[&[Vibrate], &[Rotate], &[]], Family::Rotator),
            ("P", &[&[Vibrate], &[Vibrate], &[]], Family::Dual),
            ("EA", &[&[Vibrate], &[Oscillate], &[]], Family::Dual),
            ("X", &[&[Oscillate], &[Rotate]], Family::Dual),
            ("X", &[], Family::Dual),
            ("EI-FW3", &[&[Vibrate], &[Vibrate], &[Rotate], &[]], Family::Multi),
            ("X", &[&[Vibrate], &[Oscillate], &[Constrict]], Family::Multi),
            ("U", &[&[Vibrate], &[Vibrate], &[Vibrate], &[]], Family::Multi),
            ("H", &[&[Oscillate], &[]], Family::Solace),
            ("BA", &[&[Oscillate, HwPositionWithDuration], &[]], Family::SolacePro),
        ];
        for (identifier, features, family) in cases {
            assert_eq!(Family::of(Some(identifier), &model(features)), *family, "{identifier} {features:?}");
        }
        assert_eq!(Family::of(None, &model(&[&[Vibrate], &[]])), Family::Single);
    }

    #[test]
    fn every_model_of_the_catalogue_is_in_its_family() {
        let families: &[(Family, &str)] = &[
            (Family::Single, "L S AN Z ZA W O V CA X R ToyS QB ED EZ T EI Q SD F FS"),
            (Family::Max, "B"),
            (Family::Rotator, "A C CB EL"),
            (Family::Dual, "P J OC EB N EA WD"),
            (Family::Multi, "EI-FW3 U"),
            (Family::Solace, "H"),
            (Family::SolacePro, "BA"),
        ];
        let lovense = Catalogue::builtin().protocol("lovense").unwrap();
        let mut listed = 0;
        for (family, identifiers) in families {
            for identifier in identifiers.split(' ') {
                let model = lovense.model(Some(identifier)).unwrap();
                assert_eq!(Family::of(Some(identifier), &model), *family, "{identifier}");
                listed += 1;
            }
        }
        let known = lovense.definition().groups.iter().flat_map(|group| &group.names);
        assert_eq!(known.map(|(_, identifiers)| identifiers.len()).sum::<usize>(), listed);
        for unknown in [None, Some("lovense"), Some("a")] {
            assert_eq!(lovense.model(unknown).map(|model| model.name), Some(String::from("Lovense Device")));
        }
    }

    #[test]
    fn of_all_commands_only_a_change_of_direction_counts() {
        let lovense = Catalogue::builtin().protocol("lovense").unwrap();
        let sighting = Sighting::new("", Advertisement::WebSocket { identifier: String::new() });
        for (identifier, changes) in [("A", true), ("Z", false), ("H", false)] {
            let model = lovense.model(Some(identifier)).unwrap();
            let setup = Setup {
                identifier: Some(identifier),
                model: &model,
                sighting: &sighting,
                endpoints: &[],
                seed: 0,
            };
            let device = lovense.build(setup).unwrap();
            assert_eq!(device.counts(&command(format_args!("RotateChange"))), changes, "{identifier}");
            assert!(!device.counts(&command(format_args!("Rotate:0"))), "{identifier}");
        }
    }

    #[test]
    fn a_model_with_an_output_that_has_no_command_is_refused() {
        let lovense = Catalogue::builtin().protocol("lovense").unwrap();
        let sighting = Sighting::new("", Advertisement::WebSocket { identifier: String::new() });
        let build = |features: &[&[OutputKind]], identifier| {
            let model = model(features);
            let setup = Setup { identifier, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
            lovense.build(setup).err()
        };
        assert_eq!(build(&[&[Vibrate], &[Vibrate, Oscillate]], None), None);
        let refused = build(&[&[Vibrate], &[Vibrate, Rotate]], None).unwrap_or_default();
        assert!(refused.contains("Rotate of feature 1"), "{refused}");
        assert!(build(&[&[Vibrate]], Some("H")).is_some());
    }

    #[test]
    fn commands_fit_into_a_frame_in_place() {
        for frame in [command(format_args!("FSetSite:{}", u32::MAX)), command(format_args!("RotateChange"))] {
            assert!(!frame.data.spilled() && frame.data.ends_with(b";"), "{frame}");
            assert!(frame.endpoint == Endpoint::Tx && !frame.response);
        }
    }
}
