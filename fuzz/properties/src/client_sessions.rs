//! The client library against whatever a server says: every call ends, what is unasked-for upsets nothing, and what the
//! client writes is what a server reads.
//!
//! An input is lines: a frame of the server, in which `@` stands for the id of the oldest request that has no answer yet;
//! `answer`, which answers that one as a server should; `call ..`, which lets the application want something; `wait 250`;
//! and `lost`. What is none of these is passed over.

use crate::world::{self, FOR_EVER, settle};
use async_trait::async_trait;
use buttplug_client::core::connector::{ClientConnection, ClientConnector, ConnectorError};
use buttplug_client::core::message::{ClientMessage, ClientRequest, ServerMessage, json};
use buttplug_client::core::{InputKind, OutputKind};
use buttplug_client::{Client, Output, Value};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Lines of one input; the rest is left out.
const MAX_LINES: usize = 60;

/// The longest wait of a line.
const MAX_WAIT_MS: u64 = 15_000;

/// Messages that a client may have sent for each line: a call about everything is one for each feature.
const MAX_SENT_PER_LINE: usize = 500;

/// Pings that a client may have sent for each millisecond: the shortest ping time that a server can announce is one, and no
/// ping is due sooner.
const MAX_PINGS_PER_MS: u64 = 1;

/// Plays the server and the application that `data` says.
pub fn hold(data: &[u8]) {
    crate::show(&String::from_utf8_lossy(data));
    let lines: Vec<Vec<u8>> = data.split(|byte| *byte == b'\n').take(MAX_LINES).map(<[u8]>::to_vec).collect();
    world::run(hold_against(lines));
}

async fn hold_against(lines: Vec<Vec<u8>>) {
    let client = Client::new("Fuzz");
    let mut events = client.events();
    let (to_client, from_server) = mpsc::unbounded_channel();
    let (to_server, mut from_client) = mpsc::unbounded_channel();
    let mut to_client = Some(to_client);
    let connector = Connector(Some(Connection { queued: Vec::new(), to_server, from_server }));
    let mut calls = JoinSet::new();
    calls.spawn({
        let client = client.clone();
        async move { drop(client.connect(connector).await) }
    });
    let mut unanswered = VecDeque::new();
    let (mut sent, mut most) = (0, (lines.len() + 1) * MAX_SENT_PER_LINE);
    for line in lines {
        settle().await;
        while let Ok(message) = from_client.try_recv() {
            sent += 1;
            assert!(sent <= most, "{sent} messages, at most {most} expected");
            unanswered.push_back(read_by_a_server(&message));
        }
        match line.as_slice() {
            b"lost" => to_client = None,
            b"answer" => {
                let answer = unanswered.pop_front().map(|message| answer(&message));
                say(to_client.as_ref(), answer.unwrap_or_default().as_bytes());
            }
            [b'[', ..] => {
                let frame = with_id(&line, &mut unanswered);
                say(to_client.as_ref(), &frame);
            }
            words => match std::str::from_utf8(words).unwrap_or_default().split_once(' ') {
                Some(("wait", ms)) => {
                    let ms = ms.parse::<u64>().unwrap_or_default().min(MAX_WAIT_MS);
                    most += usize::try_from(ms * MAX_PINGS_PER_MS).unwrap_or(usize::MAX);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                Some(("call", what)) => call(&client, what, &mut calls),
                _ => {}
            },
        }
        while tokio::time::timeout(Duration::ZERO, events.next()).await.is_ok_and(|event| event.is_some()) {}
    }
    // Nothing answers any more, and nothing waits for ever.
    timeout(FOR_EVER, async { while calls.join_next().await.is_some() {} }).await.expect("every call ends");
    timeout(FOR_EVER, client.disconnect()).await.expect("a client that leaves");
    assert!(!client.is_connected() && client.devices().iter().all(|device| !device.is_present()));
}

/// What the client wrote, as a server reads it.
fn read_by_a_server(message: &ClientMessage) -> ClientMessage {
    let mut text = Vec::new();
    json::write_client_message(message, &mut text);
    let mut read = Vec::new();
    json::parse_client_frame(&text, &mut read);
    assert_eq!(read, [Ok(message.clone())], "{}", String::from_utf8_lossy(&text));
    message.clone()
}

/// `@` is the id of the oldest request, which counts as answered then.
fn with_id(line: &[u8], unanswered: &mut VecDeque<ClientMessage>) -> Vec<u8> {
    let Some(at) = line.iter().position(|byte| *byte == b'@') else { return line.to_vec() };
    let id = unanswered.pop_front().map_or(0, |message| message.id.0);
    [&line[..at], id.to_string().as_bytes(), &line[at + 1..]].concat()
}

fn answer(message: &ClientMessage) -> String {
    let id = message.id;
    match &message.request {
        ClientRequest::RequestServerInfo(_) => format!(
            r#"[{{"ServerInfo":{{"Id":{id},"ServerName":"S","MaxPingTime":500,"ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}}}]"#
        ),
        ClientRequest::RequestDeviceList => format!(
            r#"[{{"DeviceList":{{"Id":{id},"Devices":{{"0":{{"DeviceIndex":0,"DeviceName":"D","DeviceMessageTimingGap":0,"DeviceFeatures":{{"0":{{"FeatureIndex":0,"FeatureDescription":"","Output":{{"Vibrate":{{"Value":[0,20]}}}},"Input":{{"Battery":{{"Value":[[0,100]],"Command":["Read","Subscribe"]}}}}}}}}}}}}}}}}]"#
        ),
        _ => format!(r#"[{{"Ok":{{"Id":{id}}}}}]"#),
    }
}

fn say(to_client: Option<&mpsc::UnboundedSender<Vec<ServerMessage>>>, frame: &[u8]) {
    let mut batch = Vec::new();
    // A frame that is no JSON brings nothing, as at a real connector.
    let _ = json::parse_server_frame(frame, &mut batch);
    if let Some(to_client) = to_client {
        // A client that has left does not hear it.
        let _ = to_client.send(batch);
    }
}

/// Wants something of the client and, where it is about devices, of all that are there.
fn call(client: &Client, what: &str, calls: &mut JoinSet<()>) {
    let (client, devices) = (client.clone(), client.devices());
    let what = what.to_owned();
    calls.spawn(async move {
        match what.as_str() {
            "scan" => drop(client.start_scanning().await),
            "no scan" => drop(client.stop_scanning().await),
            "stop" => drop(client.stop_all().await),
            "ping" => drop(client.ping().await),
            "disconnect" => client.disconnect().await,
            what => {
                for device in devices {
                    match what {
                        "battery" => drop(device.battery().await),
                        "subscribe" => drop(device.subscribe(InputKind::Battery).await),
                        "stop device" => drop(device.stop().await),
                        what => {
                            let (kind, value) = what.split_once(' ').unwrap_or_default();
                            let kind = OutputKind::from_name(kind).unwrap_or(OutputKind::Vibrate);
                            let value = Value::Fraction(value.parse().unwrap_or(0.5));
                            let output = match kind {
                                OutputKind::HwPositionWithDuration => {
                                    Output::timed_position(value, Duration::from_millis(100))
                                }
                                kind => Output::new(kind, value),
                            };
                            drop(device.run_output(output).await);
                        }
                    }
                }
            }
        }
    });
}

/// Leads to the server once, and then nowhere.
struct Connector(Option<Connection>);

#[async_trait]
impl ClientConnector for Connector {
    async fn connect(&mut self) -> Result<Box<dyn ClientConnection>, ConnectorError> {
        let connection = self.0.take().ok_or_else(|| ConnectorError::Refused {
            address: self.address(),
            reason: String::from("once is enough"),
        })?;
        Ok(Box::new(connection))
    }

    fn address(&self) -> String {
        String::from("a fuzzer")
    }
}

/// The client's end.
struct Connection {
    queued: Vec<ClientMessage>,
    to_server: mpsc::UnboundedSender<ClientMessage>,
    from_server: mpsc::UnboundedReceiver<Vec<ServerMessage>>,
}

impl Connection {
    fn flush(&mut self) {
        for message in self.queued.drain(..) {
            // Nobody reads any more at the end of an input.
            let _ = self.to_server.send(message);
        }
    }
}

#[async_trait]
impl ClientConnection for Connection {
    fn send(&mut self, message: ClientMessage) -> Result<(), ConnectorError> {
        self.queued.push(message);
        Ok(())
    }

    async fn receive(&mut self, batch: &mut Vec<ServerMessage>) -> Result<(), ConnectorError> {
        self.flush();
        let messages = self.from_server.recv().await;
        batch.extend(messages.ok_or(ConnectorError::Lost { reason: String::from("the fuzzer is gone") })?);
        Ok(())
    }

    async fn close(&mut self) {
        self.flush();
    }
}
