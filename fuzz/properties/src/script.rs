//! Scripts of what happens to a server: read from lines of text, or made out of a fuzzer's bytes. Both are the same
//! steps, so that what was made can be shown and committed as text.

use crate::grammar;
use crate::world::Settings;
use arbitrary::{Result, Unstructured};
use std::fmt;
use std::time::Duration;

/// Steps of one script; the rest is left out.
const MAX_STEPS: usize = 60;

/// The longest wait of a step, so that a script spans no more than minutes.
const MAX_WAIT_MS: u32 = 12_000;

/// The longest time between pings that a script asks for, and the longest message gap.
const MAX_PING_MS: u32 = 5000;
const MAX_GAP_MS: u32 = 500;

/// One thing that happens. Clients and devices are numbers; those beyond what is there count from the beginning again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client of this version joins.
    Join { version: u32 },
    /// A client says a frame.
    Say { client: u8, frame: Vec<u8> },
    /// A client pings.
    Ping { client: u8 },
    /// A client stops everything, and everything has to stand still.
    Stop { client: u8 },
    /// A client's connection breaks.
    Lose { client: u8 },
    /// Time goes by.
    Wait { ms: u32 },
    /// A device breaks its link.
    Vanish { device: u8 },
    /// A device is within reach again.
    Return { device: u8 },
    /// A device refuses its writes from now on.
    Fail { device: u8 },
    /// A device takes its writes again, at once.
    Work { device: u8 },
    /// A device takes this long for each write.
    Slow { device: u8, ms: u32 },
    /// A device's sensor is pressed.
    Press { device: u8, pressure: u16 },
}

/// What is to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) settings: Settings,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    /// Text if it begins with `#`, as a remark does, else bytes from which a script is made.
    pub(crate) fn from(data: &[u8]) -> Self {
        if data.first() == Some(&b'#') { Self::read(data) } else { Self::made(data) }
    }

    /// Lines such as `join 4`, `0 says [..]` and `wait 250`. What is no line of a script is passed over.
    fn read(text: &[u8]) -> Self {
        let mut script = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((client, frame)) = said(line) {
                script.steps.push(Step::Say { client, frame: frame.to_vec() });
                continue;
            }
            let words: Vec<&str> =
                std::str::from_utf8(line).unwrap_or_default().split_ascii_whitespace().collect();
            match words.as_slice() {
                ["max-ping", ms] => script.settings.max_ping = milliseconds(ms, MAX_PING_MS),
                ["gap", ms] => script.settings.message_gap = milliseconds(ms, MAX_GAP_MS),
                words => script.steps.extend(step(words)),
            }
        }
        script.steps.truncate(MAX_STEPS);
        script
    }

    fn made(data: &[u8]) -> Self {
        let mut bytes = Unstructured::new(data);
        let mut script = Self { settings: settings(&mut bytes).unwrap_or_default(), ..Self::default() };
        let mut versions = Vec::new();
        while script.steps.len() < MAX_STEPS && !bytes.is_empty() {
            let Ok(step) = made_step(&mut bytes, &versions) else { break };
            if let Step::Join { version } = step {
                versions.push(version);
            }
            script.steps.push(step);
        }
        script
    }
}

/// `0 says [..]`
fn said(line: &[u8]) -> Option<(u8, &[u8])> {
    let (client, rest) = line.split_first()?;
    let client = client.checked_sub(b'0').filter(|client| *client <= 9)?;
    Some((client, rest.strip_prefix(b" says ")?))
}

fn milliseconds(text: &str, most: u32) -> Duration {
    Duration::from_millis(text.parse::<u32>().unwrap_or_default().min(most).into())
}

fn step(words: &[&str]) -> Option<Step> {
    let number = |text: &str| text.parse::<u32>().ok();
    let small = |text: &str| text.parse::<u8>().ok();
    Some(match *words {
        ["join", version] => Step::Join { version: number(version)?.min(4) },
        [client, "pings"] => Step::Ping { client: small(client)? },
        [client, "stops"] => Step::Stop { client: small(client)? },
        [client, "is", "lost"] => Step::Lose { client: small(client)? },
        ["wait", ms] => Step::Wait { ms: number(ms)?.min(MAX_WAIT_MS) },
        ["device", device, "vanishes"] => Step::Vanish { device: small(device)? },
        ["device", device, "returns"] => Step::Return { device: small(device)? },
        ["device", device, "fails"] => Step::Fail { device: small(device)? },
        ["device", device, "works"] => Step::Work { device: small(device)? },
        ["device", device, "needs", ms] => {
            Step::Slow { device: small(device)?, ms: number(ms)?.min(MAX_WAIT_MS) }
        }
        ["device", device, "feels", pressure] => {
            Step::Press { device: small(device)?, pressure: pressure.parse().ok()? }
        }
        _ => return None,
    })
}

fn settings(bytes: &mut Unstructured<'_>) -> Result<Settings> {
    let max_ping = if bytes.arbitrary()? { bytes.int_in_range(1..=20)? * 100 } else { 0 };
    let gap = *bytes.choose(&[0, 0, 20, 100, MAX_GAP_MS])?;
    Ok(Settings { max_ping: Duration::from_millis(max_ping), message_gap: Duration::from_millis(gap.into()) })
}

fn made_step(bytes: &mut Unstructured<'_>, versions: &[u32]) -> Result<Step> {
    if versions.is_empty() {
        return Ok(Step::Join { version: *bytes.choose(&[4, 4, 4, 3, 2, 1, 0])? });
    }
    let kind = bytes.int_in_range(0..=31)?;
    let client = bytes.choose_index(versions.len())? as u8;
    let device = bytes.int_in_range(0..=7)?;
    Ok(match kind {
        0..=14 => {
            let version = versions.get(usize::from(client)).copied().unwrap_or(4);
            Step::Say { client, frame: grammar::frame(bytes, version, 16)?.into_bytes() }
        }
        15 | 16 => Step::Ping { client },
        17 | 18 => Step::Stop { client },
        19 => Step::Lose { client },
        20 => Step::Join { version: *bytes.choose(&[4, 4, 4, 3, 2, 1, 0])? },
        21..=24 => Step::Wait { ms: *bytes.choose(&[1, 10, 50, 99, 100, 250, 500, 1000, 2500, 12_000])? },
        25 => Step::Vanish { device },
        26 => Step::Return { device },
        27 => Step::Fail { device },
        28 | 29 => Step::Work { device },
        30 => Step::Slow { device, ms: *bytes.choose(&[1, 50, 500, 3000, 12_000])? },
        _ => Step::Press { device: 5, pressure: bytes.arbitrary()? },
    })
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { max_ping, message_gap } = self.settings;
        writeln!(f, "#\nmax-ping {}\ngap {}", max_ping.as_millis(), message_gap.as_millis())?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { version } => write!(f, "join {version}"),
            Self::Say { client, frame } => write!(f, "{client} says {}", String::from_utf8_lossy(frame)),
            Self::Ping { client } => write!(f, "{client} pings"),
            Self::Stop { client } => write!(f, "{client} stops"),
            Self::Lose { client } => write!(f, "{client} is lost"),
            Self::Wait { ms } => write!(f, "wait {ms}"),
            Self::Vanish { device } => write!(f, "device {device} vanishes"),
            Self::Return { device } => write!(f, "device {device} returns"),
            Self::Fail { device } => write!(f, "device {device} fails"),
            Self::Work { device } => write!(f, "device {device} works"),
            Self::Slow { device, ms } => write!(f, "device {device} needs {ms}"),
            Self::Press { device, pressure } => write!(f, "device {device} feels {pressure}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_read_back_from_its_text() {
        for seed in 0..500_u32 {
            let bytes: Vec<u8> =
                (1..300).map(|n| ((seed + 1).wrapping_mul(2_654_435_761 + n) >> 13) as u8).collect();
            let made = Script::made(&bytes);
            assert_eq!(Script::from(made.to_string().as_bytes()), made);
        }
    }
}
