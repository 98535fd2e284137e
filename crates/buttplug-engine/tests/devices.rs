//! What the program says about devices: which there are, what they are told, and whether a definition is right.

mod program;

use program::{Ended, File, command, run};
use tokio::io::AsyncReadExt;

const DEFINITION: &str = r#"write = "f1+feature value"

[[bluetooth]]
names = ["Mine"]
services.ff00 = { tx = "ff01" }

[[model]]
fallback = "My Device"
features = [{ vibrate = 100 }, { vibrate = 100 }]

[[example]]
do = ["vibrate 1 64", "stop"]
write = ["f2 40", ["f1 00", "f2 00"]]
"#;

/// What it says of a definition, with `FILE` for the name of the file.
async fn checked(name: &str, text: &str) -> Ended {
    let file = File::new(name, text);
    let Ended { code, stdout, stderr } = run(&["devices", "check", file.name()]).await;
    let short = |text: String| text.replace(file.name(), "FILE");
    Ended { code, stdout: short(stdout), stderr: short(stderr) }
}

#[tokio::test]
async fn all_devices_are_listed_one_in_a_line_with_the_counts_at_the_end() {
    let Ended { code, stdout, stderr } = run(&["devices"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = stdout.lines().collect();
    let [models @ .., empty, counts] = &lines[..] else { panic!("{stdout}") };
    assert_eq!(*empty, "");
    assert!(counts.contains(&format!(" {} models", models.len())), "{counts}");
    let vivi = models.iter().find(|line| line.starts_with("Aneros Vivi ")).unwrap();
    let words: Vec<&str> = vivi.split_whitespace().skip(2).collect();
    assert_eq!(words, ["aneros", "bluetooth", "vibrate", "127,", "vibrate", "127"]);
    let karen = models.iter().find(|line| line.contains("Libo Karen")).unwrap();
    assert!(karen.contains("not driven: it has no motor"), "{karen}");
}

#[tokio::test]
async fn the_rules_for_udev_are_printed_and_say_where_they_go() {
    let Ended { code, stdout, stderr } = run(&["devices", "udev-rules"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("ATTRS{idVendor}==\"1f54\", ATTRS{idProduct}==\"0001\""), "{stdout}");
    assert!(stdout.contains("/etc/udev/rules.d/70-buttplug.rules"), "{stdout}");
}

#[tokio::test]
async fn words_narrow_the_list_and_nothing_found_ends_with_1() {
    let Ended { code, stdout, stderr } = run(&["devices", "ANEROS", "vivi"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.ends_with("\n\n1 protocol, 1 model\n") && stdout.lines().count() == 3, "{stdout}");
    let Ended { code, stdout, stderr } = run(&["devices", "no", "such", "device"]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("`no such device`"), "{stderr}");
}

#[tokio::test]
async fn the_list_can_be_json() {
    let Ended { code, stdout, .. } = run(&["devices", "--json", "aneros", "vivi"]).await;
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["counts"], serde_json::json!({"protocols": 1, "models": 1, "not_driven": 0}));
    let model = &json["models"][0];
    assert_eq!((&model["name"], &model["protocol"]), (&"Aneros Vivi".into(), &"aneros".into()));
    assert_eq!(model["features"][1]["outputs"][0], serde_json::json!({"kind": "vibrate", "range": [0, 127]}));
    let Ended { code, stdout, .. } = run(&["devices", "--json", "no such device"]).await;
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["models"], serde_json::json!([]));
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_is_no_error() {
    // The list is longer than a pipe holds, so that it is still being written when the reader leaves.
    let mut child = command(&["devices", "--json"]).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 10]).await.unwrap();
    drop(output);
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[tokio::test]
async fn what_a_device_would_be_told_is_written_as_in_examples() {
    let turns = ["connect", "vibrate 0 20, vibrate 1 100", "stop"];
    let Ended { code, stdout, stderr } =
        run(&["devices", "show", "aneros", turns[0], turns[1], turns[2]]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        "# aneros: Aneros Vivi (0: vibrate 127; 1: vibrate 127)\nconnect\n  []\n\
         vibrate 0 20, vibrate 1 100\n  f1 14\n  f2 64\nstop\n  f1 00\n  f2 00\n"
    );
}

#[tokio::test]
async fn hardware_that_is_read_says_what_it_was_told_to() {
    let answer = "whitelist: 00 00 00 00 00 4e 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    let read = ["devices", "show", "kiiroo-v21 Pearl2.1", "read battery 1"];
    let Ended { code, stdout, .. } = run(&[&read[..], &["--hears", answer]].concat()).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.ends_with("read battery 1\n  read whitelist\nreading: battery 1 = 78\n"), "{stdout}");
    let Ended { code, stdout, stderr } = run(&read).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.ends_with("  read whitelist\n"), "what it was told before: {stdout}");
    assert!(stderr.starts_with("buttplug: `read battery 1`: "), "{stderr}");
}

#[tokio::test]
async fn what_can_not_be_shown_ends_with_1_and_a_reason() {
    for (arguments, reason) in [
        (&["no such device"][..], "`no such device`"),
        (&["kiiroo-v21"], "kiiroo-v21 Cliona"),
        (&["aneros", "vibrate 0 128"], "goes from 0 to 127"),
        (&["aneros", "vibrate", "0", "20"], "each turn in quotes"),
        (&["aneros", "--hears", "x"], "--hears"),
        (&["libo-karen"], "not driven: it has no motor"),
        (&["libo-karen", "vibrate 0 1"], "not driven: it has no motor"),
    ] {
        let Ended { code, stderr, .. } = run(&[&["devices", "show"], arguments].concat()).await;
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("buttplug: ") && stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_definition_that_is_right_ends_with_0() {
    let Ended { code, stdout, stderr } = checked("right.toml", DEFINITION).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "FILE: all is well: 1 model, 1 example\n");
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_pointed_at() {
    for (number, part, other, errors) in [
        (0, "f1+feature", "f1+x", "FILE:1:13: nothing is called `x` here\n"),
        (1, "[[example]]", "[[examples]]", "FILE:11:3: `examples` means nothing here\n"),
        (2, "f2 40", "f2 41", "FILE:12:7: `vibrate 1 64` gives f2 40; expected f2 41\n"),
        (3, "f2 00", "f2 01", "FILE:12:23: `stop` gives f1 00 | f2 00; expected f1 00 | f2 01\n"),
        (4, "\n\n", "\nthis is no TOML\n", "FILE:2:6: "),
    ] {
        let text = DEFINITION.replacen(part, other, 1);
        let Ended { code, stdout, stderr } = checked(&format!("wrong-{number}.toml"), &text).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{other}: {stderr}");
        assert!(stderr.contains(errors), "{other}: {stderr}");
    }
}

#[tokio::test]
async fn each_of_several_files_is_checked_and_one_that_is_wrong_is_enough() {
    let (right, wrong) =
        (File::new("several-right.toml", DEFINITION), File::new("several-wrong.toml", "x = 1"));
    let arguments = ["devices", "check", wrong.name(), "no/such/file.toml", right.name()];
    let Ended { code, stdout, stderr } = run(&arguments).await;
    assert_eq!(code, Some(1));
    assert!(stdout.starts_with(right.name()), "{stdout}");
    assert!(stderr.contains(&format!("{}:1:1: ", wrong.name())), "{stderr}");
    assert!(stderr.contains("buttplug: no/such/file.toml can't be read: "), "{stderr}");
}

#[tokio::test]
async fn a_file_that_is_no_definition_at_all_is_refused() {
    let file = File::new("bytes.toml", "");
    std::fs::write(file.path(), b"write = \"01\"\n# \xff\n").unwrap();
    let Ended { code, stderr, .. } = run(&["devices", "check", file.name()]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with(&format!("{}:2:3: ", file.name())), "{stderr}");
    let Ended { code, stderr, .. } = checked("long.toml", &"#".repeat(300_000)).await;
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("FILE:1:1: a definition has at most"), "{stderr}");
}

#[tokio::test]
async fn the_books_page_of_supported_devices_is_what_the_catalogue_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/supported-devices.md");
    let page = std::fs::read_to_string(page).unwrap_or_default();
    let now = program::run(&["devices", "--markdown"]).await.stdout;
    assert!(page == now, "cargo run -- devices --markdown > docs/src/supported-devices.md makes it anew");
}
