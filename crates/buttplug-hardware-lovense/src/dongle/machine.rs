//! What is said to the dongle when, and what its words mean. Messages and time in, orders and news out; no port, no clock.
//!
//! While it searches, the dongle takes hold of a toy by itself: the first word of a toy, or about one, ends the search. It has
//! one toy at a time, and no search goes on while it has one.

use super::limits::{ANSWER_TIME, CONNECT_TIME, MAX_STOPS, PROBE_TIME, SETTLE_TIME, STOP_AGAIN};
use super::memory::Memory;
use super::message::{Order, Saying, ToyStatus};
use std::collections::VecDeque;
use std::time::Instant;

/// Where the dongle is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// There is none.
    Missing,
    /// It was asked which toy it has.
    Probing { until: Instant, toy: Option<String> },
    /// Nothing goes on. The server may have let go of a toy that the dongle still has.
    Idle { toy: Option<String> },
    /// It looks for toys.
    Searching,
    /// It has found a toy and shall end the search.
    Ending { toy: String, until: Instant },
    /// It has a toy, which wants to be left alone for a while.
    Settling { toy: String, until: Instant },
    /// It has a toy that can be driven.
    Ready { toy: String },
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// To be said to the dongle.
    Say(Order),
    /// A toy is there.
    Toy(String),
    /// The search has ended by itself.
    SearchEnded,
    /// Word from the toy.
    Data(String),
    /// The toy is gone, for this reason.
    ToyGone(&'static str),
}

/// The dongle's state.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// Somebody wants toys to be looked for.
    wanted: bool,
    /// When to tell the dongle once more to end its search.
    stop_again: Option<Instant>,
    /// How often that has been done since the search.
    stops_again: u32,
    /// What the dongle's toy was told, for as long as it has it.
    memory: Memory,
    /// When it was told something last.
    told: Option<Instant>,
    news: VecDeque<News>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Missing,
            wanted: false,
            stop_again: None,
            stops_again: 0,
            memory: Memory::default(),
            told: None,
            news: VecDeque::new(),
        }
    }

    /// Whether a search goes on, or would if there were a dongle.
    pub(crate) fn is_searching(&self) -> bool {
        self.wanted
    }

    /// Whether there is no dongle.
    pub(crate) fn is_missing(&self) -> bool {
        self.state == State::Missing
    }

    /// The toy that can be driven.
    pub(crate) fn toy(&self) -> Option<&str> {
        match &self.state {
            State::Ready { toy } => Some(toy),
            _ => None,
        }
    }

    /// The next piece of news, oldest first. To be asked until there is none.
    pub(crate) fn next_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Probing { until, .. } | State::Ending { until, .. } | State::Settling { until, .. } => {
                Some(*until)
            }
            State::Missing | State::Idle { .. } | State::Searching | State::Ready { .. } => None,
        };
        state.into_iter().chain(self.stop_again).chain(self.memory.due()).min()
    }

    /// Until when to go on listening at the end: the last command may be reported as lost, and has to be said again then.
    pub(crate) fn unanswered(&self) -> Option<Instant> {
        let answer = self.told.map(|told| told + ANSWER_TIME);
        self.memory.due().max(answer)
    }

    /// A dongle is there.
    pub(crate) fn found(&mut self, now: Instant) {
        self.say(Order::Status);
        self.state = State::Probing { until: now + PROBE_TIME, toy: None };
    }

    /// The dongle is gone.
    pub(crate) fn lost(&mut self) {
        self.toy_gone("the Lovense dongle was unplugged");
        self.forget_commands();
        self.stop_again = None;
        self.state = State::Missing;
    }

    /// Somebody wants toys to be looked for.
    pub(crate) fn start_search(&mut self) {
        self.wanted = true;
        match &mut self.state {
            State::Idle { toy } => match toy.take() {
                Some(toy) => self.ready(toy),
                None => self.search(),
            },
            State::Ready { toy } => {
                let toy = toy.clone();
                self.ready(toy);
            }
            State::Missing
            | State::Probing { .. }
            | State::Searching
            | State::Ending { .. }
            | State::Settling { .. } => {}
        }
    }

    /// Nobody wants toys to be looked for any more.
    pub(crate) fn stop_search(&mut self) {
        self.wanted = false;
        if matches!(self.state, State::Searching) {
            self.say(Order::StopSearch);
            self.state = State::Idle { toy: None };
        }
    }

    /// The server lets go of the toy. The dongle keeps it: there is no word for letting go. The zeros that came last may still
    /// be reported as lost.
    pub(crate) fn let_go(&mut self) {
        if let State::Ready { toy } = &mut self.state {
            let toy = std::mem::take(toy);
            self.state = State::Idle { toy: Some(toy) };
            self.memory.keep_zeros();
        }
    }

    /// Something for the toy. False: it is not there.
    pub(crate) fn command(&mut self, now: Instant, toy: &str, text: &str) -> bool {
        if self.toy() != Some(toy) {
            return false;
        }
        self.memory.add(text);
        self.told = Some(now);
        self.say(Order::Command { toy: toy.into(), text: text.into() });
        true
    }

    /// The dongle has said something.
    pub(crate) fn heard(&mut self, now: Instant, saying: Saying) {
        if self.is_missing() {
            // The last words of one that is gone are nothing to the next one.
            return;
        }
        if saying == Saying::SearchGoesOn && !matches!(self.state, State::Searching) {
            if self.stops_again < MAX_STOPS {
                self.stop_again = Some(now + STOP_AGAIN);
            }
            return;
        }
        if saying == Saying::SearchEnded {
            self.stop_again = None;
        }
        match (&mut self.state, saying) {
            (State::Probing { toy, .. }, Saying::Status(ToyStatus::Connected(id))) => *toy = Some(id),
            // One that was out of reach may come back by itself.
            (State::Idle { .. }, Saying::Status(ToyStatus::Connected(id))) => self.ready(id),
            (State::Idle { toy }, Saying::Status(ToyStatus::Disconnected)) => {
                *toy = None;
                self.forget_commands();
            }
            (State::Searching, Saying::Status(ToyStatus::Connected(toy))) => {
                self.state = State::Settling { toy, until: now + SETTLE_TIME };
            }
            // It gave up by itself.
            (State::Searching, Saying::SearchEnded) => self.search(),
            (State::Searching, Saying::ToyData { toy: Some(toy), .. }) => {
                self.say(Order::StopSearch);
                self.state = State::Ending { toy, until: now + CONNECT_TIME };
            }
            (State::Searching, Saying::ToyData { toy: None, coded: true, .. }) => {
                self.state = State::Idle { toy: None };
                self.search_is_over();
            }
            (State::Ending { toy, .. }, Saying::SearchEnded) => {
                let toy = std::mem::take(toy);
                self.state = State::Settling { toy, until: now + SETTLE_TIME };
            }
            (State::Ending { .. }, Saying::Status(ToyStatus::Connected(toy))) => {
                self.state = State::Settling { toy, until: now + SETTLE_TIME };
            }
            (State::Ending { .. } | State::Settling { .. }, Saying::Status(ToyStatus::Disconnected)) => {
                // It was there for too short a time to be known to anybody, so the search goes on.
                self.state = State::Idle { toy: None };
                if self.wanted {
                    self.search();
                }
            }
            (State::Ready { .. }, Saying::Status(ToyStatus::Disconnected)) => {
                self.toy_gone("the dongle has lost the toy");
                self.forget_commands();
                self.state = State::Idle { toy: None };
            }
            (State::Ready { .. }, Saying::ToyData { data: Some(data), .. }) => {
                self.news.push_back(News::Data(data));
            }
            (State::Ready { .. } | State::Idle { toy: Some(_) }, Saying::NotDelivered) => {
                self.memory.not_delivered(now);
                self.say_again(now);
            }
            (state, saying) => tracing::trace!(?state, ?saying, "the dongle says what does not matter now"),
        }
    }

    /// Time has gone by.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.stop_again.is_some_and(|at| at <= now) {
            self.stop_again = None;
            self.stops_again += 1;
            self.say(Order::StopSearch);
        }
        self.say_again(now);
        match &mut self.state {
            State::Probing { until, toy } if *until <= now => {
                let toy = toy.take();
                self.state = State::Idle { toy };
                if self.wanted {
                    self.start_search();
                }
            }
            State::Ending { toy, until } if *until <= now => {
                let toy = std::mem::take(toy);
                self.state = State::Settling { toy, until: now + SETTLE_TIME };
            }
            State::Settling { toy, until } if *until <= now => {
                let toy = std::mem::take(toy);
                self.ready(toy);
            }
            _ => {}
        }
    }

    fn say(&mut self, order: Order) {
        self.news.push_back(News::Say(order));
    }

    fn search(&mut self) {
        (self.stop_again, self.stops_again) = (None, 0);
        self.say(Order::Search);
        self.state = State::Searching;
    }

    fn ready(&mut self, toy: String) {
        self.memory.begin(&toy);
        self.news.push_back(News::Toy(toy.clone()));
        self.state = State::Ready { toy };
        self.search_is_over();
    }

    fn search_is_over(&mut self) {
        if std::mem::take(&mut self.wanted) {
            self.news.push_back(News::SearchEnded);
        }
    }

    fn toy_gone(&mut self, reason: &'static str) {
        if self.toy().is_some() {
            self.news.push_back(News::ToyGone(reason));
        }
    }

    fn forget_commands(&mut self) {
        self.memory = Memory::default();
        self.told = None;
    }

    /// Says again what did not arrive, if that is due.
    fn say_again(&mut self, now: Instant) {
        for order in self.memory.again(now) {
            self.told = Some(now);
            self.say(order);
        }
    }
}

#[cfg(test)]
mod tests;
