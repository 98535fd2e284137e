//! A bridge as a test plays it: it says and hears JSON.

use crate::rig::{AGES, Rig, end_of, say};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Sighting, Uuid};
use buttplug_server::hardware::{HardwareBus, OpenHardware};
use buttplug_websocket::{Received, Socket, SocketError};
use std::collections::{BTreeMap, VecDeque};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const TX: &str = "0000fff2-0000-1000-8000-00805f9b34fb";
pub(crate) const RX: &str = "0000fff1-0000-1000-8000-00805f9b34fb";
const SERVICE: &str = "0000fff0-0000-1000-8000-00805f9b34fb";

/// A bridge that offers a Lovense vibrator at this address.
pub(crate) fn offer(address: &str) -> String {
    format!(
        r#"{{"version": 1, "transport": "bluetooth-le", "address": "{address}", "name": "LVS-Z001", "rssi": -60,
        "manufacturer_data": {{"93": "0102"}}, "advertised_services": ["{SERVICE}"],
        "services": {{"{SERVICE}": ["{RX}", "{TX}"]}}}}"#
    )
}

/// `tx` and `rx` where [`offer`] has them.
pub(crate) fn wiring() -> Wiring {
    let uuid = |text: &str| text.parse::<Uuid>().unwrap();
    let endpoints = BTreeMap::from([(Endpoint::Tx, uuid(TX)), (Endpoint::Rx, uuid(RX))]);
    Wiring::Bluetooth(BTreeMap::from([(uuid(SERVICE), endpoints)]))
}

pub(crate) fn confirmed(bytes: &[u8]) -> Frame {
    Frame::new(Endpoint::Tx, bytes).with_response()
}

pub(crate) struct Bridge {
    pub(crate) socket: Socket<TcpStream>,
    heard: VecDeque<String>,
}

impl Bridge {
    pub(crate) fn new(socket: Socket<TcpStream>) -> Self {
        Self { socket, heard: VecDeque::new() }
    }

    pub(crate) fn says(&mut self, text: &str) {
        say(&mut self.socket, text);
    }

    /// The next message of the engine.
    pub(crate) async fn hears(&mut self) -> String {
        loop {
            if let Some(text) = self.heard.pop_front() {
                return text;
            }
            let heard = &mut self.heard;
            let take = |message| match message {
                Received::Text(text) => heard.push_back(String::from_utf8_lossy(&text).into_owned()),
                Received::Binary(bytes) => panic!("{bytes:?}"),
            };
            timeout(AGES, self.socket.receive(take)).await.expect("nothing comes").unwrap();
        }
    }

    /// Hears what is expected and says something to that.
    pub(crate) async fn answers(&mut self, expected: &str, answer: &str) {
        assert_eq!(self.hears().await, expected);
        self.says(answer);
    }

    /// What the engine says to the end, and the end.
    pub(crate) async fn end(mut self) -> (Vec<String>, SocketError) {
        let mut said: Vec<String> = self.heard.drain(..).collect();
        loop {
            let take = |message| match message {
                Received::Text(text) => said.push(String::from_utf8_lossy(&text).into_owned()),
                Received::Binary(bytes) => panic!("{bytes:?}"),
            };
            if let Err(error) = timeout(AGES, self.socket.receive(take)).await.expect("it stays open") {
                return (said, error);
            }
        }
    }

    /// The end, without what is said before.
    pub(crate) async fn is_closed_with(&mut self) -> SocketError {
        end_of(&mut self.socket).await
    }
}

impl Rig {
    /// A bridge that has said something and waits for the server.
    pub(crate) async fn bridge(&mut self, greeting: &str) -> (Bridge, Sighting) {
        let mut bridge = Bridge::new(self.dial().await);
        bridge.says(greeting);
        let sighting = self.sighted().await;
        (bridge, sighting)
    }

    /// A bridge to a Lovense vibrator, opened and accepted.
    pub(crate) async fn open_bridge(&mut self, address: &str) -> (Bridge, OpenHardware) {
        let (mut bridge, sighting) = self.bridge(&offer(address)).await;
        let hardware = self.bus.open(&sighting, &[&wiring()]).await.unwrap();
        self.bus.accept(&sighting, "lovense").await;
        assert_eq!(bridge.hears().await, r#"{"accepted":{"protocol":"lovense"}}"#);
        (bridge, hardware)
    }
}
