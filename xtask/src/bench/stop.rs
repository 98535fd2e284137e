//! A flood of commands and a Stop behind it: when is the device at rest, and does anything but zeros follow the first
//! zero? No command of the flood is a zero, so the first zero at the device is the Stop.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::fleet::Device;
use super::latency::{command, is_ok};
use super::socket::{Kind, Socket, push_frame};
use crate::run::{Context as _, Outcome};

const COMMANDS: usize = 5000;
const RUNS: usize = 5;

/// Silence after which the device has heard all that was coming.
const SILENCE: Duration = Duration::from_millis(300);

/// The worst of all runs, figure by figure.
#[derive(Default)]
pub(crate) struct Stops {
    /// From the last byte of the Stop handed to the system until the device's last write.
    pub(crate) rest_ms: f64,
    /// From the first byte of the burst until the Ok of the Stop.
    pub(crate) answered_ms: f64,
    pub(crate) writes_before: f64,
    pub(crate) zeros: f64,
    pub(crate) others_after: f64,
}

pub(crate) fn bursts(client: &mut Socket, device: &mut Device) -> Outcome<Stops> {
    let mut frames = Vec::new();
    for number in 0..COMMANDS {
        push_frame(&mut frames, Kind::Text, command(10 + number, 0, 1 + number % 20).as_bytes());
    }
    push_frame(&mut frames, Kind::Text, br#"[{"StopCmd":{"Id":9}}]"#);
    let mut worst = Stops::default();
    for _ in 0..RUNS {
        let one = burst(client, device, &frames)?;
        worst.rest_ms = worst.rest_ms.max(one.rest_ms);
        worst.answered_ms = worst.answered_ms.max(one.answered_ms);
        worst.writes_before = worst.writes_before.max(one.writes_before);
        worst.zeros = worst.zeros.max(one.zeros);
        worst.others_after = worst.others_after.max(one.others_after);
    }
    Ok(worst)
}

fn burst(client: &mut Socket, device: &mut Device, frames: &[u8]) -> Outcome<Stops> {
    let mut writer = client.writer()?;
    let begun = Instant::now();
    let (sent, answered, heard) = std::thread::scope(|scope| {
        let sending = scope.spawn(move || writer.write_all(frames).map(|()| Instant::now()));
        let hearing = scope.spawn(|| hear(device));
        for _ in 0..=COMMANDS {
            client.next(is_ok)??;
        }
        let answered = Instant::now();
        let broken = || "a thread of the bench broke".to_owned();
        let sent = sending.join().map_err(|_| broken())?.context("can't send the burst")?;
        let heard = hearing.join().map_err(|_| broken())??;
        Ok::<_, String>((sent, answered, heard))
    })?;
    let first_zero = heard.iter().position(|(_, zero)| *zero).ok_or("Stop did not reach the device")?;
    let after = &heard[first_zero..];
    let zeros = after.iter().filter(|(_, zero)| *zero).count();
    let last = after.last().map_or(answered, |(at, _)| *at);
    let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
    Ok(Stops {
        rest_ms: ms(sent, last),
        answered_ms: ms(begun, answered),
        writes_before: first_zero as f64,
        zeros: zeros as f64,
        others_after: (after.len() - zeros) as f64,
    })
}

/// All writes until it is silent: when each came, and whether it was a zero.
fn hear(device: &mut Device) -> Outcome<Vec<(Instant, bool)>> {
    let mut heard = Vec::new();
    while let Some(zero) = device.socket.next_within(SILENCE, |write| write == b"Vibrate:0;")? {
        heard.push((Instant::now(), zero));
    }
    Ok(heard)
}
