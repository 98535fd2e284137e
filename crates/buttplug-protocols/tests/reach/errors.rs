//! What is wrong with a definition, and where.

use super::*;

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
            &[write, "[[serial]]\nport = \"x\"\nusb = [\"1:2\"]\nsettings = \"9600 8N1\"", model, example],
            "2:1: a serial port has `port` or `usb`, and `settings`",
        ),
        (
            &[write, "[[serial]]\nusb = [\"1a86\"]\nsettings = \"9600 8N1\"", model, example],
            "3:8: an id is vendor and product in hex",
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
