//! The machine's sleep, in which devices must not run: word of it before it begins, where the system tells, and of its end in
//! every case where it can be noticed.

mod clocks;
#[cfg(all(target_os = "linux", feature = "bluetooth"))]
mod logind;
#[cfg(any(windows, target_os = "macos"))]
mod system;

use clocks::{Clocks, Slept};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often it is looked whether the machine has slept.
const LOOK: Duration = Duration::from_secs(2);

/// How long devices are kept at rest for a sleep whose end nobody tells; counted while the machine is awake, but on Windows,
/// whose clock goes on in its sleep.
const MAX_REST: Duration = Duration::from_secs(60);

/// How long a sleep is delayed at the most: a stop takes a second. Windows waits for two, logind for five, macOS for thirty.
const MAX_DELAY: Duration = Duration::from_millis(1900);

/// What happens with the machine.
#[derive(Debug)]
pub(crate) enum Sleep {
    /// It is about to sleep, and waits a little for devices to be stopped: until this is dropped.
    Begins(Ready),
    /// It is awake again, or never slept. The reason to believe it, for the log.
    Over(&'static str),
}

/// Dropped when the devices are stopped.
#[derive(Debug)]
pub(crate) struct Ready {
    #[expect(dead_code, reason = "its end is the word")]
    word: SyncSender<()>,
}

/// Tells the program what the system tells, from a thread for which the system waits.
#[cfg_attr(
    not(any(windows, target_os = "macos", all(target_os = "linux", feature = "bluetooth"))),
    allow(dead_code, reason = "nobody tells it")
)]
struct Teller(mpsc::Sender<Sleep>);

#[cfg_attr(
    not(any(windows, target_os = "macos", all(target_os = "linux", feature = "bluetooth"))),
    allow(dead_code, reason = "nobody tells it")
)]
impl Teller {
    /// Tells that it begins, and returns when devices are stopped. Whoever takes too long for that has had the time that
    /// there is, and whoever has not heard the words before would not hear this one in time.
    fn begins(&self) {
        let (word, ready) = sync_channel(0);
        if self.0.try_send(Sleep::Begins(Ready { word })).is_ok() {
            // Its end is the word.
            let _ = ready.recv_timeout(MAX_DELAY);
        }
    }

    /// Tells that it is over. If that is not heard, devices go on by themselves after a while.
    fn is_over(&self) {
        let _ = self.0.try_send(Sleep::Over("the system says so"));
    }

    /// Whether nobody listens any more.
    #[cfg(all(target_os = "linux", feature = "bluetooth"))]
    fn is_unheard(&self) -> bool {
        self.0.is_closed()
    }
}

/// Watches for the machine's sleep.
pub(crate) struct Sleeps {
    /// What the system tells; closed if it tells nothing.
    told: mpsc::Receiver<Sleep>,
    slept: Slept,
    clocks: fn() -> Clocks,
    /// When devices go on though nobody has told the end of a sleep; set while one goes on that was told of.
    go_on_at: Option<Instant>,
}

impl Sleeps {
    /// Begins to watch.
    pub(crate) fn watch() -> Self {
        // system -> program: 4 words; what is told when it is full is lost; closed means that it tells nothing.
        let (tell, told) = mpsc::channel(4);
        let teller = Teller(tell);
        #[cfg(all(target_os = "linux", feature = "bluetooth"))]
        logind::watch(teller);
        #[cfg(any(windows, target_os = "macos"))]
        system::watch(teller);
        #[cfg(not(any(all(target_os = "linux", feature = "bluetooth"), windows, target_os = "macos")))]
        drop(teller);
        Self::of(told, clocks::now)
    }

    fn of(told: mpsc::Receiver<Sleep>, clocks: fn() -> Clocks) -> Self {
        Self { told, slept: Slept::new(clocks()), clocks, go_on_at: None }
    }

    /// Waits for the next word. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Sleep {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let in_vain = async {
                match self.go_on_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let sleep = tokio::select! {
                biased;
                Some(sleep) = self.told.recv() => sleep,
                _ = look.tick() => match self.slept.look((self.clocks)()) {
                    // The machine may wake for a moment in between, to sleep more deeply. Whoever told of the sleep tells its end.
                    true if self.go_on_at.is_none() => Sleep::Over("its clock has gone on without this program"),
                    _ => continue,
                },
                () = in_vain => Sleep::Over("nobody has told for a minute that it is"),
            };
            self.go_on_at = match sleep {
                Sleep::Begins(_) => Some(Instant::now() + MAX_REST),
                Sleep::Over(_) => {
                    // One sleep ends once: devices are stopped at its end, and the clock would have them stopped again.
                    self.slept = Slept::new((self.clocks)());
                    None
                }
            };
            return sleep;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::sync_channel;
    use tokio::time::timeout;

    fn begins() -> Sleep {
        Sleep::Begins(Ready { word: sync_channel(0).0 })
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_that_nobody_told_of_is_noticed_when_it_is_over() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        fn clocks() -> Clocks {
            let awake = Duration::from_secs(100);
            Clocks { awake, all: awake + Duration::from_secs(ASLEEP.load(Ordering::Relaxed)) }
        }
        let (_tell, told) = mpsc::channel(1);
        let mut sleeps = Sleeps::of(told, clocks);
        assert!(timeout(LOOK * 100, sleeps.next()).await.is_err(), "it did not sleep");
        ASLEEP.store(3600, Ordering::Relaxed);
        assert!(matches!(timeout(LOOK, sleeps.next()).await, Ok(Sleep::Over(_))));
        assert!(timeout(LOOK * 100, sleeps.next()).await.is_err(), "once is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_that_was_told_of_is_over_when_that_is_told_and_only_once() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        fn clocks() -> Clocks {
            Clocks { awake: Duration::ZERO, all: Duration::from_secs(ASLEEP.load(Ordering::Relaxed)) }
        }
        let (tell, told) = mpsc::channel(2);
        let mut sleeps = Sleeps::of(told, clocks);
        for looks_in_between in [0, 1, 3] {
            tell.send(begins()).await.unwrap();
            assert!(matches!(sleeps.next().await, Sleep::Begins(_)));
            // It sleeps, and wakes for a moment as often.
            for _ in 0..looks_in_between {
                ASLEEP.fetch_add(3600, Ordering::Relaxed);
                assert!(timeout(LOOK * 2, sleeps.next()).await.is_err(), "it is not over");
            }
            ASLEEP.fetch_add(3600, Ordering::Relaxed);
            tell.send(Sleep::Over("told")).await.unwrap();
            assert!(matches!(sleeps.next().await, Sleep::Over("told")));
            assert!(timeout(LOOK * 100, sleeps.next()).await.is_err(), "once is enough");
        }
        ASLEEP.fetch_add(3600, Ordering::Relaxed);
        let over = timeout(LOOK, sleeps.next()).await;
        assert!(matches!(over, Ok(Sleep::Over(_))), "the next one is noticed, though nobody told of it");
    }

    #[tokio::test(start_paused = true)]
    async fn devices_go_on_though_nobody_tells_the_end_of_a_sleep() {
        let (tell, told) = mpsc::channel(1);
        let mut sleeps = Sleeps::of(told, || Clocks { awake: Duration::ZERO, all: Duration::ZERO });
        tell.send(begins()).await.unwrap();
        assert!(matches!(sleeps.next().await, Sleep::Begins(_)));
        let began = Instant::now();
        // Asked again and again, as by a loop that hears of other things meanwhile.
        for _ in 0..10 {
            assert!(timeout(MAX_REST / 20, sleeps.next()).await.is_err());
        }
        assert!(matches!(sleeps.next().await, Sleep::Over(_)));
        assert_eq!(began.elapsed(), MAX_REST);
        tell.send(begins()).await.unwrap();
        assert!(matches!(sleeps.next().await, Sleep::Begins(_)));
        tell.send(Sleep::Over("told")).await.unwrap();
        assert!(matches!(sleeps.next().await, Sleep::Over("told")));
        drop(tell);
        assert!(timeout(MAX_REST * 2, sleeps.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_waits_until_devices_are_stopped_and_for_nobody_who_does_not_listen() {
        let (tell, told) = mpsc::channel(1);
        let teller = Teller(tell);
        let mut sleeps = Sleeps::of(told, || Clocks { awake: Duration::ZERO, all: Duration::ZERO });
        let (over, is_over) = sync_channel(1);
        let system = std::thread::spawn(move || {
            teller.begins();
            over.send(()).unwrap();
            teller
        });
        let Sleep::Begins(ready) = sleeps.next().await else { panic!("it has not begun") };
        assert!(is_over.try_recv().is_err(), "it waits");
        drop(ready);
        let teller = system.join().unwrap();

        teller.is_over();
        // Nobody has heard that yet, so that nobody would stop a device in time.
        let asked = std::time::Instant::now();
        teller.begins();
        assert!(asked.elapsed() < MAX_DELAY / 2, "it does not wait");
        assert!(matches!(sleeps.next().await, Sleep::Over(_)));
        drop(sleeps);
        teller.begins();
        teller.is_over();
        assert!(asked.elapsed() < MAX_DELAY / 2, "nor for a program that ends");
    }
}
