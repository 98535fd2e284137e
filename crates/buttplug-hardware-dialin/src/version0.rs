//! Version 0 of the device port: every message is bytes of the device's own protocol, one way in and one way out.

use crate::line::Line;
use crate::speech::{Heard, Speech};
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Hardware, HardwareError, HardwareEvent};
use buttplug_websocket::{CloseCode, Received};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Who listens to a device that is its own transport.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    subscribed: Vec<Endpoint>,
}

impl Hearing {
    /// What a device says before anybody listens is lost.
    pub(crate) fn hear(&self, message: Received) -> Heard {
        let (Received::Text(data) | Received::Binary(data)) = message;
        match self.heard_as() {
            Some(endpoint) => Heard::Notification { endpoint, data },
            None => Heard::Nothing,
        }
    }

    /// As which endpoint the device's messages count. There is one way in: whoever subscribes hears everything.
    fn heard_as(&self) -> Option<Endpoint> {
        let rx = self.subscribed.iter().find(|endpoint| **endpoint == Endpoint::Rx);
        rx.or(self.subscribed.first()).copied()
    }
}

/// A device that is its own transport. Dropping it closes the connection.
pub(crate) struct Version0 {
    line: Arc<Line>,
}

impl Version0 {
    /// The server takes the device.
    pub(crate) fn open(line: Arc<Line>) -> Result<(Self, mpsc::Receiver<HardwareEvent>), HardwareError> {
        let ((), events) = line.open(|_| Ok(()))?;
        Ok((Self { line }, events))
    }

    /// `None`: the line has ended.
    fn with_hearing(&self, change: impl FnOnce(&mut Hearing)) -> Option<()> {
        self.line.with_speech(|speech| {
            if let Speech::Version0(hearing) = speech {
                change(hearing);
            }
        })
    }
}

impl Drop for Version0 {
    fn drop(&mut self) {
        self.line.end(CloseCode::Normal, "");
    }
}

#[async_trait]
impl Hardware for Version0 {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        let bytes = Bytes::copy_from_slice(&frame.data);
        match self.line.send(|_, socket| Ok(socket.send_binary(bytes)?))? {
            ((), true) => Ok(()),
            ((), false) => self.line.written().await,
        }
    }

    async fn read(&self, _endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        Err(HardwareError::NotSupported("reading"))
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        let subscribed = self.with_hearing(|hearing| {
            if !hearing.subscribed.contains(&endpoint) {
                hearing.subscribed.push(endpoint);
            }
        });
        subscribed.ok_or(HardwareError::Gone)
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        // On a line that has ended there is nothing to hear.
        let _ = self.with_hearing(|hearing| hearing.subscribed.retain(|subscribed| *subscribed != endpoint));
        Ok(())
    }

    async fn close(&self) {
        self.line.end(CloseCode::Normal, "");
        self.line.ended().await;
    }
}
