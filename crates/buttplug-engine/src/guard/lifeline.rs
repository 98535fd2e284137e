//! What an engine has for its standard input: a socket that its guard holds. Its end tells the engine to end; over it the
//! engine tells how things stand. No name in any folder is needed, and nobody else can speak there.

use crate::supervisor::News;
use std::io;
use std::time::Duration;
use tokio::process::{Child, Command};

#[cfg(unix)]
pub(super) use socket::Lifeline;

/// Starts an engine, which is to give a sign of life that often.
#[cfg(unix)]
pub(super) fn start(mut command: Command, rhythm: Duration) -> io::Result<(Child, Lifeline)> {
    use std::os::fd::OwnedFd;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    command.arg(format!("--guarded={}", rhythm.as_millis())).stdin(OwnedFd::from(theirs));
    let engine = command.spawn()?;
    Ok((engine, Lifeline::new(ours)?))
}

#[cfg(unix)]
mod socket {
    use super::{News, io};
    use tokio::io::{AsyncBufReadExt, BufReader, Lines};
    use tokio::net::UnixStream;

    /// The guard's end.
    pub(crate) struct Lifeline(Lines<BufReader<UnixStream>>);

    impl Lifeline {
        pub(super) fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
            socket.set_nonblocking(true)?;
            Ok(Self(BufReader::new(UnixStream::from_std(socket)?).lines()))
        }

        /// What the engine says next; for ever, if it says nothing any more. Safe to cancel.
        pub(crate) async fn next(&mut self) -> News {
            loop {
                match self.0.next_line().await {
                    Ok(Some(line)) => {
                        if let Some(news) = News::of_line(&line) {
                            return news;
                        }
                    }
                    Ok(None) | Err(_) => std::future::pending().await,
                }
            }
        }
    }
}

/// The guard's end, on systems where nothing comes back.
#[cfg(not(unix))]
pub(super) struct Lifeline(
    #[expect(dead_code, reason = "held for its end")] Option<tokio::process::ChildStdin>,
);

#[cfg(not(unix))]
impl Lifeline {
    /// For ever: nothing is heard here.
    pub(super) async fn next(&mut self) -> News {
        std::future::pending().await
    }
}

/// Starts an engine.
#[cfg(not(unix))]
pub(super) fn start(mut command: Command, _rhythm: Duration) -> io::Result<(Child, Lifeline)> {
    let mut engine = command.stdin(std::process::Stdio::piped()).spawn()?;
    let lifeline = Lifeline(engine.stdin.take());
    Ok((engine, lifeline))
}
