//! A stand-in for logind, as far as somebody hears from it of the machine's sleep.

use dbus::Message;
use dbus::arg::Variant;
use dbus::channel::Channel;
use dbus::strings::ErrorName;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const BUS: &str = "org.freedesktop.DBus";

/// Whether it lets a sleep be delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    Unwilling,
}

#[derive(Default)]
struct Heard {
    /// Its ends of what delays a sleep.
    delays: Vec<UnixStream>,
    /// Who asked for one last.
    who: String,
}

/// The stand-in. Dropping it ends it.
pub(crate) struct Logind {
    // test -> stand-in: whether the machine is about to sleep; closed means the end.
    orders: Option<Sender<bool>>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

fn connect(address: &str) -> Channel {
    let mut bus = Channel::open_private(address).expect("a bus");
    bus.register().expect("a place on it");
    bus
}

fn sleep_signal(begins: bool) -> Message {
    Message::new_signal(PATH, MANAGER, "PrepareForSleep").expect("good names").append1(begins)
}

/// Says to this listener that the machine is about to sleep, without being logind.
pub(crate) fn lie(address: &str, listener: &str) {
    let bus = connect(address);
    let mut signal = sleep_signal(true);
    signal.set_destination(Some(listener.into()));
    bus.send(signal).expect("a bus");
    bus.flush();
}

impl Logind {
    pub(crate) fn start(address: &str, mood: Mood) -> Self {
        let (orders, received) = channel();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (address, notes) = (address.to_owned(), Arc::clone(&heard));
        let (ready, wait) = channel();
        let thread = std::thread::spawn(move || {
            let bus = connect(&address);
            let name =
                Message::call_with_args(BUS, "/org/freedesktop/DBus", BUS, "RequestName", (NAME, 0_u32));
            bus.send_with_reply_and_block(name, Duration::from_secs(5)).expect("the name");
            ready.send(()).expect("the test waits");
            serve(&bus, mood, &received, &notes);
        });
        wait.recv_timeout(Duration::from_secs(10)).expect("the stand-in starts");
        Self { orders: Some(orders), heard, thread: Some(thread) }
    }

    pub(crate) fn prepare_for_sleep(&self, begins: bool) {
        self.orders.as_ref().expect("it runs").send(begins).expect("it runs");
    }

    /// Whether anybody delays a sleep.
    pub(crate) fn is_delayed(&self) -> bool {
        let mut heard = self.heard.lock().expect("no panic in it");
        heard.delays.retain_mut(
            |delay| matches!(delay.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock),
        );
        !heard.delays.is_empty()
    }

    pub(crate) fn is_delayed_within(&self, time: Duration) {
        self.becomes(true, time);
    }

    pub(crate) fn is_released_within(&self, time: Duration) {
        self.becomes(false, time);
    }

    fn becomes(&self, delayed: bool, time: Duration) {
        let start = Instant::now();
        while self.is_delayed() != delayed {
            assert!(
                start.elapsed() < time,
                "a sleep is not {} in time",
                if delayed { "delayed" } else { "let begin" }
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Who asked last for a sleep to be delayed.
    pub(crate) fn listener(&self) -> String {
        self.heard.lock().expect("no panic in it").who.clone()
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn serve(bus: &Channel, mood: Mood, orders: &Receiver<bool>, heard: &Mutex<Heard>) {
    loop {
        match orders.try_recv() {
            Ok(begins) => {
                bus.send(sleep_signal(begins)).expect("a bus");
            }
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        if bus.read_write(Some(Duration::from_millis(5))).is_err() {
            return;
        }
        while let Some(call) = bus.pop_message() {
            let reply = match call.member().as_deref() {
                Some("Get") => call.method_return().append1(Variant("")),
                Some("Inhibit") if mood == Mood::Unwilling => {
                    let name = ErrorName::from("org.freedesktop.DBus.Error.AccessDenied");
                    call.error(&name, c"not for you")
                }
                Some("Inhibit") => {
                    let asked: (&str, &str, &str, &str) = call.read4().expect("what logind is asked");
                    assert_eq!((asked.0, asked.3), ("sleep", "delay"));
                    let (ours, theirs) = UnixStream::pair().expect("a pair");
                    ours.set_nonblocking(true).expect("a socket");
                    let mut heard = heard.lock().expect("no panic in it");
                    heard.delays.push(ours);
                    heard.who = call.sender().expect("a sender").to_string();
                    call.method_return().append1(OwnedFd::from(theirs))
                }
                _ => continue,
            };
            bus.send(reply).expect("a bus");
        }
        bus.flush();
    }
}
