//! What is played: each scenario is what happens to somebody, with what must hold then.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::Client;
use super::radio::at;
use super::world::{Cast, LONG, Playing, SOON, Toy, World, hex};
use crate::engine::signal;
use crate::run::{Outcome, Tally};

type Scenario = fn(&mut World) -> Outcome;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("cast", many_makes_are_found_driven_and_stopped),
    ("terminate", the_end_of_the_program_stops_devices),
    ("kill", a_killed_engine_leaves_no_device_running),
    ("killed", a_killed_program_without_a_guard_is_followed_by_a_stop),
    ("clock", jumps_of_the_clock_change_nothing),
    ("drop", a_lost_device_comes_back_at_rest),
    ("silent", a_device_that_falls_silent_is_noticed_and_comes_back),
    ("middle", a_device_switched_off_in_the_middle_of_commands),
    ("two", one_device_does_not_silence_another),
    ("burst", the_newest_value_arrives_in_time),
    ("slow", a_slow_link_plays_out_no_second_of_old_values),
    ("bare", a_slow_link_to_hardware_with_nothing_to_read),
    ("power", an_adapter_switched_off_and_on),
    ("service", a_bluetooth_service_that_restarts),
];

/// Plays them, or only those that are named, and counts.
pub(crate) fn play(world: &mut World, only: &[String], tally: &mut Tally) -> Outcome {
    if let Some(unknown) = only.iter().find(|name| SCENARIOS.iter().all(|(known, _)| known != name)) {
        return Err(format!("there is no scenario `{unknown}`"));
    }
    let mut failed = Vec::new();
    for (name, scenario) in
        SCENARIOS.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|o| o == name))
    {
        println!("\n-- {name}");
        let began = Instant::now();
        let outcome = scenario(world);
        tally.passed += std::mem::take(&mut world.passed);
        world.clear_all()?;
        if let Err(failure) = outcome {
            println!("FAIL  {failure}");
            tally.failed += 1;
            failed.push(*name);
        }
        println!("-- {name}: {:.1} s", began.elapsed().as_secs_f64());
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(" and "))) }
}

fn lovense(name: &'static str, advertised: &str, kind: &str) -> Cast {
    let replies = json!({
        hex("'DeviceType;'"): hex(&format!("'{kind}:11:0082059AD3BD;'")),
        hex("'Battery;'"): hex("'85;'"),
    });
    let command = json!({
        "protocol": "lovense",
        "name": advertised,
        "service": "50300001-0023-4bd4-bbd5-a6920e4c5653",
        "replies": replies,
    });
    Cast { name, command }
}

fn hush() -> Cast {
    lovense("Lovense Hush", "LVS-Z001", "Z")
}

fn edge() -> Cast {
    lovense("Lovense Edge", "LVS-P002", "P")
}

fn other(name: &'static str, protocol: &str, advertised: &str) -> Cast {
    Cast { name, command: json!({ "protocol": protocol, "name": advertised }) }
}

/// One motor, two motors; manufacturer data and keepalive; a late name; positions; a battery to read; a handshake with
/// encryption; and something that nobody supports. All at the same time.
fn many_makes_are_found_driven_and_stopped(world: &mut World) -> Outcome {
    let doctor = world.doctor()?;
    world.check(
        "`buttplug doctor` says that Bluetooth is ready",
        doctor == "ok         Bluetooth: ready (hci0)",
        &doctor,
    )?;
    let from = world.radio.now();
    let one = world.add(hush())?;
    let two = world.add(edge())?;
    let satisfyer = world.add(Cast {
        name: "Satisfyer Hot Spot",
        command: json!({ "protocol": "satisfyer", "manufacturer": { "93": "00002715" } }),
    })?;
    let mut nova = other("WeVibe Nova", "wevibe", "Nova");
    nova.command["late"] = json!(1.5);
    let nova = world.add(nova)?;
    let launch = world.add(other("Fleshlight Launch", "kiiroo-v2", "Launch"))?;
    let flamingo = world.add(other("MagicMotion Flamingo", "magic-motion-1", "Flamingo"))?;
    let mut nidalee = other("VibCrafter Nidalee", "vibcrafter", "Nidalee");
    nidalee.command["handshake"] = json!(true);
    let nidalee = world.add(nidalee)?;
    let lamp = world.add(Cast { name: "a lamp", command: json!({ "name": "Bedside lamp" }) })?;
    let Playing { client, engine: _engine } = &mut world.play()?;
    let all = [&one, &two, &satisfyer, &nova, &launch, &flamingo, &nidalee];
    let mut index = Vec::new();
    for toy in all {
        index.push(client.device(toy.name, LONG)?);
        world.holds(&format!("{} is found", toy.name));
    }
    client.scan(false)?;
    // What is written for a value, and what for its stop.
    let vibrations = [
        (0, 0, 10, "'Vibrate:10;'", "'Vibrate:0;'"),
        (1, 0, 7, "'Vibrate1:7;'", "'Vibrate1:0;'"),
        (1, 1, 13, "'Vibrate2:13;'", "'Vibrate2:0;'"),
        (2, 0, 64, "40 40 40 40", "00 00 00 00"),
        (3, 0, 3, "0f 03 00 30 00 03 00 00", "0f 00 00 00 00 00 00 00"),
        (5, 0, 42, "0b ff 04 0a 32 32 00 04 08 2a 64 00", "0b ff 04 0a 32 32 00 04 08 00 64 00"),
        (
            6,
            0,
            45,
            "97 82 27 a0 44 5e 3e d2 02 92 e2 c1 01 3c 0e 4b",
            "df f0 2f 0d f4 5b 1f 07 21 62 3f 8c f1 b9 61 38",
        ),
    ];
    for (toy, feature, value, frame, _) in vibrations {
        let from = world.radio.now();
        client.vibrate(index[toy], feature, value)?;
        world.wait_write(from, all[toy], frame)?;
        world.holds(&format!("{} is told {value}", all[toy].name));
    }
    let position = json!({ "HwPositionWithDuration": { "Value": 99, "Duration": 500 } });
    client.set(index[4], 0, position)?;
    world.wait_write(from, &launch, "63 28")?;
    world.holds("Fleshlight Launch is told where to go");
    let kept = world.radio.now();
    std::thread::sleep(Duration::from_millis(1600));
    let kept = world.writes(kept, &satisfyer).len();
    world.check("Satisfyer is kept awake twice a second", (2..=5).contains(&kept), kept)?;
    for (toy, percent) in [(0, 85), (5, 85)] {
        let battery = client.battery(index[toy])?;
        world.check(&format!("the battery of {} is read", all[toy].name), battery == percent, battery)?;
    }
    let stopped = world.radio.now();
    client.stop()?;
    for (toy, _, _, _, zero) in vibrations {
        world.wait_write(stopped, all[toy], zero)?;
    }
    world.holds("all of them are told to stop");
    let touched =
        world.radio.since(from).into_iter().any(|e| e["toy"] == *lamp.id && e["event"] == "connected");
    world.check("the lamp is left alone", !touched, "it was connected")?;
    let names = client.names().len();
    world.check("nothing else is in the list", names == all.len(), format!("{:?}", client.names()))?;
    Ok(())
}

/// Two devices that run, and an engine with these flags that has found them.
fn two_running(world: &mut World, more: &[&str]) -> Outcome<(Toy, Toy, Playing, [u32; 2])> {
    let (one, two) = (world.add(hush())?, world.add(other("WeVibe Nova", "wevibe", "Nova"))?);
    let mut playing = world.play_with(more)?;
    let index = [playing.client.device(one.name, LONG)?, playing.client.device(two.name, LONG)?];
    let from = world.radio.now();
    playing.client.vibrate(index[0], 0, 12)?;
    playing.client.vibrate(index[1], 0, 3)?;
    world.wait_write(from, &one, "'Vibrate:12;'")?;
    world.wait_write(from, &two, "0f 03 00 30 00 03 00 00")?;
    Ok((one, two, playing, index))
}

const NOVA_AT_REST: &str = "0f 00 00 00 00 00 00 00";

fn the_end_of_the_program_stops_devices(world: &mut World) -> Outcome {
    let (one, two, mut playing, _) = two_running(world, &[])?;
    let from = world.radio.now();
    let began = Instant::now();
    let status = playing.engine.terminate()?;
    let took = began.elapsed();
    world.check("SIGTERM ends the program in order", status.success(), status)?;
    world.check("and soon", took < Duration::from_millis(2500), format!("{took:?}"))?;
    world.wait_write(from, &one, "'Vibrate:0;'")?;
    world.wait_write(from, &two, NOVA_AT_REST)?;
    world.holds("both devices have heard their stop");
    for toy in [&one, &two] {
        world.wait_event(from, toy, "disconnected", SOON)?;
    }
    world.holds("and their links have ended");
    let last = world.writes(from, &one).pop();
    world.check(
        "the last word was zero",
        last.as_deref() == Some(&hex("'Vibrate:0;'")),
        format!("{last:?}"),
    )?;
    Ok(())
}

/// The longest that a device may run after its engine has died, in seconds.
const MUST_REST: f64 = 2.0;

/// An engine dies with two devices running, three times; its guard is left.
fn a_killed_engine_leaves_no_device_running(world: &mut World) -> Outcome {
    let mut took = [0.0; 3];
    for time in &mut took {
        world.clear_all()?;
        let (one, two, mut playing, _) = two_running(world, &["--guard"])?;
        playing.engine.wait_for_running(2)?;
        let (from, killed) = (world.radio.now(), world.radio.mark()?);
        signal(playing.engine.guarded()?, "KILL")?;
        // Both are still connected: nobody has told Bluetooth that the engine is gone.
        let stops =
            [world.wait_write(from, &one, "'Vibrate:0;'")?, world.wait_write(from, &two, NOVA_AT_REST)?];
        let [first, second] = stops.each_ref().map(|stop| at(stop) - killed);
        println!(
            "      the devices were told to rest {first:.3} s and {second:.3} s after the engine was killed"
        );
        *time = first.max(second);
        let status = playing.engine.terminate()?;
        world.check("the guard and the next engine end in order", status.success(), status)?;
    }
    let in_time = took.iter().all(|time| *time < MUST_REST);
    world.check(&format!("no device runs for longer than {MUST_REST} s"), in_time, format!("{took:?}"))
}

fn a_killed_program_without_a_guard_is_followed_by_a_stop(world: &mut World) -> Outcome {
    let (one, two, playing, _) = two_running(world, &[])?;
    let from = world.radio.now();
    // Drops the engine, which kills it.
    drop(playing);
    std::thread::sleep(Duration::from_millis(500));
    let told = world.writes(from, &one);
    world.check("a killed program says nothing", told.is_empty(), format!("{told:?}"))?;
    let Playing { mut client, engine: _engine } = world.play()?;
    client.device(one.name, LONG)?;
    client.device(two.name, LONG)?;
    world.holds("the next one finds the devices although they are still connected");
    world.wait_write(from, &one, "'Vibrate:0;'")?;
    world.wait_write(from, &two, NOVA_AT_REST)?;
    world.holds("and stops them before anybody asks");
    Ok(())
}

fn jumps_of_the_clock_change_nothing(world: &mut World) -> Outcome {
    // Both limits are counted in the machine whose clock jumps; neither is reached while it is right.
    let limits = ["--max-ping-time", "5000", "--max-run", "600"];
    let toy = world.add(hush())?;
    let outcome = world.play_inside(&limits).and_then(|client| runs_through_jumps(world, &toy, client));
    let log =
        if outcome.is_err() { world.machine.said("program-log", "DONE program-log")? } else { String::new() };
    let ended = world.end_inside();
    outcome.map_err(|failure| format!("{failure}\n{log}"))?;
    ended
}

/// A device runs while the clock is set a day forward and a day back, and its client pings.
fn runs_through_jumps(world: &mut World, toy: &Toy, mut client: Client) -> Outcome {
    const DAY: i64 = 86_400;
    let until = Instant::now() + LONG;
    let index = loop {
        match client.device(toy.name, Duration::from_millis(500)) {
            Ok(index) => break index,
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => client.ping()?,
        }
    };
    client.scan(false)?;
    let from = world.radio.now();
    client.vibrate(index, 0, 12)?;
    world.wait_write(from, toy, "'Vibrate:12;'")?;
    let from = world.radio.now();
    // Tomorrow, and yesterday, and right again.
    for seconds in [DAY, -2 * DAY, DAY] {
        let said = world.machine.tell(&format!("clock {seconds}"), "DONE clock")?;
        let jumped = said.split_whitespace().last().and_then(|word| word.parse::<i64>().ok());
        let has_jumped = jumped.is_some_and(|jumped| (jumped - seconds).abs() < 60);
        world.check(&format!("the clock jumps by {seconds} s"), has_jumped, said)?;
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            client.ping()?;
            std::thread::sleep(Duration::from_millis(200));
        }
        let told = world.writes(from, toy);
        world.check("the device runs on, and its client is heard", told.is_empty(), format!("{told:?}"))?;
    }
    client.vibrate(index, 0, 7)?;
    world.wait_write(from, toy, "'Vibrate:7;'")?;
    world.holds("what is set is carried out");
    let from = world.radio.now();
    client.stop()?;
    world.wait_write(from, toy, "'Vibrate:0;'")?;
    world.holds("and so is a stop");
    Ok(())
}

/// One device that runs, found by a client that searches no longer.
fn one_running(world: &mut World) -> Outcome<(Toy, Playing, u32)> {
    running(world, hush())
}

/// The same with this Lovense device.
fn running(world: &mut World, cast: Cast) -> Outcome<(Toy, Playing, u32)> {
    let toy = world.add(cast)?;
    let mut playing = world.play()?;
    let index = playing.client.device(toy.name, LONG)?;
    playing.client.scan(false)?;
    let from = world.radio.now();
    playing.client.vibrate(index, 0, 12)?;
    world.wait_write(from, &toy, "'Vibrate:12;'")?;
    Ok((toy, playing, index))
}

/// The device leaves the list, and once it is on again comes back by itself, with its index and at rest.
fn comes_back(world: &mut World, toy: &Toy, playing: &mut Playing, index: u32) -> Outcome {
    playing.client.gone(index, Duration::from_secs(3))?;
    world.holds("the device leaves the list");
    std::thread::sleep(Duration::from_millis(1500));
    let from = world.radio.now();
    world.on(toy)?;
    let again = playing.client.device(toy.name, LONG)?;
    world.check("it comes back by itself, under its index", again == index, again)?;
    world.wait_write(from, toy, "'Vibrate:0;'")?;
    std::thread::sleep(Duration::from_millis(300));
    let told = world.writes(from, toy);
    let moved = told.iter().any(|data| data.starts_with(&hex("'Vibrate:'")) && *data != hex("'Vibrate:0;'"));
    world.check("and at rest", !moved, format!("{told:?}"))?;
    let from = world.radio.now();
    playing.client.vibrate(index, 0, 5)?;
    world.wait_write(from, toy, "'Vibrate:5;'")?;
    world.holds("it can be driven again");
    Ok(())
}

fn a_lost_device_comes_back_at_rest(world: &mut World) -> Outcome {
    let (toy, mut playing, index) = one_running(world)?;
    world.off(&toy, "clean")?;
    comes_back(world, &toy, &mut playing, index)
}

fn a_device_that_falls_silent_is_noticed_and_comes_back(world: &mut World) -> Outcome {
    let (toy, mut playing, index) = one_running(world)?;
    world.off(&toy, "silent")?;
    comes_back(world, &toy, &mut playing, index)
}

fn a_device_switched_off_in_the_middle_of_commands(world: &mut World) -> Outcome {
    let (toy, mut playing, index) = one_running(world)?;
    world.off_after(&toy, "silent", 3)?;
    for value in 1..=15 {
        playing.client.vibrate_at_once(index, value)?;
        std::thread::sleep(Duration::from_millis(60));
    }
    comes_back(world, &toy, &mut playing, index)
}

fn one_device_does_not_silence_another(world: &mut World) -> Outcome {
    let (one, two) = (world.add(hush())?, world.add(edge())?);
    let Playing { mut client, engine: _engine } = world.play()?;
    let index = [client.device(one.name, LONG)?, client.device(two.name, LONG)?];
    for (place, toy) in [&one, &two].into_iter().enumerate() {
        let battery = client.battery(index[place])?;
        world.check(&format!("{} answers", toy.name), battery == 85, battery)?;
    }
    world.off(&one, "clean")?;
    client.gone(index[0], Duration::from_secs(3))?;
    // Taking back the subscription of the first is what silences the second where nothing is done about it.
    std::thread::sleep(Duration::from_millis(1000));
    for _ in 0..3 {
        let battery = client.battery(index[1])?;
        world.check("the other still answers", battery == 85, battery)?;
    }
    Ok(())
}

/// How often a time is taken that is too long. The emulated machine shares its processors with whatever else runs here,
/// which makes a time longer and never shorter; values that queue up are late every time.
const TIMES: i32 = 3;

/// 5000 commands as fast as they go, then how long the last value takes to arrive, and a stop. `allowed` in seconds.
fn last_of_a_burst(world: &mut World, cast: Cast, interval: u32, packets: u32, allowed: f64) -> Outcome {
    let (toy, mut playing, index) = running(world, cast)?;
    world.radio.tell(&json!({ "do": "pace", "ms": interval, "packets": packets }))?;
    let mut value = burst(world, &toy, &mut playing, index)?;
    for _ in 1..TIMES {
        if value >= allowed {
            value = value.min(burst(world, &toy, &mut playing, index)?);
        }
    }
    world.check(
        &format!("the newest value arrives within {allowed:.3} s, and is the last"),
        value < allowed,
        format!("{value:.3} s"),
    )?;
    let mut zero = stopped(world, &toy, &mut playing)?;
    for number in 1..TIMES {
        if zero >= allowed {
            let from = world.radio.now();
            playing.client.vibrate(index, 0, number)?;
            world.wait_write(from, &toy, &format!("'Vibrate:{number};'"))?;
            zero = zero.min(stopped(world, &toy, &mut playing)?);
        }
    }
    world.check("a stop arrives at once", zero < allowed, format!("{zero:.3} s"))?;
    world.radio.tell(&json!({ "do": "pace", "ms": 0, "packets": 0 }))?;
    Ok(())
}

/// Plays the commands; answers how long after the last of them its value arrived.
fn burst(world: &mut World, toy: &Toy, playing: &mut Playing, index: u32) -> Outcome<f64> {
    const COMMANDS: i32 = 5000;
    // So that it lasts for some seconds, in which old values would gather.
    const PAUSE: Duration = Duration::from_millis(12);
    let from = world.radio.now();
    let began = Instant::now();
    for number in 0..COMMANDS {
        playing.client.vibrate_at_once(index, 1 + number % 19)?;
        if number % 8 == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    playing.client.vibrate_at_once(index, 20)?;
    let took = began.elapsed();
    let sent = world.radio.mark()?;
    let arrived = world.wait_write(from, toy, "'Vibrate:20;'")?;
    let late = at(&arrived) - sent;
    println!(
        "      {COMMANDS} commands in {:.1} s; the last one arrived {late:.3} s later",
        took.as_secs_f64()
    );
    std::thread::sleep(Duration::from_millis(500));
    let after = world.writes(from, toy);
    let last = after.iter().rfind(|data| data.starts_with(&hex("'Vibrate:'")));
    if last != Some(&hex("'Vibrate:20;'")) {
        return Err(format!("the newest value is not the last: {last:?}"));
    }
    let most = took.as_millis() / 70 + 5;
    world.check(
        "no value was written that a gap had no room for",
        after.len() as u128 <= most,
        after.len(),
    )?;
    Ok(late)
}

/// Stops the device; answers how long its zero took to arrive.
fn stopped(world: &mut World, toy: &Toy, playing: &mut Playing) -> Outcome<f64> {
    let (from, stop) = (world.radio.now(), world.radio.mark()?);
    playing.client.stop()?;
    let zero = at(&world.wait_write(from, toy, "'Vibrate:0;'")?) - stop;
    println!("      a stop arrived {zero:.3} s later");
    Ok(zero)
}

fn the_newest_value_arrives_in_time(world: &mut World) -> Outcome {
    // One message gap, one connection interval, and what the emulated machine takes for its part.
    last_of_a_burst(world, hush(), 30, 4, 0.075 + 0.030 + 0.100)
}

fn a_slow_link_plays_out_no_second_of_old_values(world: &mut World) -> Outcome {
    last_of_a_burst(world, hush(), 100, 1, 0.6)
}

fn a_slow_link_to_hardware_with_nothing_to_read(world: &mut World) -> Outcome {
    let mut bare = hush();
    bare.command["bare"] = json!(true);
    last_of_a_burst(world, bare, 100, 1, 0.6)
}

fn an_adapter_switched_off_and_on(world: &mut World) -> Outcome {
    let (toy, mut playing, index) = one_running(world)?;
    world.machine.tell("power-off", "DONE power false")?;
    playing.client.gone(index, SOON)?;
    world.holds("with the adapter off the device leaves the list");
    let doctor = world.doctor()?;
    world.check("`buttplug doctor` says what to do", doctor.contains("switched off (hci0)"), &doctor)?;
    std::thread::sleep(Duration::from_millis(3000));
    let doctor = world.doctor()?;
    world.check("and nobody switches it on again", doctor.contains("switched off (hci0)"), &doctor)?;
    let from = world.radio.now();
    world.machine.tell("power-on", "DONE power true")?;
    let again = playing.client.device(toy.name, LONG)?;
    world.check("with the adapter on it comes back", again == index, again)?;
    world.wait_write(from, &toy, "'Vibrate:0;'")?;
    world.holds("and at rest");
    Ok(())
}

fn a_bluetooth_service_that_restarts(world: &mut World) -> Outcome {
    let (toy, mut playing, index) = one_running(world)?;
    let from = world.radio.now();
    world.machine.tell("restart-bluetoothd", "DONE restart")?;
    playing.client.gone(index, LONG)?;
    let again = playing.client.device(toy.name, LONG)?;
    world.check("the device comes back after the service has restarted", again == index, again)?;
    world.wait_write(from, &toy, "'Vibrate:0;'")?;
    world.holds("and at rest");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        for (place, (name, _)) in SCENARIOS.iter().enumerate() {
            assert!(SCENARIOS[..place].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
