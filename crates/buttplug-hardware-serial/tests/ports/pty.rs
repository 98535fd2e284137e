//! A pseudo-terminal that plays a port: a link with a name that lasts, and behind it whatever is plugged in.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serial2::SerialPort;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the hardware's thread looks for bytes at a time.
const POLL: Duration = Duration::from_millis(10);

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A port that can be plugged in and out.
pub(crate) struct Pty {
    link: PathBuf,
    hardware: Option<Hardware>,
    unheard: Vec<u8>,
}

struct Hardware {
    master: Arc<SerialPort>,
    arrived: mpsc::UnboundedReceiver<Vec<u8>>,
    flags: Arc<Flags>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Flags {
    stalled: AtomicBool,
    ended: AtomicBool,
}

impl Pty {
    /// A port of a name of its own, with nothing behind it.
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let link = std::env::temp_dir().join(format!("buttplug-port-{}-{number}", std::process::id()));
        let _ = std::fs::remove_file(&link);
        Self { link, hardware: None, unheard: Vec::new() }
    }

    pub(crate) fn plugged() -> Self {
        let mut pty = Self::new();
        pty.plug();
        pty
    }

    pub(crate) fn name(&self) -> String {
        self.link.to_str().unwrap().to_owned()
    }

    pub(crate) fn plug(&mut self) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let terminal = ptsname(&master, Vec::new()).unwrap();
        symlink(Path::new(terminal.to_str().unwrap()), &self.link).unwrap();
        let mut master = SerialPort::from(master);
        master.set_read_timeout(POLL).unwrap();
        let (master, flags) = (Arc::new(master), Arc::new(Flags::default()));
        let (sender, arrived) = mpsc::unbounded_channel();
        let thread = std::thread::spawn({
            let (master, flags) = (Arc::clone(&master), Arc::clone(&flags));
            move || run(&master, &flags, &sender)
        });
        self.hardware = Some(Hardware { master, arrived, flags, thread: Some(thread) });
    }

    /// Pulls it out. Whoever has it open sees that it is gone.
    pub(crate) fn unplug(&mut self) {
        self.hardware = None;
        self.unheard.clear();
        let _ = std::fs::remove_file(&self.link);
    }

    pub(crate) async fn arrived(&mut self) -> Vec<u8> {
        self.hardware.as_mut().unwrap().arrived.recv().await.expect("the port is open")
    }

    /// Waits for as many bytes as `expected` has, and compares. What came behind them is for the next time.
    pub(crate) async fn hears(&mut self, expected: &[u8]) {
        let mut got = std::mem::take(&mut self.unheard);
        let all = async {
            while got.len() < expected.len() {
                got.extend(self.arrived().await);
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), all).await;
        self.unheard = got.split_off(got.len().min(expected.len()));
        assert_eq!((String::from_utf8_lossy(&got), in_time), (String::from_utf8_lossy(expected), Ok(())));
    }

    pub(crate) fn say(&self, data: &[u8]) {
        self.hardware.as_ref().unwrap().master.write_all(data).unwrap();
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.hardware.as_ref().unwrap().flags.stalled.store(stalled, Ordering::Release);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.unplug();
    }
}

impl Drop for Hardware {
    fn drop(&mut self) {
        self.flags.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(master: &SerialPort, flags: &Flags, arrived: &mpsc::UnboundedSender<Vec<u8>>) {
    let mut buffer = [0; 512];
    while !flags.ended.load(Ordering::Acquire) {
        if flags.stalled.load(Ordering::Acquire) {
            std::thread::sleep(POLL);
            continue;
        }
        match master.read(&mut buffer) {
            Ok(length) => drop(arrived.send(buffer[..length].to_vec())),
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            // Nobody has it open.
            Err(_) => std::thread::sleep(POLL),
        }
    }
}
