//! The question about a web page, at the terminal.

use super::desk::Answer;
use buttplug_connector_websocket::Origin;

#[cfg(unix)]
pub(super) use unix::{ask, keyboard};

/// Where what a person types is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is asked there"))]
pub(crate) enum Keyboard {
    /// At standard input.
    Input,
    /// At standard error, by an engine whose guard is at its standard input. Guard and engine are one job to the terminal, so
    /// that the engine may read there when the guard may; the guard itself reads nothing.
    Errors,
}

/// Elsewhere a wait for what is typed can't be called off, so nothing is asked; `buttplug allow` does the same.
#[cfg(not(unix))]
pub(super) fn keyboard(_is_guarded: bool) -> Option<Keyboard> {
    None
}

#[cfg(not(unix))]
pub(super) fn ask(_keyboard: Keyboard, _page: &Origin, _wanted: &dyn Fn() -> bool) -> Option<Answer> {
    None
}

#[cfg(unix)]
mod unix {
    use super::{Answer, Keyboard, Origin};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{OFlags, fcntl_getfl};
    use rustix::io::Errno;
    use std::io::{self, IsTerminal, Write};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::time::Duration;

    /// How often is looked whether the answer is still wanted.
    const LOOK: Duration = Duration::from_millis(200);

    /// Bytes of an answer that are read at a time.
    const MAX_ANSWER_BYTES: usize = 256;

    /// The one of the terminal in which the program runs, if it runs in one, where there could be a person who answers. A
    /// guard has seen to it that there is one where its own standard input is.
    pub(in super::super) fn keyboard(is_guarded: bool) -> Option<Keyboard> {
        let errors = io::stderr();
        let keyboard = if is_guarded { Keyboard::Errors } else { Keyboard::Input };
        let is_there = match keyboard {
            Keyboard::Input => io::stdin().is_terminal(),
            // A terminal hands out one end for everything, unless somebody has opened it for writing only.
            Keyboard::Errors => fcntl_getfl(&errors).is_ok_and(|mode| mode & OFlags::ACCMODE == OFlags::RDWR),
        };
        (is_there && errors.is_terminal()).then_some(keyboard)
    }

    impl Keyboard {
        fn at<T>(self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
            match self {
                Self::Input => act(io::stdin().as_fd()),
                Self::Errors => act(io::stderr().as_fd()),
            }
        }
    }

    /// Asks until there is an answer or none is wanted any more.
    pub(in super::super) fn ask(
        keyboard: Keyboard,
        page: &Origin,
        wanted: &dyn Fn() -> bool,
    ) -> Option<Answer> {
        let is_typed = |wait| keyboard.at(|input| is_typed(input, wait));
        let read = || keyboard.at(read);
        // What was typed before the question is no answer to it.
        while is_typed(Duration::ZERO) {
            read()?;
        }
        say(format_args!(
            "\nThe web page {page} wants to use your devices. Let it?\n  \
             [o]nce (until this program ends), [a]lways, [n]o: "
        ));
        while wanted() {
            if !is_typed(LOOK) {
                continue;
            }
            match Answer::parse(&read()?) {
                Some(answer) => return Some(answer),
                None => say(format_args!("once, always or no? ")),
            }
        }
        say(format_args!("\nno answer, so {page} is not let in; it may try again\n"));
        None
    }

    fn say(text: std::fmt::Arguments<'_>) {
        // A terminal that is gone gives no answer either.
        let _ = io::stderr().lock().write_fmt(text);
    }

    /// Waits a while for a line. To a program in the background nothing is typed, and the system does not let it read.
    fn is_typed(input: BorrowedFd<'_>, wait: Duration) -> bool {
        let wait = Timespec::try_from(wait).unwrap_or_default();
        // Interrupted means: not yet.
        let typed = poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0);
        let ours = match rustix::termios::tcgetpgrp(input) {
            Ok(group) => group == rustix::process::getpgrp(),
            // A terminal that is not the one which controls this program has no foreground.
            Err(Errno::NOTTY) => true,
            Err(_) => false,
        };
        if typed && !ours {
            // It was for somebody else, and is still there: no reason to look again at once.
            std::thread::sleep(LOOK);
        }
        typed && ours
    }

    /// What is typed, a line at most. `None`: the terminal is gone.
    fn read(input: BorrowedFd<'_>) -> Option<String> {
        // Not by way of the library's buffer, in which a line could stay that nobody is told of.
        let mut line = [0; MAX_ANSWER_BYTES];
        let count = rustix::io::read(input, &mut line).ok().filter(|count| *count > 0)?;
        Some(String::from_utf8_lossy(line.get(..count)?).into_owned())
    }
}
