//! Asks the person at the terminal about web pages, one at a time, and remembers what they said until the program ends.
//!
//! `gatekeeper/terminal.rs` puts the question; what was said "always" is written down by the gatekeeper.

use super::terminal;
use buttplug_connector_websocket::Origin;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a page waits for the person. Browsers wait longer; what comes later counts for the next try.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Pages of which the answer is remembered. Nobody answers so many questions; beyond it nothing is asked any more.
const MAX_ANSWERS: usize = 256;

/// What a person says about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "nothing is asked there, see `terminal.rs`"))]
pub(crate) enum Answer {
    /// It is let in until the program ends.
    Once,
    /// It is let in for good.
    Always,
    /// It is not let in, and not asked about again until the program ends.
    No,
}

impl Answer {
    /// Reads what was typed.
    #[cfg_attr(not(unix), allow(dead_code, reason = "nothing is asked there, see `terminal.rs`"))]
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.trim().to_ascii_lowercase().as_str() {
            "o" | "once" => Some(Self::Once),
            "a" | "always" => Some(Self::Always),
            "n" | "no" => Some(Self::No),
            _ => None,
        }
    }
}

/// Puts a question; gives up when nobody wants the answer any more.
type Ask = dyn Fn(&Origin, &dyn Fn() -> bool) -> Option<Answer> + Send + Sync;

/// Where the questions are asked.
pub(crate) struct Desk {
    ask: Arc<Ask>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    answers: HashMap<Origin, Answer>,
    /// Somebody is being asked.
    busy: bool,
}

impl Desk {
    /// A desk at the terminal, if the program runs in one: by itself, or with a guard at its standard input.
    pub(crate) fn at_terminal(is_guarded: bool) -> Option<Self> {
        let keyboard = terminal::keyboard(is_guarded)?;
        Some(Self::new(move |page, wanted| terminal::ask(keyboard, page, wanted)))
    }

    fn new(ask: impl Fn(&Origin, &dyn Fn() -> bool) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), pages: Mutex::default() }
    }

    /// What the person says, now or before. `None`: nothing, or they are being asked about a page already.
    pub(crate) async fn ask(&self, page: &Origin) -> Option<Answer> {
        {
            let mut pages = self.pages();
            if let Some(answer) = pages.answers.get(page) {
                return Some(*answer);
            }
            if pages.busy || pages.answers.len() >= MAX_ANSWERS {
                return None;
            }
            pages.busy = true;
        }
        let turn = Turn { desk: self, wanted: Arc::new(AtomicBool::new(true)) };
        let (ask, asked, wanted) = (Arc::clone(&self.ask), page.clone(), Arc::clone(&turn.wanted));
        let until = Instant::now() + ANSWER_TIME;
        // Waits for a person; ends soon after nobody waits for it any more.
        let answer = tokio::task::spawn_blocking(move || {
            ask(&asked, &|| wanted.load(Ordering::Relaxed) && Instant::now() < until)
        });
        let answer = answer.await.ok().flatten()?;
        self.pages().answers.insert(page.clone(), answer);
        Some(answer)
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// The time in which one question is asked, also if whoever asked has gone.
struct Turn<'d> {
    desk: &'d Desk,
    wanted: Arc<AtomicBool>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.desk.pages().busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    fn page(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn answers_are_words_or_their_first_letters() {
        for (line, answer) in
            [("o\n", Answer::Once), (" Always ", Answer::Always), ("N", Answer::No), ("no", Answer::No)]
        {
            assert_eq!(Answer::parse(line), Some(answer), "{line}");
        }
        for line in ["", "\n", "y", "yes", "on", "never"] {
            assert_eq!(Answer::parse(line), None, "{line}");
        }
    }

    #[tokio::test]
    async fn a_page_is_asked_about_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let desk = Desk::new(move |page, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            Some(if page.is_loopback() { Answer::Once } else { Answer::No })
        });
        for _ in 0..3 {
            assert_eq!(desk.ask(&page("http://localhost")).await, Some(Answer::Once));
            assert_eq!(desk.ask(&page("https://example.org")).await, Some(Answer::No));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn one_question_at_a_time_and_a_page_that_leaves_takes_its_own_back() {
        let (began, beginnings) = mpsc::channel();
        let (ended, endings) = mpsc::channel();
        let desk = Desk::new(move |_, wanted| {
            began.send(()).unwrap();
            while wanted() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            None
        });
        let (first, other) = (page("https://example.org"), page("https://example.com"));
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Box::pin(desk.ask(&first));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        beginnings.recv().unwrap();
        assert_eq!(desk.ask(&other).await, None, "the person is busy");
        drop(waiting);
        endings.recv().unwrap();
        let mut waiting = Box::pin(desk.ask(&other));
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "and is not any more");
    }
}
