//! A pad as the server sees it: hands requests on to the pad's thread.

use crate::driver::{Request, Requests};
use crate::limits::WRITE_TIME;
use crate::motors::{Motors, Rumble};
use crate::pad::PadError;
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Hardware, HardwareError};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// A pad that the server has taken. Dropping it sets its motors to rest.
pub(crate) struct Gamepad {
    pub(crate) motors: Motors,
    pub(crate) requests: Requests,
    /// Has no message; closed when the pad's thread has ended.
    pub(crate) ended: watch::Receiver<()>,
}

/// Where it says which motors it has.
const MOTORS: Endpoint = Endpoint::Generic(0);

impl Gamepad {
    /// Asks for something and waits for the answer, for so long and no longer.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, PadError>>) -> Request,
    ) -> Result<T, HardwareError> {
        let (sender, answer) = oneshot::channel();
        self.requests.give(request(sender))?;
        match timeout(WRITE_TIME, answer).await {
            Ok(Ok(answer)) => answer.map_err(HardwareError::from),
            Ok(Err(_)) => Err(HardwareError::Gone),
            Err(_) => Err(HardwareError::TimedOut("the gamepad")),
        }
    }
}

#[async_trait]
impl Hardware for Gamepad {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        let rumble = Rumble::of_frame(&frame.data);
        let rumble = rumble.ok_or(HardwareError::NotSupported("a frame that is not 8 bytes long"))?;
        self.ask(|done| Request::Rumble { rumble, done }).await
    }

    async fn read(&self, endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        match endpoint {
            Endpoint::Rx => self.ask(|level| Request::Battery { level }).await.map(|percent| vec![percent]),
            MOTORS => Ok(self.motors.identifier().into()),
            other => Err(HardwareError::NoEndpoint(other)),
        }
    }

    async fn subscribe(&self, _endpoint: Endpoint) -> Result<(), HardwareError> {
        Err(HardwareError::NotSupported("a notification"))
    }

    async fn unsubscribe(&self, _endpoint: Endpoint) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn close(&self) {
        self.requests.close();
        let mut ended = self.ended.clone();
        // Nothing is ever sent: it changes by being closed. A thread that hangs in the system is left to it.
        let _ = timeout(WRITE_TIME, ended.changed()).await;
    }
}

impl Drop for Gamepad {
    fn drop(&mut self) {
        self.requests.close();
    }
}
