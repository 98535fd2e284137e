//! The shell of one session: connection, clock, and the effects of the state machine carried out. One task per client;
//! it never waits for a device.

use crate::device::readings::WaitingReadings;
use crate::device::{DeviceHandle, MAX_STOP_WAIT, RequestFailure, read_reply, request_error};
use crate::registry::{DeviceList, Registry, ScanRequests};
use crate::server::Phase;
use crate::session::{Effect, Session, SessionId, SessionSettings};
use crate::version::{self, ListChange, Outgoing, ReadingForm, Request};
use buttplug_core::connector::{
    ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_core::message::json::{self, BadMessage};
use buttplug_core::message::{
    ClientMessage, ClientRequest, InputCmd, OutputCmd, ServerContent, ServerMessage, StopCmd, StopScope,
};
use buttplug_core::{
    ButtplugError, DeviceError, DeviceIndex, InputAction, MessageId, PROTOCOL_VERSION_MAJOR, UnknownError,
};
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// Answers of hardware that one client may wait for. A client that asks for more gets an error at once.
pub(crate) const MAX_PENDING_READS: usize = 64;

/// Stops that one client may wait for. Further ones are carried out like all others, and answered without waiting.
pub(crate) const MAX_PENDING_STOPS: usize = 1024;

/// The longest that an orderly end of a connection may take.
pub(crate) const MAX_CLOSE_WAIT: Duration = Duration::from_millis(500);

/// What a session uses of its server.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) registry: Arc<Registry>,
    pub(crate) scan_requests: Arc<ScanRequests>,
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
    let mut runner = Runner {
        id,
        format: connection.format(),
        peer: connection.peer(),
        connection,
        session: Session::new(Instant::now().into_std(), settings, spoken),
        surroundings,
        readings: Arc::default(),
        pending_reads: FuturesUnordered::new(),
        pending_stops: FuturesUnordered::new(),
        known,
        effects: Vec::new(),
        outbox: Vec::new(),
        messages: Vec::new(),
        text: Vec::new(),
        touched: Vec::new(),
    };
    debug!(client = id.0, peer = runner.peer, "client connected");
    let end = runner.serve(&mut lists, &mut finished).await;
    runner.leave().await;
    drop(presence);
    match end {
        End::Closed { last_words, reason } => {
            // Every stop gets its answer; each waits a second at most, all at the same time.
            while let Some(reply) = runner.pending_stops.next().await {
                let _ = runner.send(reply);
            }
            if let Some(last_words) = last_words {
                // Whoever is gone by now does not miss them.
                let _ = runner.send(last_words.into());
            }
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
        for device in self.surroundings.registry.all() {
            device.release(self.id);
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

type PendingReplies = FuturesUnordered<BoxFuture<'static, Outgoing>>;

struct Runner {
    id: SessionId,
    connection: Box<dyn ServerConnection>,
    format: FrameFormat,
    peer: String,
    session: Session,
    surroundings: Surroundings,
    readings: Arc<WaitingReadings>,
    pending_reads: PendingReplies,
    pending_stops: PendingReplies,
    /// The devices the client has been told of or could have asked for.
    known: DeviceList,
    effects: Vec<Effect>,
    /// What is to be said after this turn.
    outbox: Vec<Outgoing>,
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
            let outcome = match self.next_wake(&mut batch, lists, finished).await {
                Wake::Phase(Phase::Closing) => Err(End::closed(CloseReason::GoingAway)),
                Wake::Phase(_) => Ok(()),
                Wake::Answered(reply) => {
                    self.say(reply);
                    Ok(())
                }
                Wake::ListChanged => {
                    self.list_changed(lists.borrow_and_update().clone());
                    Ok(())
                }
                Wake::ScanningFinished => {
                    finished.mark_unchanged();
                    self.session.scanning_finished(&mut self.effects);
                    self.carry_out()
                }
                Wake::Readings => {
                    self.say_readings();
                    Ok(())
                }
                Wake::Due => self.expire(),
                Wake::Received(Ok(())) => self.received(&mut batch).await,
                Wake::Received(Err(ConnectorError::Violation { reason })) => {
                    warn!(
                        client = self.id.0,
                        peer = self.peer,
                        reason,
                        "the client broke the rules and is let go"
                    );
                    Err(End::closed(CloseReason::Violation))
                }
                Wake::Received(Err(error)) => Err(End::Lost(error)),
            };
            let delivered = self.deliver();
            if let Err(end) = outcome.and(delivered) {
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
    async fn received(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), End> {
        let now = Instant::now().into_std();
        let stopping = *self.surroundings.phase.borrow() != Phase::Serving;
        let outcome = batch.drain(..).try_for_each(|frame| match frame {
            ClientFrame::Text(text) => self.handle_frame(now, stopping, &text),
            ClientFrame::Message(ClientMessage { id, request }) => {
                self.handle(now, stopping, id, Request::Current(request))
            }
        });
        if !self.touched.is_empty() {
            self.wake_touched();
            // Devices before answers: the replies leave when this session next waits.
            let_others_run().await;
        }
        outcome?;
        if self.session.final_deadline().is_some_and(|deadline| now >= deadline) {
            return self.expire();
        }
        Ok(())
    }

    fn handle_frame(&mut self, now: std::time::Instant, stopping: bool, frame: &[u8]) -> Result<(), End> {
        let version = self.session.edge().map(version::Edge::version);
        if version == Some(PROTOCOL_VERSION_MAJOR) {
            let mut messages = std::mem::take(&mut self.messages);
            json::parse_client_frame(frame, &mut messages);
            let outcome = messages.drain(..).try_for_each(|parsed| match parsed {
                Ok(ClientMessage { id, request }) => {
                    self.handle(now, stopping, id, Request::Current(request))
                }
                Err(bad) => self.refuse(bad),
            });
            self.messages = messages;
            return outcome;
        }
        let elements = match json::split_frame(frame) {
            Ok(elements) => elements,
            Err(error) => return self.refuse(BadMessage::frame(error)),
        };
        elements.into_iter().try_for_each(|element| {
            // The handshake decides how what stands behind it in the same frame is read.
            let edge = self.session.edge().unwrap_or(version::NEWEST);
            let request = element
                .and_then(|element| Ok((element.id, edge.up(&element, &*self.surroundings.registry)?)));
            match request {
                Ok((id, request)) => self.handle(now, stopping, id, request),
                Err(bad) => self.refuse(bad),
            }
        })
    }

    fn handle(
        &mut self,
        now: std::time::Instant,
        stopping: bool,
        id: MessageId,
        request: Request,
    ) -> Result<(), End> {
        let ends = matches!(request, Request::Current(ClientRequest::Stop(_) | ClientRequest::Disconnect));
        if stopping && !ends {
            let error = UnknownError::ShuttingDown.into();
            self.say(ServerMessage::error(id, &error));
            return Ok(());
        }
        self.session.handle(now, id, request, &mut self.effects);
        self.carry_out()
    }

    fn refuse(&mut self, bad: BadMessage) -> Result<(), End> {
        debug!(client = self.id.0, peer = self.peer, error = %bad.error, "bad message");
        self.session.refuse(bad, &mut self.effects);
        self.carry_out()
    }

    fn expire(&mut self) -> Result<(), End> {
        self.session.expire(Instant::now().into_std(), &mut self.effects);
        self.carry_out()
    }

    fn carry_out(&mut self) -> Result<(), End> {
        let mut effects = std::mem::take(&mut self.effects);
        let mut outcome = Ok(());
        for effect in effects.drain(..) {
            outcome = self.carry_out_one(effect);
            if outcome.is_err() {
                break;
            }
        }
        effects.clear();
        self.effects = effects;
        outcome
    }

    fn carry_out_one(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::End { last_words, reason } => return Err(End::Closed { last_words, reason }),
            Effect::Stop(id, cmd) => self.stop(id, &cmd),
            Effect::Reply(message) => self.say(message),
            Effect::Output(id, cmd) => self.output(id, &cmd),
            Effect::Outputs(id, device, cmds) => self.outputs(id, device, &cmds),
            Effect::Input(id, cmd, form) => self.input(id, cmd, form),
            Effect::ListDevices(id) => {
                let devices = self.surroundings.registry.list().descriptions();
                self.say(ServerMessage { id, content: ServerContent::DeviceList(devices) });
            }
            Effect::Scan(wanted) => self.surroundings.scan_requests.set(self.id, wanted),
            Effect::Opened { client_name, version } => {
                info!(
                    client = self.id.0,
                    name = client_name,
                    peer = self.peer,
                    version,
                    "client introduced itself"
                );
            }
        }
        Ok(())
    }

    fn stop(&mut self, id: MessageId, cmd: &StopCmd) {
        let (devices, feature) = match cmd.scope {
            StopScope::All => (self.surroundings.registry.all(), None),
            StopScope::Device(device) => match self.device(device) {
                Ok(device) => (vec![device], None),
                Err(error) => return self.fail(id, &error.into()),
            },
            StopScope::Feature(device, feature) => match self.device(device) {
                Ok(device) => (vec![device], Some(feature)),
                Err(error) => return self.fail(id, &error.into()),
            },
        };
        let mut written = Vec::new();
        if cmd.outputs {
            for device in &devices {
                match device.stop(feature) {
                    Ok(waiter) => written.push(waiter),
                    Err(error) => return self.fail(id, &error.into()),
                }
            }
        }
        if cmd.inputs {
            for device in &devices {
                device.unsubscribe_all(self.id, feature);
            }
        }
        if written.is_empty() || self.pending_stops.len() >= MAX_PENDING_STOPS {
            return self.say(ServerMessage::ok(id));
        }
        let reply = async move {
            wait_for_all(written).await;
            ServerMessage::ok(id).into()
        };
        self.pending_stops.push(reply.boxed());
    }

    fn output(&mut self, id: MessageId, cmd: &OutputCmd) {
        let set = self.device(cmd.device).and_then(|device| Ok((device.set(cmd, self.id)?, device)));
        self.answer_output(id, set);
    }

    fn outputs(&mut self, id: MessageId, device: DeviceIndex, cmds: &[OutputCmd]) {
        let set = self.device(device).and_then(|device| Ok((device.set_all(cmds, self.id)?, device)));
        self.answer_output(id, set);
    }

    fn answer_output(&mut self, id: MessageId, set: Result<(bool, DeviceHandle), DeviceError>) {
        match set {
            Ok((changed, device)) => {
                if changed && !self.touched.last().is_some_and(|last| last.is(&device)) {
                    self.touched.push(device);
                }
                self.say(ServerMessage::ok(id));
            }
            Err(error) => self.fail(id, &error.into()),
        }
    }

    fn input(&mut self, id: MessageId, cmd: InputCmd, form: Option<ReadingForm>) {
        let device = match self.device(cmd.device) {
            Ok(device) => device,
            Err(error) => return self.fail(id, &error.into()),
        };
        let description = Arc::clone(device.description());
        if self.pending_reads.len() >= MAX_PENDING_READS {
            let name = description.name.clone();
            let busy = DeviceError::Busy { device: description.index, name, limit: MAX_PENDING_READS };
            return self.fail(id, &busy.into());
        }
        let fail = move |failure| {
            Outgoing::from(ServerMessage::error(id, &request_error(&description, failure).into()))
        };
        let reply = if cmd.action == InputAction::Read {
            device.read(&cmd).map(|answer| {
                async move {
                    match (answer.await.unwrap_or(Err(RequestFailure::Gone)), form) {
                        (Ok(value), Some(form)) => form.reply(id, cmd.device, value),
                        (Ok(value), None) => {
                            let content = ServerContent::InputReading(read_reply(&cmd, value));
                            ServerMessage { id, content }.into()
                        }
                        (Err(failure), _) => fail(failure),
                    }
                }
                .boxed()
            })
        } else {
            device.subscribe(&cmd, self.id, &self.readings).map(|answer| {
                async move {
                    match answer.await.unwrap_or(Err(RequestFailure::Gone)) {
                        Ok(()) => ServerMessage::ok(id).into(),
                        Err(failure) => fail(failure),
                    }
                }
                .boxed()
            })
        };
        match reply {
            Ok(reply) => self.pending_reads.push(reply),
            Err(error) => self.fail(id, &error.into()),
        }
    }

    fn device(&self, index: DeviceIndex) -> Result<DeviceHandle, DeviceError> {
        self.surroundings.registry.get(index).ok_or(DeviceError::NoSuchDevice { device: index })
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

    /// Takes a message for the client; it is written once the devices have been served.
    fn say(&mut self, message: impl Into<Outgoing>) {
        self.outbox.push(message.into());
    }

    /// Hands what there is to say to the connection, in order.
    fn deliver(&mut self) -> Result<(), End> {
        let mut outbox = std::mem::take(&mut self.outbox);
        let outcome = outbox.drain(..).try_for_each(|message| self.send(message));
        self.outbox = outbox;
        outcome
    }

    fn send(&mut self, message: Outgoing) -> Result<(), End> {
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
        self.connection.send(frame).map_err(End::Lost)
    }

    fn wake_touched(&mut self) {
        for device in self.touched.drain(..) {
            device.wake();
        }
    }

    /// Stops what this client set in motion and ends its subscriptions and its search. Waits, bounded, until the
    /// zeros are written.
    async fn leave(&mut self) {
        self.wake_touched();
        self.surroundings.scan_requests.set(self.id, false);
        let devices = self.surroundings.registry.all();
        let waiters = devices.iter().filter_map(|device| device.release(self.id)).collect();
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
