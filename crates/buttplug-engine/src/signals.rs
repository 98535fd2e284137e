//! What can tell the program to end: signals of the system, and a panic anywhere.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::task::Poll;
use tokio::sync::Notify;

/// Why the program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The system, a person or a program asked for it; the name of the signal, or the reason.
    Asked(&'static str),
    /// A part of the program has failed.
    Panicked,
}

/// What the system, or a person by way of it, wants of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To end; the name of the signal.
    End(&'static str),
    /// To stand still, which it does not: devices would run on. The name of the signal.
    #[cfg_attr(windows, expect(dead_code, reason = "there is no such thing"))]
    Pause(&'static str),
}

/// Lets this thread, and those that it begins, write to the terminal also while the program is in the background. The system
/// could make the whole program stand still there, and devices would run on. Who reads there is told that it can't be done.
#[cfg(unix)]
pub(crate) fn stand_still_for_no_terminal() {
    use nix::sys::signal::{SigSet, Signal};
    let mut held_back = SigSet::empty();
    held_back.add(Signal::SIGTTOU);
    held_back.add(Signal::SIGTTIN);
    // Fails only for a set of signals that is none.
    let _ = held_back.thread_block();
}

/// The signals that end the program, or would. From [`Signals::install`] on they no longer do by themselves.
pub(crate) struct Signals {
    #[cfg(unix)]
    sources: Vec<(tokio::signal::unix::Signal, Option<Wish>)>,
    #[cfg(windows)]
    sources: windows::Sources,
}

/// Every signal that a program can catch and that would end it or make it stand still, except those that say that it is
/// broken; and the one that tells of children. `None`: it is no reason to end.
#[cfg(unix)]
const SIGNALS: &[(libc::c_int, Option<Wish>)] = &[
    (libc::SIGINT, Some(Wish::End("SIGINT"))),
    (libc::SIGTERM, Some(Wish::End("SIGTERM"))),
    (libc::SIGHUP, Some(Wish::End("SIGHUP"))),
    (libc::SIGQUIT, Some(Wish::End("SIGQUIT"))),
    (libc::SIGUSR1, Some(Wish::End("SIGUSR1"))),
    (libc::SIGUSR2, Some(Wish::End("SIGUSR2"))),
    (libc::SIGALRM, Some(Wish::End("SIGALRM"))),
    (libc::SIGVTALRM, Some(Wish::End("SIGVTALRM"))),
    (libc::SIGPROF, Some(Wish::End("SIGPROF"))),
    (libc::SIGXCPU, Some(Wish::End("SIGXCPU"))),
    #[cfg(target_os = "linux")]
    (libc::SIGPWR, Some(Wish::End("SIGPWR"))),
    #[cfg(target_os = "linux")]
    (libc::SIGIO, Some(Wish::End("SIGIO"))),
    #[cfg(target_os = "linux")]
    (libc::SIGSTKFLT, Some(Wish::End("SIGSTKFLT"))),
    (libc::SIGTSTP, Some(Wish::Pause("SIGTSTP"))),
    // The write that went too far fails, and says so.
    (libc::SIGXFSZ, None),
    // Whoever started the program may have it ignored, and then the system tells of no child how it ended.
    (libc::SIGCHLD, None),
];

/// Whether whoever started the program had it ignore SIGHUP.
#[cfg(target_os = "linux")]
fn is_hang_up_ignored() -> bool {
    // Where nothing is told it ends the program, as it would by itself.
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, libc::SIGHUP))
}

/// Other systems don't tell.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_hang_up_ignored() -> bool {
    false
}

/// Whether a process of this status, as `/proc` tells it, ignores this signal. Pure.
#[cfg(target_os = "linux")]
fn ignores(status: &str, signal: libc::c_int) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let bit = u32::try_from(signal - 1).ok().and_then(|place| 1_u64.checked_shl(place));
    bit.is_some_and(|bit| ignored & bit != 0)
}

#[cfg(unix)]
impl Signals {
    /// Begins to watch. Whoever starts the program in such a way that it outlives their session, as `nohup` does, has SIGHUP
    /// ignored, and that stays so.
    ///
    /// # Errors
    /// The system does not let signals be watched.
    pub(crate) fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let outlives_session = is_hang_up_ignored();
        #[cfg(target_os = "linux")]
        let nameless = libc::SIGRTMIN()..=libc::SIGRTMAX();
        #[cfg(not(target_os = "linux"))]
        let nameless = [];
        let nameless = nameless.into_iter().map(|number| (number, Some(Wish::End("a real-time signal"))));
        let sources = SIGNALS.iter().copied().chain(nameless);
        let sources = sources.filter(|(number, _)| *number != libc::SIGHUP || !outlives_session);
        let sources = sources.map(|(number, wish)| Ok((signal(SignalKind::from_raw(number))?, wish)));
        let sources = sources.collect::<std::io::Result<_>>()?;
        let_in();
        Ok(Self { sources })
    }

    /// Waits for a signal that matters. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Wish {
        std::future::poll_fn(|context| {
            for (signal, wish) in &mut self.sources {
                while signal.poll_recv(context).is_ready() {
                    if let Some(wish) = *wish {
                        return Poll::Ready(wish);
                    }
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Lets in what whoever started the program had the system hold back, except what [`stand_still_for_no_terminal`] does.
#[cfg(unix)]
fn let_in() {
    use nix::sys::signal::{SigSet, Signal};
    let mut wanted = SigSet::all();
    wanted.remove(Signal::SIGTTOU);
    wanted.remove(Signal::SIGTTIN);
    // Fails only for a set of signals that is none.
    let _ = wanted.thread_unblock();
}

#[cfg(windows)]
mod windows {
    //! The events of a Windows console.

    use super::{Signals, Wish};
    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
        ctrl_shutdown,
    };

    pub(super) struct Sources {
        c: CtrlC,
        pause: CtrlBreak,
        close: CtrlClose,
        logoff: CtrlLogoff,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        /// Begins to watch.
        ///
        /// # Errors
        /// The system does not let console events be watched.
        pub(crate) fn install() -> std::io::Result<Self> {
            Ok(Self {
                sources: Sources {
                    c: ctrl_c()?,
                    pause: ctrl_break()?,
                    close: ctrl_close()?,
                    logoff: ctrl_logoff()?,
                    shutdown: ctrl_shutdown()?,
                },
            })
        }

        /// Waits for an event. Safe to cancel.
        pub(crate) async fn next(&mut self) -> Wish {
            let sources = &mut self.sources;
            Wish::End(tokio::select! {
                _ = sources.c.recv() => "Ctrl-C",
                _ = sources.pause.recv() => "Ctrl-Break",
                _ = sources.close.recv() => "the console's close",
                _ = sources.logoff.recv() => "logoff",
                _ = sources.shutdown.recv() => "shutdown",
            })
        }
    }
}

/// Hears of every panic in the process.
#[derive(Clone, Default)]
pub(crate) struct Panics(Arc<Heard>);

#[derive(Default)]
struct Heard {
    happened: AtomicBool,
    wake: Notify,
}

impl Panics {
    /// Begins to listen. In place of the system's message, each panic becomes one line of the log.
    pub(crate) fn install() -> Self {
        let panics = Self::default();
        let heard = panics.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location();
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("no reason given");
            let shown = place.map(ToString::to_string).unwrap_or_default();
            if place.is_some_and(|place| is_harmless(place)) {
                tracing::debug!(
                    place = shown,
                    "a library's task has ended badly, which changes nothing: {text}"
                );
                return;
            }
            heard.happen();
            tracing::error!(place = shown, "internal failure: {text}");
        }));
        panics
    }

    /// Behaves as if there had been one.
    pub(crate) fn happen(&self) {
        self.0.happened.store(true, Ordering::Release);
        self.0.wake.notify_one();
    }

    /// Whether there was one.
    pub(crate) fn happened(&self) -> bool {
        self.0.happened.load(Ordering::Acquire)
    }

    /// Waits for the first panic. Safe to cancel.
    pub(crate) async fn next(&self) -> End {
        while !self.happened() {
            self.0.wake.notified().await;
        }
        End::Panicked
    }
}

/// Whether a panic at this place is none of the program's own and touches nothing that it relies on.
fn is_harmless(place: &Location<'_>) -> bool {
    let known: &[fn(&Location<'_>) -> bool] = &[
        #[cfg(feature = "bluetooth")]
        buttplug_hardware_bluetooth::is_harmless_panic,
    ];
    known.iter().any(|is_known| is_known(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn which_signals_are_ignored_stands_in_the_status() {
        let status = |set: &str| {
            format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{set}\nSigCgt:\t0000000000000001\n")
        };
        assert!(ignores(&status("0000000000000001"), libc::SIGHUP));
        assert!(ignores(&status("8000000000001001"), libc::SIGHUP));
        assert!(ignores(&status("0000000000001000"), libc::SIGPIPE));
        assert!(ignores(&status("8000000000000000"), 64));
        for (set, signal) in [("0000000000001000", libc::SIGHUP), ("0000000000000001", libc::SIGPIPE)] {
            assert!(!ignores(&status(set), signal), "{set}");
        }
        for nonsense in ["", "SigIgn:", "SigIgn:\tx", "SigIgn: ffffffffffffffffff"] {
            assert!(!ignores(nonsense, libc::SIGHUP), "{nonsense}");
        }
        assert!(!ignores(&status("ffffffffffffffff"), 0) && !ignores(&status("ffffffffffffffff"), 65));
    }

    #[tokio::test]
    async fn a_panic_in_any_task_is_heard() {
        let panics = Panics::install();
        assert!(!panics.happened());
        let panicking = tokio::spawn(async { panic!("this panic is part of a test") });
        assert_eq!(panics.next().await, End::Panicked);
        assert!(panicking.await.is_err());
        assert!(panics.happened());
        let _default_again = std::panic::take_hook();
    }
}
