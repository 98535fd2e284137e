//! The talk between a script and this program: one JSON object a line, each answered by one. The script checks and asks
//! for deeds; comparing, printing and counting is done here, so that both languages' scripts stay lists of facts.
//!
//! ```text
//! {"check": "server name", "expected": "…", "came": "…"}
//! {"check": "stop", "device": "one motor", "saw": ["Vibrate:0;"]}      all writes since the last such line;
//! {…, "or_repeated": true}                     the same ones over again are fine too
//! {…, "at_last": true}                         whatever came before these is fine
//! {"do": "dial in", "device": "one motor"}     {"do": "hang up", "device": "one motor"}
//! {"do": "end the engine"}                     SIGTERM; answered with its exit code
//! {"do": "finish"}                             the script has come to its end
//! ```

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::device::Device;
use crate::engine::Engine;
use crate::run::{Context as _, Outcome, Tally, shown};

/// One script's talk, with the devices it let dial in.
pub(crate) struct Conversation<'a> {
    engine: &'a mut Engine,
    tally: &'a mut Tally,
    devices: HashMap<String, Device>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(engine: &'a mut Engine, tally: &'a mut Tally) -> Self {
        Self { engine, tally, devices: HashMap::new() }
    }

    /// Runs the script to its end. An error if it breaks off or takes too long; failed checks are in the tally.
    pub(crate) fn hold(&mut self, script: &mut Command, time: Duration) -> Outcome {
        let text = shown(script);
        println!("$ {text}");
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context(&format!("can't start `{text}`"))?;
        let outcome = self.talk(&mut child, Instant::now() + time);
        // It has ended, or is to: after an error nobody answers it any more.
        let _ = child.kill();
        let _ = child.wait();
        outcome.map_err(|failure| format!("`{text}` {failure}"))
    }

    fn talk(&mut self, child: &mut Child, until: Instant) -> Outcome {
        let (Some(mut answers), Some(lines)) = (child.stdin.take(), lines_of(child)) else {
            return Err("has no pipes".to_owned());
        };
        loop {
            let line = match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Err("takes too long".to_owned()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("broke off; see its message above".to_owned());
                }
            };
            let Ok(request) = serde_json::from_str::<Value>(&line) else {
                // A library may print something of its own.
                println!("   {line}");
                continue;
            };
            if request["do"] == "finish" {
                return Ok(());
            }
            let answer = self.answer(&request).map_err(|failure| format!("asked {line}: {failure}"))?;
            say(&mut answers, &answer)?;
        }
    }

    fn answer(&mut self, request: &Value) -> Outcome<Value> {
        if let Some(what) = request["check"].as_str() {
            let (expected, came) = match request["device"].as_str() {
                Some(device) => {
                    let expected = request["saw"].as_array().ok_or("no list of expected writes")?;
                    let mut came: Vec<Value> =
                        self.device(device)?.saw(expected.len()).into_iter().map(Value::from).collect();
                    if request["or_repeated"] == true {
                        drop_repetitions(&mut came, expected);
                    }
                    if request["at_last"] == true {
                        came.drain(..came.len().saturating_sub(expected.len()));
                    }
                    (request["saw"].clone(), Value::from(came))
                }
                None => (request["expected"].clone(), request["came"].clone()),
            };
            self.check(what, &expected, &came);
            return Ok(Value::Null);
        }
        let device = request["device"].as_str().unwrap_or_default();
        match request["do"].as_str() {
            Some("dial in") => {
                self.devices.insert(device.to_owned(), Device::dial_in(self.engine.device_port, device)?);
                Ok(Value::Null)
            }
            Some("hang up") => {
                self.device(device)?;
                self.devices.remove(device);
                Ok(Value::Null)
            }
            Some("end the engine") => Ok(json!(self.engine.terminate()?.code())),
            _ => Err("this is neither a check nor a deed".to_owned()),
        }
    }

    fn device(&self, name: &str) -> Outcome<&Device> {
        self.devices.get(name).ok_or_else(|| format!("the device `{name}` has not dialled in"))
    }

    fn check(&mut self, what: &str, expected: &Value, came: &Value) {
        if expected == came {
            self.tally.passed += 1;
            println!("ok    {what}");
        } else {
            self.tally.failed += 1;
            println!("FAIL  {what}\n      expected {expected}\n      came     {came}");
        }
    }
}

/// Leaves `once` of a list that is `once` several times over, and any other list as it is.
fn drop_repetitions(list: &mut Vec<Value>, once: &[Value]) {
    if !once.is_empty() && list.chunks(once.len()).all(|chunk| chunk == once) {
        list.truncate(once.len());
    }
}

fn say(answers: &mut ChildStdin, answer: &Value) -> Outcome {
    writeln!(answers, "{answer}").and_then(|()| answers.flush()).context("does not listen")
}

/// What the child prints, line by line, until it closes its output.
fn lines_of(child: &mut Child) -> Option<Receiver<String>> {
    let output = child.stdout.take()?;
    let (lines, received) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    Some(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_dropped_and_anything_else_stays() {
        let shortened = |list: Value, once: Value| {
            let mut list = list.as_array().cloned().unwrap();
            drop_repetitions(&mut list, once.as_array().unwrap());
            Value::from(list)
        };
        assert_eq!(shortened(json!(["a", "b", "a", "b"]), json!(["a", "b"])), json!(["a", "b"]));
        assert_eq!(shortened(json!(["c", "a", "b"]), json!(["a", "b"])), json!(["c", "a", "b"]));
        assert_eq!(shortened(json!(["a"]), json!(["a", "b"])), json!(["a"]));
        assert_eq!(shortened(json!(["a", "b", "a"]), json!(["a", "b"])), json!(["a", "b", "a"]));
        assert_eq!(shortened(json!(["a"]), json!([])), json!(["a"]));
    }
}
