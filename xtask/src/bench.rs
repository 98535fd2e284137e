//! `cargo xtask bench`: builds the release program, starts it as a user would, and measures it from outside over its two
//! ports, next to a bare WebSocket echo in the same run. What is too small to be seen from there, the catalogue's bench
//! measures inside. Prints figures beside their targets and asserts none: only
//! something broken makes it fail.

mod catalogue;
pub(crate) mod echo;
mod fleet;
mod latency;
mod process;
mod report;
mod socket;
mod start;
mod stop;
mod throughput;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use echo::Echo;
use fleet::Fleet;
use process::Process;
use report::{Report, Target};
use socket::Socket;
use throughput::{WINDOW, Writing};

use crate::engine::Engine;
use crate::run::{Context as _, Outcome, build_engine, cargo, target};

/// Idle time before memory is read, so that start-up work is over.
const SETTLE: Duration = Duration::from_millis(500);

/// How long CPU use at rest is watched: longer than the engine's pings on silent connections are apart.
const REST: Duration = Duration::from_secs(12);

/// How long the client looks at its socket at a time meanwhile.
const GLANCE: Duration = Duration::from_millis(500);

/// At rest at most this share of one CPU; what is left is answering pings.
const REST_SHARE: f64 = 0.001;

/// Builds engine and measuring program for speed and lets the latter do the rest. `arguments` may name an engine that
/// was built elsewhere.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Err("the bench reads /proc and runs on Linux only".to_owned());
    }
    let engine = match arguments.first() {
        Some(engine) => PathBuf::from(engine),
        None => build_engine(&["--release"])?,
    };
    let mut inner = cargo(&["run", "--quiet", "--release", "--package", "xtask", "--", "bench-inner"]);
    let status = inner.arg(engine).status().context("can't start cargo")?;
    if status.success() { Ok(()) } else { Err(format!("the measuring program failed ({status})")) }
}

/// The measuring itself, in a release build of this program.
pub(crate) fn measure(arguments: &[String]) -> Outcome {
    let program = PathBuf::from(arguments.first().ok_or("which engine?")?);
    let mut report = Report::new();
    println!("Measuring {}\nThis takes about two minutes.", program.display());

    let starts = start::handshakes(&program, &folder("start"))?;
    report.section("Start, with the whole catalogue built in");
    report.line("exec to handshake, median", starts.median_ms(), "ms", Target::AtMost(15.0));
    report.line("exec to handshake, best", starts.best_ms(), "ms", Target::None);
    let starts = start::handshakes_with_everything(&program, &folder("start-everything"))?;
    report.line("the same with everything on, median", starts.median_ms(), "ms", Target::AtMost(15.0));
    report.line("the same with everything on, best", starts.best_ms(), "ms", Target::None);

    let size = std::fs::metadata(&program).context(&program.display().to_string())?.len();
    report.section("Size");
    report.line("release program", size as f64 / 1e6, "MB", Target::None);
    catalogue::report(&mut report)?;

    at_rest(&program, &mut report)?;
    at_work(&program, &mut report)?;
    report.close();
    Ok(())
}

fn folder(part: &str) -> PathBuf {
    target().join("bench").join(part)
}

/// Memory and CPU of an engine that has nothing to do, with 0, 100 and 500 devices.
fn at_rest(program: &Path, report: &mut Report) -> Outcome {
    let mut engine = Engine::start(program, &folder("rest"), &["--log", "warn"])?;
    engine.wait_for_ports()?;
    let process = Process::new(engine.pid());
    let mut fleet = Fleet::new();
    let mut memory = Vec::new();
    let mut shares = Vec::new();
    for devices in [0, 100, 500] {
        fleet.grow_to(devices, engine.device_port)?;
        wait_for_devices(&engine, devices)?;
        // A client is there, as there would be.
        let mut client = Socket::client(engine.client_port)?;
        std::thread::sleep(SETTLE);
        memory.push(process.resident_kb()?);
        if devices != 100 {
            let before = process.cpu()?;
            let rest = Instant::now();
            while rest.elapsed() < REST {
                // Answers pings, and fails if the engine has let the client go.
                client.next_within(GLANCE, |_| ())?;
            }
            shares.push((process.cpu()? - before).as_secs_f64() / REST.as_secs_f64());
        }
        drop(client);
    }
    fleet.still_there()?;
    let per_device = |kb: f64, devices: f64| (kb - memory[0]) / devices;
    report.section("At rest");
    report.line("resident memory, no device", memory[0] / 1024.0, "MB", Target::AtMost(8.0));
    report.line("resident memory, 100 devices", memory[1] / 1024.0, "MB", Target::None);
    report.line("resident memory, 500 devices", memory[2] / 1024.0, "MB", Target::None);
    report.line("per device, of 100", per_device(memory[1], 100.0), "kB", Target::AtMost(25.0));
    report.line("per device, of 500", per_device(memory[2], 500.0), "kB", Target::AtMost(25.0));
    report.line("CPU, no device", shares[0] * 100.0, "%", Target::AtMost(REST_SHARE * 100.0));
    report.line("CPU, 500 devices", shares[1] * 100.0, "%", Target::AtMost(REST_SHARE * 100.0));
    Ok(())
}

/// Latency, stop and throughput of one engine that gets more and more devices.
fn at_work(program: &Path, report: &mut Report) -> Outcome {
    let echo = Echo::start()?;
    let mut engine = Engine::start(program, &folder("work"), &["--log", "warn"])?;
    engine.wait_for_ports()?;
    let process = Process::new(engine.pid());
    let mut fleet = Fleet::new();
    fleet.grow_to(1, engine.device_port)?;
    wait_for_devices(&engine, 1)?;

    let mut client = Socket::client(engine.client_port)?;
    let mut bare = Socket::connect(echo.port)?;
    let mut device = fleet.borrow()?;
    let latency = latency::measure(&mut client, &mut bare, &mut device, &process)?;
    let stops = stop::bursts(&mut client, &mut device)?;
    fleet.give_back(device);
    drop(client);

    let times = [
        ("bare echo", &latency.echo),
        ("command to Ok", &latency.ok),
        ("bare echo, after a pause", &latency.paused_echo),
        ("command to Ok, after a pause", &latency.paused_ok),
        ("command to device bytes, after a pause", &latency.bytes),
    ];
    let pause = latency.pause.as_millis();
    report.section(&format!(
        "One command at a time, one device (pause: its message gap and a little, {pause} ms)"
    ));
    for (what, samples) in times {
        report.line(&format!("{what}, p50"), samples.p50_us(), "us", Target::None);
        report.line(&format!("{what}, p99"), samples.p99_us(), "us", Target::None);
    }
    let ratios = [
        ("command to Ok / echo", &latency.ok, &latency.echo, Target::AtMost(1.2)),
        ("the same after a pause", &latency.paused_ok, &latency.paused_echo, Target::AtMost(1.2)),
        ("command to device bytes / echo", &latency.bytes, &latency.paused_echo, Target::AtMost(1.3)),
    ];
    for (what, one, echo, target) in ratios {
        report.line(&format!("{what}, p50"), one.p50_us() / echo.p50_us(), "x", target);
        report.line(&format!("{what}, p99"), one.p99_us() / echo.p99_us(), "x", Target::None);
    }
    report.line("server CPU per command", latency.cpu_per_command_us, "us", Target::None);

    report.section("5000 commands in a burst, then Stop (worst of all runs)");
    report.line("Stop sent to device at rest", stops.rest_ms, "ms", Target::None);
    report.line("burst and Stop all answered", stops.answered_ms, "ms", Target::None);
    report.line("writes to the device before the zero", stops.writes_before, "", Target::None);
    report.line("zero writes", stops.zeros, "", Target::AtMost(1.0));
    report.line("other writes after the first zero", stops.others_after, "", Target::AtMost(0.0));

    let mut alone = [None; 2];
    for devices in [1, 10, 100, 500] {
        fleet.grow_to(devices, engine.device_port)?;
        wait_for_devices(&engine, devices)?;
        for (writing, how) in [(Writing::Gathered, "gathered"), (Writing::OneByOne, "one by one")] {
            let rates = throughput::measure(&engine, &echo, &process, &mut fleet, devices, writing)?;
            report.section(&format!("Window of {WINDOW}, {devices} devices, commands written {how}"));
            report.line("bare echo", rates.echo / 1000.0, "k/s", Target::None);
            report.line("commands", rates.commands / 1000.0, "k/s", Target::None);
            let share = rates.commands / rates.echo;
            report.line("commands / echo", share, "x", Target::AtLeast(0.6));
            report.line("server CPU per command", rates.cpu_per_command_us, "us", Target::None);
            report.line("echo's CPU per message", rates.cpu_per_echo_us, "us", Target::None);
            report.line("device writes per command", rates.writes_per_command, "", Target::None);
            let alone = *alone[writing as usize].get_or_insert(share);
            if devices == 500 {
                // Shares of the echo are compared, so that it does not count if the machine is slower by then.
                report.line("of the share with one device", share / alone, "x", Target::AtLeast(1.0));
            }
        }
    }
    fleet.still_there()?;
    let status = engine.terminate()?;
    if !status.success() {
        return Err(format!("the engine ended with {status}; {}", engine.last_words()));
    }
    Ok(())
}

/// Waits until a fresh client sees this many devices. Fresh, so that nobody is told of each arrival.
fn wait_for_devices(engine: &Engine, devices: usize) -> Outcome {
    let mut client = Socket::client(engine.client_port)?;
    for _ in 0..200 {
        client.send_text(r#"[{"RequestDeviceList":{"Id":2}}]"#)?;
        loop {
            let reply = client.text()?;
            if !reply.starts_with(r#"[{"DeviceList":{"#) {
                return Err(format!("no device list but {reply}"));
            }
            if !reply.contains(r#""Id":2"#) {
                continue;
            }
            if reply.matches(r#""DeviceName":"#).count() == devices {
                return Ok(());
            }
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("{devices} devices dialled in, but the list does not show them; {}", engine.last_words()))
}
