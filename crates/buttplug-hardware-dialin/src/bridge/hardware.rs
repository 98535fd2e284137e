//! The hardware behind a bridge, as the server sees it: asks, and waits for the answer for so long and no longer.

use super::message::{Answer, Request};
use super::{Bridge, BridgeError, Question};
use crate::line::{Line, Unsent};
use crate::speech::Speech;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::{Hardware, HardwareError, OpenHardware};
use buttplug_websocket::{CloseCode, Socket};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// Hardware behind a bridge. Dropping it lets go of it and closes the connection.
pub(crate) struct Bridged {
    line: Arc<Line>,
    peer: SocketAddr,
}

impl Bridged {
    /// The server takes the hardware, with the first of the wirings that fits.
    pub(crate) fn open(line: Arc<Line>, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let (found, events) = line.open(|speech| {
            let bridge = bridge(speech)?;
            Ok((bridge.wire(wirings)?, bridge.peer))
        })?;
        let ((wiring, endpoints), peer) = found;
        Ok(OpenHardware { hardware: Arc::new(Self { line, peer }), events, wiring, endpoints })
    }

    /// Sends what `speak` returns. False: not everything is with the operating system yet.
    fn send(
        &self,
        speak: impl FnOnce(&mut Bridge, &mut Socket) -> Result<(), Unsent>,
    ) -> Result<bool, HardwareError> {
        let sent = self.line.send(|speech, socket| speak(bridge(speech)?, socket));
        sent.map(|((), flushed)| flushed)
    }

    fn with_bridge<T>(
        &self,
        look: impl FnOnce(&mut Bridge) -> Result<T, HardwareError>,
    ) -> Result<T, HardwareError> {
        self.line.with_speech(|speech| bridge(speech).and_then(look)).unwrap_or(Err(HardwareError::Gone))
    }

    /// Asks and waits for the answer. Whoever gives up waiting may do so at any time: what was asked is asked.
    async fn ask(&self, request: Request<'_>, endpoint: Endpoint) -> Result<Answer, HardwareError> {
        let mut asked = None;
        self.send(|bridge, socket| {
            let Question { text, id, answer } = bridge.ask(request, endpoint)?;
            asked = Some((Asked { line: &self.line, id }, answer));
            Ok(socket.send_text(text)?)
        })?;
        let Some((_asked, answer)) = asked else { return Err(HardwareError::Gone) };
        let (peer, request, after) = (self.peer, request.name(), self.line.times().answer);
        match timeout(after, answer).await {
            Ok(Ok(Answer::Error(reason))) => Err(BridgeError::Refused { peer, request, reason }.into()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(HardwareError::Gone),
            Err(_) => Err(BridgeError::NotAnswered { peer, request, after }.into()),
        }
    }

    /// [`ask`](Self::ask) for what is answered with `ok`.
    async fn do_it(&self, request: Request<'_>, endpoint: Endpoint) -> Result<(), HardwareError> {
        match self.ask(request, endpoint).await? {
            Answer::Ok => Ok(()),
            Answer::Data(_) | Answer::Error(_) => Err(BridgeError::Unfitting {
                peer: self.peer,
                request: request.name(),
                came: "data",
                wanted: "ok",
            }
            .into()),
        }
    }
}

/// A question under way. Forgotten when nobody waits any more.
struct Asked<'a> {
    line: &'a Line,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        // On a line that has ended there is nothing to forget.
        let _ = self.line.with_speech(|speech| bridge(speech).map(|bridge| bridge.forget(self.id)));
    }
}

fn bridge(speech: &mut Speech) -> Result<&mut Bridge, HardwareError> {
    match speech {
        Speech::Bridge(bridge) => Ok(bridge),
        Speech::Version0(_) => Err(HardwareError::NotSupported("version 1 of the device port")),
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        self.line.end(CloseCode::Normal, "");
    }
}

#[async_trait]
impl Hardware for Bridged {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        let request = Request::Write { data: &frame.data };
        if frame.response {
            return self.do_it(request, frame.endpoint).await;
        }
        let flushed = self.send(|bridge, socket| {
            let place = bridge.places.of(frame.endpoint)?;
            Ok(socket.send_text(request.text(None, place))?)
        })?;
        if flushed { Ok(()) } else { self.line.written().await }
    }

    async fn read(&self, endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError> {
        let request = Request::Read { length };
        match self.ask(request, endpoint).await? {
            Answer::Data(mut data) => {
                data.truncate(usize::from(length));
                Ok(data)
            }
            Answer::Ok | Answer::Error(_) => Err(BridgeError::Unfitting {
                peer: self.peer,
                request: request.name(),
                came: "ok",
                wanted: "data",
            }
            .into()),
        }
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        // Heard from now on: the hardware's first words may come right behind the answer.
        if !self.with_bridge(|bridge| bridge.listen(endpoint))? {
            return Ok(());
        }
        let outcome = self.do_it(Request::Subscribe, endpoint).await;
        // A line that has ended meanwhile says so in the outcome.
        let _ = self.with_bridge(|bridge| {
            bridge.listened(endpoint, outcome.is_ok());
            Ok(())
        });
        outcome
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        if !self.with_bridge(|bridge| bridge.unlisten(endpoint))? {
            return Ok(());
        }
        self.do_it(Request::Unsubscribe, endpoint).await
    }

    async fn close(&self) {
        self.line.end(CloseCode::Normal, "");
        self.line.ended().await;
    }
}
