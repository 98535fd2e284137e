//! What can tell the program to end: signals of the system, and a panic anywhere.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Why the program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The system, a person or a program asked for it; the name of the signal, or the reason.
    Asked(&'static str),
    /// A part of the program has failed.
    Panicked,
}

/// The signals that end the program. From [`Signals::install`] on they no longer kill it.
pub(crate) struct Signals {
    #[cfg(unix)]
    sources: [(tokio::signal::unix::Signal, &'static str); 3],
    #[cfg(windows)]
    sources: windows::Sources,
}

#[cfg(unix)]
impl Signals {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system does not let signals be watched.
    pub(crate) fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            sources: [
                (signal(SignalKind::interrupt())?, "SIGINT"),
                (signal(SignalKind::terminate())?, "SIGTERM"),
                (signal(SignalKind::hangup())?, "SIGHUP"),
            ],
        })
    }

    /// Waits for a signal. Safe to cancel.
    pub(crate) async fn next(&mut self) -> End {
        let [(interrupt, _), (terminate, _), (hangup, _)] = &mut self.sources;
        let which = tokio::select! {
            _ = interrupt.recv() => 0,
            _ = terminate.recv() => 1,
            _ = hangup.recv() => 2,
        };
        End::Asked(self.sources[which].1)
    }
}

#[cfg(windows)]
mod windows {
    //! The events of a Windows console.

    use super::{End, Signals};
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
        pub(crate) async fn next(&mut self) -> End {
            let sources = &mut self.sources;
            End::Asked(tokio::select! {
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
