//! What can be done to a running engine, by mistake or on purpose: whoever behaves notices nothing, devices stay in
//! somebody's charge, memory stays bounded, and the log says what happened.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod clients;
mod devices;
#[path = "../program/mod.rs"]
mod program;
mod strangers;
#[cfg(target_os = "linux")]
mod system;

use program::{Engine, SOON, Socket, make_vibrate, user_file, vibrate};
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The index of the device that the good client drives.
const GOOD_DEVICE: u32 = 0;

/// An engine with a client and a device that behave.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) client_port: u16,
    pub(crate) device_port: u16,
    client: Socket,
    device: Socket,
    last: i32,
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        Self::of(name, program::command).await
    }

    /// The same with an engine that is started in another way.
    pub(crate) async fn of(name: &str, command: impl FnOnce(&[&str]) -> tokio::process::Command) -> Self {
        let file = user_file(&format!("abuse-{name}.json"));
        let arguments = [
            "--websocket-port=0",
            "--use-device-websocket-server",
            "--device-websocket-server-port=0",
            "--user-device-config-file",
            file.name(),
        ];
        let mut engine = Engine::of(command(&arguments));
        engine.files.push(file);
        let (client, device) = make_vibrate(&mut engine).await;
        let (client_port, device_port) = (engine.client_port().await, engine.device_port().await);
        Self { engine, client_port, device_port, client, device, last: 10 }
    }

    /// The good client drives its device, whose motor has been left alone meanwhile, and another client can come.
    pub(crate) async fn is_well(&mut self) {
        self.last = 10 + (self.last - 9) % 10;
        let wanted = format!("Vibrate:{};", self.last);
        assert_eq!(vibrate(&mut self.client, self.last).await.0, "Ok");
        let told = self.device.frames_until(&wanted).await;
        assert_eq!(told, [wanted], "nobody else told the device anything");
        let mut other = Socket::open(self.client_port).await;
        other.handshake().await;
        other.device(GOOD_DEVICE).await;
        assert_eq!(other.ask("Disconnect", json!({})).await.0, "Ok");
        assert!(self.engine.child.try_wait().expect("a child").is_none(), "it runs on");
    }

    /// Keeps the good client and its device alive while a future goes on.
    pub(crate) async fn meanwhile<T>(&mut self, abuse: impl Future<Output = T>) -> T {
        tokio::pin!(abuse);
        loop {
            match timeout(Duration::from_secs(1), &mut abuse).await {
                Ok(outcome) => return outcome,
                Err(_) => self.is_well().await,
            }
        }
    }

    /// Ends the engine in order, and answers the length of its log.
    #[cfg(unix)]
    pub(crate) async fn log_bytes(mut self) -> usize {
        self.engine.signal("TERM");
        assert_eq!(self.engine.end().await.code(), Some(0));
        self.engine.lines.iter().map(|line| line.len() + 1).sum()
    }

    /// Kilobytes in memory: now, and at the most so far. Zero where the system does not tell.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.engine.child.id().expect("running"));
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            line.trim().trim_end_matches(" kB").parse().expect("kilobytes")
        };
        (value("VmRSS:"), value("VmHWM:"))
    }
}

/// Many connections at once.
pub(crate) async fn connections(port: u16, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let connected = timeout(SOON, TcpStream::connect(("127.0.0.1", port))).await;
        streams.push(connected.expect("an answer").expect("an open port"));
    }
    streams
}
