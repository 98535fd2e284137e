//! What the notation reaches: small definitions for the shapes that protocols have, each proved by its vectors, and the
//! errors of definitions that are wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use buttplug_protocols::catalogue::{Catalogue, Setup};
use buttplug_protocols::definition::{Vector, parse};
use buttplug_protocols::model::Model;
use buttplug_protocols::rehearsal::rehearse;
use std::time::Instant;

const HARDWARE: &str = r#"
[[bluetooth]]
names = ["X"]
services.ff00 = { tx = "ff01", rx = "ff02", txmode = "ff03", rxblemodel = "2a24", rxpressure = "ff04", whitelist = "ff05" }
services.180f = { rxblebattery = "2a19" }
"#;

/// Runs the examples of a definition with common hardware and one model.
fn check(top: &str, features: &str, rest: &str) {
    let text = format!("{top}\n{HARDWARE}\n[[model]]\nfallback = \"X\"\nfeatures = {features}\n{rest}\n");
    let file = parse("reach.toml", &text).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("reach.toml", &text).unwrap();
    let candidate = catalogue.protocol("reach").unwrap();
    for vector in &file.vectors {
        if let Err(difference) = rehearse(&candidate, vector, Instant::now()) {
            panic!("{difference}\n{text}");
        }
    }
}

#[test]
fn zero_can_have_a_frame_of_its_own() {
    check(
        "[write]\nvibrate = [\"if value=0: f0 00 00 00 00 ec\", \"else: ff sum(7x(value 14)) ec\"]
         rotate = [\"if value=0: a0 00 00 00 00 ec\", \"else: af sum(7x(value>0?2a:29 abs(value))) ec\"]",
        "[{ vibrate = 255 }, { rotate = [-255, 255] }]",
        r#"[[example]]
        do = ["vibrate 0 0", "vibrate 0 1", "rotate 1 -255", "stop"]
        write = ["f0 00 00 00 00 ec", "ff 01 14 01 14 01 14 01 14 01 14 01 14 01 14 93 ec",
          "af 29 ff 29 ff 29 ff 29 ff 29 ff 29 ff 29 ff 18 ec", ["f0 00 00 00 00 ec", "a0 00 00 00 00 ec"]]"#,
    );
}

#[test]
fn a_byte_can_depend_on_the_value() {
    check(
        "write = \"value=0?70:60+value 03 value>0 value=0?ff:value value+05\"",
        "[{ vibrate = 15 }]",
        "[[example]]\ndo = [\"vibrate 0 0\", \"vibrate 0 15\"]\nwrite = [\"70 03 00 ff 05\", \"6f 03 01 0f 14\"]",
    );
}

#[test]
fn a_table_gives_a_byte_for_each_value() {
    check(
        "write = \"((value0>0)+2*(value1>0))[0f 0c 0d 0b]\"",
        "[{ vibrate = 1 }, { vibrate = 1 }]",
        "[[example]]
         do = [\"vibrate 0 1\", \"vibrate 1 1\", \"vibrate 0 0\", \"stop\"]
         write = [\"0c\", \"0b\", \"0d\", \"0f\"]",
    );
}

#[test]
fn arithmetic_reaches_scaled_words() {
    check(
        "[write]\nvibrate = [\"if value=0: 03 12 00\", \"else: 03 12 (((#1023*(7*value+#3000))/#10000)<<6|3c):u16le\"]",
        "[{ vibrate = 1000 }]",
        "[[example]]
         do = [\"vibrate 0 0\", \"vibrate 0 1\", \"vibrate 0 1000\"]
         write = [\"03 12 00\", \"03 12 fc 4c\", \"03 12 fc ff\"]",
    );
}

#[test]
fn words_are_limited_to_their_place() {
    check(
        "write = \"max(value,1):u16be min(max(duration,1),#65535):u16be\"",
        "[{ timed-position = 1000, duration = 100000 }]",
        "[[example]]
         do = [\"timed-position 0 0 in 0 ms\", \"timed-position 0 1000 in 70000 ms\"]
         write = [\"00 01 00 01\", \"03 e8 ff ff\"]",
    );
}

#[test]
fn counters_count_the_frames_that_mention_them() {
    check(
        "[write]\noscillate = \"counter 02 00 03 negsum(0c value)\"\nvibrate = \"09 value\"",
        "[{ oscillate = 100 }, { vibrate = 100 }]",
        "[[example]]
         do = [\"oscillate 0 0\", \"vibrate 1 1\", \"oscillate 0 100, vibrate 1 2\", \"oscillate 0 50\"]
         write = [\"00 02 00 03 0c 00 f4\", \"09 01\", [\"01 02 00 03 0c 64 90\", \"09 02\"], \"02 02 00 03 0c 32 c2\"]",
    );
}

#[test]
fn counters_begin_again_after_255() {
    let (turns, frames): (Vec<_>, Vec<_>) = (0..=256)
        .map(|n| (format!("\"vibrate 0 {}\"", n % 9), format!("\"{:02x} {:02x}\"", n % 256, n % 9)))
        .unzip();
    check(
        "write = \"counter value\"",
        "[{ vibrate = 9 }]",
        &format!("[[example]]\ndo = [{}]\nwrite = [{}]", turns.join(", "), frames.join(", ")),
    );
}

#[test]
fn checksums_cover_what_is_said() {
    check(
        "[write]\nvibrate = \"aa 55 06 01 01 01 value fa xor\"\nconstrict = \"crc16-modbus(01 06 00 64 00 value):u16le\"
         oscillate = \"01 value crc16-xmodem:u16be\"\nrotate = \"55 sum(03 value) aa\"",
        "[{ vibrate = 3 }, { constrict = 3 }, { oscillate = 3 }, { rotate = 255 }]",
        "[[example]]
         do = [\"vibrate 0 3\", \"constrict 1 1\", \"oscillate 2 0\", \"rotate 3 153\"]
         write = [\"aa 55 06 01 01 01 03 fa 01\", \"01 06 00 64 00 01 09 d5\", \"01 00 33 31\", \"55 03 99 9c aa\"]",
    );
}

#[test]
fn frames_go_to_several_endpoints_by_several_conditions() {
    check(
        "response = true\nwrite = [
          \"if value0>0: value0\", \"else: value1\",
          \"if value0>0: 04 -> txmode\", \"if value0=0 and value1>0: 80 -> txmode, without response\",
          \"if value0=0 and value1=0: 00 -> txmode\"]",
        "[{ vibrate = 100 }, { vibrate = 100 }]",
        "[[example]]
         do = [\"vibrate 1 50\", \"vibrate 0 20\", \"stop\"]
         write = [[\"32\", \"80 -> txmode, without response\"], [\"14\", \"04 -> txmode\"], [\"00\", \"00 -> txmode\"]]",
    );
}

#[test]
fn each_output_can_have_a_place_in_a_text() {
    check(
        "[write]\n\"vibrate rotate\" = \"'Mply' each(':' abs(value):dec) ';'\"\nconstrict = \"'Air' vibrate0:dec rotate1:dec vibrate:dec ';'\"",
        "[{ vibrate = 20 }, { rotate = [-20, 20] }, { constrict = 3 }]",
        "[[example]]
         do = [\"vibrate 0 5, rotate 1 -20\", \"constrict 2 3\"]
         write = [\"'Mply:5:20:0;'\", \"'Air5-205;'\"]",
    );
}

#[test]
fn speeds_follow_from_the_way_and_the_time() {
    check(
        "write = \"03 00 kiiroo-speed(distance,duration) value\"\nkeepalive = \"2000 ms\"",
        "[{ timed-position = 99, duration = 100000 }]",
        "[[example]]
         do = [\"connect\", \"wait 3000 ms\", \"timed-position 0 99 in 500 ms\", \"wait 2000 ms\", \"timed-position 0 69 in 150 ms\",
           \"timed-position 0 69 in 300 ms\", \"timed-position 0 0 in 60 ms\"]
         write = [[], [], \"03 00 28 63\", \"03 00 28 63\", \"03 00 28 45\", \"03 00 00 45\", \"03 00 63 00\"]",
    );
}

#[test]
fn connecting_can_take_many_steps() {
    check(
        "connect = [\"subscribe rx\", \"a5 01\", \"expect rx: a5 ?? ... within 500 ms\", \"listen 100 ms\", \"wait 3000 ms\",
           \"read rxblemodel 16: 01 ...\", \"if count=2: 02\", \"else: 01, with response\", \"unsubscribe rx\"]
         write = \"value\"",
        "[{ vibrate = 5 }]",
        "[[example]]
         do = \"connect\"
         write = [\"subscribe rx\", \"a5 01\", \"wait 3000 ms\", \"read rxblemodel\", \"01, with response\", \"unsubscribe rx\"]
         hears = [\"rx: 00\", \"whitelist: a5 00\", \"rx: a5 07 08\", \"silence\", \"rxblemodel: 01 02\"]",
    );
}

#[test]
fn a_conversation_fails_when_the_answer_does_not_come_or_does_not_fit() {
    for (steps, hears) in [
        (r#"["expect rx: a5 within 500 ms"]"#, r#"["silence"]"#),
        (r#"["expect rx: a5 within 500 ms"]"#, r#"["rx: a5 00", "silence"]"#),
        (r#"["read rx: a5"]"#, r#"["rx: a6"]"#),
        (r#"["read rx: a5"]"#, r#"["rx: "]"#),
        (r#"["read rx: a5"]"#, "[]"),
    ] {
        let text = format!(
            "connect = {steps}\nwrite = \"value\"\n{HARDWARE}\n[[model]]\nfallback = \"X\"\nfeatures = [{{ vibrate = 5 }}]
             [[example]]\ndo = \"connect\"\nwrite = []\nhears = {hears}"
        );
        let file = parse("reach.toml", &text).unwrap();
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("reach.toml", &text).unwrap();
        let difference =
            rehearse(&catalogue.protocol("reach").unwrap(), &file.vectors[0], Instant::now()).unwrap_err();
        assert!(!difference.message.contains("gives"), "{steps} {hears}: {difference}");
    }
}

#[test]
fn a_keepalive_can_be_for_running_devices_only() {
    check(
        "keepalive = \"500 ms while running\"\nwrite = \"value value>0\"",
        "[{ vibrate = 9 }]",
        "[[example]]
         do = [\"wait 2000 ms\", \"vibrate 0 3\", \"wait 1000 ms\", \"stop\", \"wait 5000 ms\"]
         write = [[], \"03 01\", [\"03 01\", \"03 01\"], \"00 00\", []]",
    );
}

#[test]
fn a_keepalive_counts_anew() {
    check(
        "keepalive = \"500 ms\"\nwrite = \"counter value\"",
        "[{ vibrate = 9 }]",
        "[[example]]\ndo = [\"vibrate 0 3\", \"wait 1000 ms\"]\nwrite = [\"00 03\", [\"01 03\", \"02 03\"]]",
    );
}

#[test]
fn features_can_share_a_notification() {
    check(
        "[notify]\npressure = \"rxpressure: 00 01 04 value0:u16be value1:u16be ...\"",
        "[{ pressure = \"subscribe\", range = [0, 2000] }, { pressure = \"subscribe\", range = [0, 2000] }, \"battery\"]",
        r#"[[example]]
        do = ["subscribe pressure 1", "subscribe pressure 0", "subscribe pressure 0", "hear rxpressure: 00 01 04 00 10 ff ff 09",
          "unsubscribe pressure 1", "hear rxpressure: 00 01 04 00 11 00 00", "hear rx: 00 01 04 00 11 00 00",
          "unsubscribe pressure 0", "hear rxpressure: 00 01 04 00 11 00 00"]
        write = ["subscribe rxpressure", [], [], [], [], [], [], "unsubscribe rxpressure", []]
        reading = ["pressure 1 = 2000", "pressure 0 = 16", "pressure 0 = 17"]"#,
    );
}

#[test]
fn readings_can_be_asked_for() {
    check(
        "[read]
         battery = [\"subscribe rx\", \"'Battery;'\", \"expect rx: value:dec ';' within 500 ms\"]
         depth = \"read whitelist: ?? ?? value:i16le ...\"",
        "[\"battery\", { depth = \"read\", range = [-100, 100] }]",
        r#"[[example]]
        do = ["read battery 0", "read depth 1", "read depth 1"]
        write = [["subscribe rx", "'Battery;'"], "read whitelist", "read whitelist"]
        hears = ["rx: 'OK;'", "rx: '85;'", "whitelist: 00 00 fe ff 55", "whitelist: 00 00 00 80"]
        reading = ["battery 0 = 85", "depth 1 = -2", "depth 1 = -100"]"#,
    );
}

#[test]
fn models_are_found_by_what_is_read() {
    check(
        "identify = \"read rxblemodel as hex\"\nwrite = \"kind value\"",
        "[{ vibrate = 9 }]\nconstants = { kind = 1 }",
        r#"[[model]]
        names."Y" = "2205"
        constants = { kind = 2 }
        [[example]]
        do = "identify"
        write = "read rxblemodel"
        hears = "rxblemodel: 22 05"
        identifier = "2205"
        [[example]]
        do = "vibrate 0 5"
        write = "01 05"
        [[example]]
        model = "2205"
        do = "vibrate 0 5"
        write = "02 05""#,
    );
}

#[test]
fn models_are_found_by_a_part_of_the_name() {
    check(
        "identify = [\"name A_(*)_*\", \"name ?(??)*\"]\nwrite = \"kind value\"",
        "[{ vibrate = 9 }]\nconstants = { kind = 1 }",
        r#"[[model]]
        names."Y" = "hw"
        constants = { kind = 2 }
        [[example]]
        do = "identify"
        name = "A_hw_12"
        identifier = "hw"
        [[example]]
        do = "identify"
        name = "xhw"
        identifier = "hw"
        [[example]]
        do = "identify"
        name = "hw"
        identifier = ""
        [[example]]
        model = "hw"
        do = "vibrate 0 5"
        write = "02 05""#,
    );
}

#[test]
fn models_can_be_known_and_not_driven() {
    let text = format!(
        "write = \"kind value\"\n{HARDWARE}\n[[model]]\nnot-driven = \"it has no motor\"\nfallback = \"Ring\"
         [[model]]\nnames.X = \"X\"\nconstants.kind = 1\nfeatures = [{{ vibrate = 1 }}]
         [[example]]\nmodel = \"X\"\ndo = \"vibrate 0 1\"\nwrite = \"01 01\"
         [[example]]\nname = \"Y\"\ndo = \"identify\"\nidentifier = \"Y\"\n"
    );
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("reach.toml", &text).unwrap();
    let candidate = catalogue.protocol("reach").unwrap();
    let sighting = Vector::default().sighting();
    for vector in &parse("reach.toml", &text).unwrap().vectors {
        rehearse(&candidate, vector, Instant::now()).unwrap();
    }
    let build = |identifier, model: &Model| {
        candidate.build(Setup { identifier, model, sighting: &sighting, endpoints: &[], seed: 0 }).err()
    };
    let (ring, driven) = (candidate.model(None).unwrap(), candidate.model(Some("X")).unwrap());
    assert_eq!(build(None, &ring).as_deref(), Some("Ring is known, but not driven: it has no motor"));
    assert_eq!(build(Some("X"), &driven), None);
    assert_eq!(build(None, &driven), None, "what a person has described is theirs to drive");
    let alone =
        "[[websocket]]\nnames = [\"x\"]\n[[model]]\nnot-driven = \"nobody knows how\"\nfallback = \"Egg\"\n";
    assert!(parse("alone.toml", alone).is_ok());
    let error = first_error(&format!("{alone}features = [{{ vibrate = 1 }}]"), "");
    assert!(error.starts_with("wrong.toml:6:12: what is not driven has no `features`"), "{error}");
}

#[test]
fn code_is_no_way_to_an_output_that_does_not_hear_of_a_stop() {
    for code in ["lelo", "joyhub", "cueme", "umove", "onyx"] {
        let text = |write: &str| {
            let example = "[[example]]\ndo = \"vibrate 0 1\"\nfeatures = [{ vibrate = 1 }]";
            let model = "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = 1 }, { oscillate = 9 }]";
            format!("code = \"{code}\"\n{write}\n{HARDWARE}{model}\n{example}\n")
        };
        let error = parse("reach.toml", &text("write = \"if value>0: value\"")).unwrap_err()[0].to_string();
        assert!(error.contains("nothing is written when vibrate of feature 0 is stopped"), "{error}");
        let error = parse("reach.toml", &text("write = \"value*30\"")).unwrap_err()[0].to_string();
        assert!(error.contains("`oscillate 1 6` does not fit its place"), "{error}");
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("reach.toml", &text("write.vibrate = \"value\"")).unwrap();
        let candidate = catalogue.protocol("reach").unwrap();
        let (model, sighting) = (candidate.model(None).unwrap(), Vector::default().sighting());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let refused = candidate.build(setup).err();
        assert_eq!(refused.as_deref(), Some("there is no command for Oscillate of feature 1"), "{code}");
    }
}

#[test]
fn a_read_that_fails_leaves_the_next_way_if_there_is_one() {
    for (ways, ends_well) in
        [(r#"["read rxblemodel as hex", "name"]"#, true), (r#""read rxblemodel as hex""#, false)]
    {
        let text = format!(
            "identify = {ways}\nwrite = \"value\"\n{HARDWARE}\n[[model]]\nfallback = \"X\"\nfeatures = [{{ vibrate = 1 }}]
             [[example]]\ndo = \"identify\"\nname = \"Y\"\nwrite = \"read rxblemodel\"\nidentifier = \"Y\""
        );
        let file = parse("reach.toml", &text).unwrap();
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("reach.toml", &text).unwrap();
        let rehearsed = rehearse(&catalogue.protocol("reach").unwrap(), &file.vectors[0], Instant::now());
        assert_eq!(rehearsed.is_ok(), ends_well, "{ways}: {rehearsed:?}");
    }
}

#[test]
fn bytes_about_the_whole_device_are_written_once_whatever_their_condition_is_about() {
    check(
        "write = [\"if feature<2: 55 max(value0,value1)\", \"else: 56 value\"]",
        "[{ vibrate = 9 }, { vibrate = 9 }, { oscillate = 9 }, { oscillate = 9 }]",
        r#"[[example]]
        do = ["vibrate 0 3, vibrate 1 5", "vibrate 1 1, oscillate 2 1, oscillate 3 9", "stop"]
        write = ["55 05", ["55 03", "56 01", "56 09"], ["55 00", "56 00", "56 00"]]"#,
    );
}

#[test]
fn what_is_read_and_is_no_text_leaves_the_next_way() {
    check(
        "identify = [\"read rxblemodel as text\", \"name\"]\nwrite = \"value\"",
        "[{ vibrate = 9 }]",
        r#"[[example]]
        do = "identify"
        name = "Y"
        write = "read rxblemodel"
        hears = "rxblemodel: ff"
        identifier = "Y"
        [[example]]
        do = "identify"
        name = "Y"
        write = "read rxblemodel"
        hears = "rxblemodel: 'Z'"
        identifier = "Z""#,
    );
}

#[test]
fn outputs_of_a_kind_can_have_places_of_their_own() {
    check(
        "write = \"count count-vibrate each-vibrate(feature value) ff each-rotate(value:i8)\"",
        "[{ rotate = [-9, 9] }, { vibrate = 9 }, { vibrate = 9 }, { oscillate = 9 }]",
        "[[example]]
         do = [\"vibrate 2 5\", \"rotate 0 -1, vibrate 1 9\", \"oscillate 3 1\"]
         write = [\"04 02 01 00 02 05 ff 00\", \"04 02 01 09 02 05 ff ff\", \"04 02 01 09 02 05 ff ff\"]",
    );
}

#[test]
fn what_is_written_can_depend_on_the_endpoints_that_the_hardware_has() {
    check(
        "connect = [\"if has-txmode: read txmode\", \"else: subscribe rx\", \"else: wait 5 ms\", \"if has-rx: 01\"]
         write = [\"if has-txmode: value -> txmode\", \"else: value has-rx\"]",
        "[{ vibrate = 9 }]",
        r#"[[example]]
        do = ["connect", "vibrate 0 3"]
        write = [["read txmode", "01"], "03 -> txmode"]
        hears = "txmode: 00"
        [[example]]
        endpoints = ["tx"]
        do = ["connect", "vibrate 0 3"]
        write = [["subscribe rx", "wait 5 ms"], "03 00"]
        [[example]]
        endpoints = ["tx", "rx"]
        do = ["connect", "vibrate 0 3"]
        write = [["subscribe rx", "wait 5 ms", "01"], "03 01"]"#,
    );
}

#[test]
fn what_the_hardware_answers_while_connecting_can_be_written() {
    let answer = |hears: &str, connect: &str, vibrate: &str| {
        check(
            "connect = [\"read rx\", \"if answer-length<=2: ff answer (crc16-xmodem(01 answer)>>8)\", \"subscribe rx\",
               \"01\", \"expect rx: a5 ... within 500 ms\"]
             write = \"answer2 value answer-length\"
             read.battery = \"read rx: value ...\"",
            "[{ vibrate = 9 }, \"battery\"]",
            &format!(
                "[[example]]
                 do = [\"vibrate 0 1\", \"connect\", \"vibrate 0 5\", \"read battery 1\", \"vibrate 0 5\"]
                 write = [\"00 01 00\", [{connect}], \"{vibrate}\", \"read rx\", \"{vibrate}\"]
                 hears = [{hears}, \"rx: 00 00\", \"rx: a5 07 08 09\", \"rx: 10\"]
                 reading = \"battery 1 = 16\""
            ),
        );
    };
    // A checksum that is a number is over what is in it only: CRC-16/XMODEM of 01 is 1021.
    answer("\"rx: \"", "\"read rx\", \"ff 10\", \"subscribe rx\", \"01\"", "08 05 04");
    answer("\"rx: 00 00 01\"", "\"read rx\", \"subscribe rx\", \"01\"", "08 05 04");
}

#[test]
fn of_a_long_answer_the_beginning_is_kept() {
    let bytes = (0..100).map(|n| format!("{n:02x}")).collect::<Vec<_>>();
    check(
        "connect = \"read rx\"\nwrite = \"value answer-length answer63 answer\"",
        "[{ vibrate = 9 }]",
        &format!(
            "[[example]]\ndo = [\"connect\", \"vibrate 0 1\"]\nhears = \"rx: {}\"\nwrite = [\"read rx\", \"01 40 3f {}\"]",
            bytes.join(" "),
            bytes[..64].join(" ")
        ),
    );
}

/// The first error of a definition whose top is `top`.
fn first_error(top: &str, rest: &str) -> String {
    let text = format!("{top}\n{rest}");
    let errors = parse("wrong.toml", &text).map(|file| file.definition).unwrap_err();
    errors[0].to_string()
}

#[test]
fn errors_point_at_the_place_and_say_what_is_wrong() {
    let model = "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = 100 }]\n";
    let example = "[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"";
    let good = format!("{HARDWARE}{model}{example}");
    let cases: &[(&str, &str)] = &[
        ("write = \"f1 vale\"", "1:13: nothing is called `vale` here"),
        ("write = \"f1 value:u12\"", "1:19: no number format is called `u12`"),
        ("write = \"f1 5\"", "1:13: a byte is two hex digits: `05`"),
        ("write = \"f1 100\"", "1:13: a byte is two hex digits, not `100`; a decimal number is `#100`"),
        ("write = \"f1 (value\"", "1:19: expected `)` at the end"),
        ("write = \"f1 'abc\"", "1:13: the text does not end: a `'` is missing"),
        ("write = \"value -> txx\"", "1:19: no endpoint is called `txx`"),
        (
            "write = \"value -> command\"",
            "1:1: `command` is used here, but no service of the hardware has it",
        ),
        ("write = \"\"", "1:10: nothing is written here"),
        ("write = [\"else: 01\"]", "1:10: there is no `if` before this `else`"),
        ("write = \"crc16-modbus\"", "1:10: `crc16-modbus` needs a format such as `:u16le`"),
        ("write = \"each(each(value))\"", "1:15: an `each` can't stand inside another"),
        ("write = \"200x(200x(01))\"", "1:10: a frame has at most 512 bytes"),
        ("write = \"value each-vib(value)\"", "1:16: nothing is called `each-vib(..)`"),
        ("write = \"value has-txx\"", "1:16: nothing is called `has-txx` here"),
        (
            "write = \"value has-command\"",
            "1:1: `command` is used here, but no service of the hardware has it",
        ),
        ("write = \"value answer64\"", "1:16: nothing is called `answer64` here"),
        ("write = \"value (xor(01 (xor(02))))\"", "1:25: a checksum can't stand inside another"),
        ("write = \"value (xor(200x(200x(01))))\"", "1:17: a checksum is over at most 512 bytes"),
        (
            "write = [\"if has-rx: value\", \"if has-rx=0 and value>0: value\"]",
            "6:1: nothing is written when vibrate of feature 0 is stopped",
        ),
        (
            "write = [\"if has-rx: value*3\", \"else: value\"]",
            "6:1: `vibrate 0 86` does not fit its place in the frame, if the hardware has `rx`",
        ),
        ("write = \"value (answer0+1)\"", "6:1: `vibrate 0 0` does not fit its place in the frame"),
        (
            "write = \"has-tx has-rx has-txmode has-whitelist value\"",
            "6:1: frames may ask whether hardware has at most 3 endpoints",
        ),
        (
            "write = \"value\"\nconnect = [\"subscribe rx\", \"else: wait 5 ms\"]",
            "2:28: there is no `if` before this `else`",
        ),
        ("write = \"value\"\nidentify = \"name (*\"", "2:12: expected `name`"),
        ("write = \"0x(01)\"", "1:10: a repetition looks like `4x(..)`, with a number from 1 to 255"),
        ("write = \"value\"\nconnect = [\"01\", \"else: 01\"]", "2:18: there is no `if` before this `else`"),
        ("write = \"value\"\nread.battery = \"else: 01\"", "2:16: there is no `if` before this `else`"),
        ("write = \"value\"\nconnect = \"255x(01 02 03)\"", "2:12: a frame has at most 512 bytes"),
        ("write = \"value\"\nread.battery = \"255x(01 02 03)\"", "2:17: a frame has at most 512 bytes"),
        ("write = \"((((((((((value))))))))))\"", "1:19: nested more than 8 levels deep"),
        ("write.vibrate = 5", "1:17: expected a string, found integer"),
        ("write.vibration = \"value\"", "1:7: no kind of output is called `vibration`"),
        ("write.rotate = \"value\"", "6:1: nothing is written for vibrate of feature 0"),
        ("write = \"if value>0: value\"", "6:1: nothing is written when vibrate of feature 0 is stopped"),
        ("write = \"value*3\"", "6:1: `vibrate 0 86` does not fit its place in the frame"),
        ("write = \"value-1\"", "6:1: `vibrate 0 0` does not fit its place in the frame"),
        ("write = \"value:dec2\"", "6:1: `vibrate 0 100` does not fit its place in the frame"),
        (
            "write = \"value\"\nkeepalive = \"500\"",
            "2:13: a time looks like `500 ms`, and is at most 60000 ms",
        ),
        ("write = \"value\"\nconnect = \"wait 5\"", "2:18: expected `ms` at the end"),
        ("write = \"value\"\nconect = \"01\"", "2:1: `conect` means nothing here"),
        (
            "write = \"value\"\nidentify = \"nmae\"",
            "2:12: expected `name`, `name *_(*)_*`, `manufacturer as FORM`, `manufacturer 93 as FORM` or \
            `read ENDPOINT as FORM`; a form is `u32be`, `hex` or `text`",
        ),
        ("write = \"value", "1:15: invalid basic string, expected `\"`"),
    ];
    for (top, expected) in cases {
        let text = format!("{top}{good}");
        let errors = parse("wrong.toml", &text).map(|file| file.definition).unwrap_err();
        let error = errors[0].to_string();
        assert!(error.starts_with(&format!("wrong.toml:{expected}")), "{top}\n{errors:#?}");
    }
}

#[test]
fn parts_that_are_missing_or_do_not_fit_are_errors() {
    let write = "write = \"value\"";
    let hardware = "[[websocket]]\nnames = [\"x\"]";
    let model = "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = 100 }]";
    let example = "[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"";
    let cases: &[(&[&str], &str)] = &[
        (&[write, model, example], "1:1: no hardware is named"),
        (&[write, hardware, example], "1:1: there is no `[[model]]`"),
        (&[write, hardware, model], "1:1: there is no `[[example]]`"),
        (&[write, "[[websocket]]", model, example], "2:1: this matches no hardware"),
        (
            &[write, "[[websocket]]\nnames = [\"*\"]", model, example],
            "3:10: this name would match everything",
        ),
        (
            &[write, hardware, "[[model]]\nfeatures = [{ vibrate = 1 }]", example],
            "4:1: a model needs `names`",
        ),
        (&[write, hardware, "[[model]]\nnames.Y = \"y\"", example], "4:1: `features` are missing"),
        (&[write, hardware, model, "variant = \"v\"", example], "4:1: there is no `[variant.v]`"),
        (&[write, hardware, model, model, example], "7:1: there can be only one fallback"),
        (
            &[write, hardware, model, "names.Y = \"y\"\nnames.Z = \"y\"", example],
            "4:1: two models have the identifier `y`",
        ),
        (
            &[write, hardware, model, "[[model]]\nnames.Y = \"y\"\nconstants.k = 1", example],
            "4:1: other models have a constant `k`",
        ),
        (
            &[write, hardware, "[[model]]\nfallback = \"X\"\nfeatures = [{ timed-position = 9 }]", example],
            "6:32: a timed position needs",
        ),
        (
            &[write, hardware, "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = [5, 5] }]", example],
            "6:25: the first end",
        ),
        (
            &[write, hardware, "[[model]]\nfallback = \"X\"\nfeatures = [{ label = \"x\" }]", example],
            "6:13: a feature needs",
        ),
        (
            &[write, hardware, "[[model]]\nfallback = \"X\"\nfeatures = [{ pressure = \"read\" }]", example],
            "6:26: `pressure` needs its `range`",
        ),
        (
            &[write, hardware, "[[model]]\nfallback = \"X\"\nfeatures = [{ rssi = \"read\" }]", example],
            "4:1: nothing under `[read]` gives the rssi of feature 0",
        ),
        (
            &[
                write,
                hardware,
                "[[model]]\nfallback = \"X\"\nfeatures = [{ battery = \"subscribe\" }]",
                example,
            ],
            "4:1: nothing under `[notify]`",
        ),
        (
            &[write, hardware, model, "[[example]]\nmodel = \"z\"\ndo = \"stop\""],
            "7:1: the example is about a model",
        ),
        (
            &[write, hardware, model, "[[example]]\ndo = \"shake 0 1\""],
            "8:6: `shake 0 1` is nothing that can be done",
        ),
        (
            &[write, hardware, model, "[[example]]\ndo = [\"stop\"]\nwrite = []\nhears = \"x\""],
            "10:9: what the hardware says looks like",
        ),
        (
            &[write, hardware, model, "[[example]]\ndo = [\"stop\"]\nwrite = [\"00\", \"00\"]"],
            "8:6: 1 turns, but `write` has 2",
        ),
        (
            &[write, hardware, model, "[[example]]\ndo = [\"stop\"]\nwirte = [\"00\", \"00\"]"],
            "9:1: `wirte` means nothing here",
        ),
        (
            &[write, "[[bluetooth]]\nnames = [\"x\"]\nservices.ff0 = {}", model, example],
            "4:10: `ff0` is no UUID",
        ),
        (
            &[write, "[[serial]]\nport = \"x\"\nsettings = \"fast\"", model, example],
            "4:12: settings look like `115200 8N1`",
        ),
        (&[write, "[[hid]]\nids = [\"1f54\"]", model, example], "3:8: an id is vendor and product in hex"),
    ];
    for (parts, expected) in cases {
        let error = first_error(&parts.join("\n"), "");
        assert!(error.starts_with(&format!("wrong.toml:{expected}")), "{error}\n{}", parts.join("\n"));
    }
    assert!(parse("wrong name.toml", &[write, hardware, model, example].join("\n")).is_err());
    let long = format!("{}\n#{}", [write, hardware, model, example].join("\n"), "x".repeat(300_000));
    assert!(parse("long.toml", &long).unwrap_err()[0].message.contains("at most"));
}

#[test]
fn protocols_that_claim_the_same_hardware_have_to_know_it() {
    use buttplug_protocols::definition::rules::check_together;
    let with = |name: &str, top: &str, rule: &str| {
        let rest = "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = 100 }]\n[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"";
        parse(name, &format!("write = \"value\"\n{top}\n{rule}\n{rest}"))
            .unwrap_or_else(|errors| panic!("{errors:#?}"))
    };
    let bluetooth = |rule: &str| format!("[[bluetooth]]\n{rule}\nservices.ff00.tx = \"ff01\"");
    let cases = [
        ("names = [\"A\"]", "names = [\"B\", \"A\"]", true),
        ("names = [\"A\"]", "names = [\"a\"]", false),
        ("names = [\"LVS-*\"]", "names = [\"LVS-S001\"]", true),
        ("names = [\"LVS-*\"]", "names = [\"L*\"]", true),
        ("names = [\"LVS-*\"]", "names = [\"LVS\"]", false),
        ("manufacturer = [\"93: 00 00\"]", "manufacturer = [\"93\"]", true),
        ("manufacturer = [\"93: 00 00\"]", "manufacturer = [\"93: 00 01\"]", false),
        ("advertised = [\"1320\"]", "advertised = [\"1320\"]", true),
        ("advertised = [\"1320\"]", "advertised = [\"1321\"]", false),
    ];
    for (one, other, overlap) in cases {
        let files = [with("a.toml", "", &bluetooth(one)), with("b.toml", "", &bluetooth(other))];
        let errors = check_together(&files);
        assert_eq!(!errors.is_empty(), overlap, "{one} {other}: {errors:?}");
        assert!(errors.iter().all(|error| error.line == 3 && error.file == "a.toml"), "{errors:?}");
        let known =
            [with("a.toml", "", &bluetooth(one)), with("b.toml", "overlaps = [\"a\"]", &bluetooth(other))];
        let errors = check_together(&known);
        assert_eq!(errors.is_empty(), overlap, "an overlap that is none: {one} {other}: {errors:?}");
    }
    let first = |other: &str| format!("before = [\"{other}\"]");
    let both = |one: &str, other: &str| {
        let rule = bluetooth("names = [\"A\"]");
        check_together(&[with("a.toml", one, &rule), with("b.toml", other, &rule)])
    };
    assert!(both(&first("b"), "").is_empty() && both("", &first("a")).is_empty());
    assert!(both(&first("b"), &first("a"))[0].message.contains("each to be tried before the other"));
    assert!(both("overlaps = [\"b\"]", &first("c"))[0].message.contains("there is no such protocol"));
    let apart = [
        with("a.toml", &first("b"), &bluetooth("advertised = [\"1320\"]")),
        with("b.toml", "", &bluetooth("names = [\"L*\"]")),
    ];
    assert!(check_together(&apart).is_empty(), "a service and a name may be on the same hardware");
    let port = "[[serial]]\nport = \"default\"\nsettings = \"9600 8N1\"";
    assert!(
        check_together(&[with("a.toml", "", port), with("b.toml", "", port)]).is_empty(),
        "a port to be named"
    );
}

/// A definition with common hardware, so many `[[model]]`, and an example.
fn with_models(top: &str, models: &str) -> String {
    format!("{top}\n{HARDWARE}{models}\n[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"\n")
}

#[test]
fn no_frame_can_get_longer_than_any_bus_carries_and_code_is_no_way_round() {
    let features = |count: usize| ["{ vibrate = 1 }"].repeat(count).join(", ");
    let of = |top: &str, count| {
        let models = format!("[[model]]\nfallback = \"X\"\nfeatures = [{}]", features(count));
        let errors = parse("long.toml", &with_models(top, &models)).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for code in ["", "code = \"any\"\n"] {
        let each = format!("{code}write = \"each(60x(value))\"");
        assert_eq!(of(&each, 8), "");
        assert!(of(&each, 9).contains("with 9 outputs, a frame could have more than 512 bytes"));
        let steps = format!("{code}write = \"value\"\nconnect = \"each(60x(value))\"");
        assert!(of(&steps, 9).contains("with 9 outputs, a frame could have more than 512 bytes"));
        for (length, refused) in
            [(512, ""), (513, "a frame has at most 512 bytes"), (200_000, "at most 4096")]
        {
            let text = "A".repeat(length);
            for place in ["write = \"'TEXT'\"", "write = \"value\"\nconnect = \"'TEXT'\""] {
                let errors = of(&format!("{code}{}", place.replace("TEXT", &text)), 1);
                assert!(errors.contains(refused) && errors.is_empty() == refused.is_empty(), "{errors}");
            }
        }
    }
}

#[test]
fn whatever_there_can_be_too_many_of_is_counted() {
    let model = |n: usize| format!("[[model]]\nnames.M{n} = \"{n}\"\nfeatures = [{{ vibrate = 1 }}]\n");
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let one = model(0);
    let steps = |count| format!("connect = [{}]", ["\"01\""].repeat(count).join(", "));
    let frames = |count| format!("write = [{}]", ["\"value\""].repeat(count).join(", "));
    let constants = |count| {
        let listed = (0..count).map(|n| format!("c{n} = 1")).collect::<Vec<_>>().join(", ");
        format!("{one}constants = {{ {listed} }}")
    };
    let labelled = |length| one.replace("= 1 }", &format!("= 1, label = \"{}\" }}", "L".repeat(length)));
    let top = "write = \"value\"";
    let variant = |n: usize| format!("[variant.v{n}]\n");
    let example = |n: usize| format!("[[example]]\nmodel = \"0\"\ndo = \"vibrate 0 {}\"\n", n % 2);
    let rule = |n: usize| format!("[[usb]]\nids = [\"0001:{n:04x}\"]\n");
    // What is possible, and one more.
    let cases: &[(&str, [String; 2])] = &[
        ("256 are", [256, 257].map(|n| with_models(top, &many(n, &model)))),
        ("64 are", [64, 65].map(|n| with_models(&format!("{top}\n{}", steps(n)), &one))),
        ("64 are", [64, 65].map(|n| with_models(&frames(n), &one))),
        ("32 are", [32, 33].map(|n| with_models(top, &constants(n)))),
        ("64 bytes", [64, 65].map(|n| with_models(top, &labelled(n)))),
        ("64 are", [64, 65].map(|n| with_models(top, &format!("{one}{}", many(n, &variant))))),
        ("1024 are", [1023, 1024].map(|n| with_models(top, &format!("{one}{}", many(n, &example))))),
        ("64 are", [64, 65].map(|n| with_models(top, &format!("{one}{}", many(n, &rule))))),
    ];
    for (most, [enough, too_many]) in cases {
        let errors = |text: &str| {
            let errors = parse("many.toml", text).err().unwrap_or_default();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let (enough, too_many) = (errors(enough), errors(too_many));
        assert!(!enough.contains("at most"), "{most}: {enough}");
        assert!(too_many.contains(&format!("at most {most}")), "{most}: {too_many}");
    }
}

#[test]
fn a_definition_that_would_take_long_to_try_is_refused_before_it_is_tried() {
    let definition = |groups: usize, greatest: usize| {
        let model = |n: usize| {
            let features = ["{ vibrate = GREATEST }"].repeat(31).join(", ");
            let features = features.replace("GREATEST", &greatest.to_string());
            // Each is different, or they would be tried once.
            format!("[[model]]\nnames.M{n} = \"{n}\"\nfeatures = [{features}, {{ vibrate = {} }}]\n", n + 1)
        };
        let models: String = (0..groups).map(model).collect();
        let text = with_models("write = \"each(2x(value value0 vibrate))\"", &models);
        assert!(text.len() < 256 * 1024);
        parse("slow.toml", &text).err().unwrap_or_default()
    };
    assert!(definition(1, 2).iter().all(|error| !error.message.contains("too many models")));
    let errors = definition(250, 250);
    assert!(
        errors.iter().any(|error| error.message.contains("too many models, values and frames")),
        "{errors:?}"
    );
}
