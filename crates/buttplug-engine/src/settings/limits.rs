//! From the flags about limits to the bounds of each part.

use crate::cli::{LimitFlags, ServeFlags};
use crate::rest::RestLimits;
use buttplug_connector_websocket::WebSocketLimits;
use buttplug_core::limits::FrameLimits;
use buttplug_hardware_dialin::{DialInLimits, ListenerLimits};
use buttplug_server::{ClientLimits, DEFAULT_MAX_CLIENTS};
use std::time::Duration;

/// The bounds of each part.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Of the port for clients.
    pub(crate) clients: WebSocketLimits,
    /// Of the port for devices.
    pub(crate) devices: DialInLimits,
    /// Of the REST API.
    pub(crate) rest: RestLimits,
    /// Of each client.
    pub(crate) client: ClientLimits,
    /// Clients at a time.
    pub(crate) max_clients: usize,
}

impl Limits {
    pub(super) fn new(flags: &ServeFlags) -> Self {
        let limits = &flags.limits;
        let mut clients = WebSocketLimits {
            max_connections: limits.max_connections,
            max_connections_per_address: limits.max_connections_per_address,
            ..WebSocketLimits::default()
        };
        let mut devices =
            DialInLimits { max_devices: limits.max_dialled_in_devices, ..DialInLimits::default() };
        set(&mut clients.listener, limits);
        set(&mut devices.listener, limits);
        let usual = RestLimits::default();
        let rest = RestLimits {
            max_connections: limits.max_rest_connections,
            head_time: limits.max_idle_time.map_or(usual.head_time, Duration::from_millis),
            body_time: Duration::from_millis(limits.max_upgrade_time),
        };
        let frame = FrameLimits {
            bytes: limits.max_message_size,
            messages: limits.max_messages_per_frame,
            nesting: limits.max_nesting,
        };
        let client = ClientLimits {
            frame,
            max_pending_reads: limits.max_requests,
            max_subscriptions: limits.max_subscriptions,
        };
        Self { clients, devices, rest, client, max_clients: max_clients(flags, DEFAULT_MAX_CLIENTS) }
    }
}

/// Clients at a time; as many as usual if the flags say nothing.
pub(crate) fn max_clients(flags: &ServeFlags, usual: usize) -> usize {
    if flags.single_client { 1 } else { flags.limits.max_clients.unwrap_or(usual) }
}

/// What the person should know of them.
pub(super) fn notices(flags: &ServeFlags) -> Vec<String> {
    let LimitFlags { max_connections, max_connections_per_address, max_clients, .. } = flags.limits;
    let Some(clients) = max_clients.filter(|clients| *clients > max_connections) else { return Vec::new() };
    vec![format!(
        "there will never be {clients} clients: raise --max-connections, which is {max_connections}, as well; from one \
         address, such as this machine's, there are no more than --max-connections-per-address: \
         {max_connections_per_address}"
    )]
}

/// Moves the bounds of a port to where the flags want them.
pub(crate) fn set(listener: &mut ListenerLimits, flags: &LimitFlags) {
    listener.upgrade_time = Duration::from_millis(flags.max_upgrade_time);
    listener.socket.max_message = flags.max_message_size;
    if let Some(ms) = flags.max_idle_time {
        listener.socket.lost_after = Duration::from_millis(ms);
        listener.socket.ping_after = listener.socket.lost_after / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_clients_than_connections_are_told_of() {
        let mut flags = ServeFlags::default();
        let mut told = |clients| {
            flags.limits.max_clients = clients;
            notices(&flags)
        };
        assert_eq!((told(None), told(Some(64))), (Vec::new(), Vec::new()));
        let told = told(Some(65));
        assert!(
            told[0].contains("65 clients") && told[0].contains("--max-connections, which is 64"),
            "{told:?}"
        );
    }

    #[test]
    fn without_flags_each_part_has_its_usual_bounds() {
        let limits = Limits::new(&ServeFlags::default());
        let shown = |limits: &dyn std::fmt::Debug| format!("{limits:?}");
        assert_eq!(shown(&limits.clients), shown(&WebSocketLimits::default()));
        assert_eq!(shown(&limits.devices), shown(&DialInLimits::default()));
        assert_eq!(limits.rest, RestLimits::default());
        assert_eq!(limits.client, ClientLimits::default());
        assert_eq!(limits.max_clients, DEFAULT_MAX_CLIENTS);
    }
}
