//! One command at a time: how long until its Ok, how long until its bytes are at the device, and how long a bare echo
//! takes. In short rounds by turns, so that a change of the machine's mood meets all alike.
//!
//! A device that was written a moment ago is left alone for its message gap, so its bytes are timed after a pause in
//! which it came to rest. A pause cools caches and lets processors doze: the echo it is compared with has the same.

use std::time::{Duration, Instant};

use super::fleet::Device;
use super::process::Process;
use super::socket::{Kind, Socket, push_frame};
use crate::run::{Context as _, Outcome};

/// How often what is timed, and in how many rounds.
struct Plan {
    rounds: usize,
    per_round: usize,
    /// Before each message.
    pause: Duration,
}

/// Without a pause. The first rounds warm up and do not count.
const WARM_UP: Plan = Plan { rounds: 3, per_round: 200, pause: Duration::ZERO };
const AT_ONCE: Plan = Plan { rounds: 30, per_round: 200, pause: Duration::ZERO };
const PAUSED_ROUNDS: usize = 10;
const PAUSED_PER_ROUND: usize = 30;

/// Longer than the message gap by this, so that a late timer does not count.
const MARGIN: Duration = Duration::from_millis(3);

/// Silence after which a device has heard all that was coming.
const SILENCE: Duration = Duration::from_millis(100);

/// Samples of one kind, sorted.
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn p50_us(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn p99_us(&self) -> f64 {
        self.at(99)
    }

    fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len() - 1);
        self.0[place].as_secs_f64() * 1e6
    }
}

pub(crate) struct Latency {
    /// One right after the other.
    pub(crate) echo: Samples,
    pub(crate) ok: Samples,
    /// After a pause in which the device came to rest.
    pub(crate) paused_echo: Samples,
    pub(crate) paused_ok: Samples,
    pub(crate) bytes: Samples,
    pub(crate) pause: Duration,
    pub(crate) cpu_per_command_us: f64,
}

/// What a round times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Echo,
    Ok,
    Bytes,
}

/// The parties of a measurement.
struct World<'a> {
    client: &'a mut Socket,
    bare: &'a mut Socket,
    device: &'a mut Device,
    process: &'a Process,
    /// Values differ from one command to the next: a value that is there already is not written.
    frames: Vec<Vec<u8>>,
    next: usize,
}

pub(crate) fn measure(
    client: &mut Socket,
    bare: &mut Socket,
    device: &mut Device,
    process: &Process,
) -> Outcome<Latency> {
    let frames = (0..20)
        .map(|step| {
            let mut frame = Vec::new();
            push_frame(&mut frame, Kind::Text, command(100 + step, 0, 1 + step).as_bytes());
            frame
        })
        .collect();
    let pause = message_gap(client)? + MARGIN;
    let mut world = World { client, bare, device, process, frames, next: 0 };
    world.run(&WARM_UP, [What::Echo, What::Ok])?;
    let ([echo, ok], cpu_per_command_us) = world.run(&AT_ONCE, [What::Echo, What::Ok])?;
    let paused = Plan { rounds: PAUSED_ROUNDS, per_round: PAUSED_PER_ROUND, pause };
    let ([paused_echo, paused_ok, bytes], _) = world.run(&paused, [What::Echo, What::Ok, What::Bytes])?;
    Ok(Latency { echo, ok, paused_echo, paused_ok, bytes, pause, cpu_per_command_us })
}

impl World<'_> {
    /// Times each kind by turns. Returns the samples of each, and the server's CPU time per command.
    fn run<const KINDS: usize>(
        &mut self,
        plan: &Plan,
        kinds: [What; KINDS],
    ) -> Outcome<([Samples; KINDS], f64)> {
        let mut samples = [const { Vec::new() }; KINDS];
        let mut cpu = Duration::ZERO;
        let mut commands = 0_u32;
        for round in 0..plan.rounds {
            for turn in 0..KINDS {
                let kind = (turn + round) % KINDS;
                let what = kinds[kind];
                let before = self.process.cpu()?;
                for _ in 0..plan.per_round {
                    if !plan.pause.is_zero() {
                        std::thread::sleep(plan.pause);
                    }
                    samples[kind].push(self.time(what)?);
                }
                if what != What::Echo {
                    cpu += self.process.cpu()? - before;
                    commands += plan.per_round as u32;
                    // What is timed next finds nothing left over.
                    while self.device.socket.next_within(SILENCE, |_| ())?.is_some() {}
                }
            }
        }
        for kind in &mut samples {
            kind.sort();
        }
        Ok((samples.map(Samples), cpu.as_secs_f64() * 1e6 / f64::from(commands)))
    }

    fn time(&mut self, what: What) -> Outcome<Duration> {
        self.next = (self.next + 1) % self.frames.len();
        let frame = &self.frames[self.next];
        let sent = Instant::now();
        match what {
            What::Echo => {
                self.bare.write(frame)?;
                self.bare.next(|_| ())?;
                Ok(sent.elapsed())
            }
            What::Ok => {
                self.client.write(frame)?;
                self.client.next(is_ok)??;
                Ok(sent.elapsed())
            }
            What::Bytes => {
                self.client.write(frame)?;
                self.device.socket.next(|_| ())?;
                let took = sent.elapsed();
                self.client.next(is_ok)??;
                Ok(took)
            }
        }
    }
}

/// The least time between two writes to the first device, as the engine announces it.
fn message_gap(client: &mut Socket) -> Outcome<Duration> {
    client.send_text(r#"[{"RequestDeviceList":{"Id":3}}]"#)?;
    let list = client.text()?;
    let list: serde_json::Value = serde_json::from_str(&list).context(&list)?;
    let gap = list[0]["DeviceList"]["Devices"]["0"]["DeviceMessageTimingGap"].as_u64();
    gap.map(Duration::from_millis).ok_or(format!("no message gap of device 0 in {list}"))
}

/// An OutputCmd as client libraries write it.
pub(crate) fn command(id: usize, device: usize, value: usize) -> String {
    format!(
        r#"[{{"OutputCmd":{{"Id":{id},"DeviceIndex":{device},"FeatureIndex":0,"Command":{{"Vibrate":{{"Value":{value}}}}}}}}}]"#
    )
}

/// Whether a reply is Ok; anything else means that something is broken.
pub(crate) fn is_ok(reply: &[u8]) -> Outcome {
    if reply.starts_with(br#"[{"Ok":"#) {
        Ok(())
    } else {
        Err(format!("no Ok but {}", String::from_utf8_lossy(reply)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_samples() {
        let samples = Samples((1..=200).map(Duration::from_micros).collect());
        assert_eq!((samples.p50_us().round(), samples.p99_us().round()), (101.0, 199.0));
        assert_eq!(Samples(vec![Duration::from_micros(7)]).p99_us().round(), 7.0);
    }

    #[test]
    fn a_command_is_what_a_library_would_send() {
        assert_eq!(
            command(7, 3, 12),
            r#"[{"OutputCmd":{"Id":7,"DeviceIndex":3,"FeatureIndex":0,"Command":{"Vibrate":{"Value":12}}}}]"#
        );
    }
}
