//! Which ways a statement is tried on, and on which clock. Knows no messages.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A way between a client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Frames of JSON in memory; the clock is paused.
    Memory,
    /// Frames of JSON over a WebSocket on the loopback interface; the clock is the real one.
    Socket,
    /// Messages of version 4 as values, over the connector for one process; the clock is paused.
    InProcess,
}

use Transport::{InProcess, Memory, Socket};

impl Transport {
    fn runtime(self) -> Runtime {
        Builder::new_current_thread().enable_all().start_paused(self != Socket).build().unwrap()
    }

    /// What a time in a statement may exceed. On a real clock the machine may be busy with something else.
    pub(crate) fn slack(self) -> Duration {
        Duration::from_millis(if self == Socket { 5000 } else { 1 })
    }
}

/// Tries a statement of version 4 that is about what messages mean: as JSON, and as values.
pub(crate) fn on_every_way(statement: impl AsyncFn(Transport) + Sync) {
    try_on(&[Memory, Socket, InProcess], statement);
}

/// Tries a statement that is about JSON, or about a version that is only spoken in JSON.
pub(crate) fn in_json(statement: impl AsyncFn(Transport) + Sync) {
    try_on(&[Memory, Socket], statement);
}

/// Tries a statement that is about sockets.
pub(crate) fn on_a_socket(statement: impl AsyncFn(Transport) + Sync) {
    try_on(&[Socket], statement);
}

/// All at the same time, each in a thread of its own, whose name a failure shows.
fn try_on(ways: &[Transport], statement: impl AsyncFn(Transport) + Sync) {
    thread::scope(|scope| {
        let statement = &statement;
        let start = |way: Transport| {
            let named = thread::Builder::new().name(format!("{way:?}"));
            named.spawn_scoped(scope, move || way.runtime().block_on(statement(way))).unwrap()
        };
        let threads: Vec<_> = ways.iter().copied().map(start).collect();
        for thread in threads {
            if let Err(failure) = thread.join() {
                resume_unwind(failure);
            }
        }
    });
}
