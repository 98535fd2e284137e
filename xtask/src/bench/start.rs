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

pub(crate) fn handshakes(program: &Path, folder: &Path) -> Outcome<Starts> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let mut engine = Engine::start(program, folder, &[])?;
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
