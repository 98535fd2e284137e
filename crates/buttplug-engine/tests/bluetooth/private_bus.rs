//! A D-Bus daemon of the test's own, as the program finds it when it looks for the system's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// As open as the system's is to its services.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
  </policy>
</busconfig>
"#;

/// A running daemon. Dropping it ends it.
pub(crate) struct PrivateBus {
    daemon: Child,
    pub(crate) address: String,
}

impl PrivateBus {
    /// Starts one; `None` on machines without dbus-daemon, which have no use for these tests.
    pub(crate) fn start() -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("buttplug-bus-{}-{number}.conf", std::process::id()));
        std::fs::write(&path, CONFIGURATION).expect("a temporary file");
        let daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", path.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It complains of limits that it may not raise.
            .stderr(Stdio::null())
            .spawn();
        let mut daemon = match daemon {
            Ok(daemon) => daemon,
            Err(error) => {
                println!("skipped: no dbus-daemon ({error})");
                return None;
            }
        };
        let mut address = String::new();
        let output = daemon.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut address).expect("an address");
        // It has been read; that it stays is no harm.
        let _ = std::fs::remove_file(&path);
        // Without the daemon's id: programs compare addresses as texts.
        let address = address.trim().split(",guid=").next().unwrap_or_default().to_owned();
        assert!(!address.is_empty(), "dbus-daemon did not start");
        Some(Self { daemon, address })
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // Both fail only if it has ended already, which is what is wanted.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
