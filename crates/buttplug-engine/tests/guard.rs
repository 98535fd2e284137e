//! Ends that no program can catch: whatever ran is stopped by the engine that comes after.
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "some tests need Unix"))]
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Engine, File, Folder, SOON, lovense, run, user_file, vibrate, vibrating};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const DEVICES: [&str; 3] =
    ["--use-device-websocket-server", "--device-websocket-server-port=0", "--websocket-port=0"];

/// A file about a device that does not come back.
const GONE: &str = r#"[{"bus": "websocket", "protocol": "lovense", "address": "gone"}]"#;

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// Waits until the file says that the device runs.
async fn written(file: &str) {
    let says = || std::fs::read_to_string(file).is_ok_and(|text| text.contains("A1B2C3D4E5F6"));
    until("the file that says what runs", says).await;
}

#[cfg(unix)]
#[tokio::test]
async fn an_engine_that_starts_after_one_that_died_stops_what_ran_and_then_serves() {
    let folder = Folder::new("died");
    let path = folder.path_of("running.json");
    let (mut engine, _client, device) = vibrating("died.json", &["--stop-first", &path]).await;
    written(&path).await;
    engine.signal("KILL");
    engine.end().await;
    drop(device);

    let file = user_file("died-next.json");
    let more = ["--user-device-config-file", file.name(), "--stop-first", &path];
    let mut next = Engine::start_with(&[&DEVICES[..], &more].concat()).await;
    let mut device = lovense(next.device_port().await).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    let mut client = next.client().await;
    client.handshake().await;
    next.line_with("every device that ran when the engine died has been stopped").await;
    until("nothing runs", || !Path::new(&path).exists()).await;
    // What a client sets in motion now is somebody's, and is written down again.
    client.first_device().await;
    assert_eq!(vibrate(&mut client, 5).await.0, "Ok");
    written(&path).await;
    next.signal("TERM");
    next.end().await;
    assert!(!Path::new(&path).exists(), "it ended in order");
}

#[tokio::test]
async fn clients_do_not_wait_for_ever_for_a_device_that_does_not_come_back() {
    let file = File::new("gone.json", GONE);
    let mut engine = Engine::start_with(&[&DEVICES[..], &["--stop-first", file.name()]].concat()).await;
    engine.line_with("stopping them first").await;
    engine.line_with("not found so far, the search goes on").await;
    engine.client().await.handshake().await;
    let counted = || std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains(r#""sought":1"#));
    until("it still counts as running, and as sought in vain", counted).await;
}

/// The same, as somebody has sought it in vain before.
fn sought(times: u8, address: &str) -> String {
    format!(
        r#"[{{"bus":"websocket","protocol":"lovense","identifier":"Z","address":"{address}","sought":{times}}}]"#
    )
}

#[tokio::test]
async fn nobody_waits_for_a_device_that_was_sought_in_vain_and_it_is_stopped_when_it_comes() {
    let (file, mine) = (File::new("vain.json", &sought(1, "A1B2C3D4E5F6")), user_file("vain-mine.json"));
    let more = ["--user-device-config-file", mine.name(), "--stop-first", file.name()];
    let mut engine = Engine::start_with(&[&DEVICES[..], &more].concat()).await;
    let start = Instant::now();
    let mut client = engine.client().await;
    client.handshake().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let mut device = lovense(engine.device_port().await).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    until("nothing runs", || !file.path().exists()).await;
    // What runs now has not been sought.
    client.first_device().await;
    assert_eq!(vibrate(&mut client, 5).await.0, "Ok");
    let anew = || {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        text.contains("A1B2C3D4E5F6") && !text.contains("sought")
    };
    until("it is somebody's", anew).await;
}

#[tokio::test]
async fn nobody_waits_for_a_device_where_no_flag_looks() {
    let elsewhere = sought(0, "gone").replace("websocket", "serial");
    let file = File::new("elsewhere.json", &elsewhere);
    let mut engine = Engine::start_with(&[&DEVICES[..], &["--stop-first", file.name()]].concat()).await;
    let start = Instant::now();
    engine.client().await.handshake().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let more = ["--only-stop", "--stop-first", file.name()];
    let start = Instant::now();
    let ended = run(&[&DEVICES[..], &more].concat()).await;
    assert_eq!(ended.code, Some(70), "it may run on: {ended:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let text = std::fs::read_to_string(file.path()).expect("the file");
    assert!(text.contains("serial") && !text.contains("sought"), "it is for who can find it: {text}");
}

#[tokio::test]
async fn an_engine_that_can_not_start_ends_soon_after_its_parent_though_it_looks_for_what_ran() {
    let file = File::new("refused-parent.json", GONE);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("a port").port().to_string();
    let more = ["--websocket-port", &port, "--stop-first", file.name(), "--stop-with-parent"];
    let mut engine = Engine::with_input(&[&DEVICES[..2], &more].concat()).await;
    engine.line_with("in use").await;
    let start = Instant::now();
    drop(engine.child.stdin.take());
    assert_eq!(engine.end().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let text = std::fs::read_to_string(file.path()).expect("the file");
    assert!(!text.contains("sought"), "that was no whole search: {text}");
}

#[cfg(unix)]
#[tokio::test]
async fn who_waits_for_a_device_that_does_not_come_back_can_be_told_to_end() {
    let file = File::new("end.json", GONE);
    let mut engine = Engine::start_with(&[&DEVICES[..], &["--stop-first", file.name()]].concat()).await;
    engine.line_with("stopping them first").await;
    let start = Instant::now();
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_broken_file_is_named_and_keeps_nobody_from_being_served() {
    let file = File::new("broken-running.json", "[{");
    let mut engine = Engine::start_with(&[&DEVICES[..], &["--stop-first", file.name()]].concat()).await;
    engine.client().await.handshake().await;
    let line = engine.line_with(file.name()).await;
    assert!(line.contains("ERROR") && line.contains("nobody knows which devices ran"), "{line}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_engine_that_can_not_start_stops_what_ran_though_nobody_reads_why() {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    let (_unread, mut full) = std::os::unix::net::UnixStream::pair().expect("sockets");
    full.set_nonblocking(true).expect("a socket");
    while full.write(&[0; 1024]).is_ok() {}
    full.set_nonblocking(false).expect("a socket");
    let folder = Folder::new("nobody-reads");
    let ran =
        r#"[{"bus": "websocket", "protocol": "lovense", "identifier": "Z", "address": "A1B2C3D4E5F6"}]"#;
    let (running, mine) = (folder.write("running.json", ran), user_file("nobody-reads.json"));
    let missing = folder.path_of("missing");
    let more = ["--user-device-config-file", mine.name(), "--stop-first", &running];
    let mut command = program::command(&[&DEVICES[..], &more, &["--device-definitions", &missing]].concat());
    command.stderr(OwnedFd::from(full));
    let mut engine = Engine::of(command);
    let mut device = lovense(engine.device_port().await).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    assert_eq!(engine.end().await.code(), Some(1));
    assert!(!Path::new(&running).exists(), "nothing runs");
}

#[cfg(unix)]
#[tokio::test]
async fn whoever_only_stops_devices_ends_also_where_a_file_of_the_settings_never_does() {
    let folder = Folder::new("only-stop");
    let (running, pipe) = (folder.write("running.json", GONE), folder.path_of("token"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let more = ["--only-stop", "--stop-first", &running, "--token-file", &pipe];
    let ended = run(&[&DEVICES[..], &more].concat()).await;
    assert_eq!(ended.code, Some(70), "{ended:?}");
}

#[tokio::test]
async fn a_guard_whose_engine_can_not_start_ends_with_the_same_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("a port").port().to_string();
    let ended = run(&["--guard", "--websocket-port", &port]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use"), "{}", ended.stderr);
}

/// Where the system tells who a process's children are.
#[cfg(target_os = "linux")]
mod guarded {
    use super::*;
    use crate::program::signal;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    /// The longest that a device may run after its engine has died.
    const MUST_REST: Duration = Duration::from_secs(2);

    /// The engine that this guard looks after.
    async fn engine_of(guard: &Engine) -> u32 {
        let id = guard.child.id().expect("running");
        let path = format!("/proc/{id}/task/{id}/children");
        let children = move || std::fs::read_to_string(&path).unwrap_or_default();
        until("an engine", || !children().trim().is_empty()).await;
        let id = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("a list");
        id.trim().parse().expect("one engine")
    }

    #[tokio::test]
    async fn an_engine_that_is_killed_leaves_no_device_running() {
        let (mut guard, mut client, mut device) = vibrating("killed.json", &["--guard"]).await;
        for how in ["KILL", "ABRT", "ILL"] {
            let engine = engine_of(&guard).await;
            let files = guard.home.join("buttplug");
            written(&files.join("running-any.json").to_string_lossy()).await;
            let start = Instant::now();
            signal(engine, how);
            drop((client, device));
            guard.new_line_with("stopping them first").await;
            let listening = guard.lines.iter().rposition(|line| line.contains("listening for clients"));
            let stopping = guard.lines.iter().rposition(|line| line.contains("stopping them first"));
            assert!(listening < stopping, "clients wait: {:#?}", guard.lines);
            let port = guard.last_device_port();
            device = lovense(port).await;
            assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"], "SIG{how}");
            assert!(start.elapsed() < MUST_REST, "SIG{how}: {:?}", start.elapsed());
            let port = guard.new_client_port().await;
            client = program::Socket::open(port).await;
            client.handshake().await;
            client.first_device().await;
            assert_eq!(vibrate(&mut client, 10).await.0, "Ok");
            device.frames_until("Vibrate:10;").await;
        }
        guard.signal("TERM");
        assert_eq!(device.frames_until_close().await.first().map(String::as_str), Some("Vibrate:0;"));
        assert_eq!(guard.end().await.code(), Some(0));
        let said = guard.stderr().await;
        assert_eq!(said.matches("the engine died").count(), 3, "{said}");
    }

    #[tokio::test]
    async fn a_guard_whose_starter_wants_to_hear_of_no_children_hears_of_its_engine() {
        let file = user_file("no-children.json");
        let starter = ["env", "--ignore-signal=CHLD"];
        let more = ["--user-device-config-file", file.name(), "--guard"];
        let command = program::command_under(&starter, &[&DEVICES[..], &more].concat());
        let mut guard = Engine::of(command);
        let (client, device) = program::make_vibrate(&mut guard).await;
        let running = guard.home.join("buttplug/running-any.json");
        written(&running.to_string_lossy()).await;
        signal(engine_of(&guard).await, "KILL");
        drop((client, device));
        comes_back_and_is_stopped(&mut guard).await;
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
        let said = guard.stderr().await;
        assert!(said.contains("the engine died (signal: 9 (SIGKILL))"), "{said}");
    }

    #[tokio::test]
    async fn what_ends_the_guard_ends_its_engine_in_order() {
        for how in ["TERM", "INT", "HUP", "QUIT", "KILL"] {
            let name = format!("guard-{how}.json");
            let (mut guard, mut client, mut device) = vibrating(&name, &["--guard"]).await;
            guard.signal(how);
            let frames = device.frames_until_close().await;
            let zeros = !frames.is_empty() && frames.iter().all(|frame| frame == "Vibrate:0;");
            assert!(zeros, "SIG{how}: {frames:?}");
            assert_eq!(client.close_code().await, Some(CloseCode::Away), "SIG{how}");
            let status = guard.end().await;
            assert_eq!(status.code(), (how != "KILL").then_some(0), "SIG{how}");
        }
    }

    /// As `nohup` starts it: what a shell sends to both when its terminal is closed is ignored.
    #[tokio::test]
    async fn a_guard_and_its_engine_that_shall_outlive_their_session_do() {
        let starter = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
        let mut guard = Engine::of(program::command_under(&starter, &["--websocket-port", "0", "--guard"]));
        let mut client = guard.client().await;
        client.handshake().await;
        let engine = engine_of(&guard).await;
        guard.signal("HUP");
        signal(engine, "HUP");
        for _ in 0..3 {
            assert_eq!(client.ask("Ping", serde_json::json!({})).await.0, "Ok");
        }
        assert_eq!(engine_of(&guard).await, engine, "it is still the same");
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
        assert!(!guard.lines.iter().any(|line| line.contains("SIGHUP")), "{:#?}", guard.lines);
    }

    /// The device comes back to the port for devices that is opened next, and is told to rest.
    async fn comes_back_and_is_stopped(guard: &mut Engine) {
        guard.new_line_with("listening for devices address=127.0.0.1:").await;
        let mut device = lovense(guard.last_device_port()).await;
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    }

    #[tokio::test]
    async fn an_engine_that_can_no_longer_start_stops_what_ran() {
        let definitions = Folder::new("no-start");
        let more = ["--guard", "--device-definitions", definitions.name()];
        let (mut guard, client, device) = vibrating("no-start.json", &more).await;
        let running = guard.home.join("buttplug/running-any.json");
        written(&running.to_string_lossy()).await;
        std::fs::remove_dir_all(definitions.name()).expect("removed");
        signal(engine_of(&guard).await, "KILL");
        drop((client, device));
        guard.new_line_with("(--device-definitions)").await;
        comes_back_and_is_stopped(&mut guard).await;
        until("nothing runs", || !running.exists()).await;
        // What was in the way can be mended while the guard tries.
        std::fs::create_dir(definitions.name()).expect("made");
        let port = guard.new_client_port().await;
        program::Socket::open(port).await.handshake().await;
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
    }

    #[tokio::test]
    async fn a_guard_that_is_told_to_end_stops_what_a_dead_or_hanging_engine_left_running() {
        let (mut guard, client, device) = vibrating("hangs-at-end.json", &["--guard"]).await;
        let running = guard.home.join("buttplug/running-any.json");
        written(&running.to_string_lossy()).await;
        signal(engine_of(&guard).await, "STOP");
        guard.signal("TERM");
        drop((client, device));
        comes_back_and_is_stopped(&mut guard).await;
        assert_eq!(guard.end().await.code(), Some(70));
        assert!(!running.exists(), "nothing runs");
        let said = guard.stderr().await;
        assert!(said.contains("devices may be running"), "{said}");
    }

    #[tokio::test]
    async fn a_device_that_was_out_of_reach_when_the_engine_ended_in_order_is_looked_for_by_the_guard() {
        for ends in ["guard", "engine"] {
            let name = format!("out-of-reach-{ends}.json");
            let (mut guard, _client, device) = vibrating(&name, &["--guard"]).await;
            let running = guard.home.join("buttplug/running-any.json");
            written(&running.to_string_lossy()).await;
            drop(device);
            guard.new_line_with("device gone").await;
            match ends {
                "guard" => guard.signal("TERM"),
                _ => signal(engine_of(&guard).await, "TERM"),
            }
            comes_back_and_is_stopped(&mut guard).await;
            assert_eq!(guard.end().await.code(), Some(0), "{ends}");
            assert!(!running.exists(), "{ends}: nothing runs");
        }
    }

    #[tokio::test]
    async fn what_is_still_to_be_stopped_is_stopped_though_the_guard_is_killed_with_its_group() {
        let file = user_file("group.json");
        let more = ["--user-device-config-file", file.name(), "--guard"];
        let mut command = program::command(&[&DEVICES[..], &more].concat());
        std::os::unix::process::CommandExt::process_group(command.as_std_mut(), 0);
        let mut guard = Engine::of(command);
        let (client, device) = program::make_vibrate(&mut guard).await;
        let running = guard.home.join("buttplug/running-any.json");
        written(&running.to_string_lossy()).await;
        signal(engine_of(&guard).await, "STOP");
        guard.signal("TERM");
        drop((client, device));
        guard.new_line_with("listening for devices address=127.0.0.1:").await;
        let group = i32::try_from(guard.child.id().expect("running")).expect("an id");
        let killed = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::SIGKILL);
        killed.expect("a group");
        let mut device = lovense(guard.last_device_port()).await;
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
        assert_eq!(guard.end().await.code(), None, "it was killed");
        assert!(!running.exists(), "nothing runs");
    }

    #[tokio::test]
    async fn an_engine_is_started_again_though_the_file_of_the_program_is_gone() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let link = folder.join(format!("buttplug-gone-{}", std::process::id()));
        let _ = std::fs::remove_file(&link);
        std::fs::hard_link(env!("CARGO_BIN_EXE_buttplug"), &link).expect("a link");
        let file = user_file("file-gone.json");
        // The program comes last in what is started; the link stands for it.
        let starter = ["sh", "-c", "shift; exec \"$0\" \"$@\"", link.to_str().expect("a plain path")];
        let more = ["--user-device-config-file", file.name(), "--guard"];
        let mut guard = Engine::of(program::command_under(&starter, &[&DEVICES[..], &more].concat()));
        let (client, device) = program::make_vibrate(&mut guard).await;
        written(&guard.home.join("buttplug/running-any.json").to_string_lossy()).await;
        std::fs::remove_file(&link).expect("a link");
        signal(engine_of(&guard).await, "KILL");
        drop((client, device));
        comes_back_and_is_stopped(&mut guard).await;
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
    }

    /// Starts a program of the same owner as another one.
    fn at_home(home: &Path, arguments: &[&str]) -> Engine {
        let mut command = program::command(arguments);
        for folder in ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"] {
            command.env(folder, home);
        }
        Engine::of(command)
    }

    #[tokio::test]
    async fn a_guard_waits_for_the_engine_of_one_that_was_killed_to_leave_the_port() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("a port").port().to_string();
        drop(free);
        let file = user_file("port.json");
        let mut arguments = vec!["--guard", "--websocket-port=0", "--user-device-config-file", file.name()];
        arguments.extend(["--use-device-websocket-server", "--device-websocket-server-port", &port]);
        let mut guard = Engine::start_with(&arguments).await;
        // A device that does not say goodbye holds up the end for a while.
        let (client, device) = program::make_vibrate(&mut guard).await;
        guard.signal("KILL");
        let mut next = at_home(&guard.home, &arguments);
        next.client().await.handshake().await;
        next.signal("TERM");
        assert_eq!(next.end().await.code(), Some(0));
        drop((client, device));
    }

    #[tokio::test]
    async fn a_guard_takes_over_what_one_left_running_that_was_killed_with_its_engine() {
        let (mut guard, client, device) = vibrating("both-killed.json", &["--guard"]).await;
        let home = guard.home.clone();
        written(&home.join("buttplug/running-any.json").to_string_lossy()).await;
        let engine = engine_of(&guard).await;
        // The engine first: it ends in order when its guard is gone.
        signal(engine, "STOP");
        guard.signal("KILL");
        signal(engine, "KILL");
        guard.end().await;
        drop((client, device));
        let file = user_file("both-killed-next.json");
        let more = ["--user-device-config-file", file.name(), "--guard", "--rest-api-port=0"];
        let mut next = at_home(&home, &[&DEVICES[..], &more].concat());
        comes_back_and_is_stopped(&mut next).await;
        next.line_with("every device that ran when the engine died has been stopped").await;
        next.signal("TERM");
        assert_eq!(next.end().await.code(), Some(0));
    }

    #[tokio::test]
    async fn searches_in_vain_cost_one_start_and_one_end_some_time_and_no_further_ones() {
        let folder = Folder::new("vain");
        let running = Path::new(folder.name()).join("buttplug/running-any.json");
        std::fs::create_dir(running.parent().expect("a folder")).expect("a folder");
        // Clients have waited for it once.
        std::fs::write(&running, sought(1, "gone")).expect("a file");
        let elsewhere = folder.path_of("buttplug/running-rest-1.json");
        let serial = sought(0, "elsewhere").replace("websocket", "serial");
        std::fs::write(&elsewhere, &serial).expect("a file");
        for looks in [true, false, false] {
            let mut guard = at_home(Path::new(folder.name()), &[&DEVICES[..], &["--guard"]].concat());
            guard.client().await.handshake().await;
            guard.signal("TERM");
            assert_eq!(guard.end().await.code(), Some(0));
            let said = guard.stderr().await;
            assert_eq!(said.contains("devices may be running"), looks, "{said}");
            assert_eq!(said.contains("it is not sure that they rest"), looks, "{said}");
            assert_eq!(std::fs::read_to_string(&running).expect("it is still named"), sought(2, "gone"));
        }
        assert_eq!(std::fs::read_to_string(&elsewhere).expect("it is for who can reach it"), serial);
    }

    #[tokio::test]
    async fn a_guard_looks_for_nothing_at_its_end_where_no_flag_looks() {
        let folder = Folder::new("no-flag");
        let running = Path::new(folder.name()).join("buttplug/running-any.json");
        std::fs::create_dir(running.parent().expect("a folder")).expect("a folder");
        std::fs::write(&running, sought(0, "elsewhere").replace("websocket", "serial")).expect("a file");
        let mut guard = at_home(Path::new(folder.name()), &[&DEVICES[..], &["--guard"]].concat());
        guard.client().await.handshake().await;
        guard.signal("TERM");
        assert_eq!(guard.end().await.code(), Some(0));
        assert_eq!(guard.stderr().await, "");
        assert!(running.exists(), "it is still named");
    }

    #[tokio::test]
    async fn a_guard_and_its_engine_hear_also_what_their_starter_had_held_back() {
        use nix::sys::signal::{SigSet, Signal};
        let mut held_back = SigSet::empty();
        held_back.add(Signal::SIGTERM);
        // This thread starts it.
        held_back.thread_block().expect("a set of signals");
        let mut guard = Engine::start_with(&[&DEVICES[..], &["--guard"]].concat()).await;
        held_back.thread_unblock().expect("a set of signals");
        guard.client_port().await;
        signal(engine_of(&guard).await, "TERM");
        assert_eq!(guard.end().await.code(), Some(0));
    }

    #[tokio::test]
    async fn an_engine_that_ends_in_order_ends_its_guard() {
        let (mut guard, _client, mut device) = vibrating("order.json", &["--guard"]).await;
        signal(engine_of(&guard).await, "TERM");
        assert_eq!(device.frames_until_close().await.first().map(String::as_str), Some("Vibrate:0;"));
        assert_eq!(guard.end().await.code(), Some(0));
        assert_eq!(guard.stderr().await, "");
    }
}
