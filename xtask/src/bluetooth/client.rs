//! A client of the engine's for the scenarios: scans, keeps the list of devices, drives, reads.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::run::{Context as _, Outcome};

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one look at the socket takes.
const LOOK: Duration = Duration::from_millis(20);

/// A client that has introduced itself.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    id: u32,
    devices: BTreeMap<u32, Value>,
    /// Replies that came while another was waited for.
    replies: BTreeMap<u32, (String, Value)>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("can't connect")?;
        stream.set_nodelay(true).context("no TCP_NODELAY")?;
        stream.set_read_timeout(Some(PATIENCE)).context("no timeout")?;
        let (socket, _) = match client(format!("ws://127.0.0.1:{port}"), stream) {
            Ok(opened) => opened,
            Err(error) => return Err(format!("no WebSocket: {error}")),
        };
        socket.get_ref().set_read_timeout(Some(LOOK)).context("no timeout")?;
        let mut client = Self { socket, id: 0, devices: BTreeMap::new(), replies: BTreeMap::new() };
        client.ask(
            "RequestServerInfo",
            json!({ "ClientName": "xtask", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0 }),
        )?;
        Ok(client)
    }

    pub(crate) fn scan(&mut self, on: bool) -> Outcome {
        self.ask(if on { "StartScanning" } else { "StopScanning" }, json!({})).map(drop)
    }

    /// Waits for the device with this name; answers its index.
    pub(crate) fn device(&mut self, name: &str, patience: Duration) -> Outcome<u32> {
        let found = |devices: &BTreeMap<u32, Value>| {
            devices.iter().find(|(_, device)| device["DeviceName"] == name).map(|(index, _)| *index)
        };
        let until = Instant::now() + patience;
        loop {
            if let Some(index) = found(&self.devices) {
                return Ok(index);
            }
            if Instant::now() > until {
                return Err(format!("{name} is not in the list: {:?}", self.names()));
            }
            self.look()?;
        }
    }

    /// Waits until a device has left the list.
    pub(crate) fn gone(&mut self, index: u32, patience: Duration) -> Outcome {
        let until = Instant::now() + patience;
        while self.devices.contains_key(&index) {
            if Instant::now() > until {
                return Err(format!("device {index} is still in the list: {:?}", self.names()));
            }
            self.look()?;
        }
        Ok(())
    }

    /// The names of the devices in the list.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.devices.values().filter_map(|device| device["DeviceName"].as_str()).collect()
    }

    /// Sets an output, and waits for the reply.
    pub(crate) fn set(&mut self, device: u32, feature: u32, command: Value) -> Outcome {
        let content = json!({ "DeviceIndex": device, "FeatureIndex": feature, "Command": command });
        self.ask("OutputCmd", content).map(drop)
    }

    pub(crate) fn vibrate(&mut self, device: u32, feature: u32, value: i32) -> Outcome {
        self.set(device, feature, json!({ "Vibrate": { "Value": value } }))
    }

    /// The same without waiting for the reply.
    pub(crate) fn vibrate_at_once(&mut self, device: u32, value: i32) -> Outcome {
        let command = json!({ "Vibrate": { "Value": value } });
        let content = json!({ "DeviceIndex": device, "FeatureIndex": 0, "Command": command });
        self.send("OutputCmd", content).map(drop)
    }

    pub(crate) fn stop(&mut self) -> Outcome {
        self.ask("StopCmd", json!({ "Inputs": true, "Outputs": true })).map(drop)
    }

    pub(crate) fn ping(&mut self) -> Outcome {
        self.ask("Ping", json!({})).map(drop)
    }

    /// Reads the battery, in percent.
    pub(crate) fn battery(&mut self, device: u32) -> Outcome<i64> {
        let features = self.devices.get(&device).map(|device| device["DeviceFeatures"].clone());
        let features = features.unwrap_or_default();
        let with_battery = features.as_object().and_then(|features| {
            let has = |feature: &Value| feature["Input"]["Battery"].is_object();
            features.iter().find(|(_, feature)| has(feature)).and_then(|(index, _)| index.parse::<u32>().ok())
        });
        let feature = with_battery.ok_or("the device has no battery")?;
        let content =
            json!({ "DeviceIndex": device, "FeatureIndex": feature, "Type": "Battery", "Command": "Read" });
        let (name, reading) = self.ask("InputCmd", content)?;
        let percent = reading["Reading"]["Battery"]["Value"].as_i64();
        percent.ok_or_else(|| format!("no reading but {name} {reading}"))
    }

    fn send(&mut self, name: &str, mut content: Value) -> Outcome<u32> {
        self.id += 1;
        content["Id"] = self.id.into();
        let text = json!([{ name: content }]).to_string();
        self.socket.send(Message::text(text)).context("can't send")?;
        Ok(self.id)
    }

    /// Sends a message and waits for its reply; one that is an error is one.
    fn ask(&mut self, name: &str, content: Value) -> Outcome<(String, Value)> {
        let id = self.send(name, content)?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some((kind, reply)) = self.replies.remove(&id) {
                return if kind == "Error" { Err(format!("{name}: {reply}")) } else { Ok((kind, reply)) };
            }
            if Instant::now() > until {
                return Err(format!("no reply to {name}"));
            }
            self.look()?;
        }
    }

    /// Takes what has come, for a moment.
    pub(crate) fn look(&mut self) -> Outcome {
        let message = match self.socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => return Ok(()),
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(format!("the engine hung up: {error}")),
        };
        let messages: Vec<serde_json::Map<String, Value>> =
            serde_json::from_str(&message).context("not a list of messages")?;
        for (kind, content) in messages.into_iter().flatten() {
            if kind == "DeviceList" {
                let listed = content["Devices"].as_object().cloned().unwrap_or_default();
                self.devices = listed
                    .into_iter()
                    .filter_map(|(index, device)| Some((index.parse().ok()?, device)))
                    .collect();
            }
            let id = content["Id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
            if id != 0 {
                self.replies.insert(id, (kind, content));
            }
        }
        Ok(())
    }
}
