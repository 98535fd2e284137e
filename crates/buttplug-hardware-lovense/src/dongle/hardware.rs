//! The toy that a dongle has, as the server sees it.

use super::bus::Requests;
use super::thread::Request;
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Beginning, Hardware, HardwareError};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A toy that the server has taken. Dropping it lets go of it; the dongle keeps it.
pub(super) struct DongleToy {
    pub(super) requests: Arc<Requests>,
    pub(super) number: u64,
}

impl DongleToy {
    /// The dongle passes on whatever the toy says; who listens is known here only.
    async fn listen(&self, endpoint: Endpoint, on: bool) -> Result<(), HardwareError> {
        if endpoint != Endpoint::Rx {
            return Err(HardwareError::NoEndpoint(endpoint));
        }
        let number = self.number;
        self.requests.ask(|done| Request::Listen { number, on, done }).await?
    }
}

#[async_trait]
impl Hardware for DongleToy {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.write_unless_called_off(frame, &Beginning::default()).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        let text = std::str::from_utf8(&frame.data);
        let text = text.map_err(|_| HardwareError::NotSupported("a command that is no text"))?.to_owned();
        let number = self.number;
        let beginning = beginning.clone();
        self.requests.ask(|done| Request::Write { number, text, beginning, done }).await?
    }

    async fn read(&self, _endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        Err(HardwareError::NotSupported("a read"))
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.listen(endpoint, true).await
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.listen(endpoint, false).await
    }

    async fn close(&self) {
        let number = self.number;
        // A thread that has ended has let go.
        let _ = self.requests.ask(|done| Request::Close { number, done }).await;
    }
}

impl Drop for DongleToy {
    fn drop(&mut self) {
        let (done, _) = oneshot::channel();
        let _ = self.requests.give(Request::Close { number: self.number, done });
    }
}
