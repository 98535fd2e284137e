//! The flags of `serve` that move a limit.

use crate::rest;
use buttplug_connector_websocket::{MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, UPGRADE_TIME};
use buttplug_core::limits::{MAX_FRAME_BYTES, MAX_MESSAGES_PER_FRAME, MAX_NESTING};
use buttplug_hardware_dialin::MAX_DEVICES;
use buttplug_server::{MAX_PENDING_READS, MAX_SUBSCRIPTIONS};
use clap::builder::RangedU64ValueParser;

/// More than this of anything is no limit any more.
const MANY: u64 = 1_000_000;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

/// How many of something.
fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MANY)
}

/// How many connections to the REST API.
fn rest_connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(rest::FEWEST_CONNECTIONS as u64..=rest::MOST_CONNECTIONS as u64)
}

/// What `serve` can be told about its limits. The usual values are those of the crates that keep them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// Connections to the port for clients
    #[arg(long, value_name = "N", default_value_t = MAX_CONNECTIONS, value_parser = count())]
    pub(crate) max_connections: usize,

    /// Connections to it from one address
    #[arg(long, value_name = "N", default_value_t = MAX_CONNECTIONS_PER_ADDRESS, value_parser = count())]
    pub(crate) max_connections_per_address: usize,

    /// Clients that have introduced themselves; for a repeater, which can't know that, its connections [default: 256, 16 for
    /// a repeater]
    #[arg(long, value_name = "N", value_parser = count())]
    pub(crate) max_clients: Option<usize>,

    /// Devices on the device port
    #[arg(long, value_name = "N", default_value_t = MAX_DEVICES, value_parser = count())]
    pub(crate) max_dialled_in_devices: usize,

    /// Connections to the REST API
    #[arg(long, value_name = "N", default_value_t = rest::MAX_CONNECTIONS, value_parser = rest_connections())]
    pub(crate) max_rest_connections: usize,

    /// Milliseconds that a peer may take to ask for WebSocket, or for the body of a request to the REST API
    #[arg(long, value_name = "MS", default_value_t = millis(UPGRADE_TIME), value_parser = clap::value_parser!(u64).range(100..=DAY))]
    pub(crate) max_upgrade_time: u64,

    /// Milliseconds of silence after which a client or device is gone and what it set in motion stops; half of it is
    /// waited with a ping. Over the REST API only the connection is closed [default: 10000 for clients, 15000 for devices]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1000..=DAY))]
    pub(crate) max_idle_time: Option<u64>,

    /// Bytes of a message of a client or device
    #[arg(long, value_name = "BYTES", default_value_t = MAX_FRAME_BYTES, value_parser = RangedU64ValueParser::<usize>::new().range(1024..=64 * 1024 * 1024))]
    pub(crate) max_message_size: usize,

    /// Messages of a client in one frame
    #[arg(long, value_name = "N", default_value_t = MAX_MESSAGES_PER_FRAME, value_parser = count())]
    pub(crate) max_messages_per_frame: usize,

    /// Arrays and objects inside one another in a client's message
    #[arg(long, value_name = "N", default_value_t = MAX_NESTING, value_parser = RangedU64ValueParser::<usize>::new().range(6..=120))]
    pub(crate) max_nesting: usize,

    /// Answers of devices that one client waits for
    #[arg(long, value_name = "N", default_value_t = MAX_PENDING_READS, value_parser = count())]
    pub(crate) max_requests: usize,

    /// Inputs that one client is subscribed to
    #[arg(long, value_name = "N", default_value_t = MAX_SUBSCRIPTIONS, value_parser = count())]
    pub(crate) max_subscriptions: usize,

    /// Lines of the log about one peer in a second
    #[arg(long, value_name = "N", default_value_t = crate::log::MAX_LINES_PER_PEER, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max_log_lines: u32,
}

impl Default for LimitFlags {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            max_clients: None,
            max_dialled_in_devices: MAX_DEVICES,
            max_rest_connections: rest::MAX_CONNECTIONS,
            max_upgrade_time: millis(UPGRADE_TIME),
            max_idle_time: None,
            max_message_size: MAX_FRAME_BYTES,
            max_messages_per_frame: MAX_MESSAGES_PER_FRAME,
            max_nesting: MAX_NESTING,
            max_requests: MAX_PENDING_READS,
            max_subscriptions: MAX_SUBSCRIPTIONS,
            max_log_lines: crate::log::MAX_LINES_PER_PEER,
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
