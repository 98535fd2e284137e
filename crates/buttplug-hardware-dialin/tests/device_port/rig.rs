//! A device port, and what those who dial in say and hear.

use buttplug_hardware_dialin::{DialInBus, DialInLimits, ListenerLimits, SocketLimits};
use buttplug_protocols::catalogue::{SerialSettings, Wiring};
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareEvent, OpenHardware};
use buttplug_websocket::{Received, Socket, SocketError, dial};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes, unless it hangs.
pub(crate) const AGES: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) bus: DialInBus,
    pub(crate) events: mpsc::Receiver<BusEvent>,
    pub(crate) address: SocketAddr,
}

impl Rig {
    pub(crate) async fn new(limits: DialInLimits) -> Self {
        let bus = DialInBus::bind_with(&["127.0.0.1:0".parse().unwrap()], limits).await.unwrap();
        let address = bus.local_addresses()[0];
        let (sender, events) = mpsc::channel(32);
        bus.attach(sender).await;
        Self { bus, events, address }
    }

    pub(crate) async fn dial(&self) -> Socket<TcpStream> {
        dial(&format!("ws://{}", self.address), SocketLimits::default()).await.unwrap()
    }

    pub(crate) async fn sighted(&mut self) -> Sighting {
        match timeout(AGES, self.events.recv()).await.expect("nothing was sighted") {
            Some(BusEvent::Sighted(sighting)) => sighting,
            other => panic!("{other:?}"),
        }
    }

    /// A device that has greeted and waits for the server.
    pub(crate) async fn greeted(&mut self, address: &str) -> (Socket<TcpStream>, Sighting) {
        let mut device = self.dial().await;
        say(&mut device, &greeting(address));
        let sighting = self.sighted().await;
        assert_eq!(sighting.address, address);
        (device, sighting)
    }

    pub(crate) async fn open(&mut self, address: &str) -> (Socket<TcpStream>, OpenHardware) {
        let (device, sighting) = self.greeted(address).await;
        let hardware = self.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap();
        (device, hardware)
    }
}

pub(crate) fn greeting(address: &str) -> String {
    format!(r#"{{"identifier": "Test", "address": "{address}", "version": 0}}"#)
}

pub(crate) fn say(device: &mut Socket<TcpStream>, text: &str) {
    device.send_text(String::from(text)).unwrap();
    assert_eq!(device.try_flush(), Ok(true));
}

pub(crate) fn with_socket(socket: SocketLimits) -> DialInLimits {
    let limits = DialInLimits::default();
    DialInLimits { listener: ListenerLimits { socket, ..limits.listener }, ..limits }
}

pub(crate) fn frame(bytes: &[u8]) -> Frame {
    Frame::new(Endpoint::Tx, bytes)
}

pub(crate) async fn hear(device: &mut Socket<TcpStream>, count: usize) -> Vec<Received> {
    let mut heard = Vec::new();
    while heard.len() < count {
        timeout(AGES, device.receive(|message| heard.push(message))).await.expect("nothing comes").unwrap();
    }
    heard
}

/// What the device is told at the end.
pub(crate) async fn end_of(device: &mut Socket<TcpStream>) -> SocketError {
    loop {
        if let Err(error) = timeout(AGES, device.receive(|_| {})).await.expect("the connection stays open") {
            return error;
        }
    }
}

pub(crate) async fn event(hardware: &mut OpenHardware) -> HardwareEvent {
    timeout(AGES, hardware.events.recv()).await.expect("no event").expect("no end")
}

pub(crate) fn gone(event: HardwareEvent) -> String {
    match event {
        HardwareEvent::Gone(reason) => reason,
        HardwareEvent::Notification { .. } => panic!("{event:?}"),
    }
}

pub(crate) fn closed(code: u16, reason: &str) -> SocketError {
    SocketError::Closed { code: Some(code), reason: String::from(reason) }
}

pub(crate) fn serial() -> Wiring {
    Wiring::Serial(SerialSettings { baud_rate: 9600, data_bits: 8, parity: 'N', stop_bits: 1 })
}
