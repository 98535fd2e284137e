//! `buttplug config import`: from a file of an earlier engine to one of our own.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Ended, File, run};
use std::fs;

const EARLIER: &str = r#"{"version": {"major": 3}, "user-configs": {
    "protocols": {"lovense": {"communication": [{"websocket": {"names": ["LVSDevice"]}}, {"never-heard-of": 5}]}},
    "devices": [{"identifier": {"protocol": "lovense", "identifier": "W", "address": "A1"},
        "config": {"user-config": {"index": 7, "allow": false, "deny": true, "display-name": "Blue one"}}}]}}"#;

async fn import(arguments: &[&str]) -> Ended {
    run(&[&["config", "import"], arguments].concat()).await
}

#[tokio::test]
async fn a_file_is_printed_with_what_could_not_be_converted_as_a_comment() {
    let earlier = File::new("printed.json", EARLIER);
    let Ended { code, stdout, stderr } = import(&[earlier.name()]).await;
    assert_eq!(code, Some(0), "{stderr}");
    for line in
        ["address = \"A1\"", "index = 7", "name = \"Blue one\"", "deny = true", "#   \"never-heard-of\": 5"]
    {
        assert!(stdout.lines().any(|printed| printed == line), "{line} is not in\n{stdout}");
    }
    assert_eq!(
        stderr,
        "buttplug: not converted: a rule of protocol lovense: rules of the kind never-heard-of are unknown\n"
    );
    assert_eq!(fs::read_to_string(earlier.path()).unwrap(), EARLIER);
}

#[tokio::test]
async fn a_file_is_written_and_nothing_is_replaced_unless_that_is_asked_for() {
    let earlier = File::new("written.json", EARLIER);
    let output = File::new("written.toml", "mine");
    let Ended { code, stderr, .. } = import(&[earlier.name(), "--output", output.name()]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains(output.name()) && stderr.contains("--force"), "{stderr}");
    assert_eq!(fs::read_to_string(output.path()).unwrap(), "mine");

    let Ended { code, stdout, stderr } =
        import(&[earlier.name(), "--output", output.name(), "--force"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout, format!("{}: 1 device\n", output.name()));
    assert!(fs::read_to_string(output.path()).unwrap().contains("deny = true"));

    let folder = output.path().with_extension("folder");
    let deeper = folder.join("devices.toml");
    let Ended { code, stderr, .. } = import(&[earlier.name(), "--output", deeper.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(fs::read(&deeper).unwrap(), fs::read(output.path()).unwrap());
    fs::remove_dir_all(folder).unwrap();

    let Ended { code, stderr, .. } = import(&[earlier.name(), "--output", earlier.name(), "--force"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("it is the file that is converted"), "{stderr}");
    assert_eq!(fs::read_to_string(earlier.path()).unwrap(), EARLIER);
}

#[tokio::test]
async fn a_file_that_is_no_user_file_is_named_with_the_reason() {
    let other = File::new("other.json", "[[device]]\naddress = \"a\"\n");
    let Ended { code, stdout, stderr } = import(&[other.name()]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(&format!("{} can't be converted: line 1, column", other.name())), "{stderr}");
    let Ended { code, stderr, .. } = import(&["no/such/file.json"]).await;
    assert_eq!((code, stderr.as_str()), (Some(1), "buttplug: there is no file no/such/file.json\n"));
}

#[tokio::test]
async fn what_is_kept_beside_a_file_is_converted_with_it() {
    let earlier = File::new("with.json", EARLIER);
    let beside = File::new("with.json.devices.toml", "[[device]]\naddress = \"B2\"\nindex = 9\n");
    let Ended { code, stdout, stderr } = import(&[earlier.name()]).await;
    assert_eq!(code, Some(0), "{stderr}");
    for line in ["address = \"A1\"", "index = 7", "address = \"B2\"", "index = 9"] {
        assert!(stdout.lines().any(|printed| printed == line), "{line} is not in\n{stdout}");
    }
    fs::write(beside.path(), "[[").unwrap();
    let Ended { code, stdout, stderr } = import(&[earlier.name()]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(beside.name()) && stderr.contains("line 1"), "{stderr}");
}
