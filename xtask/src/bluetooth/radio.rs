//! The emulated radio as a process: devices are put on it, and it tells what happens to them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fetch::{Parts, scripts};
use crate::run::{Context as _, Outcome, root};

/// One thing that happened, as the radio tells it.
pub(crate) type Event = Value;

/// A running radio. Dropping it ends it.
pub(crate) struct Radio {
    child: Child,
    commands: ChildStdin,
    told: Arc<Told>,
    /// Where the machine's controller is reached.
    pub(crate) socket: PathBuf,
    marks: u64,
}

/// What the radio has told, filled by a thread.
#[derive(Default)]
struct Told {
    events: Mutex<Vec<Event>>,
    changed: Condvar,
}

impl Told {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Radio {
    pub(crate) fn start(parts: &Parts, folder: &Path) -> Outcome<Self> {
        let socket = folder.join("controller");
        let errors = std::fs::File::create(folder.join("radio.log")).context("the radio's log")?;
        let mut child = Command::new(&parts.python)
            .arg(scripts().join("radio.py"))
            .arg(&socket)
            .arg(root().join("crates/buttplug-protocols/devices"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("can't start the radio")?;
        let commands = child.stdin.take().ok_or("the radio has no input")?;
        let output = child.stdout.take().ok_or("the radio has no output")?;
        let mut record = std::fs::File::create(folder.join("radio-events")).context("the radio's record")?;
        let told = Arc::new(Told::default());
        let filled = Arc::clone(&told);
        // Ends with the radio.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // For people who look for the reason of a failure; that it can't be written is none.
                let _ = writeln!(record, "{line}");
                if let Ok(event) = serde_json::from_str(&line) {
                    filled.events().push(event);
                    filled.changed.notify_all();
                }
            }
        });
        let radio = Self { child, commands, told, socket, marks: 0 };
        radio.wait(0, "the radio", Duration::from_secs(60), |event| event["event"] == "ready")?;
        Ok(radio)
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &Value) -> Outcome {
        writeln!(self.commands, "{command}").context("can't write to the radio")
    }

    /// How much has happened so far, to look from there on.
    pub(crate) fn now(&self) -> usize {
        self.told.events().len()
    }

    /// The radio's own clock, in seconds; everything that it tells later is later.
    pub(crate) fn mark(&mut self) -> Outcome<f64> {
        self.marks += 1;
        let (from, name) = (self.now(), format!("mark {}", self.marks));
        self.tell(&json!({ "do": "mark", "name": name }))?;
        let event = self.wait(from, "the mark", Duration::from_secs(10), |event| event["name"] == *name)?;
        Ok(at(&event))
    }

    /// What has happened since.
    pub(crate) fn since(&self, from: usize) -> Vec<Event> {
        self.told.events().get(from..).unwrap_or_default().to_vec()
    }

    /// Waits for an event.
    pub(crate) fn wait(
        &self,
        from: usize,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Event) -> bool,
    ) -> Outcome<Event> {
        let until = Instant::now() + patience;
        let mut events = self.told.events();
        let mut seen = from;
        loop {
            if let Some(event) = events.iter().skip(seen).find(|event| is_it(event)) {
                return Ok(event.clone());
            }
            seen = events.len().max(from);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let told: Vec<String> = events.iter().skip(from).map(ToString::to_string).collect();
                let told = &told[told.len().saturating_sub(12)..];
                return Err(format!("{what} did not come; the radio told\n{}", told.join("\n")));
            }
            events = self.told.changed.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// When it happened, in seconds by the radio's clock.
pub(crate) fn at(event: &Event) -> f64 {
    event["at"].as_f64().unwrap_or_default()
}

impl Drop for Radio {
    fn drop(&mut self) {
        // Both fail only if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
