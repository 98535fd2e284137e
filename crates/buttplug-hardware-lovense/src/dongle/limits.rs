//! The bounds of the dongle, decided in one place.

use std::time::Duration;

/// The least time between two writes to a toy. It is a Bluetooth link in the end, and the dongle takes about ten commands a
/// second.
pub const MESSAGE_GAP: Duration = Duration::from_millis(75);

/// How long the dongle is left alone after it was asked for its status. Whatever comes sooner locks it up.
pub const PROBE_TIME: Duration = Duration::from_millis(250);

/// How long a toy is left alone after a search. A command that comes sooner gets lost.
pub const SETTLE_TIME: Duration = Duration::from_millis(600);

/// How long the end of a search is waited for once the dongle has found a toy. It has it by then, whatever it says.
pub const CONNECT_TIME: Duration = Duration::from_secs(3);

/// After which time a search is told to end once more that goes on although it was told to.
pub(crate) const STOP_AGAIN: Duration = Duration::from_millis(500);

/// How often a search is told to end once more.
pub(crate) const MAX_STOPS: u32 = 3;

/// How often a dongle is looked for while a search is wanted and there is none.
pub const FIND_TIME: Duration = Duration::from_secs(2);

/// How long the dongle is listened to before it is looked whether there is something to tell it, while a toy is there. Four
/// to the message gap cost a hundred short calls a second, and only then.
pub const READ_TIME: Duration = Duration::from_millis(10);

/// The same while no toy is there.
pub(crate) const IDLE_READ_TIME: Duration = Duration::from_millis(100);

/// How long a call waits for the dongle's thread to have written.
pub const DONGLE_WRITE_TIME: Duration = Duration::from_secs(2);

/// How long the end of the dongle's thread is waited for. The operating system may hold it up in a call.
pub(crate) const END_TIME: Duration = Duration::from_secs(2);

/// How long a serial port has to say that it is a dongle.
pub(crate) const HELLO_TIME: Duration = Duration::from_millis(500);

/// How long a serial dongle may take to take some more of a line. What it does not take by then it never will.
pub(crate) const SERIAL_WRITE_TIME: Duration = Duration::from_millis(500);

/// Requests that wait for the dongle's thread: as many writes as hardware has to take, and what else there is.
pub const MAX_REQUESTS: usize = 72;

/// Bytes of a line. A toy's longest answer has about a hundred; what is longer is dropped.
pub const MAX_LINE_BYTES: usize = 4096;

/// Bytes of a toy's id. Real ones have twelve.
pub(crate) const MAX_ID_BYTES: usize = 64;

/// The least time between two rounds in which commands are said again of which the dongle says that they did not arrive. Each
/// of a round's commands may get lost again, which is one more reason for the next round and not for several.
pub const RESEND_PAUSE: Duration = Duration::from_millis(500);

/// How many such rounds there are at most without a new command: a minute's worth. By then a toy that is out of reach is gone
/// for the dongle, too.
pub const MAX_RESENDS: u32 = 120;

/// After which time without a lost command the rounds are counted anew.
pub(crate) const RESEND_CALM: Duration = Duration::from_secs(5);

/// How long the dongle may take to say that a command did not arrive.
pub(crate) const ANSWER_TIME: Duration = Duration::from_millis(400);

/// How long the dongle's thread stays for that at its end, rounds included. Shorter than [`END_TIME`].
pub(crate) const LAST_TIME: Duration = Duration::from_millis(1500);

/// Commands that are remembered for that, one of each name. The toy with the most has four.
pub(crate) const MAX_REMEMBERED: usize = 16;
