//! A system that has no more to give.

use crate::program::{self, knock, lovense_at};
use crate::{World, connections};
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;
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
