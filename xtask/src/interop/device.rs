//! A Lovense device that dials in and remembers every byte it is told. Speaks WebSocket through a library of its own,
//! so that the engine's device port is not tested against itself.

use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use crate::engine::DEVICE_IDENTIFIER;
use crate::run::{Context as _, Outcome};

/// Longest wait for a write that is expected.
const PATIENCE: Duration = Duration::from_secs(3);

/// Silence after the last expected write, in which a surplus one would show.
const SILENCE: Duration = Duration::from_millis(120);

/// The kinds of devices by the names that scripts call them by: what each answers to `DeviceType;` (model, firmware,
/// Bluetooth address) and, for the scripts, its full name and the zeros that stop it, in the order in which they go out.
const KINDS: &str = include_str!("../../interop/devices.json");

/// What all of them answer to `Battery;`.
const BATTERY: &str = "85;";

/// A device on the engine's device port. Dropping it hangs up.
pub(crate) struct Device {
    socket: TcpStream,
    told: Arc<Told>,
    reader: Option<JoinHandle<()>>,
}

/// What the engine wrote, filled by the reader and emptied by whoever asks.
#[derive(Default)]
struct Told {
    writes: Mutex<Vec<Vec<u8>>>,
    changed: Condvar,
}

impl Told {
    fn writes(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    /// Dials in as the kind of device with this name.
    pub(crate) fn dial_in(port: u16, name: &str) -> Outcome<Self> {
        let answer = type_answer(name)?;
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("device port")?;
        socket.set_nodelay(true).context("device port")?;
        let ours = socket.try_clone().context("device port")?;
        let (mut web_socket, _) = client(format!("ws://127.0.0.1:{port}"), socket).context("device port")?;
        let address = answer.trim_end_matches(';').rsplit(':').next();
        let greeting = json!({ "identifier": DEVICE_IDENTIFIER, "address": address, "version": 0 });
        web_socket.send(Message::text(greeting.to_string())).context("greeting")?;
        let told = Arc::new(Told::default());
        let reader = std::thread::spawn({
            let told = Arc::clone(&told);
            move || answer_until_gone(web_socket, &answer, &told)
        });
        Ok(Self { socket: ours, told, reader: Some(reader) })
    }

    /// The writes since the last call, each as text if it is text and else in hex. Waits until `count` have come (in
    /// vain if fewer are coming), and then a little for more that should not come.
    pub(crate) fn saw(&self, count: usize) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        let mut writes = self.told.writes();
        while writes.len() < count && Instant::now() < until {
            let (back, _) = self
                .told
                .changed
                .wait_timeout(writes, until.saturating_duration_since(Instant::now()))
                .unwrap_or_else(PoisonError::into_inner);
            writes = back;
        }
        drop(writes);
        std::thread::sleep(SILENCE);
        self.told.writes().drain(..).map(|bytes| readable(&bytes)).collect()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // As a device out of reach: no close frame, the connection just ends.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What this kind of device answers to `DeviceType;`.
fn type_answer(name: &str) -> Outcome<String> {
    let kinds: Value = serde_json::from_str(KINDS).context("xtask/interop/devices.json")?;
    let answer = kinds[name]["answer"].as_str().ok_or(format!("no kind of device `{name}`"))?;
    Ok(answer.to_owned())
}

/// Reads until the connection ends, and answers as the device would.
fn answer_until_gone(mut socket: WebSocket<TcpStream>, type_answer: &str, told: &Told) {
    while let Ok(message) = socket.read() {
        let Message::Binary(bytes) = message else { continue };
        let answer = match &*bytes {
            b"DeviceType;" => type_answer,
            b"Battery;" => BATTERY,
            // The real ones acknowledge everything, and whoever reads the battery has to see past that.
            _ => "OK;",
        };
        told.writes().push(bytes.to_vec());
        told.changed.notify_all();
        if socket.send(Message::binary(answer.as_bytes().to_vec())).is_err() {
            return;
        }
    }
}

fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>().trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio_tungstenite::tungstenite::accept;

    use super::*;

    #[test]
    fn a_device_greets_answers_and_remembers_what_it_was_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let engine = std::thread::spawn(move || {
            let mut socket = accept(listener.accept().unwrap().0).unwrap();
            let mut heard = vec![socket.read().unwrap().into_text().unwrap().to_string()];
            for write in ["DeviceType;", "Vibrate:3;", "Battery;"] {
                socket.send(Message::binary(write.as_bytes())).unwrap();
                heard.push(String::from_utf8(socket.read().unwrap().into_data().to_vec()).unwrap());
            }
            socket.send(Message::binary(vec![0xf1, 0x00])).unwrap();
            heard
        });
        let device = Device::dial_in(port, "two motors").unwrap();
        assert_eq!(device.saw(4), ["DeviceType;", "Vibrate:3;", "Battery;", "f1 00"]);
        let greeting = r#"{"address":"0082059AD3BE","identifier":"XtaskDevice","version":0}"#;
        assert_eq!(engine.join().unwrap(), [greeting, "P:02:0082059AD3BE;", "OK;", "85;"]);
        assert!(device.saw(0).is_empty());
        assert!(Device::dial_in(port, "three motors").is_err());
    }
}
