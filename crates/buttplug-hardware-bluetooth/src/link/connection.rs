//! The server's end of a link: each call becomes a ticket for the link's task, and ends in time whatever becomes of it.

use super::LinkHandle;
use crate::lane::Way;
use crate::limits::{CALL_TIME, CLOSE_TIME};
use crate::places::Places;
use crate::radio::{Abilities, Characteristic};
use async_trait::async_trait;
use buttplug_protocols::frame::{Endpoint, Frame, FrameBytes};
use buttplug_server::hardware::{Beginning, Hardware, HardwareError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// How a call ends; reads have bytes.
pub(super) type Answer = Result<Vec<u8>, HardwareError>;

/// A call, and who waits for its end.
pub(super) struct Ticket {
    pub(super) call: Call,
    /// Told when it goes out.
    pub(super) beginning: Beginning,
    /// `None`: the link itself wants it.
    pub(super) answer: Option<oneshot::Sender<Answer>>,
}

#[derive(Debug)]
pub(super) enum Call {
    Write { place: usize, data: FrameBytes, way: Way },
    Read { place: usize },
    Subscribe { endpoint: Endpoint, wanted: bool },
}

/// The server's end of a link.
pub(super) struct Connection {
    pub(super) places: Places,
    pub(super) characteristics: Vec<Characteristic>,
    pub(super) calls: mpsc::Sender<Ticket>,
    pub(super) handle: LinkHandle,
    pub(super) was_connected: bool,
}

impl Connection {
    fn place(&self, endpoint: Endpoint) -> Result<usize, HardwareError> {
        self.places.get(&endpoint).copied().ok_or(HardwareError::NoEndpoint(endpoint))
    }

    /// What the characteristic at this place can do.
    fn can(&self, place: usize) -> Abilities {
        self.characteristics.get(place).map(|one| one.abilities).unwrap_or_default()
    }

    async fn ask(&self, call: Call, beginning: &Beginning, what: &'static str) -> Answer {
        let by = Instant::now() + CALL_TIME;
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket { call, beginning: beginning.clone(), answer: Some(answer) };
        let asked = async {
            self.calls.send(ticket).await.map_err(|_| HardwareError::Gone)?;
            answered.await.map_err(|_| HardwareError::Gone)?
        };
        timeout_at(by, asked).await.unwrap_or(Err(HardwareError::TimedOut(what)))
    }
}

#[async_trait]
impl Hardware for Connection {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.write_unless_called_off(frame, &Beginning::default()).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        let place = self.place(frame.endpoint)?;
        let can = self.can(place);
        let way = Way::of(frame.response, can.write, can.write_unconfirmed);
        self.ask(Call::Write { place, data: frame.data.clone(), way }, beginning, "a write").await.map(drop)
    }

    async fn read(&self, endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError> {
        let place = self.place(endpoint)?;
        if !self.can(place).read {
            return Err(HardwareError::NotSupported("reading this endpoint"));
        }
        let mut value = self.ask(Call::Read { place }, &Beginning::default(), "a read").await?;
        value.truncate(length.into());
        Ok(value)
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        let place = self.place(endpoint)?;
        if !self.can(place).notify {
            return Err(HardwareError::NotSupported("subscribing to this endpoint"));
        }
        let call = Call::Subscribe { endpoint, wanted: true };
        self.ask(call, &Beginning::default(), "a subscription").await.map(drop)
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.place(endpoint)?;
        let call = Call::Subscribe { endpoint, wanted: false };
        self.ask(call, &Beginning::default(), "the end of a subscription").await.map(drop)
    }

    async fn close(&self) {
        self.handle.let_go();
        self.handle.wait_closed(CLOSE_TIME).await;
    }

    fn was_connected(&self) -> bool {
        self.was_connected
    }
}
