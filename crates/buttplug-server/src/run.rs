//! The shell of one session: connection, clock, and the effects of the state machine carried out. One task per client;
//! it never waits for a device.

mod effects;

use crate::device::readings::WaitingReadings;
use crate::device::{DeviceHandle, MAX_STOP_WAIT};
use crate::limits::ClientLimits;
use crate::places::{Place, Places};
use crate::present::PresentClient;
use crate::registry::{DeviceList, DevicesNow, Registry, ScanRequests};
use crate::server::Phase;
use crate::session::{Effect, Session, SessionId, SessionSettings};
use crate::version::{self, ListChange, Outgoing, Request};
use buttplug_core::connector::{
    ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_core::message::json::{self, BadMessage};
use buttplug_core::message::{ClientMessage, ClientRequest, ServerContent, ServerMessage};
use buttplug_core::{
    ButtplugError, DeviceIndex, HandshakeError, MessageId, PROTOCOL_VERSION_MAJOR, UnknownError,
};
use buttplug_protocols::protocol::Input;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// Stops that one client may wait for. Further ones are carried out like all others, and answered without waiting.
pub(crate) const MAX_PENDING_STOPS: usize = 1024;

/// The longest that an orderly end of a connection may take.
pub(crate) const MAX_CLOSE_WAIT: Duration = Duration::from_millis(500);

/// What a session uses of its server.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) registry: Arc<Registry>,
    pub(crate) scan_requests: Arc<ScanRequests>,
    pub(crate) places: Places,
    pub(crate) limits: ClientLimits,
    pub(crate) phase: watch::Receiver<Phase>,
}

/// Serves one client until its connection or the server ends. Whatever ends it, what the client set in motion stops.
pub(crate) async fn run(
    id: SessionId,
    connection: Box<dyn ServerConnection>,
    settings: SessionSettings,
    surroundings: Surroundings,
) {
    let presence = Presence { id, surroundings: surroundings.clone() };
    let mut lists = surroundings.registry.watch();
    let known = lists.borrow_and_update().clone();
    let mut finished = surroundings.scan_requests.watch_finished();
    finished.mark_unchanged();
    let spoken = match connection.format() {
        FrameFormat::Json => version::ALL,
        FrameFormat::Typed => version::TYPED,
    };
    let now = Instant::now().into_std();
    let mut runner = Runner {
        id,
        format: connection.format(),
        peer: connection.peer(),
        connection,
        session: Session::new(now, settings, spoken),
        now,
        place: None,
        present: None,
        surroundings,
        readings: Arc::default(),
        subscribed: HashSet::new(),
        pending_reads: FuturesUnordered::new(),
        pending_stops: FuturesUnordered::new(),
        known,
        effects: Vec::new(),
        end: None,
        outbox: Vec::new(),
        after_the_end: Vec::new(),
        messages: Vec::new(),
        text: Vec::new(),
        touched: Vec::new(),
    };
    debug!(client = id.0, peer = runner.peer, "client connected");
    let end = runner.serve(&mut lists, &mut finished).await;
    if matches!(end, End::Closed { .. }) {
        runner.log_end();
    }
    runner.leave().await;
    drop(presence);
    // Before the connection is closed, so that a client which reconnects at once finds a place.
    runner.place = None;
    runner.present = None;
    match end {
        End::Closed { last_words, reason } => {
            // Every stop gets its answer; each waits a second at most, all at the same time.
            while let Some(reply) = runner.pending_stops.next().await {
                let _ = runner.send(reply);
            }
            // Whoever broke the rules is not told more than that.
            if reason != CloseReason::Violation {
                runner.answer_pending_reads();
            }
            // Whoever is gone by now does not miss them.
            if let Some(last_words) = last_words {
                let _ = runner.send(last_words.into());
            }
            runner.answer_what_is_late();
            let closing = runner.connection.close(reason);
            if tokio::time::timeout(MAX_CLOSE_WAIT, closing).await.is_err() {
                debug!(client = id.0, "the client did not take its leave in time");
            }
        }
        End::Lost(error) => info!(client = id.0, peer = runner.peer, reason = %error, "client gone"),
    }
}

/// As long as this lives the client counts. Its end, even by a panic, stops what the client set in motion.
struct Presence {
    id: SessionId,
    surroundings: Surroundings,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.surroundings.scan_requests.set(self.id, false);
        let now = Instant::now().into_std();
        for device in self.surroundings.registry.all() {
            device.release(self.id, now);
        }
    }
}

enum End {
    /// From this side.
    Closed { last_words: Option<ServerMessage>, reason: CloseReason },
    /// From the other side, or by the transport.
    Lost(ConnectorError),
}

impl End {
    fn closed(reason: CloseReason) -> Self {
        Self::Closed { last_words: None, reason }
    }
}

/// All that can wake a session.
enum Wake {
    Phase(Phase),
    Answered(Outgoing),
    ListChanged,
    ScanningFinished,
    Readings,
    Received(Result<(), ConnectorError>),
    Due,
}

type PendingReply = BoxFuture<'static, Outgoing>;

/// A request to the hardware that has not been answered.
struct PendingRead {
    id: MessageId,
    reply: PendingReply,
}

impl Future for PendingRead {
    type Output = Outgoing;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outgoing> {
        self.reply.poll_unpin(cx)
    }
}

struct Runner {
    id: SessionId,
    connection: Box<dyn ServerConnection>,
    format: FrameFormat,
    peer: String,
    session: Session,
    /// When the session woke last: what it does until it waits again happens then.
    now: std::time::Instant,
    /// From the handshake on.
    place: Option<Place>,
    /// Likewise.
    present: Option<PresentClient>,
    surroundings: Surroundings,
    readings: Arc<WaitingReadings>,
    /// What the client is subscribed to, and perhaps what it was: ends are found out when the limit is reached.
    subscribed: HashSet<(DeviceIndex, Input)>,
    pending_reads: FuturesUnordered<PendingRead>,
    pending_stops: FuturesUnordered<PendingReply>,
    /// The devices the client has been told of or could have asked for.
    known: DeviceList,
    effects: Vec<Effect>,
    /// The session is to end like this.
    end: Option<End>,
    /// What is to be said after this turn.
    outbox: Vec<Outgoing>,
    /// Answers to what came too late.
    after_the_end: Vec<Outgoing>,
    /// Room for the messages of the frame that is being read.
    messages: Vec<Result<ClientMessage, BadMessage>>,
    /// Room for the message that is being written.
    text: Vec<u8>,
    /// Devices whose wanted state has changed in this batch and that have not been woken yet.
    touched: Vec<DeviceHandle>,
}

impl Runner {
    async fn serve(
        &mut self,
        lists: &mut watch::Receiver<DeviceList>,
        finished: &mut watch::Receiver<u64>,
    ) -> End {
        let mut batch = Vec::new();
        loop {
            let wake = self.next_wake(&mut batch, lists, finished).await;
            self.now = Instant::now().into_std();
            match wake {
                Wake::Phase(Phase::Closing) => self.end = Some(End::closed(CloseReason::GoingAway)),
                Wake::Phase(_) => {}
                Wake::Answered(reply) => self.say(reply),
                Wake::ListChanged => self.list_changed(lists.borrow_and_update().clone()),
                Wake::ScanningFinished => {
                    finished.mark_unchanged();
                    self.session.scanning_finished(&mut self.effects);
                    self.carry_out();
                }
                Wake::Readings => self.say_readings(),
                Wake::Due => self.expire(),
                Wake::Received(Ok(())) => self.received(&mut batch).await,
                Wake::Received(Err(ConnectorError::Violation { reason })) => {
                    warn!(
                        client = self.id.0,
                        peer = self.peer,
                        reason,
                        "the client broke the rules and is let go"
                    );
                    self.end = Some(End::closed(CloseReason::Violation));
                }
                Wake::Received(Err(error)) => self.end = Some(End::Lost(error)),
            }
            let delivered = self.deliver();
            if let Some(end) = self.end.take().or(delivered.err().map(End::Lost)) {
                return end;
            }
        }
    }

    async fn next_wake(
        &mut self,
        batch: &mut Vec<ClientFrame>,
        lists: &mut watch::Receiver<DeviceList>,
        finished: &mut watch::Receiver<u64>,
    ) -> Wake {
        let deadline = self.session.deadline();
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = self.surroundings.phase.changed() => {
                // The server itself is gone: then there is nothing left to serve.
                let phase = if changed.is_ok() { *self.surroundings.phase.borrow_and_update() } else { Phase::Closing };
                Wake::Phase(phase)
            }
            Some(reply) = self.pending_stops.next() => Wake::Answered(reply),
            Some(reply) = self.pending_reads.next() => Wake::Answered(reply),
            Ok(()) = lists.changed() => Wake::ListChanged,
            Ok(()) = finished.changed() => Wake::ScanningFinished,
            received = self.connection.receive(batch) => Wake::Received(received),
            () = self.readings.wait() => Wake::Readings,
            () = sleep => Wake::Due,
        }
    }

    /// Handles everything that has arrived, then wakes the devices that have something new: what arrives together
    /// goes out together.
    async fn received(&mut self, batch: &mut Vec<ClientFrame>) {
        for frame in batch.drain(..) {
            self.handle_frame(frame);
        }
        if !self.touched.is_empty() {
            self.wake_touched();
            // Devices before answers: the replies leave when this session next waits.
            let_others_run().await;
        }
        if self.session.is_out_of_patience(self.now) {
            self.expire();
        }
    }

    fn handle_frame(&mut self, frame: ClientFrame) {
        let text = match frame {
            ClientFrame::Text(text) => text,
            ClientFrame::Message(ClientMessage { id, request }) => {
                return self.handle(id, Request::Current(request));
            }
        };
        if self.session.edge().map(version::Edge::version) == Some(PROTOCOL_VERSION_MAJOR) {
            let mut messages = std::mem::take(&mut self.messages);
            json::parse_client_frame_within(&text, &self.surroundings.limits.frame, &mut messages);
            for parsed in messages.drain(..) {
                match parsed {
                    Ok(ClientMessage { id, request }) => self.handle(id, Request::Current(request)),
                    Err(bad) => self.refuse(bad),
                }
            }
            self.messages = messages;
            return;
        }
        let elements = match json::split_frame_within(&text, &self.surroundings.limits.frame) {
            Ok(elements) => elements,
            Err(error) => return self.refuse(BadMessage::frame(error)),
        };
        let registry = Arc::clone(&self.surroundings.registry);
        let devices = DevicesNow { registry: &registry, now: self.now };
        for element in elements {
            // The handshake decides how what stands behind it in the same frame is read.
            let edge = self.session.edge().unwrap_or(version::NEWEST);
            let request = element.and_then(|element| Ok((element.id, edge.up(&element, &devices)?)));
            match request {
                Ok((id, request)) => self.handle(id, request),
                Err(bad) => self.refuse(bad),
            }
        }
    }

    fn handle(&mut self, id: MessageId, request: Request) {
        let stopping = !self.surroundings.phase.borrow().is_open();
        let ends = matches!(request, Request::Current(ClientRequest::Stop(_) | ClientRequest::Disconnect));
        if stopping && !ends {
            return self.fail(id, &UnknownError::ShuttingDown.into());
        }
        let introduces = self.session.expects_handshake()
            && matches!(request, Request::Current(ClientRequest::RequestServerInfo(_)));
        if introduces {
            match self.surroundings.places.take() {
                Ok(place) => self.place = Some(place),
                Err(full) => {
                    self.session.turn_away(id, full.into(), &mut self.effects);
                    return self.carry_out();
                }
            }
        }
        self.session.handle(self.now, id, request, &mut self.effects);
        if introduces && !self.session.is_open() {
            self.place = None;
        }
        self.carry_out();
    }

    fn refuse(&mut self, bad: BadMessage) {
        debug!(client = self.id.0, peer = self.peer, error = %bad.error, "bad message");
        self.session.refuse(bad, &mut self.effects);
        self.carry_out();
    }

    fn expire(&mut self) {
        self.session.expire(self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.carry_out_one(effect);
        }
        self.effects = effects;
    }

    /// Tells the client that the list of devices has changed, in the way of its version.
    fn list_changed(&mut self, now: DeviceList) {
        let before = std::mem::replace(&mut self.known, now);
        let Some(edge) = self.session.edge() else { return };
        let change = ListChange::between(&before.descriptions(), self.known.descriptions());
        if !change.is_empty() {
            self.outbox.extend(edge.list_changed(&change));
        }
    }

    fn say_readings(&mut self) {
        while let Some(reading) = self.readings.pop() {
            if self.session.is_open() {
                self.say(ServerMessage::event(ServerContent::InputReading(reading)));
            }
        }
    }

    fn fail(&mut self, id: MessageId, error: &ButtplugError) {
        self.say(ServerMessage::error(id, error));
    }

    /// Takes a message for the client; it is written once the devices have been served. What is said to a session that
    /// ends comes behind its last words.
    fn say(&mut self, message: impl Into<Outgoing>) {
        let words = if self.end.is_some() { &mut self.after_the_end } else { &mut self.outbox };
        words.push(message.into());
    }

    /// Hands what there is to say to the connection, in order.
    fn deliver(&mut self) -> Result<(), ConnectorError> {
        let mut outbox = std::mem::take(&mut self.outbox);
        let outcome = outbox.drain(..).try_for_each(|message| self.send(message));
        self.outbox = outbox;
        outcome
    }

    fn send(&mut self, message: Outgoing) -> Result<(), ConnectorError> {
        let frame = match (self.format, message) {
            (FrameFormat::Typed, Outgoing::Message(message)) => ServerFrame::Message(message),
            (_, Outgoing::Frame(frame)) => ServerFrame::Text(frame),
            (FrameFormat::Json, Outgoing::Message(message)) => {
                self.text.clear();
                // Without a version it is an error, which is written alike in all of them.
                let edge = self.session.edge().unwrap_or(version::NEWEST);
                edge.down(&message, &mut self.text);
                if self.text.is_empty() {
                    return Ok(());
                }
                // The text is the serializer's, so it is UTF-8; a copy of the right size is the only allocation.
                ServerFrame::Text(String::from_utf8_lossy(&self.text).into_owned())
            }
        };
        self.connection.send(frame)
    }

    fn wake_touched(&mut self) {
        for device in self.touched.drain(..) {
            device.wake();
        }
    }

    /// Answers the requests that still wait for hardware when the session ends: with what has come by now, else with
    /// the reason of the end.
    fn answer_pending_reads(&mut self) {
        let reason = self.session.end_reason().cloned().unwrap_or_else(|| UnknownError::ShuttingDown.into());
        for PendingRead { id, reply } in std::mem::take(&mut self.pending_reads) {
            let answer = reply.now_or_never().unwrap_or_else(|| ServerMessage::error(id, &reason).into());
            let _ = self.send(answer);
        }
    }

    /// Answers what arrived after a session had ended, as far as it is there already: each message gets the error that
    /// ended it.
    fn answer_what_is_late(&mut self) {
        let mut batch = Vec::new();
        if self.session.end_reason().is_some() && self.connection.receive(&mut batch).now_or_never().is_some()
        {
            self.now = Instant::now().into_std();
            for frame in batch {
                self.handle_frame(frame);
            }
        }
        let late = std::mem::take(&mut self.after_the_end);
        for answer in late.into_iter().chain(std::mem::take(&mut self.outbox)) {
            let _ = self.send(answer);
        }
    }

    /// Tells the log why this side ends the session, unless that is told already or the server's own end.
    fn log_end(&self) {
        let (client, peer) = (self.id.0, &self.peer);
        match self.session.end_reason() {
            None => {}
            Some(ButtplugError::Handshake(HandshakeError::Disconnected)) => {
                info!(client, peer, reason = "it took its leave", "client gone");
            }
            Some(ButtplugError::Ping(reason)) => warn!(client, peer, %reason, "the client is let go"),
            Some(ButtplugError::Unknown(reason)) => warn!(client, peer, %reason, "refusing a client"),
            Some(reason) => info!(client, peer, %reason, "the client is let go"),
        }
    }

    /// Stops what this client set in motion and ends its subscriptions and its search. Waits, bounded, until the
    /// zeros are written.
    async fn leave(&mut self) {
        self.wake_touched();
        self.surroundings.scan_requests.set(self.id, false);
        let devices = self.surroundings.registry.all();
        let now = Instant::now().into_std();
        let waiters = devices.iter().filter_map(|device| device.release(self.id, now)).collect();
        wait_for_all(waiters).await;
    }
}

/// Goes to the end of the queue of tasks that can run. Unlike tokio's own yield it does not look for I/O in between,
/// which is a system call that the answer would wait for.
async fn let_others_run() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until every stop is written or its device gone, at most [`MAX_STOP_WAIT`].
pub(crate) async fn wait_for_all(waiters: Vec<oneshot::Receiver<()>>) {
    if !waiters.is_empty() {
        let _ = tokio::time::timeout(MAX_STOP_WAIT, join_all(waiters)).await;
    }
}
