//! The bounds of sockets and listeners, decided in one place. What differs between users is a field, the rest a
//! constant.

use std::time::Duration;

/// Silence after which the peer is pinged. Short enough that a client that is gone stops its devices soon.
pub const PING_AFTER: Duration = Duration::from_secs(5);

/// Silence after which the connection is over, pings included. Two tries of a phone's radio fit between.
pub const LOST_AFTER: Duration = Duration::from_secs(10);

/// How long a write may make no progress. The peer's receive buffer is full by then, and it does not read.
pub const STALL_AFTER: Duration = Duration::from_secs(5);

/// How long closing in order may take: writing out, and waiting for the peer to have read it.
pub const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Bytes that may be queued for a peer that reads slowly. A list of a thousand devices has about 300 kB; a client may ask
/// for several at once, and several may be on their way while devices come and go.
pub const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// Frames taken from a socket at a time, control frames included, so that a peer that floods can't keep its task
/// from answering, nor from giving way to others.
pub const MAX_BATCH_FRAMES: usize = 256;

/// Bytes of messages taken from a socket at a time; the message that reaches it is the last. The answers to so much
/// fit into [`MAX_QUEUED_BYTES`].
pub const MAX_BATCH_BYTES: usize = 64 * 1024;

/// Bytes of an upgrade request. A browser sends a few hundred, plus all cookies of the host, whatever the port.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// How long an upgrade may take.
pub const UPGRADE_TIME: Duration = Duration::from_secs(5);

/// Connections that may be unfinished (in the upgrade, or before their first message where one is awaited) for longer
/// than [`SETTLING_TIME`].
pub const MAX_UNFINISHED: usize = 64;

/// As [`MAX_UNFINISHED`], from one source: an IPv4 address, or a /64 of IPv6.
pub const MAX_UNFINISHED_PER_SOURCE: usize = 16;

/// How long a connection may take without counting as unfinished. A crowd that comes at the same moment, as devices
/// do after a power cut, is no attack; those that are silent after this are treated as one.
pub const SETTLING_TIME: Duration = Duration::from_millis(250);

/// Connections that may be unfinished at all, settled or not. More wait in the operating system's queue until there
/// is room, at most [`SETTLING_TIME`]. Bounds the descriptors that strangers can take.
pub const MAX_ARRIVING: usize = 256;

/// Bounds of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// Bytes of a message, on the way in. A longer one ends the connection with code 1009.
    pub max_message: usize,
    /// Bytes that may be queued, on the way out.
    pub max_queued: usize,
    /// Bytes read at a time, allocated for the life of the socket. More take more messages out of one system call.
    pub read_buffer: usize,
    /// See [`PING_AFTER`].
    pub ping_after: Duration,
    /// See [`LOST_AFTER`].
    pub lost_after: Duration,
    /// See [`STALL_AFTER`].
    pub stall_after: Duration,
    /// See [`CLOSE_TIME`].
    pub close_time: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            max_message: 1024 * 1024,
            max_queued: MAX_QUEUED_BYTES,
            read_buffer: 16 * 1024,
            ping_after: PING_AFTER,
            lost_after: LOST_AFTER,
            stall_after: STALL_AFTER,
            close_time: CLOSE_TIME,
        }
    }
}

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// See [`UPGRADE_TIME`].
    pub upgrade_time: Duration,
    /// See [`MAX_UNFINISHED`].
    pub max_unfinished: usize,
    /// See [`MAX_UNFINISHED_PER_SOURCE`].
    pub max_unfinished_per_source: usize,
    /// See [`SETTLING_TIME`].
    pub settling_time: Duration,
    /// See [`MAX_ARRIVING`].
    pub max_arriving: usize,
    /// Bounds of the sockets.
    pub socket: SocketLimits,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            upgrade_time: UPGRADE_TIME,
            max_unfinished: MAX_UNFINISHED,
            max_unfinished_per_source: MAX_UNFINISHED_PER_SOURCE,
            settling_time: SETTLING_TIME,
            max_arriving: MAX_ARRIVING,
            socket: SocketLimits::default(),
        }
    }
}
