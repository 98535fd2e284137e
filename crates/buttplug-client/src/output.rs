//! What an output shall do, in the words of an application, and the check against what the device has announced.
//! The only place of the client where values become steps.

use crate::error::{InvalidCommand, Target};
use buttplug_core::message::{
    ClientRequest, DeviceDescription, Feature, NamedOutputCmd, OutputCmd, OutputDescription,
};
use buttplug_core::output::{OutputCommand, OutputKind, StepRange};
use std::time::Duration;

/// How much: of full power, or in the device's own steps. There is no conversion from bare numbers, so that step 1
/// and full power can't be mistaken for each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of the largest step, 0 to 1. Anything above 0 is rounded up to at least one step. Negative, down to -1, is the
    /// other direction of an output that has one.
    Fraction(f64),
    /// In steps of the range the server has announced.
    Steps(i32),
}

/// What one output shall do.
///
/// ```
/// use buttplug_client::{Output, Value, core::OutputKind};
/// use std::time::Duration;
///
/// let half = Output::new(OutputKind::Vibrate, Value::Fraction(0.5));
/// let slowly_up = Output::timed_position(Value::Steps(100), Duration::from_millis(800)).clamped();
/// let of_a_newer_server = Output::named("Warp", 3, None);
/// assert_eq!((half.name(), slowly_up.name()), ("Vibrate", "HwPositionWithDuration"));
/// assert_eq!((of_a_newer_server.name(), of_a_newer_server.kind()), ("Warp", None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    what: What,
    duration: Option<Duration>,
    clamped: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Known(OutputKind, Value),
    /// An output whose name and range only the server knows.
    Named(String, i32),
}

impl Output {
    /// Sets `kind` to `value`. For [`OutputKind::HwPositionWithDuration`] this means at once; see
    /// [`timed_position`](Self::timed_position).
    pub fn new(kind: OutputKind, value: Value) -> Self {
        Self { what: What::Known(kind, value), duration: None, clamped: false }
    }

    /// Moves to `value` so that it arrives after `duration`, which is rounded to whole milliseconds.
    pub fn timed_position(value: Value, duration: Duration) -> Self {
        Self { duration: Some(duration), ..Self::new(OutputKind::HwPositionWithDuration, value) }
    }

    /// Sets the output with this name on the wire: the way to outputs of newer servers, which
    /// [`Feature::unknown_outputs`](crate::Feature::unknown_outputs) lists. Their steps are checked by the server alone;
    /// durations are rounded to whole milliseconds. A name that is known here stands for its [`OutputKind`], with all
    /// checks.
    pub fn named(name: impl Into<String>, steps: i32, duration: Option<Duration>) -> Self {
        let name = name.into();
        let what = match OutputKind::from_name(&name) {
            Some(kind) => What::Known(kind, Value::Steps(steps)),
            None => What::Named(name, steps),
        };
        Self { what, duration, clamped: false }
    }

    /// The same, but steps, fractions and durations outside the device's range are replaced by the nearest inside
    /// instead of being refused. What is no number is refused nevertheless; of outputs that are not known here no range
    /// is known either.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self { clamped: true, ..self }
    }

    /// The kind of output; `None` for one that only newer servers know.
    pub fn kind(&self) -> Option<OutputKind> {
        match &self.what {
            What::Known(kind, _) => Some(*kind),
            What::Named(..) => None,
        }
    }

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match &self.what {
            What::Known(kind, _) => kind.name(),
            What::Named(name, _) => name,
        }
    }

    /// The message for one feature.
    pub(crate) fn for_feature(
        &self,
        device: &DeviceDescription,
        feature: &Feature,
    ) -> Result<ClientRequest, InvalidCommand> {
        let target = || target(device, Some(feature));
        match &self.what {
            What::Known(kind, value) => {
                let output = feature.output(*kind).ok_or_else(|| self.missing(target()))?;
                let value = self.steps(*kind, *value, output.range, target)?;
                let command = match (*kind, self.duration) {
                    (OutputKind::HwPositionWithDuration, duration) => OutputCommand::timed_position(
                        value,
                        self.milliseconds(output, duration.unwrap_or_default(), target)?,
                    ),
                    (kind, None) => OutputCommand::new(kind, value),
                    (kind, Some(_)) => return Err(InvalidCommand::NoDuration { target: target(), kind }),
                };
                let command = OutputCmd { device: device.index, feature: feature.index, command };
                Ok(ClientRequest::Output(command))
            }
            What::Named(name, steps) if feature.unknown_outputs.contains(name) => {
                Ok(ClientRequest::NamedOutput(NamedOutputCmd {
                    device: device.index,
                    feature: feature.index,
                    name: name.clone(),
                    value: *steps,
                    duration_ms: self.duration.map(|time| rounded(time).try_into().unwrap_or(u32::MAX)),
                }))
            }
            What::Named(..) => Err(self.missing(target())),
        }
    }

    /// The messages for all features of a device that have this output. Either all are valid or none is returned.
    pub(crate) fn for_device(
        &self,
        device: &DeviceDescription,
    ) -> Result<Vec<ClientRequest>, InvalidCommand> {
        let has_it = |feature: &&Feature| match &self.what {
            What::Known(kind, _) => feature.output(*kind).is_some(),
            What::Named(name, _) => feature.unknown_outputs.contains(name),
        };
        let matching = device.features.iter().filter(has_it);
        let commands: Vec<_> =
            matching.map(|feature| self.for_feature(device, feature)).collect::<Result<_, _>>()?;
        if commands.is_empty() {
            return Err(self.missing(target(device, None)));
        }
        Ok(commands)
    }

    fn missing(&self, target: Target) -> InvalidCommand {
        match &self.what {
            What::Known(kind, _) => InvalidCommand::NoOutput { target, kind: *kind },
            What::Named(name, _) => InvalidCommand::NoNamedOutput { target, name: name.clone() },
        }
    }

    fn steps(
        &self,
        kind: OutputKind,
        value: Value,
        range: StepRange,
        target: impl Fn() -> Target,
    ) -> Result<i32, InvalidCommand> {
        match value {
            Value::Steps(steps) if range.contains(steps) => Ok(steps),
            Value::Steps(steps) if self.clamped => Ok(range.clamp(steps)),
            Value::Steps(value) => {
                Err(InvalidCommand::StepsOutOfRange { target: target(), kind, value, range })
            }
            Value::Fraction(fraction) => {
                let lowest = if range.min() < 0 { -1.0 } else { 0.0 };
                let fraction = if self.clamped { fraction.clamp(lowest, 1.0) } else { fraction };
                range.step(fraction).map_err(|reason| InvalidCommand::BadFraction {
                    target: target(),
                    kind,
                    reason,
                })
            }
        }
    }

    fn milliseconds(
        &self,
        output: &OutputDescription,
        duration: Duration,
        target: impl Fn() -> Target,
    ) -> Result<u32, InvalidCommand> {
        let rounded = i32::try_from(rounded(duration)).unwrap_or(i32::MAX);
        // A server that announces no range takes what the wire can carry.
        let range = output.duration_ms.unwrap_or(StepRange::new(0, i32::MAX));
        let ms = if self.clamped { range.clamp(rounded) } else { rounded };
        match u32::try_from(ms) {
            Ok(valid) if range.contains(ms) => Ok(valid),
            _ => Err(InvalidCommand::DurationOutOfRange {
                target: target(),
                kind: output.kind,
                duration,
                range,
            }),
        }
    }
}

fn target(device: &DeviceDescription, feature: Option<&Feature>) -> Target {
    Target { device: device.index, name: device.name.clone(), feature: feature.map(|feature| feature.index) }
}

/// Whole milliseconds.
fn rounded(duration: Duration) -> u128 {
    duration.saturating_add(Duration::from_micros(500)).as_millis()
}

/// The methods that devices and features have in common, one pair per kind of output.
macro_rules! output_methods {
    () => {
        $crate::output::output_methods! {
            /// Sets the strength of vibration.
            vibrate, vibrate_steps: Vibrate;
            /// Sets the speed of rotation; negative turns counter-clockwise where the device can.
            rotate, rotate_steps: Rotate;
            /// Sets the speed of a machine that moves back and forth by itself.
            oscillate, oscillate_steps: Oscillate;
            /// Sets the pressure of a pump or a cuff.
            constrict, constrict_steps: Constrict;
            /// Sprays.
            spray, spray_steps: Spray;
            /// Heats; negative cools where the device can.
            temperature, temperature_steps: Temperature;
            /// Sets the brightness of a light.
            led, led_steps: Led;
            /// Goes to a position at the device's own speed.
            position, position_steps: Position;
        }
    };
    ($($(#[$doc:meta])* $name:ident, $steps:ident: $kind:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// Takes a fraction; see [`Value::Fraction`](crate::Value::Fraction).
            ///
            /// # Errors
            /// See [`run_output`](Self::run_output).
            pub async fn $name(&self, fraction: f64) -> Result<(), $crate::Error> {
                self.run_output($crate::Output::new(
                    buttplug_core::OutputKind::$kind,
                    $crate::Value::Fraction(fraction),
                ))
                .await
            }

            $(#[$doc])*
            ///
            /// Takes steps of the announced range; see [`Value::Steps`](crate::Value::Steps).
            ///
            /// # Errors
            /// See [`run_output`](Self::run_output).
            pub async fn $steps(&self, steps: i32) -> Result<(), $crate::Error> {
                self.run_output($crate::Output::new(buttplug_core::OutputKind::$kind, $crate::Value::Steps(steps)))
                    .await
            }
        )*

        /// Moves to a position, 0 to 1, so that it arrives after `duration`. In steps, or clamped to what the device
        /// can do, with [`Output::timed_position`](crate::Output::timed_position).
        ///
        /// # Errors
        /// See [`run_output`](Self::run_output).
        pub async fn position_in(
            &self,
            fraction: f64,
            duration: std::time::Duration,
        ) -> Result<(), $crate::Error> {
            self.run_output($crate::Output::timed_position($crate::Value::Fraction(fraction), duration)).await
        }
    };
}
pub(crate) use output_methods;

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::message::{DeviceIndex, FeatureIndex};

    fn feature(index: u32, kind: OutputKind, range: (i32, i32), duration_ms: Option<(i32, i32)>) -> Feature {
        let duration_ms = duration_ms.map(|(min, max)| StepRange::new(min, max));
        let output = OutputDescription { kind, range: StepRange::new(range.0, range.1), duration_ms };
        Feature { index: FeatureIndex(index), outputs: vec![output], ..Feature::default() }
    }

    fn device(features: Vec<Feature>) -> DeviceDescription {
        DeviceDescription {
            index: DeviceIndex(3),
            name: String::from("Twin"),
            display_name: None,
            message_gap_ms: 0,
            features,
        }
    }

    /// What the first message says.
    fn first(commands: Result<Vec<ClientRequest>, InvalidCommand>) -> Option<OutputCommand> {
        match commands.ok()?.first()? {
            ClientRequest::Output(cmd) => Some(cmd.command),
            _ => None,
        }
    }

    fn one(range: (i32, i32)) -> DeviceDescription {
        device(vec![feature(0, OutputKind::Rotate, range, None)])
    }

    #[test]
    fn k15_to_k20_r13_c110_fractions_and_steps_become_steps_or_errors() {
        use Value::{Fraction, Steps};
        let cases = [
            ((0, 20), Fraction(0.01), Some(1)),
            ((0, 20), Fraction(0.000_000_1), Some(0)),
            ((-20, 20), Fraction(-0.51), Some(-11)),
            ((0, 20), Fraction(-0.5), None),
            ((0, 20), Fraction(1.01), None),
            ((0, 20), Fraction(f64::NAN), None),
            ((0, 20), Fraction(f64::INFINITY), None),
            ((0, 20), Steps(20), Some(20)),
            ((0, 20), Steps(21), None),
            ((0, 20), Steps(-1), None),
            ((5, 20), Fraction(0.1), Some(5)),
        ];
        for (range, value, expected) in cases {
            let commands = Output::new(OutputKind::Rotate, value).for_device(&one(range));
            let step = first(commands).map(|command| command.value());
            assert_eq!(step, expected, "{value:?} of {range:?}");
        }
    }

    #[test]
    fn r14_clamping_takes_the_nearest_value_and_still_refuses_what_is_no_number() {
        use Value::{Fraction, Steps};
        let cases = [
            ((0, 20), Steps(21), Some(20)),
            ((0, 20), Steps(-7), Some(0)),
            ((0, 20), Fraction(1.5), Some(20)),
            ((0, 20), Fraction(-0.5), Some(0)),
            ((-20, 20), Fraction(-7.0), Some(-20)),
            ((0, 20), Fraction(f64::NAN), None),
        ];
        for (range, value, expected) in cases {
            let commands = Output::new(OutputKind::Rotate, value).clamped().for_device(&one(range));
            let step = first(commands).map(|command| command.value());
            assert_eq!(step, expected, "{value:?} of {range:?}");
        }
    }

    #[test]
    fn k21_r14_durations_are_rounded_checked_and_clamped_on_request() {
        let stroker = device(vec![feature(0, OutputKind::HwPositionWithDuration, (0, 100), Some((0, 1000)))]);
        let cases = [
            (Duration::from_millis(250), false, Some(250)),
            (Duration::from_micros(1499), false, Some(1)),
            (Duration::from_micros(1500), false, Some(2)),
            (Duration::from_millis(2000), false, None),
            (Duration::from_millis(2000), true, Some(1000)),
            (Duration::MAX, false, None),
            (Duration::MAX, true, Some(1000)),
        ];
        for (duration, clamped, expected) in cases {
            let output = Output::timed_position(Value::Fraction(0.5), duration);
            let output = if clamped { output.clamped() } else { output };
            let ms = first(output.for_device(&stroker)).map(|command| command.duration_ms());
            assert_eq!(ms, expected, "{duration:?} clamped: {clamped}");
        }
    }

    #[test]
    fn k23_r11_one_invalid_feature_makes_the_whole_device_command_invalid() {
        let kind = OutputKind::Vibrate;
        let twin = device(vec![feature(0, kind, (0, 20), None), feature(1, kind, (0, 10), None)]);
        let error = Output::new(kind, Value::Steps(15)).for_device(&twin);
        assert!(
            matches!(&error, Err(InvalidCommand::StepsOutOfRange { target, value: 15, .. })
                if target.feature == Some(FeatureIndex(1))),
            "{error:?}"
        );
    }
}
