//! From exec to the first answered handshake, as a launcher sees it that can't wait: it knocks until the door opens.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::socket::Socket;
use crate::engine::Engine;
use crate::run::Outcome;

const RUNS: usize = 15;

/// Nobody waits longer for a port.
const PATIENCE: Duration = Duration::from_secs(5);

/// The times of all runs, sorted.
pub(crate) struct Starts(Vec<Duration>);

impl Starts {
    pub(crate) fn median_ms(&self) -> f64 {
        self.0[self.0.len() / 2].as_secs_f64() * 1000.0
    }

    pub(crate) fn best_ms(&self) -> f64 {
        self.0[0].as_secs_f64() * 1000.0
    }
}

/// Everything that a person can have on at the same time, on this machine.
const EVERYTHING: &[&str] = &[
    "--guard",
    "--rest-api-port=0",
    "--frontend-websocket-port=0",
    "--tls-self-signed",
    "--log-format=json",
    "--max-run=60",
    "--use-bluetooth-le",
    "--use-serial",
    "--use-hid",
    "--use-gamepads",
    "--use-lovense-dongle",
];

/// With nothing on but the two ports.
pub(crate) fn handshakes(program: &Path, folder: &Path) -> Outcome<Starts> {
    measure(program, folder, &[])
}

/// With everything on. The first run makes a certificate, which later ones find.
pub(crate) fn handshakes_with_everything(program: &Path, folder: &Path) -> Outcome<Starts> {
    let log = format!("--log-file={}", folder.join("everything.log").display());
    measure(program, folder, &[EVERYTHING, &[&log]].concat())
}

fn measure(program: &Path, folder: &Path, more: &[&str]) -> Outcome<Starts> {
    let mut times = Vec::with_capacity(RUNS);
    let home = folder.display().to_string();
    let environment = ["HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"].map(|name| (name, &*home));
    for _ in 0..RUNS {
        let mut engine = Engine::start_in(program, folder, more, &environment)?;
        let stream = loop {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, engine.client_port)) {
                break stream;
            }
            if engine.started.elapsed() > PATIENCE {
                return Err(format!("nobody listens; {}", engine.last_words()));
            }
        };
        Socket::upgrade(stream)?.hello()?;
        times.push(engine.started.elapsed());
        engine.terminate()?;
    }
    times.sort();
    Ok(Starts(times))
}
