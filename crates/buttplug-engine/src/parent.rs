//! The end of whoever started this process: the end of standard input tells it, or the system. Which of the two comes first
//! counts.

use crate::exit::Exit;
use crate::signals::End;
use std::sync::Arc;
use std::thread;
use thiserror::Error;
use tokio::sync::Notify;

#[cfg(unix)]
use unix::Watch;
#[cfg(windows)]
use windows::Watch;

/// Why the end of the parent would not be noticed.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ParentError {
    /// Nothing tells of it.
    #[cfg_attr(unix, expect(dead_code, reason = "the system itself tells of it"))]
    #[error(
        "--stop-with-parent: on Windows only a pipe tells of the parent's end, and standard input is none; start the program \
         with a pipe for its standard input, and keep the other end open"
    )]
    NoPipe,
    /// It came before anybody could look.
    #[cfg_attr(windows, expect(dead_code, reason = "only the pipe tells there"))]
    #[error(
        "--stop-with-parent: the process that started this one is gone already; start it by one that lives on, or with a \
         pipe for its standard input"
    )]
    Gone,
    /// The system has no thread for it.
    #[error("--stop-with-parent: the parent can't be watched: {0}")]
    System(String),
}

impl ParentError {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoPipe | Self::Gone => Exit::Mend,
            Self::System(_) => Exit::Internal,
        }
    }
}

/// Whoever holds the other end of standard input, and the process that started this one: a parent that wants the program to
/// end when it does, however that comes.
pub(crate) struct Parent(Arc<Notify>);

impl Parent {
    /// Begins to watch, in a thread that ends with the parent or the process.
    ///
    /// # Errors
    /// The end would not be noticed, or has come already.
    pub(crate) fn watch() -> Result<Self, ParentError> {
        let watch = Watch::begin()?;
        let gone = Arc::new(Notify::new());
        let parent = Self(Arc::clone(&gone));
        let wait = move || {
            watch.until_gone();
            gone.notify_one();
        };
        let thread = thread::Builder::new().name("parent".into()).stack_size(64 * 1024).spawn(wait);
        thread.map_err(|error| ParentError::System(error.to_string()))?;
        Ok(parent)
    }

    /// Waits until it is gone; for ever, if there is none. Safe to cancel.
    pub(crate) async fn end_of(parent: Option<&Self>) -> End {
        match parent {
            Some(parent) => parent.0.notified().await,
            None => std::future::pending().await,
        }
        End::Asked("the end of the parent")
    }
}

#[cfg(unix)]
mod unix {
    use super::ParentError;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{FileType, fstat};
    use rustix::io::Errno;
    use rustix::process::{Pid, getppid};
    use std::io;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
    use std::thread::{self, sleep};
    use std::time::Duration;

    /// How often is looked whether the process lives that started this one. Nothing tells.
    const LOOK_FOR_PARENT: Duration = Duration::from_millis(250);

    /// Bytes of what is said at the other end that are passed over at a time.
    const MAX_SAID_BYTES: usize = 4096;

    pub(super) struct Watch {
        /// The process that started this one; `None` if this one does not see it, because it is outside of its container.
        starter: Option<Pid>,
        /// Tells that the other end of standard input is gone; nothing does if there is none.
        other_end: Receiver<()>,
        _nothing: Option<SyncSender<()>>,
    }

    impl Watch {
        pub(super) fn begin() -> Result<Self, ParentError> {
            let starter = getppid();
            let has_other_end = has_other_end();
            // Who holds the other end may have had it started by one that does not live on.
            if !has_other_end && is_orphan() {
                return Err(ParentError::Gone);
            }
            if has_other_end {
                let other_end = told_by(|| while !has_ended() {});
                let other_end = other_end.map_err(|error| ParentError::System(error.to_string()))?;
                return Ok(Self { starter, other_end, _nothing: None });
            }
            let (nothing, other_end) = sync_channel(1);
            Ok(Self { starter, other_end, _nothing: Some(nothing) })
        }

        pub(super) fn until_gone(self) {
            until(|| getppid() != self.starter, &self.other_end);
        }
    }

    /// Word of the end of this, which waits in a thread of its own: a read waits for ever where another process reads the same
    /// pipe and was faster.
    fn told_by(wait: impl FnOnce() + Send + 'static) -> io::Result<Receiver<()>> {
        let (tell, told) = sync_channel(1);
        let wait = move || {
            wait();
            // Nobody listens any more who knows of the end already.
            let _ = tell.send(());
        };
        thread::Builder::new().name("input".into()).stack_size(64 * 1024).spawn(wait)?;
        Ok(told)
    }

    /// Waits until the starter is gone, or word comes.
    fn until(is_starter_gone: impl Fn() -> bool, word: &Receiver<()>) {
        while !is_starter_gone() {
            if word.recv_timeout(LOOK_FOR_PARENT) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Whether a process can hold the other end of standard input. Terminals and files stay when it ends.
    fn has_other_end() -> bool {
        let kind = |stat: rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode);
        // One of which nothing is known is read, and what can't be read has ended.
        fstat(io::stdin()).map_or(true, |stat| matches!(kind(stat), FileType::Fifo | FileType::Socket))
    }

    /// Waits a while for the end of standard input. What is said there does not matter.
    fn has_ended() -> bool {
        let input = io::stdin();
        let wait = Timespec::try_from(LOOK_FOR_PARENT).unwrap_or_default();
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(_) => {
                sleep(LOOK_FOR_PARENT);
                return false;
            }
        }
        match rustix::io::read(&input, &mut [0; MAX_SAID_BYTES]) {
            Ok(count) => count == 0,
            // An input that can't be read has ended.
            Err(error) => !matches!(error, Errno::INTR | Errno::AGAIN),
        }
    }

    /// Whether the process that started this one is surely gone. Its number says nothing: that of a container's first
    /// process is the one that takes in orphans, too. But a process is of the session of the one that started it, unless it
    /// has begun one of its own.
    #[cfg(target_os = "linux")]
    fn is_orphan() -> bool {
        use nix::unistd::{getpid, getppid, getsid};
        let (ours, theirs) = (getsid(None), getsid(Some(getppid())));
        let own_number = getpid().as_raw();
        ours.and_then(|ours| Ok(is_of_another(own_number, ours.as_raw(), theirs?.as_raw()))).unwrap_or(false)
    }

    /// What sessions of other systems tell is not known.
    #[cfg(not(target_os = "linux"))]
    fn is_orphan() -> bool {
        false
    }

    /// Whether a process with this number and session was started by another one than that which has it now. Sessions from
    /// outside of a container are 0 in it.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "sessions are not asked for there"))]
    fn is_of_another(own_number: i32, own_session: i32, session: i32) -> bool {
        own_session != 0 && own_session != own_number && own_session != session
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::time::Instant;

        #[test]
        fn a_read_that_waits_for_ever_keeps_nobody_from_noticing_that_the_starter_is_gone() {
            let (_never, hangs) = sync_channel::<()>(1);
            let input = told_by(move || hangs.recv().unwrap_or_default()).unwrap();
            let was_seen = AtomicBool::new(false);
            until(|| was_seen.swap(true, Ordering::SeqCst), &input);
            assert!(was_seen.into_inner());
        }

        #[test]
        fn the_end_of_the_input_is_noticed_while_the_starter_lives_and_at_once() {
            let begun = Instant::now();
            until(|| begun.elapsed() > Duration::from_secs(20), &told_by(|| {}).unwrap());
            assert!(begun.elapsed() < Duration::from_secs(20));
        }

        #[test]
        fn who_has_begun_a_session_or_shares_that_of_its_parent_is_no_orphan() {
            assert!(is_of_another(7, 5, 1));
            assert!(!is_of_another(7, 5, 5), "a parent in the same terminal");
            assert!(!is_of_another(7, 7, 1), "a service of the machine");
            assert!(!is_of_another(7, 1, 1), "in a container");
            assert!(!is_of_another(7, 0, 1), "in a container, and of a session outside of it");
        }
    }
}

#[cfg(windows)]
mod windows {
    use super::ParentError;
    use std::io::{self, IsTerminal};

    pub(super) struct Watch;

    impl Watch {
        pub(super) fn begin() -> Result<Self, ParentError> {
            let input = io::stdin();
            // A console stays, and what is nothing has ended from the beginning.
            let is_pipe =
                !input.is_terminal() && winapi_util::file::typ(&input).is_ok_and(|kind| kind.is_pipe());
            if is_pipe { Ok(Self) } else { Err(ParentError::NoPipe) }
        }

        pub(super) fn until_gone(self) {
            // What is said there does not matter, and an input that can't be read has ended.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        }
    }
}
