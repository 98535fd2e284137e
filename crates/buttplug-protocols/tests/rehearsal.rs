//! What a rehearsal says: where an example does not hold, and what hardware would be told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{Act, Said, Vector, VectorTurn};
use buttplug_protocols::listing::Entry;
use buttplug_protocols::rehearsal::{Told, check, play};
use buttplug_protocols::sighting::BusKind;
use std::collections::BTreeSet;
use std::time::Instant;

const DEFINITION: &str = r#"write = "01 value -> command, with response"
connect = ["subscribe rx", "a5", "expect rx: a6 within 500 ms"]
[read]
battery = "read rxblebattery: value"
[[bluetooth]]
names = ["Mine"]
services.ff00 = { tx = "ff00", rx = "ff01", command = "ff02", rxblebattery = "ff03" }
[[model]]
fallback = "Mine"
features = [{ vibrate = 100 }, "battery"]
[[example]]
do = [
  "connect",
  "vibrate 0 64",
  "stop",
  "read battery 1",
]
write = [["subscribe rx", "a5"], "01 40 -> command, with response", "01 00 -> command, with response", "read rxblebattery"]
hears = ["rx: a6", "rxblebattery: 55"]
reading = "battery 1 = 85"
"#;

/// What is wrong once a part of the definition is another one.
fn wrong(part: &str, other: &str) -> Vec<String> {
    assert_eq!(DEFINITION.matches(part).count(), 1, "{part}");
    let errors = check("mine.toml", &DEFINITION.replace(part, other), Instant::now()).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn played(turns: &[&str], hears: &[&str]) -> Told {
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("mine.toml", DEFINITION).unwrap();
    let turn = |text: &&str| VectorTurn {
        text: String::from(*text),
        place: Default::default(),
        act: text.parse().unwrap(),
        told: Vec::new(),
    };
    let vector = Vector {
        turns: turns.iter().map(turn).collect(),
        hears: hears.iter().map(|text| text.parse().unwrap()).collect(),
        ..Vector::default()
    };
    play(&catalogue.protocol("mine").unwrap(), &vector, Instant::now())
}

#[test]
fn a_definition_that_is_right_is_right() {
    assert_eq!(check("mine.toml", DEFINITION, Instant::now()).unwrap().vectors.len(), 1);
}

#[test]
fn an_example_that_does_not_hold_is_pointed_at() {
    assert_eq!(
        wrong("01 40 ->", "01 41 ->"),
        [
            "mine.toml:14:3: `vibrate 0 64` gives 01 40 -> command, with response; expected 01 41 -> command, with response"
        ]
    );
    assert_eq!(
        wrong("\"rx: a6\", ", ""),
        ["mine.toml:13:3: `connect`: no answer at rx"],
        "a conversation that fails"
    );
    assert_eq!(
        wrong("battery 1 = 85", "battery 1 = 84"),
        ["mine.toml:11:1: the readings are battery 1 = 85; expected battery 1 = 84"],
        "what is about no turn"
    );
}

#[test]
fn code_that_is_not_built_in_is_pointed_at() {
    let errors = check("mine.toml", &format!("code = \"magic\"\n{DEFINITION}"), Instant::now()).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["mine.toml:1:8: the protocol mine asks for code \"magic\", which is not built in"]);
}

#[test]
fn what_is_played_is_told_as_examples_are_written() {
    let told = played(&["connect", "vibrate 0 64", "read battery 1"], &["rx: a6", "rxblebattery: 55"]);
    assert_eq!(told.error, None);
    let turns: Vec<Vec<String>> =
        told.turns.iter().map(|steps| steps.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(
        turns,
        [&["subscribe rx", "a5"][..], &["01 40 -> command, with response"], &["read rxblebattery"]]
    );
    assert_eq!(told.readings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["battery 1 = 85"]);
}

#[test]
fn what_was_told_before_a_failure_is_kept_and_nothing_is_played_after_it() {
    let told = played(&["vibrate 0 1", "connect", "stop"], &["silence"]);
    assert!(told.error.is_some());
    assert_eq!(told.turns.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn turns_and_answers_by_themselves_are_read_as_in_examples() {
    assert!(matches!("vibrate 0 20, rotate 1 -5".parse(), Ok(Act::Set(set)) if set.len() == 2));
    assert_eq!("silence".parse(), Ok(Said::Silence));
    for bad in
        ["", "dance", "vibrate", "vibrate 0 x", "wait", "wait x ms", "read 1", "hear silence", "hear rx: zz"]
    {
        let error = bad.parse::<Act>().unwrap_err();
        assert!(!error.is_empty(), "{bad}");
    }
    for bad in ["", "rx", "nowhere: 01", "rx: zz", "rx: wait 1 ms"] {
        assert!(bad.parse::<Said>().is_err(), "{bad}");
    }
}

#[test]
fn every_model_of_every_definition_is_an_entry_by_its_identifiers() {
    let catalogue = Catalogue::builtin();
    for id in catalogue.protocols() {
        let candidate = catalogue.protocol(id).unwrap();
        assert!(!candidate.buses().is_empty(), "{id}");
        let entries = candidate.entries();
        let fallbacks: Vec<&Entry> = entries.iter().filter(|entry| entry.is_fallback()).collect();
        assert!(fallbacks.len() <= 1, "{id}");
        assert_eq!(
            fallbacks.first().map(|entry| entry.model.clone()),
            candidate.definition().fallback().and_then(|_| candidate.model(None))
        );
        let mut seen = BTreeSet::new();
        for entry in &entries {
            assert_eq!(entry.model.features.is_empty(), entry.not_driven.is_some(), "{id} {entry:?}");
            for identifier in &entry.identifiers {
                assert!(seen.insert(identifier), "{id}: {identifier} twice");
                assert_eq!(candidate.model(Some(identifier)), Some(entry.model.clone()), "{id} {identifier}");
            }
        }
    }
    assert_eq!(catalogue.protocol("simulated").unwrap().buses(), [BusKind::Simulated]);
}

#[test]
fn a_turn_in_which_too_much_is_told_never_comes_to_an_end() {
    let chatty = r#"write = ["01", "02"]
keepalive = "1 ms"
[[websocket]]
names = ["chatty"]
[[model]]
fallback = "Chatty"
features = [{ vibrate = 1 }]
[[example]]
do = "wait 9000 ms"
write = "01"
"#;
    let errors = check("chatty.toml", chatty, Instant::now()).unwrap_err();
    assert_eq!(errors[0].to_string(), "chatty.toml:9:6: `wait 9000 ms`: it never comes to an end");
}

/// A definition that is asked every millisecond whether it has something to say, with these examples.
fn restless(examples: &str) -> String {
    let frames = ["\"255x(value)\""; 8].join(", ");
    format!(
        "keepalive = \"1 ms while running\"\nwrite = [{frames}]\n[[websocket]]\nnames = [\"x\"]\n[[model]]\n\
        fallback = \"X\"\nfeatures = [{{ vibrate = 9 }}]\n{examples}"
    )
}

#[test]
fn examples_that_together_take_too_much_work_are_refused() {
    let example = |turns: usize| {
        let turns = vec!["\"wait 9000 ms\""; turns].join(", ");
        format!("[[example]]\ndo = [{turns}]\n")
    };
    let checked = |examples: &str| check("mine.toml", &restless(examples), Instant::now());
    assert_eq!(checked(&example(1)).unwrap().vectors.len(), 1);
    // In one example or in several: the work of all counts, and what is refused once is not tried again.
    for examples in [example(5), example(1).repeat(5)] {
        let errors = checked(&examples).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(
            errors[0].message.starts_with("`wait 9000 ms`: the examples take too much work"),
            "{errors:?}"
        );
    }
}

#[test]
fn what_is_different_is_said_in_short_and_not_for_ever() {
    let example = "[[example]]\ndo = [\"vibrate 0 1\", \"wait 100 ms\"]\nwrite = [[], []]\n".repeat(60);
    let errors = check("mine.toml", &restless(&example).replace("255x", "1x"), Instant::now()).unwrap_err();
    assert_eq!(errors.len(), 50);
    let example = "[[example]]\ndo = [\"vibrate 0 1\", \"wait 100 ms\"]\nwrite = [[\"01\"], []]\n";
    let text = restless(example).replace("255x", "1x").replace("vibrate = 9", "vibrate = 1");
    let text = text.replacen(&["\"1x(value)\""; 8].join(", "), "\"value\"", 1);
    let errors = check("mine.toml", &text, Instant::now()).unwrap_err();
    assert!(errors[0].message.contains("01 | … 84 more; expected nothing"), "{errors:?}");
}

#[test]
fn every_definition_that_is_built_in_could_be_a_persons_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("devices");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(errors) = check(&path.to_string_lossy(), &text, Instant::now()) {
            panic!("{errors:#?}");
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}
