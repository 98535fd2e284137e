//! The bounds of the device port, decided in one place.

use buttplug_websocket::{ListenerLimits, SocketLimits};
use std::time::Duration;

/// The least time between two writes to a device that dialled in. A device at rest is written at once, so this costs
/// nothing then; a busy one gets its newest state 20 times a second, half as often again as over Bluetooth. It bounds
/// what a flood costs, here and on a microcontroller behind a weak link. Protocols that can do better say so
/// themselves, as T-Code does with 20 ms.
pub const MESSAGE_GAP: Duration = Duration::from_millis(50);

/// Devices connected at the same time, those that the server has not taken yet included.
pub const MAX_DEVICES: usize = 1000;

/// Connections with one address, the newest and those before it that have not ended yet: hardware that loses its link again
/// and again has three or four of them.
pub const MAX_LINES: usize = 8;

/// Connections beyond [`MAX_DEVICES`] of which a newer one has taken the place.
pub const MAX_REPLACED: usize = 64;

/// Bytes of a message of a device. A longer one ends the connection with code 1009.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The same for a Bluetooth device behind a bridge. Radio links carry a write at most every few tens of milliseconds; what
/// comes faster queues up in the bridge's system, and a stop would wait behind it.
pub const BRIDGED_BLUETOOTH_GAP: Duration = Duration::from_millis(75);

/// Bytes of a greeting. Room for a bridge to list what its radio sees: three hundred characteristics.
pub const MAX_GREETING_BYTES: usize = 16 * 1024;

/// Bytes of a bridge's message after its greeting. Room for 4000 bytes from the hardware; Bluetooth has 512 at most.
pub const MAX_BRIDGE_MESSAGE_BYTES: usize = 8 * 1024;

/// Requests that one bridge may leave unanswered: as many writes as hardware has to take, and what else there is.
pub const MAX_REQUESTS: usize = 72;

/// Bytes of a name, an identifier, an address and a port's name: they are kept, compared and logged.
pub const MAX_NAME_BYTES: usize = 256;

/// How long a device may take to greet after the upgrade. Until then it is an unfinished connection and bounded as
/// such: 64 in all, 16 from one source.
pub const GREETING_TIME: Duration = Duration::from_secs(5);

/// How long a device waits for the server to open or refuse it. The server decides from its catalogue, at once.
pub const PENDING_TIME: Duration = Duration::from_secs(10);

/// How long a write may take. The device does not read by then.
pub const WRITE_TIME: Duration = Duration::from_secs(5);

/// How long a bridge may take for the answer to a request, as the port's protocol says. A stop waits for none.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Silence after which a device is pinged. Twice that of a client: a device that is gone moves nothing any more, and
/// pinging hundreds of them is the only work of a server at rest.
pub const PING_AFTER: Duration = Duration::from_secs(10);

/// Silence after which a device counts as gone, pings included.
pub const LOST_AFTER: Duration = Duration::from_secs(15);

/// Bytes that may be queued for a device that reads slowly. Frames are tens of bytes, and the next one is written when
/// the last has gone.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024;

/// Bounds of a [`DialInBus`](crate::DialInBus).
#[derive(Clone, Copy, Debug)]
pub struct DialInLimits {
    /// See [`MAX_DEVICES`].
    pub max_devices: usize,
    /// See [`GREETING_TIME`].
    pub greeting_time: Duration,
    /// See [`PENDING_TIME`].
    pub pending_time: Duration,
    /// See [`WRITE_TIME`].
    pub write_time: Duration,
    /// See [`ANSWER_TIME`].
    pub answer_time: Duration,
    /// Bounds of the port and of the sockets.
    pub listener: ListenerLimits,
}

impl Default for DialInLimits {
    fn default() -> Self {
        let socket = SocketLimits {
            max_message: MAX_MESSAGE_BYTES,
            max_queued: MAX_QUEUED_BYTES,
            // Devices say little, and there may be many of them.
            read_buffer: 1024,
            ping_after: PING_AFTER,
            lost_after: LOST_AFTER,
            ..SocketLimits::default()
        };
        Self {
            max_devices: MAX_DEVICES,
            greeting_time: GREETING_TIME,
            pending_time: PENDING_TIME,
            write_time: WRITE_TIME,
            answer_time: ANSWER_TIME,
            listener: ListenerLimits { socket, ..ListenerLimits::default() },
        }
    }
}
