//! The thread that owns the stick: it asks, listens, and carries out what the machine decides. All calls of the operating
//! system are made here, so that one that hangs holds up nobody else.

use super::framing::Lines;
use super::limits::{FIND_TIME, IDLE_READ_TIME, LAST_TIME, READ_TIME};
use super::machine::{Machine, News};
use super::message::heard;
use super::port::{Port, Ports};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::{Advertisement, Sighting};
use buttplug_server::hardware::{
    Beginning, BusEvent, BusEvents, HardwareError, HardwareEvent, MAX_WAITING_EVENTS,
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the thread is asked for.
pub(super) enum Request {
    StartSearch,
    StopSearch,
    Open {
        toy: String,
        opened: oneshot::Sender<Result<Opened, HardwareError>>,
    },
    Write {
        number: u64,
        text: String,
        beginning: Beginning,
        done: oneshot::Sender<Result<(), HardwareError>>,
    },
    Listen {
        number: u64,
        on: bool,
        done: oneshot::Sender<Result<(), HardwareError>>,
    },
    Close {
        number: u64,
        done: oneshot::Sender<()>,
    },
    End,
}

/// A toy that the server has taken.
pub(super) struct Opened {
    /// Tells this opening from earlier and later ones.
    pub(super) number: u64,
    pub(super) events: mpsc::Receiver<HardwareEvent>,
}

/// What the thread has.
pub(super) struct Owner {
    pub(super) ports: Box<dyn Ports>,
    pub(super) requests: Receiver<Request>,
    pub(super) events: BusEvents,
    /// Whether a search goes on.
    pub(super) searching: Arc<AtomicBool>,
    pub(super) machine: Machine,
    pub(super) port: Option<Box<dyn Port>>,
    pub(super) lines: Lines,
    pub(super) link: Option<Link>,
    pub(super) opened: u64,
    /// When to look for a stick again.
    pub(super) find: Instant,
    /// The last reason why there is none, so that it is said once.
    pub(super) problem: String,
}

/// The server's end of a toy.
pub(super) struct Link {
    number: u64,
    // thread -> device task: 64 events; notifications leave one place free for the end; closed means the server let go.
    events: mpsc::Sender<HardwareEvent>,
    subscribed: bool,
}

impl Owner {
    /// Runs until told to end, or until the bus is gone.
    pub(super) fn run(mut self) {
        while self.turn() {}
        self.see_out();
        self.lose("the bus of the Lovense dongle has ended");
        self.searching.store(false, Ordering::Release);
    }

    /// One turn: requests first, then what is due, then what the dongle says. False: the end.
    fn turn(&mut self) -> bool {
        loop {
            match self.requests.try_recv() {
                Ok(Request::End) | Err(TryRecvError::Disconnected) => return false,
                Ok(request) => self.handle(request),
                Err(TryRecvError::Empty) => break,
            }
        }
        self.let_go_of_dropped();
        let now = Instant::now();
        self.machine.tick(now);
        if self.machine.is_missing() && self.machine.is_searching() && self.find <= now {
            self.find_stick();
        }
        self.carry_out();
        if self.port.is_some() { self.listen() } else { self.wait() }
    }

    /// Stays for a moment: the last zeros may be reported as lost.
    fn see_out(&mut self) {
        self.machine.let_go();
        let last = Instant::now() + LAST_TIME;
        loop {
            let now = Instant::now();
            self.machine.tick(now);
            self.carry_out();
            let wait = self.machine.unanswered().is_some_and(|until| now < until.min(last));
            if !wait || self.port.is_none() {
                break;
            }
            self.listen();
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::StartSearch => {
                self.searching.store(true, Ordering::Release);
                self.machine.start_search();
                self.find = Instant::now();
                self.problem.clear();
            }
            Request::StopSearch => self.machine.stop_search(),
            Request::Open { toy, opened } => {
                let _ = opened.send(self.open(&toy));
            }
            Request::Write { number, text, beginning, done } => {
                // Whoever gave up before it was begun no longer wants it.
                if done.is_closed() || !beginning.begin() {
                    return;
                }
                let toy = self.machine.toy().map(String::from).filter(|_| self.is_open(number));
                let taken = toy.is_some_and(|toy| self.machine.command(Instant::now(), &toy, &text));
                self.carry_out();
                let written = taken && self.port.is_some();
                let _ = done.send(if written { Ok(()) } else { Err(HardwareError::Gone) });
            }
            Request::Listen { number, on, done } => {
                let link = self.link.as_mut().filter(|link| link.number == number);
                let _ = done.send(link.map(|link| link.subscribed = on).ok_or(HardwareError::Gone));
            }
            Request::Close { number, done } => {
                if self.is_open(number) {
                    self.link = None;
                    self.machine.let_go();
                }
                let _ = done.send(());
            }
            Request::End => {}
        }
        self.carry_out();
    }

    /// The server may have dropped the toy, or found no room to say that it closes it.
    fn let_go_of_dropped(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.events.is_closed()) {
            self.link = None;
            self.machine.let_go();
        }
    }

    fn is_open(&self, number: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.number == number)
    }

    fn open(&mut self, toy: &str) -> Result<Opened, HardwareError> {
        if self.machine.toy() != Some(toy) {
            return Err(HardwareError::Gone);
        }
        if self.link.as_ref().is_some_and(|link| !link.events.is_closed()) {
            return Err(HardwareError::Failed(String::from("the toy is open already")));
        }
        self.opened += 1;
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        self.link = Some(Link { number: self.opened, events, subscribed: false });
        Ok(Opened { number: self.opened, events: receiver })
    }

    fn find_stick(&mut self) {
        match self.ports.find() {
            Ok(Some(port)) => {
                tracing::info!("found a Lovense dongle");
                self.port = Some(port);
                self.lines = Lines::default();
                self.machine.found(Instant::now());
            }
            Ok(None) => self.report_problem(String::from("there is no Lovense dongle")),
            Err(error) => self.report_problem(error.to_string()),
        }
        self.find = Instant::now() + FIND_TIME;
    }

    fn report_problem(&mut self, problem: String) {
        if self.problem != problem {
            tracing::warn!("{problem}");
            self.problem = problem;
        }
    }

    /// Does what the machine has decided.
    fn carry_out(&mut self) {
        while let Some(news) = self.machine.next_news() {
            match news {
                News::Say(order) => {
                    let Some(port) = &mut self.port else { continue };
                    tracing::trace!(?order, "to the Lovense dongle");
                    if let Err(error) = port.write(&order.line()) {
                        tracing::warn!("{error}");
                        self.unplugged();
                    }
                }
                News::Toy(toy) => {
                    if self.link.as_ref().is_none_or(|link| link.events.is_closed()) {
                        // One that finds no room comes again with the next search.
                        let _ = self.events.try_send(BusEvent::Sighted(sighting(toy)));
                    }
                }
                News::SearchEnded => {
                    self.searching.store(false, Ordering::Release);
                    let _ = self.events.try_send(BusEvent::ScanningFinished);
                }
                News::Data(data) => {
                    let hears = |link: &&Link| link.subscribed && link.events.capacity() > 1;
                    if let Some(link) = self.link.as_ref().filter(hears) {
                        let data = Bytes::from(data);
                        let heard = HardwareEvent::Notification { endpoint: Endpoint::Rx, data };
                        let _ = link.events.try_send(heard);
                    }
                }
                News::ToyGone(reason) => self.lose(reason),
            }
        }
    }

    fn unplugged(&mut self) {
        self.port = None;
        self.machine.lost();
        self.find = Instant::now() + FIND_TIME;
    }

    fn lose(&mut self, reason: &str) {
        if let Some(link) = self.link.take() {
            // There is room: notifications leave one place free.
            let _ = link.events.try_send(HardwareEvent::Gone(reason.into()));
        }
    }

    /// Listens to the dongle for a moment.
    fn listen(&mut self) -> bool {
        let longest = if self.machine.toy().is_some() { READ_TIME } else { IDLE_READ_TIME };
        let due = self.machine.due().map_or(longest, |due| due.saturating_duration_since(Instant::now()));
        let mut text = Vec::new();
        let Some(port) = &mut self.port else { return true };
        match port.read(longest.min(due), &mut text) {
            Ok(()) => {
                for line in self.lines.take(&text) {
                    tracing::trace!(%line, "from the Lovense dongle");
                    for saying in heard(&line) {
                        self.machine.heard(Instant::now(), saying);
                    }
                }
            }
            Err(error) => {
                tracing::warn!("{error}");
                self.unplugged();
            }
        }
        self.carry_out();
        true
    }

    /// Waits for a request where there is no dongle to listen to. False: the end.
    fn wait(&mut self) -> bool {
        const LONG: Duration = Duration::from_secs(3600);
        let searching = self.machine.is_searching();
        let wait = if searching { self.find.saturating_duration_since(Instant::now()) } else { LONG };
        match self.requests.recv_timeout(wait) {
            Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => false,
            Ok(request) => {
                self.handle(request);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
        }
    }
}

/// A toy poses as what it is: one on Bluetooth, whose model its protocol asks for.
fn sighting(toy: String) -> Sighting {
    let advertisement = Advertisement::Bluetooth {
        name: String::from("LVS-DongleDevice"),
        manufacturer_data: Vec::new(),
        services: Vec::new(),
    };
    Sighting::new(toy, advertisement)
}
