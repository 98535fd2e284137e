//! `buttplug demo`: a server, a client and four simulated devices in one process. It shows them at work, looks at the
//! hardware's side to see whether everything arrived, and says what that proves.

mod bars;
mod cast;
mod proofs;
mod score;
mod screen;

use super::complain;
use crate::exit::Exit;
use crate::signals::{Signals, Wish};
use buttplug_client::core::{InputKind, OutputKind};
use buttplug_client::{Client, Error, Readings, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_hardware_simulated::SimulatedBus;
use buttplug_server::Server;
use cast::{Actor, Props};
use futures_util::FutureExt;
use proofs::Proofs;
use screen::{Ink, Screen};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// How long the choreography lasts where somebody watches.
const WATCHED: Duration = Duration::from_secs(8);

/// And where nobody does.
const UNWATCHED: Duration = Duration::from_millis(1400);

/// What does not reach a device of the same process in this time, does not.
const SOON: Duration = Duration::from_secs(2);

/// The beat of each quarter that is told in words where there are no bars: one with both motors at work.
const SNAPSHOT: u32 = 12;

/// How long the devices are watched for anything that comes after the stop.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// Why the demonstration could not go on.
#[derive(Debug, Error)]
enum Interrupted {
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] io::Error),
    #[error("the client failed: {0}")]
    Client(#[from] Error),
    #[error("only {found} of {wanted} simulated devices were found")]
    Missing { found: usize, wanted: usize },
    #[error("stopped by {0}")]
    Asked(&'static str),
}

/// Shows and proves.
pub(super) fn run() -> Exit {
    let mut screen = Screen::new();
    match show(&mut screen) {
        Ok(true) => Exit::Orderly,
        Ok(false) => Exit::Internal,
        Err(interrupted) => {
            screen.settle();
            complain(&interrupted);
            match interrupted {
                Interrupted::Asked(_) => Exit::Orderly,
                Interrupted::Runtime(_) | Interrupted::Client(_) | Interrupted::Missing { .. } => {
                    Exit::Internal
                }
            }
        }
    }
}

/// Answers whether everything was proved.
fn show(screen: &mut Screen<io::Stdout>) -> Result<bool, Interrupted> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::install()?;
        let props = Props::new();
        let bus = SimulatedBus::new(props.devices());
        let server = Server::builder().name("buttplug demo").bus(Arc::new(bus)).start();
        let mut proofs = Proofs::default();
        let shown = tokio::select! {
            biased;
            Wish::End(signal) | Wish::Pause(signal) = signals.next() => Err(Interrupted::Asked(signal)),
            shown = perform(&server, &props, screen, &mut proofs) => shown,
        };
        server.shut_down().await;
        shown?;
        proofs.check(
            props.devices().iter().all(|device| !device.is_connected() && device.is_at_rest()),
            "the server ended in order: every device at rest and let go of".into(),
        );
        Ok(proofs.print(screen))
    })
}

async fn perform(
    server: &Server,
    props: &Props,
    screen: &mut Screen<io::Stdout>,
    proofs: &mut Proofs,
) -> Result<(), Interrupted> {
    screen.line(screen.ink(Ink::Heading, "A server, a client and four simulated devices in one process"));
    let client = Client::new("demo");
    let info = client.connect(InProcessConnector::new(Arc::new(server.clone()))).await?;
    screen.line(format_args!("Connected to {:?}, message version {}.{}", info.name, info.major, info.minor));
    let mut actors = find(&client, props, screen).await?;
    proofs.check(
        true,
        format!("{} devices were found, each with the outputs and inputs of its kind", actors.len()),
    );
    exactly(&mut actors, screen, proofs).await?;
    let heard = play(&mut actors, screen).await?;
    arrived(&actors, heard, proofs);
    sensors(&actors, screen, proofs).await?;
    stop(&client, &actors, screen, proofs).await?;
    client.disconnect().await;
    Ok(())
}

/// Scans, and lists what was found.
async fn find(
    client: &Client,
    props: &Props,
    screen: &mut Screen<io::Stdout>,
) -> Result<Vec<Actor>, Interrupted> {
    let mut events = client.events();
    client.start_scanning().await?;
    let wanted = props.devices().len();
    let all_there = async { while client.devices().len() < wanted && events.next().await.is_some() {} };
    // Whoever has not come by then is missed below.
    let _ = timeout(SOON, all_there).await;
    client.stop_scanning().await?;
    let devices = client.devices();
    screen.line("");
    screen.line(screen.ink(Ink::Heading, "Found"));
    for device in &devices {
        screen.line(format_args!("  {}  {}", device.index(), device.label()));
        for feature in device.features() {
            screen.line(screen.ink(Ink::Quiet, cast::describe(&feature)));
        }
    }
    let actors = props.cast(&devices);
    if actors.len() < wanted {
        return Err(Interrupted::Missing { found: actors.len(), wanted });
    }
    Ok(actors)
}

/// Tells every output one value of its own and looks what the hardware got.
async fn exactly(
    actors: &mut [Actor],
    screen: &mut Screen<io::Stdout>,
    proofs: &mut Proofs,
) -> Result<(), Interrupted> {
    let mut slowest = Duration::ZERO;
    let mut outputs = 0;
    let mut wrong = Vec::new();
    for (number, part) in actors.iter().flat_map(|actor| &actor.parts).enumerate() {
        // A different one for each: an output that hears what is meant for another is found out.
        let value = part.range.max() - 1 - number as i32;
        let start = Instant::now();
        part.send(part.output(Value::Steps(value), Duration::from_millis(100))).await?;
        let told = part.hardware.wait_for(|_| part.told().is_some_and(|told| told.value == value));
        match timeout(SOON, told).await {
            Ok(()) => slowest = slowest.max(start.elapsed()),
            Err(_) => wrong.push(format!("{} {}", part.device_name, part.kind)),
        }
        outputs += 1;
    }
    screen.line("");
    screen
        .line(format_args!("From a command to the device: {:.1} ms at most", slowest.as_secs_f64() * 1000.0));
    let what = if wrong.is_empty() {
        format!("each of {outputs} outputs got exactly the value meant for it")
    } else {
        format!("each output got the value meant for it; not so: {}", wrong.join(", "))
    };
    proofs.check(wrong.is_empty(), what);
    Ok(())
}

/// The choreography. Answers how many pressure readings were heard.
async fn play(actors: &mut [Actor], screen: &mut Screen<io::Stdout>) -> Result<usize, Interrupted> {
    let length = if screen.is_live() { WATCHED } else { UNWATCHED };
    let beat = length / score::BEATS;
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut readings = None;
    for actor in actors.iter() {
        if actor.device.has_input(InputKind::Pressure) {
            readings = Some(actor.device.subscribe(InputKind::Pressure).await?);
        }
    }
    screen.line("");
    screen.line(screen.ink(Ink::Heading, "What the devices are told"));
    let beats_per_stroke = score::BEATS / score::STROKES;
    let mut heard = 0;
    for number in 0..=score::BEATS {
        beats.tick().await;
        let moment = f64::from(number) / f64::from(score::BEATS);
        for actor in actors.iter_mut() {
            actor.squeeze(score::pressure(moment));
            for (motor, part) in actor.parts.iter().enumerate() {
                let value = match part.kind {
                    OutputKind::Vibrate => score::vibration(motor, moment),
                    OutputKind::Rotate => score::rotation(moment),
                    _ if number % beats_per_stroke == 0 => {
                        score::stroke((number / beats_per_stroke) % score::STROKES)
                    }
                    _ => continue,
                };
                part.send(part.output(Value::Fraction(value), beat * beats_per_stroke)).await?;
            }
        }
        heard += listen(readings.as_mut(), actors);
        let now = Instant::now();
        for part in actors.iter_mut().flat_map(|actor| &mut actor.parts) {
            part.look(now);
        }
        screen.draw(&scene(actors, screen, moment));
        if !screen.is_live() && number % (score::BEATS / 4) == SNAPSHOT {
            screen.line(cast::summary(actors));
        }
    }
    // The last reading may still be on its way.
    sleep(Duration::from_millis(20)).await;
    heard += listen(readings.as_mut(), actors);
    screen.settle();
    Ok(heard)
}

/// Takes the readings that have come. Answers how many.
fn listen(readings: Option<&mut Readings>, actors: &mut [Actor]) -> usize {
    let mut heard = 0;
    let Some(readings) = readings else { return heard };
    while let Some(Some(value)) = readings.next().now_or_never() {
        heard += 1;
        for sensor in actors.iter_mut().filter_map(|actor| actor.sensor.as_mut()) {
            sensor.heard = Some(value);
        }
    }
    heard
}

/// The lines of one moment.
fn scene(actors: &[Actor], screen: &Screen<io::Stdout>, moment: f64) -> Vec<String> {
    let mut lines: Vec<String> = actors.iter().flat_map(|actor| actor.rows(screen)).collect();
    let writes: u64 = actors.iter().map(|actor| actor.hardware.write_count()).sum();
    let footer = format!("  {:>3.0} %   {writes} writes have arrived", moment * 100.0);
    lines.push(screen.ink(Ink::Quiet, footer));
    lines
}

/// What must be true of the hardware after the choreography.
fn arrived(actors: &[Actor], heard: usize, proofs: &mut Proofs) {
    for actor in actors {
        let writes = actor.hardware.write_count();
        if let Some(sensor) = &actor.sensor {
            let what = format!("{}: {heard} readings arrived, the last of {}", actor.name(), sensor.pressed);
            proofs.check(heard > 10 && sensor.heard == Some(sensor.pressed.into()), what);
        }
        if !actor.parts.is_empty() {
            let least = if actor.parts.iter().any(cast::Part::is_position) {
                score::STROKES / 2
            } else {
                score::BEATS / 2
            };
            let what = format!("{}: {writes} writes arrived", actor.name());
            proofs.check(writes >= u64::from(least), what);
        }
    }
}

/// Reads the batteries and the pressure.
async fn sensors(
    actors: &[Actor],
    screen: &mut Screen<io::Stdout>,
    proofs: &mut Proofs,
) -> Result<(), Interrupted> {
    screen.line("");
    screen.line(screen.ink(Ink::Heading, "What the devices tell"));
    let mut all = true;
    for actor in actors {
        let charge = actor.device.battery_percent().await?;
        all &= charge == actor.battery;
        screen.line(format_args!("  {:<28} battery {charge} %", actor.name()));
        if let Some(sensor) = &actor.sensor {
            screen.line(format_args!(
                "  {:<28} Pressure {} of {}",
                "",
                sensor.heard.unwrap_or(0),
                sensor.range.max()
            ));
        }
    }
    proofs.check(all, "every battery reads what the device has".into());
    Ok(())
}

/// Sets everything in motion once more, and stops it.
async fn stop(
    client: &Client,
    actors: &[Actor],
    screen: &mut Screen<io::Stdout>,
    proofs: &mut Proofs,
) -> Result<(), Interrupted> {
    let movable = || actors.iter().filter(|actor| actor.parts.iter().any(|part| part.kind.is_stoppable()));
    for part in actors.iter().flat_map(|actor| &actor.parts) {
        part.send(part.output(Value::Fraction(0.8), Duration::from_millis(100))).await?;
    }
    for actor in movable() {
        let moving = actor.hardware.wait_for(|hardware| !hardware.is_at_rest());
        let moving = timeout(SOON, moving).await.is_ok();
        proofs.check(moving, format!("{}: in motion before the stop", actor.name()));
    }
    let start = Instant::now();
    client.stop_all().await?;
    let took = start.elapsed();
    let rested = actors.iter().all(|actor| actor.hardware.is_at_rest());
    let before: Vec<u64> = actors.iter().map(|actor| actor.hardware.write_count()).collect();
    sleep(AFTERWARDS).await;
    let after: Vec<u64> = actors.iter().map(|actor| actor.hardware.write_count()).collect();
    screen.line("");
    screen.line(format_args!("Stopped everything in {:.1} ms", took.as_secs_f64() * 1000.0));
    proofs.check(rested, "when the stop was answered, every device had been told zero".into());
    proofs.check(
        before == after,
        format!("nothing was written in the {} ms after the stop", AFTERWARDS.as_millis()),
    );
    Ok(())
}
