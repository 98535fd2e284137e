//! A system that has no more to give.

use crate::program::{self, lovense_at};
use crate::{World, connections};
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
