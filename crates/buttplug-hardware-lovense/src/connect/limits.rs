//! The bounds of Lovense Connect, decided in one place.

use std::time::Duration;

/// The least time between two commands to a toy. The app's server is a weak one; toys take no more than that anyway.
pub const COMMAND_GAP: Duration = Duration::from_millis(100);

/// How often an app is asked for its toys while one of them is connected. Its server falls over if it is asked more often,
/// so all toys behind an app share the question.
pub const POLL_TIME: Duration = Duration::from_secs(1);

/// How often toys are looked for during a search.
pub const PASS_TIME: Duration = Duration::from_secs(10);

/// How long an app may take for the list of its toys. After that it counts as silent.
pub const LIST_TIME: Duration = Duration::from_secs(4);

/// How often in a row an app may be silent that has a toy in use. Then it counts as gone, and so do its toys. A toy whose app
/// is not heard may run on, so it is not given up for one answer that got lost.
pub const MAX_SILENCES: u32 = 3;

/// How long an app may take for a command. A stop waits for one command before it at most.
pub const WRITE_TIME: Duration = Duration::from_secs(2);

/// How long the directory of apps may take; it is on the Internet.
pub const DIRECTORY_TIME: Duration = Duration::from_secs(8);

/// Bytes of an answer. A list of as many toys as one radio can hold has about a kilobyte.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Apps that are known at the same time.
pub const MAX_HOSTS: usize = 16;

/// Toys of one app. A phone's radio holds seven connections.
pub const MAX_TOYS: usize = 32;

/// Bytes of a toy's id and of its name: they are kept, compared, logged, and the id is part of every command.
pub const MAX_NAME_BYTES: usize = 64;

/// Commands to a toy that wait while one is under way, as many as hardware has to take.
pub const MAX_WAITING_WRITES: usize = 64;

/// How long things take. Apart from tests nobody has a reason for others than these.
#[derive(Clone, Copy, Debug)]
pub struct ConnectTimes {
    /// See [`POLL_TIME`].
    pub poll: Duration,
    /// See [`PASS_TIME`].
    pub pass: Duration,
    /// See [`LIST_TIME`].
    pub list: Duration,
    /// See [`WRITE_TIME`].
    pub write: Duration,
    /// See [`DIRECTORY_TIME`].
    pub directory: Duration,
}

impl Default for ConnectTimes {
    fn default() -> Self {
        Self {
            poll: POLL_TIME,
            pass: PASS_TIME,
            list: LIST_TIME,
            write: WRITE_TIME,
            directory: DIRECTORY_TIME,
        }
    }
}
