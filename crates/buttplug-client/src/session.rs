//! What one connection means: which reply belongs to whom, which devices are there, who listens to which input, when
//! to ping. Decides without I/O and without a clock; `task.rs` carries out.

use crate::Device;
use crate::error::Error;
use crate::event::{DisconnectReason, Event, Hub};
use crate::link::{Command, Link, MAX_REQUESTS_IN_FLIGHT, MAX_STOPS_IN_FLIGHT, Request, name};
use crate::runtime::Instant;
use crate::subscription::{ReadingBox, SubscriptionKey};
use crate::table::Table;
use buttplug_core::connector::ConnectorError;
use buttplug_core::error::ErrorClass;
use buttplug_core::input::{InputAction, RssiSpelling};
use buttplug_core::message::{
    ClientMessage, ClientRequest, DeviceDescription, InputCmd, InputReading, MessageId, ServerContent,
    ServerError, ServerInfo, ServerMessage, StopCmd, StopScope,
};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

/// The id of the handshake; later ids count on from here.
pub(crate) const HANDSHAKE_ID: MessageId = MessageId(1);

/// Entries of requests that nobody waits for any more are swept out when there are as many as this. Those in flight
/// are fewer than half, so a sweep always makes room.
const SWEEP_ABOVE: usize = 2 * (MAX_REQUESTS_IN_FLIGHT + MAX_STOPS_IN_FLIGHT);

/// The state of one connection after its handshake.
pub(crate) struct Session {
    link: Arc<Link>,
    table: Arc<Table>,
    hub: Arc<Hub>,
    pending: HashMap<MessageId, Pending>,
    subscriptions: HashMap<SubscriptionKey, Subscription>,
    last_id: MessageId,
    ping: Option<Ping>,
    /// What the application will hear of this connection with its first list. Taken then, and so it will hear of the
    /// end.
    unannounced: Option<ServerInfo>,
    ended: bool,
}

struct Pending {
    reply: oneshot::Sender<Result<ServerContent, Error>>,
    request: &'static str,
    on_success: OnSuccess,
}

/// What a good reply changes here.
enum OnSuccess {
    Nothing,
    Scanning(bool),
    /// A bad reply takes this listener away again.
    Listen(SubscriptionKey, Weak<ReadingBox>),
}

struct Subscription {
    spelling: RssiSpelling,
    listeners: Vec<Weak<ReadingBox>>,
}

struct Ping {
    every: Duration,
    due: Instant,
}

impl Session {
    pub(crate) fn new(
        now: Instant,
        info: ServerInfo,
        link: Arc<Link>,
        table: Arc<Table>,
        hub: Arc<Hub>,
    ) -> Self {
        // Half, so that one late ping is no harm.
        let every = (Duration::from_millis(info.max_ping_ms.into()) / 2).max(Duration::from_millis(1));
        Self {
            link,
            table,
            hub,
            pending: HashMap::new(),
            subscriptions: HashMap::new(),
            last_id: HANDSHAKE_ID,
            ping: (info.max_ping_ms > 0).then_some(Ping { every, due: now }),
            unannounced: Some(info),
            ended: false,
        }
    }

    /// When [`expire`](Self::expire) wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.ping.as_ref().map(|ping| ping.due)
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now: Instant, out: &mut Vec<ClientMessage>) {
        let Some(ping) = self.ping.as_mut().filter(|ping| ping.due <= now) else { return };
        ping.due = now + ping.every;
        let id = self.next_id();
        out.push(ClientMessage { id, request: ClientRequest::Ping });
    }

    /// Takes a command of a handle.
    pub(crate) fn command(&mut self, command: Command, out: &mut Vec<ClientMessage>) {
        match command {
            Command::Request(request) => self.request(request, out),
            Command::Dropped(key) => self.unsubscribe_if_unheard(key, out),
        }
    }

    fn request(&mut self, Request { request, reply, readings }: Request, out: &mut Vec<ClientMessage>) {
        if reply.is_closed() {
            // Given up before it went out: the caller was told that nothing or anything may have happened, and
            // nothing is the better of the two. A stop goes out nevertheless.
            if !matches!(request, ClientRequest::Stop(_)) {
                return;
            }
        }
        let on_success = match &request {
            ClientRequest::StartScanning => OnSuccess::Scanning(true),
            ClientRequest::StopScanning => OnSuccess::Scanning(false),
            ClientRequest::Input(input) => self.input(input, readings),
            ClientRequest::Stop(StopCmd { scope, inputs: true, .. }) => {
                self.end_subscriptions(*scope);
                OnSuccess::Nothing
            }
            _ => OnSuccess::Nothing,
        };
        if self.pending.len() >= SWEEP_ABOVE {
            self.pending.retain(|_, pending| !pending.reply.is_closed());
        }
        let id = self.next_id();
        self.pending.insert(id, Pending { reply, request: name(&request), on_success });
        out.push(ClientMessage { id, request });
    }

    fn input(&mut self, input: &InputCmd, readings: Option<Weak<ReadingBox>>) -> OnSuccess {
        let key = SubscriptionKey { device: input.device, feature: input.feature, kind: input.kind };
        match (input.action, readings) {
            (InputAction::Subscribe, Some(listener)) => {
                // From now on, not from the reply on: the first reading may come before it.
                let new = || Subscription { spelling: input.spelling, listeners: Vec::new() };
                self.subscriptions.entry(key).or_insert_with(new).listeners.push(listener.clone());
                OnSuccess::Listen(key, listener)
            }
            (InputAction::Unsubscribe, _) => {
                self.close_subscriptions(|other| *other == key);
                OnSuccess::Nothing
            }
            _ => OnSuccess::Nothing,
        }
    }

    fn next_id(&mut self) -> MessageId {
        loop {
            self.last_id = MessageId(self.last_id.0.checked_add(1).unwrap_or(1));
            if !self.pending.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Takes a message of the server. `Break` means that the connection is over.
    pub(crate) fn receive(
        &mut self,
        message: ServerMessage,
        out: &mut Vec<ClientMessage>,
    ) -> ControlFlow<DisconnectReason> {
        let ServerMessage { id, content } = message;
        if let ServerContent::Error(ServerError { class: ErrorClass::Ping, message }) = &content {
            let reason = DisconnectReason::PingTimeout { message: message.clone() };
            self.report(Error::after(&reason));
            return ControlFlow::Break(reason);
        }
        if id == MessageId::EVENT {
            self.event(content, out);
        } else {
            self.reply(id, content);
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, content: ServerContent, out: &mut Vec<ClientMessage>) {
        match content {
            ServerContent::DeviceList(list) => self.devices(list),
            ServerContent::InputReading(reading) => self.reading(reading, out),
            ServerContent::ScanningFinished => {
                self.link.set_scanning(false);
                self.hub.emit(&Event::ScanningFinished);
            }
            ServerContent::Error(error) => self.report(Error::reported(MessageId::EVENT, error)),
            ServerContent::Ok | ServerContent::ServerInfo(_) => {
                tracing::debug!("ignored a reply without the id of a request");
            }
        }
    }

    fn reply(&mut self, id: MessageId, content: ServerContent) {
        let Some(Pending { reply, request, on_success }) = self.pending.remove(&id) else {
            // Replies to pings end here, too.
            tracing::trace!(%id, "ignored a reply that nobody waits for");
            return;
        };
        let result = match content {
            ServerContent::Error(error) => {
                if let OnSuccess::Listen(key, listener) = &on_success {
                    self.forget(*key, listener);
                }
                Err(Error::reported(id, error))
            }
            content => {
                if let OnSuccess::Scanning(scanning) = on_success {
                    self.link.set_scanning(scanning);
                }
                if let ServerContent::DeviceList(list) = &content {
                    self.devices(list.clone());
                }
                Ok(content)
            }
        };
        if reply.send(result).is_err() {
            tracing::debug!(%id, request, "the reply came after the request was given up");
        }
    }

    fn report(&self, error: Error) {
        tracing::warn!(%error, "the server reports an error");
        self.hub.emit(&Event::Error(error));
    }

    fn devices(&mut self, list: Vec<Arc<DeviceDescription>>) {
        let link = &self.link;
        let events = self.table.update(list, |description| Device::new(Arc::clone(link), description));
        // After the table is filled: whoever hears of the connection finds its devices.
        if let Some(info) = self.unannounced.take() {
            self.hub.emit(&Event::Connected(info));
        }
        for event in events {
            match &event {
                Event::DeviceAdded(device) => {
                    tracing::info!(device = device.index().0, name = device.label(), "device added");
                }
                Event::DeviceRemoved(device) => {
                    tracing::info!(device = device.index().0, name = device.label(), "device removed");
                    let index = device.index();
                    self.close_subscriptions(|key| key.device == index);
                }
                _ => {}
            }
            self.hub.emit(&event);
        }
    }

    fn reading(&mut self, reading: InputReading, out: &mut Vec<ClientMessage>) {
        let key = SubscriptionKey { device: reading.device, feature: reading.feature, kind: reading.kind };
        self.unsubscribe_if_unheard(key, out);
        if let Some(subscription) = self.subscriptions.get(&key) {
            for listener in subscription.listeners.iter().filter_map(Weak::upgrade) {
                listener.push(reading.value);
            }
        }
        self.hub.emit(&Event::Reading(reading));
    }

    /// Ends a subscription that has lost its last listener.
    fn unsubscribe_if_unheard(&mut self, key: SubscriptionKey, out: &mut Vec<ClientMessage>) {
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        subscription
            .listeners
            .retain(|listener| listener.upgrade().is_some_and(|listener| !listener.is_closed()));
        if !subscription.listeners.is_empty() {
            return;
        }
        let SubscriptionKey { device, feature, kind } = key;
        let (spelling, action) = (subscription.spelling, InputAction::Unsubscribe);
        self.subscriptions.remove(&key);
        let id = self.next_id();
        let request = ClientRequest::Input(InputCmd { device, feature, kind, spelling, action });
        out.push(ClientMessage { id, request });
    }

    /// Takes away a listener whose subscription the server refused. There is nothing to unsubscribe.
    fn forget(&mut self, key: SubscriptionKey, listener: &Weak<ReadingBox>) {
        if let Some(subscription) = self.subscriptions.get_mut(&key) {
            subscription.listeners.retain(|other| !other.ptr_eq(listener));
            if subscription.listeners.is_empty() {
                self.subscriptions.remove(&key);
            }
        }
    }

    fn end_subscriptions(&mut self, scope: StopScope) {
        self.close_subscriptions(|key| match scope {
            StopScope::All => true,
            StopScope::Device(device) => key.device == device,
            StopScope::Feature(device, feature) => key.device == device && key.feature == feature,
        });
    }

    fn close_subscriptions(&mut self, matches: impl Fn(&SubscriptionKey) -> bool) {
        self.subscriptions.retain(|key, subscription| {
            let ends = matches(key);
            if ends {
                subscription.listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.close());
            }
            !ends
        });
    }

    /// Ends the session: requests fail, devices leave, and whoever listens hears why. Only the first call counts.
    pub(crate) fn end(&mut self, reason: DisconnectReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let reason = self.link.end(reason).clone();
        self.ping = None;
        for pending in std::mem::take(&mut self.pending).into_values() {
            let _ = pending.reply.send(Err(Error::after(&reason)));
        }
        self.close_subscriptions(|_| true);
        for event in
            self.table.update(Vec::new(), |description| Device::new(Arc::clone(&self.link), description))
        {
            self.hub.emit(&event);
        }
        if self.unannounced.is_none() {
            tracing::info!(%reason, "disconnected");
            self.hub.emit(&Event::Disconnected(reason));
        }
    }
}

impl Drop for Session {
    /// A runtime that shuts down drops the task in the middle; handles must not believe in the connection then.
    fn drop(&mut self) {
        let reason = String::from("the runtime of the client has ended");
        self.end(DisconnectReason::Lost(ConnectorError::Lost { reason }));
    }
}
