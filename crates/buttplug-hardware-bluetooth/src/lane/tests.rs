//! Which write goes next, and which way.

use super::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn write(lane: &mut Lane<&'static str>, way: Way, name: &'static str) {
    lane.push(Sort::Write(way), name);
}

#[test]
fn a_write_goes_the_way_that_the_characteristic_allows() {
    for (confirmed, can_confirm, can_unconfirmed, way) in [
        (true, true, false, Way::Confirmed),
        (true, true, true, Way::RatherConfirmed),
        (true, false, true, Way::Unconfirmed),
        (true, false, false, Way::Confirmed),
        (false, true, true, Way::RatherUnconfirmed),
        (false, false, true, Way::Unconfirmed),
        (false, true, false, Way::Confirmed),
        (false, false, false, Way::Unconfirmed),
    ] {
        assert_eq!(Way::of(confirmed, can_confirm, can_unconfirmed), way);
    }
}

#[test]
fn a_command_does_not_wait_for_the_answer_to_an_earlier_request() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    write(&mut lane, Way::Confirmed, "value");
    write(&mut lane, Way::Unconfirmed, "zero");
    assert_eq!(lane.next(now), Step::Request("value"));
    assert_eq!(lane.next(now), Step::Command("zero"));
}

#[test]
fn writes_never_overtake_writes() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    for (way, name) in [(Way::Confirmed, "1"), (Way::Confirmed, "2"), (Way::Unconfirmed, "3")] {
        write(&mut lane, way, name);
    }
    assert_eq!(lane.next(now), Step::Request("1"));
    assert_eq!(lane.next(now), Step::Wait(None), "the third would pass the second in the system");
    lane.request_ended(now, Answer::Done);
    assert_eq!(lane.next(now), Step::Request("2"));
    assert_eq!(lane.next(now), Step::Command("3"));
}

#[test]
fn a_stop_behind_an_unanswered_request_goes_unconfirmed_before_its_patience_ends() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    write(&mut lane, Way::RatherConfirmed, "value");
    write(&mut lane, Way::RatherConfirmed, "zero");
    assert_eq!(lane.next(now), Step::Request("value"));
    assert_eq!(lane.next(now), Step::Wait(Some(now + CONFIRMATION_PATIENCE)));
    assert_eq!(lane.next(now + CONFIRMATION_PATIENCE), Step::Command("zero"));
}

#[test]
fn a_stop_passes_questions_that_wait() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    lane.push(Sort::Question, "battery");
    lane.push(Sort::Question, "pressure");
    assert_eq!(lane.next(now), Step::Request("battery"));
    write(&mut lane, Way::Unconfirmed, "zero");
    assert_eq!(lane.next(now), Step::Command("zero"));
    lane.command_ended();
    write(&mut lane, Way::Confirmed, "zero");
    lane.request_ended(now, Answer::Done);
    assert_eq!(lane.next(now), Step::Request("zero"));
}

/// Pushes writes and hands them over until nothing more may go out; answers how many did.
fn flood(lane: &mut Lane<&'static str>, now: Instant) -> u64 {
    let mut sent = 0;
    loop {
        if lane.waiting() == 0 {
            write(lane, Way::Unconfirmed, "value");
        }
        match lane.next(now) {
            Step::Command(_) => {
                sent += 1;
                lane.command_ended();
            }
            Step::Prove => {}
            Step::Request(_) | Step::Wait(_) => return sent,
        }
        if sent > 100 {
            return sent;
        }
    }
}

#[test]
fn only_a_few_commands_are_under_way_until_they_are_known_to_have_arrived() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    assert_eq!(flood(&mut lane, now), MAX_UNPROVED);
    assert!(matches!(lane.next(now), Step::Wait(Some(_))), "a proof is under way");
    lane.request_ended(now, Answer::Done);
    let sent = flood(&mut lane, now);
    assert!((1..=MAX_UNPROVED).contains(&sent), "{sent}");
}

#[test]
fn on_a_slow_link_still_fewer_are_under_way() {
    let (mut now, mut lane) = (Instant::now(), Lane::new(true));
    for _ in 0..3 {
        flood(&mut lane, now);
        now += 2 * SLOW_PROOF;
        lane.request_ended(now, Answer::Done);
    }
    flood(&mut lane, now);
    assert_eq!(lane.sent - lane.proved, MAX_UNPROVED_SLOW);
    lane.request_ended(now, Answer::Done);
    flood(&mut lane, now);
    assert_eq!(lane.sent - lane.proved, MAX_UNPROVED, "it has recovered");
}

#[test]
fn hardware_that_never_answers_is_still_written_to() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    flood(&mut lane, now);
    let Step::Wait(Some(until)) = lane.next(now) else { panic!("it should wait") };
    assert_eq!(until, now + PROOF_PATIENCE);
    assert!(matches!(lane.next(until), Step::Command(_)));
    lane.command_ended();
    let mut now = until;
    for _ in 1..MAX_MISSED_PROOFS {
        lane.request_ended(now, Answer::Missing);
        assert_eq!(flood(&mut lane, now), 0, "the next read may bring it");
        now += PROOF_RETRY;
        assert_eq!(flood(&mut lane, now), 0);
    }
    lane.request_ended(now, Answer::Missing);
    assert!(flood(&mut lane, now) > 100, "there is no proof to be had");
}

#[test]
fn one_read_without_an_answer_does_not_end_the_bound_on_what_is_under_way() {
    let (mut now, mut lane) = (Instant::now(), Lane::new(true));
    for _ in 0..4 {
        flood(&mut lane, now);
        lane.request_ended(now, Answer::Missing);
        assert_eq!(flood(&mut lane, now), 0, "it is not asked again at once, nor written to");
        now += PROOF_RETRY;
        assert_eq!(lane.next(now), Step::Prove, "it is asked again");
        lane.request_ended(now, Answer::Done);
        assert!((1..=MAX_UNPROVED).contains(&flood(&mut lane, now)));
        lane.request_ended(now, Answer::Done);
    }
}

#[test]
fn a_command_has_its_patience_once_however_often_the_proof_fails() {
    let (mut now, mut lane) = (Instant::now(), Lane::new(true));
    flood(&mut lane, now);
    let by = now + PROOF_PATIENCE;
    now += PROOF_PATIENCE / 2;
    lane.request_ended(now, Answer::Missing);
    assert_eq!(lane.next(now), Step::Wait(Some(now + PROOF_RETRY)));
    now += PROOF_RETRY;
    assert_eq!(lane.next(now), Step::Prove);
    assert_eq!(lane.next(now), Step::Wait(Some(by)));
    assert_eq!(lane.next(by), Step::Command("value"));
}

#[test]
fn what_could_not_be_read_is_tried_again_later() {
    let (mut now, mut lane) = (Instant::now(), Lane::new(true));
    for _ in 0..MAX_MISSED_PROOFS {
        flood(&mut lane, now);
        lane.request_ended(now, Answer::Missing);
        now += PROOF_RETRY;
    }
    assert!(flood(&mut lane, now) > 100);
    now += PROOF_AGAIN;
    for answer in [Answer::Missing, Answer::Done] {
        assert!(flood(&mut lane, now) > 100, "nothing waits for it");
        assert_eq!(lane.next(now), Step::Prove);
        assert!(flood(&mut lane, now) > 100, "nor while it is under way");
        lane.request_ended(now, answer);
        now += PROOF_AGAIN;
    }
    while lane.next(now) != Step::Prove {
        lane.command_ended();
    }
    lane.request_ended(now, Answer::Done);
    assert_eq!(flood(&mut lane, now), MAX_UNPROVED, "it has recovered");
}

#[test]
fn on_a_link_that_stands_still_few_values_gather_and_a_stop_waits_no_longer_than_at_first() {
    let (start, mut lane) = (Instant::now(), Lane::new(true));
    let mut now = start;
    let mut sent = 0;
    let mut longest = Duration::ZERO;
    while now < start + 30_000 * MS {
        sent += flood(&mut lane, now);
        if let Step::Wait(Some(until)) = lane.next(now) {
            longest = longest.max(until - now);
        }
        now += 75 * MS;
    }
    let patiently = 30_000 / u64::try_from(PROOF_PATIENCE.as_millis()).unwrap();
    assert!(sent <= MAX_UNPROVED + patiently, "{sent}");
    assert!(sent > patiently / 2, "{sent}: hardware that never answers is still written to");
    assert!(longest <= PROOF_PATIENCE, "{longest:?}");
    // A stop with two zeros, behind a value that waits already: all of them go out together, and nothing behind them.
    flood(&mut lane, now);
    let Step::Wait(Some(until)) = lane.next(now) else { panic!("the value should wait") };
    write(&mut lane, Way::Unconfirmed, "zero 1");
    write(&mut lane, Way::Unconfirmed, "zero 2");
    now = until;
    for name in ["value", "zero 1", "zero 2"] {
        assert_eq!(lane.next(now), Step::Command(name));
        lane.command_ended();
    }
    assert_eq!(flood(&mut lane, now), 0);
    // It comes back, and stands still again before the proof of what went out meanwhile.
    lane.request_ended(now, Answer::Done);
    assert_eq!(flood(&mut lane, now), 0);
    assert_eq!(lane.next(now), Step::Wait(Some(now + PROOF_PATIENCE)));
    lane.request_ended(now, Answer::Done);
    assert!(flood(&mut lane, now) > 0, "all have arrived");
}

#[test]
fn the_last_writes_before_the_end_are_not_held_back() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    flood(&mut lane, now);
    assert!(matches!(lane.next(now), Step::Wait(Some(_))));
    lane.close();
    assert_eq!(lane.next(now), Step::Command("value"));
}

#[test]
fn a_refused_read_is_proof_and_reads_without_an_answer_lead_to_confirmed_writes() {
    let (mut now, mut lane) = (Instant::now(), Lane::new(true));
    for _ in 0..3 {
        flood(&mut lane, now);
        lane.request_ended(now, Answer::Refused);
        assert!(lane.sent - lane.proved < MAX_UNPROVED, "the hardware has answered");
    }
    for _ in 0..MAX_MISSED_PROOFS {
        flood(&mut lane, now);
        lane.request_ended(now, Answer::Missing);
        now += PROOF_RETRY;
    }
    lane.sweep(|_| false);
    for answer in [Answer::Done, Answer::Refused] {
        for _ in 0..=PROOF_AFTER {
            write(&mut lane, Way::RatherUnconfirmed, "value");
        }
        while let Step::Command(_) = lane.next(now) {
            lane.command_ended();
        }
        assert!(lane.request.as_ref().is_some_and(|request| request.is_proof), "a write proves it");
        lane.request_ended(now, answer);
        lane.sweep(|_| false);
    }
    for _ in 0..2 * MAX_UNPROVED {
        write(&mut lane, Way::RatherUnconfirmed, "value");
        assert_eq!(lane.next(now), Step::Command("value"), "it does not like to confirm");
        lane.command_ended();
    }
}

#[test]
fn a_quiet_device_is_asked_for_no_proof() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    for _ in 1..PROOF_AFTER {
        write(&mut lane, Way::Unconfirmed, "value");
        assert_eq!(lane.next(now), Step::Command("value"));
        lane.command_ended();
        assert_eq!(lane.next(now + 100 * MS), Step::Wait(None));
    }
}

#[test]
fn any_answer_is_proof_enough() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    for name in ["1", "2"] {
        write(&mut lane, Way::Unconfirmed, name);
        assert_eq!(lane.next(now), Step::Command(name));
        lane.command_ended();
    }
    write(&mut lane, Way::Confirmed, "3");
    assert_eq!(lane.next(now), Step::Request("3"));
    lane.request_ended(now, Answer::Done);
    assert_eq!((lane.sent, lane.proved), (2, 2));
}

#[test]
fn without_anything_to_read_every_few_writes_one_is_confirmed() {
    let (now, mut lane) = (Instant::now(), Lane::new(false));
    let mut steps = String::new();
    for _ in 0..12 {
        write(&mut lane, Way::RatherUnconfirmed, "value");
        match lane.next(now) {
            Step::Command(_) => {
                lane.command_ended();
                steps.push('c');
            }
            Step::Request(_) => {
                lane.request_ended(now, Answer::Done);
                steps.push('r');
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(steps, "cccrcccrcccr");
    // Unanswered, it holds back only so many commands, and never again once it has failed.
    write(&mut lane, Way::RatherUnconfirmed, "value");
    while let Step::Command(_) = lane.next(now) {
        lane.command_ended();
        write(&mut lane, Way::RatherUnconfirmed, "value");
    }
    assert_eq!(lane.sent - lane.proved, PROOF_AFTER, "the next one is the proof");
    for _ in 0..2 * MAX_UNPROVED {
        write(&mut lane, Way::RatherUnconfirmed, "value");
        lane.next(now);
        lane.command_ended();
    }
    assert_eq!(lane.sent - lane.proved, MAX_UNPROVED);
    lane.request_ended(now, Answer::Missing);
    assert!(matches!(lane.next(now), Step::Command(_)));
}

#[test]
fn without_anything_to_read_and_to_confirm_there_is_no_proof() {
    let mut lane = Lane::new(false);
    assert!(flood(&mut lane, Instant::now()) > 100);
    assert!(!lane.prove_all(Instant::now()));
}

#[test]
fn calls_that_nobody_waits_for_are_not_made() {
    let (now, mut lane) = (Instant::now(), Lane::new(true));
    write(&mut lane, Way::Unconfirmed, "given up");
    write(&mut lane, Way::Unconfirmed, "wanted");
    lane.sweep(|call| *call == "wanted");
    assert_eq!(lane.next(now), Step::Command("wanted"));
}
