//! The order of what goes to one piece of hardware, and how much of it may be under way. Pure.
//!
//! A link carries two kinds of calls. A *request* is answered by the hardware, and there is one at a time: the system
//! would let a command pass a second one that waits. A *command* is not answered: the system takes it at once, and
//! sends it when the link allows. Any number of commands may queue up there, in front of a stop; so every few commands
//! a request finds out whether they have arrived, and beyond a few unproved ones writes wait here, where the server
//! replaces them by newer ones. That request is a read of something standardised, or else, where it can be confirmed,
//! the next write itself. While it is not answered, what waits goes out now and then: hardware that answers nothing gets
//! its stop, and a link that stands still gathers few values. The server has one value wait at a time; several writes
//! that wait are the zeros of a stop, and go out together.

use crate::limits::{
    CONFIRMATION_PATIENCE, MAX_MISSED_PROOFS, MAX_UNPROVED, MAX_UNPROVED_SLOW, PROOF_AFTER, PROOF_AGAIN,
    PROOF_PATIENCE, PROOF_RETRY, SLOW_PROOF,
};
use std::collections::VecDeque;
use std::time::Instant;

/// What sort of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A write, and how it may be done.
    Write(Way),
    /// A read, or a subscription.
    Question,
}

/// How a write may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Only as a request.
    Confirmed,
    /// As a request; as a command if an earlier request is not answered.
    RatherConfirmed,
    /// As a command; as a request where proof is needed and nothing can be read.
    RatherUnconfirmed,
    /// Only as a command.
    Unconfirmed,
}

impl Way {
    /// The way of a write to a characteristic that can do this. What it can't do at all is tried as asked.
    pub(crate) fn of(confirmed: bool, can_confirm: bool, can_unconfirmed: bool) -> Self {
        match (confirmed, can_confirm, can_unconfirmed) {
            (true, true, true) => Self::RatherConfirmed,
            (false, true, true) => Self::RatherUnconfirmed,
            (_, false, true) | (false, false, false) => Self::Unconfirmed,
            (true, _, false) | (false, true, false) => Self::Confirmed,
        }
    }
}

/// What can be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Write this as a command.
    Command(T),
    /// Write or ask this as a request.
    Request(T),
    /// Find out whether the commands have arrived.
    Prove,
    /// Nothing until something ends, or until then.
    Wait(Option<Instant>),
}

/// The calls to one piece of hardware.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    writes: VecDeque<(Way, T)>,
    questions: VecDeque<T>,
    /// A command is being handed to the system.
    commanding: bool,
    request: Option<Request>,
    /// Commands so far, and how many of them have arrived for sure.
    sent: u64,
    proved: u64,
    proof: Proof,
    /// What takes the place of reading when that fails: writing, unless that has failed as well.
    instead: Proof,
    /// Reads in a row that brought no proof.
    missed: u32,
    /// When the next read is due after one that brought none, and when reading is taken up again at all.
    read_at: Option<Instant>,
    read_again: Option<Instant>,
    /// A read shows whether it is worth reading again; nothing waits for it meanwhile.
    on_trial: bool,
    /// Since when the next command waits, if the request that it waited for has ended without an answer.
    waits_since: Option<Instant>,
    /// Writes that may go out although too many are under way: those that waited when the patience ran out.
    excused: usize,
    /// The last proof took long.
    is_slow: bool,
    /// Nothing follows what waits.
    closing: bool,
}

/// How it is found out whether commands have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Something is read.
    Reading,
    /// A write is confirmed that need not be.
    Writing,
    /// Not at all: the hardware did not answer.
    None,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The hardware has done it.
    Done,
    /// The hardware has answered that it won't do it.
    Refused,
    /// Without a word of the hardware.
    Missing,
}

#[derive(Debug)]
struct Request {
    since: Instant,
    /// Since when the next command waits, if too many are under way: its beginning, or the last command let through.
    waits_since: Instant,
    /// The commands that have arrived when it is answered.
    after: u64,
    /// It was made for nothing but that, or confirmed for that.
    is_proof: bool,
}

impl<T> Lane<T> {
    /// `can_read`: there is something that can be read at any time.
    pub(crate) fn new(can_read: bool) -> Self {
        Self {
            writes: VecDeque::new(),
            questions: VecDeque::new(),
            commanding: false,
            request: None,
            sent: 0,
            proved: 0,
            proof: if can_read { Proof::Reading } else { Proof::Writing },
            instead: Proof::Writing,
            missed: 0,
            read_at: None,
            read_again: None,
            on_trial: false,
            waits_since: None,
            excused: 0,
            is_slow: false,
            closing: false,
        }
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.writes.len() + self.questions.len()
    }

    /// Adds a call.
    pub(crate) fn push(&mut self, sort: Sort, call: T) {
        match sort {
            Sort::Write(way) => self.writes.push_back((way, call)),
            Sort::Question => self.questions.push_back(call),
        }
    }

    /// Forgets calls that nobody waits for any more.
    pub(crate) fn sweep(&mut self, is_wanted: impl Fn(&T) -> bool) {
        self.writes.retain(|(_, call)| is_wanted(call));
        self.questions.retain(is_wanted);
        self.excused = self.excused.min(self.writes.len());
    }

    /// What to do now. Writes keep their order; a question is passed by writes, because a stop may be among them.
    pub(crate) fn next(&mut self, now: Instant) -> Step<T> {
        if self.commanding {
            return Step::Wait(None);
        }
        if self.read_again.is_some_and(|at| at <= now) && self.request.is_none() {
            self.read_again = None;
            // One more miss, and it was not worth it.
            self.missed = MAX_MISSED_PROOFS.saturating_sub(1);
            self.proof = Proof::Reading;
            self.on_trial = true;
            self.waits_since = None;
        }
        let mut until = None;
        if let Some((way, _)) = self.writes.front() {
            let proves = self.proof == Proof::Writing && self.is_proof_due();
            let as_request = match (way, &self.request) {
                (Way::Unconfirmed, _) => false,
                (Way::RatherUnconfirmed, request) => proves && request.is_none(),
                (Way::Confirmed | Way::RatherConfirmed, None) => true,
                (Way::Confirmed, Some(_)) => return Step::Wait(None),
                (Way::RatherConfirmed, Some(request)) => {
                    let patience = request.since + CONFIRMATION_PATIENCE;
                    if now < patience {
                        return Step::Wait(Some(patience));
                    }
                    false
                }
            };
            let blocked = if as_request { None } else { self.blocked(now) };
            match blocked {
                None => {
                    if let Some((_, call)) = self.writes.pop_front() {
                        if as_request {
                            self.excused = self.excused.min(self.writes.len());
                            self.begin_request(now, proves);
                            return Step::Request(call);
                        }
                        let is_full = self.is_full();
                        let waits_since = match &mut self.request {
                            Some(request) => Some(&mut request.waits_since),
                            None => self.waits_since.as_mut(),
                        };
                        if self.excused > 0 {
                            self.excused -= 1;
                        } else if let Some(since) = waits_since.filter(|_| is_full) {
                            *since = now;
                            self.excused = self.writes.len();
                        }
                        self.commanding = true;
                        self.sent += 1;
                        return Step::Command(call);
                    }
                }
                Some(patience) => until = patience,
            }
        }
        if self.request.is_some() {
            return Step::Wait(until);
        }
        if self.proof == Proof::Reading && self.is_proof_due() {
            match self.read_at.filter(|at| now < *at) {
                None => {
                    self.begin_request(now, true);
                    return Step::Prove;
                }
                Some(at) => until = Some(until.map_or(at, |until| until.min(at))),
            }
        }
        if let Some(call) = self.questions.pop_front() {
            self.begin_request(now, false);
            return Step::Request(call);
        }
        Step::Wait(until)
    }

    fn is_proof_due(&self) -> bool {
        self.sent - self.proved >= if self.is_slow { 1 } else { PROOF_AFTER }
    }

    /// Whether as many commands are under way as may be.
    fn is_full(&self) -> bool {
        self.sent - self.proved >= if self.is_slow { MAX_UNPROVED_SLOW } else { MAX_UNPROVED }
    }

    /// Whether a command has to wait, and until when at the longest: hardware that does not answer gets its stop all
    /// the same. What waits then goes out, and nothing behind it, because a link that stands still may also come back,
    /// and plays then what has gathered.
    fn blocked(&self, now: Instant) -> Option<Option<Instant>> {
        if self.proof == Proof::None || self.on_trial || self.closing || self.excused > 0 || !self.is_full() {
            return None;
        }
        // A command that can't be confirmed has nothing to wait for if nothing can be read.
        if self.request.is_none() && self.proof != Proof::Reading {
            return None;
        }
        let waits_since = self.request.as_ref().map(|request| request.waits_since).or(self.waits_since);
        // Without any, the proof is about to begin.
        let Some(waits_since) = waits_since else { return Some(None) };
        let patience = waits_since + PROOF_PATIENCE;
        (now < patience).then_some(Some(patience))
    }

    fn begin_request(&mut self, now: Instant, is_proof: bool) {
        // A command has its patience once, also if the proof that it waits for is begun anew.
        let waits_since = self.waits_since.take().unwrap_or(now);
        self.request = Some(Request { since: now, waits_since, after: self.sent, is_proof });
    }

    /// No more calls come: what waits need not be held back, because nothing piles up behind it.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Asks for proof of everything sent. False: there is nothing to prove, or no way to.
    pub(crate) fn prove_all(&mut self, now: Instant) -> bool {
        let needed = self.proof == Proof::Reading
            && self.sent > self.proved
            && self.request.is_none()
            && !self.commanding;
        if needed {
            self.begin_request(now, true);
        }
        needed
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting() == 0 && !self.commanding && self.request.is_none()
    }

    /// The system has taken the command, or refused it.
    pub(crate) fn command_ended(&mut self) {
        self.commanding = false;
    }

    /// The request has ended.
    pub(crate) fn request_ended(&mut self, now: Instant, answer: Answer) {
        let Some(request) = self.request.take() else { return };
        if answer != Answer::Missing {
            self.proved = self.proved.max(request.after);
            self.excused = 0;
        } else if self.is_full() {
            self.waits_since = Some(request.waits_since);
        }
        if !request.is_proof {
            return;
        }
        if answer != Answer::Missing {
            self.is_slow = now > request.since + SLOW_PROOF;
        }
        self.on_trial = false;
        match (self.proof, answer) {
            // A refusal proves as much as a value.
            (Proof::Reading, Answer::Done | Answer::Refused) => self.missed = 0,
            (Proof::Reading, Answer::Missing) => {
                self.read_at = Some(now + PROOF_RETRY);
                self.missed += 1;
                if self.missed >= MAX_MISSED_PROOFS {
                    self.proof = self.instead;
                    self.read_again = Some(now + PROOF_AGAIN);
                }
            }
            (Proof::Writing | Proof::None, Answer::Done) => {}
            // Somebody waits for that write: it shall not fail again for being confirmed.
            (Proof::Writing | Proof::None, Answer::Refused | Answer::Missing) => {
                self.proof = Proof::None;
                self.instead = Proof::None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
