//! What connecting, readings and keepalives can be.

use super::*;

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
