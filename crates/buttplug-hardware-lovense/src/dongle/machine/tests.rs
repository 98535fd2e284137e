//! The machine, told what the dongle and the server do.

use super::super::limits::MAX_RESENDS;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const TOY: &str = "0082059AD3BD";

/// A machine with a clock.
struct Rig {
    machine: Machine,
    now: Instant,
}

fn connected(toy: &str) -> Saying {
    Saying::Status(ToyStatus::Connected(toy.into()))
}

fn data(toy: Option<&str>, data: Option<&str>, coded: bool) -> Saying {
    Saying::ToyData { toy: toy.map(String::from), data: data.map(String::from), coded }
}

const GONE: Saying = Saying::Status(ToyStatus::Disconnected);

impl Rig {
    /// A dongle that was found just now.
    fn new() -> Self {
        let mut rig = Self { machine: Machine::new(), now: Instant::now() };
        assert!(rig.machine.is_missing());
        rig.machine.found(rig.now);
        rig.gives(&["status"]);
        rig
    }

    /// A dongle that was asked which toy it has, and has none.
    fn idle() -> Self {
        let mut rig = Self::new();
        rig.after(250, &[]);
        rig
    }

    fn searching() -> Self {
        let mut rig = Self::idle();
        rig.machine.start_search();
        rig.gives(&["search"]);
        rig
    }

    /// A dongle whose toy the server drives.
    fn ready() -> Self {
        let mut rig = Self::searching();
        rig.hears(connected(TOY), &[]);
        rig.after(600, &["toy", "search ended"]);
        rig
    }

    #[track_caller]
    fn gives(&mut self, expected: &[&str]) {
        let mut given = Vec::new();
        while let Some(news) = self.machine.next_news() {
            given.push(match news {
                News::Say(Order::Status) => String::from("status"),
                News::Say(Order::Search) => String::from("search"),
                News::Say(Order::StopSearch) => String::from("stop search"),
                News::Say(Order::Command { text, .. }) => text,
                News::Toy(toy) if toy == TOY => String::from("toy"),
                News::Toy(toy) => format!("toy {toy}"),
                News::SearchEnded => String::from("search ended"),
                News::Data(data) => format!("data {data}"),
                News::ToyGone(_) => String::from("gone"),
            });
        }
        assert_eq!(given, expected, "{:?}", self.machine.state);
    }

    #[track_caller]
    fn hears(&mut self, saying: Saying, expected: &[&str]) {
        self.machine.heard(self.now, saying);
        self.gives(expected);
    }

    /// Lets milliseconds go by, with a turn whenever one is due.
    #[track_caller]
    fn after(&mut self, milliseconds: u64, expected: &[&str]) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.machine.due().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.machine.tick(self.now);
        }
        self.now = end;
        self.gives(expected);
    }

    #[track_caller]
    fn commands(&mut self, text: &str, expected: &[&str]) {
        assert!(self.machine.command(self.now, TOY, text));
        self.gives(expected);
    }
}

#[test]
fn the_dongle_is_left_alone_after_it_was_asked_for_its_status() {
    let mut rig = Rig::new();
    rig.machine.start_search();
    rig.hears(Saying::Other, &[]);
    rig.after(249, &[]);
    rig.after(1, &["search"]);
    assert!(rig.machine.is_searching());
}

#[test]
fn a_toy_that_the_dongle_has_already_is_there_without_a_search() {
    for wanted in [false, true] {
        let mut rig = Rig::new();
        rig.hears(connected(TOY), &[]);
        if wanted {
            rig.machine.start_search();
            rig.after(250, &["toy", "search ended"]);
        } else {
            rig.after(250, &[]);
            rig.machine.start_search();
            rig.gives(&["toy", "search ended"]);
        }
        assert!(!rig.machine.is_searching());
        assert_eq!(rig.machine.toy(), Some(TOY));
    }
}

#[test]
fn a_search_goes_on_until_it_is_stopped_or_a_toy_is_there() {
    let mut rig = Rig::searching();
    rig.hears(Saying::Searching, &[]);
    rig.hears(Saying::SearchEnded, &["search"]);
    rig.machine.start_search();
    rig.gives(&[]);
    rig.machine.stop_search();
    rig.gives(&["stop search"]);
    rig.hears(Saying::SearchEnded, &[]);
    assert!(!rig.machine.is_searching());
    rig.machine.stop_search();
    rig.gives(&[]);
}

#[test]
fn the_first_word_of_a_toy_ends_the_search_and_the_toy_is_left_alone_for_a_while() {
    let mut rig = Rig::searching();
    rig.hears(data(Some(TOY), Some("Z:11:0082059AD3BD;"), false), &["stop search"]);
    rig.hears(data(Some(TOY), Some("OK;"), false), &[]);
    rig.hears(Saying::Other, &[]);
    rig.hears(Saying::SearchEnded, &[]);
    rig.after(599, &[]);
    assert!(!rig.machine.command(rig.now, TOY, "Vibrate:1;"));
    rig.after(1, &["toy", "search ended"]);
}

#[test]
fn a_search_whose_end_never_comes_does_not_hold_up_the_toy() {
    let mut rig = Rig::searching();
    rig.hears(data(Some(TOY), None, false), &["stop search"]);
    rig.after(3599, &[]);
    rig.after(1, &["toy", "search ended"]);
}

#[test]
fn a_search_that_goes_on_is_told_to_end_again_but_not_for_ever() {
    let mut rig = Rig::searching();
    rig.machine.stop_search();
    rig.gives(&["stop search"]);
    for _ in 0..3 {
        rig.hears(Saying::SearchGoesOn, &[]);
        rig.after(499, &[]);
        rig.after(1, &["stop search"]);
    }
    rig.hears(Saying::SearchGoesOn, &[]);
    rig.after(5000, &[]);
}

#[test]
fn a_search_that_failed_has_ended() {
    let mut rig = Rig::searching();
    rig.hears(data(None, None, true), &["search ended"]);
    assert!(!rig.machine.is_searching());
    rig.machine.start_search();
    rig.gives(&["search"]);
}

#[test]
fn a_toy_is_driven_and_heard() {
    let mut rig = Rig::ready();
    rig.commands("DeviceType;", &["DeviceType;"]);
    rig.hears(data(Some(TOY), Some("P:02:0082059AD3BD;"), false), &["data P:02:0082059AD3BD;"]);
    rig.hears(data(Some(TOY), None, false), &[]);
    rig.hears(Saying::Status(ToyStatus::Other), &[]);
    assert!(!rig.machine.command(rig.now, "another", "Vibrate:1;"));
    rig.machine.start_search();
    rig.gives(&["toy", "search ended"]);
    rig.machine.stop_search();
    rig.gives(&[]);
}

#[test]
fn a_toy_that_is_lost_is_gone_and_may_come_back_by_itself() {
    let mut rig = Rig::ready();
    rig.hears(GONE, &["gone"]);
    assert!(!rig.machine.command(rig.now, TOY, "Vibrate:1;"));
    rig.hears(GONE, &[]);
    rig.hears(connected(TOY), &["toy"]);
    rig.commands("Vibrate:1;", &["Vibrate:1;"]);
}

#[test]
fn a_toy_that_the_server_let_go_of_is_found_again_by_the_next_search() {
    let mut rig = Rig::ready();
    rig.machine.let_go();
    rig.gives(&[]);
    assert_eq!(rig.machine.toy(), None);
    rig.machine.start_search();
    rig.gives(&["toy", "search ended"]);
    rig.machine.let_go();
    rig.hears(GONE, &[]);
    rig.machine.start_search();
    rig.gives(&["search"]);
}

#[test]
fn a_toy_that_leaves_before_anybody_knows_it_lets_the_search_go_on() {
    let mut rig = Rig::searching();
    rig.hears(connected(TOY), &[]);
    rig.hears(GONE, &["search"]);
    rig.hears(data(Some(TOY), None, false), &["stop search"]);
    rig.hears(GONE, &["search"]);
    assert!(rig.machine.is_searching());
}

#[test]
fn a_dongle_that_is_unplugged_takes_its_toy_with_it_and_a_wanted_search_begins_anew() {
    let mut rig = Rig::ready();
    rig.machine.lost();
    rig.gives(&["gone"]);
    assert!(rig.machine.is_missing());
    let mut rig = Rig::searching();
    rig.machine.lost();
    rig.gives(&[]);
    assert!(rig.machine.is_searching());
    rig.machine.found(rig.now);
    rig.gives(&["status"]);
    rig.after(250, &["search"]);
    rig.machine.lost();
    rig.machine.stop_search();
    rig.machine.start_search();
    rig.gives(&[]);
}

#[test]
fn the_last_words_of_a_dongle_that_is_gone_disturb_the_next_one_in_nothing() {
    let mut rig = Rig::idle();
    rig.machine.lost();
    rig.hears(Saying::SearchGoesOn, &[]);
    rig.after(400, &[]);
    rig.machine.found(rig.now);
    rig.gives(&["status"]);
    rig.after(249, &[]);
}

#[test]
fn commands_that_did_not_arrive_are_said_again_as_they_stand_now() {
    let mut rig = Rig::ready();
    rig.commands("Vibrate1:20;", &["Vibrate1:20;"]);
    rig.commands("Vibrate2:7;", &["Vibrate2:7;"]);
    rig.commands("RotateChange;", &["RotateChange;"]);
    rig.commands("Vibrate1:0;", &["Vibrate1:0;"]);
    // Whatever got lost: the strength of before the stop never comes back, and a toggle counts.
    rig.hears(Saying::NotDelivered, &["Vibrate2:7;", "Vibrate1:0;"]);
    rig.after(500, &[]);
    rig.commands("Vibrate2:0;", &["Vibrate2:0;"]);
    rig.hears(Saying::NotDelivered, &["Vibrate1:0;", "Vibrate2:0;"]);
}

#[test]
fn however_many_commands_are_lost_there_is_one_round_per_pause_until_one_arrives() {
    let mut rig = Rig::ready();
    rig.commands("Vibrate1:0;", &["Vibrate1:0;"]);
    rig.commands("Vibrate2:0;", &["Vibrate2:0;"]);
    let round = ["Vibrate1:0;", "Vibrate2:0;"];
    rig.hears(Saying::NotDelivered, &round);
    // Half a minute out of reach: both commands of each round are lost, and the one before is reported late.
    for _ in 0..60 {
        for _ in 0..3 {
            rig.hears(Saying::NotDelivered, &[]);
        }
        rig.after(499, &[]);
        rig.after(1, &round);
    }
    rig.after(60_000, &[]);
}

#[test]
fn a_new_command_leaves_a_round_that_is_due_and_changes_what_it_says() {
    let mut rig = Rig::ready();
    rig.commands("Vibrate1:0;", &["Vibrate1:0;"]);
    rig.hears(Saying::NotDelivered, &["Vibrate1:0;"]);
    rig.hears(Saying::NotDelivered, &[]);
    rig.commands("Vibrate2:3;", &["Vibrate2:3;"]);
    rig.after(499, &[]);
    rig.after(1, &["Vibrate1:0;", "Vibrate2:3;"]);
}

#[test]
fn a_dongle_that_delivers_nothing_is_given_up_after_a_minute_and_begun_with_again_after_a_while() {
    let mut rig = Rig::ready();
    rig.commands("Vibrate:0;", &["Vibrate:0;"]);
    for _ in 0..MAX_RESENDS {
        rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
        rig.after(500, &[]);
    }
    rig.hears(Saying::NotDelivered, &[]);
    rig.after(500, &[]);
    rig.commands("Vibrate:0;", &["Vibrate:0;"]);
    rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
    for _ in 1..MAX_RESENDS {
        rig.after(500, &[]);
        rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
    }
    rig.after(5000, &[]);
    rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
}

#[test]
fn zeros_that_are_lost_after_the_server_has_let_go_are_said_again_and_nothing_else_is() {
    let mut rig = Rig::ready();
    for text in ["Vibrate1:5;", "Vibrate2:0;", "Mply:0:20;", "Air:Level:3;"] {
        rig.commands(text, &[text]);
    }
    rig.machine.let_go();
    let zeros = ["Vibrate2:0;", "Mply:0:20;"];
    rig.hears(Saying::NotDelivered, &zeros);
    rig.hears(Saying::NotDelivered, &[]);
    rig.after(500, &zeros);
    rig.machine.start_search();
    rig.gives(&["toy", "search ended"]);
    rig.hears(Saying::NotDelivered, &[]);
    rig.after(500, &zeros);
}

#[test]
fn what_a_toy_was_told_is_forgotten_with_it() {
    let ends: [fn(&mut Rig); 4] = [
        |rig| rig.machine.heard(rig.now, GONE),
        |rig| {
            rig.machine.let_go();
            rig.machine.heard(rig.now, GONE);
        },
        |rig| {
            rig.machine.let_go();
            rig.machine.lost();
            rig.machine.found(rig.now);
        },
        |rig| {
            rig.machine.let_go();
            rig.machine.heard(rig.now, connected("another"));
        },
    ];
    for end in ends {
        let mut rig = Rig::ready();
        rig.commands("Vibrate:0;", &["Vibrate:0;"]);
        rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
        rig.hears(Saying::NotDelivered, &[]);
        end(&mut rig);
        while rig.machine.next_news().is_some() {}
        rig.hears(Saying::NotDelivered, &[]);
        rig.after(1000, &[]);
    }
}

#[test]
fn at_the_end_the_dongle_is_listened_to_until_the_last_command_can_have_been_lost() {
    let mut rig = Rig::ready();
    assert_eq!(rig.machine.unanswered(), None);
    rig.commands("Vibrate:0;", &["Vibrate:0;"]);
    rig.machine.let_go();
    assert_eq!(rig.machine.unanswered(), Some(rig.now + Duration::from_millis(400)));
    rig.after(300, &[]);
    rig.hears(Saying::NotDelivered, &["Vibrate:0;"]);
    assert_eq!(rig.machine.unanswered(), Some(rig.now + Duration::from_millis(400)));
    rig.hears(Saying::NotDelivered, &[]);
    assert_eq!(rig.machine.unanswered(), Some(rig.now + Duration::from_millis(500)));
    rig.hears(GONE, &[]);
    assert_eq!(rig.machine.unanswered(), None);
}

/// Something that happens to the machine.
#[derive(Clone, Debug)]
enum Event {
    Says(Saying),
    Wait(u64),
    Start,
    Stop,
    LetGo,
    Found,
    Lost,
    Command(&'static str, u8),
}

fn event() -> impl Strategy<Value = Event> {
    let saying = prop_oneof![
        Just(connected(TOY)),
        Just(GONE),
        Just(Saying::Searching),
        Just(Saying::SearchEnded),
        Just(Saying::SearchGoesOn),
        Just(data(Some(TOY), Some("OK;"), false)),
        Just(data(None, None, true)),
        Just(Saying::NotDelivered),
    ];
    prop_oneof![
        saying.prop_map(Event::Says),
        (0..4000u64).prop_map(Event::Wait),
        Just(Event::Start),
        Just(Event::Stop),
        Just(Event::LetGo),
        Just(Event::Found),
        Just(Event::Lost),
        (prop_oneof![Just("Vibrate1"), Just("Vibrate2")], 0..20u8)
            .prop_map(|(name, value)| Event::Command(name, value)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_said_too_soon_and_no_old_command_comes_again(
        events in proptest::collection::vec(event(), 0..200),
    ) {
        let mut machine = Machine::new();
        let mut now = Instant::now();
        let mut asked: Option<Instant> = None;
        let mut newest: BTreeMap<String, String> = BTreeMap::new();
        for event in events {
            match event {
                Event::Says(saying) => machine.heard(now, saying),
                Event::Wait(milliseconds) => {
                    now += Duration::from_millis(milliseconds);
                    machine.tick(now);
                }
                Event::Start => machine.start_search(),
                Event::Stop => machine.stop_search(),
                Event::LetGo => machine.let_go(),
                Event::Found if machine.is_missing() => machine.found(now),
                Event::Found => {}
                Event::Lost => {
                    // The next one was asked nothing yet.
                    asked = None;
                    machine.lost();
                }
                Event::Command(name, value) => {
                    let text = format!("{name}:{value};");
                    if machine.command(now, TOY, &text) {
                        newest.insert(name.into(), text);
                    }
                }
            }
            let mut count = 0;
            while let Some(news) = machine.next_news() {
                count += 1;
                let News::Say(order) = news else { continue };
                prop_assert!(asked.is_none_or(|asked| now - asked >= PROBE_TIME), "{order:?} too soon");
                match order {
                    Order::Status => asked = Some(now),
                    Order::Command { text, .. } => {
                        let name = text.split(':').next().unwrap_or_default();
                        prop_assert_eq!(newest.get(name), Some(&text));
                    }
                    Order::Search | Order::StopSearch => {}
                }
            }
            prop_assert!(count <= 4, "{count} pieces of news at once");
            prop_assert!(!machine.is_missing() || machine.toy().is_none());
        }
    }
}
