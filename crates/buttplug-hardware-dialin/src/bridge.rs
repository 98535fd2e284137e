//! Version 1 of the device port: a bridge to hardware that someone else's radio or cable reaches.
//!
//! Here is what has to be remembered of one bridge: what was asked and not answered, who listens to what. No sockets, no
//! clock. `bridge/greeting.rs` reads what hardware is offered, `bridge/places.rs` finds a protocol's endpoints on it,
//! `bridge/message.rs` is the language from then on, and `bridge/hardware.rs` is the hardware as the server sees it.

mod error;
mod greeting;
mod hardware;
mod message;
mod places;

pub(crate) use error::BridgeError;
pub(crate) use greeting::{Offer, Transport};
pub(crate) use hardware::Bridged;

use crate::limits::MAX_REQUESTS;
use crate::speech::Heard;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::Endpoint;
use buttplug_server::hardware::HardwareError;
use buttplug_websocket::{CloseCode, Received};
use bytes::Bytes;
use message::{Answer, BadMessage, Message, Request, accepted, disconnect, rejected};
use places::{Place, Places};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// What is known of one bridge.
pub(crate) struct Bridge {
    peer: SocketAddr,
    transport: Transport,
    places: Places,
    accepted: bool,
    /// The id of the latest request; 0 before the first.
    last_id: u64,
    /// Who waits for the answer to which request.
    asked: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// Who listens to what; true once the bridge has confirmed it.
    subscribed: BTreeMap<Endpoint, bool>,
}

/// What is to be sent, and who gets the answer.
struct Question {
    text: String,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Bridge {
    pub(crate) fn new(peer: SocketAddr, transport: Transport) -> Self {
        Self {
            peer,
            transport,
            places: Places::Unknown,
            accepted: false,
            last_id: 0,
            asked: BTreeMap::new(),
            subscribed: BTreeMap::new(),
        }
    }

    /// Finds the first of the wirings that fits the hardware.
    fn wire(&mut self, wirings: &[&Wiring]) -> Result<(usize, Vec<Endpoint>), HardwareError> {
        let (wiring, places) = Places::find(&self.transport, wirings).ok_or(HardwareError::NoProtocolFits)?;
        self.places = places;
        Ok((wiring, self.places.endpoints()))
    }

    pub(crate) fn accept(&mut self, protocol: &str) -> Option<String> {
        let first = !std::mem::replace(&mut self.accepted, true);
        first.then(|| accepted(protocol, self.places.serial()))
    }

    pub(crate) fn last_words(&self, reason: &str) -> String {
        if self.accepted { disconnect() } else { rejected(reason) }
    }

    /// Whoever waits for an answer learns that there will be none.
    pub(crate) fn ended(&mut self) {
        self.asked.clear();
    }

    fn ask(&mut self, request: Request<'_>, endpoint: Endpoint) -> Result<Question, HardwareError> {
        let place = self.places.of(endpoint)?;
        if self.asked.len() >= MAX_REQUESTS {
            return Err(BridgeError::Busy { peer: self.peer, limit: MAX_REQUESTS }.into());
        }
        let id = self.last_id + 1;
        self.last_id = id;
        let (answered, answer) = oneshot::channel();
        self.asked.insert(id, answered);
        Ok(Question { text: request.text(Some(id), place), id, answer })
    }

    /// Nobody waits for the answer any more.
    fn forget(&mut self, id: u64) {
        self.asked.remove(&id);
    }

    /// Begins to listen. False: the bridge need not be asked.
    fn listen(&mut self, endpoint: Endpoint) -> Result<bool, HardwareError> {
        let place = self.places.of(endpoint)?;
        let known = self.confirmed_at(place);
        let confirmed = self.subscribed.entry(endpoint).or_insert(false);
        *confirmed |= known;
        Ok(!known)
    }

    /// How asking the bridge for it went.
    fn listened(&mut self, endpoint: Endpoint, confirmed: bool) {
        if confirmed {
            self.subscribed.insert(endpoint, true);
        } else {
            self.subscribed.remove(&endpoint);
        }
    }

    /// Listens no more. False: the bridge need not be told, as nobody listened or someone else still does.
    fn unlisten(&mut self, endpoint: Endpoint) -> Result<bool, HardwareError> {
        let place = self.places.of(endpoint)?;
        let listened = self.subscribed.remove(&endpoint).is_some();
        Ok(listened && !self.confirmed_at(place))
    }

    /// Two endpoints may be at one place.
    fn confirmed_at(&self, place: Place) -> bool {
        let at = |endpoint: &Endpoint| self.places.of(*endpoint) == Ok(place);
        self.subscribed.iter().any(|(endpoint, confirmed)| *confirmed && at(endpoint))
    }

    pub(crate) fn hear(&mut self, received: &Received) -> Heard {
        match self.heard(received) {
            Ok(heard) => heard,
            Err(bad) => {
                tracing::info!(peer = %self.peer, error = %bad, "a bridge says what it may not");
                Heard::End { code: bad.close_code(), reason: bad.to_string() }
            }
        }
    }

    fn heard(&mut self, received: &Received) -> Result<Heard, BadMessage> {
        let Received::Text(text) = received else { return Err(BadMessage::NotText) };
        let characteristics = matches!(self.transport, Transport::Bluetooth(_));
        match Message::parse(text, characteristics)? {
            Message::Answer { id, answer } => {
                if id == 0 || id > self.last_id {
                    return Err(BadMessage::NotAsked(id));
                }
                // One that comes too late, or twice, is of no interest.
                if let Some(asked) = self.asked.remove(&id) {
                    let _ = asked.send(answer);
                }
                Ok(Heard::Nothing)
            }
            Message::Notify { place, data } => {
                let mut heard = self.subscribed.keys();
                let heard = heard.find(|endpoint| self.places.of(**endpoint) == Ok(place));
                Ok(match heard {
                    Some(endpoint) => Heard::Notification { endpoint: *endpoint, data: Bytes::from(data) },
                    // Hardware may go on for a while when nobody listens any more.
                    None => Heard::Nothing,
                })
            }
            Message::Rssi(rssi) => {
                tracing::trace!(peer = %self.peer, rssi, "signal strength");
                Ok(Heard::Nothing)
            }
            Message::Gone => Ok(Heard::End {
                code: CloseCode::Normal,
                reason: String::from("the bridge says that the hardware is gone"),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
