//! Who takes part: simulated devices, what the client knows of them, and how both are shown.

use super::bars;
use super::screen::{Ink, Screen};
use buttplug_client::core::{InputKind, OutputKind, StepRange};
use buttplug_client::{Device, Error, Feature, Output, Value};
use buttplug_hardware_simulated::{Archetype, SimulatedDevice, Told};
use std::io::Write;
use std::time::Duration;
use tokio::time::Instant;

/// The simulated devices.
pub(super) struct Props {
    all: Vec<Prop>,
}

struct Prop {
    archetype: Archetype,
    hardware: SimulatedDevice,
    battery: u8,
}

impl Props {
    pub(super) fn new() -> Self {
        let prop = |archetype: Archetype, battery| {
            let hardware = SimulatedDevice::new(archetype, format!("simulated:demo-{archetype}"));
            hardware.set_battery(battery);
            Prop { archetype, hardware, battery }
        };
        Self {
            all: vec![
                prop(Archetype::TwoMotorVibrator, 87),
                prop(Archetype::Rotator, 64),
                prop(Archetype::Stroker, 92),
                prop(Archetype::PressureSensor, 55),
            ],
        }
    }

    /// Handles to the hardware.
    pub(super) fn devices(&self) -> Vec<SimulatedDevice> {
        self.all.iter().map(|prop| prop.hardware.clone()).collect()
    }

    /// Ties the hardware to what the client sees of it, by what only this kind of device has.
    pub(super) fn cast(&self, devices: &[Device]) -> Vec<Actor> {
        let plays = |device: &Device, archetype| match archetype {
            Archetype::TwoMotorVibrator => device.features_with_output(OutputKind::Vibrate).len() == 2,
            Archetype::Rotator => device.has_output(OutputKind::Rotate),
            Archetype::Stroker => device.has_output(OutputKind::HwPositionWithDuration),
            Archetype::PressureSensor => device.has_input(InputKind::Pressure),
            Archetype::OneMotorVibrator | Archetype::Oscillator | Archetype::Pump | Archetype::Warmer => {
                false
            }
        };
        let find = |prop: &Prop| {
            let device = devices.iter().find(|device| plays(device, prop.archetype))?;
            device.has_input(InputKind::Battery).then(|| Actor::new(prop, device.clone()))
        };
        self.all.iter().filter_map(find).collect()
    }
}

/// One device, from both sides.
pub(super) struct Actor {
    pub(super) hardware: SimulatedDevice,
    pub(super) device: Device,
    pub(super) battery: u8,
    pub(super) parts: Vec<Part>,
    pub(super) sensor: Option<Sensor>,
}

/// What is pressed, and what was heard of it.
pub(super) struct Sensor {
    pub(super) range: StepRange,
    pub(super) pressed: u16,
    pub(super) heard: Option<i32>,
}

impl Actor {
    fn new(prop: &Prop, device: Device) -> Self {
        let mut parts = Vec::new();
        let mut sensor = None;
        for feature in device.features() {
            for output in feature.outputs() {
                // A position that has a duration as well is moved with it.
                let twice = feature.output(OutputKind::HwPositionWithDuration).is_some();
                if output.kind != OutputKind::Position || !twice {
                    parts.push(Part::new(prop, &device, feature.clone(), output.kind, output.range));
                }
            }
            if let Some(input) = feature.input(InputKind::Pressure) {
                let range = input.ranges.first().copied().unwrap_or(StepRange::new(0, 100));
                sensor = Some(Sensor { range, pressed: 0, heard: None });
            }
        }
        Self { hardware: prop.hardware.clone(), device, battery: prop.battery, parts, sensor }
    }

    pub(super) fn name(&self) -> String {
        self.device.label()
    }

    /// Presses the sensor, if it is one, this hard: 0 to 1.
    pub(super) fn squeeze(&mut self, how_hard: f64) {
        if let Some(sensor) = &mut self.sensor {
            sensor.pressed = (f64::from(sensor.range.max()) * how_hard).round() as u16;
            self.hardware.set_pressure(sensor.pressed);
        }
    }

    /// One line for each output and sensor.
    pub(super) fn rows<W: Write>(&self, screen: &Screen<W>) -> Vec<String> {
        let mut name = self.name();
        let mut rows = Vec::new();
        let mut row = |ink, what: &str, bar: String, value: String| {
            let bar = screen.ink(ink, bar);
            rows.push(format!("  {:<26.26} {what:<9.9} {bar} {value:>7}", std::mem::take(&mut name)));
        };
        for part in &self.parts {
            let value = part.told().map_or(0, |told| told.value);
            let fraction = f64::from(value) / f64::from(part.range.max().max(1));
            match part.kind {
                OutputKind::Rotate => row(Ink::Rotate, "Rotate", bars::balance(fraction), value.to_string()),
                _ if part.is_position() => {
                    row(Ink::Position, "Position", bars::slider(part.shown), format!("→ {value}"));
                }
                kind => row(Ink::Vibrate, kind.name(), bars::level(fraction), value.to_string()),
            }
        }
        if let Some(sensor) = &self.sensor {
            let heard = sensor.heard.unwrap_or(0);
            let fraction = f64::from(heard) / f64::from(sensor.range.max().max(1));
            row(Ink::Pressure, "Pressure", bars::level(fraction), heard.to_string());
        }
        rows
    }
}

/// One output that takes part.
pub(super) struct Part {
    pub(super) hardware: SimulatedDevice,
    pub(super) device_name: String,
    pub(super) kind: OutputKind,
    pub(super) range: StepRange,
    feature: Feature,
    /// Where a position is on its way, 0 to 1.
    shown: f64,
    movement: Option<(Told, f64, Instant)>,
}

impl Part {
    fn new(prop: &Prop, device: &Device, feature: Feature, kind: OutputKind, range: StepRange) -> Self {
        let (hardware, device_name) = (prop.hardware.clone(), device.label());
        Self { hardware, device_name, kind, range, feature, shown: 0.5, movement: None }
    }

    pub(super) fn is_position(&self) -> bool {
        !self.kind.is_stoppable()
    }

    /// What it shall do; a position within this time.
    pub(super) fn output(&self, value: Value, duration: Duration) -> Output {
        match self.kind {
            OutputKind::HwPositionWithDuration => Output::timed_position(value, duration),
            kind => Output::new(kind, value),
        }
    }

    pub(super) async fn send(&self, output: Output) -> Result<(), Error> {
        self.feature.run_output(output).await
    }

    /// What the hardware was last told.
    pub(super) fn told(&self) -> Option<Told> {
        self.hardware.last(self.feature.index(), self.kind)
    }

    /// Follows a position that is on its way.
    pub(super) fn look(&mut self, now: Instant) {
        let Some(told) = self.told().filter(|_| self.is_position()) else { return };
        if self.movement.is_none_or(|(before, _, _)| before != told) {
            self.movement = Some((told, self.shown, now));
        }
        if let Some((told, from, since)) = self.movement {
            let to = f64::from(told.value) / f64::from(self.range.max().max(1));
            let gone = now.duration_since(since).as_secs_f64() * 1000.0 / f64::from(told.duration_ms.max(1));
            self.shown = from + (to - from) * gone.min(1.0);
        }
    }
}

/// A line about one feature: its outputs and inputs with their ranges.
pub(super) fn describe(feature: &Feature) -> String {
    let range = |range: StepRange| format!("{} to {}", range.min(), range.max());
    let outputs = feature.outputs().into_iter().map(|output| match output.duration_ms {
        Some(duration) => format!("{} {} in {} ms", output.kind, range(output.range), range(duration)),
        None => format!("{} {}", output.kind, range(output.range)),
    });
    let inputs = feature.inputs().into_iter().map(|input| {
        let ranges: Vec<String> = input.ranges.iter().copied().map(range).collect();
        format!("{} {}", input.kind, ranges.join(", "))
    });
    let abilities: Vec<String> = outputs.chain(inputs).collect();
    let label = feature.description();
    let label = if label.is_empty() { label } else { format!("  ({label})") };
    format!("       feature {}: {}{label}", feature.index(), abilities.join(", "))
}

/// What all devices were last told, in one plain line.
pub(super) fn summary(actors: &[Actor]) -> String {
    let told = actors.iter().flat_map(|actor| &actor.parts).map(|part| {
        format!("{} {} of {}", part.kind, part.told().map_or(0, |told| told.value), part.range.max())
    });
    let heard = actors.iter().filter_map(|actor| actor.sensor.as_ref());
    let heard =
        heard.map(|sensor| format!("Pressure {} of {}", sensor.heard.unwrap_or(0), sensor.range.max()));
    format!("  {}", told.chain(heard).collect::<Vec<_>>().join(", "))
}
