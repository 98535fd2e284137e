//! How handles reach the task that owns the connection: requests go in, replies come out, in the order of the calls.
//! Knows what is open and what is over, but no connection and no device.

use crate::error::Error;
use crate::event::DisconnectReason;
use crate::runtime::timeout;
use crate::subscription::{ReadingBox, SubscriptionKey};
use buttplug_core::message::{ClientRequest, ServerContent};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Requests of one client that may wait for their replies. A healthy server has answered long before; beyond this a
/// call fails at once with [`Error::Busy`] instead of piling up commands that will be stale when they arrive.
pub const MAX_REQUESTS_IN_FLIGHT: usize = 1024;

/// The same for stops. They have places of their own, so that no flood of commands can keep a stop from going out.
pub const MAX_STOPS_IN_FLIGHT: usize = 64;

/// What the task is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Request(Request),
    /// A stream of this subscription was dropped.
    Dropped(SubscriptionKey),
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) request: ClientRequest,
    pub(crate) reply: oneshot::Sender<Result<ServerContent, Error>>,
    /// Where the readings go, if this begins a subscription.
    pub(crate) readings: Option<Weak<ReadingBox>>,
}

/// One connection as its handles see it. Holding it does not keep the connection open.
#[derive(Debug)]
pub(crate) struct Link {
    commands: mpsc::Sender<Command>,
    requests: Semaphore,
    stops: Semaphore,
    timeout: Option<Duration>,
    scanning: AtomicBool,
    end: OnceLock<DisconnectReason>,
}

impl Link {
    pub(crate) fn new(timeout: Option<Duration>) -> (Self, mpsc::Receiver<Command>) {
        // handles -> task: every request in flight finds a place, so a call waits here only while the task has not
        // run; closed means the connection is over.
        let (commands, receiver) = mpsc::channel(MAX_REQUESTS_IN_FLIGHT + MAX_STOPS_IN_FLIGHT);
        let link = Self {
            commands,
            requests: Semaphore::new(MAX_REQUESTS_IN_FLIGHT),
            stops: Semaphore::new(MAX_STOPS_IN_FLIGHT),
            timeout,
            scanning: AtomicBool::new(false),
            end: OnceLock::new(),
        };
        (link, receiver)
    }

    /// # Errors
    /// The connection is over, with its reason.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        self.end.get().map_or(Ok(()), |reason| Err(Error::after(reason)))
    }

    /// Refuses requests from now on. The first reason counts; it is returned.
    pub(crate) fn end(&self, reason: DisconnectReason) -> &DisconnectReason {
        self.set_scanning(false);
        self.end.get_or_init(|| reason)
    }

    /// Waits until the task has ended the session and told everybody.
    pub(crate) async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Why it is over, if it is.
    pub(crate) fn reason(&self) -> Option<&DisconnectReason> {
        self.end.get()
    }

    pub(crate) fn is_scanning(&self) -> bool {
        self.scanning.load(Ordering::Relaxed)
    }

    pub(crate) fn set_scanning(&self, scanning: bool) {
        self.scanning.store(scanning, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, key: SubscriptionKey) {
        // No room means that the task will see at the next reading that nobody listens.
        let _ = self.commands.try_send(Command::Dropped(key));
    }

    /// Sends one request that is answered by `Ok`.
    pub(crate) async fn perform(&self, request: ClientRequest) -> Result<(), Error> {
        self.perform_all(vec![request]).await
    }

    /// Sends requests that are answered by `Ok`, together and in order, and waits for all replies.
    ///
    /// # Errors
    /// The first failure in the order of the requests.
    pub(crate) async fn perform_all(&self, requests: Vec<ClientRequest>) -> Result<(), Error> {
        let name = requests.first().map_or("", name);
        for reply in self.exchange(requests, None).await? {
            if reply? != ServerContent::Ok {
                return Err(Error::UnexpectedReply { request: name });
            }
        }
        Ok(())
    }

    /// Sends one request and gives back its reply.
    pub(crate) async fn ask(
        &self,
        request: ClientRequest,
        readings: Option<Weak<ReadingBox>>,
    ) -> Result<ServerContent, Error> {
        let name = name(&request);
        let mut replies = self.exchange(vec![request], readings).await?;
        replies.pop().unwrap_or(Err(Error::UnexpectedReply { request: name }))
    }

    async fn exchange(
        &self,
        requests: Vec<ClientRequest>,
        readings: Option<Weak<ReadingBox>>,
    ) -> Result<Vec<Result<ServerContent, Error>>, Error> {
        self.check_open()?;
        let Some(first) = requests.first() else { return Ok(Vec::new()) };
        let (name, count) = (name(first), requests.len());
        let (lane, limit) = match first {
            ClientRequest::Stop(_) => (&self.stops, MAX_STOPS_IN_FLIGHT),
            _ => (&self.requests, MAX_REQUESTS_IN_FLIGHT),
        };
        let places = u32::try_from(count).unwrap_or(u32::MAX);
        let _held_until_answered = lane.try_acquire_many(places).map_err(|_| Error::Busy { limit })?;
        let exchange = async {
            // At once if there is room, as there is unless many calls were given up just now.
            let slots = match self.commands.try_reserve_many(count) {
                Err(TrySendError::Full(())) => {
                    self.commands.reserve_many(count).await.map_err(|_| self.over())?
                }
                slots => slots.map_err(|_| self.over())?,
            };
            let waiting: Vec<_> = slots
                .zip(requests)
                .map(|(slot, request)| {
                    let (reply, receiver) = oneshot::channel();
                    slot.send(Command::Request(Request { request, reply, readings: readings.clone() }));
                    receiver
                })
                .collect();
            let mut replies = Vec::with_capacity(count);
            for receiver in waiting {
                replies.push(receiver.await.unwrap_or_else(|_| Err(self.over())));
            }
            Ok(replies)
        };
        match self.timeout {
            None => exchange.await,
            Some(after) => {
                timeout(after, exchange).await.unwrap_or(Err(Error::Timeout { request: name, after }))
            }
        }
    }

    fn over(&self) -> Error {
        self.check_open().err().unwrap_or(Error::NotConnected)
    }
}

/// The name of a request on the wire, for messages to people.
pub(crate) fn name(request: &ClientRequest) -> &'static str {
    match request {
        ClientRequest::RequestServerInfo(_) => "RequestServerInfo",
        ClientRequest::Disconnect => "Disconnect",
        ClientRequest::Ping => "Ping",
        ClientRequest::StartScanning => "StartScanning",
        ClientRequest::StopScanning => "StopScanning",
        ClientRequest::RequestDeviceList => "RequestDeviceList",
        ClientRequest::Output(_) | ClientRequest::NamedOutput(_) => "OutputCmd",
        ClientRequest::Input(_) => "InputCmd",
        ClientRequest::Stop(_) => "StopCmd",
    }
}
