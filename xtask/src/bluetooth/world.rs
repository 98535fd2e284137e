//! What scenarios are played in: the machine, its radio, and an engine with a client. Counts what holds.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use super::fetch::Parts;
use super::machine::{Machine, PROGRAM_PORT};
use super::radio::{Event, Radio};
use crate::engine::Engine;
use crate::run::{Context as _, Outcome};

/// Longest wait for what takes a connection or an advertisement.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Longest wait for a write.
pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) radio: Radio,
    program: PathBuf,
    folder: PathBuf,
    engines: u32,
    toys: u32,
    pub(crate) passed: u64,
}

/// An engine that has been told to find devices on Bluetooth, and its client.
pub(crate) struct Playing {
    pub(crate) engine: Engine,
    pub(crate) client: Client,
}

/// A device on the radio.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) id: String,
    /// What the engine calls it.
    pub(crate) name: &'static str,
}

/// What a device is: what the radio needs to know of it, and what the engine calls it.
pub(crate) struct Cast {
    pub(crate) name: &'static str,
    pub(crate) command: Value,
}

impl World {
    pub(crate) fn new(parts: &Parts, program: PathBuf) -> Outcome<Self> {
        let folder = parts.folder.join("run");
        if folder.exists() {
            fs::remove_dir_all(&folder).context(&folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).context(&folder.display().to_string())?;
        let radio = Radio::start(parts, &folder)?;
        let began = Instant::now();
        let programs = program.parent().ok_or("the program is in no folder")?;
        let machine = Machine::start(parts, &radio.socket, programs)?;
        println!("the machine is up after {:.1} s", began.elapsed().as_secs_f64());
        Ok(Self { machine, radio, program, folder, engines: 0, toys: 0, passed: 0 })
    }

    /// Notes something that holds.
    pub(crate) fn holds(&mut self, what: &str) {
        println!("ok    {what}");
        self.passed += 1;
    }

    /// Notes it if it holds.
    pub(crate) fn check(&mut self, what: &str, holds: bool, otherwise: impl std::fmt::Display) -> Outcome {
        if !holds {
            return Err(format!("{what}: {otherwise}"));
        }
        self.holds(what);
        Ok(())
    }

    /// Puts a device on the radio.
    pub(crate) fn add(&mut self, cast: Cast) -> Outcome<Toy> {
        self.toys += 1;
        let id = format!("toy-{}", self.toys);
        let mut command = cast.command;
        command["do"] = "add".into();
        command["toy"] = id.clone().into();
        command["address"] = format!("F0:82:05:9A:D3:{:02X}", self.toys).into();
        let from = self.radio.now();
        self.radio.tell(&command)?;
        let advertises = |event: &Event| event["toy"] == *id && event["event"] == "advertising";
        self.radio.wait(from, "its advertisement", SOON, advertises)?;
        Ok(Toy { id, name: cast.name })
    }

    /// Switches a device off. `how`: `clean` or `silent`.
    pub(crate) fn off(&mut self, toy: &Toy, how: &str) -> Outcome {
        self.radio.tell(&json!({ "do": "off", "toy": toy.id, "how": how }))
    }

    /// The same after so many more writes.
    pub(crate) fn off_after(&mut self, toy: &Toy, how: &str, writes: u32) -> Outcome {
        self.radio.tell(&json!({ "do": "off", "toy": toy.id, "how": how, "writes": writes }))
    }

    pub(crate) fn on(&mut self, toy: &Toy) -> Outcome {
        self.radio.tell(&json!({ "do": "on", "toy": toy.id }))
    }

    /// Starts an engine with a client that searches.
    pub(crate) fn play(&mut self) -> Outcome<Playing> {
        self.play_with(&[])
    }

    /// The same with further flags.
    pub(crate) fn play_with(&mut self, more: &[&str]) -> Outcome<Playing> {
        self.engines += 1;
        let folder = self.folder.join(format!("engine-{}", self.engines));
        let here = folder.to_str().ok_or("the build folder's path is no text")?;
        let environment = [("DBUS_SYSTEM_BUS_ADDRESS", &*self.machine.bus), ("XDG_RUNTIME_DIR", here)];
        let flags = [&["--use-bluetooth-le", "--log", "debug"], more].concat();
        let mut engine = Engine::start_in(&self.program, &folder, &flags, &environment)?;
        engine.wait_for_ports()?;
        let mut client = Client::connect(engine.client_port)?;
        client.scan(true)?;
        Ok(Playing { engine, client })
    }

    /// Starts an engine in the machine, by whose clock it then goes, with a client that searches. It is to be ended with
    /// [`end_inside`](Self::end_inside).
    pub(crate) fn play_inside(&mut self, more: &[&str]) -> Outcome<Client> {
        let name = self.program.file_name().and_then(|name| name.to_str());
        if name != Some("buttplug") {
            return Err(format!("the machine knows no program but buttplug, not {name:?}"));
        }
        let port = PROGRAM_PORT.to_string();
        let usual = ["serve", "--websocket-use-all-interfaces", "--no-token", "--websocket-port", &port];
        let flags = [&usual[..], &["--use-bluetooth-le", "--no-config", "--log", "debug"], more].concat();
        self.machine.tell(&format!("program {}", flags.join(" ")), "DONE program")?;
        let until = Instant::now() + LONG;
        let mut client = loop {
            match Client::connect(self.machine.program_port) {
                Ok(client) => break client,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        client.scan(true)?;
        Ok(client)
    }

    /// Ends it in order.
    pub(crate) fn end_inside(&mut self) -> Outcome {
        let said = self.machine.tell("end-program", "DONE end-program")?;
        self.check("the program in the machine ends in order", said.trim_end().ends_with(" 0"), said)
    }

    /// What the program says of the machine's Bluetooth.
    pub(crate) fn doctor(&self) -> Outcome<String> {
        let output = std::process::Command::new(&self.program)
            .args(["doctor", "--use-bluetooth-le"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.machine.bus)
            .output()
            .context("can't start the program")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().find(|line| line.contains("Bluetooth")).unwrap_or_default().to_owned())
    }

    /// Waits for a write of these bytes to this device.
    pub(crate) fn wait_write(&self, from: usize, toy: &Toy, data: &str) -> Outcome<Event> {
        let data = hex(data);
        let what = format!("{} being told {data}", toy.name);
        self.radio.wait(from, &what, SOON, |event| is_write(event, toy) && event["data"] == *data)
    }

    /// Waits for an event of this device.
    pub(crate) fn wait_event(
        &self,
        from: usize,
        toy: &Toy,
        event: &str,
        patience: Duration,
    ) -> Outcome<Event> {
        let what = format!("{} {event}", toy.name);
        self.radio.wait(from, &what, patience, |told| told["toy"] == *toy.id && told["event"] == event)
    }

    /// What was written to this device since, in hex.
    pub(crate) fn writes(&self, from: usize, toy: &Toy) -> Vec<String> {
        let events = self.radio.since(from);
        let data = |event: &Event| event["data"].as_str().unwrap_or_default().to_owned();
        events.iter().filter(|event| is_write(event, toy)).map(data).collect()
    }

    /// Takes all devices off the radio, and everything off it that slows it down, so that the next scenario has it to
    /// itself.
    pub(crate) fn clear_all(&mut self) -> Outcome {
        self.radio.tell(&json!({ "do": "pace", "ms": 0, "packets": 0 }))?;
        self.radio.tell(&json!({ "do": "clear" }))?;
        self.radio.mark().map(drop)
    }
}

fn is_write(event: &Event, toy: &Toy) -> bool {
    event["toy"] == *toy.id && event["event"] == "write"
}

/// Text in quotes as hex; anything else without its spaces.
pub(crate) fn hex(data: &str) -> String {
    match data.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        None => data.replace(' ', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_become_the_hex_that_the_radio_tells() {
        assert_eq!(hex("'OK;'"), "4f4b3b");
        assert_eq!(hex("0f 03 00"), "0f0300");
    }
}
