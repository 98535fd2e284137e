//! As many commands as go through with a window: so many are under way, and for each answer the next one leaves. The
//! echo gets the same frames with the same window, by turns. Twice: by a client that gathers what it may send into one
//! write, which leaves the server the least time, and by one that writes each command by itself, as libraries do.

use std::time::{Duration, Instant};

use super::echo::Echo;
use super::fleet::Fleet;
use super::latency::{command, is_ok};
use super::process::Process;
use super::socket::{Kind, Socket, push_frame};
use crate::engine::Engine;
use crate::run::Outcome;

/// Commands under way.
pub(crate) const WINDOW: usize = 256;

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_millis(500);

/// Pause in which the devices hear the last writes of a round.
const DRAIN: Duration = Duration::from_millis(60);

/// Frames in the ring that is sent over and over: twenty steps for each of the most devices.
const RING: usize = 10_000;

/// How the client hands frames to the system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Gathered,
    OneByOne,
}

pub(crate) struct Rates {
    /// Per second.
    pub(crate) echo: f64,
    pub(crate) commands: f64,
    pub(crate) cpu_per_command_us: f64,
    pub(crate) cpu_per_echo_us: f64,
    pub(crate) writes_per_command: f64,
}

pub(crate) fn measure(
    engine: &Engine,
    echo: &Echo,
    process: &Process,
    fleet: &mut Fleet,
    devices: usize,
    writing: Writing,
) -> Outcome<Rates> {
    let ring = Ring::new(devices, writing);
    let mut client = Socket::client(engine.client_port)?;
    let mut bare = Socket::connect(echo.port)?;
    // Both warm, and every device running.
    flood(&mut client, &ring, ROUND / 3, is_ok)?;
    flood(&mut bare, &ring, ROUND / 3, is_echo)?;
    let (mut commands, mut echoes) = (Run::default(), Run::default());
    let mut writes = 0;
    for _ in 0..ROUNDS {
        std::thread::sleep(DRAIN);
        fleet.count()?;
        let before = process.cpu()?;
        let (count, took) = flood(&mut client, &ring, ROUND, is_ok)?;
        std::thread::sleep(DRAIN);
        commands.add(count, took, process.cpu()? - before);
        writes += fleet.count()?.writes;
        let before = echo.process().cpu()?;
        let (count, took) = flood(&mut bare, &ring, ROUND, is_echo)?;
        echoes.add(count, took, echo.process().cpu()? - before);
    }
    if writes == 0 {
        return Err("no command reached a device".to_owned());
    }
    Ok(Rates {
        echo: echoes.per_second(),
        commands: commands.per_second(),
        cpu_per_command_us: commands.cpu_us(),
        cpu_per_echo_us: echoes.cpu_us(),
        writes_per_command: writes as f64 / commands.count as f64,
    })
}

/// The rounds of one kind together.
#[derive(Default)]
struct Run {
    count: usize,
    took: Duration,
    cpu: Duration,
}

impl Run {
    fn add(&mut self, count: usize, took: Duration, cpu: Duration) {
        self.count += count;
        self.took += took;
        self.cpu += cpu;
    }

    fn per_second(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count as f64
    }
}

/// Prebuilt commands, over all devices in turn, each device's value another than before.
struct Ring {
    frames: Vec<u8>,
    /// Where each frame begins, and the end of the last.
    starts: Vec<usize>,
    writing: Writing,
}

impl Ring {
    fn new(devices: usize, writing: Writing) -> Self {
        let mut frames = Vec::new();
        let mut starts = vec![0];
        for number in 0..RING {
            let value = 1 + number / devices % 20;
            push_frame(&mut frames, Kind::Text, command(1 + number, number % devices, value).as_bytes());
            starts.push(frames.len());
        }
        Self { frames, starts, writing }
    }

    /// Sends the `count` frames from place `from` on, and returns the place after them.
    fn send(&self, socket: &mut Socket, from: usize, count: usize) -> Outcome<usize> {
        let end = (from + count).min(RING);
        self.send_straight(socket, from, end)?;
        let rest = from + count - end;
        self.send_straight(socket, 0, rest)?;
        Ok((from + count) % RING)
    }

    fn send_straight(&self, socket: &mut Socket, from: usize, to: usize) -> Outcome {
        let at_once = if self.writing == Writing::Gathered { (to - from).max(1) } else { 1 };
        (from..to).step_by(at_once).try_for_each(|place| {
            socket.write(&self.frames[self.starts[place]..self.starts[place + at_once]])
        })
    }
}

/// Keeps the window full for `time`, then waits for what is under way. Returns how many were answered in what time.
fn flood(
    socket: &mut Socket,
    ring: &Ring,
    time: Duration,
    check: fn(&[u8]) -> Outcome,
) -> Outcome<(usize, Duration)> {
    let begun = Instant::now();
    let mut place = ring.send(socket, 0, WINDOW)?;
    let mut under_way = WINDOW;
    let mut answered = 0;
    while under_way > 0 {
        let mut came = 0;
        socket.batch(|reply| {
            came += 1;
            check(reply)
        })?;
        answered += came;
        if begun.elapsed() < time {
            place = ring.send(socket, place, came)?;
        } else {
            under_way -= came;
        }
    }
    Ok((answered, begun.elapsed()))
}

fn is_echo(reply: &[u8]) -> Outcome {
    if reply.starts_with(br#"[{"OutputCmd":"#) {
        Ok(())
    } else {
        Err("the echo changed a message".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_gets_another_value_than_before_also_where_the_ring_closes() {
        for devices in [1, 10, 100, 500] {
            let value = |number: usize| 1 + number / devices % 20;
            for device in 0..devices {
                let values: Vec<usize> = (device..RING).step_by(devices).map(value).collect();
                assert!(values.windows(2).all(|pair| pair[0] != pair[1]), "{devices} devices");
                assert_ne!(values.first(), values.last(), "{devices} devices");
            }
        }
    }

    #[test]
    fn the_ring_knows_where_its_frames_begin() {
        let ring = Ring::new(500, Writing::Gathered);
        assert_eq!(ring.starts.len(), RING + 1);
        assert_eq!(ring.starts.last(), Some(&ring.frames.len()));
        assert!(ring.starts[..RING].iter().all(|start| ring.frames[*start] == 0x81));
    }
}
