//! Whoever looks after this process is told how things stand: systemd over the socket that it names, a guard over the
//! socket that it left for standard input. Where nobody does, nothing is said. Telling never waits.

#[cfg(target_os = "linux")]
mod systemd;

use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// What is told. The words are those of systemd, to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The ports are open.
    Ready,
    /// The loop in which everything happens goes round.
    Alive,
    /// The end has begun, in order.
    Ending,
}

impl News {
    /// A line of its own, with its end.
    #[cfg(unix)]
    fn text(self) -> &'static str {
        match self {
            Self::Ready => "READY=1\n",
            Self::Alive => "WATCHDOG=1\n",
            Self::Ending => "STOPPING=1\n",
        }
    }

    /// What was told in this line.
    #[cfg(unix)]
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        [Self::Ready, Self::Alive, Self::Ending].into_iter().find(|news| news.text().trim_end() == line)
    }
}

/// Whoever looks after this process.
pub(crate) struct Supervisor {
    line: Line,
    /// How often it wants to hear that the process is alive.
    rhythm: Option<Duration>,
}

/// The way to it.
enum Line {
    Nobody,
    #[cfg(unix)]
    Guard,
    #[cfg(target_os = "linux")]
    Systemd(systemd::Socket),
}

impl Supervisor {
    /// The guard at standard input, which wants to hear that often.
    pub(crate) fn guard(rhythm: Duration) -> Self {
        #[cfg(unix)]
        let line = Line::Guard;
        #[cfg(not(unix))]
        let line = Line::Nobody;
        Self { line, rhythm: Some(rhythm) }
    }

    /// The one that the environment names, if there is one.
    pub(crate) fn of_environment() -> Self {
        #[cfg(target_os = "linux")]
        match systemd::Socket::of_environment() {
            Ok(Some(socket)) => {
                return Self { line: Line::Systemd(socket), rhythm: systemd::rhythm_of_environment() };
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                %error,
                "systemd is not told how things stand: NOTIFY_SOCKET is not understood or can't be used"
            ),
        }
        Self { line: Line::Nobody, rhythm: None }
    }

    /// Tells it. Whoever does not listen misses it.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "there is nobody to tell"))]
    pub(crate) fn tell(&self, news: News) {
        match &self.line {
            Line::Nobody => {}
            #[cfg(unix)]
            Line::Guard => {
                let line = news.text().as_bytes();
                // Not by a blocking or non-blocking standard input: whoever waits there for the guard's end has the same.
                let _ = rustix::net::send(std::io::stdin(), line, rustix::net::SendFlags::DONTWAIT);
            }
            #[cfg(target_os = "linux")]
            Line::Systemd(socket) => socket.send(news.text()),
        }
    }

    /// Tells it that the process is alive, as often as it wants to hear it, for as long as this is polled. Belongs into the
    /// loop that may hang.
    pub(crate) async fn keep_telling(&self) -> ! {
        let Some(rhythm) = self.rhythm else { std::future::pending().await };
        let mut beat = interval(rhythm);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.tell(News::Alive);
        }
    }
}
