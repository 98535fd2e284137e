//! An open link: the task that makes the server's calls in order. What may be done when, `lane.rs` decides.

mod connection;

use self::connection::{Answer, Call, Connection, Ticket};
use crate::lane::{self, Lane, Sort, Step};
use crate::limits::{FLUSH_TIME, MAX_WAITING_CALLS};
use crate::places::{self, Places};
use crate::radio::{Note, Peer, RadioError};
use buttplug_protocols::frame::Endpoint;
use buttplug_server::hardware::{Beginning, HardwareError, HardwareEvent, MAX_WAITING_EVENTS, OpenHardware};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

/// How far the end of a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    /// The server has let go of it.
    Closing,
    /// What was written has been heard, and the system has been told to end the link.
    Closed,
}

/// What the bus keeps of a link.
#[derive(Clone)]
pub(crate) struct LinkHandle {
    /// The reason for which the link has ended by itself.
    lost: watch::Sender<Option<String>>,
    phase: watch::Sender<Phase>,
    opened: Instant,
}

impl LinkHandle {
    pub(crate) fn new() -> Self {
        Self {
            lost: watch::Sender::new(None),
            phase: watch::Sender::new(Phase::Open),
            opened: Instant::now(),
        }
    }

    /// The link has ended by itself.
    pub(crate) fn lose(&self, reason: &str) {
        self.lost.send_if_modified(|lost| lost.is_none() && lost.replace(reason.into()).is_none());
    }

    /// The server has no use for the link any more.
    pub(crate) fn let_go(&self) {
        self.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Closing;
            }
            open
        });
    }

    /// Waits until the system has been told to end the link, or for so long.
    pub(crate) async fn wait_closed(&self, longest: Duration) {
        let mut phase = self.phase.subscribe();
        // The sender is this handle's: it does not go away meanwhile.
        let _ = timeout(longest, phase.wait_for(|phase| *phase == Phase::Closed)).await;
    }

    /// The system has been told to end the link, or nobody needs to tell it.
    pub(crate) fn closed(&self) {
        self.phase.send_replace(Phase::Closed);
    }

    /// Since when it is open.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }
}

/// How a link's task ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server has closed it: the system is to be told.
    Closed,
    /// By itself, for this reason.
    Lost(String),
}

/// A link before its task runs.
pub(crate) struct Link {
    peer: Arc<dyn Peer>,
    places: Places,
    handle: LinkHandle,
    proof: Option<usize>,
    lane: Lane<Ticket>,
    calls: mpsc::Receiver<Ticket>,
    notes: mpsc::Receiver<Note>,
    // link -> device task: 64 events; when full a notification is dropped; closed means the server let go.
    events: mpsc::Sender<HardwareEvent>,
    subscribed: BTreeSet<Endpoint>,
    command: Option<Running>,
    request: Option<Running>,
}

/// A call under way.
struct Running {
    call: BoxFuture<'static, Result<Vec<u8>, RadioError>>,
    /// Nobody waits for a proof.
    answer: Option<oneshot::Sender<Answer>>,
    /// The endpoint that it subscribes, or no longer.
    subscription: Option<(Endpoint, bool)>,
}

/// Goes on with a call, if there is one, to its end.
async fn ended(running: &mut Option<Running>) -> Result<Vec<u8>, RadioError> {
    match running {
        Some(running) => (&mut running.call).await,
        None => std::future::pending().await,
    }
}

impl Link {
    /// Prepares a link to a peer with these endpoints.
    ///
    /// # Errors
    /// The system does not hand on notifications.
    pub(crate) async fn new(
        peer: Box<dyn Peer>,
        wiring: usize,
        places: Places,
        was_connected: bool,
    ) -> Result<(Self, LinkHandle, OpenHardware), RadioError> {
        let peer: Arc<dyn Peer> = peer.into();
        // radio -> link: as many notifications as the server takes; when full, the radio drops.
        let (notes, heard) = mpsc::channel(MAX_WAITING_EVENTS);
        peer.listen(notes).await?;
        // server -> link: 64 calls; when full the server waits, at most as long as for the call itself.
        let (calls, inbox) = mpsc::channel(MAX_WAITING_CALLS);
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        let handle = LinkHandle::new();
        let connection = Connection {
            places: places.clone(),
            characteristics: peer.characteristics().to_vec(),
            calls,
            handle: handle.clone(),
            was_connected,
        };
        let endpoints = places.keys().copied().collect();
        let proof = places::proof(peer.characteristics());
        let link = Self {
            peer,
            places,
            handle: handle.clone(),
            proof,
            lane: Lane::new(proof.is_some()),
            calls: inbox,
            notes: heard,
            events,
            subscribed: BTreeSet::new(),
            command: None,
            request: None,
        };
        let open = OpenHardware { hardware: Arc::new(connection), events: receiver, wiring, endpoints };
        Ok((link, handle, open))
    }

    /// Makes the calls until the link ends or is closed.
    pub(crate) async fn run(mut self) -> End {
        let mut lost = self.handle.lost.subscribe();
        let mut phase = self.handle.phase.subscribe();
        let mut flushed_by = None;
        let mut hung_up = false;
        loop {
            let wait = self.begin(flushed_by.is_some());
            if flushed_by.is_some() && self.lane.is_idle() {
                return End::Closed;
            }
            let alarm = async {
                match wait.into_iter().chain(flushed_by).min() {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Ok(reason) = lost.wait_for(Option::is_some) => {
                    let reason = reason.clone().unwrap_or_default();
                    return self.end(reason);
                }
                outcome = ended(&mut self.command) => {
                    self.lane.command_ended();
                    let running = self.command.take();
                    if self.answer(running, outcome) == Err(RadioError::NotConnected) {
                        return self.end(RadioError::NotConnected.to_string());
                    }
                }
                outcome = ended(&mut self.request) => {
                    self.lane.request_ended(Instant::now().into_std(), in_terms_of_lane(&outcome));
                    let running = self.request.take();
                    if self.answer(running, outcome) == Err(RadioError::NotConnected) {
                        return self.end(RadioError::NotConnected.to_string());
                    }
                }
                ticket = self.calls.recv(), if !hung_up && self.lane.waiting() < MAX_WAITING_CALLS => match ticket {
                    Some(ticket) => self.take(ticket),
                    None => {
                        // The server has dropped the hardware without closing it.
                        hung_up = true;
                        self.handle.let_go();
                    }
                },
                _ = phase.wait_for(|phase| *phase > Phase::Open), if flushed_by.is_none() => {
                    flushed_by = Some(Instant::now() + FLUSH_TIME);
                    self.lane.close();
                }
                Some(note) = self.notes.recv() => self.notified(&note),
                () = alarm => {
                    if flushed_by.is_some_and(|by| by <= Instant::now()) {
                        return End::Closed;
                    }
                }
            }
        }
    }

    /// Begins what can be begun; answers when there may be more to begin.
    fn begin(&mut self, closing: bool) -> Option<Instant> {
        self.lane.sweep(|ticket| ticket.answer.as_ref().is_none_or(|answer| !answer.is_closed()));
        loop {
            let now = Instant::now().into_std();
            match self.lane.next(now) {
                Step::Command(Ticket { call, beginning, answer }) => {
                    let call = self.call_unless_called_off(&call, &beginning, false);
                    self.command = Some(Running { call, answer, subscription: None });
                }
                Step::Request(Ticket { call, beginning, answer }) => {
                    let subscription = match &call {
                        Call::Subscribe { endpoint, wanted } => Some((*endpoint, *wanted)),
                        Call::Write { .. } | Call::Read { .. } => None,
                    };
                    let call = self.call_unless_called_off(&call, &beginning, true);
                    self.request = Some(Running { call, answer, subscription });
                }
                Step::Prove => self.prove(),
                Step::Wait(until) => {
                    if closing && self.lane.waiting() == 0 && self.lane.prove_all(now) {
                        self.prove();
                    }
                    return until.map(Instant::from_std);
                }
            }
        }
    }

    fn prove(&mut self) {
        let call = self.call(&Call::Read { place: self.proof.unwrap_or(usize::MAX) }, true);
        self.request = Some(Running { call, answer: None, subscription: None });
    }

    /// The call as a future that does not borrow the link, unless it was called off at this very moment.
    fn call_unless_called_off(
        &self,
        call: &Call,
        beginning: &Beginning,
        confirmed: bool,
    ) -> BoxFuture<'static, Result<Vec<u8>, RadioError>> {
        if beginning.begin() {
            self.call(call, confirmed)
        } else {
            std::future::ready(Err(RadioError::Failed("it was called off".into()))).boxed()
        }
    }

    /// The call as a future that does not borrow the link.
    fn call(&self, call: &Call, confirmed: bool) -> BoxFuture<'static, Result<Vec<u8>, RadioError>> {
        let peer = Arc::clone(&self.peer);
        match call {
            Call::Write { place, data, .. } => {
                let (place, data) = (*place, data.clone());
                async move { peer.write(place, &data, confirmed).await.map(|()| Vec::new()) }.boxed()
            }
            Call::Read { place } => {
                let place = *place;
                async move { peer.read(place).await }.boxed()
            }
            Call::Subscribe { endpoint, wanted } => {
                let (place, wanted) = (self.places.get(endpoint).copied(), *wanted);
                async move {
                    match place {
                        Some(place) => peer.subscribe(place, wanted).await.map(|()| Vec::new()),
                        None => Ok(Vec::new()),
                    }
                }
                .boxed()
            }
        }
    }

    fn take(&mut self, ticket: Ticket) {
        match ticket.call {
            Call::Write { way, .. } => self.lane.push(Sort::Write(way), ticket),
            Call::Subscribe { endpoint, wanted } if !self.must_tell(endpoint, wanted) => {
                self.note_subscription(endpoint, wanted);
                if let Some(answer) = ticket.answer {
                    let _ = answer.send(Ok(Vec::new()));
                }
            }
            Call::Read { .. } | Call::Subscribe { .. } => self.lane.push(Sort::Question, ticket),
        }
    }

    /// Whether the hardware must be told of a subscription. Several endpoints may be one characteristic.
    fn must_tell(&self, endpoint: Endpoint, wanted: bool) -> bool {
        let place = self.places.get(&endpoint);
        let others =
            self.subscribed.iter().any(|other| *other != endpoint && self.places.get(other) == place);
        !others && self.subscribed.contains(&endpoint) != wanted
    }

    fn note_subscription(&mut self, endpoint: Endpoint, wanted: bool) {
        if wanted {
            self.subscribed.insert(endpoint);
        } else {
            self.subscribed.remove(&endpoint);
        }
    }

    /// Hands on how a call ended.
    fn answer(
        &mut self,
        running: Option<Running>,
        outcome: Result<Vec<u8>, RadioError>,
    ) -> Result<(), RadioError> {
        let Some(Running { answer, subscription, .. }) = running else { return Ok(()) };
        if let (Some((endpoint, wanted)), Ok(_)) = (subscription, &outcome) {
            self.note_subscription(endpoint, wanted);
        }
        let told = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        if let Some(answer) = answer {
            // Who gave up waiting has been told so.
            let _ = answer.send(outcome.map_err(in_terms_of_hardware));
        }
        told
    }

    fn notified(&self, note: &Note) {
        let those = self.subscribed.iter().filter(|endpoint| self.places.get(endpoint) == Some(&note.place));
        for endpoint in those {
            let data = note.data.clone().into();
            // Full: the server does not keep up; the newest are of the least use to it.
            let _ = self.events.try_send(HardwareEvent::Notification { endpoint: *endpoint, data });
        }
    }

    /// The link has ended by itself. If there is no room for the reason, the end of the events says the same.
    fn end(self, reason: String) -> End {
        let _ = self.events.try_send(HardwareEvent::Gone(reason.clone()));
        let closing = *self.handle.phase.borrow() > Phase::Open;
        if closing { End::Closed } else { End::Lost(reason) }
    }
}

/// What the end of a request says about the hardware.
fn in_terms_of_lane(outcome: &Result<Vec<u8>, RadioError>) -> lane::Answer {
    match outcome {
        Ok(_) => lane::Answer::Done,
        Err(RadioError::Refused(_)) => lane::Answer::Refused,
        Err(
            RadioError::NotConnected
            | RadioError::NotAllowed
            | RadioError::NoService(_)
            | RadioError::Failed(_),
        ) => lane::Answer::Missing,
    }
}

/// What a radio's error means to the server.
pub(crate) fn in_terms_of_hardware(error: RadioError) -> HardwareError {
    match error {
        RadioError::NotConnected => HardwareError::Gone,
        RadioError::NotAllowed
        | RadioError::NoService(_)
        | RadioError::Refused(_)
        | RadioError::Failed(_) => HardwareError::Failed(error.to_string()),
    }
}
