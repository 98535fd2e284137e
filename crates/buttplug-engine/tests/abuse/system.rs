//! A system that has no more to give.

use crate::program::{self, Engine, Folder, SOON, knock, lovense_at};
use crate::{World, connections};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::time::sleep;

/// The engine, started by a shell that has set its limits.
fn limited(limit: &str, arguments: &[&str]) -> Command {
    let plain = program::command(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
        .arg(plain.as_std().get_program())
        .args(arguments);
    for (name, value) in plain.as_std().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn descriptors_that_run_out_cost_no_port_and_no_client() {
    let mut world = World::of("descriptors", |arguments| limited("ulimit -n 64", arguments)).await;
    for (port, address) in [(world.client_port, "first"), (world.device_port, "second")] {
        let crowd = connections(port, 100).await;
        sleep(Duration::from_millis(300)).await;
        drop(crowd);
        lovense_at(world.device_port, address).await;
        world.is_well().await;
    }
}

#[tokio::test]
async fn a_full_disk_costs_no_command_and_no_old_file() {
    let mut world = World::of("full", |arguments| limited("ulimit -f 0", arguments)).await;
    let file = world.engine.files[0].path().to_owned();
    let before = std::fs::read_to_string(&file).expect("the file");
    world.engine.line_with("can't be written").await;
    lovense_at(world.device_port, "another").await;
    world.is_well().await;
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), before);
}

/// The files in a folder with their lengths, by which a save shows.
fn look(folder: &Folder) -> Vec<(OsString, u64)> {
    let entries = fs::read_dir(folder.name()).expect("the folder").filter_map(Result::ok);
    // One that is replaced at this moment is gone.
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len()))).collect();
    files.sort_unstable();
    files
}

/// Starts an engine with this user file, and a device that is new; kills it when so many looks at the folder have been taken
/// since the save began that comes of it.
async fn cut_off(folder: &Folder, file: &str, address: &str, looks: usize) {
    let port = ["--use-device-websocket-server", "--device-websocket-server-port=0"];
    let mut engine = Engine::start(&[&["--user-device-config-file", file], &port[..]].concat()).await;
    let mut client = engine.client().await;
    client.handshake().await;
    assert_eq!(client.ask("StartScanning", json!({})).await.0, "Ok");
    let before = look(folder);
    let device = lovense_at(engine.device_port().await, address).await;
    let until = Instant::now() + SOON;
    while look(folder) == before {
        assert!(Instant::now() < until, "nothing is saved");
    }
    for _ in 0..looks {
        look(folder);
    }
    engine.child.start_kill().expect("running");
    engine.end().await;
    drop(device);
}

/// Once killed, the next one has to start with what is left.
#[tokio::test]
async fn a_save_that_is_cut_off_by_a_kill_leaves_the_old_file_or_the_new_one() {
    const ROUNDS: usize = 12;
    let folder = Folder::new("cut-off");
    // So much that it is written in more than a moment.
    let mine = "# mine\n".repeat(30_000);
    let rule = "[[protocol.lovense.websocket]]\nnames = [\"LVSDevice\"]\n";
    let own = folder.write("devices.toml", &(mine.clone() + rule));
    let rule = json!({"lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]}});
    let odd = json!({"odd": mine, "version": {"major": 5, "minor": 0}, "user_configs": {"protocols": rule}});
    let earlier = folder.write("user.json", &odd.to_string());
    let mut saved = 0;
    for round in 0..ROUNDS {
        let address = format!("round-{round}");
        let looks = (1 << round) / 2;
        let before = fs::read_to_string(&own).expect("text");
        cut_off(&folder, &own, &address, looks).await;
        let after = fs::read_to_string(&own).expect("text");
        let added = after.strip_prefix(&before).expect("what stood there stands there");
        let is_entry = added.contains(&address) && added.contains("\nindex = ") && added.ends_with('\n');
        assert!(added.is_empty() || is_entry, "round {round}: {added:?}");
        saved += usize::from(!added.is_empty());

        let devices = || {
            let text = fs::read_to_string(&earlier).expect("text");
            let file: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(file["odd"], mine.as_str(), "round {round}");
            file["user_configs"]["devices"].as_array().cloned().unwrap_or_default()
        };
        let before = devices();
        cut_off(&folder, &earlier, &address, looks).await;
        let after = devices();
        assert!(after.starts_with(&before) && after.len() <= before.len() + 1, "round {round}: {after:?}");
    }
    println!("{saved} of {ROUNDS} saves were done");
}

#[tokio::test]
async fn a_folder_that_can_not_be_written_costs_no_command() {
    let command = |arguments: &[&str]| {
        let mut command = program::command(arguments);
        // Not even root writes there.
        command.args(["--stop-first", "/proc/self/no/running.json"]);
        command
    };
    let mut world = World::of("folder", command).await;
    world.engine.line_with("/proc/self/no/running.json can't be written").await;
    world.is_well().await;
}

#[tokio::test]
async fn a_user_file_where_nothing_can_be_written_costs_no_command() {
    let command = |arguments: &[&str]| {
        let (path, others) = arguments.split_last().expect("the user file");
        // Read through the program's own input: there is something to read there, and not even root can put anything in its
        // place or beside it.
        let file = File::open(path).expect("the user file");
        std::fs::remove_file(path).expect("the user file");
        let mut command = program::command(others);
        command.arg("/proc/self/fd/0").stdin(file);
        command
    };
    let mut world = World::of("user-file", command).await;
    let line = world.engine.line_with("devices that are new may get other indexes next time").await;
    assert!(line.contains("WARN") && line.contains("/proc/self/fd/0: it can't be written"), "{line}");
    lovense_at(world.device_port, "another").await;
    world.is_well().await;
}

#[tokio::test]
async fn a_folder_of_settings_that_can_not_be_written_costs_no_command_and_lets_in_no_page() {
    const PAGE: &str = "https://player.example";
    let at_home = |arguments: &[&str]| {
        let mut command = program::command(arguments);
        command.env("XDG_CONFIG_HOME", "/proc/self/no");
        command
    };
    let strict = |arguments: &[&str]| at_home(&[&["serve"], arguments].concat());
    let mut world = World::of("settings", strict).await;
    let allow = at_home(&["allow", PAGE]).output().await.expect("it starts");
    assert_eq!(allow.status.code(), Some(1), "{allow:?}");
    let said = String::from_utf8_lossy(&allow.stderr);
    assert!(said.contains("/proc/self/no/buttplug/allowed-origins.toml: it can't be written"), "{said}");
    for port in [world.client_port, world.device_port] {
        assert_eq!(knock(port, "/", &[("Origin", PAGE)]).await.0, 403);
    }
    world.is_well().await;
}
