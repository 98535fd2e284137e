//! The bounds on what one client may ask for, decided in one place. What belongs to one device or bus stands with it.

use buttplug_core::limits::FrameLimits;

/// Answers of hardware that one client may wait for. A client that asks for more gets an error at once.
pub const MAX_PENDING_READS: usize = 64;

/// Inputs that one client may be subscribed to. More than a hundred devices with all their sensors have.
pub const MAX_SUBSCRIPTIONS: usize = 1024;

/// Bounds of each client of a [`Server`](crate::Server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Bounds of a frame.
    pub frame: FrameLimits,
    /// See [`MAX_PENDING_READS`].
    pub max_pending_reads: usize,
    /// See [`MAX_SUBSCRIPTIONS`].
    pub max_subscriptions: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            frame: FrameLimits::default(),
            max_pending_reads: MAX_PENDING_READS,
            max_subscriptions: MAX_SUBSCRIPTIONS,
        }
    }
}
