//! The question about a web page, at the terminal.

use super::desk::Answer;
use buttplug_connector_websocket::Origin;

#[cfg(unix)]
pub(super) use unix::{ask, is_there};

/// Elsewhere a wait for what is typed can't be called off, so nothing is asked; `buttplug allow` does the same.
#[cfg(not(unix))]
pub(super) fn is_there() -> bool {
    false
}

#[cfg(not(unix))]
pub(super) fn ask(_page: &Origin, _wanted: &dyn Fn() -> bool) -> Option<Answer> {
    None
}

#[cfg(unix)]
mod unix {
    use super::{Answer, Origin};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use std::io::{self, IsTerminal, Write};
    use std::time::Duration;

    /// How often is looked whether the answer is still wanted.
    const LOOK: Duration = Duration::from_millis(200);

    /// Bytes of an answer that are read at a time.
    const MAX_ANSWER_BYTES: usize = 256;

    /// Whether there is a terminal, and in it a person who could answer.
    pub(in super::super) fn is_there() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks until there is an answer or none is wanted any more.
    pub(in super::super) fn ask(page: &Origin, wanted: &dyn Fn() -> bool) -> Option<Answer> {
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
    fn is_typed(wait: Duration) -> bool {
        let stdin = io::stdin();
        let mut input = [PollFd::new(&stdin, PollFlags::IN)];
        let wait = Timespec::try_from(wait).unwrap_or_default();
        // Interrupted means: not yet.
        let typed = poll(&mut input, Some(&wait)).is_ok_and(|ready| ready > 0);
        let ours = match rustix::termios::tcgetpgrp(&stdin) {
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
    fn read() -> Option<String> {
        // Not by way of the library's buffer, in which a line could stay that nobody is told of.
        let mut line = [0; MAX_ANSWER_BYTES];
        let count = rustix::io::read(io::stdin(), &mut line).ok().filter(|count| *count > 0)?;
        Some(String::from_utf8_lossy(line.get(..count)?).into_owned())
    }
}
