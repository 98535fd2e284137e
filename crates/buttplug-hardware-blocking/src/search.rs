//! Looks for hardware in passes, one after the other on a thread that may block, and reports what is there. One look is
//! under way at a time, however long it takes.

use crate::refusals::Refusals;
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{BusEvent, BusEvents};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What a bus can look for.
pub trait Finder: Send + Sync + 'static {
    /// What is there now; `None` if that can't be told. May block.
    fn find(&self) -> Option<Vec<Sighting>>;

    /// Whether to look although nobody searches, because that is how the end of open hardware is noticed.
    fn watches(&self) -> bool {
        false
    }
}

/// The search of one bus.
#[derive(Debug)]
pub struct Search {
    pause: Duration,
    wish: watch::Sender<Wish>,
    refusals: Arc<Mutex<Refusals>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wish {
    scanning: bool,
    /// Counts reasons to look at once.
    looks: u64,
    ended: bool,
}

impl Search {
    /// A search with this pause between two looks.
    pub fn new(pause: Duration) -> Self {
        Self { pause, wish: watch::Sender::default(), refusals: Arc::default(), task: Mutex::default() }
    }

    /// Starts the task that looks. It is at rest until there is something to look for.
    pub fn attach(&self, finder: Arc<dyn Finder>, events: BusEvents) {
        let refusals = Arc::clone(&self.refusals);
        let task = tokio::spawn(run(finder, events, self.wish.subscribe(), self.pause, refusals));
        let before = locked(&self.task).replace(task);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Looks again and again, at once for the first time.
    pub fn start(&self) {
        let mut refusals = locked(&self.refusals);
        if self.is_scanning() {
            // It is a client's now, or for a device that was lost while it ran.
            refusals.are_due(Instant::now());
        } else {
            refusals.clear();
        }
        drop(refusals);
        self.wish.send_if_modified(|wish| {
            wish.looks += u64::from(!wish.scanning);
            !std::mem::replace(&mut wish.scanning, true)
        });
    }

    /// Reports no more.
    pub fn stop(&self) {
        self.wish.send_modify(|wish| wish.scanning = false);
    }

    /// Looks at once if there is a reason to, scanning or not.
    pub fn look(&self) {
        self.wish.send_modify(|wish| wish.looks += 1);
    }

    /// The server has no use for what is there, be it that opening it came to nothing. It is reported again after a pause that
    /// grows each time; at once after it was gone, and when the search is started, once more if it is going on.
    pub fn refused(&self, address: &str) {
        locked(&self.refusals).refused(Instant::now(), address, self.pause);
    }

    /// Whether a search is going on.
    pub fn is_scanning(&self) -> bool {
        self.wish.borrow().scanning
    }

    /// Ends the task and waits for it.
    pub async fn shut_down(&self) {
        self.wish.send_modify(|wish| *wish = Wish { scanning: false, ended: true, ..*wish });
        let task = locked(&self.task).take();
        if let Some(task) = task {
            if task.await.is_err_and(|error| error.is_panic()) {
                tracing::error!("a search for devices panicked");
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    finder: Arc<dyn Finder>,
    events: BusEvents,
    mut wish: watch::Receiver<Wish>,
    pause: Duration,
    refusals: Arc<Mutex<Refusals>>,
) {
    loop {
        let Wish { scanning, looks, ended } = *wish.borrow_and_update();
        if ended {
            return;
        }
        if !scanning && !finder.watches() {
            if wish.changed().await.is_err() {
                return;
            }
            continue;
        }
        let look = tokio::task::spawn_blocking({
            let finder = Arc::clone(&finder);
            move || finder.find()
        });
        let found = tokio::select! {
            found = look => found,
            // A look that hangs holds up no end; what it finds is not wanted.
            _ = wish.wait_for(|wish| wish.ended) => return,
        };
        let Ok(found) = found else {
            tracing::error!("looking for devices panicked");
            return;
        };
        if let Some(found) = &found {
            locked(&refusals).keep(found);
        }
        for sighting in found.into_iter().flatten() {
            // No room: it comes again.
            if wish.borrow().scanning && locked(&refusals).is_due(Instant::now(), &sighting.address) {
                let _ = events.try_send(BusEvent::Sighted(sighting));
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            // A search that is stopped, or told again to go on, goes on with its pause.
            _ = wish.wait_for(|wish| wish.ended || wish.looks != looks) => {}
        }
    }
}
