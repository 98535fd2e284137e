//! The question about a web page, at a terminal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod program;

use program::{Engine, Folder, SOON, command, command_under, knock};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

const PAGE: &str = "https://player.example";

/// The person's side of a terminal.
struct Terminal {
    screen: File,
    seen: String,
}

impl Terminal {
    /// A terminal and the program in it.
    fn with_engine(home: &Folder) -> (Self, Engine) {
        Self::with_engine_under(&[], home.name())
    }

    /// A terminal, and in it another program that starts this one, with the settings in this folder.
    fn with_engine_under(starter: &[&str], home: &str) -> (Self, Engine) {
        Self::with(starter, &[], home)
    }

    fn with(starter: &[&str], flags: &[&str], home: &str) -> (Self, Engine) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = File::options().read(true).write(true).open(name).unwrap();
        let mut command = command_under(starter, &[&["serve", "--websocket-port", "0"], flags].concat());
        for folder in ["XDG_CONFIG_HOME", "HOME"] {
            command.env(folder, home);
        }
        command.stdin(OwnedFd::from(program.try_clone().unwrap())).stderr(OwnedFd::from(program));
        (Self { screen: File::from(person), seen: String::new() }, Engine::of(command))
    }

    /// Reads up to this text.
    async fn shows(mut self, text: &'static str) -> Self {
        let read = spawn_blocking(move || {
            let mut bytes = [0; 256];
            while !self.seen.contains(text) {
                let count = self.screen.read(&mut bytes).unwrap();
                self.seen += &String::from_utf8_lossy(&bytes[..count]);
            }
            self.seen.clear();
            self
        });
        timeout(SOON, read).await.unwrap_or_else(|_| panic!("no {text:?} in time")).unwrap()
    }

    fn types(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).unwrap();
    }
}

fn page_knocks(port: u16) -> JoinHandle<(u16, String)> {
    tokio::spawn(async move { knock(port, "/", &[("Origin", PAGE)]).await })
}

async fn status(knocking: JoinHandle<(u16, String)>) -> u16 {
    knocking.await.unwrap().0
}

#[tokio::test]
async fn the_person_is_asked_and_always_is_written_down() {
    let home = Folder::new("terminal-always");
    let (mut terminal, mut engine) = Terminal::with_engine(&home);
    let port = engine.client_port().await;
    terminal.types("always\n");
    let page = page_knocks(port);
    let mut terminal = terminal.shows("[n]o: ").await;
    // Others are served meanwhile.
    assert_eq!(knock(port, "/", &[]).await.0, 101);
    terminal.types("what?\n");
    let mut terminal = terminal.shows("once, always or no? ").await;
    terminal.types("always\n");
    assert_eq!(status(page).await, 101);
    assert_eq!(status(page_knocks(port)).await, 101);
    let mut command = command(&["allow"]);
    for folder in ["XDG_CONFIG_HOME", "HOME"] {
        command.env(folder, home.name());
    }
    let listed = command.output().await.unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), format!("{PAGE}\n"));
}

/// The terminal controls both, in the foreground. The engine has a socket of its guard's for its input.
#[tokio::test]
async fn the_person_is_asked_by_a_guarded_engine_and_by_the_next_one_too() {
    let home = Folder::new("terminal-guard");
    let (terminal, mut guard) = Terminal::with(&["setsid", "--ctty"], &["--guard"], home.name());
    let port = guard.client_port().await;
    let page = page_knocks(port);
    let mut terminal = terminal.shows("[n]o: ").await;
    terminal.types("once\n");
    assert_eq!(status(page).await, 101);
    assert_eq!(status(page_knocks(port)).await, 101);
    let id = guard.child.id().unwrap();
    let engine = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    program::signal(engine.trim().parse().unwrap(), "KILL");
    let page = page_knocks(guard.new_client_port().await);
    let mut terminal = terminal.shows("[n]o: ").await;
    terminal.types("no\n");
    assert_eq!(status(page).await, 403);
    guard.signal("TERM");
    assert_eq!(guard.end().await.code(), Some(0));
}

#[tokio::test]
async fn always_that_can_not_be_written_down_lets_the_page_in_this_time_and_says_so() {
    // Not even root writes there.
    let (terminal, mut engine) = Terminal::with_engine_under(&[], "/proc/self/no");
    let port = engine.client_port().await;
    let page = page_knocks(port);
    let mut terminal = terminal.shows("[n]o: ").await;
    terminal.types("always\n");
    assert_eq!(status(page).await, 101);
    let line = engine.line_with("only until the program ends").await;
    assert!(line.contains("/proc/self/no/buttplug/allowed-origins.toml: it can't be written"), "{line}");
    assert_eq!(status(page_knocks(port)).await, 101, "as it said");
}

#[tokio::test]
async fn no_is_no_until_the_program_ends() {
    let home = Folder::new("terminal-no");
    let (terminal, mut engine) = Terminal::with_engine(&home);
    let port = engine.client_port().await;
    let page = page_knocks(port);
    let mut terminal = terminal.shows("[n]o: ").await;
    terminal.types("n\n");
    assert_eq!(status(page).await, 403);
    assert_eq!(status(page_knocks(port)).await, 403);
}

#[tokio::test]
async fn a_question_does_not_hold_up_the_end() {
    let home = Folder::new("terminal-end");
    let (terminal, mut engine) = Terminal::with_engine(&home);
    let page = page_knocks(engine.client_port().await);
    let _terminal = terminal.shows("[n]o: ").await;
    engine.signal("TERM");
    assert_eq!(engine.end().await.code(), Some(0));
    page.abort();
}

/// The shell of `setsid --ctty` has the terminal for its own, and the program for a job of it in the background.
#[tokio::test]
async fn a_terminal_that_suspends_who_writes_in_the_background_suspends_no_engine() {
    const JOB: &str = "set -m; stty tostop; timeout --foreground -s KILL 60 \"$@\" & echo \"job $!\"; wait";
    for flags in [&[][..], &["--guard"]] {
        let home = Folder::new("terminal-background");
        let starter = ["setsid", "--ctty", "sh", "-c", JOB, "sh"];
        let (terminal, mut engine) = Terminal::with(&starter, flags, home.name());
        let job = engine.line_with("job ").await;
        let port = engine.client_port().await;
        let page = page_knocks(port);
        let _terminal = terminal.shows("[n]o: ").await;
        assert_eq!(knock(port, "/", &[]).await.0, 101, "it goes on");
        program::signal(job.trim_start_matches("job ").parse().unwrap(), "TERM");
        assert_eq!(engine.end().await.code(), Some(0), "{flags:?}");
        page.abort();
    }
}
