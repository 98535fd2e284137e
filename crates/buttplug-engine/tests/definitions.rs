//! A person's own definitions at run time: a device that nobody knows is driven by a file, and by what becomes of it.

mod program;

use program::{Ended, Engine, Folder, Socket, run, user_file};
use serde_json::json;

/// A definition of what dials in as `homemade`, whose frames begin with this byte.
fn homemade(byte: &str) -> String {
    format!(
        "write = \"{byte} value\"\n\n[[websocket]]\nnames = [\"homemade\"]\n\n[[model]]\nfallback = \"My Device\"\n\
         features = [{{ vibrate = 100 }}]\n\n[[example]]\ndo = [\"vibrate 0 64\", \"stop\"]\n\
         write = [\"{byte} 40\", \"{byte} 00\"]\n"
    )
}

async fn serve(folder: &Folder, more: &[&str]) -> Engine {
    let mut arguments = vec!["--use-device-websocket-server", "--device-websocket-server-port", "0"];
    arguments.extend(["--device-definitions", folder.name()]);
    arguments.extend(more);
    Engine::start(&arguments).await
}

/// What is called `homemade` dials in.
async fn dial_in(engine: &mut Engine, address: &str) -> Socket {
    let mut device = Socket::open(engine.device_port().await).await;
    device.text(json!({"identifier": "homemade", "address": address, "version": 0}).to_string()).await;
    device
}

/// Sets the vibration of a device and hears what it is told.
async fn vibrate(client: &mut Socket, index: u32, value: i32, device: &mut Socket) -> Vec<u8> {
    let command = json!({"DeviceIndex": index, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": value}}});
    let (reply, content) = client.ask("OutputCmd", command).await;
    assert_eq!(reply, "Ok", "{content}");
    device.frame().await
}

#[tokio::test]
async fn a_device_nobody_knows_is_driven_by_a_file_then_by_its_new_version_and_never_by_a_wrong_one() {
    let folder = Folder::new("homemade");
    let file = folder.write("mine.toml", &homemade("f1"));
    let mut engine = serve(&folder, &[]).await;
    let line = engine.line_with(&format!("definition {file}: 1 model")).await;
    assert!(line.contains("INFO"), "{line}");
    let mut client = engine.client().await;
    client.handshake().await;
    client.ask("StartScanning", json!({})).await;
    let mut first = dial_in(&mut engine, "a1").await;
    assert_eq!(client.first_device().await, "My Device");
    assert_eq!(vibrate(&mut client, 0, 20, &mut first).await, [0xf1, 20]);

    folder.write("mine.toml", &homemade("f2"));
    engine.line_with(&format!("definition {file} has changed: 1 model")).await;
    let mut second = dial_in(&mut engine, "a2").await;
    client.device(1).await;
    assert_eq!(vibrate(&mut client, 1, 30, &mut second).await, [0xf2, 30]);
    assert_eq!(vibrate(&mut client, 0, 40, &mut first).await, [0xf1, 40], "what is connected stays as it is");

    folder.write("mine.toml", &homemade("f3").replace("f3 40", "f4 40"));
    let line = engine.line_with(&format!("{file}:11:7: ")).await;
    assert!(line.contains("WARN") && line.contains("gives f3 40; expected f4 40"), "{line}");
    engine.line_with("what it said before stays in use").await;
    // The device comes back, and so does what it is.
    drop(second);
    let mut second = dial_in(&mut engine, "a2").await;
    let rest = second.frame().await;
    assert_eq!(rest, [0xf2, 0], "it is told to rest first");
    client.device(1).await;
    assert_eq!(vibrate(&mut client, 1, 50, &mut second).await, [0xf2, 50]);
}

#[tokio::test]
async fn a_file_that_comes_later_is_taken_and_a_wrong_one_ends_nothing() {
    let folder = Folder::new("later");
    let wrong = folder.write("wrong.toml", "this is none");
    let user_file = user_file("later.json");
    let mut engine = serve(&folder, &["--user-device-config-file", user_file.name()]).await;
    engine.line_with(&format!("{wrong}:1:6: ")).await;
    let line = engine.line_with(&format!("definition {wrong} is wrong in 1 place and not used")).await;
    assert!(line.contains("WARN"), "{line}");
    let mut stranger = dial_in(&mut engine, "a1").await;
    assert!(stranger.close_code().await.is_some());
    let file = folder.write("mine.toml", &homemade("f1"));
    engine.line_with(&format!("definition {file}: 1 model")).await;
    let mut client = engine.client().await;
    client.handshake().await;
    let mut device = dial_in(&mut engine, "a1").await;
    client.first_device().await;
    assert_eq!(vibrate(&mut client, 0, 20, &mut device).await, [0xf1, 20]);
    // The rules of the user file hold with the new catalogue, too.
    let _lovense = program::lovense(engine.device_port().await).await;
    assert!(client.device(1).await.contains("Lovense"));
    std::fs::remove_file(&file).unwrap();
    engine.line_with(&format!("definition {file} is gone")).await;
    assert_eq!(vibrate(&mut client, 0, 30, &mut device).await, [0xf1, 30], "what is connected stays");
    let mut stranger = dial_in(&mut engine, "a3").await;
    assert!(stranger.close_code().await.is_some());
}

#[tokio::test]
async fn a_folder_that_is_not_there_ends_the_start_and_is_named() {
    let arguments = ["--websocket-port", "0", "--device-definitions", "no/such/folder"];
    let Ended { code, stderr, .. } = run(&arguments).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("no/such/folder") && stderr.contains("--device-definitions"), "{stderr}");
}

#[tokio::test]
async fn what_is_ones_own_is_listed_and_shown_like_what_is_built_in() {
    let folder = Folder::new("own");
    let file = folder.write("mine.toml", &homemade("f1"));
    let wrong = folder.write("wrong.toml", "x = 1");
    for place in [folder.name(), &file] {
        let Ended { code, stdout, stderr } =
            run(&["devices", "--device-definitions", place, "my device"]).await;
        assert_eq!(code, Some(0), "{stderr}");
        let words: Vec<&str> = stdout.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(words, ["My", "Device", "mine", "(own)", "websocket", "vibrate", "100"]);
        assert_eq!(stderr.contains(&format!("{wrong}:1:1: ")), place == folder.name(), "{stderr}");
    }
    let json = ["devices", "--json", "--device-definitions", folder.name(), "aneros vivi"];
    let listed: serde_json::Value = serde_json::from_str(&run(&json).await.stdout).unwrap();
    assert_eq!(listed["models"][0]["own"], false);
    let show = ["devices", "show", "mine", "vibrate 0 20", "--device-definitions", &file];
    let Ended { code, stdout, stderr } = run(&show).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "# mine: My Device (0: vibrate 100)\nvibrate 0 20\n  f1 14\n");
    let Ended { code, stderr, .. } = run(&["devices", "--device-definitions", "no/such/file.toml"]).await;
    assert_eq!(code, Some(0), "what is built in is there all the same");
    assert!(stderr.contains("no/such/file.toml can't be read"), "{stderr}");
}

#[tokio::test]
async fn a_check_says_who_else_claims_the_same_hardware_and_who_wins() {
    let folder = Folder::new("overlaps");
    let bluetooth = |names: &str, top: &str| {
        let rule = format!("[[bluetooth]]\nnames = [{names}]\nservices.ff00 = {{ tx = \"ff01\" }}");
        top.to_owned() + &homemade("f1").replace("[[websocket]]\nnames = [\"homemade\"]", &rule)
    };
    let (a, b) = (
        folder.write("a.toml", &bluetooth("\"LVS-*\", \"Same\", \"Mine-*\"", "")),
        folder.write("b.toml", &bluetooth("\"Same\", \"Mine-1\", \"Mine-2\"", "")),
    );
    let Ended { code, stdout, stderr } = run(&["devices", "check", folder.name()]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let expected = [
        format!("{a}: all is well: 1 model, 1 example"),
        format!("  {a}:3: `LVS-*` is also claimed by the built-in lovense; yours is tried first"),
        format!(
            "  {a}:3: `Mine-*` is also claimed by {b}; {b} is tried first: it says more about the hardware"
        ),
        format!("  {a}:3: `Same` is also claimed by {b}; {a} is tried first: its name comes first"),
        format!("{b}: all is well: 1 model, 1 example"),
    ];
    assert_eq!(stdout.lines().collect::<Vec<_>>(), expected);
    folder.write("a.toml", &bluetooth("\"Same\"", "before = [\"b\"]\n"));
    let Ended { code, stdout, .. } = run(&["devices", "check", &a, &b]).await;
    assert_eq!(code, Some(0));
    assert!(
        stdout
            .contains(&format!("{a}:4: `Same` is also claimed by {b}; {a} is tried first: it says `before`"))
    );
    folder.write("b.toml", &bluetooth("\"Same\"", "before = [\"a\"]\n"));
    let Ended { code, stderr, .. } = run(&["devices", "check", folder.name()]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("`a` and `b` are each to be tried before the other"), "{stderr}");
    let empty = Folder::new("empty");
    let Ended { code, stderr, .. } = run(&["devices", "check", empty.name()]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains(empty.name()), "{stderr}");
}
