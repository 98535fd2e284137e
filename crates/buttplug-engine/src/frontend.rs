//! The port for the program that started this one: it is told what happens, and may ask for the end.
//!
//! Nobody has to come: the engine serves without. Whoever comes late is told everything that still holds. Once a parent is
//! there the engine ends with it, so that none is left behind when a launcher crashes.

mod message;
mod news;

pub(crate) use message::{Advertised, Failure};

use buttplug_server::Present;
use buttplug_websocket::{BindError, CloseCode, Listener, ListenerLimits, Received, Socket, SocketLimits};
use message::Request;
use news::{Picture, Stage};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Parents at a time. There is one program that started this one.
const MAX_PARENTS: usize = 1;

/// Bytes of a message from the parent. Its longest is some fifty.
const MAX_REQUEST_BYTES: usize = 4096;

/// How long the last word and the farewell may take. What goes before them has a limit of its own.
const FAREWELL: Duration = Duration::from_millis(100);

/// How long an engine that can't start waits for a parent, to tell it why.
const WAIT_TO_EXPLAIN: Duration = Duration::from_secs(1);

/// The open port. One parent has it at a time.
pub(crate) struct Frontend {
    script: watch::Sender<Script>,
    /// Whether a parent is there.
    attended: watch::Receiver<bool>,
    /// Tells why, when the parent wants the engine to end.
    end: oneshot::Receiver<&'static str>,
    task: JoinHandle<()>,
}

/// What clients come to, or what dials one.
#[derive(Debug)]
pub(crate) struct Server {
    /// What the network is told of it, if anything.
    pub(crate) advertised: Option<Advertised>,
}

/// How far the engine is, and where to look who is there.
#[derive(Clone, Debug, Default)]
struct Script {
    stage: Stage,
    failure: Option<Failure>,
    present: Option<watch::Receiver<Arc<Present>>>,
}

impl Frontend {
    /// Opens the port.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) async fn open(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let socket =
            SocketLimits { max_message: MAX_REQUEST_BYTES, close_time: FAREWELL, ..SocketLimits::default() };
        let limits = ListenerLimits { socket, ..ListenerLimits::default() };
        let listener = Listener::bind(addresses, limits).await?;
        for address in listener.local_addresses() {
            tracing::info!(%address, "listening for the parent process");
        }
        let (script, told) = watch::channel(Script { stage: Stage::Starting, ..Script::default() });
        let (there, attended) = watch::channel(false);
        let (want_end, end) = oneshot::channel();
        let desk = Desk { script: told, present: None, parent: None, there, want_end: Some(want_end) };
        // Ends when told that the engine has ended, and is awaited in `close`.
        let task = tokio::spawn(run(listener, desk));
        Ok(Self { script, attended, end, task })
    }

    /// The engine serves, and these devices and clients are there. Clients can come of themselves, or not: one with the REST
    /// API alone has no server for them, as parents know it.
    pub(crate) fn serves(&self, server: Option<Server>, present: watch::Receiver<Arc<Present>>) {
        self.script.send_modify(|script| {
            if let Some(Server { advertised }) = server {
                script.stage = Stage::Created(advertised);
            }
            script.present = Some(present);
        });
    }

    /// The engine can't go on. Waits, bounded, for a parent who can be told.
    pub(crate) async fn failed(&mut self, failure: Failure) {
        self.script.send_modify(|script| script.failure = Some(failure));
        // Nobody came: the exit code and the log say it too.
        let _ = timeout(WAIT_TO_EXPLAIN, self.attended.wait_for(|there| *there)).await;
    }

    /// Waits until the parent wants the engine to end, and answers why. Safe to cancel.
    pub(crate) async fn wants_end(&mut self) -> &'static str {
        match (&mut self.end).await {
            Ok(reason) => reason,
            // The task has failed, and a panic is dealt with elsewhere.
            Err(_) => pending().await,
        }
    }

    /// Tells the parent that the engine has ended, and closes the port.
    pub(crate) async fn close(self) {
        self.script.send_modify(|script| script.stage = Stage::Ended);
        if let Err(failed) = self.task.await {
            tracing::error!(%failed, "the port for the parent process ended badly");
        }
    }
}

/// Accepts until the desk is closed.
async fn run(listener: Listener, desk: Desk) {
    let (arrive, arrivals) = mpsc::channel(1);
    let seat = Arc::new(Semaphore::new(MAX_PARENTS));
    let (close, closed) = oneshot::channel::<()>();
    let seat_one = move |mut socket: Socket, peer: SocketAddr| {
        let (seat, arrive) = (Arc::clone(&seat), arrive.clone());
        async move {
            match seat.try_acquire_owned() {
                // The desk takes it at once; a desk that is gone closes the connection by dropping it.
                Ok(seat) => drop(arrive.send(Parent { socket, told: Picture::default(), _seat: seat }).await),
                Err(_) => {
                    tracing::warn!(%peer, "refusing a second parent process");
                    socket.close(CloseCode::Again, "another program is connected").await;
                }
            }
        }
    };
    let listening = listener.run(async { drop(closed.await) }, seat_one);
    let serving = async {
        desk.serve(arrivals).await;
        drop(close);
    };
    tokio::join!(listening, serving);
}

/// A parent that is there.
struct Parent {
    socket: Socket,
    /// What it knows.
    told: Picture,
    /// The only one there is.
    _seat: OwnedSemaphorePermit,
}

impl Parent {
    /// Queues what is new to it. A parent that takes nothing any more is noticed by the socket.
    fn tell(&mut self, now: Picture) {
        for news in news::between(&self.told, &now) {
            self.say(&news);
        }
        self.told = now;
    }

    fn say(&mut self, news: &message::News) {
        let queued = news.to_json().map(|text| self.socket.send_text(text));
        if let Err(error) = queued {
            tracing::error!(%error, "something can't be told to the parent process");
        }
    }
}

/// Where the one parent is served.
struct Desk {
    script: watch::Receiver<Script>,
    present: Option<watch::Receiver<Arc<Present>>>,
    parent: Option<Parent>,
    there: watch::Sender<bool>,
    want_end: Option<oneshot::Sender<&'static str>>,
}

/// All that can wake the desk.
enum Wake {
    Script,
    Present,
    Came(Box<Parent>),
    Asked(Vec<Request>),
    Left(String),
}

impl Desk {
    async fn serve(mut self, mut arrivals: mpsc::Receiver<Parent>) {
        loop {
            let now = self.picture();
            let ended = now.stage == Stage::Ended;
            if let Some(parent) = &mut self.parent {
                parent.tell(now);
            }
            if ended {
                break;
            }
            let wake = self.next_wake(&mut arrivals).await;
            self.handle(wake);
        }
        if let Some(mut parent) = self.parent {
            parent.socket.close(CloseCode::Normal, "").await;
        }
    }

    /// What there is to tell.
    fn picture(&mut self) -> Picture {
        let script = self.script.borrow_and_update().clone();
        if self.present.is_none() {
            self.present = script.present;
        }
        let present = self.present.as_mut().map(|present| Arc::clone(&present.borrow_and_update()));
        Picture { stage: script.stage, failure: script.failure, present: present.unwrap_or_default() }
    }

    async fn next_wake(&mut self, arrivals: &mut mpsc::Receiver<Parent>) -> Wake {
        let present = async {
            let Some(present) = &mut self.present else { return pending().await };
            if present.changed().await.is_err() {
                // A server that is gone changes no more.
                pending::<()>().await;
            }
        };
        let heard = async {
            let Some(Parent { socket, .. }) = &mut self.parent else { return pending().await };
            let mut requests = Vec::new();
            let received = socket.receive(|message| match message {
                Received::Text(text) => requests.extend(Request::parse(&text)),
                Received::Binary(_) => tracing::debug!("ignoring a binary message of the parent process"),
            });
            match received.await {
                Ok(()) => Wake::Asked(requests),
                Err(end) => Wake::Left(end.to_string()),
            }
        };
        tokio::select! {
            biased;
            // Whoever tells is gone only when the engine is.
            _ = self.script.changed() => Wake::Script,
            heard = heard => heard,
            Some(parent) = arrivals.recv() => Wake::Came(Box::new(parent)),
            () = present => Wake::Present,
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Script | Wake::Present => {}
            Wake::Came(parent) => {
                tracing::info!("the parent process is connected; the engine ends with it");
                self.parent = Some(*parent);
                self.there.send_replace(true);
            }
            Wake::Asked(requests) => {
                for request in requests {
                    match (request, &mut self.parent) {
                        (Request::Stop, _) => self.ask_for_end("the parent process wants it"),
                        (Request::EngineVersion, Some(parent)) => parent.say(&message::News::version()),
                        (Request::EngineVersion, None) => {}
                    }
                }
            }
            Wake::Left(reason) => {
                tracing::warn!(reason, "the parent process is gone");
                self.parent = None;
                self.there.send_replace(false);
                self.ask_for_end("the parent process is gone");
            }
        }
    }

    /// Once is enough.
    fn ask_for_end(&mut self, reason: &'static str) {
        if let Some(want_end) = self.want_end.take() {
            // Nobody waits for it: the engine is ending already.
            let _ = want_end.send(reason);
        }
    }
}
