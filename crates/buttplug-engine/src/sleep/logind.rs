//! logind, which tells on the system's D-Bus that the machine is about to sleep, and lets those that ask for it delay that
//! for a moment. In a thread that waits there until the end of the program. Without D-Bus or logind nothing is told.

use super::Teller;
use dbus::channel::{BusType, Channel};
use dbus::message::MessageType;
use dbus::{Error, Message};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tracing::debug;

const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const BUS: &str = "org.freedesktop.DBus";
const SIGNAL: &str = "PrepareForSleep";

/// How long a question may take. logind may have to be started for it.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The pause after which D-Bus is tried again when it has ended.
const AGAIN: Duration = Duration::from_secs(10);

/// Begins to watch.
pub(super) fn watch(teller: Teller) {
    let watch = move || {
        let mut was_there = false;
        loop {
            match Logind::open() {
                Ok(logind) => {
                    was_there = true;
                    logind.listen(&teller);
                }
                Err(error) if !was_there => {
                    debug!(%error, "nobody tells when this machine is about to sleep");
                    return;
                }
                Err(_) => {}
            }
            if teller.is_unheard() {
                return;
            }
            std::thread::sleep(AGAIN);
        }
    };
    let thread = std::thread::Builder::new().name("sleep".into()).stack_size(128 * 1024);
    if let Err(error) = thread.spawn(watch) {
        debug!(%error, "nobody tells when this machine is about to sleep");
    }
}

/// A connection on which it tells.
struct Logind(Channel);

impl Logind {
    fn open() -> Result<Self, Error> {
        let logind = Self(Channel::get_private(BusType::System)?);
        let rule =
            format!("type='signal',sender='{LOGIND}',path='{PATH}',interface='{MANAGER}',member='{SIGNAL}'");
        logind.ask(Message::call_with_args(BUS, "/org/freedesktop/DBus", BUS, "AddMatch", (rule,)))?;
        // Whether it is there; it is started if it can be.
        let property = (MANAGER, "BlockInhibited");
        logind.ask(Message::call_with_args(
            LOGIND,
            PATH,
            "org.freedesktop.DBus.Properties",
            "Get",
            property,
        ))?;
        debug!("logind tells when this machine is about to sleep");
        Ok(logind)
    }

    fn ask(&self, question: Message) -> Result<Message, Error> {
        self.0.send_with_reply_and_block(question, ANSWER_TIME)
    }

    /// What delays a sleep as long as it is held.
    fn delay(&self) -> Option<OwnedFd> {
        let what = ("sleep", "buttplug", "stops the devices first", "delay");
        let lock = self.ask(Message::call_with_args(LOGIND, PATH, MANAGER, "Inhibit", what));
        match lock.and_then(|lock| lock.read1().map_err(|error| Error::new_failed(&error.to_string()))) {
            Ok(lock) => Some(lock),
            Err(error) => {
                debug!(%error, "logind does not wait for devices to be stopped before a sleep, but tells of it");
                None
            }
        }
    }

    /// Listens until D-Bus or the program ends.
    fn listen(&self, teller: &Teller) {
        let mut lock = self.delay();
        while self.0.read_write(None).is_ok() {
            while let Some(message) = self.0.pop_message() {
                let Some(begins) = self.announced(&message) else { continue };
                if begins {
                    teller.begins();
                    drop(lock.take());
                } else {
                    lock = lock.or_else(|| self.delay());
                    teller.is_over();
                }
                if teller.is_unheard() {
                    return;
                }
            }
        }
    }

    /// What it says of a sleep. Others may send such a message to whom they like, so that it counts who did.
    fn announced(&self, message: &Message) -> Option<bool> {
        let is_it = message.msg_type() == MessageType::Signal
            && message.interface().is_some_and(|interface| &*interface == MANAGER)
            && message.member().is_some_and(|member| &*member == SIGNAL);
        if !is_it {
            return None;
        }
        let begins = message.read1().ok()?;
        let question = Message::call_with_args(BUS, "/org/freedesktop/DBus", BUS, "GetNameOwner", (LOGIND,));
        let owner: String = self.ask(question).ok()?.read1().ok()?;
        message.sender().is_some_and(|sender| *sender == *owner).then_some(begins)
    }
}
