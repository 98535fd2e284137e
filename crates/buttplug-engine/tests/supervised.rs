//! Whoever looks after the program, as it hears of it: a socket in the place of systemd's, and the guard with an engine
//! that hangs.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod program;

use program::{Engine, Folder, SOON, lovense, run, signal, vibrating};
use rustix::io::retry_on_intr;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

const DEVICES: [&str; 3] =
    ["--use-device-websocket-server", "--device-websocket-server-port=0", "--websocket-port=0"];

/// What systemd would be.
struct Systemd(UnixDatagram);

impl Systemd {
    fn at(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(SOON)).expect("a socket");
        set_socket_passcred(&socket, true).expect("a socket");
        Self(socket)
    }

    fn in_folder(folder: &Folder) -> (Self, String) {
        let path = folder.path_of("notify");
        (Self::at(UnixDatagram::bind(&path).expect("a socket")), path)
    }

    /// What it hears next, and from which process.
    fn hear(&self) -> (String, u32) {
        let mut text = [0; 256];
        let mut space = [MaybeUninit::uninit(); 128];
        let mut extra = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut text)];
        // Signals come in between when an engine is stopped, goes on or ends.
        let received = retry_on_intr(|| recvmsg(&self.0, &mut into, &mut extra, RecvFlags::empty()));
        let received = received.expect("word in time");
        let sender = extra.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_nonzero().get()),
            _ => None,
        });
        let text = String::from_utf8(text[..received.bytes].to_vec()).expect("text");
        (text, sender.and_then(|sender| sender.try_into().ok()).expect("the sender"))
    }

    /// The next thing it hears that is no sign of life.
    fn news(&self) -> (String, u32) {
        loop {
            let (text, sender) = self.hear();
            if text != "WATCHDOG=1\n" {
                return (text, sender);
            }
        }
    }

    /// Whether a sign of life comes within this time, behind what has come so far.
    fn is_there_life(&self, within: Duration) -> bool {
        self.0.set_nonblocking(true).expect("a socket");
        while self.0.recv(&mut [0; 256]).is_ok() {}
        self.0.set_nonblocking(false).expect("a socket");
        self.0.set_read_timeout(Some(within)).expect("a socket");
        let heard = loop {
            match self.0.recv(&mut [0; 256]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.is_ok(),
            }
        };
        self.0.set_read_timeout(Some(SOON)).expect("a socket");
        heard
    }
}

#[tokio::test]
async fn systemd_is_told_that_the_ports_are_open_and_that_the_end_has_begun() {
    let folder = Folder::new("notify");
    let (systemd, path) = Systemd::in_folder(&folder);
    let mut engine = Engine::start_in(&DEVICES, &[("NOTIFY_SOCKET", &path)]).await;
    assert_eq!(systemd.hear(), ("READY=1\n".into(), engine.child.id().expect("running")));
    engine.client().await.handshake().await;
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    assert_eq!(systemd.hear().0, "STOPPING=1\n");
    assert!(!systemd.is_there_life(Duration::from_millis(1)), "nobody asked for signs of life");
}

#[tokio::test]
async fn systemd_is_found_by_a_name_that_is_in_no_folder() {
    let name = format!("buttplug-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let systemd = Systemd::at(UnixDatagram::bind_addr(&address).expect("a socket"));
    let _engine = Engine::start_in(&DEVICES, &[("NOTIFY_SOCKET", &format!("@{name}"))]).await;
    assert_eq!(systemd.hear().0, "READY=1\n");
}

#[tokio::test]
async fn an_engine_that_can_not_start_never_says_that_it_is_ready() {
    let folder = Folder::new("unready");
    let (systemd, path) = Systemd::in_folder(&folder);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("a port").port().to_string();
    for guard in [&[][..], &["--guard"]] {
        let mut command = program::command(&[guard, &["--websocket-port", &port]].concat());
        let status = command.env("NOTIFY_SOCKET", &path).status().await.expect("it runs");
        assert_eq!(status.code(), Some(1));
        systemd.0.set_nonblocking(true).expect("a socket");
        let mut text = [0; 256];
        while let Ok(length) = systemd.0.recv(&mut text) {
            assert_eq!(&text[..length], b"STOPPING=1\n");
        }
    }
}

#[tokio::test]
async fn a_socket_that_is_of_no_use_costs_a_line_of_the_log_and_one_that_nobody_reads_nothing() {
    let mut engine = Engine::start_in(&DEVICES, &[("NOTIFY_SOCKET", "vsock:2:1")]).await;
    engine.line_with("NOTIFY_SOCKET is not understood").await;
    engine.client().await.handshake().await;
    let folder = Folder::new("unread");
    let (systemd, path) = Systemd::in_folder(&folder);
    // As much as the system takes.
    let crowd = UnixDatagram::unbound().expect("a socket");
    crowd.set_nonblocking(true).expect("a socket");
    while crowd.send_to(b"x", &path).is_ok() {}
    let often = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "20000")];
    let mut engine = Engine::start_in(&DEVICES, &often).await;
    engine.client().await.handshake().await;
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    drop(systemd);
}

#[tokio::test]
async fn systemd_hears_from_an_engine_as_often_as_it_wants_and_nothing_from_one_that_hangs() {
    let folder = Folder::new("watchdog");
    let (systemd, path) = Systemd::in_folder(&folder);
    let wants = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "200000")];
    let engine = Engine::start_in(&DEVICES, &wants).await;
    assert_eq!(systemd.news().0, "READY=1\n");
    for _ in 0..3 {
        assert!(systemd.is_there_life(SOON));
    }
    engine.signal("STOP");
    // It may have been about to say it.
    systemd.is_there_life(Duration::from_millis(100));
    assert!(!systemd.is_there_life(Duration::from_millis(500)));
    engine.signal("CONT");
    assert!(systemd.is_there_life(SOON));
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The engine that this guard looks after, once it is another than this.
async fn engine_of(guard: &Engine, other: u32) -> u32 {
    let id = guard.child.id().expect("running");
    let engine = || {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.trim().parse().ok().filter(|engine| *engine != other)
    };
    until("an engine", || engine().is_some()).await;
    engine().expect("an engine")
}

#[tokio::test]
async fn systemd_hears_from_the_guard_which_is_the_process_that_it_started() {
    let folder = Folder::new("guard-notify");
    let (systemd, path) = Systemd::in_folder(&folder);
    let wants = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "200000")];
    let mut guard = Engine::start_in(&[&DEVICES[..], &["--guard"]].concat(), &wants).await;
    let id = guard.child.id().expect("running");
    assert_eq!(systemd.news(), ("READY=1\n".into(), id));
    guard.line_with("listening for clients").await;
    // It is alive while its engine is dead and another one begins.
    let engine = engine_of(&guard, 0).await;
    signal(engine, "KILL");
    guard.new_line_with("the engine before this one died").await;
    assert_eq!(systemd.hear().1, id, "only the guard speaks");
    assert!(systemd.is_there_life(SOON));
    guard.signal("TERM");
    let ending = loop {
        let (text, sender) = systemd.news();
        assert_eq!(sender, id, "only the guard speaks");
        if text != "READY=1\n" {
            break text;
        }
    };
    assert_eq!(ending, "STOPPING=1\n");
    assert_eq!(guard.end().await.code(), Some(0));
}

#[tokio::test]
async fn an_engine_that_hangs_is_replaced_and_its_device_stopped() {
    let more = ["--guard", "--max-hang", "1"];
    let (mut guard, client, device) = vibrating("hangs.json", &more).await;
    let engine = engine_of(&guard, 0).await;
    let file = guard.home.join("buttplug/running-any.json");
    until("the file that says what runs", || file.exists()).await;
    // Told to stand still, it does what one does that goes round in an endless loop: nothing.
    signal(engine, "STOP");
    let start = Instant::now();
    let line = guard.new_line_with("the engine before this one died").await;
    assert!(line.contains("it hung for 1 s and was killed"), "{line}");
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}: too hasty", start.elapsed());
    drop((client, device));
    guard.new_line_with("stopping them first").await;
    let mut device = lovense(guard.last_device_port()).await;
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    assert_ne!(engine_of(&guard, engine).await, engine);
    guard.signal("TERM");
    assert_eq!(guard.end().await.code(), Some(0));
}

#[tokio::test]
async fn an_engine_that_is_busy_for_a_while_is_left_alone() {
    let more = ["--guard", "--max-hang", "2"];
    let (guard, _client, mut device) = vibrating("busy.json", &more).await;
    let engine = engine_of(&guard, 0).await;
    signal(engine, "STOP");
    tokio::time::sleep(Duration::from_millis(800)).await;
    signal(engine, "CONT");
    // Longer than it may hang, counted from its last sign of life before.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(engine_of(&guard, 0).await, engine);
    guard.signal("TERM");
    assert_eq!(device.frames_until_close().await.first().map(String::as_str), Some("Vibrate:0;"));
}

#[tokio::test]
async fn patience_has_its_bounds() {
    for wrong in ["0", "3601", "soon"] {
        assert_eq!(run(&["--guard", "--max-hang", wrong]).await.code, Some(1), "{wrong}");
    }
}
