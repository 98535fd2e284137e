//! The program under test as a process: started as a launcher would, asked to end with SIGTERM. Knows its flags and its
//! user file, nothing of its insides.

use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::run::{Context as _, Outcome};

/// The name under which devices dial in; the user file ties it to the Lovense protocol.
pub(crate) const DEVICE_IDENTIFIER: &str = "XtaskDevice";

/// The name the engine is told to give itself.
pub(crate) const SERVER_NAME: &str = "Engine under test";

/// Longest wait for both ports after the start, and for the end after SIGTERM. Launchers kill after 3 to 5 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running engine. Dropping it ends it the hard way.
pub(crate) struct Engine {
    child: Child,
    log: PathBuf,
    /// Just before the program was executed.
    pub(crate) started: Instant,
    pub(crate) client_port: u16,
    pub(crate) device_port: u16,
}

impl Engine {
    /// Starts `program` with both ports on loopback. Its user file and its log are put into `folder`. Returns at once;
    /// see [`Engine::wait_for_ports`].
    pub(crate) fn start(program: &Path, folder: &Path, more: &[&str]) -> Outcome<Self> {
        Self::start_in(program, folder, more, &[])
    }

    /// The same in an environment with these variables.
    pub(crate) fn start_in(
        program: &Path,
        folder: &Path,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Outcome<Self> {
        fs::create_dir_all(folder).context(&folder.display().to_string())?;
        let user_file = folder.join("user-devices.json");
        let rule = json!({ "communication": [{ "websocket": { "name": DEVICE_IDENTIFIER } }] });
        let content = json!({
            "version": { "major": 5, "minor": 0 },
            "user_configs": { "protocols": { "lovense": rule } },
        });
        fs::write(&user_file, content.to_string()).context(&user_file.display().to_string())?;
        let log = folder.join("engine.log");
        let output = File::create(&log).context(&log.display().to_string())?;
        let errors = output.try_clone().context("can't use the log twice")?;
        let (client_port, device_port) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(["--websocket-port", &client_port.to_string()])
            .args([
                "--use-device-websocket-server",
                "--device-websocket-server-port",
                &device_port.to_string(),
            ])
            .arg("--user-device-config-file")
            .arg(&user_file)
            .args(["--server-name", SERVER_NAME])
            // What whoever runs this has set for themselves plays no part.
            .arg("--no-config")
            .args(more)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let started = Instant::now();
        let child = command.spawn().context(&format!("can't start {}", program.display()))?;
        Ok(Self { child, log, started, client_port, device_port })
    }

    /// Waits until both ports take connections, as launchers do: by connecting and closing.
    pub(crate) fn wait_for_ports(&mut self) -> Outcome {
        let until = Instant::now() + PATIENCE;
        for port in [self.client_port, self.device_port] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                if let Some(status) = self.child.try_wait().context("can't look at the engine")? {
                    return Err(format!("the engine ended at once ({status}); {}", self.last_words()));
                }
                if Instant::now() > until {
                    return Err(format!("the engine does not listen on port {port}; {}", self.last_words()));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process that serves, where the one that was started only guards it.
    pub(crate) fn guarded(&self) -> Outcome<u32> {
        let pid = self.pid();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(&path).context(&path)?;
        children.trim().parse().context(&format!("the guard's children are {children:?}"))
    }

    /// Waits until it says that so many devices run, in the file that a guard has kept in `$XDG_RUNTIME_DIR`, which is to be
    /// the folder that it was started with.
    pub(crate) fn wait_for_running(&self, devices: usize) -> Outcome {
        let folder = self.log.parent().unwrap_or(Path::new("."));
        let file = folder.join("buttplug").join(format!("running-{}.json", self.client_port));
        let until = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let running: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
            if running.len() == devices {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{} does not name {devices} devices: {text:?}", file.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end with SIGTERM and waits for that.
    pub(crate) fn terminate(&mut self) -> Outcome<ExitStatus> {
        signal(self.pid(), "TERM")?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("can't look at the engine")? {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err("the engine does not end after SIGTERM".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The end of its log, for a message about a failure.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut last: Vec<&str> = log.lines().rev().take(12).collect();
        last.reverse();
        format!("the end of {}:\n{}", self.log.display(), last.join("\n"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Both fail only if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(process: u32, name: &str) -> Outcome {
    let (name, process) = (format!("-{name}"), process.to_string());
    let told = Command::new("kill").args([&name, &process]).status().context("can't start kill")?;
    if told.success() { Ok(()) } else { Err("can't signal the engine".to_owned()) }
}

/// A port that nothing listens on. Below the range from which systems take outgoing ports: someone who retries there
/// until a listener comes up would otherwise now and then meet himself.
pub(crate) fn free_port() -> Outcome<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
        // On either loopback: the engine listens on both. A machine may well have no second one.
        let taken = |address: IpAddr| {
            TcpListener::bind((address, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
        };
        if !taken(Ipv4Addr::LOCALHOST.into()) && !taken(Ipv6Addr::LOCALHOST.into()) {
            return Ok(port);
        }
    }
    Err("no free port on loopback".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_free_ports_differ_even_before_anyone_listens() {
        assert_ne!(free_port(), free_port());
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_last_words() {
        let folder = std::env::temp_dir().join(format!("xtask-engine-{}", std::process::id()));
        let this = std::env::current_exe().unwrap();
        // A test program does not know these flags: it complains and ends.
        let mut engine = Engine::start(&this, &folder, &[]).unwrap();
        let failure = engine.wait_for_ports().unwrap_err();
        assert!(failure.contains("ended at once"), "{failure}");
        assert!(failure.contains("websocket-port"), "{failure}");
        fs::remove_dir_all(folder).unwrap();
    }
}
